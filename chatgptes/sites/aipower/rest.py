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
    InvalidConfigError,
    UnexpectedFormatError,
    UnexpectedStatusError,
    UpstreamError,
)
from ...values.http import Headers, Limits, Request
from ..addresses import api_root, checked
from ..challenge import gate, gated
from ..decoder import RaisingDecoder as BodyDecoder
from ..decoder import usage_of
from ..dialect import Bot, Decoder, DialectName, Endpoint, Page, Turn
from ..errors import failure, status_fault
from ..forms import check_images, check_search
from ..text import excerpt, read_json, sound, text_of, told, words

__all__ = ["Rest", "api_root", "endpoint"]


def endpoint(site_url: str, root: str, bot_id: str, api_key: str) -> Endpoint:
    """Where the bot `bot_id` of a site is spoken to with its owner's key.

    Args:
        site_url: an address of the site, for which the key was given.
        root: the REST API's root, as `api_root` finds it; absolute or relative to `site_url`.
        bot_id: the bot's id on the site.
        api_key: the owner's key.

    Raises:
        InvalidConfigError: the key can't stand in a header, or there is no bot id.
        UnexpectedFormatError: the root is not on the site's host; the key is not sent there.
    """
    if not api_key.strip() or not api_key.isascii() or not api_key.isprintable():
        raise InvalidConfigError("api_key must be the key as the site shows it: one line of ASCII.")
    if not bot_id.strip():
        raise InvalidConfigError("bot= must be the bot's id on the site.")
    url = _join(checked(site_url, root), f"aipkit/v1/chat/{quote(bot_id, safe='')}/message")
    return Endpoint(
        bot=Bot(id=bot_id, name="", dialect="rest", kind="rest", page=site_url),
        url=url,
        page_url=site_url,
        headers={"Authorization": f"Bearer {api_key.strip()}"},
    )


def _join(root: str, route: str) -> str:
    """The address of `route`, whether the root is a path or a `rest_route` parameter."""
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


class Rest:
    """See the module; an implementation of `Dialect`."""

    name: DialectName = "rest"
    remembers = False

    def find(self, page: Page) -> list[Endpoint]:
        """Nothing: no page shows a bot of this dialect; see `endpoint`."""
        return []

    def say(self, turn: Turn) -> Generator[Request, Page, None]:
        """The one request of a turn."""
        check_search(turn)
        check_images(turn, 0, ())
        messages = [
            {"role": "user" if role == "user" else "assistant", "content": sound(text)}
            for role, text in (*turn.history, ("user", turn.prompt))
        ]
        yield Request(
            "POST",
            turn.endpoint.url,
            headers={
                **turn.endpoint.headers,
                "Accept": "application/json",
                "Content-Type": "application/json; charset=utf-8",
            },
            body=json.dumps({"messages": messages}, ensure_ascii=False).encode(),
            referrer=None,
            repeatable=False,
            final=True,
        )

    def hear(self, turn: Turn, url: str, status: int, headers: Headers, limits: Limits) -> Decoder:
        """A decoder for the answer."""
        return _RestDecoder(url, status, headers, limits)

    def fault(self, page: Page) -> ChatGptEsError:
        """The error that a response with a status other than 2xx stands for."""
        data = read_json(page.body)
        if isinstance(data, dict) and (known := _coded(data, page.url, page.status)):
            return known
        error = status_fault(page)
        if isinstance(error, ChallengeError):
            return error
        if page.status in (401, 403):
            return _not_allowed(page.url, page.status, excerpt(page.body))
        return error

    def refresh(self, endpoint: Endpoint) -> Request | None:
        """None: there is no nonce."""
        return None

    def refreshed(self, page: Page) -> str | None:
        """None: there is no nonce."""
        return None


def _not_allowed(url: str, status: int, said: str, code: str | None = None) -> AuthenticationError:
    return failure(
        AuthenticationError,
        f"The site does not take the key (status {status}).{told(said)} Check api_key=, and that "
        "the plugin's REST access is switched on.",
        url,
        status,
        said,
        code,
    )


def _coded(data: dict[Any, Any], url: str, status: int) -> ChatGptEsError | None:
    """The error for WordPress's `{"code", "message", "data": {"status"}}`, or None.

    Only `message` is quoted: `data` can hold stack traces of the site's server.
    """
    if gate(data):
        return gated(data, url, status)
    code, said = words(data.get("code"), 100), words(data.get("message"))
    if not code:
        return None
    if code == "api_error":
        message = f"The site's model failed.{told(said)}"
        return failure(UpstreamError, message, url, status, said, code)
    if status in (401, 403):
        return _not_allowed(url, status, said, code)
    if code == "rest_no_route":
        message = (
            f"The site has no such REST route (status {status}): its plugin is older than 2.3, or "
            "its REST API is switched off."
        )
        return failure(UnexpectedStatusError, message, url, status, said, code)
    if status == 429:
        return None
    if status >= 500:
        message = (
            f"The site itself failed (status {status}), as it also does for an unknown bot id."
            f"{told(said)}"
        )
        return failure(UnexpectedStatusError, message, url, status, said, code)
    message = f"The site refused the message (status {status}, {code}).{told(said)}"
    return failure(UnexpectedStatusError, message, url, status, said, code)


class _RestDecoder(BodyDecoder):
    """The answer of one turn.  See `Decoder`."""

    def _event(self, name: str, value: str) -> str:
        return ""

    def _ended(self) -> str:
        raise self._error(UnexpectedFormatError, "The site's REST API answered an event stream.")

    def _whole(self, body: bytes) -> str:
        data = read_json(body)
        if not isinstance(data, dict):
            if blocked := self._challenge(body):
                raise blocked
            said = excerpt(body)
            message = f"The site's REST API did not answer a JSON object.{told(said)}"
            raise self._error(UnexpectedFormatError, message, said)
        if isinstance(data.get("reply"), str):
            if not text_of(data["reply"]).strip():
                raise self._empty()
            self.heard.model = words(data.get("model"), 200) or None
            self.heard.usage = usage_of(data.get("usage"))
            return text_of(data["reply"])
        if error := _coded(data, self._url, self._status):
            raise error
        names = ", ".join(sorted(words(str(key), 30) for key in data)[:10])
        raise self._error(
            UnexpectedFormatError,
            f"The site's REST API answered an object without a reply (keys: {names}).",
        )
