"""What a chunk costs an event loop: a burst of many, read as fast as they come.

    python benchmarks/bursts.py [ROUNDS] [CHUNKS]

CPU of the whole process, its threads included; each candidate in a process of its own
(candidates.py), in turn; medians.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from apart import candidates, in_rounds
from fast_server import fast_server
from measuring import Row

PEERS = ("aiohttp", "curl_cffi AsyncSession")
BYTES = "curl_cffi AsyncSession, bytes"


def rows(rounds: int = 10, chunks: int = 10_000) -> Iterator[Row]:
    with (
        fast_server(host="127.0.0.1") as server,
        candidates(("ours", *PEERS, BYTES), server, 1) as all_,
    ):
        results = in_rounds(all_, 1, chunks, 0, rounds)
    each = {name: 1e6 * measured.cpu / chunks for name, measured in results.items()}
    ratios = {name: each["ours"] / each[name] for name in PEERS}
    yield Row(
        f"CPU a chunk, async, a burst of {chunks:,}",
        "aiohttp and curl_cffi's AsyncSession, the JSON read by hand",
        ", ".join(f"{ratio:.2f}× of {name}" for name, ratio in ratios.items())
        + f" ({each['ours'] / each[BYTES]:.2f}× of bytes thrown away)",
        "≤ 1.0× of both",
        max(ratios.values()) <= 1,
        "; ".join(f"{name}: {figure:.1f} µs" for name, figure in each.items()),
    )


if __name__ == "__main__":
    for row in rows(*(int(each) for each in sys.argv[1:3])):
        print(row)
