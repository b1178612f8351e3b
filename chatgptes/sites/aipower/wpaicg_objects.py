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
from ...values.http import Headers, Limits
from ..challenge import gate_error, is_gate
from ..decoder import BodyDecoder, usage_from
from ..dialect import NonceRefused
from ..errors import is_zero, make_error
from ..text import (
    clean_text,
    excerpt,
    is_blank,
    parse_json,
    quote_suffix,
    site_said,
    string_or_empty,
)  # fmt: skip

__all__ = [
    "FAILED", "ObjectDecoder", "content_text", "has_answered", "is_answer", "is_known", "refusal",
    "words_of_error",
]  # fmt: skip

# Flags that come with a `msg`, in a plain answer or as a stream's first event; the stream of a
# flagged message continues with a full answer, which the plugin's own script does not show either.
_FLAGS = ("messageFlagged", "ipBanned", "pineconeError", "modflag")
_CHUNK = "chat.completion.chunk"
FAILED = "error"  # A `finish_reason`, of services that pass models of others on.

# WordPress's own page for a fatal error names this help page in every language.
_FATAL_PAGE = re.compile(rb"wordpress\.org/[\w/.-]*faq-troubleshooting|wp-die-message")
_HTML_START = re.compile(rb"\s*<(?:!doctype|html|head|body|[a-z]+[\s>])", re.IGNORECASE)


def is_known(data: Any) -> bool:
    """Tell whether a JSON value is an object that sites of this dialect answer."""
    return isinstance(data, dict) and (
        "msg" in data
        or (isinstance(data.get("choices"), list) and data.get("object") != _CHUNK)
        or data.get("status") in ("success", "error")
        or bool(data.get("tokenLimitReached"))
        or "success" in data
        or bool(data.get("error"))
        or is_gate(data)
    )


def is_answer(data: dict[Any, Any]) -> int:
    """Tell how surely a known object is an answer; 0 for a refusal.

    Up to 1.8.85 the plugin's object with the text comes behind the model's own, which has more.
    """
    if isinstance(data.get("choices"), list):
        return 2
    return data.get("status") == "success" and not is_blank(string_or_empty(data.get("data")))


def has_answered(data: dict[Any, Any]) -> bool:
    """Tell whether an object comes after the model was asked, whatever became of that."""
    return bool(is_answer(data)) or "greeting_message" in data or "log" in data


def refusal(data: dict[Any, Any], url: str, status: int) -> ResponseError | None:
    """Return the error that an answer's known keys stand for, wherever they are; None for none."""
    said = clean_text(data.get("msg"))
    if data.get("tokenLimitReached"):
        message = f"The bot's limit for its visitors is used up.{site_said(said)}"
        return make_error(QuotaError, message, url, status, said)
    if any(data.get(flag) for flag in _FLAGS):
        message = f"The bot refused the message{quote_suffix(said)}"
        return make_error(RefusedError, message, url, status, said)
    return None


def words_of_error(error: object) -> str:
    """Return what an error in OpenAI's shape, or as a string, says."""
    if isinstance(error, dict):
        return (
            clean_text(error.get("message"))
            or clean_text(error.get("code"))
            or clean_text(error.get("type"))
        )
    return clean_text(error)


