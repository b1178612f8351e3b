"""The dialect of plugin versions 2.3 and later.

The page shows an element with a JSON `data-config`; a turn leaves the message on the site by a
POST and reads the answer by a GET; the site keeps the conversation.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from ...errors import ChallengeError, ChatGptEsError, RefusedError, UnexpectedFormatError
from ...values.http import Headers, Limits, Request
from ...values.images import Image
from ..addresses import ajax_urls, require_same_site
from ..challenge import block_page_error, challenge_error, gate_error, is_gate
from ..dialect import (
    Bot,
    BufferedResponse,
    Decoder,
    Endpoint,
    FoundBot,
    NonceRefused,
    Question,
    random_id,
)
from ..errors import (
    error_for_status,
    holds_events_of_model,
    is_zero,
    make_error,
    unknown_action_error,
)
from ..forms import check_images, check_web_search
from ..html import attributes, tags, utf8
from ..text import (
    clean_text,
    excerpt,
    parse_json,
    site_said,
    string_or_empty,
    without_surrogates,
)  # fmt: skip
from ..waits import with_wait
from .aipkit_decoder import AipkitDecoder
from .aipkit_forms import is_answer, is_known, post, refusal
from .aipkit_memory import NO_FEEDBACK, AipkitMemory
from .plugin import AiPower

__all__ = ["Aipkit"]

_INLINE, _POPUP = b"aipkit_chat_container", b"aipkit_popup_wrapper"
_LONGEST_GREETING = 2000  # Characters, of a starter too.
_MOST_STARTERS = 20
# Which parameter asks for a search, by the setting that allows it.
_SEARCHES = {
    "allowWebSearchTool": "frontend_web_search_active",
    "allowGoogleSearchGrounding": "frontend_google_search_grounding_active",
}
# Measured on 2.4.71.
_IMAGES, _MOST_IMAGES = frozenset({"image/jpeg", "image/png", "image/webp"}), 4


class Aipkit(AiPower, AipkitMemory):
    """The newer way; a `Dialect`."""

    name = "aipkit"
    remembers = True
    streams: bool | None = True
    forms = True
    quota_buttons = True
    traces: tuple[bytes, ...] = (b"aipkit", *AiPower.plugin_traces)
    containers: tuple[bytes, ...] = (_INLINE, _POPUP)

    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        """See `Dialect.age`."""
        # Measured on 2.3.20 and 2.4.71: the key went with 2.4.1.
        if b"streamEnabled" in page.body:
            return "2.3 to 2.4.0"
        return "2.4.1 or later"

    def find(self, page: BufferedResponse) -> list[FoundBot]:
        """Return the bots that a page shows, in the page's order.

        An element whose `data-config` is no JSON, or has no bot id or nonce, is none.

        Raises:
            UnexpectedFormatError: every bot of the page names an address that may not be used;
                as long as one is good, the others are passed over.
        """
        body, encoding = utf8(page.headers, page.body)
        page = replace(page, body=body)
        found: list[FoundBot] = []
        bad: UnexpectedFormatError | None = None
        where = _AjaxUrls(page)
        for tag in tags(body, self.containers):
            read = attributes(tag, encoding)
            config = parse_json(read.get("data-config", ""))
            if not isinstance(config, dict):
                continue
            popup = _INLINE.decode() not in read.get("class", "").split()
            try:
                endpoint = _endpoint(page, config, where, popup=popup)
            except UnexpectedFormatError as error:
                bad = bad or error
                continue
            if endpoint is not None:
                found.append(FoundBot(tag.start, endpoint))
        if bad is not None and not found:
            raise bad
        return found

    def check(self, question: Question) -> None:
        """See `Dialect.check`."""
        check_web_search(question)
        check_images(question, _MOST_IMAGES, _IMAGES)

    def requests(self, question: Question) -> Generator[Request, BufferedResponse, None]:
        """Yield the requests: the message, then the stream of its answer under the key it got."""
        self.check(question)
        endpoint, bot = question.endpoint, question.endpoint.bot
        now = int(time.time() * 1000)
        response = yield post(
            endpoint,
            {
                "action": "aipkit_cache_sse_message",
                "message": without_surrogates(question.prompt),
                "_ajax_nonce": endpoint.nonce,
                "bot_id": bot.id,
                "user_client_message_id": (f"aipkit-client-msg-{bot.id}-{now}-{random_id()[:5]}"),
                **({"image_inputs": _image_inputs(question.images)} if question.images else {}),
            },
        )
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
            headers={**endpoint.headers, "Accept": "text/event-stream"},
            referrer=bot.page,
            repeatable=False,
            final=True,
        )

    def decoder(
        self, question: Question, url: str, status: int, headers: Headers, limits: Limits
    ) -> Decoder:
        """Return a decoder for the answer."""
        return AipkitDecoder(url, status, headers, limits)

    def error_for(self, response: BufferedResponse) -> ChatGptEsError:
        """Return the error for a response with a status other than 2xx."""
        status = response.status
        data = parse_json(response.body, is_known, is_answer)
        known = isinstance(data, dict) and is_known(data)
        if known and is_gate(data):
            return with_wait(gate_error(data, response.url, status), response.headers)
        error = error_for_status(response, of_site=known)
        if isinstance(error, (ChallengeError, RefusedError)) or status in (401, 429):
            return error
        if status == 400 and (unknown := unknown_action_error(response)):
            return unknown
        if known and (refused := refusal(response, data)):
            return refused
        if holds_events_of_model(response.body):
            return error
        if blocked := block_page_error(response, data):
            return blocked
        if status == 403:
            said = excerpt(response.body)
            return make_error(
                NonceRefused,
                "The site refused the request (status 403), as it does when the page's nonce is "
                f"too old.{site_said(said)}",
                response.url,
                status,
                said,
            )
        return error

    def nonce_request(self, endpoint: Endpoint) -> Request | None:
        """Return the request for a fresh nonce (plugin 2.3.41 on; older ones answer 400)."""
        return post(
            endpoint, {"action": "aipkit_get_frontend_chat_nonce", "bot_id": endpoint.bot.id}
        )

    def nonce_from(self, response: BufferedResponse) -> str | None:
        """Return the nonce in the response to `nonce_request`, or None if there is none in it."""
        good = 200 <= response.status < 300
        data = parse_json(response.body, is_known, is_answer) if good else None
        if not isinstance(data, dict) or not data.get("success"):
            return None
        inner = data.get("data")
        nonce = inner.get("nonce") if isinstance(inner, dict) else None
        return without_surrogates(nonce).strip() or None if isinstance(nonce, str) else None


def _cache_key(response: BufferedResponse, *, with_images: bool) -> str:
    """The key of the message that the site took.

    Raises:
        ResponseError: it took none.
    """
    body = response.body.strip()
    data = parse_json(body, is_known, is_answer)
    inner = data.get("data") if isinstance(data, dict) else None
    key = inner.get("cache_key") if isinstance(inner, dict) else None
    if isinstance(key, str) and key and isinstance(data, dict) and data.get("success"):
        return without_surrogates(key)
    if isinstance(data, dict) and (error := refusal(response, data)):
        raise error
    if blocked := challenge_error(
        response.status, response.headers, response.body, response.url, markup=True
    ):
        raise blocked
    said = excerpt(response.body)
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
        message = f"The site answered a web page and took no message.{site_said(said)}"
    else:
        message = f"The site's answer to the message is in no known form.{site_said(said)}"
    raise make_error(UnexpectedFormatError, message, response.url, response.status, said)


def _image_inputs(images: Sequence[Image]) -> str:
    return json.dumps([{"mime_type": each.kind, "base64_data": each.base64} for each in images])


def _identifier(value: object) -> str:
    """An id that a page writes as a number or as a string."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return ""
    return without_surrogates(str(value)).strip()


