"""How many turns run at once, and how a hundred threads make one request."""

from __future__ import annotations

import copy
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import ChatGptEsError, RequestTimeout, TurnCancelled
from ..values.deadline import Deadline, Signal, Timeout

__all__ = ["OneAtATime", "SingleFlight", "Slots", "Ticket"]

T = TypeVar("T")


class Ticket:
    """A place in the queue for a slot, or the slot itself once `granted`."""

    __slots__ = ("__weakref__", "_slots", "_wake", "granted", "owner", "released")

    def __init__(self, slots: Slots, wake: Callable[[], None], owner: object) -> None:
        self._slots = slots
        self._wake = wake
        self.owner: object = owner
        self.granted = False
        self.released = False

    def disown(self) -> None:
        """Its turn is over for its owner, if not yet for the thread that reads it."""
        self.owner = None
        self._slots._disowned(self)

    def release(self) -> None:
        """Give the slot back, or leave the queue.  Any number of times, never blocks."""
        self._slots._release(self)

    def __del__(self) -> None:
        # Ctrl-C can land between getting a slot and noting that there is one to give back.
        if not getattr(self, "released", True):  # Its own making can be interrupted, too.
            self.release()


class Slots:
    """At most `count` turns at once, first come, first served, started `interval` seconds apart.

    The queue holds callbacks, not threads, so that a hundred waiting coroutines cost nothing.
    """

    def __init__(self, count: int, interval: float = 0.0) -> None:
        self.count = count
        self.interval = interval
        self._free = count
        self._queue: deque[Ticket] = deque()
        self._next_start = 0.0
        # Reentrant, since a finalizer may release a slot while this very thread holds the lock.
        self._lock = threading.RLock()

    def request(self, wake: Callable[[], None], owner: object) -> Ticket:
        """Queue up.

        Args:
            wake: called once it is granted (from any thread, perhaps at once; must not block).
            owner: who waits: a thread's ident, or a task.
        """
        ticket = Ticket(self, wake, owner)
        with self._lock:
            self._queue.append(ticket)
            self._grant()
        return ticket

    def _grant(self) -> None:
        while self._queue and self._free > 0:
            # In this order: interrupted in between, there is one slot too many and never one less.
            ticket = self._queue.popleft()
            ticket.granted = True
            self._free -= 1
            self._granted(ticket)
            ticket._wake()

    def _granted(self, ticket: Ticket) -> None:
        """For a subclass that wants to know who has the slot."""

    def _release(self, ticket: Ticket) -> None:
        with self._lock:
            if ticket.released:
                return
            ticket.released = True
            if ticket.granted:
                self._free = min(self._free + 1, self.count)
                self._grant()
            elif ticket in self._queue:
                self._queue.remove(ticket)

    def _disowned(self, ticket: Ticket) -> None:
        self._release(ticket)

    def start_delay(self) -> float:
        """Book the next start; seconds to wait until it."""
        if not self.interval:
            return 0.0
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + self.interval
        return start - now

    def timed_out(self, seconds: float | None) -> RequestTimeout:
        """The error of having waited `seconds` for a slot in vain."""
        waited = "" if seconds is None else f" for {seconds:g} s"
        return RequestTimeout(
            f"The turn waited{waited} for a free slot: as many turns are running as"
            f" max_concurrency={self.count} allows. Raise it, or close streams that are not read"
            " on.",
            phase="slot",
        )

    def acquire(self, deadline: Deadline) -> Ticket:
        """Wait for a slot, and for its start.

        Raises:
            RequestTimeout: phase "slot": the turn's total passed first.
            TurnCancelled: the turn was cancelled first.
        """
        signal = Signal()
        ticket = self.request(signal.set, threading.get_ident())
        try:
            if not deadline.wait(signal):
                raise self.timed_out(deadline.timeout.total)
            if delay := self.start_delay():
                deadline.sleep(delay)
        except BaseException:
            ticket.release()
            raise
        return ticket


class OneAtATime(Slots):
    """A conversation's turns.  Who holds the only place can't wait for it as well."""

    def __init__(self) -> None:
        super().__init__(1)
        # Weakly: who has lost its ticket holds nothing.
        self._holder: Callable[[], Ticket | None] = lambda: None

    def request(self, wake: Callable[[], None], owner: object) -> Ticket:
        with self._lock:
            holder = self._holder()
            if holder is not None and not holder.released and holder.owner == owner:
                raise ChatGptEsError(
                    "The conversation's last stream has not ended: read it to its end or close it"
                    " before the next turn."
                )
        return super().request(wake, owner)

    def _granted(self, ticket: Ticket) -> None:
        self._holder = weakref.ref(ticket)

    def _disowned(self, ticket: Ticket) -> None:
        """Its owner may queue up behind it; it is released when the turn has ended."""

    def timed_out(self, seconds: float | None) -> RequestTimeout:
        waited = "" if seconds is None else f" for {seconds:g} s"
        return RequestTimeout(
            f"The turn waited{waited} for the conversation's turn before it to end.", phase="slot"
        )


class _Call(Generic[T]):
    def __init__(self, timeout: Timeout) -> None:
        self.timeout = timeout
        self.waiters: list[Signal] = []
        self.result: T | None = None
        self.error: ChatGptEsError | None = None
        self.abandoned = False
        """Nothing came of it, for reasons of the leader's own."""
        self.impatient = False
        """It took longer than one of the leader's limits, which may be stricter than others'."""


class SingleFlight(Generic[T]):
    """Work that many threads want at once is done by one of them, for all."""

    def __init__(self) -> None:
        self._call: _Call[T] | None = None
        self._lock = threading.RLock()

    def do(self, work: Callable[[], T], deadline: Deadline) -> T:
        """The result of `work`, done here or by a thread that is at it already.

        A leader that was cancelled, or ran out of its own time, leaves the work to the next, and
        so does one with other limits whose patience was at an end; any other failure is
        everybody's, since the site would only be asked the same again.
        """
        while True:
            with self._lock:
                call = self._call
                if call is None:
                    mine = self._call = _Call(deadline.timeout)
                else:
                    signal = Signal()
                    call.waiters.append(signal)
            if call is None:
                return self._lead(mine, work)
            if not deadline.wait(signal):
                deadline.check()
                continue
            if call.abandoned or (call.impatient and call.timeout != deadline.timeout):
                continue
            if call.error is not None:
                raise copy.copy(call.error) from call.error.__cause__
            return call.result  # type: ignore[return-value]  # Set whenever there is no error.

    def _lead(self, call: _Call[T], work: Callable[[], T]) -> T:
        try:
            call.result = work()
        except TurnCancelled:
            call.abandoned = True
            raise
        except ChatGptEsError as error:
            if isinstance(error, RequestTimeout) and error.phase in ("total", "slot"):
                call.abandoned = True
            else:
                call.error = error
                call.impatient = isinstance(error, RequestTimeout)
            raise
        except BaseException:
            call.abandoned = True
            raise
        else:
            return call.result
        finally:
            with self._lock:
                self._call = None
            for signal in call.waiters:
                signal.set()
