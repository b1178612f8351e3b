"""Values of HTTP that both the sites and the transports speak of: no I/O."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from .errors import InvalidConfigError

__all__ = ["Headers", "Limits", "Request", "ascii_url", "may_send", "origin", "redact"]


class Headers:
    """Response headers: names without regard to case, several values a name."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping) else items
        self._items = tuple((name.lower(), value) for name, value in pairs)

    def get(self, name: str, default: str = "") -> str:
        """The first value of `name`, or `default`."""
        name = name.lower()
        return next((value for key, value in self._items if key == name), default)

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order."""
        name = name.lower()
        return [value for key, value in self._items if key == name]

    def items(self) -> tuple[tuple[str, str], ...]:
        """All (name, value) pairs, names in lower case."""
        return self._items

    def __contains__(self, name: str) -> bool:
        return any(key == name.lower() for key, _ in self._items)

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self._items)

    def __repr__(self) -> str:
        # Values can be secrets (cookies); names are enough to debug with.
        return f"<Headers {', '.join(key for key, _ in self._items)}>"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, complete: a transport adds nothing but how it looks on the wire.

    Attributes:
        method: "GET" or "POST".
        url: absolute, without user name or password.
        headers: to be sent as they are (they win over a transport's own); values may be secret.
        body: bytes, or None.
        mode: "navigate" for a page, "fetch" for what a page's script would ask for.
        referrer: the page that asks, for a transport that looks like a browser.
        repeatable: sending it twice does no harm.  Where False, a transport must not send it
            again once any of it may have been heard.
        final: its response is the bot's answer.
    """

    method: Literal["GET", "POST"]
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    mode: Literal["navigate", "fetch"] = "fetch"
    referrer: str | None = None
    repeatable: bool = True
    final: bool = False

    def __repr__(self) -> str:
        return f"<Request {self.method} {redact(self.url)}>"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken before `ResponseTooLargeError` (or, for a prompt, `InvalidMessageError`).

    Attributes:
        prompt: characters of what one call is given: a prompt, or all messages of a list.
        image: bytes of one image that goes with it.
        page: bytes of the page that shows the bot.
        answer: bytes of an answer that comes in one piece.
        stream: bytes of an answer that comes as an event stream.
        event: bytes of one event of it.
        headers: bytes of a response's headers.
    """

    prompt: int = 1_000_000
    image: int = 10 << 20
    page: int = 16 << 20
    answer: int = 16 << 20
    stream: int = 64 << 20
    event: int = 4 << 20
    headers: int = 256 << 10

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
                raise InvalidConfigError(f"limits: {name} must be a positive int, not {value!r}.")


_TELLING = frozenset({"p", "page_id", "rest_route"})
"""Parameters that say which page or route it is; any other may hold something secret."""


def redact(url: str) -> str:
    """`url` without user name, password, fragment, and parameters that may be secret."""
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
    return urlunsplit((parts.scheme, host, parts.path, "&".join(shown), ""))


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _port(parts: SplitResult) -> int | None:
    return _place(parts.netloc)[1] or {"http": 80, "https": 443}.get(parts.scheme)


# Where the two standards for names in other scripts differ, so that whoever looks the name up may
# find another host than whoever compared it.
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
    """May what is meant for `url` go to the address `to`?

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
