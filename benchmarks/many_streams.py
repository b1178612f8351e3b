"""Many streams on one event loop: how long, how much CPU, and how late everything else gets.

    python benchmarks/many_streams.py [STREAMS] [CHUNKS] [ROUNDS]

Beside aiohttp with the JSON of each event read by hand; up to a hundred streams beside httpx and
curl_cffi's AsyncSession, too.  Each in a process of its own (candidates.py), in turn, connections
open from a round before; figures are medians of the rounds.  Threads are counted from outside.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from apart import Measured, candidates, in_rounds
from fast_server import fast_server
from measuring import Row

DELAY = 0.02
FEW = 100
"""Streams up to which the other candidates take part, and the targets are others."""
THREADS = 3


def measured(streams: int, chunks: int, rounds: int) -> dict[str, Measured]:
    names = ["ours", "aiohttp"]
    if streams <= FEW:
        names += ["httpx", "curl_cffi AsyncSession"]
    with fast_server(host="127.0.0.1") as server, candidates(names, server, streams) as all_:
        return in_rounds(all_, streams, chunks, DELAY, rounds)


def row(results: dict[str, Measured], streams: int) -> Row:
    ours, peer = results["ours"], results["aiohttp"]
    wall, cpu, lag = ours.wall / peer.wall, ours.cpu / peer.cpu, ours.p99 / peer.p99
    if streams <= FEW:
        target = "wall ≤ 1.02×; lag p99 ≤ theirs and ≤ 10 ms"
        met = wall <= 1.02 and lag <= 1 and ours.p99 <= 0.010
    else:
        target = f"wall ≤ 1.0×, CPU ≤ 1.1×, lag p99 ≤ 0.6×, threads ≤ {THREADS}"
        met = wall <= 1 and cpu <= 1.1 and lag <= 0.6 and ours.threads <= THREADS
    return Row(
        f"{streams:,} streams at {DELAY * 1000:.0f} ms a chunk, async",
        "aiohttp, the JSON read by hand",
        f"wall {wall:.2f}×, CPU {cpu:.2f}×, lag p99 {lag:.2f}×"
        f" ({1000 * ours.p99:.1f} ms, theirs {1000 * peer.p99:.1f}), {ours.threads} threads",
        target,
        met,
        "; ".join(f"{name}: {each}" for name, each in results.items()),
    )


def rows(streams: int = 0, chunks: int = 50, rounds: int = 7) -> Iterator[Row]:
    """Of so many streams; of 100, 1,000 and 2,000 if 0."""
    for count in (streams,) if streams else (100, 1000, 2000):
        yield row(measured(count, chunks, rounds), count)


if __name__ == "__main__":
    for each in rows(*(int(number) for number in sys.argv[1:4])):
        print(each)
