"""The seam between a turn and the ways that sites speak: pure values, no I/O.

A dialect does three things: `find` reads a page and says which bots it shows, `say` is a generator
of the requests of one turn (each but the last is sent its whole response), and `hear` gives a
decoder for the last one's body.  The core drives it: it opens no socket and knows no transport.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, TypeAlias
from uuid import uuid4

from ..errors import ChatGptEsError, RefusedError
from ..values.http import Headers, Limits, Request
from ..values.images import Image
from ..values.reply import Citation, Usage

__all__ = [
    "Bot", "BufferedResponse", "Decoder", "Dialect", "Endpoint", "FoundBot", "Heard",
    "NonceRefused", "Page", "Question", "ReplyDetails", "Turn",
]  # fmt: skip

DialectName = str
Kind = Literal["shortcode", "widget", "inline", "popup", "rest"]


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot that a page shows.

    Attributes:
        id: its id on the site (str; "0" is the default bot of `wpaicg` sites).
        name: what the page calls it (str), or "".
        dialect: "wpaicg" (plugin up to 1.9.18, and 2.2), "aipkit" (2.3 on) or "rest" (with a key).
        kind: "shortcode" or "widget" (`wpaicg`), "inline" or "popup" (`aipkit`), or "rest".
        page: the address of the page that shows it (str).
        images: it takes images; None where the page does not say (`wpaicg`).
        web_search: it can search the web.
        consent: its page asks visitors to agree to something before they chat.
    """

    id: str
    name: str
    dialect: DialectName
    kind: Kind
    page: str
    images: bool | None = False
    web_search: bool = False
    consent: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how a bot is spoken to; what the page says of it that is not for users.

    Attributes:
        bot: the bot.
        url: where its requests go (admin-ajax.php, or the REST route).
        nonce: the page's nonce for it; "" where the dialect has none.
        post_id: the page's post id as the page gives it; "" where it gives none.
        page_url: the page's address as the page itself gives it, or that it was read from.
        keeps_response_id: the bot goes on from the model's own response ids (`aipkit`).
        headers: sent with every request (the REST key).
    """

    bot: Bot
    url: str
    nonce: str = field(default="", repr=False)
    post_id: str = ""
    page_url: str = ""
    keeps_response_id: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    nonce_first: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)


class FoundBot(NamedTuple):
    """A bot and its place in the page: the byte at which its element begins."""

    position: int
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Page:
    """A response that was read whole."""

    url: str
    status: int
    headers: Headers
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be said, for a dialect to put into requests.

    Attributes:
        endpoint: where.
        prompt: the last user message, with the system text where it belongs there.
        history: the (role, text) pairs before it; roles are "user" and "assistant".  Empty for a
            dialect whose memory lives on the site.
        visitor: this client's id (a UUID as str); the owner's limits hang on it.
        conversation: this conversation's id (a UUID as str).
        state: what an earlier turn of the conversation left in `Heard.state`.
        web_search: ask the bot to search the web.
        images: what goes with the prompt.
        id: a random id, new for each question.
    """

    endpoint: Endpoint
    prompt: str
    history: tuple[tuple[str, str], ...] = ()
    visitor: str = ""
    conversation: str = ""
    state: Mapping[str, str] = field(default_factory=dict)
    web_search: bool = False
    images: tuple[Image, ...] = ()
    id: str = field(default_factory=lambda: uuid4().hex)


@dataclass(slots=True)
class Heard:
    """What a decoder has learned besides the text."""

    model: str | None = None
    message_id: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    citations: list[Citation] = field(default_factory=list)
    state: dict[str, str] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    nonce: str | None = None


BufferedResponse: TypeAlias = Page
Question: TypeAlias = Turn
ReplyDetails: TypeAlias = Heard


class NonceRefused(RefusedError):
    """A refusal behind which a dead nonce stands, or may stand (internal: users see its base).

    The core asks for a fresh nonce, and repeats the turn once if that one differs.
    """


class Decoder(Protocol):
    """Bytes of a final response in, text out.

    `feed` and `end` give text first and raise afterwards, so no text that arrived before an error
    is lost.  What they raise is one of the library's own errors.
    """

    heard: Heard
    streamed: bool
    """The body is an event stream (known after the first bytes; before that, by its type)."""
    complete: bool
    """The answer's own end mark was seen: what follows is of no interest."""

    def feed(self, data: bytes) -> Iterator[str]:
        """Take the next bytes, cut anywhere; give the text chunks in them (never empty)."""
        ...

    def end(self) -> Iterator[str]:
        """The body has ended: give what is left, and raise if the answer is not whole."""
        ...


class Dialect(Protocol):
    """One way that sites speak."""

    name: DialectName
    remembers: bool
    """The site keeps the conversation; else every turn brings its history."""

    def find(self, page: Page) -> list[Endpoint]:
        """The bots that a page shows, in the page's order.

        Raises:
            UnexpectedFormatError: a bot's address is one that prompts may not be sent to.
        """
        ...

    def say(self, turn: Turn) -> Generator[Request, Page, None]:
        """The requests of a turn; each but the one marked `final` gets its response sent.

        Only responses with a 2xx status are sent: for others the core raises `fault()`.

        Raises:
            InvalidMessageError, InvalidConfigError: before the first of them: the site can't do
                what the turn asks for.
        """
        ...

    def hear(self, turn: Turn, url: str, status: int, headers: Headers, limits: Limits) -> Decoder:
        """A decoder for the body of the final response (2xx)."""
        ...

    def fault(self, page: Page) -> ChatGptEsError:
        """The error that a response to one of `say`'s requests with another status stands for."""
        ...

    def refresh(self, endpoint: Endpoint) -> Request | None:
        """A request that gets a fresh nonce, or None where only the page has one."""
        ...

    def refreshed(self, page: Page) -> str | None:
        """The nonce in the response to `refresh`, or None if there is none in it."""
        ...
