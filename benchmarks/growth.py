"""How the cost grows: with streams, with deltas, with history, with the page.

python benchmarks/growth.py [PLOT.svg]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests
from decoding import stream
from fast_server import fast_server
from fast_server import page as page_of
from many_streams import measured
from measuring import interleaved

from chatgptes import Client
from chatgptes.sites import find_bots
from chatgptes.sites.aipower.aipkit_decoder import AipkitDecoder
from chatgptes.sites.aipower.wpaicg_decoder import WpaicgDecoder
from chatgptes.sites.dialect import BufferedResponse
from chatgptes.values.http import Headers, Limits

STREAMS = (10, 25, 50, 100, 200, 400)
CHUNKS = 25
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
            yield f"| {name} ({self.unit}) | {' | '.join(f'{each:.3g}' for each in figures)} |"

    def add(self, figures: dict[str, float]) -> None:
        for name, figure in figures.items():
            self.lines.setdefault(name, []).append(figure)


def streams() -> Growth:
    growth = Growth("Streams at 20 ms a chunk, async", "streams at once", "s of wall", STREAMS)
    names = ("ours, curl_cffi", "ours, requests", "curl_cffi AsyncSession", "aiohttp")
    for count in STREAMS:
        results = asyncio.run(measured(count, CHUNKS, 1, names=names))
        growth.add({name: each.wall for name, each in results.items()})
    return growth


def deltas() -> Growth:
    growth = Growth("Decoding, per delta", "deltas of one answer", "µs", DELTAS)
    kind = Headers({"content-type": "text/event-stream"})
    for count in DELTAS:
        figures = {}
        for dialect, cls in (("wpaicg", WpaicgDecoder), ("aipkit", AipkitDecoder)):
            pieces = stream(dialect, count)

            def decode(
                cls: type[WpaicgDecoder] | type[AipkitDecoder] = cls, pieces: list[bytes] = pieces
            ) -> None:
                decoder = cls("http://localhost/", 200, kind, Limits())
                for piece in pieces:
                    for _ in decoder.feed(piece):
                        pass

            figures[dialect] = 1e6 * interleaved({"": decode}, 3)[""] / count
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
    """Draw them, four to a picture; both axes logarithmic, so that a straight line is a power."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "chatgptes"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for growth, axis in zip(found, axes.flat, strict=True):
        points = [max(point, 1) for point in growth.points]
        for name, figures in growth.lines.items():
            axis.plot(points, figures, marker="o", label=name)
        axis.set(
            title=growth.title, xlabel=growth.across, ylabel=growth.unit, xscale="log",
            yscale="log",
        )  # fmt: skip
        axis.set_ylim(bottom=min(min(line) for line in growth.lines.values()) / 2)
        axis.legend()
        axis.grid(visible=True, alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def all_growth() -> list[Growth]:
    return [streams(), deltas(), history(), pages()]


if __name__ == "__main__":
    series = all_growth()
    for each in series:
        print(f"\n{each.title}\n")
        print("\n".join(each.table()))
    if len(sys.argv) > 1:
        plot(series, sys.argv[1])
