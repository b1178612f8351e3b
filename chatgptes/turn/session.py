"""The bots that a site's page shows, and their nonces: read once, for all turns of a client."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

from ..errors import (
    BotNotFoundError,
    ChallengeError,
    ChatGptEsError,
)
from ..sites import dialect, find_bots, plugin_names, plugin_traces, shows_container
from ..sites.addresses import rest_root
from ..sites.challenge import challenge_error, has_challenge_header
from ..sites.dialect import BufferedResponse, Endpoint
from ..sites.errors import error_for_page, error_for_status
from ..sites.registry import key_dialect_for, namespaces_from, namespaces_request
from ..values.deadline import Deadline
from ..values.http import Limits, Request
from ..values.text import sanitize_line
from ..values.urls import redact
from .queueing import SingleFlight
from .sending import BUSY, Sender
from .steps import Steps

__all__ = ["Endpoints", "Session"]

Endpoints: TypeAlias = tuple[Endpoint, ...]

PAGE_ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8"
_NO_CACHE = {"cache-control": "no-cache", "pragma": "no-cache"}
_LONGEST_LIST = 500  # Characters of the ids of a page's bots in an error's text.
_SHORTEST_SECRET = 6  # Characters: shorter ones would be found in any text.


class Session:
    """One site, one bot, and what is known of them.

    Attributes:
        site: the page's address, without credentials.
        bot: the id of the bot to ask, or None for the page's first.
        sender: sends its requests.
        limits: bounds what it reads.
        namespaces: those of the site's REST API, once they were asked for (with a key).
    """

    def __init__(
        self, site: str, bot: str | None, api_key: str | None, sender: Sender, limits: Limits
    ) -> None:
        self.site = site
        self.bot = bot
        self.sender = sender
        self.limits = limits
        self.namespaces: list[str] = []
        self._api_key = api_key
        self._endpoints: Endpoints = ()
        self._reading: SingleFlight[Endpoints] = SingleFlight()
        self._renewing: SingleFlight[Endpoints] = SingleFlight()
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<Session {self.site}>"

    def endpoints(self, deadline: Deadline) -> Steps[Endpoints]:
        """All bots of the page, which is read once.

        Raises:
            BotNotFoundError: it shows none.
            ChatGptEsError: it could not be read, or is a challenge.
        """
        if self._endpoints:
            return self._endpoints

        def read() -> Steps[Endpoints]:
            # Another leader may have finished between the look above and this one.
            return self._endpoints or self.keep((yield from self._read(deadline)))

        return (yield from self._reading.run(read, deadline))

    def endpoint(self, deadline: Deadline) -> Steps[Endpoint]:
        """The bot to ask, with its nonce.

        Raises:
            BotNotFoundError: the page does not show it.
            ChatGptEsError: as `endpoints`.
        """
        endpoint = self.choose((yield from self.endpoints(deadline)))
        if endpoint.nonce_first:
            endpoint = yield from self.renewed(endpoint, deadline)
        return endpoint

    def renewed(self, stale: Endpoint, deadline: Deadline) -> Steps[Endpoint]:
        """The same bot with a nonce that may differ from the refused, or missing, one of `stale`.

        Raises:
            ChatGptEsError: as `endpoint`.
        """

        def renew() -> Steps[Endpoints]:
            current = self._endpoints
            if not any(_same_nonce(each, stale) for each in current):
                return current or self.keep((yield from self._read(deadline)))
            nonce = yield from self._fetch_nonce(stale, deadline)
            if nonce is not None:
                return self._with_nonce(stale, nonce)
            if stale.nonce_first:
                return self._with_nonce(stale, "")
            return self.keep((yield from self._read_past_caches(stale, deadline)))

        return self.choose((yield from self._renewing.run(renew, deadline)))

    def reread(self, deadline: Deadline) -> Steps[Endpoint]:
        """The bot to ask, from the page as it is now."""
        return self.choose(self.keep((yield from self._read(deadline))))

    def note_nonce(self, endpoint: Endpoint, nonce: str) -> None:
        """Keep a fresher nonce that came with an answer of `endpoint`."""
        if nonce != endpoint.nonce:
            self._with_nonce(endpoint, nonce)

    def note_url(self, endpoint: Endpoint) -> None:
        """Keep the address of `endpoint`, one of several that were possible, for its bot."""
        with self._lock:
            self._endpoints = tuple(
                replace(each, url=endpoint.url, further_urls=())
                if each.bot == endpoint.bot and endpoint.url in each.further_urls
                else each
                for each in self._endpoints
            )

    def secrets(self) -> list[str]:
        """The texts that must not show in an error: nonces, the key and the cookies."""
        known = [each.nonce for each in self._endpoints]
        known += [self._api_key or "", *self.sender.cookies.values()]
        return [text for text in known if len(text) >= _SHORTEST_SECRET]

    def keep(self, endpoints: Endpoints) -> Endpoints:
        """Take `endpoints` for the page's from now on."""
        with self._lock:
            self._endpoints = endpoints
        return endpoints

    def choose(self, endpoints: Endpoints) -> Endpoint:
        """The bot to ask among those of the page.

        Raises:
            BotNotFoundError: it is not among them.
        """
        if self.bot is None:
            return endpoints[0]
        for endpoint in endpoints:
            if endpoint.bot.id == self.bot:
                return endpoint
        ids = ", ".join(repr(each.bot.id) for each in endpoints)
        ids = sanitize_line(ids, _LONGEST_LIST)
        raise BotNotFoundError(
            f"{redact(self.site)} shows no bot {self.bot!r}; it shows {ids}.",
            url=redact(self.site),
        )

    def page_request(self, *, past_caches: int = 0) -> Request:
        """The request for the site's page.

        Args:
            past_caches: 1 asks caches on the way for a fresh copy, 2 names an address that none
                can have.
        """
        headers = {"accept": PAGE_ACCEPT, **(_NO_CACHE if past_caches else {})}
        url = self.site
        if past_caches > 1:
            parts = urlsplit(url)
            query = f"{parts.query}{'&' if parts.query else ''}{_unique_parameter()}"
            url = urlunsplit(parts._replace(query=query))
        return Request("GET", url, headers, mode="navigate")

    def _with_nonce(self, stale: Endpoint, nonce: str) -> Endpoints:
        with self._lock:
            self._endpoints = tuple(
                replace(each, nonce=nonce, nonce_first=False) if _same_nonce(each, stale) else each
                for each in self._endpoints
            )
            return self._endpoints

    def _read(self, deadline: Deadline, *, past_caches: int = 0) -> Steps[Endpoints]:
        if self._api_key is not None:
            return (yield from self._read_with_key(self._api_key, deadline))
        request = self.page_request(past_caches=past_caches)
        page = yield from self.sender.fetch(request, deadline, _status_error, "page")
        if past_caches > 1:
            page = replace(page, url=_without_unique_parameter(page.url))
        # Its text is searched for the marks of a bot check only where it shows no bot, since that
        # takes a while.
        endpoints = () if has_challenge_header(page.headers) else tuple(find_bots(page))
        if not endpoints:
            raise _gate_before(page) or _no_bot(page)
        return endpoints

    def _read_past_caches(self, stale: Endpoint, deadline: Deadline) -> Steps[Endpoints]:
        """Read the page again, where it alone has nonces, and a cache may have an old page."""
        found: Endpoints = ()
        for past_caches in (1, 2):
            found = yield from self._read(deadline, past_caches=past_caches)
            if not any(_same_nonce(each, stale) for each in found):
                break
        return found

    def _read_with_key(self, api_key: str, deadline: Deadline) -> Steps[Endpoints]:
        assert self.bot is not None
        root = _given_root(self.site)
        if root is None:
            page = yield from self.sender.fetch(self.page_request(), deadline, _api_error, "page")
            root = rest_root(page) or _default_root(page.url)
        request = namespaces_request(self.site, root)
        response = yield from self.sender.fetch(request, deadline, _index_error, "answer")
        self.namespaces = namespaces_from(response)
        its_dialect = key_dialect_for(self.namespaces, self.bot)
        return (its_dialect.endpoint(self.site, root, self.bot, api_key),)

    def _fetch_nonce(self, stale: Endpoint, deadline: Deadline) -> Steps[str | None]:
        """A nonce by the dialect's own request; None where only the page has it."""
        its_dialect = dialect(stale.bot.dialect)
        request = its_dialect.nonce_request(stale)
        if request is None:
            return None
        # Older plugins have no such action, and answer 400 or 404.
        response = yield from self.sender.fetch(request, deadline, _gates_only, "answer")
        return its_dialect.nonce_from(response)


