"""Across processes and to their end: pickling, pools, forks, closing, leaving with work open."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
import threads
from wire import site as wire_site
from wire import streamed

from chatgptes import AsyncClient, ChatGptEsError, Client, Reply, TurnCancelled, errors
from chatgptes.sandbox import Site

KINDS = pytest.mark.parametrize("kind", ["requests", "curl_cffi"])
MODES = pytest.mark.parametrize("mode", ["sync", "async"])
CLASSES = [
    cls for name in errors.__all__
    if isinstance(cls := getattr(errors, name), type) and issubclass(cls, ChatGptEsError)
]  # fmt: skip
OWN = {
    errors.RequestTimeout: {"phase": "slot"},
    errors.RateLimitError: {"retry_after": 2.5},
    errors.StreamInterruptedError: {"partial": "So far"},
}


# Errors.


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_travels(cls: type[ChatGptEsError], protocol: int) -> None:
    where: dict[str, Any] = {"url": "https://a.test/", "status": 503, "excerpt": "Sorry."}
    cause = errors.RateLimitError("Wait.", retry_after=1.0, url="https://b.test/")
    cause.__cause__ = errors.RequestTimeout("Slow.", phase="read")
    error = cls("It broke.", **where, **OWN.get(cls, {}))
    error.__cause__ = cause
    for arrived in (
        pickle.loads(pickle.dumps(error, protocol)),
        copy.copy(error),
        copy.deepcopy(error),
    ):
        assert type(arrived) is cls
        assert (str(arrived), arrived.args) == ("It broke.", ("It broke.",))
        own = {"hint": None, **where, **OWN.get(cls, {})}
        assert vars(arrived) == vars(error) == own
        assert type(arrived.__cause__) is errors.RateLimitError
        assert arrived.__cause__.retry_after == 1.0
        assert arrived.__cause__.__cause__.phase == "read"


def test_a_foreign_cause_stays_behind() -> None:
    """In a process of its own: packages of other tests teach pickle to take causes along."""
    program = """
import pickle, threading
from chatgptes import errors
error = errors.TransportError("It broke.", url="https://a.test/")
error.__cause__ = OSError(threading.Lock())  # Which pickles no lock.
arrived = pickle.loads(pickle.dumps(error))
assert (str(arrived), arrived.url, arrived.__cause__) == ("It broke.", "https://a.test/", None)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# Other processes.


def in_a_worker(client: Client, talk: Any, number: int) -> tuple[Reply, Reply, str, Any, int]:
    try:
        client.chat("x" * 100, timeout=-1)
    except ChatGptEsError as error:
        caught = error
    return (
        client.chat(f"Number {number}"),
        talk.chat("And you are?"),
        client.visitor,
        caught,
        os.getpid(),
    )


def failing(client: Client) -> Reply:
    return client.chat("Hello")


@KINDS
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_in_a_pool_of_processes(site: Site, kind: str, method: str) -> None:
    context = multiprocessing.get_context(method)
    with Client(site.page("classic"), transport=kind, trust_env=False) as client:  # type: ignore[arg-type]
        talk = client.conversation()
        first = talk.chat("My name is Ada.")
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            tasks = [pool.submit(in_a_worker, client, talk, number) for number in range(4)]
            for number, task in enumerate(tasks):
                reply, more, visitor, error, pid = task.result(60)
                assert f"Number {number}" in reply.text
                assert visitor == client.visitor
                assert isinstance(error, errors.InvalidConfigError)
                assert more.text
                assert pid != os.getpid()
            site.next("quota")
            with pytest.raises(errors.QuotaError) as caught:
                pool.submit(failing, client).result(60)
            assert caught.value.status == 200
        assert pickle.loads(pickle.dumps(first)) == first
        # What the workers said is theirs; this one goes on where it was.
        assert len(talk.messages) == 2
        assert "Ada" in talk.chat("What is my name?").text


FORK = """
import contextlib, os, sys, threading
import chatgptes
from chatgptes import ChatGptEsError, Client, shared
kind, url = sys.argv[1:]
client = Client(url, transport=kind, trust_env=False)
talk = client.conversation()
talk.chat("My name is Ada.")
open_stream = client.stream("Tell me a story")
next(open_stream)
open_turn = talk.stream("Go on")
next(open_turn)
hold = threading.Event()
held = threading.Event()
def keep_locks():
    core = client.core
    locks = [core._state.get().lock, core.limiter._lock, core.session._lock,
             client._connecting.get(), talk._state.queue._lock, shared._lock.get()]
    with contextlib.ExitStack() as stack:
        for lock in locks:
            stack.enter_context(lock)
        held.set()
        hold.wait(30)
threading.Thread(target=keep_locks, daemon=True).start()
held.wait(30)
child = os.fork()
if child == 0:
    # Whatever locks other threads held in the parent: they are nobody's here.
    assert client.chat("From the child").text
    assert "Ada" in talk.chat("What is my name?").text
    assert chatgptes.chat("Hello", site=url, transport=kind, trust_env=False).text
    client.close()
    client.close()
    try:
        client.chat("Closed")
    except ChatGptEsError as error:
        assert "closed" in str(error)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
hold.set()
assert "".join(open_turn)
assert "Ada" in talk.chat("What is my name?").text
rest = "".join(open_stream)
assert open_stream.reply.text.endswith(rest) and rest
client.close()
"""


