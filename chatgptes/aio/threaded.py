"""A turn over a blocking transport, for a task: each has a thread while it runs.

So this is for tens of streams; thousands need an `AsyncTransport`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

from ..errors import ChatGptEsError
from ..transport.base import Transport
from ..turn.blocking import BlockingDriver
from ..turn.queueing import Permit
from ..turn.steps import Step, Steps, Wait
from ..turn.take import Turn
from ..values.deadline import Deadline
from ..values.reply import Reply
from .tasks import TaskTurn, current_owner, perform_wait, wait_for_signal
from .threads import ThreadCall, in_thread, load, start_thread

__all__ = ["ThreadedTurn", "run_steps_in_thread"]

T = TypeVar("T")

_LATE = 0.1
"""Seconds that the thread has to say by itself that the turn's time is over."""


class ThreadedTurn(TaskTurn):
    """A turn over a blocking transport, for a task: its steps run in one worker thread.

    It waits for its permit without that thread, which goes on only when the task asks for more: so
    a slow consumer holds the site back.
    """

    def __init__(self, turn: Turn, connect: Callable[[Deadline], Awaitable[Transport]]) -> None:
        """Have `turn` ready; nothing is sent before the first `advance`.

        Args:
            connect: gives the transport, within a deadline.
        """
        super().__init__(turn)
        self._connect = connect
        # Its `put` may be called by a finalizer that interrupts another.
        self._calls: SimpleQueue[ThreadCall[Sequence[str] | None] | None] | None = None
        self._driver: BlockingDriver[Reply] | None = None

    async def advance(self) -> Sequence[str] | None:
        if self.over and self.ended():
            return None
        if not self.advancing.acquire(blocking=False):
            self.refuse()
            return None
        try:
            self.turn.deadline.resume()
            if not self.started:
                await load(self.turn)
                transport = await self._connect(self.turn.deadline)
                steps = self.begin(current_owner())
                self._start(steps, await _first_step(steps, self.turn.deadline), transport)
            return await self._step()
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self.turn.deadline.pause()
            self.advancing.release()

    def _start(self, steps: Steps[Reply], pending: Step, transport: Transport) -> None:
        calls: SimpleQueue[ThreadCall[Sequence[str] | None] | None] = SimpleQueue()
        self._driver = BlockingDriver(steps, transport, self.turn.deadline, pending)
        # The thread knows nothing of this object, so that it can be dropped.
        start_thread(lambda: _work(calls, steps))
        self._calls = calls

    async def _step(self) -> Sequence[str] | None:
        assert self._calls is not None
        assert self._driver is not None
        call = ThreadCall(self._driver.advance)
        self._calls.put(call)
        deadline = self.turn.deadline
        left = deadline.remaining()
        try:
            done = await wait_for_signal(
                call.done, deadline, None if left is None else left + _LATE
            )
            if not done:
                raise deadline.overrun()
        except ChatGptEsError as error:
            final = self.turn.final_error(error)
            raise final from final.__cause__
        if call.error is not None:
            raise call.error
        if call.result is None:
            self.succeed(self._driver.result)
            self._calls.put(None)
        return call.result

    def close_steps(self, steps: Steps[Reply]) -> None:
        self.turn.deadline.cancel()
        if self._calls is None:
            steps.close()
            return
        self._calls.put(None)
        for permit in self.turn.permits:
            # A name that is being looked up can hold the thread, but nobody else's turn.
            permit.disown()

    def __del__(self) -> None:
        # Of an object whose making failed, `_calls` may be missing.
        if getattr(self, "_calls", None) is not None and self.reply is None:
            self.close()


def _work(calls: SimpleQueue[ThreadCall[Sequence[str] | None] | None], steps: Steps[Reply]) -> None:
    while (call := calls.get()) is not None:
        call.run()
        del call  # Else it would be kept until the next one comes.
    steps.close()


async def _first_step(steps: Steps[Any], deadline: Deadline) -> Step:
    """The first step that is more than waiting for a permit."""
    step = next(steps)
    while type(step) is Wait:
        try:
            came = await perform_wait(step, deadline)
        except ChatGptEsError as error:
            step = steps.throw(error)
        else:
            step = steps.send(came)
    return step


async def run_steps_in_thread(
    steps: Steps[T], transport: Transport, deadline: Deadline, permits: Sequence[Permit]
) -> T:
    """Perform all of `steps` over a blocking transport; the value that they return.

    As with a turn, there is no thread while they wait for `permits`, and a cancel frees those.
    """
    try:
        step = await _first_step(steps, deadline)
    except RuntimeError as error:
        if not isinstance(error.__cause__, StopIteration):
            raise
        result: T = error.__cause__.value  # They needed no transport.
        return result
    driver = BlockingDriver(steps, transport, deadline, step)

    def rest() -> T:
        while driver.advance() is not None:
            pass
        return driver.result

    try:
        return await in_thread(rest, deadline)
    except BaseException:
        for permit in permits:
            permit.disown()
        raise
