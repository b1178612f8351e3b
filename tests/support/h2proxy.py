"""An HTTP/2 server in front of a sandbox site, to see how clients do with HTTP/2."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

_HOP = {b"connection", b"transfer-encoding", b"keep-alive"}


class H2Proxy:
    """Hypercorn on a thread: TLS with ALPN h2 (and http/1.1), passing on to a site chunk by chunk.

    Attributes:
        origin: where it listens, "https://localhost:PORT" (str).
        clients: (address, port) of every connection that carried a request (set).
        versions: HTTP versions that requests came with (set of str).
    """

    def __init__(self, port: int, pem: Path) -> None:
        self.clients: set[tuple[str, int]] = set()
        self.versions: set[str] = set()
        self._port = port
        listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"https://localhost:{listener.getsockname()[1]}"
        # Hypercorn takes the descriptor over.  The port is bound before the thread starts, so
        # nobody has to wait until it listens.
        self._descriptor = listener.detach()
        self._pem = pem
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="h2-proxy", daemon=True)

    def __enter__(self) -> H2Proxy:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop
        assert self._stop
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        config = Config()
        config.bind = [f"fd://{self._descriptor}"]
        config.include_date_header = config.include_server_header = False
        config.certfile = config.keyfile = str(self._pem)
        config.alpn_protocols = ["h2", "http/1.1"]
        config.graceful_timeout = 0.1
        config.shutdown_timeout = 0.1
        config.errorlog = logging.getLogger("h2-proxy")
        logging.getLogger("h2-proxy").setLevel(logging.CRITICAL)
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready.set()
        await serve(self._app, config, shutdown_trigger=self._stop.wait)  # type: ignore[arg-type]
        for _ in range(20):  # Rounds of the loop in which closed transports come to their end.
            await asyncio.sleep(0)

    async def _app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        self.clients.add(tuple(scope["client"]))
        self.versions.add(scope["http_version"])
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        gone = asyncio.create_task(_close_when_gone(receive, writer))
        try:
            writer.write(_head(scope, len(body)) + body)
            await _pass_on(reader, send)
        finally:
            gone.cancel()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _close_when_gone(receive: Any, writer: asyncio.StreamWriter) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    writer.close()


def _head(scope: dict[str, Any], length: int) -> bytes:
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    lines = [b"%s %s HTTP/1.1" % (scope["method"].encode(), target)]
    lines += [
        b"%s: %s" % (name, value)
        for name, value in scope["headers"]
        if name not in _HOP and name != b"content-length"
    ]
    lines += [b"Content-Length: %d" % length, b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _pass_on(reader: asyncio.StreamReader, send: Any) -> None:
    status = int((await reader.readline()).split()[1])
    headers = []
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        headers.append((name.strip().lower(), value.strip()))
    chunked = (b"transfer-encoding", b"chunked") in headers
    headers = [pair for pair in headers if pair[0] not in _HOP]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    while data := await (_chunk(reader) if chunked else reader.read(65536)):
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    size = int(await reader.readline(), 16)
    data = await reader.readexactly(size)
    await reader.readline()
    return data
