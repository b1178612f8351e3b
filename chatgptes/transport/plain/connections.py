"""Connections of http.client over sockets that end at a deadline (`sockets.py`)."""

from __future__ import annotations

import functools
import http.client
import ssl
import weakref
from base64 import b64encode
from collections import deque
from contextlib import suppress
from typing import Any
from urllib.parse import urldefrag, urlsplit

import requests
from urllib3.util import wait_for_read
from urllib3.util.ssltransport import SSLTransport

from ...values.proxy import DEFAULT_PORTS, Proxy
from .sockets import Operation, connect
from .socks import negotiate

__all__ = ["Connection", "HeadersTooLarge", "Pool", "TunnelRefused"]

_LINE = 1 << 16
_IDLE_CONNECTIONS = 32


class HeadersTooLarge(http.client.HTTPException):
    """A response's head is longer than is read."""


class TunnelRefused(Exception):
    """The proxy did not connect; `status` is its answer's."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Head:
    """The file that http.client reads a response's head from.

    It checks what http.client does not: the length of the head, and that it is whole.
    """

    def __init__(self, file: Any, limit: int) -> None:
        self.file = file
        self._left = limit

    def readline(self, limit: int) -> bytes:
        line: bytes = self.file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise HeadersTooLarge
        if line and len(line) < limit and not line.endswith(b"\n"):
            raise http.client.IncompleteRead(line)
        return line

    def flush(self) -> None:
        pass  # Called where Ctrl-C ends it in the middle.

    def close(self) -> None:
        self.file.close()


class _Response(http.client.HTTPResponse):
    """http.client's, with a bound and an end to its head.

    http.client takes an interim response other than 100 for the final one, and a head that breaks
    off for a whole one.
    """

    def __init__(self, *args: Any, limit: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fp: Any = _Head(self.fp, limit)

    def begin(self) -> None:
        try:
            super().begin()
        finally:
            if isinstance(self.fp, _Head):  # Else there is no body, and it is closed.
                self.fp = self.fp.file

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 101 < status < 200:
                return version, status, reason
            while self.fp.readline(_LINE).strip():
                pass  # The interim response's headers.


class Connection(http.client.HTTPConnection):
    """A connection to a site, direct or through a proxy; for one operation at a time."""

    auto_open = 0  # A request goes out on the connection that was opened for it, or nowhere.

    def __init__(self, site: str, proxy: Proxy | None, context: ssl.SSLContext) -> None:
        """Have it ready to be opened; `context` is that of TLS with the site and the proxy."""
        parts = urlsplit(site)
        self.default_port = DEFAULT_PORTS[parts.scheme]
        super().__init__(parts.hostname or "", parts.port or self.default_port)
        self.site = site
        self.proxy = proxy
        self._secure = parts.scheme == "https"
        self._context = context

    def exchange(
        self, operation: Operation, request: requests.PreparedRequest
    ) -> http.client.HTTPResponse:
        """Send a request; its response, as far as the end of its head."""
        make: Any = functools.partial(_Response, limit=operation.max_headers)
        self.response_class = make  # http.client only calls it.
        if self.sock is None:
            self._open(operation)
        operation.stage = "head"
        operation.watch(self.sock)
        target, headers = request.path_url, dict(request.headers)
        if self.proxy is not None and not self._secure and not self.proxy.socks:
            target = urldefrag(request.url or "").url
            headers |= _login(self.proxy)
        with suppress(ConnectionError):  # It may have answered before it has read everything.
            self.request(request.method or "", target, request.body, headers)
        return self.getresponse()

    def _open(self, operation: Operation) -> None:
        proxy = self.proxy
        where = (proxy.host, proxy.port) if proxy else (self.host, self.port)
        self.sock = connect(operation, *where)
        operation.watch(self.sock)
        if proxy is not None:
            operation.stage = "proxy"
            if proxy.socks:
                negotiate(operation, self.sock, self.host, self.port)
            if proxy.scheme == "https":
                self._wrap(operation, proxy.host)
            if self._secure and not proxy.socks:
                self._tunnel_through(proxy)
        operation.stage = "tls"
        if self._secure:
            self._wrap(operation, self.host)

    def _tunnel_through(self, proxy: Proxy) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [f"CONNECT {host}:{self.port} HTTP/1.1", f"Host: {host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in _login(proxy).items()]
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode())
        response = self.response_class(self.sock, method="CONNECT")
        try:
            response.begin()
            if response.status != 200:
                raise TunnelRefused(response.status)
        finally:
            response.close()

    def _wrap(self, operation: Operation, host: str) -> None:
        """Begin TLS with `host` on the connection as it is."""
        self.sock.settimeout(operation.limit())  # For the handshake as a whole.
        name = host.rstrip(".")
        if isinstance(self.sock, ssl.SSLSocket):  # TLS inside that with the proxy.
            self.sock = SSLTransport(self.sock, self._context, name)
            return
        self.sock = self._context.wrap_socket(
            self.sock, server_hostname=name, do_handshake_on_connect=False
        )
        self.sock.do_handshake()
        operation.watch(self.sock)


def _login(proxy: Proxy) -> dict[str, str]:
    if proxy.username is None and proxy.password is None:
        return {}
    login = f"{proxy.username or ''}:{proxy.password or ''}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(login).decode()}"}


class Pool:
    """The connections that are kept.

    It has no lock: a deque's steps are atomic, and Ctrl-C can leave none of them half done.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        """Keep none yet; `context` is that of TLS with sites and proxies."""
        self._context = context
        self._idle: dict[tuple[str, Proxy | None], deque[Connection]] = {}
        self._closed = False
        # Also where it is found in a cycle: before the garbage collector comes to the sockets.
        weakref.finalize(self, _close_all, self._idle)

    def take(self, url: str, proxy: Proxy | None) -> Connection:
        """The connection for a request to `url` that was used last, or a new one."""
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc.lower()}"
        idle = self._idle.setdefault((site, proxy), deque())
        while True:
            try:
                connection = idle.pop()
            except IndexError:
                return Connection(site, proxy, self._context)
            if not wait_for_read(connection.sock, timeout=0):
                return connection
            connection.close()  # The site has ended it, or says what nobody asked for.

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose last response was read to its end, if it can be used again."""
        idle = self._idle[connection.site, connection.proxy]
        if self._closed or len(idle) >= _IDLE_CONNECTIONS:
            connection.close()
        elif connection.sock is not None:
            idle.append(connection)

    def close(self) -> None:
        """Close those that are idle; those in use are closed when they are given back."""
        self._closed = True
        _close_all(self._idle)


def _close_all(idle: dict[tuple[str, Proxy | None], deque[Connection]]) -> None:
    for connections in list(idle.values()):
        while connections:
            connections.pop().close()
