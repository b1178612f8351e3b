"""Blocking work for an event loop: a call in a thread, and a value that is made in one."""

from __future__ import annotations

import _thread
import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ..transport.errors import no_thread
from ..turn.take import Turn
from ..values.deadline import Deadline, Signal
from ..values.process import PerProcess
from .tasks import wait_for_signal

__all__ = ["MadeOnce", "ThreadCall", "in_thread", "load", "start_thread"]

T = TypeVar("T")


async def load(turn: Turn) -> None:
    """Read the files that a turn sends or continues from, off the loop.

    Raises:
        ChatGptEsError, OSError: one can't be used, or the turn's time is over.
    """
    if turn.needs_loading:
        await in_thread(turn.load, turn.deadline)


class ThreadCall(Generic[T]):
    """Work for one thread, and the signal that it is done."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.done = Signal()
        self.result: T
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001 - the loop's side raises it.
            self.error = error
        finally:
            self.done.set()


def start_thread(work: Callable[[], object]) -> None:
    """Run `work` in a thread that no program waits for at its end.

    `threading.Thread.start` would wait until the thread runs: many milliseconds on a busy
    interpreter, and for ever where there is no memory left for it.

    Raises:
        ChatGptEsError: the system gives no thread.
    """
    try:
        _thread.start_new_thread(contextvars.copy_context().run, (work,))
    except RuntimeError as error:
        raise no_thread(str(error)) from None


async def in_thread(work: Callable[[], T], deadline: Deadline | None = None) -> T:
    """The result of `work`, run in a thread.  A cancel frees the task at once.

    Args:
        deadline: ends the wait; it is cancelled when the task is.

    Raises:
        RequestTimeout, TurnCancelled: the deadline ended first.
    """
    call = ThreadCall(work)
    start_thread(call.run)
    limits = deadline or Deadline()
    try:
        done = await wait_for_signal(
            call.done, limits, None if deadline is None else deadline.remaining()
        )
    except BaseException:
        limits.cancel()
        raise
    if not done:
        limits.cancel()
        raise limits.overrun()
    if call.error is not None:
        raise call.error
    return call.result


class MadeOnce(Generic[T]):
    """A value that is slow to make: made in one thread, for all tasks that want it."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = PerProcess(threading.RLock)
        self._calls: PerProcess[list[ThreadCall[T]]] = PerProcess(list)
        self.made: T | None = None

    async def get(self, deadline: Deadline) -> T:
        """The value.  What its making raised is raised again, and the next call tries again.

        Raises:
            RequestTimeout, TurnCancelled: the deadline ended first; the thread may never have run.
        """
        if self.made is not None:
            return self.made
        with self._lock.get():
            calls = self._calls.get()
            if not calls:
                call = ThreadCall(self._make)
                start_thread(call.run)
                calls.append(call)
            call = calls[0]
        if not await wait_for_signal(call.done, deadline, deadline.remaining()):
            self._forget(call)
            raise deadline.overrun()
        if call.error is not None:
            self._forget(call)
            raise call.error
        self.made = call.result
        return call.result

    def _forget(self, call: ThreadCall[T]) -> None:
        with self._lock.get():
            calls = self._calls.get()
            if call in calls:
                calls.remove(call)