class _AjaxUrls:
    """The page's own addresses for a config that names none; looked for once."""

    def __init__(self, page: BufferedResponse) -> None:
        self._page = page
        self._found: tuple[str, ...] | UnexpectedFormatError | None = None

    def get(self) -> tuple[str, ...]:
        """Return them, the likeliest first, or raise."""
        if self._found is None:
            try:
                self._found = ajax_urls(self._page)
            except UnexpectedFormatError as error:
                self._found = error
        if isinstance(self._found, UnexpectedFormatError):
            raise self._found
        return self._found


def _endpoint(
    page: BufferedResponse, config: dict[Any, Any], where: _AjaxUrls, *, popup: bool
) -> Endpoint | None:
    bot_id = _identifier(config.get("botId"))
    nonce = string_or_empty(config.get("nonce")).strip()
    if not bot_id or not nonce:
        return None
    written = string_or_empty(config.get("ajaxUrl"))
    urls = (require_same_site(page.url, written),) if written else where.get()
    texts = config.get("text")
    texts = texts if isinstance(texts, dict) else {}
    searches = [field for name, field in _SEARCHES.items() if config.get(name) is True]
    bot = Bot(
        id=bot_id,
        name=clean_text(config.get("headerName"), 100),
        dialect="aipkit",
        kind="popup" if popup else "inline",
        page=page.url,
        images=config.get("imageUploadEnabledUI") is True,
        web_search=bool(searches),
        consent=config.get("requireConsentCompliance") is True and (_consent(texts) or True),
        greeting=clean_text(texts.get("initialGreeting"), _LONGEST_GREETING),
        starters=_starters(config),
    )
    return Endpoint(
        bot=bot,
        url=urls[0],
        nonce=without_surrogates(nonce),
        post_id=_identifier(config.get("postId")),
        page_url=page.url,
        keeps_response_id=config.get("enableOpenAIConversationState") is True,
        further_urls=urls[1:],
        extra={
            "web_search": " ".join(searches),
            **({NO_FEEDBACK: "yes"} if config.get("enableFeedback") is False else {}),
        },
    )


def _consent(texts: dict[Any, Any]) -> str:
    parts = (clean_text(texts.get(name), 1000) for name in ("consentTitle", "consentMessage"))
    return ": ".join(filter(None, parts))


def _starters(config: dict[Any, Any]) -> tuple[str, ...]:
    given = config.get("starters")
    if config.get("enableStarters") is False or not isinstance(given, list):
        return ()
    texts = (without_surrogates(string_or_empty(each)).strip() for each in given[:_MOST_STARTERS])
    return tuple(text[:_LONGEST_GREETING] for text in texts if text)
