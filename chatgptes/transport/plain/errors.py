"""The exceptions of http.client, ssl and sockets as our errors."""

from __future__ import annotations

import http.client
import os
import socket
import ssl

from ...errors import ChatGptEsError
from .. import errors as _faults
from .connections import HeadersTooLarge, TunnelRefused
from .sockets import Operation
from .socks import SocksRefused

__all__ = ["error_for"]


def error_for(operation: Operation, error: Exception) -> ChatGptEsError:
    """The error for an exception about the request under way."""
    url, sent = operation.url, operation.stage in ("head", "body")
    if isinstance(error, TimeoutError) or operation.deadline.cancelled:
        return _faults.timed_out(
            url, operation.deadline, operation.proxy, sent=sent, status=operation.status
        )
    # http.client says only in words that there are too many headers.
    too_large = (HeadersTooLarge, http.client.LineTooLong)
    if isinstance(error, too_large) or "got more than" in str(error):
        return _faults.headers_too_large(url, operation.max_headers)
    if not sent:
        return _connect_error(operation, error)
    not_http = (http.client.BadStatusLine, http.client.UnknownProtocol)
    if isinstance(error, not_http) and not isinstance(error, http.client.RemoteDisconnected):
        return _faults.not_http(url)
    return _faults.broken(url, operation.status)


def _connect_error(operation: Operation, error: Exception) -> ChatGptEsError:
    url, proxy = operation.url, operation.proxy
    if proxy is not None and operation.stage != "tls":
        if isinstance(error, SocksRefused):
            return _faults.proxy_failed(url, proxy, reason=str(error))
        if isinstance(error, TunnelRefused):
            return _faults.proxy_failed(url, proxy, status=error.status)
        if isinstance(error, socket.gaierror) and operation.stage == "proxy":
            return _faults.name_not_found(url)  # socks5 resolves the site's name here.
        return _faults.proxy_failed(url, proxy, reason=_reason(error))
    if isinstance(error, socket.gaierror):
        return _faults.name_not_found(url)
    if operation.stage == "tls" and url.startswith("https:"):
        certificate = isinstance(error, ssl.SSLCertVerificationError)
        return _faults.tls_failed(url, _reason(error), certificate=certificate)
    return _faults.unreachable(url, getattr(error, "errno", None))


def _reason(error: Exception) -> str:
    """The few words of an exception that hold neither addresses nor secrets."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it broke off").lower().replace("_", " ")
    if isinstance(error, socket.gaierror):
        return "its name was not found"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return "it broke off" if isinstance(error, OSError) else "it does not speak HTTP"
