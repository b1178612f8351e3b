"""The limit of a site's turns per minute, beside `max_concurrency`."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import deque
from collections.abc import Callable

from ...errors import RateLimitError
from ...turn.queueing import pause
from ...turn.steps import Steps, Wait
from ...values.deadline import Deadline, Signal
from .shared import SharedCount

__all__ = ["MinuteLimitError", "MinuteLimiter"]

_MINUTE = 60.0
_PATIENCE = 10.0
"""Seconds that a turn waits for its start; a client that would wait longer is told how long."""


class MinuteLimitError(RateLimitError):
    """The server has sent the site as many messages in a minute as it may."""


class MinuteLimiter:
    """At most `count` turns of a site start within any 60 seconds.

    Args:
        count: 0 for no limit.
        site: the site's address: servers that share a count know it by that.
        shared: the count of all servers; while that fails, each counts its own turns.
        clock: seconds, only ever forward.
    """

    def __init__(
        self,
        count: int,
        site: str = "",
        shared: SharedCount | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._key = hashlib.sha256(site.encode()).hexdigest()[:16]
        self._shared = shared
        self._clock = clock
        self._starts: deque[float] = deque(maxlen=count)
        self._full_until = 0.0

    def check(self) -> None:
        """Refuse a turn before it queues up, where its start is known to be far off.

        Raises:
            MinuteLimitError: it is.
        """
        if (seconds := self._full_until - self._clock()) > _PATIENCE:
            raise self._full(seconds)

    def start(self, deadline: Deadline) -> Steps[None]:
        """Wait until a turn may start, and count it.

        Raises:
            MinuteLimitError: that would take too long.
            RequestTimeout, TurnCancelled: the turn ended first.
        """
        if not self._count:
            return
        latest = self._clock() + _PATIENCE
        while seconds := (yield from self._delay(deadline)):
            self._full_until = self._clock() + seconds
            if self._full_until > latest:
                raise self._full(seconds)
            yield from pause(deadline, seconds)

    def _delay(self, deadline: Deadline) -> Steps[float]:
        """Start now, if the limit allows it (0.0); else the seconds until it may."""
        shared = None
        if self._shared is not None:
            # A turn waits for signals only: so this works for every way to drive it.
            answer = asyncio.ensure_future(self._shared.delay(self._key, self._count))
            came = Signal()
            answer.add_done_callback(lambda _: came.set())
            if not (yield Wait(came, deadline.remaining())):
                raise deadline.overrun()
            shared = answer.result()
        now = self._clock()
        full = len(self._starts) == self._count
        delay = max(self._starts[0] + _MINUTE - now, 0.0) if full else 0.0
        if shared is not None:
            delay = shared
        if not delay:
            self._starts.append(now)
        return delay

    def _full(self, seconds: float) -> MinuteLimitError:
        return MinuteLimitError(
            f"The site is sent {self._count} messages a minute at most, and has been sent them."
            f" Ask again in {math.ceil(seconds)} s.",
            retry_after=seconds,
        )
