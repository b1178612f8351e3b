"""curl's result codes as our errors."""

from __future__ import annotations

import os

from ...errors import ChatGptEsError
from .. import errors as _errors
from .handle import Handle
from .transfer import Transfer

__all__ = ["error_for"]

_PROXY_NAME, _NAME, _CONNECT, _TIMED_OUT = 5, 6, 7, 28
_TLS = frozenset({35, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98})
_CERTIFICATE = frozenset({60, 83, 90, 91})
_NOT_HTTP = frozenset({1, 8})
_BAD_ENCODING = 61
_TOO_LARGE = 100

# CURLproxycode
_SOCKS_LOGIN = frozenset({12, 33})  # No method accepted, user rejected.
_SOCKS_RESOLVE = 27


def error_for(transfer: Transfer, code: int) -> ChatGptEsError:
    """The error for curl's result `code`, which is not 0, or is 0 without a whole head."""
    url, status = transfer.request.url, transfer.status if transfer.head_done else None
    assert transfer.handle is not None
    text = transfer.handle.error_text()
    if transfer.resent:
        return _errors.not_resent(url)
    too_large = "response headers" in text or (code == _TOO_LARGE and status is None)
    if transfer.too_large or too_large:
        return _errors.headers_too_large(url, transfer.settings.max_headers)
    if code == _TOO_LARGE:
        return _errors.unpacks_to_more(url, status)
    if code == _TIMED_OUT:
        return transfer.timeout_error()
    try:
        transfer.deadline.check()
    except ChatGptEsError as error:
        return _errors.without_context(error)
    if not transfer.requests:
        return _connect_error(transfer, code, transfer.handle, text)
    if code in _NOT_HTTP and status is None:
        return _errors.not_http(url)
    if code == _BAD_ENCODING:
        coding = transfer.headers.get("content-encoding")
        return _errors.bad_encoding(url, status, coding, "is not")
    return _errors.broken(url, status, f"curl code {code}")


def _connect_error(transfer: Transfer, code: int, handle: Handle, text: str) -> ChatGptEsError:
    url, proxy = transfer.request.url, transfer.proxy
    errno, connect_status, socks = handle.connect_info()
    if proxy is not None and code != _NAME:
        if connect_status >= 300:
            return _errors.proxy_failed(url, proxy, status=connect_status)
        # With a proxy, TLS is the site's unless the proxy is spoken to in TLS itself.
        if code not in _TLS or (proxy.scheme == "https" and connect_status == 0):
            if socks == _SOCKS_RESOLVE:
                return _errors.name_not_found(url)
            if socks in _SOCKS_LOGIN:
                reason = "password"
            elif code == _PROXY_NAME:
                reason = "its name was not found"
            elif code == _CONNECT and errno:
                reason = os.strerror(errno)
            else:
                reason = text
            return _errors.proxy_failed(url, proxy, reason=reason)
    if code == _NAME:
        return _errors.name_not_found(url)
    if code in _TLS or (url.startswith("https:") and code != _CONNECT):
        return _errors.tls_failed(url, text, certificate=code in _CERTIFICATE)
    return _errors.unreachable(url, errno)
