"""The classic dialect: plugin versions up to 1.9.18, and 2.2.

The page shows an element with `data-nonce`; a turn is one form POST to admin-ajax.php that brings
the conversation along; the answer is a JSON object, or the model's own event stream passed on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable
from dataclasses import replace

from ...errors import ChallengeError, ChatGptEsError, InvalidMessageError, RefusedError
from ...values.http import Headers, Limits, Request
from ...values.urls import may_send
from ..addresses import ajax_urls, deferred_scripts, join_url
from ..challenge import block_page_error, gate_error, is_gate
from ..dialect import (
    Bot,
    BufferedResponse,
    Decoder,
    Endpoint,
    FoundBot,
    NonceRefused,
    Question,
)
from ..errors import error_for_status, holds_events_of_model, make_error, unknown_action_error
from ..forms import check_images, check_web_search, encode_form
from ..html import attributes, places, tags, utf8
from ..text import clean_text, excerpt, parse_json, site_said, without_surrogates
from ..waits import with_wait
from .plugin import AiPower
from .wpaicg_decoder import WpaicgDecoder
from .wpaicg_objects import has_answered, is_answer, is_known, refusal
from .wpaicg_window import NO_FEEDBACK, WpaicgFeedback, chat_id, identity_of, window_texts

__all__ = ["Wpaicg", "history_text"]

_CLASSES = (b"wpaicg-chat-shortcode", b"wpaicg-chatbox")
_SEARCH_NONCE = re.compile(rb'"search_nonce"\s*:\s*"([A-Za-z0-9]{1,64})"')
_REACH = 16_384  # Bytes of `wpaicgParams` in which the nonce is looked for.

_IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})  # Measured on 1.9.18.

_PERCENT = re.compile(r"%(?=[0-9A-Fa-f]{2})")
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_REPLACED = str.maketrans({'"': "'", "\\": "/", "<": "&lt;"}) | dict.fromkeys(_CONTROLS, " ")
_NOTHING = "..."  # Stands for a text of which nothing is left; an empty one would lose its role.


def history_text(history: Iterable[tuple[str, str]]) -> str:
    """Return the field `wpaicg_chat_history` for (role, text) pairs, so that it survives the site.

    The site removes every backslash before it decodes the JSON, and cleans each text afterwards
    (measured on 1.8.79 and 1.9.18): a `"` would lose the whole history, a `<` too, white space
    other than a blank turns into letters, `%41` vanishes.  So none of these is sent: see
    `_REPLACED` for what stands in their place, all of it ASCII, since 1.8.79 breaks the rest.
    """
    items = []
    for role, text in history:
        text = _PERCENT.sub("% ", without_surrogates(text).translate(_REPLACED))
        text = " ".join(text.split()) or _NOTHING
        # Exactly "Human: " makes a user turn; anything else the assistant's.
        who = "Human" if role == "user" else "AI"
        items.append({"id": "", "text": f"{who}: {text}"})
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


class Wpaicg(AiPower, WpaicgFeedback):
    """The classic way; a `Dialect`."""

    name = "wpaicg"
    remembers = False
    streams: bool | None = None  # The page says it, and can be wrong.
    forms = False
    quota_buttons = False
    traces: tuple[bytes, ...] = (b"wpaicg", *AiPower.plugin_traces)
    containers: tuple[bytes, ...] = _CLASSES

    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        """See `Dialect.age`."""
        if endpoint.post_id.startswith("<"):
            return "1.9.16 to 1.9.18, by its widget"
        return "up to 1.9.18, or 2.2"

    def find(self, page: BufferedResponse) -> list[FoundBot]:
        """Return the bots that a page shows, in the page's order.

        An element without a nonce gets the page's `search_nonce`, which is the same
        one; without either it is no bot: nothing is made up.

        Raises:
            UnexpectedFormatError: there are bots, and the page's address for them is one that
                may not be used.  It is one address for all bots of a page.
        """
        body, encoding = utf8(page.headers, page.body)
        page = replace(page, body=body)
        found: list[FoundBot] = []
        # Each is looked for once at most, whatever is found: a page may hold thousands of tags.
        urls: tuple[str, ...] = ()
        search_nonce = None
        for tag in tags(body, _CLASSES):
            read = attributes(tag, encoding)
            nonce = read.get("data-nonce", "").strip()
            if not nonce and any(name in read for name in ("data-bot-id", "data-post-id")):
                if search_nonce is None:
                    search_nonce = _search_nonce(body)
                nonce = search_nonce
            if not nonce:
                continue
            page_url = _page_url(page, read)
            urls = urls or ajax_urls(page, page_url)
            found.append(FoundBot(tag.start, _endpoint(page, read, urls, nonce, page_url)))
        starts = [position for position, _ in found]
        return [
            FoundBot(position, _with_texts(endpoint, window_texts(body, position, end, encoding)))
            for (position, endpoint), end in zip(found, [*starts[1:], len(body)], strict=False)
        ]

    def check(self, question: Question) -> None:
        """See `Dialect.check`."""
        check_web_search(question)
        check_images(question, 1, _IMAGES)
        if question.images and not question.prompt.strip():
            raise InvalidMessageError("This site takes no image without a word with it.")

    def requests(self, question: Question) -> Generator[Request, BufferedResponse, None]:
        """Yield the one request of a turn: the fields of the plugin's own script, in its order."""
        self.check(question)
        endpoint, bot = question.endpoint, question.endpoint.bot
        widget = bot.kind == "widget"
        fields = {
            "_wpnonce": endpoint.nonce,
            "post_id": endpoint.post_id,
            "url": endpoint.page_url,
            "action": "wpaicg_chatbox_message" if widget else "wpaicg_chat_shortcode_message",
            "message": without_surrogates(question.prompt),
            "bot_id": bot.id,
            "chatbot_identity": identity_of(bot),
            "wpaicg_chat_history": history_text(question.history),
            "wpaicg_chat_client_id": re.sub(r"[^A-Za-z0-9]", "", question.visitor)[:10],
            "chat_id": chat_id(question),
        }
        kind, body = encode_form(fields, ("image", question.images[0]) if question.images else None)
        yield Request(
            "POST",
            endpoint.url,
            headers={**endpoint.headers, "Content-Type": kind},
            body=body,
            referrer=bot.page,
            repeatable=False,
            final=True,
        )

    def decoder(
        self, question: Question, url: str, status: int, headers: Headers, limits: Limits
    ) -> Decoder:
        """Return a decoder for the answer."""
        return WpaicgDecoder(
            url, status, headers, limits, message_id=chat_id(question), images=bool(question.images)
        )

    def error_for(self, response: BufferedResponse) -> ChatGptEsError:
        """Return the error for a response with a status other than 2xx.

        403 is how the site refuses a nonce (1.8.79 answers 200).
        """
        url, status = response.url, response.status
        data = parse_json(response.body, is_known, is_answer)
        known = is_known(data)
        if known and is_gate(data):
            return with_wait(gate_error(data, url, status), response.headers)
        error = error_for_status(response, of_site=known)
        if isinstance(error, (ChallengeError, RefusedError)):
            return error
        if status == 400 and (unknown := unknown_action_error(response)):
            return unknown
        if (
            known
            and (status in (400, 403) or status >= 500)
            and (refused := refusal(data, url, status))
        ):
            return with_wait(refused, response.headers)
        if holds_events_of_model(response.body) or (known and has_answered(data)):
            return error
        if blocked := block_page_error(response, data):
            return blocked
        if status == 403:
            said = clean_text(data.get("msg")) if known else excerpt(response.body)
            return make_error(
                NonceRefused,
                "The site refused the request (status 403), as it does when the page's nonce is "
                f"too old.{site_said(said)}",
                url,
                status,
                said,
                clean_text(data.get("code"), 100) if known else None,
            )
        return error

    def nonce_request(self, endpoint: Endpoint) -> Request | None:
        """Return None: only the page has a nonce."""
        return None

    def nonce_from(self, response: BufferedResponse) -> str | None:
        """Return None: there is no such request."""
        return None


