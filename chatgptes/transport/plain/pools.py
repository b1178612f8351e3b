"""requests' adapter and urllib3's pools, over sockets that end at a deadline (`sockets.py`)."""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
from base64 import b64encode
from collections import deque
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ...errors import ChatGptEsError
from ..errors import headers_too_large
from .errors import connect_error
from .sockets import Operation, connect, current
from .socks import SocksRefused, negotiate

__all__ = ["Adapter"]

_LINE = 1 << 16
_IDLE_CONNECTIONS = 32


class _Head:
    """The file that http.client reads a response's head from.

    It checks what http.client does not: the length of the head, and that it is whole.
    """

    def __init__(self, file: Any, operation: Operation) -> None:
        self.file = file
        self._operation = operation
        self._left = operation.max_headers

    def readline(self, limit: int) -> bytes:
        line: bytes = self.file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            self._operation.fail(
                headers_too_large(self._operation.url, self._operation.max_headers)
            )
        if line and len(line) < limit and not line.endswith(b"\n"):
            raise http.client.IncompleteRead(line)
        return line

    def close(self) -> None:
        self.file.close()


class _HTTPResponse(http.client.HTTPResponse):
    """http.client's, with a bound and an end to its head.

    http.client takes an interim response other than 100 for the final one, and a head that breaks
    off for a whole one.
    """

    def begin(self) -> None:
        self.fp: Any = _Head(self.fp, current())
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


_FAILURES = (OSError, SocksRefused, http.client.HTTPException, urllib3.exceptions.HTTPError)


class _HTTP(HTTPConnection):
    """A connection that tells the current operation its stage."""

    response_class = _HTTPResponse
    operation: Operation | None = None

    def _new_conn(self) -> socket.socket:
        operation = current()
        proxy = operation.proxy
        if proxy is None or not proxy.socks:
            sock = connect(operation, self._dns_host, self.port)
        else:
            sock = connect(operation, proxy.host, proxy.port)
        try:
            operation.watch(sock)
            if proxy is not None:
                operation.stage = "proxy"
                if proxy.socks:
                    negotiate(operation, sock, self.host, self.port)
            if proxy is None or proxy.socks:
                operation.stage = "tls"
            # For the TLS handshake, which inherits it as a whole.
            sock.settimeout(operation.limit())
        except BaseException:
            sock.close()
            raise
        return sock

    def _tunnel(self) -> None:
        super()._tunnel()
        operation = current()
        operation.stage = "tls"
        self.sock.settimeout(operation.limit())

    def connect(self) -> None:
        operation = current()
        error: ChatGptEsError | None = None
        try:
            super().connect()
            # Not to be warned of what `verify=False` asked for.
            self.is_verified = self.proxy_is_verified = True
            operation.tls_sockets.clear()
        except _FAILURES as e:
            error = operation.error or connect_error(operation, e)
        finally:
            for sock in operation.tls_sockets:
                sock.close()
        if error is not None:
            self.close()
            operation.fail(error)

    def request(self, *args: Any, **kwargs: Any) -> None:
        operation = self.operation = current()
        if self.sock is None:
            self.connect()
        operation.stage = "head"
        operation.watch(self.sock)
        super().request(*args, **kwargs)


class _HTTPS(_HTTP, HTTPSConnection):
    pass


class _Stack:
    """A pool's idle connections: the part of a `LifoQueue` that urllib3 uses.

    A `LifoQueue` has a lock in Python code; Ctrl-C in there leaves it taken, and the thread that
    puts the next connection back waits for ever.  A deque's own steps can't be interrupted.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._items: deque[Any] = deque()
        self._maxsize = maxsize

    def put(self, item: Any, block: bool = False, timeout: float | None = None) -> None:
        if len(self._items) >= self._maxsize > 0:
            raise queue.Full
        self._items.append(item)

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        try:
            return self._items.pop()
        except IndexError:
            raise queue.Empty from None

    def qsize(self) -> int:
        return len(self._items)


class _HTTPPool(HTTPConnectionPool):
    """A pool that parts a connection from its operation before another thread may take it."""

    ConnectionCls = _HTTP
    QueueCls = _Stack  # type: ignore[assignment]  # As much of one as is used.

    def _put_conn(self, conn: Any) -> None:
        operation = getattr(conn, "operation", None)
        if operation is not None:
            conn.operation = None
            operation.end()
        super()._put_conn(conn)


class _HTTPSPool(_HTTPPool, HTTPSConnectionPool):
    ConnectionCls = _HTTPS


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class Adapter(HTTPAdapter):
    """requests' adapter with our pools, and one TLS context for all of them."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_maxsize=_IDLE_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy not in self.proxy_manager:
            if proxy.startswith("socks"):
                manager: Any = urllib3.PoolManager(
                    maxsize=_IDLE_CONNECTIONS, ssl_context=self._context
                )
                self.proxy_manager[proxy] = manager
            else:
                manager = super().proxy_manager_for(
                    proxy, ssl_context=self._context, proxy_ssl_context=self._context, **kwargs
                )
            manager.pool_classes_by_scheme = _POOLS
        return self.proxy_manager[proxy]

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        # requests would encode the password as latin-1, and fail where that has no such letter.
        known = current().proxy
        if known is None or (known.username is None and known.password is None):
            return {}
        login = f"{known.username or ''}:{known.password or ''}".encode()
        return {"Proxy-Authorization": f"Basic {b64encode(login).decode()}"}

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        pass  # The context has it all.

    def close(self) -> None:
        # urllib3 leaves it to the garbage collector to close what is idle in the pools.
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - it is no dict, and can't be iterated.
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()
