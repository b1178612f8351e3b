"""The impersonating transport: curl_cffi, whose connections look like a browser's.

A pool of engines (`_curl`), taken one per request and given back, each driven by the thread that
reads its response.
"""

from __future__ import annotations

import functools
import os
import time
from typing import Any

from ...errors import ChatGptEsError, InvalidConfigError, TransportError
from ...values.deadline import Deadline, Registration
from ...values.http import Headers, Request
from ...values.proxy import Proxy
from ...values.urls import origin, redact
from .. import errors as _faults
from ..response import StreamedResponse
from ..settings import Routes, ca_path, header_lines
from .engine import CurlError, CurlOpt, Engine, Exchange, known, resolve
from .errors import fault
from .looks import look

__all__ = ["CurlTransport"]

_IDLE_ENGINES = 32
_SMALL = 16 << 10  # The least that libcurl takes.
_HTTP_1_1 = 2  # CURL_HTTP_VERSION_1_1
_ENCODINGS = b"gzip, deflate, br, zstd"


class CurlTransport:
    """HTTP through curl_cffi: no cookies, no redirects, no retries, no netrc.

    Usable from many threads at once, picklable (as its settings), and usable after a fork (the
    child opens connections of its own).
    """

    impersonates = True
    """Its identity headers are a browser's, and nobody else's to set."""

    def __init__(
        self,
        *,
        impersonate: str = "chrome",
        proxy: str | None = None,
        verify: bool | str | os.PathLike[str] = True,
        trust_env: bool = True,
        max_headers: int = 256 << 10,
    ) -> None:
        """Make a transport; nothing is opened yet.

        Args:
            impersonate: the browser to look like: one of curl_cffi's targets ("chrome",
                "firefox", "safari180", …).
            proxy: URL of an http, https, socks5 or socks5h proxy, with user name and password if
                it wants them; None for the environment's, if `trust_env`.
            verify: True to check certificates against certifi's (or, if `trust_env`, what
                `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` or `SSL_CERT_FILE` names), the path of a CA
                file or directory to check against that, False to check nothing.
            trust_env: heed the environment, which is read now and not again.
            max_headers: bytes of a response's headers that are taken; libcurl itself takes no
                more than 300 KiB.

        Raises:
            InvalidConfigError: the target, the proxy or the CA path can't be used.
        """
        self._settings = {
            "impersonate": impersonate, "proxy": proxy, "verify": verify,
            "trust_env": trust_env, "max_headers": max_headers,
        }  # fmt: skip
        self._target = _checked(impersonate)
        self._routes = Routes.read(proxy, trust_env)
        self._ca = ca_path(verify, trust_env)
        self._max_headers = max_headers
        self._closed = False
        self._pid = os.getpid()
        # Its operations are atomic, so there is no lock that a fork could leave taken.
        self._idle: list[Engine] = []

    def __repr__(self) -> str:
        return f"<CurlTransport {self._target}{' closed' if self._closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._settings,)

    def send(self, request: Request, deadline: Deadline) -> StreamedResponse:
        """Send one request: see `base.Transport.send`."""
        if self._closed:
            raise _faults.closed()
        deadline.check()
        response = _Response(self, request, deadline, self._take(origin(request.url)))
        try:
            response.begin(self._target, self._routes.route(request.url), self._ca)
        except ChatGptEsError:
            response.close()
            raise
        except BaseException:
            # Ctrl-C can have landed anywhere: nobody else gets this engine.
            response.discard()
            raise
        return response

    def close(self) -> None:
        """Close every idle connection; those in use end with their responses."""
        self._closed = True
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    @property
    def max_headers(self) -> int:
        return self._max_headers

    def _take(self, key: str) -> Engine:
        """An idle engine that has been to `key`, or a new one."""
        if self._pid != os.getpid():
            # The parent's engines close to nothing here; this only forgets them.
            self._idle, self._pid = [], os.getpid()
        for engine in reversed(self._idle.copy()):
            if engine.key == key:
                try:
                    self._idle.remove(engine)
                except ValueError:
                    continue  # Another thread was faster.
                if not engine.stale():
                    return engine
                engine.close()
        engine = Engine()
        engine.key = key
        return engine

    def give_back(self, engine: Engine) -> None:
        """Take an engine that has been stopped, or close it if there are enough."""
        if self._closed or engine.resolving or not engine.alive:
            engine.close()
            return
        self._idle.append(engine)
        if self._closed or len(self._idle) > _IDLE_ENGINES:
            try:
                self._idle.pop(0).close()
            except IndexError:
                pass


