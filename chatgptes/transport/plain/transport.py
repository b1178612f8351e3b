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
from ...errors import ChatGptEsError, InvalidConfigError, TransportError
from ...values.deadline import Deadline
from ...values.http import Headers, Request
from ...values.urls import redact
from .. import errors as _faults
from ..response import StreamedResponse
from ..settings import Routes, ca_path, explain, header_lines
from .decoding import ACCEPTED, BadEncoding, decode
from .errors import error_for
from .pools import Adapter
from .sockets import Operation, TLSSocket, under_way

__all__ = ["RequestsTransport"]

_PIECE = 1 << 16


class RequestsTransport:
    """HTTP through `requests`: no cookies, no redirects, no retries, no netrc.

    Usable from many threads at once, picklable (as its settings), and usable after a fork (the
    child opens its own connections).
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        verify: bool | str | os.PathLike[str] = True,
        trust_env: bool = True,
        max_headers: int = 256 << 10,
    ) -> None:
        """Make a transport; nothing is opened yet.

        Args:
            proxy: URL of an http, https, socks5 or socks5h proxy, with user name and password if
                it wants them; None for the environment's, if `trust_env`.
            verify: True to check certificates against certifi's (or, if `trust_env`, what
                `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` or `SSL_CERT_FILE` names), the path of a CA
                file or directory to check against that, False to check nothing.
            trust_env: heed the environment, which is read now and not again.
            max_headers: bytes of a response's headers that are taken.

        Raises:
            InvalidConfigError: the proxy or the CA path can't be used.
        """
        self._settings = {
            "proxy": proxy, "verify": verify, "trust_env": trust_env,
            "max_headers": max_headers,
        }  # fmt: skip
        self._routes = Routes.read(proxy, trust_env)
        self._verify, self._trust_env = verify, trust_env
        self._context = _tls_context(ca_path(verify, trust_env))
        self._max_headers = max_headers
        self._closed = False
        self._pid = os.getpid()
        self._adapter = Adapter(self._context)

    def __repr__(self) -> str:
        if "_closed" not in self.__dict__:
            return "<RequestsTransport, not made>"
        return f"<RequestsTransport{' closed' if self._closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._settings,)

    def send(self, request: Request, deadline: Deadline) -> StreamedResponse:
        """Send one request: see `base.Transport.send`."""
        if self._closed:
            raise _faults.closed()
        deadline.check()
        if self._pid != os.getpid():
            # The parent's connections stay the parent's: dropping them sends nothing.
            self._adapter, self._pid = Adapter(self._context), os.getpid()
        prepared = self._prepare(request)
        proxy = self._routes.route(request.url)
        operation = Operation(request.url, deadline, proxy, self._max_headers)
        error: ChatGptEsError | None = None
        try:
            with under_way(operation):
                answer = self._adapter.send(
                    prepared,
                    stream=True,
                    timeout=None,  # The sockets ask the operation.
                    proxies={"all": proxy.url} if proxy else {},
                )
            if answer.status_code != 407 or proxy is None or not proxy.forwards(request.url):
                return _Response(operation, answer.raw, self._replace_pools)
            answer.close()
            error = _faults.proxy_failed(request.url, proxy, status=407)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as e:
            error = error_for(operation, e)
        except BaseException:
            self._replace_pools()
            raise
        finally:
            if operation.status is None:
                operation.end()
        explain(error, self._verify, self._trust_env)
        raise _faults.without_context(error)

    def _replace_pools(self) -> None:
        """Ctrl-C can have landed inside the pools' own locks, which then stay taken for ever."""
        self._adapter = Adapter(self._context)

    def _prepare(self, request: Request) -> requests.PreparedRequest:
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

    def close(self) -> None:
        """Close every idle connection; those in use end with their responses."""
        self._closed = True
        if self._pid == os.getpid():
            self._adapter.close()


def _rebuild(settings: dict[str, Any]) -> RequestsTransport:
    return RequestsTransport(**settings)


def _tls_context(path: str | None) -> ssl.SSLContext:
    context = create_urllib3_context()
    context.sslsocket_class = TLSSocket
    if path is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError):
        raise InvalidConfigError(f"verify: no certificates can be read from {path}") from None
    return context


class _Response(StreamedResponse):
    def __init__(self, operation: Operation, raw: Any, replace_pools: Callable[[], None]) -> None:
        super().__init__(operation.url)
        self._replace_pools = replace_pools
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
            error = _faults.bad_encoding(self.url, self.status, e.coding, str(e))
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as e:
            error = error_for(self._operation, e)
        if self._closing:
            error = TransportError("The response was closed.", url=redact(self.url))
        raise _faults.without_context(error)

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
            self._replace_pools()
            raise

    def _interrupt(self) -> None:
        self._operation.abort()


def _undecoded(raw: Any) -> Iterator[bytes]:
    while piece := raw.read1(_PIECE, decode_content=False):
        yield piece
