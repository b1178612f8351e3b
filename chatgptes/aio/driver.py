"""The driver for event loops: a turn in the task that waits for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from ..transport.base import AsyncResponse, AsyncTransport
from ..turn.steps import Read, Send, Steps, Text
from ..turn.take import Turn
from ..values.deadline import Deadline
from ..values.http import Request
from ..values.reply import Reply
from .starting import wait_to_start
from .tasks import TaskTurn, current_owner, perform_wait
from .threads import load

__all__ = ["AsyncDriver", "AsyncTurn", "run_steps"]

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

    async def _send(self, request: Request) -> AsyncResponse:
        try:
            return await self._transport.send(request, self._deadline)
        except StopAsyncIteration as error:
            # Out of a step of the consumer's loop it would look like the answer's end.
            raise RuntimeError("The transport raised StopAsyncIteration.") from error

    def _open(self, response: AsyncResponse) -> None:
        """Begin to read a body."""
        self._response, self._next = response, response.__aiter__().__anext__


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
            connect: gives the transport, within a deadline.
        """
        super().__init__(turn)
        self._connect = connect
        self._driver: AsyncDriver[Reply] | None = None

    async def advance(self) -> Sequence[str] | None:
        if self.over and self.ended():
            return None
        if not self.advancing.acquire(blocking=False):
            self.refuse()
            return None
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
        await wait_to_start()
        steps = self.begin(current_owner())
        self._driver = AsyncDriver(steps, transport, self.turn.deadline)
        return self._driver
