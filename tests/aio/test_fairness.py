"""Many turns at once, on asyncio, uvloop and trio: the loop's other tasks get their turn."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from chatgptes import AsyncClient
from chatgptes.aio.tasks import TaskTurn, wait_to_start
from chatgptes.sandbox import Site
from chatgptes.transport.loops import Waker

pytestmark = pytest.mark.anyio


class Ticks:
    """A task that runs in every pass of the loop, and notes how much was counted in between.

    Attributes:
        most: the most that was counted between two of its runs.  trio runs the tasks of a pass in
            any order, so that there it may be what two passes do.
        total: all that was counted.
    """

    def __init__(self) -> None:
        self.most = 0
        self.total = 0
        self._since = 0

    def count(self) -> None:
        self.total += 1
        self._since += 1

    async def run(self, until: int) -> None:
        while self.total < until:
            self._since = 0
            await anyio.lowlevel.checkpoint()
            self.most = max(self.most, self._since)


async def test_turns_begin_a_few_at_a_time() -> None:
    ticks = Ticks()

    async def turn() -> None:
        await wait_to_start()
        ticks.count()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ticks.run, 300)
            for _ in range(300):
                tasks.start_soon(turn)
    assert 0 < ticks.most <= 32


async def test_a_turn_that_is_cancelled_before_its_start_holds_nobody_up() -> None:
    begun = 0

    async def turn() -> None:
        nonlocal begun
        await wait_to_start()
        begun += 1

    with anyio.fail_after(30):
        async with anyio.create_task_group() as others:
            async with anyio.create_task_group() as leaving:
                for _ in range(100):
                    leaving.start_soon(turn)
                await anyio.lowlevel.checkpoint()
                leaving.cancel_scope.cancel()
            before = begun
            for _ in range(100):
                others.start_soon(turn)
    assert before < 100
    assert begun == before + 100


def test_a_loop_is_forgotten_with_turns_waiting_to_start() -> None:
    async def leave_some_waiting() -> weakref.ref[asyncio.AbstractEventLoop]:
        turns = [asyncio.create_task(wait_to_start()) for _ in range(100)]
        await asyncio.sleep(0)
        for turn in turns:
            turn.cancel()
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(leave_some_waiting())
    gc.collect()
    assert loop() is None


async def test_streams_begin_a_few_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = Ticks()
    begin = TaskTurn.begin

    def counted(turn: TaskTurn, holder: object) -> Any:
        ticks.count()
        return begin(turn, holder)

    async with AsyncClient(site.url, max_concurrency=200) as client:
        await client.chat("first")
        monkeypatch.setattr(TaskTurn, "begin", counted)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ticks.run, 100)
                for _ in range(100):
                    tasks.start_soon(client.chat, "at once")
    assert 0 < ticks.most <= 32


async def test_readers_are_woken_a_few_at_a_time() -> None:
    ticks = Ticks()
    waker = Waker()
    waiters = [waker.prepare() for _ in range(300)]

    async def reader(waiter: Any) -> None:
        await waker.wait(waiter)
        ticks.count()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for each in waiters:
                tasks.start_soon(reader, each)
            await anyio.wait_all_tasks_blocked()
            waker.wake(waiters)
            tasks.start_soon(ticks.run, 300)
    assert 0 < ticks.most <= 128
