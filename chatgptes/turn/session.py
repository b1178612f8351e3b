"""The bots that a site's page shows, and their nonces: read once, for all turns of a client."""

from __future__ import annotations

import re
import threading
import uuid
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import urljoin

from ..errors import BotNotFoundError, ChallengeError, ChatGptEsError, ConsentRequiredError, Hint
from ..sites import (
    dialect_named,
    find_bots,
    key_dialect_for,
    namespaces_from,
    namespaces_request,
    plugin_names,
    plugin_traces,
    shows_container,
)
from ..sites.addresses import rest_root
from ..sites.challenge import challenge_error, has_challenge_header
from ..sites.dialect import BufferedResponse, Endpoint
from ..sites.errors import error_for_page, error_for_status
from ..values.deadline import Deadline
from ..values.http import Request
from ..values.text import sanitize_line
from ..values.urls import redact
from .config import Config
from .queueing import SingleFlight
from .sending import BUSY, Classify, Sender, unless_success
from .steps import Steps

__all__ = ["Endpoints", "Session"]

Endpoints: TypeAlias = tuple[Endpoint, ...]

PAGE_ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8"
_NO_CACHE = {"cache-control": "no-cache", "pragma": "no-cache"}
_FRESH = re.compile(r"&chatgptes_fresh=\w+|chatgptes_fresh=\w+&|\?chatgptes_fresh=\w+$")
_LONGEST_LIST = 500  # Characters of the ids of a page's bots in an error's text.
_SHORTEST_SECRET = 6  # Characters: shorter ones would be found in any text.


