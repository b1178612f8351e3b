"""Limits of time around a transport of a user's own, which need not know them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import anyio
import anyio.lowlevel

from ..errors import Hint, RequestTimeout
from ..transport.base import AsyncResponse, AsyncTransport
from ..values.deadline import Deadline
from ..values.http import Headers, Request
from ..values.urls import redact
from .tasks import call_on_loop

__all__ = ["Timed"]

T = TypeVar("T")

_CHECKPOINT = 16
"""Pieces in a row after which other tasks are let in."""


class Timed:
    """A transport of a user's own, whose waits end at the turn's limits and on its cancel."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def send(self, request: Request, deadline: Deadline) -> AsyncResponse:
        """See `AsyncTransport.send`."""
        url = redact(request.url)
        response = await _within(deadline, self._transport.send(request, deadline), url)
        return _TimedResponse(response, deadline)

    async def aclose(self) -> None:
        """See `AsyncTransport.aclose`."""
        await self._transport.aclose()


class _TimedResponse:
    def __init__(self, response: AsyncResponse, deadline: Deadline) -> None:
        self._response = response
        self._deadline = deadline
        self._body = response.__aiter__()
        self._read = 0

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Headers:
        return self._response.headers

    @property
    def url(self) -> str:
        return self._response.url

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self._read += 1
        if self._read % _CHECKPOINT == 0:
            # A transport that never waits would keep the loop to itself.
            await anyio.lowlevel.checkpoint()
        return await _within(self._deadline, self._next_piece(), redact(self.url))

    async def _next_piece(self) -> bytes:
        empty = 0
        while not (piece := await self._body.__anext__()):
            empty += 1  # It is no sign of life.
            if empty % _CHECKPOINT == 0:
                await anyio.lowlevel.checkpoint()
        return piece

    def close(self) -> None:
        self._response.close()


async def _within(deadline: Deadline, wait: Awaitable[T], url: str) -> T:
    """The result of `wait`, which must come before the turn's silence or total is over."""
    silence = deadline.timeout.read
    with anyio.move_on_after(deadline.remaining(silence)) as scope:
        with deadline.on_cancel(call_on_loop(scope.cancel)):
            return await wait
    deadline.check()
    raise RequestTimeout(
        f"{url} sent nothing for {silence or 0:g} s.",
        phase="read",
        url=url,
        hint=Hint("timeout.read", purpose="to allow more"),
    )
