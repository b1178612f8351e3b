"""The classic dialect: plugin versions up to 1.9.18, and 2.2.

The page shows an element with `data-nonce`; a turn is one form POST to admin-ajax.php that brings
the conversation along; the answer is a JSON object, or the model's own event stream passed on.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Generator, Iterable

from ...errors import InvalidMessageError, ResponseError
from ...values.http import Limits, Request
from ...values.urls import may_send
from ..addresses import ajax_urls, in_params, join_url, require_same_site
from ..dialect import Bot, BufferedResponse, Decoder, Endpoint, FoundBot, Question
from ..errors import error_for_answer
from ..forms import form_request
from ..html import Tag
from ..page import bots_in_elements
from ..text import without_surrogates
from .plugin import NO_FEEDBACK
from .wpaicg_decoder import WpaicgDecoder
from .wpaicg_objects import error_for_object, rank
from .wpaicg_window import WpaicgFeedback, chat_id, identity_of, window_texts

__all__ = ["Wpaicg", "history_text"]

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


class Wpaicg(WpaicgFeedback):
    """The classic way; a `Dialect` that `TakesFeedback`."""

    name = "wpaicg"
    streams = None  # The page says it, and can be wrong.
    traces = (b"wpaicg", *WpaicgFeedback.plugin_traces)
    containers = (b"wpaicg-chat-shortcode", b"wpaicg-chatbox")
    # Measured on 1.9.18.
    image_kinds = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})

    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        if endpoint.post_id.startswith("<"):
            return "1.9.16 to 1.9.18, by its widget"
        return "up to 1.9.18, or 2.2"

    def find(self, page: BufferedResponse) -> list[FoundBot]:
        """See `Dialect.find`.

        An element without a nonce gets the page's `search_nonce`, which is the same
        one; without either it is no bot: nothing is made up.
        """
        # Each is looked for once at most, whatever is found: a page may hold thousands of tags.
        search_nonce = functools.cache(lambda: _search_nonce(page.body))
        urls: list[str] = []

        def endpoint_of(tag: Tag, read: dict[str, str]) -> Endpoint | None:
            nonce = read.get("data-nonce", "").strip()
            if not nonce and ("data-bot-id" in read or "data-post-id" in read):
                nonce = search_nonce()
            if not nonce:
                return None
            page_url = _page_url(page, read)
            urls[:] = urls or ajax_urls(page, page_url)
            texts = window_texts(page.body, tag.start, self.containers)
            return _endpoint(page, read, urls, nonce, page_url, texts)

        return bots_in_elements(page, self.containers, endpoint_of)

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
            "chatbot_identity": identity_of(bot),
            "wpaicg_chat_history": history_text(question.history),
            "wpaicg_chat_client_id": re.sub(r"[^A-Za-z0-9]", "", question.visitor)[:10],
            "chat_id": chat_id(question),
        }
        file = ("image", question.images[0]) if question.images else None
        yield form_request(endpoint, fields, file, final=True)

    def decoder(self, question: Question, head: BufferedResponse, limits: Limits) -> Decoder:
        images = bool(question.images)
        return WpaicgDecoder(head, limits, message_id=chat_id(question), images=images)

    def error_for(self, response: BufferedResponse) -> ResponseError:
        # 1.8.79 refuses a nonce with 200.
        return error_for_answer(response, rank, error_for_object, nonce=True)


def _search_nonce(body: bytes) -> str:
    return next((match[1].decode("ascii") for match in in_params(body, _SEARCH_NONCE)), "")


def _page_url(page: BufferedResponse, read: dict[str, str]) -> str:
    """The page's address as the element gives it, or "" where it is not one of the site's."""
    named = read.get("data-url", "").strip()
    if named and join_url(named, "") == named and may_send(page.url, named):
        return named
    return ""


def _endpoint(
    page: BufferedResponse,
    read: dict[str, str],
    urls: list[str],
    nonce: str,
    page_url: str,
    texts: tuple[str, tuple[str, ...]],
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
        greeting=texts[0],
        starters=texts[1],
    )
    return Endpoint(
        bot=bot,
        url=require_same_site(page.url, urls[0]),
        nonce=nonce,
        post_id=read.get("data-post-id", ""),
        page_url=page_url or page.url,
        further_urls=tuple(urls[1:]),
        extra={} if read.get("data-feedback_btn", "").strip() == "1" else {NO_FEEDBACK: "yes"},
    )