@KINDS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork_both_go_on(kind: str) -> None:
    with Site(chunk_delay=0.01) as site:
        before = site.accepted
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORK, kind, site.page("classic")],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        # The parent's two connections (a stream was under way), and the child's own.
        assert site.accepted - before >= 3


# Closing.


@KINDS
def test_closing_twice_and_in_many_threads(site: Site, kind: str) -> None:
    site.next("stall", 4)
    client = Client(site.page("classic"), transport=kind, trust_env=False)  # type: ignore[arg-type]
    outcomes: list[BaseException] = []

    def read() -> None:
        try:
            client.chat("Hello")
        except BaseException as error:
            outcomes.append(error.__cause__ or error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    started = time.monotonic()
    while site.stalled < 4:
        assert time.monotonic() - started < 20
        time.sleep(0.005)
    closers = [threading.Thread(target=client.close) for _ in range(4)]
    for thread in closers:
        thread.start()
    for thread in (*closers, *readers):
        thread.join(10)
        assert not thread.is_alive()
    client.close()
    assert [type(outcome) for outcome in outcomes] == [TurnCancelled] * 4
    for use in (lambda: client.chat("x"), client.bots, lambda: client.conversation().chat("x")):
        with pytest.raises(ChatGptEsError, match="closed"):
            use()


@KINDS
def test_a_closed_async_client(kind: str) -> None:
    import anyio

    async def main() -> None:
        with wire_site(streamed) as server:
            client = AsyncClient(server.url, transport=kind, trust_env=False)  # type: ignore[arg-type]
            stream = client.stream("Hello")
            assert await anext(stream) == "Hello "
            await client.aclose()
            await client.aclose()
            with pytest.raises(ChatGptEsError):
                await anext(stream)
            server.seen.set()
            with pytest.raises(ChatGptEsError, match="closed"):
                await client.chat("x")

    anyio.run(main)


# Leaving with work open.

SUPPORT = os.path.dirname(threads.__file__)

EXIT = {
    "sync": """
import sys, threading
from chatgptes import Client
kind, url, how = sys.argv[1:4]
client = Client(url, transport=kind, trust_env=False)
if how == "idle":
    client.chat("Hello")
elif how == "stream":
    stream = client.stream("Hello")
    next(stream)
elif how == "thread":
    started = threading.Event()
    def read():
        with client.stream("Hello") as stream:
            for _ in stream:
                started.set()
    threading.Thread(target=read, daemon=True).start()
    started.wait(30)
elif how == "module":
    import chatgptes
    stream = chatgptes.stream("Hello", site=url, transport=kind, trust_env=False)
    next(stream)
print("left")
""",
    "async": """
import asyncio, sys
from chatgptes import AsyncClient
kind, url, how = sys.argv[1:4]
kept = []
async def main():
    client = AsyncClient(url, transport=kind, trust_env=False)
    kept.append(client)
    if how == "idle":
        await client.chat("Hello")
    elif how == "stream":
        stream = client.stream("Hello")
        await anext(stream)
        kept.append(stream)
    elif how == "thread":
        task = asyncio.create_task(client.chat("Hello"))
        sys.path.append(sys.argv[4])
        from threads import under_way
        while not under_way():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        kept.append(task)
    elif how == "module":
        async def consume():
            async for chunk in client.stream("Hello"):
                yield chunk
        generator = consume()
        await anext(generator)
        kept.append(generator)
asyncio.run(main())
print("left")
""",
}


@KINDS
@MODES
@pytest.mark.parametrize("how", ["idle", "stream", "thread", "module"])
def test_leaving_with_work_open(mode: str, kind: str, how: str) -> None:
    def words(messages: object) -> Any:
        del messages
        return ("word " for _ in range(1 if how == "idle" else 10**6))

    with Site(answer=words, chunk_delay=0.005) as site:
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", EXIT[mode], kind, site.page("classic"), how, SUPPORT],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.stdout, done.stderr, done.returncode) == ("left\n", "", 0)
        assert time.monotonic() - started < 20