def _rebuild(settings: dict[str, Any]) -> CurlTransport:
    return CurlTransport(**settings)


def _checked(impersonate: str) -> str:
    """The target that `impersonate` names."""
    if isinstance(impersonate, str) and impersonate:
        target = resolve(impersonate)
        if _is_target(target):
            return target
    few = ", ".join(dict.fromkeys(known()[:6]))
    raise InvalidConfigError(
        f"impersonate names a browser that this version of curl_cffi does not know:"
        f" {impersonate!r}. It knows {few} and others."
    )


@functools.lru_cache(maxsize=64)
def _is_target(target: str) -> bool:
    engine = Engine()
    try:
        return engine.easy.impersonate(target) == 0
    finally:
        engine.close()


@functools.cache
def _is_directory(path: str) -> bool:
    return os.path.isdir(path)


class _Response(StreamedResponse):
    def __init__(
        self, transport: CurlTransport, request: Request, deadline: Deadline, engine: Engine
    ) -> None:
        super().__init__(request.url)
        self._transport = transport
        self._request = request
        self._deadline = deadline
        self._engine = engine
        self._exchange = Exchange(repeatable=request.repeatable, max_headers=transport.max_headers)
        self._proxy: Proxy | None = None
        self._result: int | None = None
        self._whole = True
        self._registration: Registration = deadline.on_cancel(engine.wake)
        self._ended = False

    def begin(self, target: str, proxy: Proxy | None, ca: str | None) -> None:
        """Send the request and wait for the response's head."""
        self._proxy = proxy
        lines = self._lines(target)
        problem: TransportError | None = None
        try:
            easy = self._engine.prepare(target, self._exchange)
            easy.setopt(CurlOpt.HTTPHEADER, lines)
            self._set_request()
            self._set_route(ca)
            self._engine.start()
        except CurlError as error:
            problem = TransportError(f"curl can't begin this request (code {error.code}).")
        if problem is not None:
            self._whole = False
            raise _faults.bare(problem)
        while not self._exchange.head_done:
            if self._result is not None:
                raise self._fault()
            self._advance()
        if self._exchange.status == 407 and proxy is not None and proxy.forwards(self.url):
            raise _faults.proxy_failed(self.url, proxy, status=407)
        self.status = self._exchange.status
        self.headers = Headers(
            (name.decode("latin-1"), value.strip().decode("latin-1"))
            for name, colon, value in (line.partition(b":") for line in self._exchange.head[1:])
            if colon
        )

    def _lines(self, target: str) -> list[bytes]:
        own = {name.lower(): (name, value) for name, value in header_lines(self._request)}
        lines = [
            f"{name}: {value}".encode("latin-1", "replace") if value else f"{name}:".encode()
            for name, value in look(self._request, target).items()
            if name not in own
        ]
        # curl would wait for a "100 Continue", and would name a type for any body.
        lines.append(b"Expect:")
        with_body = self._request.body is not None or self._request.method == "POST"
        if with_body and "content-type" not in own:
            lines.append(b"Content-Type:")
        for name, value in own.values():
            # ";" is how curl is told of a header without a value.
            lines.append(name.encode() + (b": " + value if value else b";"))
        return lines

    def _set_request(self) -> None:
        easy, request = self._engine.easy, self._request
        easy.setopt(CurlOpt.URL, request.url.encode())
        body = request.body
        if request.method == "POST":
            body = body or b""
            easy.setopt(CurlOpt.POST, 1)
        if body is not None:
            easy.setopt(CurlOpt.POSTFIELDS, body)
            easy.setopt(CurlOpt.POSTFIELDSIZE_LARGE, len(body))
            if request.method != "POST":
                easy.setopt(CurlOpt.CUSTOMREQUEST, request.method.encode())
        if request.url.startswith("http:"):
            # Some targets would ask for h2c, an upgrade that no browser asks for.
            easy.setopt(CurlOpt.HTTP_VERSION, _HTTP_1_1)
        easy.setopt(CurlOpt.ACCEPT_ENCODING, _ENCODINGS)
        if body is None or len(body) <= _SMALL:
            # libcurl's own 64 KiB stay with an open stream: 102 KB a stream, with this 63
            # (benchmarks/footprint.py).
            easy.setopt(CurlOpt.UPLOAD_BUFFERSIZE, _SMALL)
        easy.setopt(CurlOpt.NOSIGNAL, 1)
        easy.setopt(CurlOpt.QUICK_EXIT, 1)  # A cancel must not wait for the resolver's thread.
        # Our own limit comes first; this one lets curl share the time among addresses.
        limit = self._deadline.remaining(self._deadline.timeout.connect)
        milliseconds = 2**31 - 1 if limit is None else min(int(limit * 1000) + 50, 2**31 - 1)
        easy.setopt(CurlOpt.CONNECTTIMEOUT_MS, milliseconds)

    def _set_route(self, ca: str | None) -> None:
        engine, easy, proxy = self._engine, self._engine.easy, self._proxy
        # Both set even where empty: else curl reads the environment by itself.
        easy.setopt(CurlOpt.PROXY, proxy.address.encode() if proxy else b"")
        easy.setopt(CurlOpt.NOPROXY, b"")
        if proxy is not None:
            if proxy.username is not None or proxy.password is not None:
                easy.setopt(CurlOpt.PROXYUSERNAME, (proxy.username or "").encode())
                easy.setopt(CurlOpt.PROXYPASSWORD, (proxy.password or "").encode())
            easy.setopt(CurlOpt.SUPPRESS_CONNECT_HEADERS, 1)
        if ca is None:
            for option in (CurlOpt.SSL_VERIFYPEER, CurlOpt.SSL_VERIFYHOST,
                           CurlOpt.PROXY_SSL_VERIFYPEER, CurlOpt.PROXY_SSL_VERIFYHOST):  # fmt: skip
                easy.setopt(option, 0)
        elif _is_directory(ca):
            engine.unset(CurlOpt.CAINFO)
            engine.unset(CurlOpt.PROXY_CAINFO)
            easy.setopt(CurlOpt.CAPATH, ca)
            easy.setopt(CurlOpt.PROXY_CAPATH, ca)
        else:
            easy.setopt(CurlOpt.CAINFO, ca)
            easy.setopt(CurlOpt.PROXY_CAINFO, ca)

    def _advance(self) -> None:
        """Drive the transfer until something came of it: a head, some body, or its end."""
        engine, exchange, deadline = self._engine, self._exchange, self._deadline
        since = time.monotonic()  # Time that the consumer took before is no silence of the site.
        state: tuple[int, ...] = ()
        active = False
        while True:
            self._result = engine.step()
            if exchange.fault is not None:
                raise exchange.fault
            if self._result is not None or exchange.chunks:
                return
            if exchange.head_done and not self.status:
                return
            deadline.check()
            if self._closing:
                raise TransportError("The response was closed.", url=redact(self.url))
            # Bytes of a long upload, or that a decoder keeps for now, are no silence either.
            # curl counts what it has put into its buffer: only that the network took some counts.
            before, state = state, (exchange.heard, *engine.progress())
            if active and state != before:
                since = time.monotonic()
            sent, limits = engine.sent(exchange), deadline.timeout
            limit = limits.read if sent else limits.connect
            left = deadline.remaining(None if limit is None else limit - time.monotonic() + since)
            if left is not None and left <= 0:
                if sent:
                    raise _faults.read_timeout(self.url, deadline, self.status or None)
                raise _faults.connect_timeout(self.url, deadline, self._proxy)
            active = engine.wait(left)

    def _read(self) -> bytes:
        exchange = self._exchange
        if self._deadline.cancelled:
            self._deadline.check()
        if self.status == 101:
            return b""  # No body: what follows is another protocol, which nobody asked for.
        while not exchange.chunks:
            if exchange.paused:
                exchange.paused = False
                self._engine.unpause()
            elif self._result is None:
                self._advance()
            elif self._result == 0:
                return b""
            else:
                raise self._fault()
        return exchange.take()

    def _fault(self) -> ChatGptEsError:
        return _faults.bare(
            fault(
                self._result or 0,
                self.url,
                self._deadline,
                self._proxy,
                self._engine,
                self._exchange,
                self.status or None,
            )
        )

    def discard(self) -> None:
        """Close, and give the engine to nobody."""
        self._whole = False
        self.close()

    def _end(self, *, complete: bool) -> None:
        self._registration.close()
        engine = self._engine
        try:
            engine.stop()
        except BaseException:
            engine.close()
            raise
        if self._whole:
            self._transport.give_back(engine)
        else:
            engine.close()

    def _interrupt(self) -> None:
        self._engine.wake()
