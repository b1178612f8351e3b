"""Tasks woken by a thread: all of one loop that have something to do, with one call into it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

import anyio.lowlevel

__all__ = ["AT_ONCE", "Waker", "current_waker"]

AT_ONCE = 64
"""Tasks woken in one pass of a loop: a thousand would hold all others up for 15 to 40 ms."""


class Waker(Protocol):
    """A loop, as the hub knows it."""

    native: Any
    """What stands for the loop, to be compared."""

    def prepare(self) -> Any:
        """Make what a task of this loop will wait on; to be dropped if it need not wait."""

    def wait(self, waiter: Any) -> Awaitable[object]:
        """Wait, in the loop, until `waiter` is woken."""

    def wake(self, waiters: Sequence[Any]) -> None:
        """Wake `waiters`, from any thread, `AT_ONCE` of them in each pass of the loop.

        Raises:
            RuntimeError: the loop has ended.
        """

    async def rest(self) -> None:
        """Let the loop's other tasks run."""


class _AsyncioWaker:
    """A loop of asyncio: a task waits on the loop's own future, which costs least."""

    __slots__ = ("native",)

    def __init__(self, native: Any) -> None:
        self.native = native

    def prepare(self) -> Any:
        return self.native.create_future()

    def wait(self, waiter: Any) -> Awaitable[object]:
        return waiter  # type: ignore[no-any-return]

    def wake(self, waiters: Sequence[Any]) -> None:
        self.native.call_soon_threadsafe(_set_results, self.native, waiters)

    async def rest(self) -> None:
        from asyncio import sleep

        await sleep(0)


def _set_results(loop: Any, waiters: Sequence[Any]) -> None:
    for waiter in waiters[:AT_ONCE]:
        if not waiter.done():
            waiter.set_result(None)
    if len(waiters) > AT_ONCE:
        loop.call_soon(_set_results, loop, waiters[AT_ONCE:])


class _Parked:
    """A task of trio that waits, or will."""

    __slots__ = ("task",)

    def __init__(self) -> None:
        self.task: Any = None


class _TrioWaker:
    """A loop of trio: a task is parked, and scheduled again."""

    __slots__ = ("native",)

    def __init__(self, native: Any) -> None:
        self.native = native

    def prepare(self) -> Any:
        return _Parked()

    def wait(self, waiter: Any) -> Awaitable[object]:
        lowlevel = sys.modules["trio"].lowlevel

        def abort(_: Any) -> Any:
            waiter.task = None
            return lowlevel.Abort.SUCCEEDED

        waiter.task = lowlevel.current_task()
        return lowlevel.wait_task_rescheduled(abort)  # type: ignore[no-any-return]

    def wake(self, waiters: Sequence[Any]) -> None:
        self.native.run_sync_soon(_reschedule, self.native, waiters)

    async def rest(self) -> None:
        await sys.modules["trio"].lowlevel.checkpoint()


def _reschedule(loop: Any, waiters: Sequence[Any]) -> None:
    lowlevel = sys.modules["trio"].lowlevel
    for waiter in waiters[:AT_ONCE]:
        task, waiter.task = waiter.task, None
        if task is not None:
            lowlevel.reschedule(task)
    if len(waiters) > AT_ONCE:
        loop.run_sync_soon(_reschedule, loop, waiters[AT_ONCE:])


def current_waker() -> Waker:
    """The waker of the running loop: asyncio's (uvloop too) or trio's.

    Raises:
        RuntimeError: no loop is running.
    """
    native: Any = anyio.lowlevel.current_token().native_token
    return _TrioWaker(native) if hasattr(native, "run_sync_soon") else _AsyncioWaker(native)