class Session:
    """One site, one bot, and what is known of them.

    Attributes:
        namespaces: those of the site's REST API, once they were asked for (with a key).
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.sender = Sender(config)
        self.namespaces: list[str] = []
        self._endpoints: Endpoints = ()
        self._reading: SingleFlight[Endpoints] = SingleFlight()
        self._renewing: SingleFlight[Endpoints] = SingleFlight()
        self._lock = threading.RLock()

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

    def shown(self, deadline: Deadline) -> Steps[Endpoint]:
        """The bot to ask as the page shows it, which may be without its nonce.

        Raises:
            BotNotFoundError: the page does not show it.
            ConsentRequiredError: it asks for a consent that nobody has given.
            ChatGptEsError: as `endpoints`.
        """
        endpoint = self.choose((yield from self.endpoints(deadline)))
        consent = endpoint.bot.consent
        if consent and not self.config.consent:
            quoted = f": “{consent}”" if isinstance(consent, str) else " (read it there)."
            error = ConsentRequiredError(
                f"The page of the bot {endpoint.bot.id} asks its visitors to agree first{quoted}",
                hint=Hint("consent", purpose="if you agree"),
            )
            error.asked = consent if isinstance(consent, str) else ""
            raise error
        return endpoint

    def endpoint(self, deadline: Deadline) -> Steps[Endpoint]:
        """The bot to ask, with its nonce.  Raises as `shown`."""
        endpoint = yield from self.shown(deadline)
        if endpoint.nonce_first:
            endpoint = yield from self.renewed(endpoint, deadline)
        return endpoint

    def renewed(self, stale: Endpoint, deadline: Deadline) -> Steps[Endpoint]:
        """The same bot with a nonce that may differ from the refused, or missing, one of `stale`.

        Raises as `shown`.
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
            # The page alone has nonces, and a cache may have an old page.
            found = yield from self._read(deadline, past_caches=1)
            if any(_same_nonce(each, stale) for each in found):
                found = yield from self._read(deadline, past_caches=2)
            return self.keep(found)

        return self.choose((yield from self._renewing.run(renew, deadline)))

    def reread(self, deadline: Deadline) -> Steps[Endpoint]:
        """The bot to ask, from the page as it is now."""
        return self.choose(self.keep((yield from self._read(deadline))))

    def note_answer(self, endpoint: Endpoint, nonce: str | None = None) -> None:
        """Keep for later turns the address that has answered, and a fresher nonce."""
        with self._lock:
            self._endpoints = tuple(
                replace(each, url=endpoint.url, further_urls=())
                if endpoint.url in each.further_urls
                else each
                for each in self._endpoints
            )
            if nonce:
                self._with_nonce(endpoint, nonce)

    def secrets(self) -> list[str]:
        """The texts learned from the site that must not show in an error: nonces and cookies."""
        known = [*(each.nonce for each in self._endpoints), *self.sender.cookies.values()]
        return [text for text in known if len(text) >= _SHORTEST_SECRET]

    def keep(self, endpoints: Endpoints) -> Endpoints:
        """Take `endpoints` for the page's from now on."""
        with self._lock:  # Not in the middle of a change, which would undo it.
            self._endpoints = endpoints
        return endpoints

    def choose(self, endpoints: Endpoints) -> Endpoint:
        """The bot to ask among those of the page."""
        wanted = self.config.bot
        for endpoint in endpoints:
            if wanted in (None, endpoint.bot.id):
                return endpoint
        url = redact(self.config.site)
        ids = sanitize_line(", ".join(repr(each.bot.id) for each in endpoints), _LONGEST_LIST)
        raise BotNotFoundError(f"{url} shows no bot {wanted!r}; it shows {ids}.", url=url)

    def page_request(self, past_caches: int = 0) -> Request:
        """The request for the site's page.

        With 1 for `past_caches` it asks caches for a fresh copy, with 2 it names an address that
        none can have.
        """
        url = self.config.site
        headers = {"accept": PAGE_ACCEPT, **(_NO_CACHE if past_caches else {})}
        if past_caches > 1:
            url += f"{'&' if '?' in url else '?'}chatgptes_fresh={uuid.uuid4().hex[:12]}"
        return Request("GET", url, headers, mode="navigate")

    def _with_nonce(self, stale: Endpoint, nonce: str) -> Endpoints:
        with self._lock:
            self._endpoints = tuple(
                replace(each, nonce=nonce, nonce_first=False) if _same_nonce(each, stale) else each
                for each in self._endpoints
            )
            return self._endpoints

    def _read(self, deadline: Deadline, past_caches: int = 0) -> Steps[Endpoints]:
        if self.config.api_key is not None:
            return (yield from self._read_with_key(self.config.api_key, deadline))
        request = self.page_request(past_caches)
        page = yield from self.sender.fetch(request, deadline, _PAGE_ERROR, "page")
        page = replace(page, url=_FRESH.sub("", page.url))
        # Its text is searched for the marks of a bot check only where it shows no bot, since that
        # takes a while.
        endpoints = () if has_challenge_header(page.headers) else tuple(find_bots(page))
        if not endpoints:
            # A page with a bot's element in it is the site's own.
            gate = challenge_error(page, of_site=shows_container(page.body))
            raise gate or _no_bot(page)
        return endpoints

    def _read_with_key(self, api_key: str, deadline: Deadline) -> Steps[Endpoints]:
        site, bot = self.config.site, self.config.bot
        assert bot is not None
        before, inside, _ = site.partition("?")[0].partition("/wp-json")
        root = f"{before}/wp-json/"
        if not inside:
            page = yield from self.sender.fetch(self.page_request(), deadline, _api_error, "page")
            root = rest_root(page) or urljoin(page.url, "/wp-json/")
        request = namespaces_request(site, root)
        # A site may hide its namespaces for good.  But the dialect is chosen once for a client: so
        # not by a response of a moment when all fails.
        response = yield from self.sender.fetch(request, deadline, _gates_and(429, *BUSY), "answer")
        self.namespaces = namespaces_from(response)
        return (key_dialect_for(self.namespaces, bot).endpoint(site, root, bot, api_key),)

    def _fetch_nonce(self, stale: Endpoint, deadline: Deadline) -> Steps[str | None]:
        """A nonce by the dialect's own request; None where only the page has it."""
        its_dialect = dialect_named(stale.bot.dialect)
        request = its_dialect.nonce_request(stale)
        if request is None:
            return None
        # Older plugins have no such action, and answer 400 or 404.
        response = yield from self.sender.fetch(request, deadline, _gates_and(429), "answer")
        return its_dialect.nonce_from(response)


def _same_nonce(one: Endpoint, other: Endpoint) -> bool:
    return (one.url, one.nonce, one.nonce_first) == (other.url, other.nonce, other.nonce_first)


def _gates_and(*statuses: int) -> Classify:
    """Classify the errors that concern every request alike: gates, and those of some statuses."""

    def classify(response: BufferedResponse) -> ChatGptEsError | None:
        if gate := challenge_error(response):
            return gate
        return error_for_status(response) if response.status in statuses else None

    return classify


_PAGE_ERROR = unless_success(
    lambda page: error_for_status(page, of_page=True, of_site=shows_container(page.body))
)


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


def _no_bot(page: BufferedResponse) -> BotNotFoundError:
    url = redact(page.url)
    traces = plugin_traces(page.body)
    if traces:
        message = (
            f"{url} has traces of the plugin {traces[0].plugin} but shows no bot. It may be on"
            " another page of the site, in a frame, or switched off. Give the address of the page"
            " that shows it."
        )
    else:
        message = (
            f"{url} shows no chat bot of a plugin that this library knows; it knows"
            f" {plugin_names()}. Give the address of the page that shows the chat window."
        )
    return BotNotFoundError(message, url=url, status=page.status)
