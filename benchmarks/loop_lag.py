"""How late a ticking task is while many streams run on the same event loop.

Beside ours: the old approach, a blocking session inside an async generator.  One run measures
both, alternating, against one site in another process.

    python benchmarks/loop_lag.py [STREAMS] [CHUNKS] [ROUNDS]
"""

from __future__ import annotations

import asyncio
import re
import statistics
import sys
import time
from collections.abc import AsyncIterator

import requests
from site_process import site_process

from chatgptes import AsyncClient

DELAY = 0.02
TICK = 0.005
BOUND = 0.1
"""Seconds that no tick of ours may be late."""


async def old_approach(page: str) -> AsyncIterator[str]:
    """What the provider class before this library did, in its shape."""
    with requests.Session() as session:
        html = session.get(page).text
        nonce = re.search(r'data-nonce="(\w+)"', html)
        ajax = re.search(r'"ajax_url":"([^"]+)"', html)
        assert nonce is not None
        assert ajax is not None
        form = {
            "action": "wpaicg_chat_shortcode_message", "_wpnonce": nonce[1], "message": "Hi",
            "bot_id": "0",
        }  # fmt: skip
        response = session.post(ajax[1].replace("\\/", "/"), data=form, stream=True)
        for line in response.iter_lines():
            if line:
                yield line.decode()


async def ticks(late: list[float]) -> None:
    clock = time.perf_counter
    while True:
        due = clock() + TICK
        await asyncio.sleep(TICK)
        late.append(clock() - due)


async def measure(run: object) -> tuple[float, list[float]]:
    late: list[float] = []
    ticking = asyncio.create_task(ticks(late))
    await asyncio.sleep(0.05)
    late.clear()
    started = time.perf_counter()
    await run  # type: ignore[misc]
    wall = time.perf_counter() - started
    await asyncio.sleep(TICK * 2)  # The tick that was held up last must be heard of.
    ticking.cancel()
    return wall, late


async def ours(client: AsyncClient, streams: int) -> None:
    async def read() -> None:
        async for _ in client.stream("Hi"):
            pass

    await asyncio.gather(*(read() for _ in range(streams)))


async def theirs(page: str, streams: int) -> None:
    async def read() -> None:
        async for _ in old_approach(page):
            pass

    await asyncio.gather(*(read() for _ in range(streams)))


def show(name: str, runs: list[tuple[float, list[float]]]) -> float:
    """A row of the table; the worst lag in seconds."""
    late = sorted(each for _, lates in runs for each in lates)
    wall = statistics.median(wall for wall, _ in runs)
    p50, p99, worst = (1000 * late[int(len(late) * part)] for part in (0.5, 0.99, 0.99999))
    print(f"{name:24}{wall:8.2f}{p50:10.1f}{p99:10.1f}{worst:10.1f}")
    return worst / 1000


async def main(streams: int, chunks: int, rounds: int) -> int:
    results: dict[str, list[tuple[float, list[float]]]] = {"old approach": []}
    with site_process(chunks, DELAY) as page:
        for _ in range(rounds):
            for transport in ("requests", "curl_cffi"):
                async with AsyncClient(
                    page, max_concurrency=streams, transport=transport
                ) as client:
                    for state in ("cold", "warm"):  # Cold: no page, no connection yet.
                        row = results.setdefault(f"{transport}, {state}", [])
                        row.append(await measure(ours(client, streams)))
            results["old approach"].append(await measure(theirs(page, streams)))
    print(f"{streams} streams of {chunks} chunks, {DELAY * 1000:.0f} ms apart; {rounds} rounds")
    print(f"{'':24}{'wall s':>8}{'lag p50':>10}{'p99':>10}{'worst ms':>10}")
    worst = max(show(name, runs) for name, runs in results.items() if name != "old approach")
    show("old approach", results["old approach"])
    print(f"bound {BOUND * 1000:.0f} ms: {'kept' if worst <= BOUND else 'NOT kept'}")
    return 0 if worst <= BOUND else 1


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    sys.exit(asyncio.run(main(*(numbers + [50, 50, 3][len(numbers) :]))))