def _same_nonce(one: Endpoint, other: Endpoint) -> bool:
    return (one.url, one.nonce, one.nonce_first) == (other.url, other.nonce, other.nonce_first)


_PARAMETER = "chatgptes_fresh="


def _unique_parameter() -> str:
    return f"{_PARAMETER}{uuid.uuid4().hex[:12]}"


def _without_unique_parameter(url: str) -> str:
    parts = urlsplit(url)
    pairs = [pair for pair in parts.query.split("&") if not pair.startswith(_PARAMETER)]
    return urlunsplit(parts._replace(query="&".join(pairs)))


def _status_error(page: BufferedResponse) -> ChatGptEsError | None:
    if 200 <= page.status < 300:
        return None
    return error_for_status(page, of_page=True, of_site=shows_container(page.body))


def _gate_before(page: BufferedResponse) -> ChatGptEsError | None:
    """The gate in place of a page; one with a bot's element in it is the site's own."""
    return challenge_error(page, of_site=shows_container(page.body))


def _gates_only(response: BufferedResponse) -> ChatGptEsError | None:
    """Classify the errors that concern every request alike, and leave the rest to the caller."""
    if gate := challenge_error(response):
        return gate
    return error_for_status(response) if response.status == 429 else None


def _index_error(response: BufferedResponse) -> ChatGptEsError | None:
    """Classify what keeps the namespaces from being seen now; a site may also hide them for good.

    The dialect is chosen once for a client: so not by a response of a moment when all fails.
    """
    busy = response.status in BUSY
    return _gates_only(response) or (error_for_status(response) if busy else None)


