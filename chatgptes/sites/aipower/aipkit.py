"""The dialect of plugin versions 2.3 and later.

The page shows an element with a JSON `data-config`; a turn leaves the message on the site by a
POST and reads the answer by a GET; the site keeps the conversation.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from ...errors import ChallengeError, ChatGptEsError, RefusedError, UnexpectedFormatError
from ...values.http import Headers, Limits, Request
from ...values.images import Image
from ..addresses import ajax_url, checked
from ..challenge import challenge, gate, gated
from ..dialect import Bot, Decoder, DialectName, Endpoint, NonceRefused, Page, Turn
from ..errors import failure, status_fault, unknown_action
from ..forms import check_images, check_search, encoded
from ..html import attributes, tags, utf8
from ..text import excerpt, quoted, read_json, sound, text_of, told, words
from .aipkit_decoder import AipkitDecoder

__all__ = ["Aipkit"]

_INLINE, _POPUP = b"aipkit_chat_container", b"aipkit_popup_wrapper"
_RESPONSE_ID = "openai_response_id"
# Measured on 2.4.71.
_IMAGES, _MOST_IMAGES = frozenset({"image/jpeg", "image/png", "image/webp"}), 4


class Aipkit:
    """See the module; an implementation of `Dialect`."""

    name: DialectName = "aipkit"
    remembers = True

    def find(self, page: Page) -> list[Endpoint]:
        """The bots that a page shows, in the page's order.

        An element whose `data-config` is no JSON, or has no bot id or nonce, is none.

        Raises:
            UnexpectedFormatError: every bot of the page names an address that may not be used;
                as long as one is good, the others are passed over.
        """
        return [endpoint for _, endpoint in self.located(page)]

    def located(self, page: Page) -> list[tuple[int, Endpoint]]:
        """As `find`, each with its place in the page (bytes)."""
        body, encoding = utf8(page.headers, page.body)
        page = replace(page, body=body)
        found: list[tuple[int, Endpoint]] = []
        bad: UnexpectedFormatError | None = None
        where = _AjaxUrl(page)
        for tag in tags(body, (_INLINE, _POPUP)):
            read = attributes(tag, encoding)
            config = read_json(read.get("data-config", ""))
            if not isinstance(config, dict):
                continue
            popup = _INLINE.decode() not in read.get("class", "").split()
            try:
                endpoint = _endpoint(page, config, where, popup=popup)
            except UnexpectedFormatError as error:
                bad = bad or error
                continue
            if endpoint is not None:
                found.append((tag.start, endpoint))
        if bad is not None and not found:
            raise bad
        return found

    def say(self, turn: Turn) -> Generator[Request, Page, None]:
        """Two requests: the message, and the stream of its answer under the key that it got."""
        check_search(turn)
        check_images(turn, _MOST_IMAGES, _IMAGES)
        endpoint, bot = turn.endpoint, turn.endpoint.bot
        now = int(time.time() * 1000)
        page = yield self._post(
            endpoint,
            {
                "action": "aipkit_cache_sse_message",
                "message": sound(turn.prompt),
                "_ajax_nonce": endpoint.nonce,
                "bot_id": bot.id,
                "user_client_message_id": (
                    f"aipkit-client-msg-{bot.id}-{now}-{uuid.uuid4().hex[:5]}"
                ),
                **({"image_inputs": _image_inputs(turn.images)} if turn.images else {}),
            },
        )
        query = {
            "action": "aipkit_frontend_chat_stream",
            "cache_key": self._cache_key(page),
            "bot_id": bot.id,
            "session_id": turn.visitor,
            "conversation_uuid": turn.conversation,
            "post_id": endpoint.post_id,
            "_ts": str(now),
            "_ajax_nonce": endpoint.nonce,
        }
        previous = turn.state.get(_RESPONSE_ID)
        if endpoint.keeps_response_id and previous:
            query["previous_openai_response_id"] = previous
        if turn.web_search:
            query["frontend_web_search_active"] = "true"
        yield Request(
            "GET",
            f"{endpoint.url}{'&' if '?' in endpoint.url else '?'}{urlencode(query)}",
            headers={**endpoint.headers, "Accept": "text/event-stream"},
            referrer=bot.page,
            repeatable=False,
            final=True,
        )

    def _post(self, endpoint: Endpoint, fields: dict[str, str]) -> Request:
        kind, body = encoded(fields)
        return Request(
            "POST",
            endpoint.url,
            headers={**endpoint.headers, "Content-Type": kind},
            body=body,
            referrer=endpoint.bot.page,
        )

    def _cache_key(self, page: Page) -> str:
        data = read_json(page.body)
        inner = data.get("data") if isinstance(data, dict) else None
        key = inner.get("cache_key") if isinstance(inner, dict) else None
        if isinstance(key, str) and key and isinstance(data, dict) and data.get("success"):
            return sound(key)
        if isinstance(data, dict) and (error := _refused(page, data)):
            raise error
        if error := challenge(page.status, page.headers, page.body, page.url):
            raise error
        said = excerpt(page.body)
        message = "The site took the message, but not in the way of any known version."
        if not page.body.strip():
            message = "The site answered nothing at all where it should have taken the message."
        raise failure(
            UnexpectedFormatError,
            f"{message}{told(said)}",
            page.url,
            page.status,
            said,
        )

    def hear(self, turn: Turn, url: str, status: int, headers: Headers, limits: Limits) -> Decoder:
        """A decoder for the answer."""
        return AipkitDecoder(url, status, headers, limits)

    def fault(self, page: Page) -> ChatGptEsError:
        """The error that a response with a status other than 2xx stands for."""
        error = status_fault(page)
        if isinstance(error, ChallengeError) or page.status in (401, 429):
            return error
        if page.status == 400 and (unknown := unknown_action(page)):
            return unknown
        data = read_json(page.body)
        if isinstance(data, dict) and (refused := _refused(page, data)):
            return refused
        if page.status == 403:
            said = excerpt(page.body)
            return failure(
                NonceRefused,
                "The site refused the request (status 403), as it does when the page's nonce is "
                f"too old.{told(said)}",
                page.url,
                page.status,
                said,
            )
        return error

    def refresh(self, endpoint: Endpoint) -> Request | None:
        """The request for a fresh nonce (plugin 2.3.41 and later; older ones answer 400)."""
        return self._post(
            endpoint, {"action": "aipkit_get_frontend_chat_nonce", "bot_id": endpoint.bot.id}
        )

    def refreshed(self, page: Page) -> str | None:
        """The nonce in the response to `refresh`, or None if there is none in it."""
        data = read_json(page.body) if 200 <= page.status < 300 else None
        if not isinstance(data, dict) or not data.get("success"):
            return None
        inner = data.get("data")
        nonce = inner.get("nonce") if isinstance(inner, dict) else None
        return sound(nonce).strip() or None if isinstance(nonce, str) else None


def _refused(page: Page, data: dict[Any, Any]) -> ChatGptEsError | None:
    """The error for WordPress's `{"success": false, "data": {"message", "code"}}`, or None."""
    if gate(data):
        return gated(data, page.url, page.status)
    inner = data.get("data")
    if data.get("success") is not False or page.status >= 500:
        return None
    inner = inner if isinstance(inner, dict) else {"message": inner}
    if gate(inner):
        return gated(inner, page.url, page.status)
    code, said = words(inner.get("code"), 100), words(inner.get("message"))
    hint = ""
    cls: type[RefusedError] = RefusedError
    if code in ("embed_not_available", "cors_denied"):
        hint = " It takes messages from its own pages only."
    elif code.startswith("nonce_failure") or page.status == 403:
        cls = NonceRefused
    return failure(
        cls,
        f"The site refused the message{quoted(said or code)}{hint}",
        page.url,
        page.status,
        said,
        code,
    )


