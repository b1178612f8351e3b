"""The exceptions of requests, urllib3, http.client and ssl as our errors."""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
from collections.abc import Iterator

from ...errors import ChatGptEsError
from .. import errors as _errors
from .sockets import Operation
from .socks import SocksRefused

__all__ = ["connect_error", "error_for"]


def connect_error(operation: Operation, error: Exception) -> ChatGptEsError:
    """The error for an exception that ended a connection before anything was sent."""
    url, proxy = operation.url, operation.proxy
    if isinstance(error, TimeoutError) or operation.deadline.cancelled:
        return _timed(operation)
    if proxy is not None and operation.stage != "tls":
        if isinstance(error, SocksRefused):
            return _errors.proxy_failed(url, proxy, reason=str(error))
        refused = re.search(r"Tunnel connection failed: (\d{3})", str(error))
        if refused:
            return _errors.proxy_failed(url, proxy, status=int(refused[1]))
        if isinstance(error, socket.gaierror) and operation.stage == "proxy":
            return _errors.name_not_found(url)  # socks5 resolves the site's name here.
        return _errors.proxy_failed(url, proxy, reason=_reason(error))
    if isinstance(error, socket.gaierror):
        return _errors.name_not_found(url)
    if operation.stage == "tls" and url.startswith("https:"):
        certificate = isinstance(error, ssl.SSLCertVerificationError)
        return _errors.tls_failed(url, _reason(error), certificate=certificate)
    return _errors.unreachable(url, getattr(error, "errno", None))


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


def _timed(operation: Operation) -> ChatGptEsError:
    return _errors.timed_out(
        operation.url,
        operation.deadline,
        operation.proxy,
        sent=operation.stage in ("head", "body"),
        status=operation.status,
    )


def error_for(operation: Operation, error: BaseException) -> ChatGptEsError:
    """The error for an exception of the libraries about the request under way."""
    if operation.error is not None:
        return operation.error
    causes = list(_causes(error))
    if operation.deadline.cancelled or any(isinstance(e, TimeoutError) for e in causes):
        return _timed(operation)
    url = operation.url
    for cause in causes:
        if isinstance(cause, http.client.RemoteDisconnected):
            break
        if isinstance(cause, http.client.LineTooLong) or "got more than" in str(cause):
            return _errors.headers_too_large(url, operation.max_headers)
        if isinstance(cause, (http.client.BadStatusLine, http.client.UnknownProtocol)):
            return _errors.not_http(url)
    return _errors.broken(url, operation.status)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and all that it wraps."""
    todo, seen = [error], set()
    while todo:
        error = todo.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        wrapped = (*error.args, getattr(error, "reason", None), error.__cause__, error.__context__)
        todo.extend(e for e in wrapped if isinstance(e, BaseException))
