"""The limit of a site's turns per minute, beside `max_concurrency`: of one server or several."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ...errors import InvalidConfigError, MissingRequirementsError, RateLimitError
from ...turn.queueing import pause
from ...turn.steps import Steps, Wait
from ...values.deadline import Deadline, Signal

__all__ = ["MinuteLimitError", "MinuteLimiter", "SharedCount"]

log = logging.getLogger("chatgptes.server")

_MINUTE = 60.0
_PATIENCE = 10.0
"""Seconds that a turn waits for its start; a client that would wait longer is told how long."""
_TIMEOUT = 1.0
"""Seconds for an answer of Redis, which takes less than a millisecond on the same machine."""
_PAUSE = 10.0
"""Seconds without Redis, once it has not answered."""


class MinuteLimitError(RateLimitError):
    """The server has sent the site as many messages in a minute as it may."""


class SharedCount:
    """The turns that all servers with the same Redis or Valkey have started, by package limits."""

    def __init__(self, url: str) -> None:
        try:
            aio: Any = import_module("limits.aio")
            redis: Any = import_module("redis.asyncio")
            no_backoff: Any = import_module("redis").backoff.NoBackoff()
            self._limits: Any = import_module("limits")
        except ModuleNotFoundError as error:
            raise MissingRequirementsError(
                f"A shared limit needs {error.name}: pip install 'limits[redis]'"
            ) from error
        try:
            # The URL goes no further than here.  A connection that Redis has closed is made anew
            # at once; any other wait is up to the timeout.
            self._pool = redis.ConnectionPool.from_url(url, retry=redis.retry.Retry(no_backoff, 1))
            self._pool.make_connection()
        except (ValueError, TypeError):
            raise InvalidConfigError(
                "The address of Redis must be a redis://, rediss:// or unix:// URL with its"
                " options (it is not shown, since it may hold a password)."
            ) from None
        storage = aio.storage.RedisStorage(
            "redis://", implementation="redispy", wrap_exceptions=True, connection_pool=self._pool
        )
        self._window = aio.strategies.MovingWindowRateLimiter(storage)
        self._down_until: float | None = None

    async def delay(self, key: str, count: int) -> float | None:
        """Count a turn, if fewer than `count` have started within a minute (0.0).

        Else the seconds until one may start; None where Redis does not answer.
        """
        if self._down_until is not None and time.monotonic() < self._down_until:
            return None
        item = self._limits.RateLimitItemPerMinute(count), "chatgptes", key
        delay = 0.0
        try:
            async with asyncio.timeout(_TIMEOUT):
                if not await self._window.hit(*item):
                    stats = await self._window.get_window_stats(*item)
                    # Just over its end the entry may count by a rounding error still.
                    delay = max(stats.reset_time - time.time(), 0.01)
        except (OSError, self._limits.errors.StorageError) as error:
            if self._down_until is None:
                # Without the error's text, which a server or a proxy may have put anything into.
                cause = error if isinstance(error, OSError) else error.__cause__ or error
                log.warning(
                    "Redis does not answer (%s): until it does, each server keeps the limit per"
                    " minute by itself.",
                    type(cause).__name__,
                )
            self._down_until = time.monotonic() + _PAUSE
            return None
        if self._down_until is not None:
            self._down_until = None
            log.info("Redis answers again: the servers share the limit per minute.")
        return delay

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


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
        """Refuse a turn before it queues up, where its start is known to be far off."""
        if (seconds := self._full_until - self._clock()) > _PATIENCE:
            raise self._full(seconds)

    def start(self, deadline: Deadline) -> Steps[None]:
        """Wait until a turn may start, and count it.

        Raises:
            MinuteLimitError: that would take too long.
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
        delay = None
        if self._shared is not None:
            # A turn waits for signals only: so this works for every way to drive it.
            answer = asyncio.ensure_future(self._shared.delay(self._key, self._count))
            came = Signal()
            answer.add_done_callback(lambda _: came.set())
            if not (yield Wait(came, deadline.remaining())):
                raise deadline.overrun()
            delay = answer.result()
        now = self._clock()
        if delay is None:
            full = len(self._starts) == self._count
            delay = max(self._starts[0] + _MINUTE - now, 0.0) if full else 0.0
        if not delay:
            self._starts.append(now)
        return delay

    def _full(self, seconds: float) -> MinuteLimitError:
        return MinuteLimitError(
            f"The site is sent {self._count} messages a minute at most, and has been sent them."
            f" Ask again in {math.ceil(seconds)} s.",
            retry_after=seconds,
        )
