"""Addresses: where a request may go, how one goes over the wire, and how one is shown."""

from __future__ import annotations

import functools
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from .text import sanitize_line

__all__ = ["ascii_url", "may_send", "origin", "redact"]

_TELLING = frozenset({"p", "page_id", "rest_route"})
"""Parameters that say which page or route it is; any other may hold something secret."""
_LONGEST_SHOWN = 300  # Characters of an address in an error's text.
_LONGEST_HOST = 300  # Characters; DNS knows none of more than 253.
_PORTS = {"http": 80, "https": 443}
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
# Where the two standards for names in other scripts differ, so that the look-up may find
# another host than the comparison.
_AMBIGUOUS = frozenset("ßς\u200c\u200d")


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


def _place(parts: SplitResult) -> tuple[str, int | None]:
    """The host, in lower case and ASCII, and the port; ValueError where either can't be read."""
    return _read_place(parts.netloc.rpartition("@")[2])  # A password must not be remembered.


@functools.lru_cache(maxsize=256)  # A turn asks for the same one a dozen times.
def _read_place(netloc: str) -> tuple[str, int | None]:
    parts = SplitResult("", netloc, "", "", "")
    host = (parts.hostname or "").removesuffix(".").lower()
    if _AMBIGUOUS.intersection(host) or len(netloc) > _LONGEST_HOST:
        raise ValueError(netloc)
    if host and ":" not in host:  # Else it is an IPv6 address.
        host = host.encode("idna").decode("ascii")  # UnicodeError is a ValueError.
    return host, parts.port


def ascii_url(url: str) -> str:
    """`url` as it goes over the wire: an ASCII host, percent-encoded, without user and fragment.

    What is compared (`may_send`) and what a transport connects to are then the same.

    Raises:
        ValueError: its host or port can't be read, or its host has no certain ASCII form.
    """
    parts = urlsplit(url)
    host, port = _place(parts)
    host = _bracket(host) + ("" if port is None else f":{port}")
    path = quote(parts.path, safe=_PRINTABLE)
    query = quote(parts.query, safe=_PRINTABLE)
    return urlunsplit((parts.scheme, host, path, query, ""))


def origin(url: str) -> str:
    """Scheme, host and port of `url`, as a browser's `Origin` header writes them."""
    parts = urlsplit(url)
    try:
        host, number = _place(parts)
    except ValueError:
        # To be shown, or to find out that it is no host.
        host, number = (parts.hostname or "").lower(), parts.port
    port = "" if number in (None, _PORTS.get(parts.scheme)) else f":{number}"
    return f"{parts.scheme}://{_bracket(host)}{port}"


def may_send(url: str, to: str) -> bool:
    """Tell whether a request meant for `url` may go to the address `to`, such as a redirect's.

    Only to the same host (with or without `www.`) over http or https, never from https to http,
    and to the same port but for the step from http to https.
    """
    try:
        a, b = urlsplit(url), urlsplit(to)
        (a_host, a_port), (b_host, b_port) = _place(a), _place(b)
    except ValueError:
        return False
    if b.scheme not in _PORTS or not b_host or (a.scheme, b.scheme) == ("https", "http"):
        return False
    if a_host.removeprefix("www.") != b_host.removeprefix("www."):
        return False
    same_port = (a_port or _PORTS.get(a.scheme)) == (b_port or _PORTS[b.scheme])
    return same_port or (a.scheme, b.scheme) == ("http", "https")
