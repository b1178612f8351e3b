"""A turn that a task of an event loop awaits."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import anyio.lowlevel

from ..transport import AsyncTransport, Transport
from ..turn.running import RunningTurn
from ..turn.steps import Steps
from ..turn.take import Turn
from ..values.deadline import Deadline
from ..values.reply import Reply
from .driver import Driver, driver_for
from .threads import in_thread

__all__ = ["TaskTurn", "current_holder", "wait_to_start"]

AT_ONCE = 16
"""Turns that begin in one pass of the loop: each takes 0.1 ms, and a thousand a tenth of a second
in which nothing else on the loop would run."""


def current_holder() -> object:
    """The task that runs: its coroutine itself, which unlike its id is nobody else's later."""
    return anyio.get_current_task().coro


class TaskTurn(RunningTurn):
    """A turn in whatever task asks for its text, one task at a time."""

    def __init__(
        self, turn: Turn, connect: Callable[[Deadline], Awaitable[AsyncTransport | Transport]]
    ) -> None:
        """Have `turn` ready; nothing is sent before the first `advance`, which `connect`s."""
        super().__init__(turn)
        self._connect = connect
        self._driver: Driver[Reply] | None = None

    async def advance(self) -> Sequence[str] | None:
        """Wait for the next text; its chunks, or None at the end."""
        if self.over and self.raise_or_ended():
            return None
        if not self.advancing.acquire(blocking=False):
            self.refuse()
            return None
        deadline = self.turn.deadline
        try:
            deadline.resume()
            driver = self._driver or await self._begin()
            if (chunks := await driver.advance()) is None:
                self.succeed(driver.result)
            return chunks
        except StopAsyncIteration as error:
            self.fail(error)
            # Out of a step of the consumer's loop it would look like the answer's end.
            raise RuntimeError("The transport raised StopAsyncIteration.") from error
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            deadline.pause()
            self.advancing.release()

    async def _begin(self) -> Driver[Reply]:
        turn = self.turn
        if turn.needs_loading:
            await in_thread(turn.load, turn.deadline)
        transport = await self._connect(turn.deadline)
        await wait_to_start()
        steps = self.begin(current_holder())
        self._driver = driver_for(steps, transport, turn.deadline, turn.permits, turn.final_error)
        return self._driver

    def close_steps(self, steps: Steps[Reply]) -> None:
        (self._driver or steps).close()

    def busy_error(self) -> Exception:
        return anyio.BusyResourceError("reading")


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
