"""How the cost grows: with streams, with deltas, with history, with the page.

    python benchmarks/growth.py [PLOT.svg]

Streams are measured as many_streams.py does it: wall and CPU, each candidate in a process of its
own, medians of interleaved rounds.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests
from apart import candidates, in_rounds
from decoding import decode, stream
from fast_server import fast_server
from fast_server import page as page_of
from many_streams import DELAY
from measuring import Row, interleaved

from chatgptes import Client
from chatgptes.sites import find_bots
from chatgptes.sites.dialect import BufferedResponse
from chatgptes.values.http import Headers

STREAMS = (10, 50, 100, 200, 500, 1000, 2000)
CHUNKS = 25
THREADED = 200
"""Streams up to which ours over requests takes part: it has a thread for each."""
LINEAR = 1.3
"""How much more CPU a stream may cost among the most than among the fewest of `FROM` or more."""
FROM = 100
"""Streams below which what a round costs anyhow is most of its CPU."""
DELTAS = (500, 2000, 8000, 32_000)
TURNS = (0, 10, 40, 160, 640)
PAGES = (20_000, 80_000, 320_000, 1_280_000, 5_120_000)


@dataclass
class Growth:
    """One series of measurements.

    Attributes:
        title: what is measured.
        across: what grows.
        unit: of the figures.
        points: the sizes.
        lines: name -> a figure for each point.
    """

    title: str
    across: str
    unit: str
    points: tuple[int, ...]
    lines: dict[str, list[float]] = field(default_factory=dict)

    def table(self) -> Iterator[str]:
        """It as Markdown."""
        yield f"| {self.across} | {' | '.join(f'{point:,}' for point in self.points)} |"
        yield "|---|" + "---|" * len(self.points)
        for name, figures in self.lines.items():
            cells = [f"{each:.3g}" for each in figures] + [""] * (len(self.points) - len(figures))
            yield f"| {name} ({self.unit}) | {' | '.join(cells)} |"

    def add(self, figures: dict[str, float]) -> None:
        for name, figure in figures.items():
            self.lines.setdefault(name, []).append(figure)


def streams(rounds: int = 3) -> tuple[Growth, Growth]:
    """Wall and CPU."""
    wall = Growth("Streams at 20 ms a chunk, async", "streams at once", "s of wall", STREAMS)
    cpu = Growth("CPU of these streams", "streams at once", "s of CPU", STREAMS)
    names = ("ours", "aiohttp", "ours, requests")
    with fast_server(host="127.0.0.1") as server, candidates(names, server, max(STREAMS)) as all_:
        for count in STREAMS:
            some = all_ if count <= THREADED else all_[:2]
            results = in_rounds(some, count, CHUNKS, DELAY, rounds)
            wall.add({name: each.wall for name, each in results.items()})
            cpu.add({name: each.cpu for name, each in results.items()})
    return wall, cpu


def linear(wall: Growth, cpu: Growth) -> Row:
    """Whether a stream's share of the CPU stays what it is as streams become more."""

    def shares(name: str) -> list[float]:
        counts = zip(STREAMS, cpu.lines[name], strict=False)  # One of them stops at `THREADED`.
        return [1000 * seconds / count for count, seconds in counts if count >= FROM]

    ours, theirs = shares("ours"), shares("aiohttp")
    slower = [mine / their for mine, their in zip(*list(wall.lines.values())[:2], strict=True)]
    return Row(
        f"growth from {min(STREAMS)} to {max(STREAMS):,} streams, async",
        "aiohttp, the JSON read by hand",
        f"CPU a stream {ours[-1] / ours[0]:.2f}× from {FROM} to {max(STREAMS):,} (theirs"
        f" {theirs[-1] / theirs[0]:.2f}×); wall {max(slower):.2f}× of theirs at most",
        f"linear: ≤ {LINEAR}×",
        ours[-1] <= LINEAR * ours[0],
        f"CPU a stream of {CHUNKS} chunks, {FROM} streams and more: ours "
        + ", ".join(f"{each:.2f}" for each in ours)
        + " ms; aiohttp "
        + ", ".join(f"{each:.2f}" for each in theirs)
        + " ms",
    )


def deltas() -> Growth:
    growth = Growth("Decoding, per delta", "deltas of one answer", "µs", DELTAS)
    for count in DELTAS:
        figures = {}
        for dialect in ("wpaicg", "aipkit"):
            run = functools.partial(decode, dialect, stream(dialect, count))
            figures[dialect] = 1e6 * interleaved({"": run}, 3)[""] / count
        growth.add(figures)
    return growth


def history() -> Growth:
    growth = Growth("A later turn with history", "turns before it", "ms", TURNS)
    text = "Some words of a conversation, as people have them with a bot. " * 3
    with fast_server() as server, Client(server.page(), transport="requests") as client:
        client.chat("json")
        with requests.Session() as session:
            for turns in TURNS:
                messages = [
                    message
                    for number in range(turns)
                    for message in (
                        {"role": "user", "content": f"{number}: {text}"},
                        {"role": "assistant", "content": text},
                    )
                ] + [{"role": "user", "content": "json"}]
                size = sum(len(message["content"]) for message in messages) + 200
                body = b"message=json&wpaicg_chat_history=" + b"x" * size
                times = interleaved(
                    {
                        "ours": lambda messages=messages: client.chat(messages),  # type: ignore[misc]
                        "requests, as many bytes": lambda body=body: session.post(  # type: ignore[misc]
                            server.ajax, data=body, timeout=60
                        ).json(),
                    },
                    20,
                )
                growth.add({name: 1000 * each for name, each in times.items()})
    return growth


def pages() -> Growth:
    growth = Growth("Finding the bots of a page", "bytes of the page", "ms", PAGES)
    kind = Headers({"content-type": "text/html"})
    for size in PAGES:
        figures = {}
        for dialect in ("wpaicg", "aipkit"):
            page = BufferedResponse(
                "http://localhost/chat/", 200, kind, page_of(size, dialect, "http://localhost")
            )
            times = interleaved({"": lambda page=page: find_bots(page)}, 10)  # type: ignore[misc]
            figures[dialect] = 1000 * times[""]
        growth.add(figures)
    return growth


def plot(found: list[Growth], path: str) -> None:
    """Draw them in one picture; both axes logarithmic, so that a straight line is a power."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "chatgptes"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 2, figsize=(10, 10), layout="constrained")
    for axis in axes.flat[len(found) :]:
        axis.set_axis_off()
    for growth, axis in zip(found, axes.flat, strict=False):
        points = [max(point, 1) for point in growth.points]
        for name, figures in growth.lines.items():
            axis.plot(points[: len(figures)], figures, marker="o", label=name)
        axis.set(
            title=growth.title, xlabel=growth.across, ylabel=growth.unit, xscale="log",
            yscale="log",
        )  # fmt: skip
        axis.set_ylim(bottom=min(min(line) for line in growth.lines.values()) / 2)
        axis.legend()
        axis.grid(visible=True, alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def all_growth() -> tuple[Row, list[Growth]]:
    wall, cpu = streams()
    return linear(wall, cpu), [wall, cpu, deltas(), history(), pages()]


if __name__ == "__main__":
    row, series = all_growth()
    print(row)
    for each in series:
        print(f"\n{each.title}\n")
        print("\n".join(each.table()))
    if len(sys.argv) > 1:
        plot(series, sys.argv[1])
