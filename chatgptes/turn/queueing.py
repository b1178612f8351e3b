"""The number of turns that run at once, and one request made for many turns."""

from __future__ import annotations

import copy
import functools
import threading
import time
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import ChatGptEsError, RequestTimeout, TurnCancelled
from ..values.deadline import Deadline, Signal, Timeout
from .steps import Steps, Wait

__all__ = ["ConversationQueue", "Limiter", "Permit", "SingleFlight", "pause"]

T = TypeVar("T")


def pause(deadline: Deadline, seconds: float) -> Steps[None]:
    """Let `seconds` pass, unless the turn ends first."""
    yield Wait(None, deadline.remaining(seconds))
    deadline.check()


class Permit:
    """A place in a limiter's queue, or, once `signal` is set, the permit to run."""

    __slots__ = ("__weakref__", "_limiter", "holder", "released", "signal")

    def __init__(self, limiter: Limiter, holder: object) -> None:
        self._limiter = limiter
        self.holder: object = holder
        self.signal = Signal()
        self.released = False

    def abandon(self) -> None:
        """Release it, or leave that to the turn's end where the next turn needs that end.

        For a turn that nobody waits for any more, but whose thread has not ended yet.
        """
        self.holder = None
        if not self._limiter.needs_ends:
            self.release()

    def release(self) -> None:
        """Give the permit back, or leave the queue.  Any number of times, never blocks."""
        self._limiter.release(self)

    def __del__(self) -> None:
        # Ctrl-C can land between getting a permit and noting that there is one to give back, and
        # inside of its making.
        if not getattr(self, "released", True):
            self.release()


class Limiter:
    """At most `count` turns at once, first come, first served, started `interval` seconds apart.

    Attributes:
        wanted: the words for what a turn waits for.
        needs_ends: a turn can begin only where the one before has ended, left by its reader or not.
    """

    def __init__(self, count: int, interval: float = 0.0) -> None:
        self.count = count
        self.interval = interval
        self.needs_ends = False
        self.wanted = (
            f"a free slot: as many turns are running as max_concurrency={count} allows. Raise it,"
            " or close streams that you no longer read."
        )
        self._free = count
        self._queue: dict[Permit, None] = {}  # In order; a waiter that leaves is found at once.
        self._next_start = 0.0
        # Reentrant, since a finalizer may release a permit while this very thread holds the lock.
        self._lock = threading.RLock()

    def acquire(self, deadline: Deadline, holder: object) -> Steps[Permit]:
        """Wait for a permit, for the thread or task `holder`, and for the start `interval` allows.

        Raises:
            RequestTimeout: phase "slot": the turn's total passed first.
            TurnCancelled: the turn was cancelled first.
        """
        permit = self.request(holder)
        try:
            if not permit.signal.is_set and not (yield Wait(permit.signal, deadline.remaining())):
                message = f"The turn's total passed while it waited for {self.wanted}"
                raise RequestTimeout(message, phase="slot")
            # Booked only when its time has come: a turn that ends before takes no start away.
            while delay := self.start_delay():
                yield from pause(deadline, delay)
        except BaseException:
            permit.release()
            raise
        return permit

    def request(self, holder: object) -> Permit:
        """Queue up."""
        permit = Permit(self, holder)
        with self._lock:
            self._queue[permit] = None
            self._grant()
        return permit

    def _grant(self) -> None:
        while self._queue and self._free > 0:
            permit = next(iter(self._queue))
            # Else the finalizer of the permit before, which nobody held, has granted this one.
            if permit in self._queue:
                # In this order: interrupted in between, there is one too many, never one less.
                del self._queue[permit]
                self._free -= 1
                permit.signal.set()

    def release(self, permit: Permit) -> None:
        """See `Permit.release`."""
        with self._lock:
            if permit.released:
                return
            permit.released = True
            if permit.signal.is_set:
                self._free = min(self._free + 1, self.count)
                self._grant()
            else:
                self._queue.pop(permit, None)

    def start_delay(self) -> float:
        """Start now, if `interval` allows it (0.0); else the seconds until it does."""
        if not self.interval:
            return 0.0
        with self._lock:
            now = time.monotonic()
            if now < self._next_start:
                return self._next_start - now
            self._next_start = now + self.interval
            return 0.0


class ConversationQueue(Limiter):
    """One turn of a conversation at a time.

    Who holds the permit is refused a second one: the wait would be for itself.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self.needs_ends = True
        self.wanted = "the conversation's turn before it to end."
        # Weakly: who has lost its permit holds nothing.
        self._permits: weakref.WeakSet[Permit] = weakref.WeakSet()

    def request(self, holder: object) -> Permit:
        with self._lock:
            for permit in self._permits:
                if permit.holder == holder and permit.signal.is_set and not permit.released:
                    raise ChatGptEsError(
                        "The conversation's last stream has not ended: read it to its end or close"
                        " it before the next turn."
                    )
            permit = super().request(holder)
            self._permits.add(permit)
        return permit


class _Flight(Generic[T]):
    """Work under way, for all that wait for it."""

    def __init__(self, timeout: Timeout) -> None:
        self.timeout = timeout  # The leader's, which may be stricter than others'.
        self.landed = Signal()
        # With neither of these two, the leader ended for its own reasons.
        self.results: list[T] = []
        self.error: ChatGptEsError | None = None


class SingleFlight(Generic[T]):
    """Work that many turns want at once is done by one of them, for all."""

    def __init__(self) -> None:
        self._flight: _Flight[T] | None = None
        self._lock = threading.RLock()

    def run(self, work: Callable[[], Steps[T]], deadline: Deadline) -> Steps[T]:
        """Do `work`, or wait for the turn that is at it already; its result.

        A leader that was cancelled, or ran out of time, leaves the work to the next, and
        so does one with other limits that timed out; any other failure is everybody's, since the
        site would only be asked the same again.
        """
        while True:
            with self._lock:
                flight = self._flight
                leading = flight is None
                if flight is None:
                    flight = self._flight = _Flight(deadline.timeout)
            if leading:
                # A leader whose thread hangs (in a look-up of a name) must not hold others up.
                with deadline.on_cancel(functools.partial(self._land, flight)):
                    return (yield from self._lead(flight, work))
            if not flight.landed.is_set and not (yield Wait(flight.landed, deadline.remaining())):
                deadline.check()
            elif flight.results:
                return flight.results[0]
            elif flight.error is not None and not (
                isinstance(flight.error, RequestTimeout) and flight.timeout != deadline.timeout
            ):
                raise copy.copy(flight.error) from flight.error.__cause__

    def _lead(self, flight: _Flight[T], work: Callable[[], Steps[T]]) -> Steps[T]:
        try:
            result = yield from work()
            flight.results.append(result)
            return result
        except ChatGptEsError as error:
            own = isinstance(error, TurnCancelled) or getattr(error, "phase", "") == "total"
            flight.error = None if own else error
            raise
        finally:
            self._land(flight)

    def _land(self, flight: _Flight[T]) -> None:
        with self._lock:
            if self._flight is flight:
                self._flight = None
        flight.landed.set()
