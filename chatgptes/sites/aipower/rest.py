"""The owner's REST API (plugin 2.3 and later): one POST with a key, one JSON object back."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ...errors import (
    AuthenticationError,
    ChallengeError,
    ChatGptEsError,
    Hint,
    RefusedError,
    ResponseError,
    UnexpectedFormatError,
    UnexpectedStatusError,
    UpstreamError,
)
from ...values.http import Headers, Limits, Request
from ..addresses import require_same_site
from ..challenge import block_page_error, gate_error, is_gate
from ..decoder import BodyDecoder, usage_from
from ..dialect import Bot, BufferedResponse, Decoder, Endpoint, FoundBot, Question
from ..errors import error_for_status, make_error
from ..forms import check_images, check_web_search, key_headers
from ..text import (
    clean_text,
    excerpt,
    is_blank,
    parse_json,
    site_said,
    string_or_empty,
    without_surrogates,
)  # fmt: skip
from ..waits import with_wait
from .plugin import AiPower

__all__ = ["Rest"]


def _join(root: str, route: str) -> str:
    """Return the address of `route`, whether the root is a path or a `rest_route` parameter."""
    parts = urlsplit(root)
    query = parse_qsl(parts.query, keep_blank_values=True)
    path = parts.path
    if any(name == "rest_route" for name, _ in query):
        query = [
            (name, f"{value.rstrip('/')}/{route}" if name == "rest_route" else value)
            for name, value in query
        ]
    else:
        path = f"{path.rstrip('/')}/{route}"
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query, safe="/"), ""))


class Rest(AiPower):
    """The owner's REST API; a `KeyDialect`."""

    name = "rest"
    remembers = False
    streams: bool | None = False
    forms = False
    quota_buttons = False
    namespace = "aipkit/v1"
    traces: tuple[bytes, ...] = ()
    containers: tuple[bytes, ...] = ()

    def is_bot_id(self, bot_id: str) -> bool:
        """See `KeyDialect.is_bot_id`: numbers."""
        return bot_id.isascii() and bot_id.isdigit()

    def endpoint(self, site_url: str, root: str, bot_id: str, api_key: str) -> Endpoint:
        """See `KeyDialect.endpoint`."""
        headers = key_headers(api_key, bot_id)
        route = f"{self.namespace}/chat/{quote(bot_id, safe='')}/message"
        return Endpoint(
            bot=Bot(id=bot_id, name="", dialect="rest", kind="rest", page=site_url),
            url=_join(require_same_site(site_url, root), route),
            page_url=site_url,
            headers=headers,
        )

    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        """See `Dialect.age`."""
        return "2.3 or later"

    def find(self, page: BufferedResponse) -> list[FoundBot]:
        """Return nothing: no page shows a bot of this dialect."""
        return []

    def check(self, question: Question) -> None:
        """See `Dialect.check`."""
        check_web_search(question)
        check_images(question, 0, ())

    def requests(self, question: Question) -> Generator[Request, BufferedResponse, None]:
        """Yield the one request of a turn."""
        self.check(question)
        messages = [
            {"role": "user" if role == "user" else "assistant", "content": without_surrogates(text)}
            for role, text in (*question.history, ("user", question.prompt))
        ]
        yield Request(
            "POST",
            question.endpoint.url,
            headers={
                **question.endpoint.headers,
                "Accept": "application/json",
                "Content-Type": "application/json; charset=utf-8",
            },
            body=json.dumps({"messages": messages}, ensure_ascii=False).encode(),
            referrer=None,
            repeatable=False,
            final=True,
        )

    def decoder(
        self, question: Question, url: str, status: int, headers: Headers, limits: Limits
    ) -> Decoder:
        """Return a decoder for the answer."""
        return _RestDecoder(url, status, headers, limits)

    def error_for(self, response: BufferedResponse) -> ChatGptEsError:
        """Return the error for a response with a status other than 2xx."""
        url, status = response.url, response.status
        data = parse_json(response.body, _is_known, _is_answer)
        known = _is_known(data)
        error = error_for_status(response, of_site=known)
        if isinstance(error, (ChallengeError, RefusedError)):
            return error
        if known and (refused := _error_in(data, url, status)):
            return with_wait(refused, response.headers)
        if blocked := block_page_error(response, data):
            return blocked
        if status in (401, 403):
            return _key_error(url, status, excerpt(response.body))
        return error

    def nonce_request(self, endpoint: Endpoint) -> Request | None:
        """Return None: there is no nonce."""
        return None

    def nonce_from(self, response: BufferedResponse) -> str | None:
        """Return None: there is no nonce."""
        return None


