"""The errors of all transports: the same sentences, whichever library is below.

The libraries' own exceptions are never quoted whole and never chained: they hold addresses with
nonces and proxy passwords.
"""

from __future__ import annotations

import os
from typing import Literal
from urllib.parse import urlsplit

from ..errors import (
    ChatGptEsError,
    ConnectError,
    Hint,
    ProxyError,
    RequestTimeout,
    ResponseTooLargeError,
    TLSError,
    TransportError,
)
from ..values.deadline import Deadline
from ..values.proxy import Proxy
from ..values.urls import redact

__all__ = [
    "bad_encoding", "broken", "cannot_begin", "closed", "headers_too_large", "name_not_found",
    "no_thread", "not_http", "not_resent", "of_parent", "proxy_failed", "response_closed",
    "timed_out", "tls_failed", "unpacks_to_more", "unreachable", "without_context",
]  # fmt: skip


def without_context(error: ChatGptEsError) -> ChatGptEsError:
    """`error` without the libraries' exceptions and frames around it, which hold secrets.

    To be raised outside of any `except` block, which would give it a context again.
    """
    error.__context__ = error.__cause__ = error.__traceback__ = None
    return error


def host_of(url: str) -> str:
    """Host and port of `url`, as an error names them."""
    return urlsplit(redact(url)).netloc or "the site"


def closed() -> TransportError:
    return TransportError("This transport is closed; a new client opens a new one.")


def no_thread(reason: str) -> ChatGptEsError:
    return ChatGptEsError(f"The turn needs a thread, and the system gives none: {reason}.")


def response_closed(url: str) -> TransportError:
    return TransportError("The response was closed.", url=redact(url))


def of_parent(url: str = "") -> TransportError:
    return TransportError(
        "A response that was under way at a fork belongs to the parent process.",
        url=redact(url) or None,
    )


def cannot_begin(url: str, code: int) -> TransportError:
    return TransportError(f"curl can't begin this request (code {code}).", url=redact(url))


def name_not_found(url: str) -> ConnectError:
    return ConnectError(
        f"The name {urlsplit(redact(url)).hostname or '?'} was not found."
        " Check the address and the network.",
        url=redact(url),
    )


def unreachable(url: str, errno: int | None = None) -> ConnectError:
    reason = os.strerror(errno) if errno else ""
    return ConnectError(
        f"No connection to {host_of(url)}{_brackets(reason)}."
        " Check that the site is up and that nothing blocks the way to it.",
        url=redact(url),
    )


def timed_out(
    url: str, deadline: Deadline, proxy: Proxy | None, *, sent: bool, status: int | None
) -> ChatGptEsError:
    """The limit of connecting, or of silence once the request was `sent`, has passed.

    Or the turn was cancelled, or its total has passed: then this says so.
    """
    try:
        deadline.check()
    except ChatGptEsError as sooner:
        return without_context(sooner)
    limits = deadline.timeout
    if sent:
        where = "sent no answer" if status is None else "fell silent in the middle of its answer"
        message = f"{host_of(url)} {where} for {limits.read or 0:g} s."
    else:
        through = f" through the proxy {proxy.address}" if proxy else ""
        message = f"No connection to {host_of(url)}{through} within {limits.connect or 0:g} s."
    phase: Literal["read", "connect"] = "read" if sent else "connect"
    return RequestTimeout(
        message,
        phase=phase,
        hint=Hint(f"timeout.{phase}", purpose="to allow more"),
        url=redact(url),
        status=status,
    )


def proxy_failed(
    url: str, proxy: Proxy, *, status: int | None = None, reason: str = ""
) -> ProxyError:
    """The proxy was not reached, or answered a CONNECT with `status`, or a SOCKS refusal."""
    hint = None
    if status == 407 or (status is None and reason == "password"):
        what = "refused the user name and password it was given"
        if proxy.username is None:
            what = "wants a user name and password"
            hint = Hint("proxy", purpose="to give both, as scheme://user:password@host:port")
    elif status is not None:
        what = f"refused to connect to {host_of(url)} (HTTP {status})"
    else:
        what = f"could not be used{_brackets(reason)}"
    return ProxyError(
        f"The proxy {proxy.address} {what}.", url=redact(url), status=status, hint=hint
    )


def tls_failed(url: str, reason: str, *, certificate: bool) -> TLSError:
    why = _brackets(reason.strip().rstrip("."))
    if certificate:
        return TLSError(
            f"The certificate of {host_of(url)} is not trusted{why}.",
            url=redact(url),
            hint=Hint("verify", purpose="to give the file of the site's own CA"),
        )
    return TLSError(
        f"The TLS handshake with {host_of(url)} failed{why}."
        " Check that the address is right and that the site speaks https there.",
        url=redact(url),
    )


def broken(url: str, status: int | None = None, reason: str = "") -> TransportError:
    """The connection broke after the request had, or may have, been sent."""
    when = "before it answered" if status is None else "in the middle of its answer"
    return TransportError(
        f"The connection to {host_of(url)} broke {when}{_brackets(reason)}.",
        url=redact(url),
        status=status,
    )


def not_resent(url: str) -> TransportError:
    return TransportError(
        f"{host_of(url)} closed the connection before it answered. The request may have been"
        " heard, so it was not sent again.",
        url=redact(url),
    )


def not_http(url: str) -> TransportError:
    return TransportError(
        f"What {host_of(url)} sent back is not HTTP. Check the address and the port.",
        url=redact(url),
    )


def bad_encoding(url: str, status: int | None, coding: str, reason: str) -> TransportError:
    return TransportError(
        f"The answer of {host_of(url)} says that it is encoded as {coding[:40]!r}, and {reason}.",
        url=redact(url),
        status=status,
    )


def headers_too_large(url: str, limit: int) -> ResponseTooLargeError:
    # http.client, below requests, takes no more than 100 lines, and libcurl no more than 300 KiB.
    return ResponseTooLargeError(
        f"The headers of {host_of(url)}'s answer are too large: at most {limit:,} bytes"
        " are read, and by requests at most 100 lines.",
        url=redact(url),
        hint=Hint("limits.headers", purpose="to allow more"),
    )


def _brackets(reason: str) -> str:
    return f" ({reason})" if reason else ""


def unpacks_to_more(url: str, status: int | None) -> ResponseTooLargeError:
    """So much came out of so little at once that the transport's buffers were full."""
    return ResponseTooLargeError(
        f"What {host_of(url)} sent unpacks to more at once than is taken.",
        url=redact(url),
        status=status,
    )
