"""The plain transport: `requests`, with an honest user agent.

Of requests and urllib3 this uses the adapter, the pools and the HTTP parser.  Sockets are ours
(`sockets.py`), so that every wait ends at the deadline or its cancel.  Name resolution is the
exception: the calling thread may stay in `getaddrinfo` until the system gives up.
"""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import requests
import urllib3
from urllib3.util.ssl_ import create_urllib3_context

from ..._version import __version__
from ...errors import ChatGptEsError, InvalidConfigError
from ...values.deadline import Deadline
from ...values.http import Headers, Request
from ...values.process import PerProcess
from .. import errors as _errors
from ..response import StreamedResponse
from ..settings import BuiltIn, Settings, header_lines
from .decoding import ACCEPTED, BadEncoding, decode
from .errors import error_for
from .pools import Adapter
from .sockets import Operation, TLSSocket, under_way

__all__ = ["RequestsTransport"]

_PIECE = 1 << 16


class RequestsTransport(BuiltIn):
    """HTTP through `requests`."""

    def __init__(self, **options: Any) -> None:
        """Make a transport; nothing is opened yet.  Arguments and errors as `Settings`."""
        super().__init__(Settings(**options))
        self._context = _tls_context(self._settings.ca)
        self._renew()

    def _renew(self) -> None:
        """Make new pools, since Ctrl-C can have left a lock of the old ones taken for ever."""
        # In a fork's child the parent's connections are dropped, which sends nothing.
        self._adapter = PerProcess(lambda: Adapter(self._context))

    def send(self, request: Request, deadline: Deadline) -> StreamedResponse:
        """Send one request: see `base.Transport.send`."""
        if self._closed:
            raise _errors.closed()
        deadline.check()
        prepared = _prepare(request)
        settings = self._settings
        proxy = settings.routes.route(request.url)
        operation = Operation(request.url, deadline, proxy, settings.max_headers)
        error: ChatGptEsError | None = None
        try:
            with under_way(operation):
                answer = self._adapter.get().send(
                    prepared,
                    stream=True,
                    timeout=None,  # The sockets ask the operation.
                    proxies={"all": proxy.url} if proxy else {},
                )
            if answer.status_code != 407 or proxy is None or not proxy.forwards(request.url):
                return _Response(operation, answer.raw, self._renew)
            answer.close()
            error = _errors.proxy_failed(request.url, proxy, status=407)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as e:
            error = error_for(operation, e)
        except BaseException:
            self._renew()
            raise
        finally:
            if operation.status is None:
                operation.end()
        settings.explain(error)
        raise _errors.without_context(error)

    def close(self) -> None:
        """Close every idle connection; those in use end with their responses."""
        self._closed = True
        self._adapter.get().close()


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
    context.sslsocket_class = TLSSocket
    if ca is not None:
        context.load_verify_locations(**{"capath" if os.path.isdir(ca) else "cafile": ca})
    return context


class _Response(StreamedResponse):
    def __init__(self, operation: Operation, raw: Any, renew: Callable[[], None]) -> None:
        super().__init__(operation.url)
        self._renew = renew
        self.status = operation.status = raw.status
        self.headers = Headers(raw.headers.items())
        self._operation = operation
        self._raw = raw
        operation.stage = "body"
        # No part of it knows this object: a response that is forgotten must close at once, not when
        # the garbage collector comes to a cycle.
        encoding = ",".join(self.headers.get_all("content-encoding"))
        self._pieces = decode(_undecoded(raw), encoding) if encoding.strip() else None
        self._ended = False

    def _read(self) -> bytes:
        error: ChatGptEsError
        try:
            if self._pieces is None:
                piece: bytes = self._raw.read1(_PIECE, decode_content=False)
            else:
                piece = next(self._pieces, b"")
            # Both shut the connection down, which can look like the end of the body.
            if piece or not (self._operation.deadline.cancelled or self._closing):
                return piece
            error = error_for(self._operation, TimeoutError())
        except BadEncoding as e:
            error = _errors.bad_encoding(self.url, self.status, e.coding, str(e))
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as e:
            error = error_for(self._operation, e)
        if self._closing:
            error = _errors.response_closed(self.url)
        raise _errors.without_context(error)

    def _end(self, *, complete: bool) -> None:
        try:
            self._operation.end()
            if not complete:
                try:
                    self._raw.close()
                except Exception:  # noqa: BLE001 - whatever state it is in, it can't be kept.
                    pass
            self._raw.release_conn()
        except BaseException:
            self._renew()
            raise

    def _interrupt(self) -> None:
        self._operation.abort()


def _undecoded(raw: Any) -> Iterator[bytes]:
    while piece := raw.read1(_PIECE, decode_content=False):
        yield piece
