"""A request on its way through a handle of libcurl: its start, its limits and its errors."""

from __future__ import annotations

import os
import time

from ...errors import ChatGptEsError
from ...values.deadline import Deadline
from ...values.http import Request
from .. import errors as _faults
from .exchange import Exchange
from .handle import REFUSED, CurlError, Handle
from .multi import Multi
from .setup import CurlSettings

__all__ = ["Transfer"]

_STARTS = 4

# curl's result codes.
_BAD_URL, _PROXY_NAME, _NAME, _CONNECT, _TIMED_OUT = 3, 5, 6, 7, 28
_TLS = frozenset({35, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98})
_CERTIFICATE = frozenset({60, 83, 90, 91})
_NOT_HTTP = frozenset({1, 8})
_BAD_ENCODING = 61
_TOO_LARGE = 100

# CURLproxycode
_SOCKS_LOGIN = frozenset({12, 33})  # No method accepted, user rejected.
_SOCKS_RESOLVE = 27


class Transfer(Exchange):
    """A request and its response, with all that libcurl has to know of them.

    Attributes:
        handle: libcurl's, while it runs.
        since: when the current silence began (`time.monotonic()`).
    """

    __slots__ = (
        "deadline", "handle", "lines", "progress", "proxy", "request", "settings", "since",
        "starts",
    )  # fmt: skip

    def __init__(self, settings: CurlSettings, request: Request, deadline: Deadline) -> None:
        super().__init__(repeatable=request.repeatable, max_headers=settings.max_headers)
        self.settings = settings
        self.request = request
        self.deadline = deadline
        self.lines = settings.header_lines(request)
        self.proxy = settings.routes.route(request.url)
        self.handle: Handle | None = None
        self.starts = 0
        self.since = time.monotonic()
        self.progress = (0, 0, 0)

    def begin(self, handle: Handle, multi: Multi) -> ChatGptEsError | None:
        """Go through `handle`; the error where libcurl does not take the request."""
        self.handle = handle
        deadline, lines = self.deadline, self.lines
        self.lines = ()  # They may be secret.
        try:
            limit = deadline.remaining(deadline.timeout.connect)
            self.settings.apply(handle, self.request, lines, self.proxy, limit)
            handle.report_to(self)
            multi.add(handle)
        except (CurlError, UnicodeError) as error:
            # None may come through: it would end the hub's thread, and with it all others' streams.
            return _faults.cannot_begin(self.request.url, getattr(error, "code", _BAD_URL))
        return None

    def begun_anew(self, code: int, multi: Multi) -> bool:
        """Begin anew where it ended since libcurl had chosen a connection that has ended."""
        if code != REFUSED or not self.stale:
            return False
        assert self.handle is not None
        multi.remove(self.handle)
        self.starts += 1
        self.stale = False
        self.handle.begin_anew(fresh=self.starts >= _STARTS)
        multi.add(self.handle)
        return True

    def leave(self, multi: Multi) -> bool:
        """Leave the handle, finished or not; connections that are whole are kept.

        Returns whether a thread of libcurl may still look up the name.
        """
        handle, self.handle = self.handle, None
        if handle is None:
            return False
        looking_up = not self.requests and handle.may_look_up()
        # The callbacks may be freed only afterwards, even if Ctrl-C lands between these lines.
        multi.remove(handle)
        handle.release()
        return looking_up

    def connection_ended(self) -> bool:
        return self.handle is not None and self.handle.connection_ended()

    def note_progress(self, now: float) -> None:
        """Let the silence begin anew if something came or went that the reader does not see.

        Bytes of a long upload, or that a decoder keeps for now, are no silence either.  curl counts
        what it has put into its buffer: only that the network took some counts.  With a body, the
        reader's next wait begins anew, and knows better when.
        """
        if self.handle is not None:
            sent, came = self.handle.progress()
            progress = (self.received, sent, came - self.body_size)
            if progress != self.progress:
                self.progress, self.since = progress, now

    def check_proxy(self) -> None:
        """Raise ProxyError if the response, whose head has come, is a proxy's refusal."""
        if self.status == 407 and self.proxy is not None and self.proxy.forwards(self.request.url):
            raise _faults.proxy_failed(self.request.url, self.proxy, status=407)

    def timeout_error(self) -> ChatGptEsError:
        """The error of a silence that is too long."""
        return _faults.timed_out(
            self.request.url,
            self.deadline,
            self.proxy,
            sent=self.requests > 0,
            status=self._known_status,
        )

    def error_for(self, code: int) -> ChatGptEsError:
        """The error for curl's result `code`, other than 0 or before the response's head came."""
        return _faults.without_context(self._error_for(code))

    @property
    def _known_status(self) -> int | None:
        return self.status if self.head_done else None

    def _error_for(self, code: int) -> ChatGptEsError:
        url, status = self.request.url, self._known_status
        assert self.handle is not None
        if self.resent:
            return _faults.not_resent(url)
        text = self.handle.error_text()
        too_large = "response headers" in text or (code == _TOO_LARGE and status is None)
        if self.too_large or too_large:
            return _faults.headers_too_large(url, self.max_headers)
        if code == _TOO_LARGE:
            return _faults.unpacks_to_more(url, status)
        if code == _TIMED_OUT:
            return self.timeout_error()
        try:
            self.deadline.check()
        except ChatGptEsError as error:
            return error
        if not self.requests:
            return self._connect_error(code, self.handle, text)
        if code in _NOT_HTTP and status is None:
            return _faults.not_http(url)
        if code == _BAD_ENCODING:
            return _faults.bad_encoding(url, status, self.headers.get("content-encoding"), "is not")
        return _faults.broken(url, status, f"curl code {code}")

    def _connect_error(self, code: int, handle: Handle, text: str) -> ChatGptEsError:
        url, proxy = self.request.url, self.proxy
        errno, connect_status, socks = handle.connect_info()
        if proxy is not None and code != _NAME:
            if connect_status >= 300:
                return _faults.proxy_failed(url, proxy, status=connect_status)
            # With a proxy, TLS is the site's unless the proxy is spoken to in TLS itself.
            if code not in _TLS or (proxy.scheme == "https" and connect_status == 0):
                if socks == _SOCKS_RESOLVE:
                    return _faults.name_not_found(url)
                if socks in _SOCKS_LOGIN:
                    reason = "password"
                elif code == _PROXY_NAME:
                    reason = "its name was not found"
                elif code == _CONNECT and errno:
                    reason = os.strerror(errno)
                else:
                    reason = text
                return _faults.proxy_failed(url, proxy, reason=reason)
        if code == _NAME:
            return _faults.name_not_found(url)
        if code in _TLS or (url.startswith("https:") and code != _CONNECT):
            return _faults.tls_failed(url, text, certificate=code in _CERTIFICATE)
        return _faults.unreachable(url, errno)
