"""The objects that a `wpaicg` site answers, whole bodies and those within a stream."""

from __future__ import annotations

import re
from typing import Any

from ...errors import (
    ChatGptEsError,
    QuotaError,
    RefusedError,
    ResponseError,
    UnexpectedFormatError,
    UpstreamError,
)
from ...values.http import Limits
from ..challenge import gate_error, is_gate
from ..decoder import BodyDecoder, usage_from
from ..dialect import BufferedResponse, NonceRefused
from ..errors import error_for_status, is_zero
from ..failures import make_error
from ..text import clean_text, is_blank, listed, string_or_empty

__all__ = [
    "FAILED", "ObjectDecoder", "content_text", "error_for_object", "rank", "words_of_error",
]  # fmt: skip

# Flags that come with a `msg`, in a plain answer or as a stream's first event; the stream of a
# flagged message continues with a full answer, which the plugin's own script does not show either.
_FLAGS = ("messageFlagged", "ipBanned", "pineconeError", "modflag")
_CHUNK = "chat.completion.chunk"
FAILED = "error"  # A `finish_reason`, of services that pass models of others on.

# WordPress's own page for a fatal error names this help page in every language.
_FATAL_PAGE = re.compile(rb"wordpress\.org/[\w/.-]*faq-troubleshooting|wp-die-message")
_HTML_START = re.compile(rb"\s*<(?:!doctype|html|head|body|[a-z]+[\s>])", re.IGNORECASE)


def rank(data: dict[Any, Any]) -> int:
    """Tell how well an object fits (see `Rank`).

    Up to 1.8.85 the plugin's object with the text comes behind the model's own, which has more.
    """
    if isinstance(data.get("choices"), list) and data.get("object") != _CHUNK:
        return 3
    if data.get("status") == "success" and not is_blank(string_or_empty(data.get("data"))):
        return 2
    return _is_known(data)


def _is_known(data: dict[Any, Any]) -> bool:
    return (
        "msg" in data
        or data.get("status") in ("success", "error")
        or bool(data.get("tokenLimitReached"))
        or "success" in data
        or bool(data.get("error"))
        or is_gate(data)
    )


def _has_answered(data: dict[Any, Any]) -> bool:
    """Tell whether an object comes after the model was asked, whatever became of that."""
    return rank(data) > 1 or not data.keys().isdisjoint(("choices", "greeting_message", "log"))


def _refusal(data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
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
    refused = _refusal(data, response) if status in (400, 403) or status >= 500 else None
    if refused is None and _has_answered(data):
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


class ObjectDecoder(BodyDecoder):
    """Decodes the bodies in one piece, and what objects have in common with chunks."""

    rank = staticmethod(rank)

    def __init__(
        self, head: BufferedResponse, limits: Limits, *, message_id: str, images: bool
    ) -> None:
        super().__init__(head, limits)
        self._images = images
        self._model_id = ""  # The model's service has named its answer.
        # The site's own name for the answer is the one that it got with the question.
        self.details.message_id = message_id

    def _model_began(self) -> bool:
        """Tell whether the model has begun to answer: what fails from here on is its failure."""
        return self._has_text or bool(self._model_id)

    def _refuse(self, data: dict[Any, Any]) -> None:
        """Raise what a known key or an error stands for."""
        if error := gate_error(data, self._response, plain=True) or _refusal(data, self._response):
            raise error
        if data.get("error"):
            raise self._upstream(words_of_error(data["error"]))
        if data.get("status") == "error":
            if self._model_began() or _has_answered(data):
                raise self._upstream(data.get("msg"))
            # Versions up to 1.8.79 refuse a dead nonce in this very shape.
            raise self._make_error(NonceRefused, "The bot refused the message:", data.get("msg"))

    def _choice(self, data: dict[Any, Any]) -> tuple[str, bool]:
        """The text of a chunk's first choice, and whether it says that the model has finished."""
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or choice.get("index") not in (None, 0):
            return "", False
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason and self.details.finish_reason != FAILED:
            reason = clean_text(reason)
            self.details.finish_reason = FAILED if reason.lower() == FAILED else reason
        said = choice.get("delta")
        if not isinstance(said, dict):
            said = choice.get("message")
        if isinstance(said, dict):
            text = content_text(said.get("content")) or string_or_empty(said.get("refusal"))
        else:
            text = string_or_empty(choice.get("text"))  # OpenAI's older completions.
        return text, bool(reason)

    def _note(self, data: dict[Any, Any]) -> None:
        details = self.details
        self._model_id = self._model_id or clean_text(data.get("id"), 200)
        details.model = details.model or clean_text(data.get("model"), 200) or None
        details.usage = usage_from(data.get("usage")) or details.usage

    def _object(self, data: dict[Any, Any]) -> str | None:
        self._refuse(data)
        if isinstance(data.get("choices"), list):
            self._note(data)
            # A mere chunk, between words that hide the rest of a stream, is no whole answer.
            text = "" if data.get("object") == _CHUNK else self._choice(data)[0]
            if self.details.finish_reason == FAILED:
                raise self._upstream(clean_text(text))
            return text
        inner = data.get("data")
        if data.get("status") == "success" and isinstance(inner, str | None):
            return inner or ""
        if data.get("success") is False and isinstance(inner, dict):
            code = clean_text(inner.get("code"))
            cls = NonceRefused if "nonce" in code else RefusedError
            raise self._make_error(cls, "The site refused the message:", inner.get("message"), code)
        return None

    def _no_answer(self, body: bytes) -> ChatGptEsError:
        cls: type[ResponseError] = UnexpectedFormatError
        if body.strip() == b"-1":
            cls, message = NonceRefused, "The site refused the page's nonce."
        elif _FATAL_PAGE.search(body):
            message = "The site's own software failed."
        elif self._typed and _HTML_START.match(body):
            # Under a stream's type the plugin passes on what the model's service sends it.
            cls, message = UpstreamError, "The service behind the bot sent a web page."
        elif is_zero(body):
            message = "WordPress knows no such action there: the chat plugin is not active."
            if self._images or body.strip() != b"0":
                what = "picture" if self._images else "message"
                message += f" Or the {what} is larger than the site takes (PHP's post_max_size)."
        elif self._images and b"<" not in body:
            # So 1.9.18 refuses a file that is no picture.
            cls, message = RefusedError, "The site refused the image:"
        else:
            return super()._no_answer(body)
        return self._make_error(cls, message, body)
