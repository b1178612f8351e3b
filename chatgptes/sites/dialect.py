"""The seam between a turn and the ways that sites are talked to: pure values, no I/O.

A dialect reads a page (`find`), makes the requests of a turn (`requests`, a generator that is
sent the whole response to each request but the last), and decodes the last response (`decoder`).
The turn drives it: a dialect opens no socket and knows no transport.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import (
    Hint,
    InvalidConfigError,
    InvalidMessageError,
    RefusedError,
    ResponseError,
    UnexpectedFormatError,
)
from ..values.http import Limits, Request
from ..values.images import Image
from .decoder import Decoder
from .details import ReplyDetails
from .html import Tag, attributes, tags
from .response import BufferedResponse

__all__ = [
    "Bot", "BufferedResponse", "Decoder", "Dialect", "Endpoint", "FoundBot", "NonceRefused",
    "Question", "ReadBot", "ReplyDetails",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot that a page shows.

    Attributes:
        id: its id on the site (str; "0" is the default bot of `wpaicg` sites).
        name: what the page calls it (str), or "".
        dialect: "wpaicg" (AI Power up to 1.9.18, and 2.2), "aipkit" (2.3 on) or "mwai" (AI Engine);
            with a key "rest" (AI Power) or "mwai-rest" (AI Engine).
        kind: "shortcode" or "widget" (`wpaicg`), "inline" or "popup" (`aipkit`, `mwai`), or "rest"
            (with a key).
        page: the address of the page that shows it (str).
        images: it takes images; None where the page does not say (`wpaicg`, older `mwai`).
        web_search: it can search the web.
        consent: what its page asks visitors to agree to before they chat (str, or True where the
            page does not say it in text); False where it asks nothing.
        greeting: what its window says first (str), or "".
        starters: questions that its window offers to begin with (tuple of str).
    """

    id: str
    name: str
    dialect: str
    kind: str
    page: str
    images: bool | None = False
    web_search: bool = False
    consent: str | bool = False
    greeting: str = ""
    starters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A bot and how to reach it: what the page says of it that is not for users.

    Attributes:
        bot: the bot.
        url: the address of its requests (admin-ajax.php, or the REST route).
        nonce: the page's nonce for it, or "".
        post_id: the page's post id as the page gives it, or "".
        page_url: the page's address as the page itself gives it, or that it was read from.
        keeps_response_id: the bot continues from the model's own response ids (`aipkit`).
        thumbs: its window has thumbs, where its dialect `TakesFeedback`.
        headers: sent with every request (the REST key).
        nonce_first: get a nonce by `Dialect.nonce_request` before the first turn.
        further_urls: addresses to try in this order where the answer of `url`, which is a guess,
            says that no plugin can have received the message there.
        extra: further facts that the bot's dialect needs.
    """

    bot: Bot
    url: str
    nonce: str = field(default="", repr=False)
    post_id: str = ""
    page_url: str = ""
    keeps_response_id: bool = False
    thumbs: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    nonce_first: bool = False
    further_urls: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


class FoundBot(NamedTuple):
    """A bot and its place in the page: the byte at which its element begins."""

    position: int
    endpoint: Endpoint


ReadBot = Callable[[Tag, dict[str, str]], Endpoint | None]
"""Reads the bot that an element shows from its tag and attributes; None where it shows none.

Raises `UnexpectedFormatError` where the bot's address is one that messages may not be sent to.
"""


def random_id() -> str:
    """Return an id that nothing else has; not a secret (`uuid4` asks the system: 60 µs here)."""
    return f"{random.getrandbits(128):032x}"


@dataclass(frozen=True, slots=True)
class Question:
    """The user's part of a turn, for a dialect to put into requests.

    Attributes:
        endpoint: the bot to ask.
        prompt: the last user message, with the system text where it belongs there.
        history: the (role, text) pairs before it, "user" and "assistant"; none where the site
            remembers.
        visitor: this client's id (a UUID as str); the owner's limits hang on it.
        conversation: this conversation's id (a UUID as str).
        state: the `ReplyDetails.state` of the conversation's last turn.
        web_search: ask the bot to search the web.
        images: sent along with the prompt.
        uploaded: the site's ids of images that it has, by their place in `images`; the dialect
            adds to it, for a further attempt of the turn.
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
    uploaded: dict[int, str] = field(default_factory=dict)
    id: str = field(default_factory=random_id)


