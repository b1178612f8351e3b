"""Blocking work for an event loop: a call in a thread, and a turn over a blocking transport.

Each waiting turn has a thread, so this is for tens of streams; thousands need an `AsyncTransport`.
"""

from __future__ import annotations

import _thread
import contextvars
import threading
from collections.abc import Awaitable, Callable, Sequence
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from ..errors import ChatGptEsError, TurnCancelled
from ..transport.base import Transport
from ..transport.errors import no_thread
from ..turn.blocking import BlockingDriver
from ..turn.queueing import Permit
from ..turn.running import RunningTurn
from ..turn.steps import Step, Steps, Wait
from ..turn.take import Turn
from ..values.deadline import Deadline, Signal
from ..values.process import PerProcess
from ..values.reply import Reply

__all__ = [
    "MadeOnce",
    "TaskTurn",
    "ThreadedTurn",
    "call_on_loop",
    "current_owner",
    "in_thread",
    "load",
    "perform_wait",
    "run_steps_in_thread",
]

T = TypeVar("T")

_LATE = 0.1
"""Seconds that the thread has to say by itself that the turn's time is over."""


def call_on_loop(callback: Callable[[], object]) -> Callable[[], None]:
    """A function that has the current loop call `callback`; any thread may call it.

    It waits for nothing, and does nothing once the loop has ended.
    """
    token: Any = anyio.lowlevel.current_token().native_token
    post = getattr(token, "call_soon_threadsafe", None) or token.run_sync_soon

    def call() -> None:
        try:
            post(callback)
        except RuntimeError:
            pass  # The loop has ended, and with it the task that waited.

    return call


def current_owner() -> object:
    """The task that runs: its coroutine itself, which unlike its id is nobody else's later."""
    return anyio.get_current_task().coro


async def load(turn: Turn) -> None:
    """Read the files that a turn sends or continues from, off the loop.

    Raises:
        ChatGptEsError, OSError: one can't be used, or the turn's time is over.
    """
    if turn.needs_loading:
        await in_thread(turn.load, turn.deadline)


async def perform_wait(step: Wait, deadline: Deadline) -> bool:
    """Perform a `Wait` on the loop."""
    return await wait_for_signal(step.signal or Signal(), deadline, step.seconds)


async def wait_for_signal(signal: Signal, deadline: Deadline, seconds: float | None) -> bool:
    """Wait for `signal`, at most `seconds` (None: no limit); whether it came.

    Raises:
        TurnCancelled: the deadline was cancelled meanwhile.
    """
    event = anyio.Event()
    wake = call_on_loop(event.set)
    signal.on_set(wake)
    with deadline.on_cancel(wake), anyio.move_on_after(seconds):
        await event.wait()
    if deadline.cancelled:
        raise TurnCancelled("The turn was cancelled.")
    return signal.is_set


class _Call(Generic[T]):
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
    call = _Call(work)
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
        self._calls: PerProcess[list[_Call[T]]] = PerProcess(list)
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
                call = _Call(self._make)
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

    def _forget(self, call: _Call[T]) -> None:
        with self._lock.get():
            calls = self._calls.get()
            if call in calls:
                calls.remove(call)


class TaskTurn(RunningTurn):
    """A turn that a task waits for."""

    async def advance(self) -> Sequence[str] | None:
        """Wait for the next text; its chunks, or None at the end.

        Raises:
            ChatGptEsError: the turn failed.
            anyio.BusyResourceError: another task waits for it.
        """
        raise NotImplementedError

    def busy_error(self) -> Exception:
        return anyio.BusyResourceError("reading")


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
        self._calls: SimpleQueue[_Call[Sequence[str] | None] | None] | None = None
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
        calls: SimpleQueue[_Call[Sequence[str] | None] | None] = SimpleQueue()
        self._driver = BlockingDriver(steps, transport, self.turn.deadline, pending)
        # The thread knows nothing of this object, so that it can be dropped.
        start_thread(lambda: _work(calls, steps))
        self._calls = calls

    async def _step(self) -> Sequence[str] | None:
        assert self._calls is not None
        assert self._driver is not None
        call = _Call(self._driver.advance)
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


def _work(calls: SimpleQueue[_Call[Sequence[str] | None] | None], steps: Steps[Reply]) -> None:
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