def _image_inputs(images: Sequence[Image]) -> str:
    return json.dumps([{"mime_type": each.kind, "base64_data": each.base64} for each in images])


def _identifier(value: object) -> str:
    """An id that a page writes as a number or as a string."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return ""
    return sound(str(value)).strip()


class _AjaxUrl:
    """The page's own address for a config that names none; looked for once, whatever is found."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._found: str | UnexpectedFormatError | None = None

    def get(self) -> str:
        if self._found is None:
            try:
                self._found = ajax_url(self._page)
            except UnexpectedFormatError as error:
                self._found = error
        if isinstance(self._found, UnexpectedFormatError):
            raise self._found
        return self._found


def _endpoint(
    page: Page, config: dict[Any, Any], where: _AjaxUrl, *, popup: bool
) -> Endpoint | None:
    bot_id, nonce = _identifier(config.get("botId")), text_of(config.get("nonce")).strip()
    if not bot_id or not nonce:
        return None
    written = text_of(config.get("ajaxUrl"))
    bot = Bot(
        id=bot_id,
        name=words(config.get("headerName"), 100),
        dialect="aipkit",
        kind="popup" if popup else "inline",
        page=page.url,
        images=config.get("imageUploadEnabledUI") is True,
        web_search=config.get("allowWebSearchTool") is True,
        consent=config.get("requireConsentCompliance") is True,
    )
    return Endpoint(
        bot=bot,
        url=checked(page.url, written) if written else where.get(),
        nonce=sound(nonce),
        post_id=_identifier(config.get("postId")),
        page_url=page.url,
        keeps_response_id=config.get("enableOpenAIConversationState") is True,
    )
