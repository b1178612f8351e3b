"""Calls into event loops from other threads."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio.lowlevel

__all__ = ["Waker", "call_on_loop"]

_AT_ONCE = 64
"""Tasks woken in one pass of a loop: a thousand would hold all others up for 15 to 40 ms."""


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


class Waker:
    """Wakes the tasks of one loop from the hub's thread.

    A task waits on an event of trio, or, which costs least, on a future of asyncio's loop.

    Attributes:
        native: what stands for the loop, to be compared.
    """

    __slots__ = ("_event", "native")

    def __init__(self) -> None:
        """Be that of the running loop: asyncio's (uvloop too) or trio's."""
        self.native: Any = anyio.lowlevel.current_token().native_token
        is_trio = hasattr(self.native, "run_sync_soon")
        self._event: Any = sys.modules["trio"].Event if is_trio else None

    def prepare(self) -> Any:
        """Make what a task of this loop will wait on; to be dropped if it need not wait."""
        return self.native.create_future() if self._event is None else self._event()

    def wait(self, waiter: Any) -> Awaitable[object]:
        """Wait, in the loop, until `waiter` is woken."""
        return waiter if self._event is None else waiter.wait()  # type: ignore[no-any-return]

    def wake(self, waiters: Sequence[Any]) -> None:
        """Wake `waiters`, from any thread, `_AT_ONCE` of them in each pass of the loop.

        Raises:
            RuntimeError: the loop has ended.
        """
        if self._event is None:
            self.native.call_soon_threadsafe(_set_results, self.native.call_soon, waiters)
        else:
            self.native.run_sync_soon(_set_events, self.native.run_sync_soon, waiters)


def _set_results(soon: Any, waiters: Sequence[Any]) -> None:
    for waiter in waiters[:_AT_ONCE]:
        if not waiter.done():
            waiter.set_result(None)
    if len(waiters) > _AT_ONCE:
        soon(_set_results, soon, waiters[_AT_ONCE:])


def _set_events(soon: Any, waiters: Sequence[Any]) -> None:
    for waiter in waiters[:_AT_ONCE]:
        waiter.set()
    if len(waiters) > _AT_ONCE:
        soon(_set_events, soon, waiters[_AT_ONCE:])
