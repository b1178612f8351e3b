"""What a chunk costs an event loop: a burst of many, read as fast as they come.

python benchmarks/bursts.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from curl_cffi.requests import AsyncSession
from fast_server import Running, fast_server, form
from measuring import Row, interleaved_async, median

from chatgptes import AsyncClient

BURST = 10_000
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def ours(client: AsyncClient) -> float:
    """CPU seconds of the whole process, its threads included."""
    started = time.process_time()
    heard = 0
    async for chunk in client.stream(f"stream {BURST} 0"):
        heard += bool(chunk)
    assert heard == BURST
    return time.process_time() - started


async def native(session: Any, server: Running, *, decode: bool) -> float:
    """The same request by hand; with `decode` to text, else bytes that are thrown away."""
    started = time.process_time()
    body = form(f"stream {BURST} 0")
    response = await session.post(server.ajax, data=body, headers=FORM, stream=True)
    heard = 0
    if decode:
        async for line in response.aiter_lines():
            if line.startswith(b"data: {"):
                delta = json.loads(line[6:])["choices"][0]["delta"]
                heard += bool(delta.get("content"))
        assert heard == BURST
    else:
        async for data in response.aiter_content():
            heard += len(data)
    await response.aclose()
    return time.process_time() - started


async def measured(rounds: int) -> Row:
    with fast_server() as server:
        async with (
            AsyncClient(server.page(), transport="curl_cffi") as client,
            AsyncSession(impersonate="chrome") as session,
        ):
            taken = await interleaved_async(
                {
                    "ours": lambda: ours(client),
                    "native, to text": lambda: native(session, server, decode=True),
                    "native, bytes": lambda: native(session, server, decode=False),
                },
                rounds,
            )
    each = {name: 1e6 * median(times) / BURST for name, times in taken.items()}
    text = each["ours"] / each["native, to text"]
    raw = each["ours"] / each["native, bytes"]
    return Row(
        f"per-chunk CPU, async, a burst of {BURST:,}",
        "native curl_cffi.AsyncSession streaming",
        f"{text:.2f}× with the same decoding by hand ({raw:.2f}× of bytes thrown away)",
        "≤ 1.3×",
        text <= 1.3,
        "; ".join(f"{name}: {figure:.1f} µs" for name, figure in each.items()),
    )


def rows(rounds: int = 10) -> Iterator[Row]:
    yield asyncio.run(measured(rounds))


if __name__ == "__main__":
    for row in rows(*(int(each) for each in sys.argv[1:2])):
        print(row)