def _api_error(page: BufferedResponse) -> ChatGptEsError | None:
    """Any page of the site tells where its API is, a failing one too; but not a gate before it.

    A page that names the API is the site's, whatever it talks of.
    """
    if rest_root(page) is not None or shows_container(page.body):
        return challenge_error(page, of_site=True)
    error = error_for_page(page)
    if page.status in (403, 404, 405, 410, 500):
        return error if isinstance(error, ChallengeError) else None
    return error


def _given_root(site: str) -> str | None:
    """The API's root, when the user's URL already is inside it."""
    parts = urlsplit(site)
    before, found, _ = parts.path.partition("/wp-json")
    if not found:
        return None
    return urlunsplit((parts.scheme, parts.netloc, f"{before}/wp-json/", "", ""))


def _default_root(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "/wp-json/", "", ""))


def _no_bot(page: BufferedResponse) -> BotNotFoundError:
    url = redact(page.url)
    traces = plugin_traces(page.body)
    reason = next(filter(None, (each.why_missing(page) for each in traces)), "")
    if traces:
        reason = reason or (
            "It may be on another page of the site, in a frame, or switched off. Give the address"
            " of the page that shows it."
        )
        message = f"{url} has traces of the plugin {traces[0].plugin} but shows no bot. {reason}"
    else:
        message = (
            f"{url} shows no chat bot of a plugin that this library knows; it knows"
            f" {plugin_names()}. Give the address of the page that shows the chat window."
        )
    return BotNotFoundError(message, url=url, status=page.status)