class NonceRefused(RefusedError):
    """A refusal that a dead nonce may cause: the turn asks once more if a fresh one differs.

    Internal: users see its base class.
    """


class Dialect(ABC):
    """One way that sites are talked to.

    Attributes:
        name: its name (`Bot.dialect`).
        plugin: the plugin's name, for people.
        slug: the plugin's folder on a site, which the addresses of its scripts show.
        remembers: the site keeps the conversation; else every turn brings its history.
        traces: byte strings of which a page with the dialect's plugin, but without a bot, holds
            at least one.
        containers: class names of the elements in which pages show the dialect's bots.
        image_kinds: media types of the images that the site takes.
        cookie_is_visitor: the site tells visitors, and their limits, by a cookie.
        streams: answers come while they are written; None where that depends on the bot.
        forms: a refusal may carry a form (`RefusedError.form`).
        quota_buttons: a used-up limit may carry buttons (`QuotaError.actions`).
    """

    name: str
    plugin: str
    slug: str
    remembers = False
    traces: tuple[bytes, ...] = ()
    containers: tuple[bytes, ...] = ()
    image_kinds: Collection[str] = frozenset()
    cookie_is_visitor = False
    streams: bool | None = True
    forms = False
    quota_buttons = False

    @abstractmethod
    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        """Return the plugin's versions that a page with this bot can be of, for people."""

    def reader(self, page: BufferedResponse) -> ReadBot:
        """Return a function that reads the bots in the `containers` of a page.

        What it needs of the rest of the page it looks for once at most: a page may hold thousands
        of elements.
        """
        return lambda _tag, _attributes: None

    def find(self, page: BufferedResponse) -> list[FoundBot]:
        """Return the bots that a page shows, in the page's order.

        Raises:
            UnexpectedFormatError: every bot's address is one that messages may not be sent to; as
                long as one is good, the others are passed over.
        """
        read = self.reader(page)
        found: list[FoundBot] = []
        bad: UnexpectedFormatError | None = None
        for tag in tags(page.body, self.containers):
            try:
                endpoint = read(tag, attributes(tag))
            except UnexpectedFormatError as error:
                bad = bad or error
            else:
                found += [FoundBot(tag.start, endpoint)] if endpoint else []
        if bad is not None and not found:
            raise bad
        return found

    def most_images(self, endpoint: Endpoint) -> int:
        """Return how many images the bot takes in one turn."""
        return 1

    def check(self, question: Question) -> None:
        """Check that the bot's site takes a question, as far as its page tells.

        Called before anything is asked for on the visitor's behalf, a nonce included.

        Raises:
            InvalidMessageError, InvalidConfigError: it does not.
        """
        bot, images = question.endpoint.bot, question.images
        if question.web_search and not bot.web_search:
            raise InvalidConfigError(
                f"web_search: the bot {bot.id} of this site does not offer it.",
                hint=Hint("bot", purpose="to choose one that does"),
            )
        if images and bot.images is False:
            raise InvalidMessageError(f"The bot {bot.id} of this site takes no images.")
        most = self.most_images(question.endpoint)
        if len(images) > most:
            raise InvalidMessageError(
                f"The site takes {most} image{'' if most == 1 else 's'} a turn; these messages "
                f"have {len(images)}."
            )
        for image in images:
            if image.kind not in self.image_kinds:
                names = ", ".join(sorted(kind.partition("/")[2] for kind in self.image_kinds))
                raise InvalidMessageError(
                    f"The site takes no {image.kind.partition('/')[2]} images, only {names}."
                )

    @abstractmethod
    def requests(self, question: Question) -> Generator[Request, BufferedResponse, None]:
        """Check the question, and yield the requests of its turn.

        Each but the `final` one gets its response sent, if its status is 2xx: for others the turn
        raises `error_for`.
        """

    @abstractmethod
    def decoder(self, question: Question, head: BufferedResponse, limits: Limits) -> Decoder:
        """Return a decoder for the body of the final response (2xx), whose `head` has none yet."""

    @abstractmethod
    def error_for(self, response: BufferedResponse) -> ResponseError:
        """Return the error for a response with another status to one of `requests`."""

    def nonce_request(self, endpoint: Endpoint) -> Request | None:
        """Return a request that gets a fresh nonce, or None where only the page has one."""
        return None

    def nonce_from(self, response: BufferedResponse) -> str | None:
        """Return the nonce in a response (of any status) to `nonce_request`.

        "" where the response says that none is needed, None where it holds none.
        """
        return None
