"""Many streams on one event loop: how long, how much CPU, and how late everything else gets.

Beside ours: what else could be used on a loop, and the old approach, a blocking session inside an
async generator.

    python benchmarks/many_streams.py [STREAMS] [CHUNKS] [ROUNDS]
"""

from __future__ import annotations

import asyncio
import gc
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
import requests
from curl_cffi.requests import AsyncSession
from fast_server import Running, fast_server, form
from measuring import Row, median, percentile

from chatgptes import AsyncClient

DELAY = 0.02
TICK = 0.005
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Read = Callable[[], Awaitable[None]]


@dataclass
class Measured:
    """Of one candidate, over all rounds: wall and CPU seconds, and how late each tick was."""

    walls: list[float]
    cpus: list[float]
    late: list[float]

    @property
    def wall(self) -> float:
        return median(self.walls)

    @property
    def cpu(self) -> float:
        return median(self.cpus)

    @property
    def p99(self) -> float:
        return percentile(self.late, 0.99)

    def __str__(self) -> str:
        return (
            f"wall {self.wall:.2f} s, CPU {self.cpu:.2f} s, lag p99 {1000 * self.p99:.1f} ms,"
            f" worst {1000 * max(self.late):.0f} ms"
        )


async def _ticks(late: list[float]) -> None:
    clock = time.perf_counter
    due = clock() + TICK
    while True:
        await asyncio.sleep(max(0.0, due - clock()))
        now = clock()
        while due <= now:  # Every tick that was due counts, and not only the one that waited.
            late.append(now - due)
            due += TICK


async def measure(read: Read, streams: int, into: Measured) -> None:
    late: list[float] = []
    gc.collect()
    ticking = asyncio.create_task(_ticks(late))
    await asyncio.sleep(0.05)
    late.clear()
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(read() for _ in range(streams)))
    into.walls.append(time.perf_counter() - started)
    into.cpus.append(time.process_time() - cpu)
    await asyncio.sleep(TICK * 2)  # The tick that was held up last must be heard of.
    ticking.cancel()
    into.late += late


@dataclass
class Place:
    """Where the candidates read, and what.

    Attributes:
        server: the site.
        message: what is said to it.
        streams: how many there are at once.
        stack: closes what was opened.
    """

    server: Running
    message: str
    streams: int
    stack: AsyncExitStack


async def old_approach(page: str, message: str) -> AsyncIterator[str]:
    """What the provider class before this library did, in its shape."""
    with requests.Session() as session:
        html = session.get(page).text
        nonce = re.search(r'data-nonce="(\w+)"', html)
        ajax = re.search(r'"ajax_url": "([^"]+)"', html)
        assert nonce is not None
        assert ajax is not None
        url = ajax[1].replace("\\/", "/")
        response = session.post(url, data=form(message), headers=FORM, stream=True)
        for line in response.iter_lines():
            if line:
                yield line.decode()


async def with_ours(at: Place, transport: Any) -> Read:
    client = AsyncClient(at.server.page(), max_concurrency=at.streams, transport=transport)
    await at.stack.enter_async_context(client)

    async def read() -> None:
        async for _ in client.stream(at.message):
            pass

    return read


async def with_curl(at: Place) -> Read:
    session: Any = AsyncSession(impersonate="chrome", max_clients=at.streams)
    await at.stack.enter_async_context(session)
    body = form(at.message)

    async def read() -> None:
        response = await session.post(at.server.ajax, data=body, headers=FORM, stream=True)
        async for _ in response.aiter_content():
            pass
        await response.aclose()

    return read


async def with_httpx(at: Place) -> Read:
    limits = httpx.Limits(max_connections=at.streams, max_keepalive_connections=at.streams)
    client = httpx.AsyncClient(limits=limits, timeout=60)
    await at.stack.enter_async_context(client)
    body, url = form(at.message), at.server.ajax

    async def read() -> None:
        async with client.stream("POST", url, content=body, headers=FORM) as response:
            async for _ in response.aiter_raw():
                pass

    return read


async def with_aiohttp(at: Place) -> Read:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at.streams))
    await at.stack.enter_async_context(session)
    body, url = form(at.message), at.server.ajax

    async def read() -> None:
        async with session.post(url, data=body, headers=FORM) as response:
            async for _ in response.content.iter_any():
                pass

    return read


async def as_before(at: Place) -> Read:
    async def read() -> None:
        async for _ in old_approach(at.server.page(), at.message):
            pass

    return read


CANDIDATES: dict[str, Callable[[Place], Awaitable[Read]]] = {
    "ours, curl_cffi": lambda at: with_ours(at, "curl_cffi"),
    "ours, requests": lambda at: with_ours(at, "requests"),
    "curl_cffi AsyncSession": with_curl,
    "httpx": with_httpx,
    "aiohttp": with_aiohttp,
    "the old approach": as_before,
}


async def measured(
    streams: int, chunks: int, rounds: int, *, names: Sequence[str] = tuple(CANDIDATES)
) -> dict[str, Measured]:
    """The candidates in turn, `rounds` times after one to warm up.

    The old approach, which takes its time, has one round.
    """
    results: dict[str, Measured] = {}
    with fast_server() as server:
        async with AsyncExitStack() as stack:
            at = Place(server, f"stream {chunks} {DELAY}", streams, stack)
            reads = {name: await CANDIDATES[name](at) for name in names}
            for round_ in range(rounds + 1):
                for name, read in reads.items():
                    if name == "the old approach" and round_ != 1:
                        continue
                    into = Measured([], [], [])
                    await measure(read, streams, into)
                    if round_:
                        known = results.setdefault(name, Measured([], [], []))
                        known.walls += into.walls
                        known.cpus += into.cpus
                        known.late += into.late
    return results


def row(results: dict[str, Measured], streams: int) -> Row:
    natives = {name: each for name, each in results.items() if not name.startswith(("ours", "the"))}
    ours = {name: each for name, each in results.items() if name.startswith("ours")}
    fastest = min(each.wall for each in natives.values())
    best = min(natives, key=lambda name: natives[name].wall)
    slowest = max(each.wall for each in ours.values())
    lag, lag_there = max(each.p99 for each in ours.values()), natives[best].p99
    old = results["the old approach"]
    return Row(
        f"{streams} streams at {DELAY * 1000:.0f} ms a chunk, async: wall, CPU, loop lag p99",
        "native AsyncSession, httpx, aiohttp, and the old approach",
        f"wall {slowest / fastest:.2f}× of {best}; lag p99 {1000 * lag:.1f} ms"
        f" (theirs {1000 * lag_there:.1f}); old approach: wall {old.wall / slowest:.0f}×,"
        f" lag p99 {old.p99:.0f} s",
        "wall ≤ 1.15× of the best native, lag below it, the old approach many times worse",
        slowest / fastest <= 1.15 and lag <= lag_there and old.wall > 5 * slowest,
        "; ".join(f"{name}: {each}" for name, each in results.items()),
    )


def rows(streams: int = 100, chunks: int = 50, rounds: int = 5) -> Iterator[Row]:
    yield row(asyncio.run(measured(streams, chunks, rounds)), streams)


if __name__ == "__main__":
    for each in rows(*(int(number) for number in sys.argv[1:4])):
        print(each)
