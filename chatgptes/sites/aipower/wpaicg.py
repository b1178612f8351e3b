"""The classic dialect: plugin versions up to 1.9.18, and 2.2.

The page shows an element with `data-nonce`; a turn is one form POST to admin-ajax.php that brings
the conversation along; the answer is a JSON object, or the model's own event stream passed on.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Generator, Iterable
from dataclasses import replace

from ...errors import ChallengeError, ChatGptEsError, InvalidMessageError
from ...values.http import Headers, Limits, Request
from ...values.urls import may_send
from ..addresses import ajax_url, join
from ..challenge import gate, gated
from ..dialect import Bot, Decoder, DialectName, Endpoint, Kind, NonceRefused, Page, Turn
from ..errors import failure, status_fault, unknown_action
from ..forms import check_images, check_search, encoded
from ..html import attributes, tags, utf8
from ..text import excerpt, read_json, sound, told, words
from .wpaicg_decoder import WpaicgDecoder, refusal

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
    """The field `wpaicg_chat_history` for (role, text) pairs, so that it survives the site.

    The site removes every backslash before it decodes the JSON, and cleans each text afterwards
    (measured on 1.8.79 and 1.9.18): a `"` would lose the whole history, a `<` too, white space
    other than a blank turns into letters, `%41` vanishes.  So none of these is sent: see
    `_REPLACED` for what stands in their place, all of it ASCII, since 1.8.79 breaks the rest.
    """
    items = []
    for role, text in history:
        text = _PERCENT.sub("% ", sound(text).translate(_REPLACED))
        text = " ".join(text.split()) or _NOTHING
        # Exactly "Human: " makes a user turn; anything else the assistant's.
        who = "Human" if role == "user" else "AI"
        items.append({"id": "", "text": f"{who}: {text}"})
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


class Wpaicg:
    """See the module; an implementation of `Dialect`."""

    name: DialectName = "wpaicg"
    remembers = False

    def find(self, page: Page) -> list[Endpoint]:
        """The bots that a page shows, in the page's order.

        An element without a nonce of its own gets the page's `search_nonce`, which is the same
        one; without either it is no bot: nothing is made up.

        Raises:
            UnexpectedFormatError: there are bots, and the page's address for them is one that
                may not be used.  It is one address for all bots of a page.
        """
        return [endpoint for _, endpoint in self.located(page)]

    def located(self, page: Page) -> list[tuple[int, Endpoint]]:
        """As `find`, each with its place in the page (bytes)."""
        body, encoding = utf8(page.headers, page.body)
        page = replace(page, body=body)
        found: list[tuple[int, Endpoint]] = []
        # Each is looked for once at most, whatever is found: a page may hold thousands of tags.
        url, search_nonce = "", None
        for tag in tags(body, _CLASSES):
            read = attributes(tag, encoding)
            nonce = read.get("data-nonce", "").strip()
            if not nonce and any(name in read for name in ("data-bot-id", "data-post-id")):
                if search_nonce is None:
                    search_nonce = _search_nonce(body)
                nonce = search_nonce
            if not nonce:
                continue
            url = url or ajax_url(page)
            found.append((tag.start, _endpoint(page, read, url, nonce)))
        return found

    def say(self, turn: Turn) -> Generator[Request, Page, None]:
        """The one request of a turn: the fields of the plugin's own script, in its order."""
        check_search(turn)
        check_images(turn, 1, _IMAGES)
        if turn.images and not turn.prompt.strip():
            raise InvalidMessageError("This site takes no image without a word with it.")
        endpoint, bot = turn.endpoint, turn.endpoint.bot
        widget = bot.kind == "widget"
        if bot.id in ("", "0"):
            identity = "widget" if widget else "shortcode"
        else:
            identity = f"custom_bot_{bot.id}"
        fields = {
            "_wpnonce": endpoint.nonce,
            "post_id": endpoint.post_id,
            "url": endpoint.page_url,
            "action": "wpaicg_chatbox_message" if widget else "wpaicg_chat_shortcode_message",
            "message": sound(turn.prompt),
            "bot_id": bot.id,
            "chatbot_identity": identity,
            "wpaicg_chat_history": history_text(turn.history),
            "wpaicg_chat_client_id": re.sub(r"[^A-Za-z0-9]", "", turn.visitor)[:10],
            # The script's own is a random number of five digits, sent where the bot streams; a
            # bot that does not stream passes it over.
            "chat_id": str(10_000 + uuid.uuid4().int % 90_000),
        }
        kind, body = encoded(fields, ("image", turn.images[0]) if turn.images else None)
        yield Request(
            "POST",
            endpoint.url,
            headers={**endpoint.headers, "Content-Type": kind},
            body=body,
            referrer=bot.page,
            repeatable=False,
            final=True,
        )

    def hear(self, turn: Turn, url: str, status: int, headers: Headers, limits: Limits) -> Decoder:
        """A decoder for the answer."""
        return WpaicgDecoder(url, status, headers, limits, images=bool(turn.images))

    def fault(self, page: Page) -> ChatGptEsError:
        """The error that a response with a status other than 2xx stands for.

        403 is how the site refuses a nonce (1.8.79 answers 200).
        """
        error = status_fault(page)
        if page.status not in (400, 403) and page.status < 500:
            return error
        if isinstance(error, ChallengeError):
            return error
        if page.status == 400 and (unknown := unknown_action(page)):
            return unknown
        data = read_json(page.body)
        if isinstance(data, dict):
            if gate(data):
                return gated(data, page.url, page.status)
            if known := refusal(data, page.url, page.status):
                return known
        if page.status == 403:
            said = words(data.get("msg")) if isinstance(data, dict) else excerpt(page.body)
            return failure(
                NonceRefused,
                "The site refused the request (status 403), as it does when the page's nonce is "
                f"too old.{told(said)}",
                page.url,
                page.status,
                said,
                words(data.get("code"), 100) if isinstance(data, dict) else None,
            )
        return error

    def refresh(self, endpoint: Endpoint) -> Request | None:
        """None: only the page has a nonce."""
        return None

    def refreshed(self, page: Page) -> str | None:
        """None: there is no such request."""
        return None


def _search_nonce(body: bytes) -> str:
    at = body.find(b"wpaicgParams")
    match = _SEARCH_NONCE.search(body, at, at + _REACH) if at >= 0 else None
    return match[1].decode("ascii") if match else ""


def _endpoint(page: Page, read: dict[str, str], url: str, nonce: str) -> Endpoint:
    classes = read.get("class", "").split()
    kind: Kind = "shortcode" if "wpaicg-chat-shortcode" in classes else "widget"
    written = read.get("data-type", "").strip()
    if written in ("shortcode", "widget"):
        kind = "shortcode" if written == "shortcode" else "widget"
    bot = Bot(
        id=read.get("data-bot-id", "").strip() or "0",
        name="",  # The page does not say it.
        dialect="wpaicg",
        kind=kind,
        page=page.url,
        images=None,  # Nor this: it depends on the model that the owner chose.
    )
    named = read.get("data-url", "").strip()
    if not named or join(named, "") != named or not may_send(page.url, named):
        named = page.url
    return Endpoint(
        bot=bot,
        url=url,
        nonce=nonce,
        post_id=read.get("data-post-id", ""),
        page_url=named,
    )
