"""What the library costs before and beside a turn: its import, and the memory of open streams.

Each figure comes from a process of its own.

    python benchmarks/footprint.py [ROUNDS]
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fast_server import Running, fast_server, form
from measuring import Row, interleaved, median, milliseconds, raise_descriptor_limit

SLEEP = 3.0
"""Seconds that the sleeping reader sleeps."""
BURST = 2_000_000
"""Deltas that wait for it: some 300 MB."""
MANY, FEW = 1000, 100
OPEN = (
    ("ours, async", "curl_cffi", MANY),
    ("aiohttp", "", MANY),
    ("curl_cffi AsyncSession", "", MANY),
    ("ours, sync", "curl_cffi", FEW),
    ("ours, sync", "requests", FEW),
    ("ours, async", "requests", FEW),
    ("requests", "", FEW),
)
"""Kind, transport, and how many streams are open.  curl_cffi's Session is missing: of a hundred
such streams only the first few begin: it has so many threads."""
SLEEPING = (
    ("ours, sync", "requests"),
    ("ours, sync", "curl_cffi"),
    ("ours, async", "requests"),
    ("ours, async", "curl_cffi"),
    ("curl_cffi Session", ""),
    ("curl_cffi AsyncSession", ""),
    ("aiohttp", ""),
)


def resident() -> int:
    """Bytes of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True, timeout=300
    )
    return done.stdout.strip()


def _child_figure(what: str, kind: str, transport: str, server: Running, count: int) -> float:
    here = str(Path(__file__))
    return float(_python(here, what, kind, transport, server.page(), server.ajax, str(count)))


def imports(rounds: int) -> Row:
    times = interleaved(
        {
            "bare": lambda: _python("-c", "pass"),
            "import chatgptes": lambda: _python("-c", "import chatgptes"),
            "chatgptes.Client": lambda: _python("-c", "import chatgptes; chatgptes.Client"),
        },
        rounds,
    )
    more = times["import chatgptes"] - times["bare"]
    use = times["chatgptes.Client"] - times["bare"]
    return Row(
        "import chatgptes",
        "bare Python",
        f"+{1000 * more:.1f} ms (first use of Client: +{1000 * use:.0f} ms)",
        "≤ 25 ms",
        more <= 0.025,
        "; ".join(f"{name}: {milliseconds(each)}" for name, each in times.items()),
    )


def per_stream(server: Running, rounds: int) -> Row:
    figures = {
        (kind, transport, count): median(
            [_child_figure("open", kind, transport, server, count) for _ in range(rounds)]
        )
        for kind, transport, count in OPEN
    }
    ours = figures["ours, async", "curl_cffi", MANY]
    return Row(
        f"memory a stream, async ({MANY:,} open)",
        "",
        f"{ours / 1000:.0f} KB (aiohttp {figures['aiohttp', '', MANY] / 1000:.0f} KB)",
        "≤ 60 KB",
        ours <= 60_000,
        "; ".join(
            f"{kind} {transport}".strip() + f", {count:,} open: {each / 1000:.0f} KB"
            for (kind, transport, count), each in figures.items()
        ),
    )


def sleeping(server: Running) -> Row:
    figures: dict[str, float] = {}
    for kind, transport in SLEEPING:
        name = f"{kind} {transport}".strip()
        figures[name] = _child_figure("sleep", kind, transport, server, 1)
    ours = max(each for name, each in figures.items() if name.startswith("ours"))
    return Row(
        f"memory under a reader that sleeps {SLEEP:.0f} s",
        "",
        f"{ours / 1e6:+.1f} MB at most",
        "flat",
        ours < 2e6,
        "; ".join(f"{name}: {each / 1e6:+.1f} MB" for name, each in figures.items()),
    )


# In a process of its own: open streams, and say what they took.


