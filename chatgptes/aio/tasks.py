"""The tasks of an event loop: how they wait and are woken; and a turn that one of them awaits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio
import anyio.lowlevel

from ..errors import TurnCancelled
from ..turn.running import RunningTurn
from ..turn.steps import Wait
from ..values.deadline import Deadline, Signal

__all__ = ["TaskTurn", "call_on_loop", "current_owner", "perform_wait", "wait_for_signal"]


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


def current_owner() -> object:
    """The task that runs: its coroutine itself, which unlike its id is nobody else's later."""
    return anyio.get_current_task().coro


async def perform_wait(step: Wait, deadline: Deadline) -> bool:
    """Perform a `Wait` on the loop."""
    return await wait_for_signal(step.signal or Signal(), deadline, step.seconds)


async def wait_for_signal(signal: Signal, deadline: Deadline, seconds: float | None) -> bool:
    """Wait for `signal`, at most `seconds` (None: no limit); whether it came.

    Raises:
        TurnCancelled: the deadline was cancelled meanwhile.
    """
    event = anyio.Event()
    wake = call_on_loop(event.set)
    signal.on_set(wake)
    with deadline.on_cancel(wake), anyio.move_on_after(seconds):
        await event.wait()
    if deadline.cancelled:
        raise TurnCancelled("The turn was cancelled.")
    return signal.is_set


class TaskTurn(RunningTurn):
    """A turn that a task waits for."""

    async def advance(self) -> Sequence[str] | None:
        """Wait for the next text; its chunks, or None at the end.

        Raises:
            ChatGptEsError: the turn failed.
            anyio.BusyResourceError: another task waits for it.
        """
        raise NotImplementedError

    def busy_error(self) -> Exception:
        return anyio.BusyResourceError("reading")
