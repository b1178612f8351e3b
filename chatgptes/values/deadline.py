"""Deadline: the time that a turn has left, and its cancel.

Everything that waits in a turn (slot, single flight, connect, first byte, mid-stream, retry
sleep) waits on one `Deadline`, so one `cancel()` ends any of them.

Nothing here holds a lock while it runs code that could be interrupted by the garbage
collector: `cancel()` may be called from a finalizer, in any thread, at any point.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from ..errors import Hint, InvalidConfigError, RequestTimeout, TurnCancelled

__all__ = ["Deadline", "Registration", "Signal", "Timeout"]


@dataclass(frozen=True, slots=True)
class Timeout:
    """The limits of a turn, in seconds (int or float; None for no limit).

    Attributes:
        connect: to reach the site: name, TCP, proxy and TLS, for each connection.
        read: of silence, while waiting for the site's next bytes.
        total: for the whole turn: waiting for a free slot, the page, retries, the answer.  The
            time that the consumer of a stream takes between chunks does not count.
    """

    connect: float | None = 10.0
    read: float | None = 60.0
    total: float | None = 300.0

    def __post_init__(self) -> None:
        for name in ("connect", "read", "total"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise InvalidConfigError(
                    f"timeout: {name} must be a positive number of seconds or None, not {value!r}."
                )
            # More than threading can wait: as good as no limit.
            if value > threading.TIMEOUT_MAX / 2:
                object.__setattr__(self, name, None)

    def override(self, value: Timeout | float | None) -> Timeout:
        """These limits with `value` put over them.

        Args:
            value: a `Timeout` replaces all three; a number (seconds) replaces the total; None
                changes nothing.

        Raises:
            InvalidConfigError: `value` is none of those, or not positive.
        """
        if value is None:
            return self
        if isinstance(value, Timeout):
            return value
        return replace(self, total=value)


class Signal:
    """A one-shot event: set by any thread, awaited by a thread or, through callbacks, by a task.

    It holds no lock while it runs code that a finalizer could interrupt (`threading.Event` does):
    a deque's steps are atomic, so each callback is taken by exactly one side.
    """

    __slots__ = ("_callbacks", "_set")

    def __init__(self) -> None:
        self._set = False
        self._callbacks: deque[Callable[[], None]] = deque()

    @property
    def is_set(self) -> bool:
        """True once `set()` was called."""
        return self._set

    def set(self) -> None:
        """Wake its waiters, now or when they come.  Any thread, any number of times."""
        self._set = True
        callbacks = self._callbacks
        while callbacks:
            try:
                callback = callbacks.popleft()
            except IndexError:
                return  # Another thread was faster.
            callback()

    def on_set(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the signal is set; at once if it already was.

        It may run in any thread, and must neither block nor raise.
        """
        self._callbacks.append(callback)
        if self._set:
            self.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait at most `seconds` (None: without limit); True when the signal was set."""
        if self._set or (seconds is not None and seconds <= 0):
            return self._set
        lock = threading.Lock()
        lock.acquire()
        self.on_set(lock.release)
        return lock.acquire(timeout=-1 if seconds is None else min(seconds, threading.TIMEOUT_MAX))


class Registration:
    """The result of `Deadline.on_cancel`; `close()`, or leaving its `with` block, takes it back.

    After `close()` has returned, the callback neither runs nor will run, so what it refers to (a
    socket, a handle) may be given to somebody else.
    """

    __slots__ = ("_callback", "_lock", "_waiting")

    def __init__(self, callback: Callable[[], None], waiting: set[Registration]) -> None:
        self._callback: Callable[[], None] | None = callback
        self._lock = threading.RLock()  # Reentrant: a finalizer may cancel inside close().
        self._waiting = waiting
        waiting.add(self)

    def run(self) -> None:
        with self._lock:
            callback, self._callback = self._callback, None
            if callback is not None:
                callback()

    def close(self) -> None:
        with self._lock:
            self._callback = None
        self._waiting.discard(self)

    def __enter__(self) -> Registration:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Deadline:
    """The time of one turn, and its cancel.

    A transport asks it four things: `remaining()` before a wait, `check()` after one,
    `on_cancel()` for what ends a wait early, and `timeout` for the limits of one connect or read.

    The clock runs from creation; `pause()` and `resume()` keep the consumer's own time out of it.

    Attributes:
        timeout: the turn's limits.
        cancelled: True once `cancel()` was called.
    """

    def __init__(self, timeout: Timeout | None = None) -> None:
        self.timeout = Timeout() if timeout is None else timeout
        self._spent = 0.0
        self._since: float | None = time.monotonic()
        self._ends = [] if self.timeout.total is None else [self.timeout.total]
        self.cancelled = False
        self._waiting: set[Registration] = set()  # Its steps are atomic: no lock is needed.

    @property
    def elapsed(self) -> float:
        """Seconds the turn has taken so far, without those the consumer took."""
        since = self._since
        return self._spent if since is None else self._spent + time.monotonic() - since

    def pause(self) -> None:
        """Stop the clock: from here on the consumer is busy."""
        if self._since is not None:
            self._spent += time.monotonic() - self._since
            self._since = None

    def resume(self) -> None:
        """Let the clock go on."""
        if self._since is None:
            self._since = time.monotonic()

    def remaining(self, limit: float | None = None) -> float | None:
        """Seconds left (never negative), and no more than `limit`; None for no limit at all."""
        since = self._since  # As `elapsed`: a call less, once a chunk.
        elapsed = self._spent if since is None else self._spent + time.monotonic() - since
        left = min(self._ends, default=math.inf) - elapsed
        if limit is not None:
            left = min(left, limit)
        return None if left == math.inf else max(0.0, left)

    def expired(self) -> bool:
        """True when no time is left."""
        return self.remaining() == 0.0

    def check(self) -> None:
        """Raise if the turn may not go on.

        Raises:
            TurnCancelled: `cancel()` was called.
            RequestTimeout: the total has passed.
        """
        if self.cancelled:
            raise TurnCancelled("The turn was cancelled.")
        if self.expired():
            raise self.overrun()

    def overrun(self) -> RequestTimeout:
        """The error of having no time left."""
        total = self.timeout.total
        if total is None:
            return RequestTimeout("The turn took longer than it may.")
        return RequestTimeout(
            f"The turn took longer than its total of {total:g} s.",
            hint=Hint("timeout.total", purpose="to allow more"),
        )

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """For this block, no more than `seconds` are left."""
        end = self.elapsed + seconds
        self._ends.append(end)
        try:
            yield
        finally:
            self._ends.remove(end)

    def cancel(self) -> None:
        """End the turn.  Any thread, any number of times; never blocks, never raises."""
        self.cancelled = True
        while True:
            try:
                registration = self._waiting.pop()
            except KeyError:
                return
            with suppress(Exception):  # One broken callback must not keep the others waiting.
                registration.run()

    def on_cancel(self, callback: Callable[[], None]) -> Registration:
        """Call `callback` once when the turn is cancelled; at once if it already was.

        It may run in any thread, and must not block.  Take it back with the returned
        registration's `close()`, or use that in a `with` statement.
        """
        registration = Registration(callback, self._waiting)
        if self.cancelled:
            self._waiting.discard(registration)
            registration.run()
        return registration

    def wait(self, signal: Signal, limit: float | None = None) -> bool:
        """Wait for `signal`, at most `limit` seconds and no longer than the turn may take.

        Returns True when the signal was set, False when the time passed first.

        Raises:
            TurnCancelled: the turn was cancelled meanwhile.
        """
        woken = Signal()
        signal.on_set(woken.set)
        with self.on_cancel(woken.set):
            woken.wait(self.remaining(limit))
        if self.cancelled:
            raise TurnCancelled("The turn was cancelled.")
        return signal.is_set

    def sleep(self, seconds: float) -> None:
        """Sleep, unless the turn ends first.  Raises as `check()`."""
        self.wait(Signal(), seconds)
        self.check()
