"""Transports of a user's own for event loops: they need not know the turn's limits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import anyio
import pytest

from chatgptes import (
    AsyncClient,
    Client,
    Deadline,
    Headers,
    InvalidConfigError,
    Request,
    RequestTimeout,
    StreamInterruptedError,
    Timeout,
    TransportError,
    TurnCancelled,
)

pytestmark = pytest.mark.anyio

PAGE = (
    b'<div class="wpaicg-chat-shortcode" data-nonce="aaaaaaaaaa" data-bot-id="0"></div>'
    b'<script>var wpaicgParams = {"ajax_url":"\\/wp-admin\\/admin-ajax.php"}</script>'
)
DELTA = b'data: {"id":"c","choices":[{"delta":{"content":"word"},"finish_reason":null}]}\n\n'


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


class Silence(Exception):
    """In a list of pieces: from here on the site says nothing."""


class Response:
    def __init__(self, url: str, kind: str, pieces: list[Any]) -> None:
        self.url = url
        self.status = 200
        self.headers = Headers({"content-type": kind})
        self.pieces = pieces
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if piece is Silence:
                await anyio.sleep_forever()
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    def close(self) -> None:
        self.closed = True


class Own:
    """Gives the page to a GET, and `answer` to the message; None is silence before the head."""

    def __init__(self, answer: list[Any] | None) -> None:
        self.answer = answer
        self.responses: list[Response] = []

    async def send(self, request: Request, deadline: Deadline) -> Response:
        if request.method == "GET":
            response = Response(request.url, "text/html", [PAGE])
        elif self.answer is None:
            await anyio.sleep_forever()
            raise AssertionError
        else:
            response = Response(request.url, "text/event-stream", self.answer)
        self.responses.append(response)
        return response

    async def aclose(self) -> None:
        """Nothing is open."""


async def test_a_turn() -> None:
    own = Own([b"", DELTA, b"", DELTA, b"data: [DONE]\n\n"])
    async with AsyncClient("http://site.test/", transport=own) as client:
        assert (await client.chat("Hi")).text == "wordword"
        assert [bot.id for bot in await client.bots()] == ["0"]
    assert all(response.closed for response in own.responses)


@pytest.mark.parametrize("answer", [None, [DELTA, Silence]], ids=["head", "body"])
async def test_silence_ends(answer: list[Any] | None) -> None:
    own = Own(answer)
    limits = Timeout(connect=5, read=0.1, total=30)
    async with AsyncClient("http://site.test/", transport=own, timeout=limits) as client:
        with pytest.raises((RequestTimeout, StreamInterruptedError)) as caught:
            await client.chat("Hi")
    cause = caught.value.__cause__ if answer else caught.value
    assert isinstance(cause, RequestTimeout)
    assert cause.phase == "read"


async def test_the_total_ends() -> None:
    async with AsyncClient("http://site.test/", transport=Own(None), timeout=0.1) as client:
        with pytest.raises(RequestTimeout) as caught:
            await client.chat("Hi")
    assert caught.value.phase == "total"


async def test_closing_the_client_ends_it() -> None:
    own = Own([DELTA, Silence])
    client = AsyncClient("http://site.test/", transport=own)
    stream = client.stream("Hi")
    assert await anext(stream) == "word"

    async def read() -> None:
        with pytest.raises(StreamInterruptedError) as caught:
            await anext(stream)
        assert isinstance(caught.value.__cause__, TurnCancelled)

    with anyio.fail_after(20):  # Less than the limit of silence.
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            await client.aclose()
    assert own.responses[-1].closed


async def test_its_errors_are_put_into_ours() -> None:
    own = Own([DELTA, OSError("boom")])
    async with AsyncClient("http://site.test/", transport=own) as client:
        with pytest.raises(StreamInterruptedError) as caught:
            await client.chat("Hi")
    assert caught.value.partial == "word"
    assert isinstance(caught.value.__cause__, TransportError)
    assert "OSError: boom" in str(caught.value)


async def test_a_blocking_client_refuses_it() -> None:
    with pytest.raises(InvalidConfigError, match="AsyncClient"):
        Client("http://site.test/", transport=Own([]))


class Empty(Own):
    """A site that sends empty pieces for ever, without a real wait."""

    async def send(self, request: Request, deadline: Deadline) -> Response:
        response = await super().send(request, deadline)
        if request.method == "POST":
            response.pieces = iter(lambda: b"", None)  # type: ignore[assignment]
        return response


async def test_empty_pieces_are_silence() -> None:
    limits = Timeout(connect=5, read=0.2, total=30)
    async with AsyncClient("http://site.test/", transport=Empty([]), timeout=limits) as client:
        with anyio.fail_after(10), pytest.raises(RequestTimeout) as caught:
            await client.chat("Hi")
    assert caught.value.phase == "read"


class Odd(Own):
    """What an `await anext(...)` inside of a transport can raise."""

    async def send(self, request: Request, deadline: Deadline) -> Response:
        raise StopAsyncIteration


class Blocking:
    """A blocking transport: gives the page, and `answer` to the message."""

    def __init__(self, answer: Callable[[], Iterator[bytes]]) -> None:
        self.answer = answer

    def send(self, request: Request, deadline: Deadline) -> Any:
        pieces = iter([PAGE]) if request.method == "GET" else self.answer()
        kind = "text/html" if request.method == "GET" else "text/event-stream"
        return BlockingResponse(request.url, kind, pieces)

    def close(self) -> None:
        pass


class BlockingResponse(Response):
    def __iter__(self) -> Any:
        return self.pieces


def bridged() -> Iterator[bytes]:
    yield DELTA
    raise StopAsyncIteration  # Of an asynchronous library behind it.


@pytest.mark.parametrize("transport", [Odd([]), Blocking(bridged)], ids=["async", "blocking"])
async def test_an_end_that_is_none(transport: Any) -> None:
    async with AsyncClient("http://site.test/", transport=transport) as client:
        with pytest.raises(RuntimeError, match="StopAsyncIteration"):
            async for _ in client.stream("Hi"):
                pass


@pytest.mark.parametrize("call", ["chat", "bots"])
async def test_a_thread_that_hangs_holds_no_other_turn(call: str) -> None:
    """As in a look-up of a name, which nothing ends: its turn's slot is free at once."""
    hanging, go = threading.Event(), threading.Event()

    class Hanging(Blocking):
        def send(self, request: Request, deadline: Deadline) -> Any:
            if not hanging.is_set() and (call == "bots" or request.method == "POST"):
                hanging.set()
                go.wait(20)
            return super().send(request, deadline)

    transport = Hanging(lambda: iter([DELTA, b"data: [DONE]\n\n"]))
    client = AsyncClient("http://site.test/", transport=transport, max_concurrency=1)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(client.bots if call == "bots" else partial(client.chat, "Hi"))
            while not hanging.is_set():
                await anyio.sleep(0.005)
            group.cancel_scope.cancel()
        with anyio.fail_after(10):
            assert (await client.chat("Hi")).text == "word"
    finally:
        go.set()
        await client.aclose()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_stream_whose_thread_is_the_parents() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


FORK = """
import asyncio, os
from chatgptes import AsyncClient, StreamInterruptedError
from chatgptes.sandbox import Site

async def begin():
    stream = client.stream("Hi")
    return stream, await anext(stream)

async def go_on():
    try:
        await asyncio.wait_for(anext(stream), 20)
    except StreamInterruptedError as error:
        os._exit(0 if error.partial == text and "parent" in str(error) else 1)

with Site(chunk_delay=0.01) as site:
    client = AsyncClient(site.page("classic"), transport="requests", trust_env=False)
    loop = asyncio.new_event_loop()
    stream, text = loop.run_until_complete(begin())
    child = os.fork()
    if child == 0:
        asyncio.new_event_loop().run_until_complete(go_on())
    assert os.waitpid(child, 0)[1] == 0
    loop.run_until_complete(client.aclose())
    loop.close()
"""
