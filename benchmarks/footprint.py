"""What the library costs before and beside a turn: its import, and the memory of open streams.

Each figure comes from a process of its own.

    python benchmarks/footprint.py [ROUNDS] [STREAMS]
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fast_server import Running, fast_server, form
from measuring import Row, interleaved, median, milliseconds

SLEEP = 3.0
"""Seconds that the sleeping reader sleeps."""
BURST = 2_000_000
"""Deltas that wait for it: some 300 MB."""
KINDS = ("ours, sync", "ours, async", "curl_cffi Session", "curl_cffi AsyncSession", "requests")


def resident() -> int:
    """Bytes of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True, timeout=300
    )
    return done.stdout.strip()


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


def per_stream(server: Running, streams: int, rounds: int) -> Row:
    here = str(Path(__file__))
    figures: dict[str, float] = {}
    for kind in KINDS:
        if kind == "curl_cffi Session":
            continue  # Of a hundred such streams only the first few begin: it has so many threads.
        for transport in ("requests", "curl_cffi") if kind.startswith("ours") else ("",):
            name = f"{kind} {transport}".strip()
            command = (here, "open", kind, transport, server.page(), server.ajax, str(streams))
            figures[name] = median([float(_python(*command)) for _ in range(rounds)])
    ours = max(each for name, each in figures.items() if name.startswith("ours"))
    return Row(
        f"memory per open stream ({streams} open)",
        "",
        f"{ours / 1000:.0f} KB at most",
        "≤ 100 KB",
        ours <= 100_000,
        "; ".join(f"{name}: {each / 1000:.0f} KB" for name, each in figures.items()),
    )


def sleeping(server: Running) -> Row:
    here = str(Path(__file__))
    figures: dict[str, float] = {}
    for kind in KINDS[:4]:
        for transport in ("requests", "curl_cffi") if kind.startswith("ours") else ("",):
            name = f"{kind} {transport}".strip()
            command = (here, "sleep", kind, transport, server.page(), server.ajax, "1")
            figures[name] = float(_python(*command))
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

            self.client = Client(page, transport=transport, max_concurrency=1000)  # type: ignore[arg-type]
        elif kind == "ours, async":
            from chatgptes import AsyncClient

            self.client = AsyncClient(page, transport=transport, max_concurrency=1000)  # type: ignore[arg-type]
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

                self.client = AsyncSession(impersonate="chrome", max_clients=1000)
            response = await self.client.post(
                self.ajax, data=self.body, headers=self.headers, stream=True
            )
            content = response.aiter_content()
            await anext(content)
            self.kept.append((response, content))

        self.runner.run(open_())

    def _requests(self) -> None:
        response = self.client.post(self.ajax, data=self.body, headers=self.headers, stream=True)
        content = response.iter_content(None)
        next(content)
        self.kept.append((response, content))

    def sleep(self, seconds: float) -> None:
        """On a loop, in time with it."""
        import asyncio

        if self.open.__name__ in ("_ours_async", "_curl_cffi_AsyncSession"):
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


def rows(rounds: int = 10, streams: int = 100) -> Iterator[Row]:
    yield imports(rounds * 2)
    with fast_server() as server:
        yield per_stream(server, streams, max(1, rounds // 3))
        yield sleeping(server)


if __name__ == "__main__":
    if sys.argv[1:2] in (["open"], ["sleep"]):
        import os

        print(_child(*sys.argv[1:7]), flush=True)
        os._exit(0)  # Whoever holds open streams need not say goodbye to each.
    for row in rows(*(int(each) for each in sys.argv[1:3])):
        print(row)
