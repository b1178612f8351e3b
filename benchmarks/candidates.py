"""One way to read many streams on an event loop, in a process of its own.

    python benchmarks/candidates.py NAME PAGE AJAX STREAMS

It keeps its client from round to round.  Each line on its standard input is a round, "STREAMS
CHUNKS DELAY": so many streams at once, each of CHUNKS chunks that are DELAY seconds apart.  For
each it prints a line of JSON: seconds of wall and of CPU (all threads of the process), and how late
the ticks of the loop were: what anything else on that loop would have to wait.

All but ours read the JSON of each event by hand, as their users would.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from fast_server import form
from measuring import percentile, raise_descriptor_limit

TICK = 0.005
KEPT = 120.0
"""Seconds that connections are kept: another candidate's round must not make this one's dearer."""
HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}

Read = Callable[[str], Awaitable[int]]
"""Reads the answer to a message; gives how many chunks had text."""


@dataclass
class Place:
    """Where a candidate reads.

    Attributes:
        page: the bot's page.
        ajax: where its messages go.
        streams: how many there will be at once, at most.
        stack: closes what was opened.
    """

    page: str
    ajax: str
    streams: int
    stack: AsyncExitStack


def has_text(line: bytes) -> bool:
    """Whether a line of an event stream brings text."""
    if not line.startswith(b"data: {"):
        return False
    return bool(json.loads(line[6:])["choices"][0]["delta"].get("content"))


async def ours(at: Place, transport: Any) -> Read:
    from chatgptes import AsyncClient

    client = AsyncClient(at.page, transport=transport, max_concurrency=at.streams)
    await at.stack.enter_async_context(client)

    async def read(message: str) -> int:
        heard = 0
        async for chunk in client.stream(message):
            heard += bool(chunk)
        return heard

    return read


async def with_aiohttp(at: Place) -> Read:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT)
    session = aiohttp.ClientSession(connector=connector)
    await at.stack.enter_async_context(session)

    async def read(message: str) -> int:
        heard = 0
        async with session.post(at.ajax, data=form(message), headers=HEADERS) as response:
            async for line in response.content:
                heard += has_text(line)
        return heard

    return read


async def with_httpx(at: Place) -> Read:
    import httpx

    limits = httpx.Limits(
        max_connections=at.streams, max_keepalive_connections=at.streams, keepalive_expiry=KEPT
    )
    client = httpx.AsyncClient(limits=limits, timeout=60)
    await at.stack.enter_async_context(client)

    async def read(message: str) -> int:
        heard = 0
        async with client.stream(
            "POST", at.ajax, content=form(message), headers=HEADERS
        ) as response:
            async for line in response.aiter_lines():
                heard += has_text(line.encode())
        return heard

    return read


async def with_curl_cffi(at: Place, *, decode: bool = True) -> Read:
    """With `decode` off, the bytes are thrown away and the chunks not counted."""
    from curl_cffi.requests import AsyncSession

    session: Any = AsyncSession(impersonate="chrome", max_clients=at.streams)
    await at.stack.enter_async_context(session)

    async def read(message: str) -> int:
        heard = 0
        response = await session.post(at.ajax, data=form(message), headers=HEADERS, stream=True)
        if decode:
            async for line in response.aiter_lines():
                heard += has_text(line)
        else:
            async for _ in response.aiter_content():
                pass
        await response.aclose()
        return heard

    return read


CANDIDATES: dict[str, Callable[[Place], Coroutine[Any, Any, Read]]] = {
    "ours": lambda at: ours(at, "curl_cffi"),
    "ours, requests": lambda at: ours(at, "requests"),
    "aiohttp": with_aiohttp,
    "httpx": with_httpx,
    "curl_cffi AsyncSession": with_curl_cffi,
    "curl_cffi AsyncSession, bytes": lambda at: with_curl_cffi(at, decode=False),
}


async def _ticks(late: list[float]) -> None:
    clock = time.perf_counter
    due = clock() + TICK
    while True:
        await asyncio.sleep(max(0.0, due - clock()))
        now = clock()
        while due <= now:  # Every tick that was due counts, and not only the one that waited.
            late.append(now - due)
            due += TICK


async def one_round(read: Read, streams: int, chunks: int, delay: float) -> dict[str, float]:
    message = f"stream {chunks} {delay}"
    late: list[float] = []
    gc.collect()
    ticking = asyncio.create_task(_ticks(late))
    await asyncio.sleep(0.05)
    late.clear()
    started, cpu = time.perf_counter(), time.process_time()
    heard = await asyncio.gather(*(read(message) for _ in range(streams)))
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    await asyncio.sleep(TICK * 2)  # The tick that was held up last must be heard of.
    ticking.cancel()
    assert set(heard) <= {chunks, 0}
    return {"wall": wall, "cpu": cpu, "p99": percentile(late, 0.99), "worst": max(late)}


def main(name: str, page: str, ajax: str, streams: str) -> None:
    raise_descriptor_limit()
    stack = AsyncExitStack()
    with asyncio.Runner() as runner:
        read = runner.run(CANDIDATES[name](Place(page, ajax, int(streams), stack)))
        print("ready", flush=True)
        for line in sys.stdin:
            count, chunks, delay = line.split()
            figures = runner.run(one_round(read, int(count), int(chunks), float(delay)))
            print(json.dumps(figures), flush=True)
        runner.run(stack.aclose())


if __name__ == "__main__":
    main(*sys.argv[1:5])
