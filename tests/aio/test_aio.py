"""Async clients over real sockets, on asyncio, uvloop and trio, with blocking calls forbidden."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import contextvars
import gc
import os
import pickle
import random
import socket
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from threads import transfers, under_way, workers

from chatgptes import (
    AsyncClient,
    AsyncStream,
    BotNotFoundError,
    ChatGptEsError,
    Client,
    Deadline,
    InvalidConfigError,
    InvalidMessageError,
    QuotaError,
    Request,
    RequestTimeout,
    StreamInterruptedError,
    Timeout,
    TurnCancelled,
    UnexpectedStatusError,
)
from chatgptes.sandbox import Site
from chatgptes.transport.plain.transport import RequestsTransport

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """A blocking call on the loop's thread is an error."""
    with blockbuster_ctx() as guard:
        yield guard


@pytest.fixture(params=["requests", "curl_cffi"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


NAME: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody's")


async def descriptors() -> int:
    return await anyio.to_thread.run_sync(lambda: len(os.listdir("/proc/self/fd")))


async def gone(limit: float = 5.0) -> None:
    """Wait until no turn is under way; far longer than the milliseconds that it takes."""
    with anyio.fail_after(limit):
        while under_way():
            await anyio.sleep(0.001)


@pytest.mark.parametrize("page", ["front", "classic", "classic-plain"])
async def test_a_turn(site: Site, transport: str, page: str) -> None:
    async with AsyncClient(site.page(page), transport=transport) as client:
        reply = await client.chat("Grüße")
        assert "> Grüße" in reply.text
        chunks = []
        async for chunk in client.stream("Hello"):
            chunks.append(chunk)
        async with client.stream("Hello") as stream:
            assert "".join([chunk async for chunk in stream]) == "".join(chunks)
            assert stream.reply.text == stream.text == "".join(chunks)
        assert [bot.id for bot in await client.bots()] == [reply.bot]
    await gone()


async def test_rest(site: Site) -> None:
    async with AsyncClient(site.url, api_key=site.api_key, bot=5) as client:
        reply = await client.chat([{"role": "user", "content": "Hi"}])
    assert reply.usage is not None


async def test_conversation(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    async with AsyncClient(site.url) as client:
        talk = client.conversation()
        await talk.chat("My name is Ada.")
        async with talk.stream("Second") as stream:
            async for _ in stream:
                pass
        await talk.save(file)
        assert len(talk.messages) == 4
        later = client.conversation(file)
        assert "message 3" in (await later.chat("And now?")).text
        awaited = await client.conversation(file)
        assert awaited.messages == talk.messages
        assert client.conversation(talk.to_dict()).messages == talk.messages
        assert awaited.id == talk.id
        with pytest.raises(InvalidMessageError):
            talk.stream([])  # type: ignore[arg-type]


async def test_damaged_conversation_file(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    await anyio.Path(file).write_text("nonsense")
    async with AsyncClient(site.url) as client:
        with pytest.raises(InvalidConfigError):
            await client.conversation(file)
        with pytest.raises(InvalidConfigError):
            await client.conversation(file).chat("Hi")
        with pytest.raises(FileNotFoundError):
            await client.conversation(tmp_path / "none").chat("Hi")


async def test_one_task_cannot_wait_for_itself(site: Site) -> None:
    site.next("stall")
    async with AsyncClient(site.url) as client:
        talk = client.conversation()
        stream = talk.stream("one")
        await anext(stream)
        with pytest.raises(ChatGptEsError, match="has not ended"):
            await talk.chat("two")
        await stream.aclose()
        assert await talk.chat("three")


async def test_turns_of_one_conversation_from_many_tasks(site: Site) -> None:
    async with AsyncClient(site.url) as client:
        talk = client.conversation()
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(talk.chat, f"turn {number}")
        assert len(talk.messages) == 10
        assert "message 6" in (await talk.chat("last")).text


async def test_errors_are_the_same(site: Site, transport: str) -> None:
    async with AsyncClient(site.page("classic"), transport=transport, retries=0) as client:
        with pytest.raises(InvalidMessageError):
            client.stream("")
        site.next("quota")
        with pytest.raises(QuotaError):
            await client.chat("Hi")
        site.next("http-404")
        with pytest.raises(UnexpectedStatusError):
            async with client.stream("Hi"):
                raise AssertionError("It is entered when the site has taken the turn.")
        site.next("cut")
        seen = []
        with pytest.raises(StreamInterruptedError) as caught:
            async for chunk in client.stream("Hi"):
                seen.append(chunk)
        assert caught.value.partial == "".join(seen) != ""
        site.next("stall-headers")
        with pytest.raises(RequestTimeout) as late:
            await client.chat("Hi", timeout=0.2)
        assert late.value.phase == "total"
        site.release()
    with pytest.raises(ChatGptEsError, match="closed"):
        await client.chat("Hi")
    async with AsyncClient(site.page("nobot")) as client:
        with pytest.raises(BotNotFoundError):
            await client.bots()


async def test_arguments_are_checked_at_once() -> None:
    for wrong in ({"site": "nonsense"}, {"timeout": -1}, {"api_key": "k"}):
        with pytest.raises(InvalidConfigError):
            AsyncClient(**wrong)
    with pytest.raises(TypeError, match="modle"):
        AsyncClient(modle="x")  # type: ignore[call-arg]
    for late, words in (
        (AsyncClient("https://example.org", verify="/no/such/file.pem"), "verify"),
        (AsyncClient("https://example.org", transport="curl_cffi", impersonate="lynx"), "lynx"),
    ):
        with pytest.raises(InvalidConfigError, match=words):
            await late.chat("Hi")


async def test_reply_before_the_end(site: Site) -> None:
    site.next("stall")
    async with AsyncClient(site.url) as client, client.stream("Hi") as stream:
        with pytest.raises(ChatGptEsError, match="not ended"):
            _ = stream.reply


async def test_stream_of_own_transport(site: Site) -> None:
    mine = await anyio.to_thread.run_sync(lambda: RequestsTransport(trust_env=False))
    async with AsyncClient(site.url, transport=mine) as client:
        assert (await client.chat("Hi")).text
    mine.close()


@pytest.mark.parametrize("way", ["break", "scope", "aclose", "error", "drop", "timeout"])
async def test_leaving_at_once(site: Site, transport: str, way: str) -> None:
    """In mid-stream, while the site is silent for ever."""
    async with AsyncClient(site.page("classic"), transport=transport) as client:
        await client.chat("warm")
        await gone()
        before = await descriptors()
        site.next("stall")
        with anyio.fail_after(10):
            if way == "break":
                async for _ in client.stream("Hi"):
                    break
            elif way == "scope":
                with anyio.move_on_after(0.1) as scope:
                    async for _ in client.stream("Hi"):
                        pass
                assert scope.cancelled_caught
            elif way == "aclose":
                stream = client.stream("Hi")
                await anext(stream)
                await stream.aclose()
                assert [chunk async for chunk in stream] == []
            elif way == "error":
                with pytest.raises(KeyError):
                    async with client.stream("Hi") as stream:
                        await anext(stream)
                        raise KeyError
            elif way == "drop":
                stream = client.stream("Hi")
                await anext(stream)
                del stream
            else:
                with pytest.raises(TimeoutError):
                    with anyio.fail_after(0.1):
                        await client.chat("Hi")
            await gone()
            while await descriptors() > before:  # The site closes its ends in its own time.
                await anyio.sleep(0.01)
        site.release()
        assert (await client.chat("Hello")).text


async def test_leaving_by_closing_the_client(site: Site, transport: str) -> None:
    site.next("stall", 3)
    client = AsyncClient(site.page("classic"), transport=transport)
    errors: list[BaseException] = []

    async def read() -> None:
        try:
            async for _ in client.stream("Hi"):
                pass
        except ChatGptEsError as error:
            errors.append(error)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(read)
            while len(site.messages) < 3:
                await anyio.sleep(0.01)
            await client.aclose()
            await client.aclose()
        await gone()
    assert len(errors) == 3
    for error in errors:
        cause = error.__cause__ if isinstance(error, StreamInterruptedError) else error
        assert isinstance(cause, TurnCancelled)


async def test_steps_from_different_tasks(site: Site) -> None:
    async with AsyncClient(site.url) as client:
        stream = client.stream("Hello")
        chunks: list[str] = []

        async def step() -> None:
            chunks.append(await anext(stream))

        with pytest.raises(BaseException) as caught:
            while True:
                async with anyio.create_task_group() as group:
                    group.start_soon(step)
        assert caught.group_contains(StopAsyncIteration)
        assert "".join(chunks) == stream.reply.text


@pytest.fixture
def paused() -> Iterator[Site]:
    """A site whose bot says one word, and no more before it is stopped."""
    over = threading.Event()

    def answer(messages: list[dict[str, str]]) -> Iterator[str]:
        yield "word"
        over.wait(60)

    with Site(answer=answer) as site:
        yield site
        over.set()


async def test_two_tasks_may_not_wait_for_one_stream(paused: Site) -> None:
    async with AsyncClient(paused.page("classic")) as client:
        stream = client.stream("Hi")

        async def read() -> None:
            async for _ in stream:
                pass

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            with anyio.fail_after(10):
                while not stream.text:
                    await anyio.sleep(0.001)
            await anyio.sleep(0)  # It has gone on to wait for the next.
            with pytest.raises(anyio.BusyResourceError):
                await anext(stream)
            group.cancel_scope.cancel()
    await gone()


async def test_slow_consumer_holds_the_site_back(transport: str) -> None:
    given: list[int] = []

    def answer(messages: list[dict[str, str]]) -> Iterator[str]:
        for number in range(100_000):
            given.append(number)
            yield "word " * 200

    site = await anyio.to_thread.run_sync(Site(answer=answer).start)
    quick = Timeout(connect=5, read=1.0, total=2.0)
    try:
        async with AsyncClient(site.page("classic"), transport=transport, timeout=quick) as client:
            async with client.stream("Hi") as stream:
                await anext(stream)
                before = -1
                with anyio.fail_after(20):
                    while before != (before := len(given)):  # Until the site can send no more.
                        await anyio.sleep(0.3)
                await anyio.sleep(2.2)  # Longer than any limit: its own slowness is no timeout.
                assert len(given) == before < 50_000
                with anyio.fail_after(20):
                    while len(given) == before:
                        await anext(stream)
        await gone()
    finally:
        await anyio.to_thread.run_sync(site.stop)


async def test_queued_turns_hold_no_threads(site: Site, transport: str) -> None:
    site.next("stall", 2)
    async with AsyncClient(site.page("classic"), transport=transport, max_concurrency=2) as client:
        replies: list[str] = []

        async def ask() -> None:
            try:
                replies.append((await client.chat("Hi")).text)
            except StreamInterruptedError:
                replies.append("broken")

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(ask)
                while len(site.messages) < 2:
                    await anyio.sleep(0.01)
                # A thread of the loop before may just be ending on a busy machine.
                while (workers(), transfers()) != ((2, 0) if transport == "requests" else (0, 2)):
                    await anyio.sleep(0.01)
                with pytest.raises(RequestTimeout, match="max_concurrency") as caught:
                    await client.chat("Hi", timeout=0.05)
                assert caught.value.phase == "slot"
                site.release()
        assert len(replies) == 20
        await gone()


async def test_a_hundred_streams_at_once() -> None:
    everybody = threading.Barrier(101, timeout=60)

    def answer(messages: list[dict[str, str]]) -> Iterator[str]:
        yield "a"
        everybody.wait()
        yield "b"

    site = Site(answer=answer).start()
    try:
        async with AsyncClient(site.page("classic"), max_concurrency=100) as client:
            texts: list[str] = []

            async def read() -> None:
                texts.append("".join([chunk async for chunk in client.stream("Hi")]))

            with anyio.fail_after(60):
                async with anyio.create_task_group() as group:
                    for _ in range(100):
                        group.start_soon(read)
                    # All hundred are in mid-stream at the same moment, or this never ends.
                    await anyio.to_thread.run_sync(everybody.wait)
            assert texts == ["ab"] * 100
            assert [r.method for r in site.requests].count("GET") == 1
        await gone()
    finally:
        await anyio.to_thread.run_sync(site.stop)


async def test_min_interval(site: Site) -> None:
    async with AsyncClient(site.page("classic"), min_interval=0.15) as client:
        started = time.monotonic()
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(client.chat, "Hi")
        assert time.monotonic() - started >= 0.45
    assert len(site.messages) == 4


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a listener that accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield "127.0.0.1:%d" % listener.getsockname()[1]


@pytest.fixture
def full() -> Iterator[str]:
    """The address of a listener whose queue is full: the kernel answers no further SYN."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield "127.0.0.1:%d" % listener.getsockname()[1]


@pytest.mark.parametrize("phase", ["connect", "tls", "first byte", "mid-stream"])
async def test_cancel_in_each_phase(
    site: Site, silent: str, full: str, transport: str, phase: str
) -> None:
    url = {"connect": f"http://{full}/", "tls": f"https://{silent}/"}.get(
        phase, site.page("classic")
    )
    async with AsyncClient(url, transport=transport, retries=0) as client:
        before = 0
        for attempt in range(11):
            if phase in ("first byte", "mid-stream"):
                site.next("stall-headers" if phase == "first byte" else "stall")
            asked = len(site.requests)
            with anyio.fail_after(20):
                async with anyio.create_task_group() as group:
                    group.start_soon(client.chat, "Hi")
                    while not under_way():
                        await anyio.sleep(0.001)
                    if phase in ("first byte", "mid-stream"):
                        while not any("admin-ajax" in r.path for r in site.requests[asked:]):
                            await anyio.sleep(0.001)
                    await anyio.sleep(0.05)
                    group.cancel_scope.cancel()
                await gone()
            if attempt == 0:
                before = await descriptors()
        # The sandbox's own sockets are in this process too, and close a little later.
        assert await descriptors() < before + 5


async def test_random_cancels_leave_nothing(site: Site, transport: str) -> None:
    site.chunk_delay = 0.002
    generator = random.Random(7)
    async with AsyncClient(site.page("classic"), transport=transport) as client:
        await client.chat("warm")
        await gone()
        before = await descriptors()
        for _ in range(167):  # 3 event loops × 2 transports × 167 ≥ 1,000.
            with anyio.move_on_after(generator.random() * 0.03):
                async for _ in client.stream("Hi"):
                    pass
        await gone()
        assert await descriptors() <= before + 1
        site.chunk_delay = 0
        assert (await client.chat("Hello")).text


async def test_unread_conversation_is_not_saved_as_empty(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    async with AsyncClient(site.url) as client:
        talk = client.conversation()
        await talk.chat("one")
        await talk.save(file)
        later = client.conversation(file)
        for look in (lambda: later.messages, lambda: later.id, later.to_dict):
            with pytest.raises(ChatGptEsError, match="await"):
                look()
        with pytest.raises(RequestTimeout):
            await later.chat("two", timeout=1e-9)
        await later.save(file)
        assert (await client.conversation(file)).messages == talk.messages
        with pytest.raises(FileNotFoundError):
            await client.conversation(tmp_path / "none").save(file)


async def test_no_thread_to_be_had(
    site: Site, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    async with AsyncClient(site.url, max_concurrency=1, transport=transport) as client:
        with monkeypatch.context() as patch:
            patch.setattr(_thread, "start_new_thread", none)
            for _ in range(2):
                with pytest.raises(ChatGptEsError, match="thread"):
                    await client.chat("Hi")
            with pytest.raises(ChatGptEsError, match="thread"):
                await client.bots()
        assert (await client.chat("Hi", timeout=10)).text


async def test_two_readers_lose_nothing(site: Site) -> None:
    """They may not wait for one stream together, but what each got is everything."""
    async with AsyncClient(site.url) as client:
        for _ in range(20):
            stream = client.stream("Hello, this is a text of some length, to be cut in pieces.")
            got: list[str] = []

            async def read(stream: AsyncStream = stream, got: list[str] = got) -> None:
                while True:
                    try:
                        async for chunk in stream:
                            got.append(chunk)
                        return
                    except anyio.BusyResourceError:
                        await anyio.lowlevel.checkpoint()

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                group.start_soon(read)
            assert len("".join(got)) == len(stream.reply.text)


async def test_left_before_the_end_is_no_turn(site: Site) -> None:
    """Even where all of it had come already: as with a blocking stream."""
    async with AsyncClient(site.url) as client:
        talk = client.conversation()
        stream = talk.stream("Hello")
        async for _ in stream:
            await anyio.sleep(0.1)  # Time in which the rest arrives.
            break
        await stream.aclose()
        await gone()
        assert talk.messages == []
        with pytest.raises(ChatGptEsError):
            _ = stream.reply


async def test_a_task_is_known_by_itself_not_by_its_number(paused: Site) -> None:
    async with AsyncClient(paused.url) as client:
        talk = client.conversation()
        streams: list[AsyncStream] = []

        async def begin() -> None:
            stream = talk.stream("one")
            await anext(stream)
            streams.append(stream)

        async def wait() -> None:
            # A task made after `begin`'s has gone may well get its number.
            with pytest.raises(RequestTimeout):
                await talk.chat("two", timeout=0.05)

        for work in (begin, wait, wait, wait):
            async with anyio.create_task_group() as group:
                group.start_soon(work)
        await streams[0].aclose()
    await gone()


async def test_cancelled_while_queued_leaves_the_queue(paused: Site) -> None:
    async with AsyncClient(paused.page("classic"), max_concurrency=1) as client:
        stream = client.stream("Hi")
        await anext(stream)
        for _ in range(3):
            with anyio.move_on_after(0.02) as scope:
                await client.chat("queued")
            assert scope.cancelled_caught
        limiter = client.core.limiter
        assert not limiter._queue
        await stream.aclose()
        await gone()
        assert limiter.request("me").signal.is_set


async def test_bots_ends_with_its_task_and_with_the_client(silent: str) -> None:
    client = AsyncClient(f"http://{silent}/")
    with anyio.move_on_after(0.1) as scope:
        await client.bots()
    assert scope.cancelled_caught
    await gone()
    errors: list[ChatGptEsError] = []

    async def ask() -> None:
        try:
            await client.bots()
        except ChatGptEsError as error:
            errors.append(error)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            while not under_way():
                await anyio.sleep(0.001)
            await client.aclose()
    assert isinstance(errors[0], TurnCancelled)
    await gone()


async def test_a_late_start_is_not_a_lack_of_slots(site: Site) -> None:
    async with AsyncClient(site.page("classic"), min_interval=5) as client:
        await client.chat("Hi")
        stream = client.stream("Hi", timeout=0.1)
        with pytest.raises(RequestTimeout) as caught:
            await anext(stream)
        assert caught.value.phase == "total"
        assert "failed" in repr(stream)
        with pytest.raises(RequestTimeout):
            _ = stream.reply


async def test_context_variables_reach_the_thread() -> None:
    seen: list[str] = []

    class Watching(RequestsTransport):
        def send(self, request: Request, deadline: Deadline) -> Any:
            seen.append(NAME.get())
            return super().send(request, deadline)

    site = await anyio.to_thread.run_sync(Site().start)
    mine = await anyio.to_thread.run_sync(lambda: Watching(trust_env=False))
    NAME.set("of this task")
    async with AsyncClient(site.url, transport=mine) as client:
        await client.chat("Hi")
    assert set(seen) == {"of this task"}
    mine.close()
    await anyio.to_thread.run_sync(site.stop)


async def test_nothing_is_warned_of(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = AsyncClient(site.page("classic"))
        unused = client.stream("Hi")
        del unused
        stream = client.stream("Hi")
        await anext(stream)
        del stream, client
        gc.collect()
        await gone()
        gc.collect()
    assert capfd.readouterr().err == ""


async def test_pickle(site: Site) -> None:
    async with AsyncClient(site.url) as client:
        copy = pickle.loads(pickle.dumps(client))
        assert isinstance(copy, AsyncClient)
        assert copy.visitor == client.visitor
        assert copy.site == client.site
        assert (await copy.chat("Hi")).text
        await copy.aclose()


def test_loop_that_ends_with_a_stream_open(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    site.next("stall")
    client = AsyncClient(site.page("classic"))
    kept: list[AsyncStream] = []

    async def main() -> None:
        stream = client.stream("Hi")
        kept.append(stream)
        await anext(stream)
        asyncio.get_running_loop().create_task(stream.__anext__())
        await asyncio.sleep(0)

    asyncio.run(main())
    kept.clear()
    deadline = time.monotonic() + 5
    while under_way() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert under_way() == 0
    assert "Traceback" not in capfd.readouterr().err
    asyncio.run(client.aclose())


def test_several_loops_in_several_threads(site: Site) -> None:
    client = AsyncClient(site.page("classic"), max_concurrency=8)
    texts: list[str] = []

    async def ask(name: str) -> None:
        for number in range(5):
            texts.append((await client.chat(f"{name} {number}")).text)

    threads = [
        threading.Thread(target=anyio.run, args=(ask, f"loop {i}"), kwargs={"backend": backend})
        for i, backend in enumerate(["asyncio", "trio", "asyncio", "trio"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(texts) == 20
    assert [r.method for r in site.requests].count("GET") == 1
    asyncio.run(client.aclose())


def test_asyncio_timeout(site: Site) -> None:
    site.next("stall")

    async def main() -> None:
        async with AsyncClient(site.page("classic")) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    async for _ in client.stream("Hi"):
                        pass

    asyncio.run(main())


def test_a_generator_around_a_stream_is_left_cleanly(site: Site) -> None:
    """As frameworks do it: collected by the garbage collector, or closed by the loop's end."""
    site.next("stall")

    async def chunks(client: AsyncClient) -> AsyncIterator[str]:
        async for chunk in client.stream("Hi"):
            yield chunk

    async def main() -> None:
        client = AsyncClient(site.page("classic"))
        async for _ in chunks(client):
            break
        await asyncio.sleep(0)

    asyncio.run(main())
    deadline = time.monotonic() + 5
    while under_way() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert under_way() == 0


def test_blocking_and_async_clients_share_a_conversation_file(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"

    async def main() -> None:
        async with AsyncClient(site.url) as client:
            talk = client.conversation()
            await talk.chat("one")
            await talk.save(file)

    asyncio.run(main())
    with Client(site.url) as client:
        assert "message 2" in client.conversation(file).chat("two").text
