"""The blocking transport over libcurl.

A pool of engines, taken one per request and given back, each driven by the thread that reads its
response.
"""

from __future__ import annotations

import os
import time
from typing import Any

from ...errors import ChatGptEsError, TransportError
from ...values.deadline import Deadline, Registration
from ...values.http import Request
from ...values.proxy import Proxy
from ...values.urls import origin
from .. import errors as _faults
from ..response import StreamedResponse
from .engine import Engine
from .errors import fault
from .exchange import Exchange
from .handle import CurlError
from .setup import Settings

__all__ = ["CurlTransport"]

_IDLE_ENGINES = 32


class CurlTransport:
    """HTTP through curl_cffi: no cookies, no redirects, no retries, no netrc.

    Usable from many threads at once, picklable (as its settings), and usable after a fork (the
    child opens its own connections).
    """

    def __init__(self, **options: Any) -> None:
        """Make a transport; nothing is opened yet.

        Args:
            options: see `Settings`.

        Raises:
            InvalidConfigError: the target, the proxy or the CA path can't be used.
        """
        self._settings = Settings(**options)
        self._closed = False
        self._pid = os.getpid()
        # Its operations are atomic, so there is no lock that a fork could leave taken.
        self._idle: list[Engine] = []

    @property
    def impersonates(self) -> bool:
        """Its identity headers are a browser's, and nobody else's to set."""
        return self._settings.target is not None

    def __repr__(self) -> str:
        if "_closed" not in self.__dict__:
            return "<CurlTransport, not made>"
        return f"<CurlTransport {self._settings!r}{' closed' if self._closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._settings.arguments,)

    def send(self, request: Request, deadline: Deadline) -> StreamedResponse:
        """Send one request: see `base.Transport.send`."""
        if self._closed:
            raise _faults.closed()
        deadline.check()
        lines = self._settings.header_lines(request)
        engine = self._take(origin(request.url))
        response = _Response(self, self._settings, request, deadline, engine)
        try:
            response.begin(lines)
        except ChatGptEsError as error:
            response.close()
            self._settings.explain(error)
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
                return engine
        engine = Engine()
        engine.key = key
        return engine

    def give_back(self, engine: Engine) -> None:
        """Take an engine that has been stopped, or close it if there are enough."""
        if self._closed or engine.looking_up or not engine.alive:
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


class _Response(StreamedResponse):
    def __init__(
        self,
        transport: CurlTransport,
        settings: Settings,
        request: Request,
        deadline: Deadline,
        engine: Engine,
    ) -> None:
        super().__init__(request.url)
        self._transport = transport
        self._settings = settings
        self._request = request
        self._deadline = deadline
        self._engine = engine
        self._exchange = Exchange(
            repeatable=request.repeatable,
            max_headers=settings.max_headers,
            connection_ended=engine.easy.connection_ended,
        )
        self._proxy: Proxy | None = None
        self._result: int | None = None
        self._whole = True
        self._registration: Registration = deadline.on_cancel(engine.wake)
        self._ended = False

    def begin(self, lines: tuple[bytes, ...]) -> None:
        """Send the request and wait for the response's head."""
        engine, exchange, deadline = self._engine, self._exchange, self._deadline
        proxy = self._proxy = self._settings.route(self._request)
        problem: TransportError | None = None
        try:
            limit = deadline.remaining(deadline.timeout.connect)
            self._settings.apply(engine.easy, self._request, lines, limit)
            engine.start(exchange)
        except CurlError as error:
            problem = _faults.cannot_begin(self.url, error.code)
        if problem is not None:
            self._whole = False
            raise _faults.without_context(problem)
        while not exchange.head_done:
            if self._result is not None:
                raise self._fault()
            self._advance()
        if exchange.status == 407 and proxy is not None and proxy.forwards(self.url):
            raise _faults.proxy_failed(self.url, proxy, status=407)
        self.status = exchange.status
        self.headers = exchange.headers

    def _advance(self) -> None:
        """Drive the transfer until something came of it: a head, some body, or its end."""
        engine, exchange, deadline = self._engine, self._exchange, self._deadline
        multi, limits = engine.multi, deadline.timeout
        since = time.monotonic()  # Time that the consumer took before is no silence of the site.
        state: tuple[int, ...] = ()
        while True:
            sent = bool(self.status) or engine.easy.sent()
            limit = limits.read if sent else limits.connect
            left = deadline.remaining(None if limit is None else limit - time.monotonic() + since)
            if left is not None and left <= 0:
                raise self._timeout_error(sent)
            # Waited for first: where libcurl has something to do already, it does not wait.
            active = multi.wait(left)
            if ended := multi.step():
                self._result = engine.result(ended)
            if self._result is not None or exchange.chunks:
                return
            if exchange.head_done and not self.status:
                return
            if deadline.cancelled:
                deadline.check()
            if self._closing:
                raise _faults.response_closed(self.url)
            # Bytes of a long upload, or that a decoder keeps for now, are no silence either.
            # curl counts what it has put into its buffer: only that the network took some counts.
            if active:
                before, state = state, (exchange.received, *engine.easy.progress())
                if state != before:
                    since = time.monotonic()

    def _timeout_error(self, sent: bool) -> ChatGptEsError:
        self._deadline.check()
        if sent:
            return _faults.read_timeout(self.url, self._deadline, self.status or None)
        return _faults.connect_timeout(self.url, self._deadline, self._proxy)

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
        return _faults.without_context(
            fault(
                self._result or 0,
                self.url,
                self._deadline,
                self._proxy,
                self._engine.easy,
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
