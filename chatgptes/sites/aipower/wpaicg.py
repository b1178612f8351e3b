"""The classic dialect: plugin versions up to 1.9.18, and 2.2.

The page shows an element with `data-nonce`; a turn is one form POST to admin-ajax.php that brings
the conversation along; the answer is a JSON object, or the model's own event stream passed on.

The names of what is inside of the chat window, and of its feedback, were read in the plugin's
source (1.8.79 and 1.9.18): the recordings' pages show `data-feedback_btn` alone of it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Generator, Iterable

from ...errors import InvalidMessageError, RefusedError, ResponseError
from ...values.http import Limits, Request
from ...values.reply import Reply
from ...values.urls import may_send
from ..addresses import ajax_urls, in_params, join_url, require_same_site
from ..challenge import gate_error
from ..dialect import (
    Bot,
    BufferedResponse,
    Decoder,
    Endpoint,
    NonceRefused,
    Question,
    ReadBot,
)
from ..errors import error_for_answer, unexpected_error
from ..forms import form_request
from ..html import Tag, tags, unescape
from ..response import make_error
from ..text import clean_text, json_object, without_surrogates
from .plugin import AiPower
from .wpaicg_decoder import WpaicgDecoder
from .wpaicg_objects import error_for_object, rank

__all__ = ["Wpaicg", "history_text"]

_CONTAINERS = (b"wpaicg-chat-shortcode", b"wpaicg-chatbox")
_GREETINGS = (b"wpaicg-ai-message", b"wpaicg-chat-ai-message")  # In the text; in the widget.
_TEXT, _STARTER = b"wpaicg-chat-message", b"wpaicg-conversation-starter"
_REACH = 65_536  # Bytes behind the bot's element in which they are looked for.
_LONGEST = 2000  # Characters of a greeting or a starter.
_MOST_STARTERS = 20
_MOST_WINDOWS = 64  # Of a page; a look into one may take some milliseconds.

_SEARCH_NONCE = re.compile(rb'"search_nonce"\s*:\s*"([A-Za-z0-9]{1,64})"')
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


class Wpaicg(AiPower):
    """The classic way; a `Dialect` that `TakesFeedback`."""

    name = "wpaicg"
    streams = None  # The page says it, and can be wrong.
    takes_comment = True
    traces = (b"wpaicg", *AiPower.plugin_traces)
    containers = _CONTAINERS
    # Measured on 1.9.18.
    image_kinds = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})

    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        if endpoint.post_id.startswith("<"):
            return "1.9.16 to 1.9.18, by its widget"
        return "up to 1.9.18, or 2.2"

    def reader(self, page: BufferedResponse) -> ReadBot:
        """See `Dialect.reader`.

        An element without a nonce gets the page's `search_nonce`, which is the same
        one; without either it is no bot: nothing is made up.
        """
        search_nonce = functools.cache(lambda: _search_nonce(page.body))
        urls: list[str] = []
        windows = iter(range(_MOST_WINDOWS))

        def read(tag: Tag, attributes: dict[str, str]) -> Endpoint | None:
            nonce = attributes.get("data-nonce", "").strip()
            if not nonce and ("data-bot-id" in attributes or "data-post-id" in attributes):
                nonce = search_nonce()
            if not nonce:
                return None
            page_url = _page_url(page, attributes)
            urls[:] = urls or ajax_urls(page, page_url)
            is_read = next(windows, None) is not None
            greeting, starters = _window_texts(page.body, tag.start) if is_read else ("", ())
            kind = attributes.get("data-type", "").strip()
            if kind not in ("shortcode", "widget"):
                classes = attributes.get("class", "").split()
                kind = "shortcode" if "wpaicg-chat-shortcode" in classes else "widget"
            bot = Bot(
                id=attributes.get("data-bot-id", "").strip() or "0",
                name="",  # The page does not say it.
                dialect=self.name,
                kind=kind,
                page=page.url,
                images=None,  # Nor this: it depends on the model that the owner chose.
                greeting=greeting,
                starters=starters,
            )
            return Endpoint(
                bot=bot,
                url=require_same_site(page.url, urls[0]),
                nonce=nonce,
                post_id=attributes.get("data-post-id", ""),
                page_url=page_url or page.url,
                thumbs=attributes.get("data-feedback_btn", "").strip() == "1",
                further_urls=tuple(urls[1:]),
            )

        return read

    def check(self, question: Question) -> None:
        super().check(question)
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
            "chatbot_identity": _identity(bot),
            "wpaicg_chat_history": history_text(question.history),
            "wpaicg_chat_client_id": re.sub(r"[^A-Za-z0-9]", "", question.visitor)[:10],
            "chat_id": _chat_id(question),
        }
        file = ("image", question.images[0]) if question.images else None
        yield form_request(endpoint, fields, file, final=True)

    def decoder(self, question: Question, head: BufferedResponse, limits: Limits) -> Decoder:
        images = bool(question.images)
        return WpaicgDecoder(head, limits, message_id=_chat_id(question), images=images)

    def error_for(self, response: BufferedResponse) -> ResponseError:
        # 1.8.79 refuses a nonce with 200.
        return error_for_answer(response, rank, error_for_object, nonce=True)

    def feedback_request(
        self, endpoint: Endpoint, visitor: str, reply: Reply, *, up: bool, comment: str
    ) -> Request:
        """See `TakesFeedback.feedback_request`.  The site is not told who the visitor is."""
        fields = {
            "action": "wpaicg_submit_feedback",
            "chatId": reply.message_id or "",
            "feedbackType": "up" if up else "down",
            "feedbackDetails": without_surrogates(comment),
            "_wpnonce": endpoint.nonce,
            "chatbot_id": _identity(endpoint.bot),
        }
        return form_request(endpoint, fields)  # Once: the site adds each to those that it has.

    def check_done(self, response: BufferedResponse) -> None:
        data = json_object(response.body, rank) or {}
        if error := gate_error(data, response):
            raise error
        if data.get("success") is True:
            return
        if data.get("success") is False:
            raise make_error(
                RefusedError,
                "The site did not take the feedback:",
                response,
                data.get("data"),
                advice="It takes one only for an answer that it has kept; the owner decides "
                "whether it keeps any.",
            )
        if "msg" in data:  # So 1.8.79 refuses a nonce.
            message = "The site refused the feedback:"
            raise make_error(NonceRefused, message, response, data.get("msg"))
        raise unexpected_error(response, "The site's answer to the feedback is in no known form.")


def _search_nonce(body: bytes) -> str:
    return next((match[1].decode("ascii") for match in in_params(body, _SEARCH_NONCE)), "")


def _page_url(page: BufferedResponse, attributes: dict[str, str]) -> str:
    """The page's address as the element gives it, or "" where it is not one of the site's."""
    named = attributes.get("data-url", "").strip()
    if named and join_url(named, "") == named and may_send(page.url, named):
        return named
    return ""


def _window_texts(body: bytes, start: int) -> tuple[str, tuple[str, ...]]:
    """The greeting and the starters of the bot whose element begins at `start`."""
    # The element begins a tag, so what is cut out reads as the whole page would from there.
    part = body[start : start + _REACH]
    greeting = ""
    starters: list[str] = []
    is_greeting = False
    for tag in tags(part, (*_CONTAINERS, *_GREETINGS, _TEXT, _STARTER)):
        if tag.name == b"li":
            is_greeting = True
        elif tag.name == b"button" and len(starters) < _MOST_STARTERS:
            starters.append(" ".join(without_surrogates(unescape(_inside(part, tag))).split()))
        elif tag.name == b"span" and is_greeting and not greeting:
            # Another such text may stand before it: that the conversation is kept.
            greeting = clean_text(_inside(part, tag), _LONGEST)
        elif tag.start and any(name in tag.inside for name in _CONTAINERS):
            break  # The next bot.
    return greeting, tuple(text[:_LONGEST] for text in starters if text)


def _inside(part: bytes, tag: Tag) -> str:
    """The source text of an element that holds no further ones: the plugin escapes it."""
    begin = tag.start + len(tag.name) + len(tag.inside) + 2
    end = max(begin, part.find(b"<", begin))
    return part[begin:end].decode("utf-8", "replace")


def _identity(bot: Bot) -> str:
    """The plugin's script's name for a bot in its requests."""
    if bot.id in ("", "0"):
        return "widget" if bot.kind == "widget" else "shortcode"
    return f"custom_bot_{bot.id}"


def _chat_id(question: Question) -> str:
    """The number under which the site notes a question, and its answer's thumbs.

    The script's own is a random number of up to five digits, sent where the bot streams; we
    always send one.
    """
    return str(10_000 + int(question.id, 16) % 90_000)
