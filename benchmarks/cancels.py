"""How long it takes from a cancel until the caller is free and all that the turn had is gone.

    python benchmarks/cancels.py [CANCELS] [BESIDE]

CANCELS in every phase of a turn: waiting for a place, connecting, shaking hands, waiting for the
first byte, and between two chunks; then all of it again with BESIDE streams open on the same loop
(over curl_cffi; where the phase allows it, of the same client).  "Gone" is: the task has ended, the
sockets that the turn opened are closed, and no thread is alive that was not there before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fast_server import Running, fast_server
from measuring import Row, percentile, raise_descriptor_limit

from chatgptes import AsyncClient

P99, WORST = 0.020, 0.100
STREAM = "stream 1000 5"
DESCRIPTORS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
GIVEN_UP = 20.0
"""Seconds after which what is still there counts as a leak."""


@contextlib.contextmanager
def silent(*, full: bool = False) -> Iterator[int]:
    """A port where connections stand (by the system's doing) and nobody says a word.

    With `full`, none stands: the queue of those that wait to be accepted is full.
    """
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        if full:
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listening.getsockname())
        else:
            listening.listen(1000)
        yield listening.getsockname()[1]


@dataclass
class Held:
    """What this process holds: its sockets (descriptor and inode), and its threads."""

    sockets: set[tuple[int, int]] = field(default_factory=set)
    threads: set[threading.Thread] = field(default_factory=set)

    @classmethod
    def now(cls) -> Held:
        held = cls(threads=set(threading.enumerate()))
        for name in os.listdir(DESCRIPTORS):
            with contextlib.suppress(OSError):  # What listed them is gone, for one.
                status = os.fstat(int(name))
                if stat.S_ISSOCK(status.st_mode):
                    held.sockets.add((int(name), status.st_ino))
        return held

    def beyond(self, before: Held) -> Held:
        return Held(self.sockets - before.sockets, self.threads - before.threads)

    def gone(self) -> bool:
        """Whether nothing of it is left."""
        return not any(thread.is_alive() for thread in self.threads) and not any(
            _is_open(*each) for each in self.sockets
        )


def _is_open(descriptor: int, inode: int) -> bool:
    try:
        return os.fstat(descriptor).st_ino == inode
    except OSError:
        return False


@dataclass
class Phase:
    """A place where a turn waits.

    Attributes:
        name: of the phase.
        client: whose turns are cancelled.
        message: what is said.
        streaming: whether the turn waits between chunks (else, before the first).
        opens: whether the turn has a socket by then.
    """

    name: str
    client: AsyncClient
    message: str
    streaming: bool = False
    opens: bool = True


async def one(phase: Phase) -> float:
    """Seconds from a cancel until its caller went on and what the turn had was gone."""
    before = Held.now()
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in phase.client.stream(phase.message):
            begun.set()

    task = asyncio.create_task(read())
    if phase.streaming:
        await begun.wait()
    # Somewhere in the wait, not at its beginning.
    await asyncio.sleep(random.uniform(0.015, 0.04))
    turn = Held.now().beyond(before)
    assert bool(turn.sockets) or not phase.opens, f"{phase.name}: no socket is open."
    started = time.perf_counter()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    while not turn.gone():
        time.sleep(0.0001)  # Others' threads must get on with it, and this loop's tasks, too:
        await asyncio.sleep(0)
        assert time.perf_counter() - started < GIVEN_UP, f"{phase.name}: {turn} is left."
    return time.perf_counter() - started


async def cancels_of(phase: Phase, count: int) -> list[float]:
    await one_to_warm_up(phase)
    return [await one(phase) for _ in range(count)]


async def one_to_warm_up(phase: Phase) -> None:
    """A cancelled turn, after which what belongs to the client (not to a turn) is there."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            async for _ in phase.client.stream(phase.message):
                pass
    await asyncio.sleep(0.1)


async def measured(
    server: Running, mute: int, full: int, transport: Any, count: int, beside: int = 0
) -> dict[str, list[float]]:
    """By phase; with `beside` streams open all the time."""
    async with contextlib.AsyncExitStack() as stack:

        async def client(page: str, places: int = 1) -> AsyncClient:
            made = AsyncClient(page, transport=transport, max_concurrency=places, timeout=600)
            return await stack.enter_async_context(made)

        shared = await client(server.page(), beside + 1)
        queue = await client(server.page())
        holder = queue.stream(STREAM)
        await anext(holder)
        stack.push_async_callback(holder.aclose)
        phases = [
            Phase("slot", queue, STREAM, opens=False),
            Phase("connect", await client(f"http://127.0.0.1:{full}/"), "Hi"),
            Phase("TLS", await client(f"https://127.0.0.1:{mute}/"), "Hi"),
            Phase("first byte", shared, "silence"),
            Phase("mid-stream", shared, STREAM, streaming=True),
        ]
        open_ = await opened(shared, beside)
        results = {each.name: await cancels_of(each, count) for each in phases}
        for each in open_:
            assert not each.done()
            each.cancel()
        await asyncio.gather(*open_, return_exceptions=True)
        return results


async def opened(client: AsyncClient, count: int) -> list[asyncio.Task[None]]:
    """Tasks that read a stream each, a chunk a second; all have begun."""
    begun = asyncio.Semaphore(0)

    async def read() -> None:
        first = True
        async for _ in client.stream("stream 1000 1"):
            if first:
                first = False
                begun.release()

    tasks = [asyncio.create_task(read()) for _ in range(count)]
    for _ in tasks:
        await begun.acquire()
    return tasks


def _row(what: str, results: dict[str, list[float]]) -> Row:
    p99 = max(percentile(times, 0.99) for times in results.values())
    worst = max(max(times) for times in results.values())
    return Row(
        what,
        "",
        f"p99 {1000 * p99:.1f} ms, worst {1000 * worst:.1f} ms",
        "p99 < 20 ms, none over 100 ms",
        p99 < P99 and worst <= WORST,
        "; ".join(
            f"{name}: median {1000 * percentile(times, 0.5):.2f} ms, p99"
            f" {1000 * percentile(times, 0.99):.2f}, worst {1000 * max(times):.2f}"
            for name, times in results.items()
        ),
    )


def rows(count: int = 110, beside: int = 1000) -> Iterator[Row]:
    """In each phase p99 is of that phase's own cancels; the worst phase counts."""
    raise_descriptor_limit()
    with (
        fast_server(host="127.0.0.1") as server,
        silent() as mute,
        silent(full=True) as full,
    ):
        alone: dict[str, list[float]] = {}
        for transport in ("curl_cffi", "requests"):
            results = asyncio.run(measured(server, mute, full, transport, count))
            alone |= {f"{name} ({transport})": times for name, times in results.items()}
        yield _row("cancel to everything gone, each phase", alone)
        among = asyncio.run(measured(server, mute, full, "curl_cffi", count, beside))
        yield _row(f"cancel to everything gone, {beside:,} streams open beside it", among)


if __name__ == "__main__":
    for row in rows(*(int(each) for each in sys.argv[1:3])):
        print(row)
