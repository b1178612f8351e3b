"""One count of turns for several servers, in Redis or Valkey, by the package limits."""

from __future__ import annotations

import asyncio
import logging
import time
from importlib import import_module
from typing import Any

from ...errors import InvalidConfigError, MissingRequirementsError

__all__ = ["SharedCount"]

log = logging.getLogger("chatgptes.server")

_TIMEOUT = 1.0
"""Seconds for an answer of Redis, which takes less than a millisecond on the same machine."""
_PAUSE = 10.0
"""Seconds without Redis, once it has not answered."""


class SharedCount:
    """The turns that all servers with the same Redis have started.

    Args:
        url: of the Redis server (`redis://`, `rediss://`, `unix://`); its password stays secret.

    Raises:
        MissingRequirementsError: a package is missing.
        InvalidConfigError: the URL can't be used.
    """

    def __init__(self, url: str) -> None:
        try:
            aio: Any = import_module("limits.aio")
            redis: Any = import_module("redis")
            redis_aio: Any = import_module("redis.asyncio")
            self._limits: Any = import_module("limits")
        except ModuleNotFoundError as error:
            raise MissingRequirementsError(
                f"A shared limit needs {error.name}: pip install 'limits[redis]'"
            ) from error
        try:
            # The URL goes no further than here.  A connection that Redis has closed is made anew
            # at once; any other wait is up to the timeout.
            self._pool = redis_aio.ConnectionPool.from_url(
                url, retry=redis_aio.retry.Retry(redis.backoff.NoBackoff(), 1)
            )
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
        minute = self._limits.RateLimitItemPerMinute(count)
        try:
            async with asyncio.timeout(_TIMEOUT):
                started = await self._window.hit(minute, "chatgptes", key)
                stats = (
                    None
                    if started
                    else await self._window.get_window_stats(minute, "chatgptes", key)
                )
        except (OSError, self._limits.errors.StorageError) as error:
            self._fail(error)
            return None
        if self._down_until is not None:
            self._down_until = None
            log.info("Redis answers again: the servers share the limit per minute.")
        # Just over its end the entry may count by a rounding error still.
        return 0.0 if stats is None else max(stats.reset_time - time.time(), 0.01)

    def _fail(self, error: Exception) -> None:
        if self._down_until is None:
            # Without the error's text, which a server or a proxy may have put anything into.
            log.warning(
                "Redis does not answer (%s): until it does, each server keeps the limit per minute"
                " by itself.",
                type(error if isinstance(error, OSError) else error.__cause__ or error).__name__,
            )
        self._down_until = time.monotonic() + _PAUSE

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()
