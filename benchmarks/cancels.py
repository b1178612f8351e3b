"""How long it takes from a cancel until the caller is free, and until the worker thread is gone.

In every phase of a turn: waiting for a place, connecting, shaking hands, waiting for the first
byte, and between two chunks.

    python benchmarks/cancels.py [CANCELS]
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from fast_server import fast_server
from measuring import Row, percentile

from chatgptes import AsyncClient

P99, WORST = 0.020, 0.100


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


def _workers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "chatgptes"]


async def one(client: AsyncClient, message: str, *, streaming: bool) -> float:
    """Seconds from a cancel until its caller went on and the turn's thread was gone."""
    others = _workers()
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in client.stream(message):
            begun.set()

    task = asyncio.create_task(read())
    if streaming:
        await begun.wait()
    # Somewhere in the wait, not at its beginning.
    await asyncio.sleep(random.uniform(0.02, 0.05))
    # Who waits for a place, which another holds, has no thread yet.
    while not (workers := [each for each in _workers() if each not in others]) and not others:
        await asyncio.sleep(0.005)
    started = time.perf_counter()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    for worker in workers:
        worker.join(20)
        assert not worker.is_alive()
    return time.perf_counter() - started


async def phase(name: str, page: str, message: str, transport: Any, count: int) -> list[float]:
    # Its turn is cancelled each time, so one place is enough, and a page is read anew each time.
    client = AsyncClient(page, transport=transport, max_concurrency=1, timeout=60)
    streaming = name == "mid-stream"
    holder = None
    if name == "slot":
        holder = client.stream(message)
        await anext(holder)
    gone = [await one(client, message, streaming=streaming) for _ in range(count)]
    if holder is not None:
        await holder.aclose()
    await client.aclose()
    return gone


async def measured(count: int) -> dict[str, list[float]]:
    results: dict[str, list[float]] = {}
    with fast_server() as server, silent() as mute, silent(full=True) as full:
        stream = "stream 1000 5"
        phases = {
            "slot": (server.page(), stream),
            "connect": (f"http://127.0.0.1:{full}/", "Hi"),
            "TLS": (f"https://127.0.0.1:{mute}/", "Hi"),
            "first byte": (f"http://127.0.0.1:{mute}/", "Hi"),
            "mid-stream": (server.page(), stream),
        }
        for transport in ("requests", "curl_cffi"):
            for name, (page, message) in phases.items():
                results[f"{name} ({transport})"] = await phase(
                    name, page, message, transport, count
                )
    return results


def rows(count: int = 110) -> Iterator[Row]:
    results = asyncio.run(measured(count))
    p99 = max(percentile(times, 0.99) for times in results.values())
    worst = max(max(times) for times in results.values())
    yield Row(
        "cancel to worker gone, each phase",
        "",
        f"p99 {1000 * p99:.1f} ms, worst {1000 * worst:.1f} ms",
        "p99 < 20 ms, none over 100 ms",
        p99 < P99 and worst <= WORST,
        "; ".join(
            f"{name}: median {1000 * percentile(times, 0.5):.2f} ms, worst {1000 * max(times):.2f}"
            for name, times in results.items()
        ),
    )


if __name__ == "__main__":
    for row in rows(*(int(each) for each in sys.argv[1:2])):
        print(row)
