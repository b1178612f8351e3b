"""The dialect of plugin versions 2.3 and later.

The page shows an element with a JSON `data-config`; a turn leaves the message on the site by a
POST and reads the answer by a GET; the site keeps the conversation.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Generator
from typing import Any
from urllib.parse import urlencode

from ...errors import ResponseError
from ...values.http import Limits, Request
from ..addresses import ajax_urls, require_same_site
from ..dialect import Bot, BufferedResponse, Decoder, Endpoint, Question, ReadBot, random_id
from ..errors import error_for_answer, is_zero, unexpected_error
from ..forms import form_request
from ..html import Tag
from ..text import (
    clean_text,
    identifier,
    json_object,
    object_or_empty,
    string_or_empty,
    without_surrogates,
)
from .aipkit_decoder import AipkitDecoder, rank, refusal
from .aipkit_memory import AipkitMemory

__all__ = ["Aipkit"]

_INLINE, _POPUP = b"aipkit_chat_container", b"aipkit_popup_wrapper"
_LONGEST_GREETING = 2000  # Characters, of a starter too.
_MOST_STARTERS = 20
# Which parameter asks for a search, by the setting that allows it.
_SEARCHES = {
    "allowWebSearchTool": "frontend_web_search_active",
    "allowGoogleSearchGrounding": "frontend_google_search_grounding_active",
}


class Aipkit(AipkitMemory):
    """The newer way; a `Dialect` that `TakesFeedback` and `KeepsConversations`."""

    name = "aipkit"
    remembers = True
    forms = True
    quota_buttons = True
    traces = (b"aipkit", *AipkitMemory.plugin_traces)
    containers = (_INLINE, _POPUP)
    image_kinds = frozenset({"image/jpeg", "image/png", "image/webp"})  # Measured on 2.4.71.

    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        # Measured on 2.3.20 and 2.4.71: the key went with 2.4.1.
        if b"streamEnabled" in page.body:
            return "2.3 to 2.4.0"
        return "2.4.1 or later"

    def reader(self, page: BufferedResponse) -> ReadBot:
        """See `Dialect.reader`.

        An element whose `data-config` is no JSON, or has no bot id or nonce, is none.
        """
        page_urls = functools.cache(lambda: ajax_urls(page))

        def read(_: Tag, attributes: dict[str, str]) -> Endpoint | None:
            config = json_object(attributes.get("data-config", "")) or {}
            bot_id = identifier(config.get("botId"))
            nonce = without_surrogates(string_or_empty(config.get("nonce"))).strip()
            if not bot_id or not nonce:
                return None
            named = string_or_empty(config.get("ajaxUrl"))
            url, *further_urls = (named,) if named else page_urls()
            popup = _INLINE.decode() not in attributes.get("class", "").split()
            searches = [field for name, field in _SEARCHES.items() if config.get(name) is True]
            return Endpoint(
                bot=_bot(bot_id, config, page.url, popup=popup, web_search=bool(searches)),
                url=require_same_site(page.url, url),
                nonce=nonce,
                post_id=identifier(config.get("postId")),
                page_url=page.url,
                keeps_response_id=config.get("enableOpenAIConversationState") is True,
                thumbs=config.get("enableFeedback") is not False,
                further_urls=tuple(further_urls),
                extra={"web_search": " ".join(searches)},
            )

        return read

    def most_images(self, endpoint: Endpoint) -> int:
        return 4  # Measured on 2.4.71.

    def requests(self, question: Question) -> Generator[Request, BufferedResponse, None]:
        """Yield the requests: the message, then the stream of its answer under the key it got."""
        self.check(question)
        endpoint, bot = question.endpoint, question.endpoint.bot
        now = int(time.time() * 1000)
        fields = {
            "action": "aipkit_cache_sse_message",
            "message": without_surrogates(question.prompt),
            "_ajax_nonce": endpoint.nonce,
            "bot_id": bot.id,
            "user_client_message_id": f"aipkit-client-msg-{bot.id}-{now}-{random_id()[:5]}",
        }
        if question.images:
            inputs = [
                {"mime_type": each.kind, "base64_data": each.base64} for each in question.images
            ]
            fields["image_inputs"] = json.dumps(inputs)
        response = yield form_request(endpoint, fields, repeatable=True)
        query = {
            "action": "aipkit_frontend_chat_stream",
            "cache_key": _cache_key(response, with_images=bool(question.images)),
            "bot_id": bot.id,
            "session_id": question.visitor,
            "conversation_uuid": question.conversation,
            "post_id": endpoint.post_id,
            "_ts": str(now),
            "_ajax_nonce": endpoint.nonce,
        }
        previous = question.state.get("openai_response_id")
        if endpoint.keeps_response_id and previous:
            query["previous_openai_response_id"] = previous
        if previous := question.state.get("google_interaction_id"):
            query["previous_google_interaction_id"] = previous
        if question.web_search:
            query |= dict.fromkeys(
                endpoint.extra.get("web_search", _SEARCHES["allowWebSearchTool"]).split(), "true"
            )
        url = endpoint.url
        yield Request(
            "GET",
            f"{url}{'&' if '?' in url else '?'}{urlencode(query)}",
            headers={"Accept": "text/event-stream"},
            referrer=bot.page,
            repeatable=False,
            final=True,
        )

    def decoder(self, question: Question, head: BufferedResponse, limits: Limits) -> Decoder:
        return AipkitDecoder(head, limits)

    def error_for(self, response: BufferedResponse) -> ResponseError:
        return error_for_answer(response, rank, refusal, nonce=True)

    def nonce_request(self, endpoint: Endpoint) -> Request | None:
        """Return the request for a fresh nonce (plugin 2.3.41 on; older ones answer 400)."""
        fields = {"action": "aipkit_get_frontend_chat_nonce", "bot_id": endpoint.bot.id}
        return form_request(endpoint, fields, repeatable=True)

    def nonce_from(self, response: BufferedResponse) -> str | None:
        good = 200 <= response.status < 300
        data = (json_object(response.body, rank) if good else None) or {}
        nonce = string_or_empty(object_or_empty(data.get("data")).get("nonce"))
        return (without_surrogates(nonce).strip() or None) if data.get("success") else None


def _cache_key(response: BufferedResponse, *, with_images: bool) -> str:
    """The key of the message that the site took; raises why it took none."""
    body = response.body.strip()
    data = json_object(body, rank) or {}
    key = string_or_empty(object_or_empty(data.get("data")).get("cache_key"))
    if key and data.get("success"):
        return without_surrogates(key)
    if not body:
        message = "The site answered nothing at all where it should have taken the message."
    elif is_zero(body):
        message = "WordPress did not read the message."
        message += (
            " Its pictures may be more than the site takes at once (PHP's post_max_size): send "
            "smaller ones."
            if with_images
            else " The chat plugin is not active, or the message is larger than the site takes at "
            "once (PHP's post_max_size)."
        )
    elif body.startswith(b"<"):
        message = "The site answered a web page and took no message."
    else:
        message = "The site's answer to the message is in no known form."
    raise refusal(data, response) or unexpected_error(response, message)


def _bot(
    bot_id: str, config: dict[Any, Any], page_url: str, *, popup: bool, web_search: bool
) -> Bot:
    texts = object_or_empty(config.get("text"))
    asked = (clean_text(texts.get(name), 1000) for name in ("consentTitle", "consentMessage"))
    asks = config.get("requireConsentCompliance") is True
    return Bot(
        id=bot_id,
        name=clean_text(config.get("headerName"), 100),
        dialect="aipkit",
        kind="popup" if popup else "inline",
        page=page_url,
        images=config.get("imageUploadEnabledUI") is True,
        web_search=web_search,
        consent=asks and (": ".join(filter(None, asked)) or True),
        greeting=clean_text(texts.get("initialGreeting"), _LONGEST_GREETING),
        starters=_starters(config),
    )


def _starters(config: dict[Any, Any]) -> tuple[str, ...]:
    given = config.get("starters")
    if config.get("enableStarters") is False or not isinstance(given, list):
        return ()
    texts = (without_surrogates(string_or_empty(each)).strip() for each in given[:_MOST_STARTERS])
    return tuple(text[:_LONGEST_GREETING] for text in texts if text)
