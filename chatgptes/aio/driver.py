"""The driver for event loops: the steps of a turn in the task that waits for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from ..transport.base import AsyncResponse, AsyncTransport
from ..transport.errors import timed_out
from ..transport.settings import BuiltIn
from ..turn.steps import Read, Send, Steps, Text
from ..values.deadline import Deadline
from ..values.http import Request
from .threads import call_on_loop, perform_wait

__all__ = ["AsyncDriver", "run_steps"]

T = TypeVar("T")

_CHECKPOINT = 16
"""Pieces in a row, of a transport from a user, after which other tasks are let in."""


class AsyncDriver(Generic[T]):
    """Performs steps one after the other over a transport for event loops.

    One from a user need not know the turn's limits: it is cancelled where one has passed.

    Attributes:
        result: the value that the steps have returned, once `advance` gave None.
    """

    result: T

    def __init__(self, steps: Steps[T], transport: AsyncTransport, deadline: Deadline) -> None:
        self._steps = steps
        self._transport = transport
        self._deadline = deadline
        self._knows_limits = isinstance(transport, BuiltIn)
        self._pending: Read | None = None
        self._response: object = None
        self._next: Callable[[], Awaitable[bytes]]

    async def advance(self) -> Sequence[str] | None:  # noqa: C901 - each call less counts, once a chunk.
        """Go on to the next text; its chunks, or None at the end.  A cancel ends the steps."""
        steps = self._steps
        result: Any = None
        error: Exception | None = None
        step: Any
        step, self._pending = self._pending, None
        try:
            while True:
                if step is None:
                    step = steps.send(result) if error is None else steps.throw(error)
                kind = type(step)
                if kind is Read and (text := step.text) is not None:
                    step.text = None
                    self._pending = step
                    return text  # type: ignore[no-any-return]  # mypy can't follow `kind`.
                if kind is Text:
                    return step.chunks  # type: ignore[no-any-return]
                error = None
                try:
                    if kind is Read:
                        if step.response is not self._response:
                            self._open(step.response)
                        try:
                            while not (result := await self._next()):
                                self._deadline.check()  # An empty piece is not the end.
                        except StopAsyncIteration:
                            result = b""
                    elif kind is Send:
                        result = await self._send(step.request)
                    else:
                        result = await perform_wait(step, self._deadline)
                except Exception as caught:  # noqa: BLE001 - the steps get any of them.
                    error = caught
                step = None
        except StopIteration as end:
            self.result = end.value
            return None
        except BaseException:
            steps.close()
            raise
        finally:
            error = None  # Else its traceback and this frame would keep each other alive.

    def _open(self, response: AsyncResponse) -> None:
        """Begin to read a body."""
        self._response = response
        if self._knows_limits:
            self._next = response.__aiter__().__anext__
        else:
            self._next = _limited(response, self._deadline)

    async def _send(self, request: Request) -> AsyncResponse:
        sending = self._transport.send(request, self._deadline)
        if self._knows_limits:
            return await sending
        return await _within(self._deadline, sending, request.url)


async def run_steps(steps: Steps[T], transport: AsyncTransport, deadline: Deadline) -> T:
    """Perform all of `steps`; the value that they return."""
    driver = AsyncDriver(steps, transport, deadline)
    while await driver.advance() is not None:
        pass
    return driver.result


def _limited(response: AsyncResponse, deadline: Deadline) -> Callable[[], Awaitable[bytes]]:
    """A function that waits for the next piece of a body, other than b"", within the limits."""
    next_piece = response.__aiter__().__anext__
    count = 0

    async def read() -> bytes:
        nonlocal count
        while True:
            count += 1
            if count % _CHECKPOINT == 0:
                # A transport that never waits would keep the loop to itself.
                await anyio.lowlevel.checkpoint()
            if piece := await next_piece():
                return piece  # An empty one is no sign of life.

    return lambda: _within(deadline, read(), response.url, response.status)


async def _within(deadline: Deadline, wait: Awaitable[T], url: str, status: int | None = None) -> T:
    """The result of `wait`, which must come before the turn's silence or total is over."""
    with anyio.move_on_after(deadline.remaining(deadline.timeout.read)) as scope:
        with deadline.on_cancel(call_on_loop(scope.cancel)):
            return await wait
    raise timed_out(url, deadline, None, sent=True, status=status)
