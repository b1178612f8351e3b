"""The transport for event loops with a blocking face, for tests that are the same for all."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import trio

from chatgptes.transport import AsyncResponse, select_async
from chatgptes.values.deadline import Deadline
from chatgptes.values.http import Headers, Request

__all__ = ["BlockingHub"]

Call = Callable[..., Any]
"""Runs a coroutine function with arguments in a loop, and waits for its result."""


@functools.cache
def _loop(backend: str, pid: int) -> Call:
    """A loop in a thread of its own, for the rest of this process's life."""
    del pid
    return {"asyncio": _asyncio_loop, "trio": _trio_loop}[backend]()


def _asyncio_loop() -> Call:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def call(function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(function(*args), loop).result(60)

    return call


def _trio_loop() -> Call:
    ready = threading.Event()
    tokens: list[Any] = []

    async def main() -> None:
        tokens.append(trio.lowlevel.current_trio_token())
        ready.set()
        await trio.sleep_forever()

    threading.Thread(target=trio.run, args=(main,), daemon=True).start()
    assert ready.wait(10)
    return functools.partial(trio.from_thread.run, trio_token=tokens[0])


class BlockingHub:
    """A hub, used from a loop in another thread.

    Attributes:
        hub: the `AsyncTransport`.
    """

    def __init__(self, backend: str, settings: dict[str, Any]) -> None:
        self._arguments = (backend, settings)
        self.hub: Any = select_async("curl_cffi", **settings)

    def __repr__(self) -> str:
        return repr(self.hub)

    def __reduce__(self) -> tuple[Any, ...]:
        return BlockingHub, self._arguments

    def send(self, request: Request, deadline: Deadline) -> BlockingResponse:
        return BlockingResponse(self._call, self._call(self.hub.send, request, deadline))

    def close(self) -> None:
        self._call(self.hub.aclose)

    def _call(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        return _loop(self._arguments[0], os.getpid())(function, *args)


class BlockingResponse:
    """A response that is read in a loop, piece by piece."""

    def __init__(self, call: Call, response: AsyncResponse) -> None:
        self._call = call
        self._response = response
        self._body: Any = response.__aiter__()

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Headers:
        return self._response.headers

    @property
    def url(self) -> str:
        return self._response.url

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        data: bytes | None = self._call(_next, self._body)
        if data is None:
            raise StopIteration
        return data

    def close(self) -> None:
        self._response.close()


async def _next(body: Any) -> bytes | None:
    try:
        piece: bytes = await body.__anext__()
    except StopAsyncIteration:
        return None
    return piece
