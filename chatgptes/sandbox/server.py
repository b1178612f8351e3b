"""A small HTTP/1.1 server over threads, made for being stopped, cut and stalled at will.

Not `http.server`: a sandbox for misbehaving sites must be able to break off anywhere, and to end
every thread and socket at once, and that is easier to see in two hundred lines of one's own.
"""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, BinaryIO

from .exchange import Exchange, Gone
from .request import BadRequest, read_request

if TYPE_CHECKING:
    import ssl


class Connection:
    """One TCP connection, served by one thread."""

    def __init__(self, server: Server, sock: socket.socket, number: int) -> None:
        self.server = server
        self.number = number
        self._sock = sock
        self._resets = False
        # TLS takes the descriptor over when it wraps the socket; a duplicate lets another
        # thread end the connection in any phase.
        self._handle = sock.dup() if server.tls else sock

    def run(self) -> None:
        """Serve requests until one side ends the connection."""
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.server.tls:
                self._sock = self.server.tls.wrap_socket(self._sock, server_side=True)
            with self._sock.makefile("rb") as reader:
                while self._one(reader):
                    pass
        except (OSError, Gone):
            pass  # The client vanished, the handshake failed, or the site breaks off on purpose.
        finally:
            self.server.forget(self)
            self.shut()
            self._sock.close()
            self._handle.close()

    def _one(self, reader: BinaryIO) -> bool:
        try:
            request = read_request(reader, self._continue)
        except BadRequest as error:
            self.send(f"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n{error}".encode())
            return False
        if request is None or self.server.stopping.is_set():
            return False
        request.connection = self.number
        exchange = Exchange(self, request)
        self.server.handle(exchange)
        exchange.end()
        return exchange.keep and exchange.started

    def _continue(self) -> None:
        self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            Gone: the client has left, or the server is stopping.
        """
        try:
            self._sock.sendall(data)
        except OSError:
            raise Gone from None

    def pieces(self, data: bytes) -> Iterable[bytes]:
        """Return `data` as the pieces that it is to be sent in."""
        return self.server.pieces(data)

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            Gone: the server is stopping.
        """
        if self.server.stopping.wait(seconds):
            raise Gone

    def stall(self) -> None:
        """Wait until released.

        Raises:
            Gone: the client has left, or the server is stopping.
        """
        released = self.server.stalls(1)
        try:
            self._wait_for(released)
        finally:
            self.server.stalls(-1)

    def _wait_for(self, released: threading.Event) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._handle, selectors.EVENT_READ)
            while not released.is_set():
                # A client that waits says nothing: whatever can be read is its goodbye.
                if selector.select(0.02) or self.server.stopping.is_set():
                    raise Gone

    def reset_on_close(self) -> None:
        """End the connection with a reset instead of a close."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        self._handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._resets = True

    def shut(self) -> None:
        """End the connection, from any thread."""
        if self._resets:
            return  # A shutdown would say a proper goodbye first.
        with contextlib.suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)


class Server:
    """Listens, and gives every connection a thread.

    Args:
        handle: called with each `Exchange`, in the connection's thread.
        host: address to listen on (str).
        port: port (int); 0 for a free one.
        tls: serve TLS with this context.
        cut: "events" sends a piece as it is given, "bytes" cuts it anywhere.
    """

    def __init__(
        self,
        handle: Callable[[Exchange], None],
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        cut: str = "events",
    ) -> None:
        self.handle = handle
        self.tls = tls
        self.stopping = threading.Event()
        self._released = threading.Event()
        self.accepted = 0
        self.stalled = 0
        self._cut = cut
        self._random = random.Random(4)  # noqa: S311 - where to cut, the same in every run
        self._lock = threading.Lock()
        self._open: dict[Connection, threading.Thread] = {}
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name="sandbox", daemon=True)
        self._thread.start()

    @property
    def open(self) -> int:
        """The number of connections that are open now (int)."""
        with self._lock:
            return len(self._open)

    def pieces(self, data: bytes) -> Iterable[bytes]:
        """`data` as the pieces that it is to be sent in."""
        if self._cut != "bytes":
            return (data,) if data else ()
        cuts, at = [], 0
        while at < len(data):
            size = self._random.choice((1, 1, 2, 3, 5, 8, 40, 400))
            cuts.append(data[at : at + size])
            at += size
        return cuts

    def release(self) -> None:
        """Let what is stalled now go on; what stalls later waits again."""
        with self._lock:
            self._released.set()
            self._released = threading.Event()

    def stalls(self, step: int) -> threading.Event:
        """One exchange more (1) or less (-1) is stalled; gives what releases it."""
        with self._lock:
            self.stalled += step
            return self._released

    def forget(self, connection: Connection) -> None:
        """A connection's thread has ended."""
        with self._lock:
            self._open.pop(connection, None)

    def stop(self, wait: float = 5.0) -> None:
        """End every connection and thread; waits at most `wait` seconds for them."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._waker.send(b"x")
        end = time.monotonic() + wait
        self._thread.join(wait)
        with self._lock:
            left = dict(self._open)
            for connection in left:
                connection.shut()
        for thread in left.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))
        for sock in (self._listener, self._wake, self._waker):
            sock.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while not self.stopping.is_set():
                selector.select()
                if self.stopping.is_set():
                    return
                try:
                    sock, _ = self._listener.accept()
                except OSError:
                    continue  # The client left before it was accepted.
                self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        with self._lock:
            self.accepted += 1
            connection = Connection(self, sock, self.accepted)
            thread = threading.Thread(
                target=connection.run, name=f"sandbox-{self.accepted}", daemon=True
            )
            self._open[connection] = thread
        thread.start()
