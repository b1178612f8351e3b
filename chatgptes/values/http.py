"""Values of HTTP that both the sites and the transports speak of: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..errors import InvalidConfigError
from .urls import redact

__all__ = ["Headers", "Limits", "Request"]


class Headers:
    """Response headers: names without regard to case, several values a name."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping) else items
        self._items = tuple([(name.lower(), value) for name, value in pairs])

    def get(self, name: str, default: str = "") -> str:
        """The first value of `name`, or `default`."""
        return next(iter(self.get_all(name)), default)

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
        repeatable: it may be sent twice.  Where False, a transport must not send it
            again once any of it may have been received.
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
    """The limits of sizes: beyond them comes a `ResponseTooLargeError`, or for what is sent an
    `InvalidMessageError`.

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
