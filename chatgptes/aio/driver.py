"""The drivers that a task of an event loop awaits.

One is for transports for event loops.  The other, over a blocking transport, has a thread while a
turn waits for the site: it is for tens of streams.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable, Sequence
from queue import SimpleQueue
from typing import Any, Generic, TypeAlias, TypeVar

import anyio
import anyio.lowlevel

from ..errors import ChatGptEsError
from ..transport import AsyncResponse, AsyncTransport, Transport, is_async
from ..transport.errors import of_parent, timed_out
from ..transport.loops import call_on_loop
from ..transport.settings import BuiltIn
from ..turn.blocking import BlockingDriver
from ..turn.queueing import Permit
from ..turn.steps import Read, Send, Steps, Text
from ..values.deadline import Deadline
from ..values.http import Request
from .threads import ThreadCall, perform_wait, perform_waits, start_thread

__all__ = ["AsyncDriver", "Driver", "ThreadDriver", "driver_for"]

T = TypeVar("T")
FinalError: TypeAlias = Callable[[ChatGptEsError], ChatGptEsError]

_CHECKPOINT = 16
"""Pieces in a row, of a transport from a user, after which other tasks are let in."""

_LATE = 0.1
"""Seconds that a thread has to say by itself that the turn's time is over."""


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
        """Go on to the next text; its chunks, or None at the end."""
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
        finally:
            error = None  # Else its traceback and this frame would keep each other alive.

    def close(self) -> None:
        """End the steps where they are.  Never blocks."""
        self._steps.close()

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


class ThreadDriver(Generic[T]):
    """Performs steps over a blocking transport, in a thread where they do more than wait.

    The thread goes on only as long as the task asks for more: so a slow consumer holds the site
    back.

    Attributes:
        result: the value that the steps have returned, once `advance` gave None.
    """

    result: T

    def __init__(
        self,
        steps: Steps[T],
        transport: Transport,
        deadline: Deadline,
        permits: Sequence[Permit],
        final_error: FinalError,
    ) -> None:
        self._steps = steps
        self._transport = transport
        self._deadline = deadline
        self._permits = permits
        self._final_error = final_error
        self._driver: BlockingDriver[T] | None = None
        self._call: ThreadCall[Sequence[str] | None] | None = None
        self._closed = False
        self._pid = os.getpid()
        # Its `put` may be called by a finalizer that interrupts another.
        self._calls: SimpleQueue[ThreadCall[Sequence[str] | None] | None] = SimpleQueue()

    async def advance(self) -> Sequence[str] | None:
        """Go on to the next text; its chunks, or None at the end."""
        if self._pid != os.getpid():  # Its thread is not here.
            raise self._final_error(of_parent())
        if self._driver is None:
            # They wait for their permits without a thread.
            first, result = await perform_waits(self._steps, self._deadline)
            if first is None:
                self.result = result
                return None
            self._driver = BlockingDriver(self._steps, self._transport, self._deadline, first)
            # The thread knows nothing of this object, so that it can be dropped.
            start_thread(functools.partial(_work, self._calls))
        call = self._call = ThreadCall(self._driver.advance)
        self._calls.put(call)
        try:
            chunks = await call.wait(self._deadline, _LATE)
        except ChatGptEsError as error:
            if error is call.error:
                raise
            final = self._final_error(error)
            raise final from final.__cause__
        if chunks is None:
            self.result = self._driver.result
            self._calls.put(None)
        return chunks

    def close(self) -> None:
        """End the steps, once the thread is out of them.  Never blocks; by one thread at a time."""
        self._deadline.cancel()
        if self._call is None:
            self._steps.close()
        elif not self._closed:
            self._closed = True  # The thread may be about to close them.
            self._call.done.on_set(self._steps.close)
            self._calls.put(None)
        for permit in self._permits:
            # A name that is being looked up can hold the thread, but nobody else's turn.
            permit.abandon()

    def __del__(self) -> None:
        if "_calls" in self.__dict__:
            self._calls.put(None)


def _work(calls: SimpleQueue[ThreadCall[Any] | None]) -> None:
    while (call := calls.get()) is not None:
        call.run()
        del call  # Else it would be kept until the next one comes.


Driver: TypeAlias = AsyncDriver[T] | ThreadDriver[T]


def driver_for(
    steps: Steps[T],
    transport: AsyncTransport | Transport,
    deadline: Deadline,
    permits: Sequence[Permit],
    final_error: FinalError,
) -> Driver[T]:
    """A driver for `steps` over either kind of transport.

    Args:
        permits: those that the steps hold, to be abandoned where a thread can't be waited for.
        final_error: makes an error that did not come out of the steps one for the user.
    """
    if is_async(transport):
        return AsyncDriver(steps, transport, deadline)
    return ThreadDriver(steps, transport, deadline, permits, final_error)
