"""Turns of one event loop that begin at once: a few at a time, others' tasks in between."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel

__all__ = ["wait_to_start"]

AT_ONCE = 16
"""Turns that begin in one pass of the loop: each takes 0.1 ms, and a thousand a tenth of a second
in which nothing else on the loop would run."""


class _StartQueue:
    """The turns of one loop that are about to begin, first come, first served.

    A `RunVar` whose value refers to its loop keeps both for good: so this holds neither the loop
    nor the events, which do.
    """

    def __init__(self) -> None:
        self._waiting: deque[weakref.ref[anyio.Event]] = deque()
        self._begun = 0  # In this pass of the loop.

    async def enter(self) -> None:
        if self._begun < AT_ONCE and not self._waiting:
            if not self._begun:
                token: Any = anyio.lowlevel.current_token().native_token
                soon = getattr(token, "call_soon", None) or token.run_sync_soon
                soon(self._next_pass, soon)
            self._begun += 1
            return
        place = anyio.Event()
        self._waiting.append(weakref.ref(place))
        await place.wait()

    def _next_pass(self, soon: Callable[..., Any]) -> None:
        self._begun = 0
        while self._waiting and self._begun < AT_ONCE:
            place = self._waiting.popleft()()
            if place is not None:  # Else its turn was cancelled meanwhile.
                place.set()
                self._begun += 1
        if self._begun:
            soon(self._next_pass, soon)


_queue: anyio.lowlevel.RunVar[_StartQueue] = anyio.lowlevel.RunVar("chatgptes_starts")


async def wait_to_start() -> None:
    """Wait until a turn may begin on the running loop: at once where few others do."""
    queue = _queue.get(None)
    if queue is None:
        queue = _StartQueue()
        _queue.set(queue)
    await queue.enter()
