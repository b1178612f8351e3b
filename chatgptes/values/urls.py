"""Addresses: where a request may go, how one goes over the wire, and how one is shown."""

from __future__ import annotations

import functools
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from .text import sanitize_line

__all__ = ["ascii_url", "may_send", "origin", "redact"]

_TELLING = frozenset({"p", "page_id", "rest_route"})
"""Parameters that say which page or route it is; any other may hold something secret."""


_LONGEST_SHOWN = 300  # Characters of an address in an error's text.


def redact(url: str) -> str:
    """Return `url` to be shown: sanitized, cut to 300 characters, and without secrets.

    User name, password, fragment, and parameters that may be secret are left out.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "(an unreadable URL)"
    host = _bracket(parts.hostname or "") + (f":{port}" if port else "")
    pairs = parts.query.split("&") if parts.query else []
    shown = [pair for pair in pairs if pair.partition("=")[0] in _TELLING]
    if len(shown) < len(pairs):
        shown.append("…")
    address = urlunsplit((parts.scheme, host, parts.path, "&".join(shown), ""))
    return sanitize_line(address, _LONGEST_SHOWN)


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _port(parts: SplitResult) -> int | None:
    return _place(parts.netloc)[1] or {"http": 80, "https": 443}.get(parts.scheme)


# Where the two standards for names in other scripts differ, so that the look-up may find
# another host than the comparison.
_AMBIGUOUS = frozenset("ßς\u200c\u200d")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def _place(netloc: str) -> tuple[str, int | None]:
    """Host and port of `netloc`; ValueError where either can't be read."""
    where = netloc.rpartition("@")[2]  # A password must not be remembered.
    return _known_place(where) if len(where) <= 300 else _read_place(where)


def _read_place(netloc: str) -> tuple[str, int | None]:
    parts = SplitResult("", netloc, "", "", "")
    host = (parts.hostname or "").removesuffix(".").lower()
    if _AMBIGUOUS.intersection(host):
        raise ValueError(host)
    if host and ":" not in host:  # Else it is an IPv6 address.
        host = host.encode("idna").decode("ascii")  # UnicodeError is a ValueError.
    return host, parts.port


_known_place = functools.lru_cache(maxsize=256)(_read_place)
"""A turn asks for the same one a dozen times."""


def _host(parts: SplitResult) -> str:
    """The host in lower case and ASCII; ValueError where it has no certain ASCII form."""
    return _place(parts.netloc)[0]


def ascii_url(url: str) -> str:
    """`url` as it goes over the wire: an ASCII host, percent-encoded, without user and fragment.

    What is compared (`may_send`) and what a transport connects to are then the same.

    Raises:
        ValueError: its host or port can't be read, or its host has no certain ASCII form.
    """
    parts = urlsplit(url)
    host, port = _place(parts.netloc)
    host = _bracket(host) + ("" if port is None else f":{port}")
    path = quote(parts.path, safe=_PRINTABLE)
    query = quote(parts.query, safe=_PRINTABLE)
    return urlunsplit((parts.scheme, host, path, query, ""))


def origin(url: str) -> str:
    """Scheme, host and port of `url`, as a browser's `Origin` header writes them.

    Raises:
        ValueError: its host or port can't be read.
    """
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    try:
        host, number = _place(parts.netloc)
    except ValueError:
        # To be shown, or to find out that it is no host.
        host, number = (parts.hostname or "").lower(), parts.port
    port = "" if number in (None, default) else f":{number}"
    return f"{parts.scheme}://{_bracket(host)}{port}"


def may_send(url: str, to: str) -> bool:
    """Tell whether a request meant for `url` may go to the address `to`, such as a redirect's.

    Only to the same host (with or without `www.`) over http or https, never from https to http,
    and to the same port but for the step from http to https.
    """
    try:
        a, b = urlsplit(url), urlsplit(to)
        a_host, b_host = _host(a).removeprefix("www."), _host(b).removeprefix("www.")
        a_port, b_port = _port(a), _port(b)
    except ValueError:
        return False
    if b.scheme not in ("http", "https") or not b.hostname:
        return False
    if a.scheme == "https" and b.scheme == "http":
        return False
    if a_host != b_host:
        return False
    return a_port == b_port or (a.scheme, b.scheme) == ("http", "https")