def content_text(value: object) -> str:
    """Return the text of a message's `content`: a string, or a list of parts."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    texts = []
    for part in value:
        if isinstance(part, dict):
            text = part.get("text")
            texts.append(string_or_empty(text.get("value") if isinstance(text, dict) else text))
    return "".join(texts)


class ObjectDecoder(BodyDecoder):
    """Decodes the bodies in one piece, and what objects have in common with chunks."""

    is_known = staticmethod(is_known)

    def __init__(
        self,
        url: str,
        status: int,
        headers: Headers,
        limits: Limits,
        *,
        message_id: str | None = None,
        images: bool = False,
    ) -> None:
        super().__init__(url, status, headers, limits)
        self._images = images
        self._model_id = ""  # The model's service has named its answer.
        # The site's own name for the answer is the one that it got with the question.
        self.details.message_id = message_id

    def _model_began(self) -> bool:
        """Tell whether the model has begun to answer: what fails from here on is its failure."""
        return self._has_text or bool(self._model_id)

    def _upstream(self, said: str) -> ChatGptEsError:
        return self._make_error(UpstreamError, f"The site's model failed.{site_said(said)}", said)

    def _refuse(self, data: dict[Any, Any]) -> None:
        """Raise what a known key or an error in an event stands for."""
        if is_gate(data, plain=True):
            raise gate_error(data, self._url, self._status)
        if error := refusal(data, self._url, self._status):
            raise error
        if data.get("error"):
            raise self._upstream(words_of_error(data["error"]))
        if data.get("status") == "error" and "msg" in data:
            raise self._status_error(data)

    def _status_error(self, data: dict[Any, Any]) -> ChatGptEsError:
        said = clean_text(data.get("msg"))
        if self._model_began() or has_answered(data):
            return self._upstream(said)
        # Versions up to 1.8.79 refuse a dead nonce in this very shape.
        return self._make_error(
            NonceRefused, f"The bot refused the message{quote_suffix(said)}", said
        )

    def _choice(self, data: dict[Any, Any]) -> tuple[str, bool]:
        """The text of a chunk's first choice, and whether it says that the model has finished."""
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return "", False
        if choice.get("index") not in (None, 0):
            return "", False
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason and self.details.finish_reason != FAILED:
            reason = clean_text(reason, 100)
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

    def _whole(self, body: bytes) -> str:
        if not body.strip():
            raise self._empty_error()
        data = parse_json(body, is_known, is_answer)
        if isinstance(data, dict):
            return self._object(data)
        raise self._no_answer(body)

    def _object(self, data: dict[Any, Any]) -> str:
        if is_gate(data, plain=True):
            raise gate_error(data, self._url, self._status)
        if error := refusal(data, self._url, self._status):
            raise error
        if isinstance(data.get("choices"), list):
            self._note(data)
            # A mere chunk, between words that hide the rest of a stream, is no whole answer.
            text, _ = self._choice(data) if data.get("object") != _CHUNK else ("", False)
            if self.details.finish_reason == FAILED:
                raise self._upstream(clean_text(text))
            return self._text(text)
        if data.get("error"):
            raise self._upstream(words_of_error(data["error"]))
        status = data.get("status")
        if status == "success" and isinstance(data.get("data"), str | None):
            return self._text(data.get("data") or "")
        if status == "error":
            raise self._status_error(data)
        inner = data.get("data")
        if data.get("success") is False and isinstance(inner, dict):
            said = clean_text(inner.get("message"))
            cls = NonceRefused if "nonce" in clean_text(inner.get("code")) else RefusedError
            message = f"The site refused the message{quote_suffix(said)}"
            raise self._make_error(cls, message, said, clean_text(inner.get("code"), 100))
        if blocked := self._gate_error(b""):
            raise blocked
        names = ", ".join(sorted(clean_text(str(key), 30) for key in data)[:10])
        raise self._make_error(
            UnexpectedFormatError,
            f"The site answered a JSON object that no known version sends (keys: {names}).",
            clean_text(data.get("msg")),
        )

    def _text(self, text: str) -> str:
        if is_blank(text):
            raise self._empty_error()
        return text

    def _no_answer(self, body: bytes) -> ChatGptEsError:
        """The error for a body that is neither JSON nor a stream."""
        if error := self._gate_error(body):
            return error
        said = excerpt(body)
        if body.strip() == b"-1":
            message = "The site refused the page's nonce."
            return self._make_error(NonceRefused, message, said)
        if _FATAL_PAGE.search(body):
            message = f"The site's own software failed.{site_said(said)}"
        elif self._typed and _HTML_START.match(body):
            # Under a stream's type the plugin passes on what the model's service sends it.
            return self._make_error(
                UpstreamError, f"The service behind the bot sent a web page.{site_said(said)}", said
            )
        elif is_zero(body):
            message = "WordPress knows no such action there: the chat plugin is not active."
            if self._images or len(body.strip()) > 1:
                what = "picture" if self._images else "message"
                message += f" Or the {what} is larger than the site takes (PHP's post_max_size)."
        elif self._images and b"<" not in body:
            # So 1.9.18 refuses a file that is no picture.
            message = f"The site refused the image{quote_suffix(said)}"
            return self._make_error(RefusedError, message, said)
        else:
            message = f"The site answered neither JSON nor an event stream.{site_said(said)}"
        return self._make_error(UnexpectedFormatError, message, said)
