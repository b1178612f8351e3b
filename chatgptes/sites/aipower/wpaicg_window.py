"""The parts of a `wpaicg` site's chat window beside its messages: greeting, starters, thumbs.

Names of classes, fields and actions were read in the plugin's source, 1.8.79 and 1.9.18.  The
recordings' pages show `data-feedback_btn`; what is inside of the window was cut out of them.
"""

from __future__ import annotations

from ...errors import RefusedError
from ...values.http import Request
from ...values.reply import Reply
from ..challenge import gate_error
from ..dialect import Bot, BufferedResponse, Endpoint, NonceRefused, Question
from ..errors import unexpected_error
from ..failures import make_error
from ..forms import form_request
from ..html import Tag, tags, unescape
from ..text import clean_text, json_object, without_surrogates
from .plugin import AiPower
from .wpaicg_objects import rank

__all__ = ["WpaicgFeedback", "chat_id", "identity_of", "window_texts"]

_GREETINGS = (b"wpaicg-ai-message", b"wpaicg-chat-ai-message")  # In the text; in the widget.
_TEXT, _STARTER = b"wpaicg-chat-message", b"wpaicg-conversation-starter"
_REACH = 65_536  # Bytes behind the bot's element in which they are looked for.
_LONGEST = 2000  # Characters of a greeting or a starter.
_MOST_STARTERS = 20


def window_texts(
    body: bytes, start: int, containers: tuple[bytes, ...]
) -> tuple[str, tuple[str, ...]]:
    """Return the greeting and the starters of the bot whose element begins at `start`."""
    # The element begins a tag, so what is cut out reads as the whole page would from there.
    part = body[start : start + _REACH]
    greeting = ""
    starters: list[str] = []
    is_greeting = False
    for tag in tags(part, (*containers, *_GREETINGS, _TEXT, _STARTER)):
        if tag.name == b"li":
            is_greeting = True
        elif tag.name == b"button" and len(starters) < _MOST_STARTERS:
            starters.append(" ".join(without_surrogates(unescape(_inside(part, tag))).split()))
        elif tag.name == b"span" and is_greeting and not greeting:
            # Another such text may stand before it: that the conversation is kept.
            greeting = clean_text(_inside(part, tag), _LONGEST)
        elif tag.start and any(name in tag.inside for name in containers):
            break  # The next bot.
    return greeting, tuple(text[:_LONGEST] for text in starters if text)


def _inside(part: bytes, tag: Tag) -> str:
    """The source text of an element that holds no further ones: the plugin escapes it."""
    begin = tag.start + len(tag.name) + len(tag.inside) + 2
    end = max(begin, part.find(b"<", begin))
    return part[begin:end].decode("utf-8", "replace")


def identity_of(bot: Bot) -> str:
    """Return what the plugin's script calls a bot in its requests."""
    if bot.id in ("", "0"):
        return "widget" if bot.kind == "widget" else "shortcode"
    return f"custom_bot_{bot.id}"


def chat_id(question: Question) -> str:
    """Return the number under which the site notes a question, and its answer's thumbs.

    The script's own is a random number of up to five digits, sent where the bot streams; we
    always send one.
    """
    return str(10_000 + int(question.id, 16) % 90_000)


class WpaicgFeedback(AiPower):
    """An implementation of `TakesFeedback`."""

    takes_comment = True

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
            "chatbot_id": identity_of(endpoint.bot),
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
