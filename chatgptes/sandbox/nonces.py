"""Nonces as WordPress gives them to anonymous visitors: the same for everybody, by the clock."""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Callable


class Nonces:
    """The nonces of one site.

    A nonce is good in the tick it was made in and in the next one; a tick is half the lifetime.

    Args:
        lifetime: of a nonce, at most (float, seconds).
        clock: what time it is (seconds since the epoch).
    """

    def __init__(self, lifetime: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tick_length = lifetime / 2
        self._passed = 0
        self._cached_tick: int | None = None
        self._secret = secrets.token_hex(8)

    def current(self, action: str) -> str:
        """The nonce for `action` that is good now."""
        return self._nonce(action, self._tick())

    def shown(self, action: str) -> str:
        """The nonce that pages show: from the cache, if there is one."""
        return self._nonce(action, self._tick() if self._cached_tick is None else self._cached_tick)

    def holds(self, nonce: str, action: str) -> bool:
        """The nonce is of this tick or the one before."""
        tick = self._tick()
        return nonce in (self._nonce(action, tick), self._nonce(action, tick - 1))

    def expire(self) -> None:
        """Let two ticks pass."""
        self._passed += 2

    @property
    def cached(self) -> bool:
        """Pages show the nonce of when they were cached."""
        return self._cached_tick is not None

    def cache(self, on: bool) -> None:
        """Cache the pages as they are now, or stop caching."""
        self._cached_tick = self._tick() if on else None

    def _tick(self) -> int:
        return math.ceil(self._clock() / self._tick_length) + self._passed

    def _nonce(self, action: str, tick: int) -> str:
        return hashlib.sha256(f"{self._secret}|{action}|{tick}".encode()).hexdigest()[:10]