class _Opened:
    """`count` open streams of one kind, each of which has given its first chunk."""

    def __init__(self, kind: str, transport: str, page: str, ajax: str, message: str) -> None:
        import asyncio
        from typing import Any

        self.kept: list[Any] = []
        self.runner = asyncio.Runner()
        self.page, self.ajax, self.body = page, ajax, form(message)
        self.message = message
        self.headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self.open = getattr(self, "_" + kind.replace(", ", "_").replace(" ", "_"))
        self.client: Any = None
        if kind == "ours, sync":
            from chatgptes import Client

            self.client = Client(page, transport=transport, max_concurrency=2 * MANY)  # type: ignore[arg-type]
        elif kind == "ours, async":
            from chatgptes import AsyncClient

            self.client = AsyncClient(page, transport=transport, max_concurrency=2 * MANY)  # type: ignore[arg-type]
        elif kind == "requests":
            import requests

            self.client = requests.Session()
        elif kind == "curl_cffi Session":
            from curl_cffi.requests import Session

            self.client = Session(impersonate="chrome")

    def _ours_sync(self) -> None:
        stream = self.client.stream(self.message)
        next(stream)
        self.kept.append(stream)

    def _ours_async(self) -> None:
        stream = self.client.stream(self.message)
        self.runner.run(stream.__anext__())
        self.kept.append(stream)

    def _curl_cffi_Session(self) -> None:
        response = self.client.post(self.ajax, data=self.body, headers=self.headers, stream=True)
        content = response.iter_content()
        next(content)
        self.kept.append((response, content))

    def _curl_cffi_AsyncSession(self) -> None:
        async def open_() -> None:
            if self.client is None:
                from curl_cffi.requests import AsyncSession

                self.client = AsyncSession(impersonate="chrome", max_clients=2 * MANY)
            response = await self.client.post(
                self.ajax, data=self.body, headers=self.headers, stream=True
            )
            content = response.aiter_content()
            await anext(content)
            self.kept.append((response, content))

        self.runner.run(open_())

    def _aiohttp(self) -> None:
        async def open_() -> None:
            import aiohttp

            if self.client is None:
                self.client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
            response = await self.client.post(self.ajax, data=self.body, headers=self.headers)
            await response.content.readany()
            self.kept.append(response)

        self.runner.run(open_())

    def _requests(self) -> None:
        response = self.client.post(self.ajax, data=self.body, headers=self.headers, stream=True)
        content = response.iter_content(None)
        next(content)
        self.kept.append((response, content))

    def sleep(self, seconds: float) -> None:
        """On a loop, in time with it."""
        import asyncio

        if self.open.__name__ in ("_ours_async", "_curl_cffi_AsyncSession", "_aiohttp"):
            self.runner.run(asyncio.sleep(seconds))
        else:
            time.sleep(seconds)


def _child(what: str, kind: str, transport: str, page: str, ajax: str, count: str) -> float:
    if what == "sleep":
        opened = _Opened(kind, transport, page, ajax, f"stream {BURST} 0")
        opened.open()
        opened.sleep(0.5)  # Whatever is to be filled once is full by then.
        before = resident()
        opened.sleep(SLEEP)
        return resident() - before
    opened = _Opened(kind, transport, page, ajax, "stream 1000 5")
    for _ in range(10):
        opened.open()
    before = resident()
    for _ in range(int(count)):
        opened.open()
    return (resident() - before) / int(count)


def rows(rounds: int = 10) -> Iterator[Row]:
    yield imports(rounds * 2)
    with fast_server(host="127.0.0.1") as server:
        yield per_stream(server, max(1, rounds // 3))
        yield sleeping(server)


if __name__ == "__main__":
    if sys.argv[1:2] in (["open"], ["sleep"]):
        import os

        raise_descriptor_limit()
        print(_child(*sys.argv[1:7]), flush=True)
        os._exit(0)  # Whoever holds open streams need not say goodbye to each.
    for row in rows(*(int(each) for each in sys.argv[1:2])):
        print(row)