def _is_known(data: Any) -> bool:
    return isinstance(data, dict) and (
        "reply" in data or ("code" in data and "message" in data) or is_gate(data)
    )


def _is_answer(data: dict[Any, Any]) -> bool:
    return isinstance(data.get("reply"), str)


def _key_error(url: str, status: int, said: str, code: str | None = None) -> AuthenticationError:
    return make_error(
        AuthenticationError,
        f"The site does not take the key (status {status}).{site_said(said)} Check it, and that "
        "the plugin's REST access is switched on.",
        url,
        status,
        said,
        code,
        Hint("api_key", purpose="to give the right one"),
    )


def _error_in(data: dict[Any, Any], url: str, status: int) -> ResponseError | None:
    """Return the error for WordPress's `{"code", "message", "data": {"status"}}`, or None.

    Only `message` is quoted: `data` can hold stack traces of the site's server.
    """
    if is_gate(data):
        return gate_error(data, url, status)
    code, said = clean_text(data.get("code"), 100), clean_text(data.get("message"))
    if not code:
        return None
    # Those with `http_` are WordPress's, of a request of the site's own to the service.
    if code == "api_error" or code.startswith("http_"):
        message = f"The site's model failed.{site_said(said)}"
        return make_error(UpstreamError, message, url, status, said, code)
    if status in (401, 403):
        return _key_error(url, status, said, code)
    if code == "rest_no_route":
        message = (
            f"The site has no such REST route (status {status}): its plugin is older than 2.3, or "
            "its REST API is switched off."
        )
        return make_error(UnexpectedStatusError, message, url, status, said, code)
    if status == 429:
        return None
    if status >= 500:
        message = (
            f"The site itself failed (status {status}), as it also does for an unknown bot id."
            f"{site_said(said)}"
        )
        return make_error(UnexpectedStatusError, message, url, status, said, code)
    message = f"The site refused the message (status {status}, {code}).{site_said(said)}"
    return make_error(UnexpectedStatusError, message, url, status, said, code)


class _RestDecoder(BodyDecoder):
    """The answer of one turn.  See `Decoder`."""

    is_known = staticmethod(_is_known)

    def _event(self, name: str, value: str) -> str:
        return ""

    def _ended(self) -> str:
        raise self._make_error(
            UnexpectedFormatError, "The site's REST API answered an event stream."
        )

    def _whole(self, body: bytes) -> str:
        data = parse_json(body, _is_known, _is_answer)
        if not isinstance(data, dict):
            if blocked := self._gate_error(body):
                raise blocked
            said = excerpt(body)
            message = f"The site's REST API did not answer a JSON object.{site_said(said)}"
            raise self._make_error(UnexpectedFormatError, message, said)
        if isinstance(data.get("reply"), str):
            if is_blank(string_or_empty(data["reply"])):
                raise self._empty_error()
            self.details.model = clean_text(data.get("model"), 200) or None
            self.details.usage = usage_from(data.get("usage"))
            return string_or_empty(data["reply"])
        if error := _error_in(data, self._url, self._status):
            raise error
        names = ", ".join(sorted(clean_text(str(key), 30) for key in data)[:10])
        raise self._make_error(
            UnexpectedFormatError,
            f"The site's REST API answered an object without a reply (keys: {names}).",
        )
