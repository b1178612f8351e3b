"""The objects that a `wpaicg` site answers, whole bodies and those within a stream."""

from __future__ import annotations

from typing import Any

from ...errors import QuotaError, RefusedError, ResponseError
from ..challenge import is_gate
from ..dialect import BufferedResponse
from ..errors import error_for_status
from ..response import make_error
from ..text import clean_text, is_blank, listed, string_or_empty

__all__ = [
    "CHUNK", "content_text", "error_for_object", "has_answered", "rank", "refusal",
    "words_of_error",
]  # fmt: skip

CHUNK = "chat.completion.chunk"
# Flags that come with a `msg`, in a plain answer or as a stream's first event; the stream of a
# flagged message continues with a full answer, which the plugin's own script does not show either.
_FLAGS = ("messageFlagged", "ipBanned", "pineconeError", "modflag")


def rank(data: dict[Any, Any]) -> int:
    """Tell how well an object fits (see `Rank`).

    Up to 1.8.85 the plugin's object with the text comes behind the model's own, which has more.
    """
    if isinstance(data.get("choices"), list) and data.get("object") != CHUNK:
        return 3
    if data.get("status") == "success" and not is_blank(string_or_empty(data.get("data"))):
        return 2
    return (
        "msg" in data
        or data.get("status") in ("success", "error")
        or bool(data.get("tokenLimitReached"))
        or "success" in data
        or bool(data.get("error"))
        or is_gate(data)
    )


def has_answered(data: dict[Any, Any]) -> bool:
    """Tell whether an object comes after the model was asked, whatever became of that."""
    return rank(data) > 1 or not data.keys().isdisjoint(("choices", "greeting_message", "log"))


def refusal(data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
    """Return the error that an answer's known keys stand for, wherever they are; None for none."""
    if data.get("tokenLimitReached"):
        message = "The bot's limit for its visitors is used up."
        return make_error(QuotaError, message, response, data.get("msg"))
    if any(data.get(flag) for flag in _FLAGS):
        return make_error(RefusedError, "The bot refused the message:", response, data.get("msg"))
    return None


def error_for_object(data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
    """Return the error for an object with another status than 2xx, or None."""
    status = response.status
    refused = refusal(data, response) if status in (400, 403) or status >= 500 else None
    if refused is None and has_answered(data):
        return error_for_status(response, of_site=True)
    return refused


def words_of_error(error: object) -> str:
    """Return what an error in OpenAI's shape, or as a string, says."""
    if not isinstance(error, dict):
        return clean_text(error)
    words = (clean_text(error.get(name)) for name in ("message", "code", "type"))
    return next(filter(None, words), "")


def content_text(value: object) -> str:
    """Return the text of a message's `content`: a string, or a list of parts."""
    if isinstance(value, str):
        return value
    texts = [part.get("text") for part in listed(value)]
    return "".join(
        string_or_empty(text.get("value") if isinstance(text, dict) else text) for text in texts
    )
