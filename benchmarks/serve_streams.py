"""Many streams at once through `chatgptes serve`, beside the library alone: wall, CPU, memory.

    python benchmarks/serve_streams.py [STREAMS] [CHUNKS] [ROUNDS]     (Linux)

Both read from fast_server.py, chunks 20 ms apart.  "The library" is a process with an AsyncClient;
"serve" is the server's process, whose clients are in this one and only count events.  Memory is the
most that a process had resident (VmHWM), and what it had before its first round.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from fast_server import fast_server
from measuring import median, raise_descriptor_limit

DELAY = 0.02
TOKEN = secrets.token_hex(16)


@dataclass
class Figures:
    walls: list[float]
    cpus: list[float]
    before: float
    most: float

    def __str__(self) -> str:
        return (
            f"wall {median(self.walls):.2f} s, CPU {median(self.cpus):.2f} s,"
            f" memory {self.most:.0f} MB (before: {self.before:.0f} MB)"
        )


def memory(pid: int, name: str) -> float:
    with open(f"/proc/{pid}/status") as file:
        line = next(line for line in file if line.startswith(name))
    return int(line.split()[1]) / 1024


def cpu(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Reader(asyncio.Protocol):
    """A client that asks for one stream and counts its events."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.events = 0
        self.last = b""
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.events += data.count(b'"content":"w')
        self.last = (self.last + data)[-40:]
        if b"[DONE]" in self.last and not self.done.done():
            self.done.set_result(self.events)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(str(error)))


async def through_server(url: str, streams: int, chunks: int) -> float:
    parts = urlsplit(url)
    question = {"role": "user", "content": f"stream {chunks} {DELAY}"}
    body = json.dumps({"model": "0", "messages": [question], "stream": True}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    assert parts.hostname
    assert parts.port
    host, port = parts.hostname, parts.port
    started = time.perf_counter()
    pairs = await asyncio.gather(
        *(
            loop.create_connection(lambda: Reader(head.encode() + body), host, port)
            for _ in range(streams)
        )
    )
    counts = await asyncio.gather(*(reader.done for _, reader in pairs))
    assert counts == [chunks] * streams, counts[:10]
    return time.perf_counter() - started


async def library(page: str, streams: int) -> None:
    """Rounds of the library alone: each line of standard input is one, CHUNKS."""
    from chatgptes import AsyncClient

    async with AsyncClient(page, max_concurrency=streams) as client:

        async def read(message: str) -> int:
            return sum([1 async for _ in client.stream(message)])

        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            started = time.perf_counter()
            message = f"stream {int(line)} {DELAY}"
            counts = await asyncio.gather(*(read(message) for _ in range(streams)))
            assert counts == [int(line)] * streams
            print(time.perf_counter() - started, flush=True)


@contextlib.contextmanager
def started(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "CHATGPTES_SERVE_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def main(streams: int = 1000, chunks: int = 50, rounds: int = 5) -> None:
    raise_descriptor_limit()
    with (
        fast_server(host="127.0.0.1") as site,
        started(__file__, "library", site.page(), str(streams)) as (alone, _),
        started(
            "-m", "chatgptes", "serve", "--site", site.page(), "--my-site", "--port", "0",
            "--max-concurrency", str(streams), "--per-minute", "0",
        ) as (server, said),
    ):  # fmt: skip
        assert alone.stdin is not None
        assert alone.stdout is not None
        url = said.split()[-1]
        figures = {
            name: Figures([], [], memory(process.pid, "VmRSS"), 0)
            for name, process in (("the library", alone), ("serve", server))
        }
        for number in range(rounds + 1):  # The first one warms up.
            for name, process in (("the library", alone), ("serve", server)):
                before = cpu(process.pid)
                if process is server:
                    wall = asyncio.run(through_server(url, streams, chunks))
                else:
                    alone.stdin.write(f"{chunks}\n")
                    alone.stdin.flush()
                    wall = float(alone.stdout.readline())
                if number:
                    figures[name].walls.append(wall)
                    figures[name].cpus.append(cpu(process.pid) - before)
                figures[name].most = memory(process.pid, "VmHWM")
        print(f"{streams:,} streams of {chunks} chunks, {DELAY * 1000:.0f} ms apart:")
        for name, each in figures.items():
            print(f"  {name:12} {each}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["library"]:
        raise_descriptor_limit()
        asyncio.run(library(sys.argv[2], int(sys.argv[3])))
    else:
        main(*(int(number) for number in sys.argv[1:4]))
