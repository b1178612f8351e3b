"""How many of our own functions one turn calls: a figure that no busy machine moves.

    python benchmarks/calls.py [CHUNKS] [TOP]

A warm client (page and nonce known, connection open) streams one answer of CHUNKS chunks from the
fast server while `sys.setprofile` counts "call" events, in every thread, of code whose file lies
in the package.  A generator that is resumed counts as a call, as the interpreter sees it; C
functions and other packages' code don't count.  What counts are chunks that come one by one, some
milliseconds apart, each a read of its own; chunks that come together share reads, so there are
fewer calls, and how many depends on the machine.  With TOP, the functions called most are listed.

The code before the turn became a generator, where the target comes from, is at 1,402 by this count
over requests and 1,654 over curl_cffi; its 1,319 were counted over requests from the sandbox,
whose chunks sometimes come together.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

from fast_server import fast_server
from measuring import Row, median

import chatgptes
from chatgptes import Client

DELAY = 0.005
TARGET = 700
PACKAGE = str(Path(chatgptes.__file__).parent)
TRANSPORTS = ("requests", "curl_cffi")

Calls = Counter[CodeType]


def calls_of_a_turn(client: Client, message: str) -> Calls:
    """The calls of our own functions while `client` streams the answer to `message`."""
    calls: Calls = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            calls[frame.f_code] += 1

    threading.setprofile(count)
    sys.setprofile(count)
    try:
        for _ in client.stream(message):
            pass
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return Counter({code: n for code, n in calls.items() if code.co_filename.startswith(PACKAGE)})


def measured(chunks: int, rounds: int, delay: float) -> dict[str, list[Calls]]:
    """The calls of `rounds` turns after two to warm up, by transport."""
    found: dict[str, list[Calls]] = {}
    with fast_server() as server:
        for transport in TRANSPORTS:
            with Client(server.page(), transport=transport) as client:  # type: ignore[arg-type]
                turns = [
                    calls_of_a_turn(client, f"stream {chunks} {delay}") for _ in range(rounds + 2)
                ]
            found[transport] = turns[2:]
    return found


def medians(found: dict[str, list[Calls]]) -> dict[str, int]:
    return {name: round(median([each.total() for each in turns])) for name, turns in found.items()}


def rows(chunks: int = 27, top: int = 0, rounds: int = 5) -> Iterator[Row]:
    apart = measured(chunks, rounds, DELAY)
    together = medians(measured(chunks, rounds, 0))
    figures = medians(apart)
    yield Row(
        f"calls of our own functions in one warm turn of {chunks} chunks, sync",
        "",
        ", ".join(f"{each:,} {name}" for name, each in figures.items()),
        f"≤ {TARGET}",
        max(figures.values()) <= TARGET,
        "; ".join(
            f"{name}: {figures[name]:,}, as they come {together[name]:,}" for name in TRANSPORTS
        ),
    )
    for name, turns in apart.items() if top else ():
        print(name)
        for code, times in turns[-1].most_common(top):
            where = Path(code.co_filename).relative_to(PACKAGE)
            print(f"{times:6} {where}:{code.co_firstlineno} {code.co_qualname}")


if __name__ == "__main__":
    for row in rows(*(int(each) for each in sys.argv[1:3])):
        print(row)
