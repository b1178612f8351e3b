"""Cancels at random moments over the hub: is anything left behind?

    python benchmarks/random_cancels.py [CANCELS]

Over http, TLS with HTTP/2, and TLS through a proxy; under asyncio and trio; by cancelling the
task, the turn's deadline, or by dropping the response.  Prints what was there before and after, and
exits with 1 if something is left.  Needs the packages of the "test" extra.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import trustme

from chatgptes import Deadline, Request, TurnCancelled
from chatgptes.transport.curl.handle import Handle
from chatgptes.transport.curl.hub import CurlHub
from chatgptes.transport.curl.hubresponse import HubResponse, HubTransfer
from chatgptes.transport.curl.multi import Multi

AT_ONCE = 20
LONGEST = 0.03
"""Seconds that pass before a cancel, at most; a whole request takes about half."""
SETTLE = 15.0


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer with three pieces, a moment between them."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(3):
        await asyncio.sleep(0.001)
        await send({"type": "http.response.body", "body": b"text", "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one CONNECT."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        port = int(head.split()[1].rpartition(b":")[2])
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(pump(reader, back), pump(there, writer))
    writer.close()


async def serve(pem: str) -> None:
    """Serve http, https and a proxy, and print their ports."""
    import socket

    from hypercorn.asyncio import serve as hypercorn
    from hypercorn.config import Config

    logging_off()
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=1000) for _ in range(2)]
    ports = [listener.getsockname()[1] for listener in listeners]
    proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    ports.append(proxy.sockets[0].getsockname()[1])
    config = Config()
    config.insecure_bind = [f"fd://{listeners[0].detach()}"]
    config.bind = [f"fd://{listeners[1].detach()}"]
    config.certfile = config.keyfile = pem
    config.alpn_protocols = ["h2", "http/1.1"]
    config.keep_alive_max_requests = 1 << 30  # It would end a connection after 1,000.
    config.errorlog = config.accesslog = None
    print(*ports, flush=True)
    serve: Any = hypercorn  # Its type of an application is narrower than what it takes.
    await serve(app, config, shutdown_trigger=asyncio.Event().wait)


def logging_off() -> None:
    """Say nothing of clients that hang up."""
    import logging

    logging.disable(logging.CRITICAL)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)


def counts() -> dict[str, int]:
    """What could leak, after a collection of garbage."""
    for _ in range(3):  # What a finalizer lets go of is found by the next.
        gc.collect()
    kinds = {"handles": Handle, "multis": Multi, "transfers": HubTransfer, "responses": HubResponse}
    objects = gc.get_objects()
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        **{name: sum(1 for each in objects if type(each) is kind) for name, kind in kinds.items()},
    }


async def one(hub: CurlHub, url: str, rng: random.Random, outcomes: dict[str, int]) -> None:
    """Send a request and give up after a random time, in a random way."""
    deadline = Deadline()
    request = Request("POST", url, {}, b"hello", repeatable=False)
    way = rng.choice(("task", "deadline", "drop"))
    after = rng.random() * LONGEST

    async def read() -> None:
        response = await hub.send(request, deadline)
        async for _ in response:
            if way == "drop":
                return
        outcomes["whole"] += 1

    if way == "deadline":
        timer = threading.Timer(after, deadline.cancel)
        timer.start()
        try:
            await read()
        except TurnCancelled:
            outcomes["cancelled"] += 1
        while timer.is_alive():
            await anyio.sleep(0.001)
    else:
        with anyio.move_on_after(after) as scope:
            await read()
        outcomes["cancelled"] += scope.cancelled_caught


async def many(sites: dict[str, tuple[CurlHub, str]], cancels: int, seed: int) -> dict[str, int]:
    """Let `cancels` requests be cancelled, `AT_ONCE` at a time."""
    outcomes = {"whole": 0, "cancelled": 0}
    rng = random.Random(seed)

    async def worker(name: str, times: int) -> None:
        hub, url = sites[name]
        for _ in range(times):
            await one(hub, url, rng, outcomes)

    names = list(sites)
    async with anyio.create_task_group() as group:
        for number in range(AT_ONCE):
            group.start_soon(worker, names[number % len(names)], max(1, cancels // AT_ONCE))
    for hub, _ in sites.values():
        await hub.aclose()
    return outcomes


def run(backend: str, cancels: int, ports: list[int], ca: str) -> dict[str, int]:
    """Do it with hubs of its own."""
    http, https, proxy = ports
    options: dict[str, Any] = {"trust_env": False, "verify": ca}
    sites = {
        "http": (CurlHub(**options), f"http://127.0.0.1:{http}/"),
        "tls": (CurlHub(**options), f"https://127.0.0.1:{https}/"),
        "proxy": (
            CurlHub(proxy=f"http://127.0.0.1:{proxy}", **options), f"https://127.0.0.1:{https}/",
        ),
    }  # fmt: skip
    return anyio.run(many, sites, cancels, cancels, backend=backend)


def main() -> int:
    """Run the benchmark; 1 if anything is left."""
    cancels = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        ca, pem = Path(folder, "ca.pem"), Path(folder, "server.pem")
        authority.cert_pem.write_to_path(str(ca))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
        command = [sys.executable, __file__, "--serve", str(pem)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            ports = [int(port) for port in server.stdout.readline().split()]
            try:
                for backend in ("asyncio", "trio"):  # What is loaded once is no leak.
                    run(backend, 50, ports, str(ca))
                before = counts()
                for backend in ("asyncio", "trio"):
                    started = time.perf_counter()
                    outcomes = run(backend, cancels // 2, ports, str(ca))
                    took = time.perf_counter() - started
                    print(f"{backend}: {outcomes} in {took:.1f} s", flush=True)
                end = time.monotonic() + SETTLE
                while (after := counts()) != before and time.monotonic() < end:
                    time.sleep(0.2)
            finally:
                server.kill()
    print("before:", before)
    print("after: ", after)
    left = {name: after[name] - before[name] for name in before if after[name] > before[name]}
    print("left:  ", left or "nothing")
    return 1 if left else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(sys.argv[2]))
    else:
        sys.exit(main())
