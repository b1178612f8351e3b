"""AI Engine's API for the owner: one POST with a key, one JSON object back.

It is off by default, and from 2.2.1 on takes a key (measured on 2.2.95 to 3.6.2).  It never streams
and ignores `messages`.  Its own memory hangs on a `chatId` and is there only where the owner keeps
discussions; elsewhere some versions (2.6.9, 2.8.4) answer a `chatId` with a fatal error.  So no
`chatId` is sent, and a conversation goes as one message, written out.
"""

from __future__ import annotations

import json
from collections.abc import Generator

from ...errors import (
    AuthenticationError,
    ChallengeError,
    ChatGptEsError,
    Hint,
    RefusedError,
    UnexpectedFormatError,
    UnexpectedStatusError,
)
from ...values.http import Headers, Limits, Request
from ...values.messages import written_out
from ..addresses import require_same_site
from ..decoder import BodyDecoder
from ..dialect import (
    Bot,
    BufferedResponse,
    Decoder,
    Endpoint,
    FoundBot,
    Question,
)
from ..errors import make_error
from ..forms import check_images, check_web_search, key_headers
from ..text import clean_text, excerpt, is_blank, site_said, without_surrogates
from ..waits import with_wait
from .refusals import NO_ROUTE, error_for_object, error_for_response, is_known, json_object

__all__ = ["MwaiRest"]

_ROUTE = "/mwai/v1/simpleChatbotQuery"


class MwaiRest:
    """See the module; an implementation of `KeyDialect`."""

    name = "mwai-rest"
    plugin = "AI Engine"
    slug = "ai-engine"
    remembers = False
    cookie_is_visitor = False
    streams: bool | None = False
    forms = False
    quota_buttons = False
    traces: tuple[bytes, ...] = ()
    containers: tuple[bytes, ...] = ()
    namespace = "mwai/v1"

    def is_bot_id(self, bot_id: str) -> bool:
        """See `KeyDialect.is_bot_id`: any word."""
        return bool(bot_id)

    def endpoint(self, site_url: str, root: str, bot_id: str, api_key: str) -> Endpoint:
        """Return the endpoint of the bot `bot_id`, whose id is a word such as "default".

        Raises:
            InvalidConfigError: the key can't stand in a header, or there is no bot id.
            UnexpectedFormatError: the root is not on the site's host; no key is sent there.
        """
        headers = key_headers(api_key, bot_id)
        return Endpoint(
            bot=Bot(bot_id, name="", dialect=self.name, kind="rest", page=site_url),
            url=require_same_site(site_url, root).rstrip("/") + _ROUTE,
            page_url=site_url,
            headers=headers,
        )

    def why_missing(self, page: BufferedResponse) -> str:
        """See `Dialect.why_missing`."""
        return ""

    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        """See `Dialect.age`."""
        return "2.2.1 or later"

    def find(self, page: BufferedResponse) -> list[FoundBot]:
        """Return nothing: no page shows a bot of this dialect; see `endpoint`."""
        return []

    def check(self, question: Question) -> None:
        """See `Dialect.check`."""
        check_web_search(question)
        check_images(question, 0, ())

    def requests(self, question: Question) -> Generator[Request, BufferedResponse, None]:
        """Yield the one request of a turn."""
        self.check(question)
        message = written_out((*question.history, ("user", question.prompt)))
        body = {"botId": question.endpoint.bot.id, "message": without_surrogates(message)}
        yield Request(
            "POST",
            question.endpoint.url,
            headers={
                **question.endpoint.headers,
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
            body=json.dumps(body, ensure_ascii=False).encode(),
            referrer=None,
            repeatable=False,
            final=True,
        )

    def decoder(
        self, question: Question, url: str, status: int, headers: Headers, limits: Limits
    ) -> Decoder:
        """Return a decoder for the answer."""
        return _Decoder(url, status, headers, limits)

    def error_for(self, response: BufferedResponse) -> ChatGptEsError:
        """Return the error for a response with a status other than 2xx."""
        url, status = response.url, response.status
        error = error_for_response(response)
        if isinstance(error, ChallengeError) or (isinstance(error, RefusedError) and error.blocked):
            return error
        data = json_object(response.body) or {}
        code, said = clean_text(data.get("code"), 100), clean_text(data.get("message"))
        if code and status in (401, 403):
            message = (
                f"The site does not take the key (status {status}).{site_said(said)} Check "
                "it, and that the plugin's public API is switched on."
            )
            hint = Hint("api_key", purpose="to give the right one")
            return make_error(AuthenticationError, message, url, status, said, code, hint)
        if code == NO_ROUTE:
            message = (
                f"The site has no such REST route (status {status}): the AI Engine plugin's public "
                "API is switched off there."
            )
            gone = make_error(UnexpectedStatusError, message, url, status, said, code)
            return with_wait(gone, response.headers)
        return error

    def nonce_request(self, endpoint: Endpoint) -> Request | None:
        """Return None: there is no nonce."""
        return None

    def nonce_from(self, response: BufferedResponse) -> str | None:
        """Return None: there is no nonce."""
        return None


class _Decoder(BodyDecoder):
    """Decodes the answer of one turn.  See `Decoder`."""

    is_known = staticmethod(is_known)

    def _event(self, name: str, value: str) -> str:
        return ""

    def _ended(self) -> str:
        raise self._make_error(
            UnexpectedFormatError, "The site's REST API answered an event stream."
        )

    def _whole(self, body: bytes) -> str:
        data = json_object(body)
        if data is not None:
            if data.get("success") and isinstance(data.get("data"), str):
                if is_blank(data["data"]):
                    raise self._empty_error()
                return without_surrogates(data["data"])
            if error := error_for_object(data, self._url, self._status):
                raise error
        if blocked := self._gate_error(body):
            raise blocked
        said = excerpt(body)
        message = f"The site's REST API answered no reply.{site_said(said)}"
        raise self._make_error(UnexpectedFormatError, message, said)
