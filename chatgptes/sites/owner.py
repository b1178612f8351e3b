"""The REST APIs for the owners of sites: one POST with a key, one JSON object back, no page."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Generator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..errors import (
    AuthenticationError,
    Hint,
    InvalidConfigError,
    ResponseError,
    UnexpectedStatusError,
    UpstreamError,
)
from ..values.http import Limits, Request
from .addresses import require_same_site
from .challenge import gate_error
from .decoder import Decoder
from .dialect import Bot, BufferedResponse, Dialect, Endpoint, Question, ReplyDetails
from .errors import error_for_answer
from .response import make_error
from .text import clean_text

__all__ = ["KeyDialect"]


class KeyDialect(Dialect):
    """A dialect for the owner of a site: a REST API with a key, without a page.

    Attributes:
        namespace: its namespace as the root of the site's REST API lists it.
        access: what the owner must have switched on, for people.
        since: the plugin's first version that takes a key.
    """

    namespace: str
    access: str
    since: str
    streams = False

    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        return f"{self.since} or later"

    @abstractmethod
    def is_bot_id(self, bot_id: str) -> bool:
        """Tell whether the dialect's bots have such ids."""

    @abstractmethod
    def route(self, bot_id: str) -> str:
        """Return the path of a bot's messages below the API's root."""

    @abstractmethod
    def body(self, question: Question) -> dict[str, Any]:
        """Return what the request of a turn holds."""

    @abstractmethod
    def rank(self, data: dict[Any, Any]) -> int:
        """Tell how well an object fits (see `Rank`)."""

    @abstractmethod
    def answer(self, data: dict[Any, Any], details: ReplyDetails) -> str | None:
        """Return the text of an answer, and note its details; None for another object."""

    @abstractmethod
    def refusal(self, data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
        """Return the error for an object that is neither about the key nor about the route."""

    def endpoint(self, site_url: str, root: str, bot_id: str, api_key: str) -> Endpoint:
        """Return the endpoint of the bot `bot_id`.

        Args:
            site_url: an address of the site for which the key was given.
            root: the REST API's root, absolute or relative to `site_url`.
            bot_id: the bot's id on the site.
            api_key: the owner's key.

        Raises:
            InvalidConfigError: the key can't stand in a header, or there is no bot id.
            UnexpectedFormatError: the root is not on the site's host; no key is sent there.
        """
        if not api_key.strip() or not api_key.isascii() or not api_key.isprintable():
            raise InvalidConfigError(
                "api_key must be the key as the site shows it: one line of ASCII."
            )
        if not bot_id.strip():
            raise InvalidConfigError("bot must be the bot's id on the site.")
        return Endpoint(
            bot=Bot(bot_id, name="", dialect=self.name, kind="rest", page=site_url),
            url=_join(require_same_site(site_url, root), self.route(bot_id)),
            page_url=site_url,
            headers={"Authorization": f"Bearer {api_key.strip()}"},
        )

    def requests(self, question: Question) -> Generator[Request, BufferedResponse, None]:
        self.check(question)
        yield Request(
            "POST",
            question.endpoint.url,
            headers={
                **question.endpoint.headers,
                "Accept": "application/json",
                "Content-Type": "application/json; charset=utf-8",
            },
            body=json.dumps(self.body(question), ensure_ascii=False).encode(),
            referrer=None,
            repeatable=False,
            final=True,
        )

    def decoder(self, question: Question, head: BufferedResponse, limits: Limits) -> Decoder:
        return _KeyDecoder(self, head, limits)

    def error_for(self, response: BufferedResponse) -> ResponseError:
        error = error_for_answer(response, self.rank, self.error_in)
        if response.status in (401, 403) and isinstance(error, UnexpectedStatusError):
            return self._key_error(response, response.body)
        return error

    def error_in(self, data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
        """Return the error for WordPress's `{"code", "message", "data": {"status"}}`, or None.

        Only `message` is quoted: `data` can hold stack traces of the site's server.
        """
        code, said = clean_text(data.get("code")), data.get("message")
        # Those with `http_` are WordPress's, of a request of the site's own to the service.
        if code == "api_error" or code.startswith("http_"):
            return make_error(UpstreamError, "The site's model failed.", response, said, code)
        if response.status == 429:
            return None
        if code and response.status in (401, 403):
            return self._key_error(response, said, code)
        if code == "rest_no_route":
            message = (
                f"The site has no such REST route (status {response.status}): {self.access} is "
                f"switched off there, or older than {self.since}."
            )
            return make_error(UnexpectedStatusError, message, response, said, code, quote=False)
        return self.refusal(data, response)

    def _key_error(
        self, response: BufferedResponse, said: object, code: str | None = None
    ) -> AuthenticationError:
        message = f"The site does not take the key (status {response.status})."
        advice = f"Check it, and that {self.access} is switched on."
        hint = Hint("api_key", purpose="to give the right one")
        return make_error(
            AuthenticationError, message, response, said, code, advice=advice, hint=hint
        )


class _KeyDecoder(Decoder):
    """The answer of one turn."""

    def __init__(self, dialect: KeyDialect, head: BufferedResponse, limits: Limits) -> None:
        super().__init__(head, limits)
        self._dialect = dialect
        self.rank = dialect.rank

    def _object(self, data: dict[Any, Any]) -> str | None:
        text = self._dialect.answer(data, self.details)
        if text is not None:
            return text
        gate = gate_error(data, self._response)
        if error := gate or self._dialect.error_in(data, self._response):
            raise error
        return None


def _join(root: str, route: str) -> str:
    """Return the address of `route`, whether the root is a path or a `rest_route` parameter."""
    parts = urlsplit(root)
    path, query = parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))
    if "rest_route" in query:
        query["rest_route"] = f"{query['rest_route'].rstrip('/')}/{route}"
    else:
        path = f"{path.rstrip('/')}/{route}"
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query, safe="/"), ""))
