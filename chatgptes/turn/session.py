"""What the turns of one client share: the bots its page shows, their nonces, the connections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit, urlunsplit

from ..errors import (
    BotNotFoundError,
    ChallengeError,
    ChatGptEsError,
    RateLimitError,
    RefusedError,
    ResponseError,
)
from ..sites import KEY_DIALECTS, dialect, find_bots, plugin_traces
from ..sites.addresses import rest_root
from ..sites.challenge import has_challenge_header
from ..sites.dialect import BufferedResponse as Page
from ..sites.dialect import Endpoint
from ..sites.errors import error_for_page
from ..values.deadline import Deadline
from ..values.http import Limits, Request
from ..values.urls import redact
from .queueing import SingleFlight
from .sending import Sender

__all__ = ["Session"]

Endpoints = tuple[Endpoint, ...]

PAGE_ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8"


@dataclass(frozen=True)
class Session:
    """One site, one bot, and the way there.

    Attributes:
        site: the page's address, without credentials.
        bot: the id of the bot to ask, or None for the page's first.
        api_key: the owner's REST key, or None.
    """

    site: str
    bot: str | None
    api_key: str | None = field(repr=False)
    sender: Sender = field(repr=False)
    limits: Limits
    _found: list[Endpoints] = field(default_factory=list, repr=False)
    _reading: SingleFlight[Endpoints] = field(default_factory=SingleFlight, repr=False)
    _refreshing: SingleFlight[Endpoints] = field(default_factory=SingleFlight, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def endpoints(self, deadline: Deadline) -> Endpoints:
        """All bots of the page, which is read once.

        Raises:
            BotNotFoundError: it shows none.
            ChatGptEsError: it could not be read, or is a challenge.
        """
        if self._found:
            return self._found[0]

        def read() -> Endpoints:
            # Another leader may have finished between the look above and this one.
            return self._found[0] if self._found else self._keep(self._read(deadline))

        return self._reading.do(read, deadline)

    def endpoint(self, deadline: Deadline) -> Endpoint:
        """The bot to ask.

        Raises:
            BotNotFoundError: the page does not show it.
            ChatGptEsError: as `endpoints`.
        """
        return self._choose(self.endpoints(deadline))

    def renewed(self, stale: Endpoint, deadline: Deadline) -> Endpoint:
        """The same bot with a nonce that may differ from the refused one of `stale`.

        Raises:
            ChatGptEsError: as `endpoint`.
        """

        def renew() -> Endpoints:
            current = self._found[0] if self._found else ()
            if any(each.url == stale.url and each.nonce == stale.nonce for each in current):
                return self._keep(self._ask_nonce(stale, current, deadline))
            return current or self._keep(self._read(deadline))

        return self._choose(self._refreshing.do(renew, deadline))

    def secrets(self) -> list[str]:
        """What must not show in an error: the nonces, the key and the cookies."""
        known = [each.nonce for found in self._found for each in found]
        known += [self.api_key or "", *self.sender.secrets()]
        return [text for text in known if len(text) >= 6]

    def _keep(self, endpoints: Endpoints) -> Endpoints:
        with self._lock:
            self._found[:] = [endpoints]
        return endpoints

    def _choose(self, endpoints: Endpoints) -> Endpoint:
        if self.bot is None:
            return endpoints[0]
        for endpoint in endpoints:
            if endpoint.bot.id == self.bot:
                return endpoint
        ids = ", ".join(repr(each.bot.id) for each in endpoints)
        raise BotNotFoundError(
            f"{redact(self.site)} shows no bot {self.bot!r}; it shows {ids}.",
            url=redact(self.site),
        )

    def _request(self) -> Request:
        return Request("GET", self.site, {"accept": PAGE_ACCEPT}, mode="navigate")

    def _read(self, deadline: Deadline) -> Endpoints:
        if self.api_key is not None:
            return self._read_rest(self.api_key, deadline)
        page = self.sender.page(self._request(), deadline, _page_fault, "page")
        # Its text is searched for the marks of a bot check only where it shows no bot, since that
        # takes a while.
        endpoints = () if has_challenge_header(page.headers) else tuple(find_bots(page))
        if not endpoints:
            raise error_for_page(page) or _no_bot(page)
        return endpoints

    def _read_rest(self, api_key: str, deadline: Deadline) -> Endpoints:
        assert self.bot is not None
        root = _given_root(self.site)
        if root is None:
            page = self.sender.page(self._request(), deadline, _rest_fault, "page")
            root = rest_root(page) or _default_root(page.url)
        return (KEY_DIALECTS[0].endpoint(self.site, root, self.bot, api_key),)

    def _ask_nonce(self, stale: Endpoint, current: Endpoints, deadline: Deadline) -> Endpoints:
        speaks = dialect(stale.bot.dialect)
        request = speaks.nonce_request(stale)
        nonce = None
        if request is not None:
            try:
                page = self.sender.page(request, deadline, _unless_ok(speaks.error_for), "answer")
                nonce = speaks.nonce_from(page)
            except (ChallengeError, RateLimitError):
                raise
            except ResponseError:
                pass  # Older plugins have no such action (400 `0`): then the page has it.
        if nonce is None:
            return self._read(deadline)
        return tuple(
            replace(each, nonce=nonce)
            if (each.url, each.nonce) == (stale.url, stale.nonce)
            else each
            for each in current
        )


def _unless_ok(fault: Callable[[Page], ChatGptEsError]) -> Callable[[Page], ChatGptEsError | None]:
    return lambda page: None if 200 <= page.status < 300 else fault(page)


def _page_fault(page: Page) -> ChatGptEsError | None:
    return None if 200 <= page.status < 300 else error_for_page(page)


def _rest_fault(page: Page) -> ChatGptEsError | None:
    """Any page of the site tells where its API is, a failing one too; but not a gate before it."""
    error = error_for_page(page)
    if rest_root(page) is not None or page.status in (403, 404, 405, 410, 500):
        gate = isinstance(error, ChallengeError | RefusedError)
        return error if gate else None
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


def _no_bot(page: Page) -> BotNotFoundError:
    url = redact(page.url)
    if plugin_traces(page.body):
        message = (
            f"{url} has traces of the plugin but shows no bot: it may be on another page of the"
            " site, in a frame, or switched off. Give the address of the page that shows it."
        )
    else:
        message = (
            f"{url} shows no bot of the AI Power (AI Puffer) plugin, nor a trace of the plugin."
            " Give the address of the page that shows the chat window."
        )
    return BotNotFoundError(message, url=url, status=page.status)
