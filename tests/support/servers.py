"""Small raw servers over real sockets: they say exactly what a test wants, and stall where told."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pytest

from chatgptes.transport import Transport, select
from chatgptes.values.deadline import Deadline, Timeout
from chatgptes.values.http import Request

__all__ = [
    "ALL",
    "BOTH",
    "CURL",
    "Connection",
    "Heard",
    "Server",
    "body",
    "get",
    "head",
    "limits",
    "make",
    "post",
]

BOTH = pytest.mark.parametrize("kind", ["requests", "curl_cffi"])
ALL = pytest.mark.parametrize("kind", ["requests", "curl_cffi", "hub-asyncio", "hub-trio"])
CURL = pytest.mark.parametrize("kind", ["curl_cffi", "hub-asyncio", "hub-trio"])
"""The transports, the one for event loops behind a blocking face (`loops.BlockingHub`)."""


def make(kind: str, **options: Any) -> Transport:
    """A transport that heeds nothing of the environment."""
    settings: dict[str, Any] = {
        "default_site": False, "impersonate": "chrome", "proxy": None, "verify": True,
        "trust_env": False, "max_headers": 256 << 10,
    }  # fmt: skip
    settings |= options
    if isinstance(kind, str) and kind.startswith("hub-"):
        from loops import BlockingHub

        return BlockingHub(kind.removeprefix("hub-"), settings)
    return select(kind, **settings)


def get(url: str, **options: Any) -> Request:
    return Request("GET", url, **options)


def post(url: str, data: bytes = b"hello", **options: Any) -> Request:
    headers = {"Content-Type": "text/plain", **options.pop("headers", {})}
    return Request("POST", url, headers, data, **options)


def limits(
    connect: float | None = 10, read: float | None = 10, total: float | None = 20
) -> Deadline:
    return Deadline(Timeout(connect=connect, read=read, total=total))


def head(*lines: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """A response's head; `length` adds Content-Length."""
    if length is not None:
        lines = (*lines, f"Content-Length: {length}")
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def body(data: bytes = b"ok", *lines: str, status: str = "200 OK") -> bytes:
    """A whole response."""
    return head(*lines, status=status, length=len(data)) + data


@dataclass
class Heard:
    """A request that a server heard."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Connection:
    """The server's end of a connection."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self._rest = b""

    def hear(self) -> Heard | None:
        """The next request, or None when the client hung up."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return None
        raw, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (x.partition(":") for x in lines)]
        heard = Heard(method, target, headers, b"")
        length = int(heard.header("content-length") or 0)
        while len(self._rest) < length:
            if not self._more():
                return None
        heard.body, self._rest = self._rest[:length], self._rest[length:]
        self.server.heard.append(heard)
        return heard

    def _more(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        self._rest += data
        return bool(data)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def gone(self) -> None:
        """Wait until the client hangs up (or the server is closed), and note it."""
        while self._more():
            pass
        self.server.hung_up.set()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


class Server:
    """Calls `handler` in a thread for each connection; ends them all when its block is left.

    Attributes:
        url: its address; the name in it is "localhost" where it speaks TLS.
        heard: the requests that were heard.
        accepted: how many connections there were.
        arrived: set with the first connection.
        hung_up: set when a connection in `Connection.gone` was ended by the client.
        stopping: set when the block is left: for handlers that wait.
    """

    def __init__(
        self, handler: Callable[[Connection], object], tls: ssl.SSLContext | None = None
    ) -> None:
        self._handler = handler
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        scheme, name = ("https", "localhost") if tls else ("http", "127.0.0.1")
        self.url = f"{scheme}://{name}:{self.port}/"
        self.heard: list[Heard] = []
        self.accepted = 0
        self.arrived = threading.Event()
        self.hung_up = threading.Event()
        self.stopping = threading.Event()
        self._socks: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Server:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(10)
        for sock in self._socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(10)
        for sock in self._socks:
            sock.close()

    def join(self) -> None:
        """Wait until every connection so far has ended."""
        for thread in self._threads[1:]:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._socks.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()
            self.arrived.set()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            self._handler(Connection(self, sock))
        except OSError:
            pass  # The client hung up.
        finally:
            sock.close()


def answering(data: bytes) -> Callable[[Connection], None]:
    """A handler that answers every request with the same bytes."""

    def handler(connection: Connection) -> None:
        while connection.hear():
            connection.send(data)

    return handler


def once(data: bytes) -> Callable[[Connection], None]:
    """A handler that answers one request with `data` and closes."""

    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(data)

    return handler
