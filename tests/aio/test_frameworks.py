"""What web frameworks ask of a stream before they take it for one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest
from servers import Connection, head
from wire import STREAM, ChatServer, delta, show_page

from chatgptes import AsyncClient, Client, TurnCancelled
from chatgptes.sandbox import Site

starlette = pytest.importorskip("starlette.responses")


def slow(connection: Connection) -> None:
    """Answer with one chunk, and the rest once the client has said so."""
    server = connection.server
    assert isinstance(server, ChatServer)
    while heard := connection.hear():
        if heard.method == "GET":
            show_page(connection)
            continue
        connection.send(head(STREAM, "Transfer-Encoding: chunked"))
        connection.chunk(delta("Hello "))
        server.seen.wait(10)
        connection.chunk(delta("world") + b"data: [DONE]\n\n")
        connection.send(b"0\r\n\r\n")


def test_a_streaming_response_takes_an_async_stream_as_it_is(site: Site) -> None:
    async def work() -> None:
        async with AsyncClient(site.page("front"), trust_env=False) as client:
            stream = client.stream("Hello")
            assert isinstance(stream, AsyncIterator)
            response = starlette.StreamingResponse(stream)
            assert response.body_iterator is stream
            assert "".join([chunk async for chunk in response.body_iterator]) == stream.reply.text

    anyio.run(work)


def test_an_async_stream_as_a_generator(site: Site) -> None:
    """For those that ask for a generator: streamlit does."""

    async def work() -> None:
        async with AsyncClient(site.page("front"), trust_env=False) as client:
            stream = client.stream("Hello")
            generator = (chunk async for chunk in stream)
            assert inspect.isasyncgen(generator)
            assert "".join([chunk async for chunk in generator]) == stream.reply.text

    anyio.run(work)


def test_a_blocking_stream_is_an_iterator(site: Site) -> None:
    with Client(site.page("front"), transport="requests", trust_env=False) as client:
        stream = client.stream("Hello")
        assert isinstance(stream, Iterator)
        assert iter(stream) is stream
        assert "".join(stream) == stream.reply.text


@pytest.mark.parametrize("transport", ["requests", "curl_cffi"])
def test_a_step_that_timed_out_ends_the_stream(transport: str) -> None:
    async def work(url: str) -> None:
        async with AsyncClient(url, transport=transport, trust_env=False) as client:
            stream = client.stream("Hi")
            assert await anext(stream) == "Hello "
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.05)
            with pytest.raises(Exception) as caught:
                await anext(stream)
            assert isinstance(caught.value.__cause__ or caught.value, TurnCancelled)

    with ChatServer(slow) as server:
        asyncio.run(work(server.url))
        server.seen.set()


@pytest.mark.parametrize("transport", ["requests", "curl_cffi"])
def test_a_step_that_is_only_looked_at_goes_on(transport: str) -> None:
    """The heartbeat of docs/howto/frameworks.md."""

    async def work(server: ChatServer) -> None:
        async with AsyncClient(server.url, transport=transport, trust_env=False) as client:
            stream = client.stream("Hi")
            assert await anext(stream) == "Hello "
            step = asyncio.ensure_future(anext(stream))
            for _ in range(3):
                done, _ = await asyncio.wait({step}, timeout=0.02)
                assert not done
            server.seen.set()
            assert await step == "world"
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
            assert stream.reply.text == "Hello world"

    with ChatServer(slow) as server:
        asyncio.run(work(server))
