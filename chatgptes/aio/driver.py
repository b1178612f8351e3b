"""The driver for event loops: a turn in the task that waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import anyio

from ..errors import RequestTimeout
from ..transport.base import AsyncResponse, AsyncTransport
from ..turn.steps import Read, Send, Steps, Text
from ..turn.take import Turn
from ..values.deadline import Deadline
from ..values.http import Headers, Request
from ..values.reply import Reply
from ..values.urls import redact
from .threads import TaskTurn, call_on_loop, current_owner, load, perform_wait

__all__ = ["AsyncDriver", "AsyncTurn", "Timed", "run_steps"]

T = TypeVar("T")


class AsyncDriver(Generic[T]):
    """Performs steps one after the other over a transport for event loops.

    Attributes:
        result: the value that the steps have returned, once `advance` gave None.
    """

    result: T

    def __init__(self, steps: Steps[T], transport: AsyncTransport, deadline: Deadline) -> None:
        self._steps = steps
        self._transport = transport
        self._deadline = deadline
        self._pending: Read | None = None
        self._response: object = None
        self._next: Callable[[], Awaitable[bytes]]

    async def advance(self) -> Sequence[str] | None:
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
                        result = await self._read(step.response)
                    elif kind is Send:
                        result = await self._transport.send(step.request, self._deadline)
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

    async def _read(self, response: Any) -> bytes:
        if response is not self._response:
            self._response, self._next = response, response.__aiter__().__anext__
        try:
            while not (data := await self._next()):
                pass
        except StopAsyncIteration:
            return b""
        return data


async def run_steps(steps: Steps[T], transport: AsyncTransport, deadline: Deadline) -> T:
    """Perform all of `steps`; the value that they return."""
    driver = AsyncDriver(steps, transport, deadline)
    while await driver.advance() is not None:
        pass
    return driver.result


class AsyncTurn(TaskTurn):
    """A turn in whatever task asks for its text, one task at a time."""

    def __init__(
        self, turn: Turn, connect: Callable[[Deadline], Awaitable[AsyncTransport]]
    ) -> None:
        """Have `turn` ready; nothing is sent before the first `advance`.

        Args:
            connect: gives the transport.
        """
        super().__init__(turn)
        self._connect = connect
        self._driver: AsyncDriver[Reply] | None = None

    async def advance(self) -> Sequence[str] | None:
        if self.over and self.ended():
            return None
        if not self.advancing.acquire(blocking=False):
            self.refuse()
        deadline = self.turn.deadline
        try:
            deadline.resume()
            driver = self._driver or await self._begin()
            if (chunks := await driver.advance()) is None:
                self.succeed(driver.result)
            return chunks
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            deadline.pause()
            self.advancing.release()

    async def _begin(self) -> AsyncDriver[Reply]:
        await load(self.turn)
        transport = await self._connect(self.turn.deadline)
        steps = self.begin(current_owner())
        self._driver = AsyncDriver(steps, transport, self.turn.deadline)
        return self._driver


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
        return await _within(self._deadline, self._body.__anext__(), redact(self.url))

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
        f"{url} sent nothing for {silence or 0:g} s (timeout=Timeout(read=…) allows more).",
        phase="read",
        url=url,
    )