def _search_nonce(body: bytes) -> str:
    for text in (body, deferred_scripts(body)):
        for at in places(text, b"wpaicgParams", 32):
            if match := _SEARCH_NONCE.search(text, at, at + _REACH):
                return match[1].decode("ascii")
    return ""


def _page_url(page: BufferedResponse, read: dict[str, str]) -> str:
    """The page's address as the element gives it, or "" where it is not one of the site's."""
    named = read.get("data-url", "").strip()
    if named and join_url(named, "") == named and may_send(page.url, named):
        return named
    return ""


def _endpoint(
    page: BufferedResponse,
    read: dict[str, str],
    urls: tuple[str, ...],
    nonce: str,
    page_url: str,
) -> Endpoint:
    classes = read.get("class", "").split()
    kind = read.get("data-type", "").strip()
    if kind not in ("shortcode", "widget"):
        kind = "shortcode" if "wpaicg-chat-shortcode" in classes else "widget"
    bot = Bot(
        id=read.get("data-bot-id", "").strip() or "0",
        name="",  # The page does not say it.
        dialect="wpaicg",
        kind=kind,
        page=page.url,
        images=None,  # Nor this: it depends on the model that the owner chose.
    )
    return Endpoint(
        bot=bot,
        url=urls[0],
        nonce=nonce,
        post_id=read.get("data-post-id", ""),
        page_url=page_url or page.url,
        further_urls=urls[1:],
        extra={} if read.get("data-feedback_btn", "").strip() == "1" else {NO_FEEDBACK: "yes"},
    )


def _with_texts(endpoint: Endpoint, texts: tuple[str, tuple[str, ...]]) -> Endpoint:
    greeting, starters = texts
    return replace(endpoint, bot=replace(endpoint.bot, greeting=greeting, starters=starters))
