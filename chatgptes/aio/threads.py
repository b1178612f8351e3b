"""The thread side of the async shim: one thread reads one stream for a loop."""

from __future__ import annotations

import _thread
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from sys import getsizeof
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from ..errors import ChatGptEsError, TurnCancelled
from ..turn.stream import Stream
from ..turn.take import LAST
from ..values.deadline import Deadline, Signal

__all__ = ["Bell", "Reader", "in_thread"]

T = TypeVar("T")

BUFFER = 256 << 10
"""Bytes of memory that text takes up waiting for a slow consumer, before the site is held back."""


def _waker(wake: Callable[[], None]) -> Callable[[], None]:
    """What makes the current loop call `wake`, from any thread, without waiting for it."""
    token: Any = anyio.lowlevel.current_token().native_token
    post = token.call_soon_threadsafe if hasattr(token, "call_soon_threadsafe") else None
    post = post or token.run_sync_soon

    def call() -> None:
        try:
            post(wake)
        except RuntimeError:
            pass  # The loop has ended, and with it whoever waited.

    return call


class Bell:
    """Wakes the one task that waits, on whatever loop, from any thread.

    A ring while nobody waits costs next to nothing, so a burst of chunks wakes the loop once.
    """

    __slots__ = ("_armed",)

    def __init__(self) -> None:
        # A deque, for its atomic pop: an alarm is taken by exactly one ring, and no ring can
        # take off one that was set after it looked.
        self._armed: deque[Callable[[], None]] = deque()

    def ring(self) -> None:
        """Wake the waiter, if there is one.  Any thread; never blocks."""
        if not self._armed:
            return
        try:
            wake = self._armed.pop()
        except IndexError:
            return  # Another ring was faster.
        wake()

    async def wait(self, ready: Callable[[], object]) -> None:
        """Wait until `ready()`; whoever makes it so must ring afterwards."""
        while not ready():
            event = anyio.Event()
            self._armed.append(_waker(event.set))
            if ready():  # It became so before there was an alarm to ring.
                self._armed.clear()
                return
            await event.wait()


def _start(work: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
    """Run `work` in a new thread; `failed` is told, in another, if there can be none."""
    # Daemons: a program that ends need not wait for a site.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name="chatgptes", daemon=True)

    def start() -> None:
        try:
            thread.start()
        except BaseException as error:  # noqa: BLE001 - "can't start new thread", above all.
            failed(error)

    # `Thread.start` waits until the thread runs, which on a busy interpreter takes many
    # milliseconds: so a bare thread does the waiting.
    _thread.start_new_thread(start, ())


def _no_thread(error: BaseException) -> ChatGptEsError:
    return ChatGptEsError(f"The turn needs a thread, and the system gives none: {error}.")


class Reader:
    """Reads a stream in a thread of its own.

    It knows the loop's side only by a bell, so that side can be dropped at any time.
    """

    def __init__(self, stream: Stream, hand_over: bool) -> None:
        self._stream = stream
        self._deadline = stream._deadline
        self._hand_over = hand_over
        self.bell = Bell()
        self.chunks: deque[str] = deque()
        self.opened = False
        self.ended = False
        self.error: BaseException | None = None
        # Each counted on one side only: their difference needs no lock.
        self._put = 0
        self._taken = 0
        self._room: deque[tuple[int, Signal]] = deque()

    def start(self) -> None:
        """Begin to read; that there is no thread for it shows as `error`."""
        try:
            _start(self._read, self._failed)
        except RuntimeError as error:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self.error = _no_thread(error)
        for ticket in self._stream._tickets:
            ticket.release()
        self.ended = True
        self.bell.ring()

    def _read(self) -> None:
        stream = self._stream
        try:
            with stream:
                self.opened = True
                self.bell.ring()
                self._pass_on(stream)
        except BaseException as error:  # noqa: BLE001 - the loop's side raises it.
            self.error = error
        finally:
            self.ended = True
            self.bell.ring()

    def _pass_on(self, stream: Stream) -> None:
        while True:
            try:
                batch = stream._step()
            except StopIteration:
                return
            stream._pieces += batch
            if not self._hand_over:
                continue
            if batch is LAST:
                # Only who has taken everything and wants more has heard the whole answer: who
                # leaves before leaves a turn that does not count, as with a blocking stream.
                self._wait_for_room(0)
            elif batch:
                self._put += sum(map(getsizeof, batch))
                self.chunks += batch
                self.bell.ring()
                if self._put - self._taken > BUFFER:
                    self._wait_for_room(BUFFER // 2)

    def _wait_for_room(self, most: int) -> None:
        """Wait until no more than `most` bytes wait to be taken.

        The turn's clock stands still here: a slow consumer is never a timeout.
        """
        while self._put - self._taken > most:
            signal = Signal()
            self._room.append((most, signal))
            if self._put - self._taken <= most:  # Taken before there was a signal to set.
                self._room.clear()
                return
            with self._deadline.on_cancel(signal.set):
                signal.wait(None)
            if self._deadline.cancelled:
                raise self._stream._told(TurnCancelled("The turn was cancelled."))

    def take(self) -> str:
        """The next chunk; the loop's side, when there is one."""
        chunk = self.chunks.popleft()
        self._taken += getsizeof(chunk)
        if not self._room:
            return chunk
        try:
            most, signal = self._room[0]
        except IndexError:
            return chunk  # There was room after all, and its owner has taken it off.
        if self._put - self._taken <= most:
            self._room.clear()
            signal.set()
        return chunk

    def check(self) -> None:
        """Raise what ended the stream, if that was not its end."""
        if self.error is not None:
            raise self.error

    def leave(self) -> None:
        """Nobody listens any more.  Any thread; never blocks."""
        if not self.ended:
            self._deadline.cancel()


class _Job(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.bell = Bell()
        self.done = False
        self._result: T | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - the loop's side raises it.
            self._error = error
        finally:
            self.done = True
            self.bell.ring()

    def failed(self, error: BaseException) -> None:
        self._error = _no_thread(error)
        self.done = True
        self.bell.ring()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # There is one when there is no error.


async def in_thread(work: Callable[[], T], deadline: Deadline | None = None) -> T:
    """The result of `work`, run in a thread; a cancel goes on at once, and cancels `deadline`."""
    job = _Job(work)
    try:
        _start(job.run, job.failed)
    except RuntimeError as error:
        raise _no_thread(error) from None
    try:
        await job.bell.wait(lambda: job.done)
    except BaseException:
        if deadline is not None:
            deadline.cancel()
        raise
    return job.result()
