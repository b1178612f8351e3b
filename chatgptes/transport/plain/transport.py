"""The plain transport: `requests`, with an honest user agent.

`requests` writes the address and the headers, Python's http.client sends them and reads what comes.
Sockets are ours (`sockets.py`), so that every wait ends at the deadline or its cancel.  Name
resolution is the exception: the calling thread may stay in `getaddrinfo` until the system gives up.
"""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any

import requests
from urllib3.util.ssl_ import create_urllib3_context

from ..._version import __version__
from ...errors import ChatGptEsError, InvalidConfigError
from ...values.deadline import Deadline
from ...values.http import Headers, Request
from ...values.process import PerProcess
from .. import errors as _faults
from ..response import StreamedResponse
from ..settings import BuiltIn, Settings, header_lines
from .connections import Connection, Pool, TunnelRefused
from .decoding import ACCEPTED, BadEncoding, decode
from .errors import error_for
from .sockets import Operation, TLSSocket
from .socks import SocksRefused

__all__ = ["RequestsTransport"]

_PIECE = 1 << 16
_BROKEN = (HTTPException, OSError, ValueError)


class RequestsTransport(BuiltIn):
    """HTTP through `requests`."""

    def __init__(self, **options: Any) -> None:
        """Make a transport; nothing is opened yet.  Arguments and errors as `Settings`."""
        super().__init__(Settings(**options))
        context = _tls_context(self._settings.ca)
        # In a fork's child the parent's connections are dropped, which sends nothing.
        self._pool = PerProcess(functools.partial(Pool, context))

    def send(self, request: Request, deadline: Deadline) -> StreamedResponse:
        """Send one request: see `base.Transport.send`."""
        if self._closed:
            raise _faults.closed()
        deadline.check()
        prepared = _prepare(request)
        settings = self._settings
        proxy = settings.routes.route(request.url)
        operation = Operation(request.url, deadline, proxy, settings.max_headers)
        pool = self._pool.get()
        connection = pool.take(prepared.url or "", proxy)
        response: _Response | None = None
        try:
            raw = connection.exchange(operation, prepared)
            if proxy is None or raw.status != 407 or not proxy.forwards(request.url):
                response = _Response(operation, raw, connection, pool)
                return response
            raw.close()
            error: ChatGptEsError = _faults.proxy_failed(request.url, proxy, status=407)
        except (*_BROKEN, SocksRefused, TunnelRefused) as e:
            error = error_for(operation, e)
        finally:
            if response is None:
                operation.end()
                connection.close()
        settings.explain(error)
        raise _faults.without_context(error)

    def close(self) -> None:
        """Close every idle connection; those in use end with their responses."""
        self._closed = True
        self._pool.get().close()


def _prepare(request: Request) -> requests.PreparedRequest:
    prepared = requests.PreparedRequest()
    headers: Any = {
        "User-Agent": f"chatgptes/{__version__}",
        "Accept-Encoding": ACCEPTED,
        "Accept": "*/*",
    }
    try:
        prepared.prepare(request.method, request.url, headers, data=request.body)
    except (requests.RequestException, ValueError):
        error = InvalidConfigError("The address of the request can't be used.")
    else:
        for name, value in header_lines(request.headers.items()):
            prepared.headers[name] = value  # type: ignore[assignment]
        return prepared
    raise error


def _tls_context(ca: str | None) -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=ssl.CERT_NONE if ca is None else ssl.CERT_REQUIRED)
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = TLSSocket
    if ca is not None:
        context.load_verify_locations(**{"capath" if os.path.isdir(ca) else "cafile": ca})
    return context


class _Response(StreamedResponse):
    def __init__(
        self, operation: Operation, raw: HTTPResponse, connection: Connection, pool: Pool
    ) -> None:
        super().__init__(operation.url)
        self.status = operation.status = raw.status
        self.headers = Headers(raw.getheaders())
        self._operation = operation
        self._raw = raw
        self._connection = connection
        self._pool = pool
        operation.stage = "body"
        # No part of it knows this object: a response that is forgotten must close at once, not when
        # the garbage collector comes to a cycle.
        encoding = ",".join(self.headers.get_all("content-encoding"))
        self._pieces = decode(_body(raw), encoding) if encoding.strip() else _body(raw)
        self._ended = False

    def _read(self) -> bytes:
        error: ChatGptEsError
        try:
            piece = next(self._pieces, b"")
            # Both shut the connection down, which can look like the end of the body.
            if piece or not (self._operation.deadline.cancelled or self._closing):
                return piece
            error = error_for(self._operation, TimeoutError())
        except BadEncoding as e:
            error = _faults.bad_encoding(self.url, self.status, e.coding, str(e))
        except _BROKEN as e:
            error = error_for(self._operation, e)
        if self._closing:
            error = _faults.response_closed(self.url)
        raise _faults.without_context(error)

    def _end(self, *, complete: bool) -> None:
        self._operation.end()
        self._raw.close()
        if complete:
            self._pool.give_back(self._connection)
        else:
            self._connection.close()

    def _interrupt(self) -> None:
        self._operation.abort()


def _body(raw: HTTPResponse) -> Iterator[bytes]:
    """The body as it comes, encoded."""
    left = raw.length  # None: it is in chunks, or ends with the connection.
    while left != 0:
        # Python below 3.12 counts by itself only where it reads all at once.
        piece = raw.read1(_PIECE if left is None else min(_PIECE, left))
        if piece:
            left = None if left is None else left - len(piece)
            yield piece
        elif left is None:
            return
        else:
            raise IncompleteRead(b"", left)
