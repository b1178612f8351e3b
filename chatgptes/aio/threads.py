"""`Wait` steps on an event loop, and blocking work in threads."""

from __future__ import annotations

import _thread
import contextvars
import functools
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from ..errors import ChatGptEsError, TurnCancelled
from ..transport.errors import no_thread
from ..transport.loops import call_on_loop
from ..turn.queueing import SingleFlight
from ..turn.steps import Step, Steps, Wait
from ..values.deadline import Deadline, Signal, Timeout
from ..values.process import PerProcess

__all__ = [
    "MadeOnce", "ThreadCall", "in_thread", "perform_wait", "perform_waits",
    "start_thread",
]  # fmt: skip

T = TypeVar("T")


async def perform_wait(step: Wait, deadline: Deadline) -> bool:
    """Perform a `Wait` on the loop; TurnCancelled where the deadline is cancelled meanwhile."""
    signal = step.signal or Signal()
    event = anyio.Event()
    wake = call_on_loop(event.set)
    signal.on_set(wake)
    with deadline.on_cancel(wake), anyio.move_on_after(step.seconds):
        await event.wait()
    if deadline.cancelled:
        raise TurnCancelled("The turn was cancelled.")
    return signal.is_set


async def perform_waits(steps: Steps[T], deadline: Deadline) -> tuple[Step | None, Any]:
    """Perform steps as long as they only wait.

    Returns the first step that does more; or None and the value that the steps return.
    """
    advance: Callable[[], Step] = functools.partial(next, steps)
    try:
        while True:
            try:
                step = advance()
            except StopIteration as end:
                return None, end.value
            if type(step) is not Wait:
                return step, None
            try:
                came = await perform_wait(step, deadline)
            except ChatGptEsError as error:
                advance = functools.partial(steps.throw, error)
            else:
                advance = functools.partial(steps.send, came)
    except BaseException:
        steps.close()
        raise


def start_thread(work: Callable[[], object]) -> None:
    """Run `work` in a thread that no program waits for at its end.

    `threading.Thread.start` would wait until the thread runs: many milliseconds on a busy
    interpreter, and for ever where there is no memory left for it.
    """
    try:
        _thread.start_new_thread(contextvars.copy_context().run, (work,))
    except RuntimeError as error:
        raise no_thread(str(error)) from None


class ThreadCall(Generic[T]):
    """Work for a thread.

    Attributes:
        done: signals that it is.
        error: what it raised, or None.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.done = Signal()
        self.error: BaseException | None = None
        self._result: T

    def run(self) -> None:
        """Do it, in the thread."""
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - the loop's side raises it.
            self.error = error
        finally:
            self.done.set()

    def value(self) -> T:
        """The value that it returned; what it raised is raised again.  For when it is done."""
        if self.error is not None:
            raise self.error
        return self._result

    async def wait(self, deadline: Deadline, late: float = 0.0) -> T:
        """Wait for the value, `late` seconds longer than the turn may take."""
        left = deadline.remaining()
        if await perform_wait(Wait(self.done, None if left is None else left + late), deadline):
            return self.value()
        raise deadline.overrun()


async def in_thread(work: Callable[[], T], deadline: Deadline | None = None) -> T:
    """The result of `work`, run in a thread.  A cancel frees the task at once.

    Args:
        deadline: ends the wait; it is cancelled when the task is.

    Raises:
        RequestTimeout, TurnCancelled: the deadline ended first.
    """
    limits = deadline or Deadline(Timeout(total=None))
    call = ThreadCall(work)
    start_thread(call.run)
    try:
        return await call.wait(limits)
    except BaseException:
        limits.cancel()
        raise


class MadeOnce(Generic[T]):
    """A value that is slow to make: made in one thread, for all tasks that want it."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._flight: PerProcess[SingleFlight[T]] = PerProcess(SingleFlight)
        self.made: T | None = None

    async def get(self, deadline: Deadline) -> T:
        """The value.  What its making raised is raised again, and the next call tries again."""
        if self.made is None:
            steps = self._flight.get().run(lambda: self._make_in_thread(deadline), deadline)
            _, self.made = await perform_waits(steps, deadline)
        return self.made

    def _make_in_thread(self, deadline: Deadline) -> Steps[T]:
        call = ThreadCall(self._make)
        start_thread(call.run)
        if not (yield Wait(call.done, deadline.remaining())):
            raise deadline.overrun()
        return call.value()
