"""What a `wpaicg` site answers: a JSON object, or the model's event stream passed on."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Any

from ...errors import ChatGptEsError, QuotaError, RefusedError, UnexpectedFormatError, UpstreamError
from ...values.http import Headers, Limits
from ..challenge import gate_error, is_gate
from ..decoder import BodyDecoder, usage_from
from ..dialect import NonceRefused
from ..errors import make_error
from ..text import (
    clean_text,
    excerpt,
    parse_event,
    parse_json,
    quote_suffix,
    site_said,
    string_or_empty,
)  # fmt: skip

__all__ = ["WpaicgDecoder", "refusal"]

# Flags that come with a `msg`, in a plain answer or as a stream's first event; the stream of a
# flagged message goes on with a full answer, which the plugin's own script does not show either.
_FLAGS = ("messageFlagged", "ipBanned", "pineconeError", "modflag")
_CHUNK = "chat.completion.chunk"
_CHUNK_KEYS = frozenset(
    (
        "id", "object", "created", "model", "system_fingerprint", "service_tier", "choices",
        "usage", "obfuscation", "provider", "x_groq",
    )
)  # fmt: skip
_FAILED = "error"  # A `finish_reason`, of services that pass models of others on.
_MOST_WORDS = 4000  # Characters of an error's frames that are kept.

# The plugin writes its error frames by hand, without escaping: quotes and line ends make them
# anything but JSON.  What stands between these two is the word.
_FRAME_START = re.compile(r'"content"\s*:\s*"')
_FRAME_END = re.compile(r'"\s*\}\s*\}\s*\]\s*\}\s*\Z')

# WordPress's own page for a fatal error names this help page in every language.
_FATAL_PAGE = re.compile(rb"wordpress\.org/[\w/.-]*faq-troubleshooting|wp-die-message")
_HTML_START = re.compile(rb"\s*<(?:!doctype|html|head|body|[a-z]+[\s>])", re.IGNORECASE)


class Phase(Enum):
    """How far a stream has come."""

    ANSWER = auto()
    """The model's chunks, or the words of the plugin's error frames."""
    BROKEN_FRAME = auto()
    """Inside an error frame whose word holds a line end."""
    FINISHED = auto()
    """The model has finished; its usage and the end mark may follow."""
    MARKED = auto()
    """The end mark `[DONE]`: only old versions' JSON object may follow."""


# Looked up in every event.
_ANSWER, _BROKEN_FRAME, _FINISHED, _MARKED = Phase


def is_known(data: dict[Any, Any]) -> bool:
    """Tell whether a JSON object is one that sites of this dialect send."""
    return (
        "msg" in data
        or isinstance(data.get("choices"), list)
        or data.get("status") in ("success", "error")
        or bool(data.get("tokenLimitReached"))
        or "success" in data
        or bool(data.get("error"))
        or is_gate(data)
    )


def refusal(data: dict[Any, Any], url: str, status: int) -> ChatGptEsError | None:
    """Return the error that an answer's known keys stand for, wherever they are; None for none."""
    said = clean_text(data.get("msg"))
    if data.get("tokenLimitReached"):
        message = f"The bot's limit for its visitors is used up.{site_said(said)}"
        return make_error(QuotaError, message, url, status, said)
    if any(data.get(flag) for flag in _FLAGS):
        message = f"The bot refused the message{quote_suffix(said)}"
        return make_error(RefusedError, message, url, status, said)
    return None


def _words_of(error: object) -> str:
    if isinstance(error, dict):
        return (
            clean_text(error.get("message"))
            or clean_text(error.get("code"))
            or clean_text(error.get("type"))
        )
    return clean_text(error)


def _content(value: object) -> str:
    """The text of a message's `content`: a string, or a list of parts."""
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


class WpaicgDecoder(BodyDecoder):
    """The answer of one turn.  See `Decoder`."""

    event_names = (
        "message", "error", "assistant_error", "done", "thread_id", "thread.message",
        "thread.message.delta", "thread.message.completed", "thread.run.completed",
        "thread.run.failed", "thread.run.expired", "thread.run.cancelled",
    )  # fmt: skip

    def __init__(
        self, url: str, status: int, headers: Headers, limits: Limits, *, images: bool = False
    ) -> None:
        super().__init__(url, status, headers, limits)
        self._images = images
        self._phase = Phase.ANSWER
        self._error_words = ""  # Of the plugin's error frames.
        self._envelope: dict[Any, Any] = {}  # The object that old versions put behind a stream.

    def _upstream(self, said: str) -> ChatGptEsError:
        return self._make_error(UpstreamError, f"The site's model failed.{site_said(said)}", said)

    # Streams

    def _event(self, name: str, value: str) -> str:
        if self._phase is _MARKED:
            return ""
        data = parse_event(value)
        if not name and type(data) is dict and "choices" in data.keys() <= _CHUNK_KEYS:
            return self._chunk(data)  # Nearly every event: nothing in it but the model's own.
        if name == "done" or value.strip() == "[DONE]":
            self._phase = _MARKED
            # Without any text the envelope that versions up to 1.8.85 glue behind may tell why.
            self.complete = self._has_text
            return ""
        if name == "message" and not (
            isinstance(data, dict) and (data.get("id") or data.get("object"))
        ):
            return self._error_frame(value, data)
        return self._other_event(name, value, data)

    def _other_event(self, name: str, value: str, data: Any) -> str:
        self._leave_frame()
        failed = name in ("error", "assistant_error")
        if not isinstance(data, dict):
            if failed:
                raise self._upstream(clean_text(value))
            return ""
        self._refuse(data)
        if failed:
            raise self._upstream(
                _words_of(data.get("error")) or _words_of(data) or clean_text(data.get("msg"))
            )
        kind = string_or_empty(data.get("object"))
        if name.startswith("thread.") or kind.startswith("thread."):
            return self._assistant(name if name.startswith("thread.") else kind, data)
        return self._chunk(data)

    def _leave_frame(self) -> None:
        if self._phase is _BROKEN_FRAME:
            self._phase = _ANSWER

    def _refuse(self, data: dict[Any, Any]) -> None:
        """Raise what a known key or an error in an event stands for."""
        if is_gate(data, plain=True):
            raise gate_error(data, self._url, self._status)
        if error := refusal(data, self._url, self._status):
            raise error
        if data.get("error"):
            raise self._upstream(_words_of(data["error"]))
        if data.get("status") == "error" and "msg" in data:
            raise self._status_error(data)

    def _status_error(self, data: dict[Any, Any]) -> ChatGptEsError:
        said = clean_text(data.get("msg"))
        if (
            self._has_text
            or self._phase is not _ANSWER
            or "greeting_message" in data
            or "log" in data
        ):
            return self._upstream(said)
        # Versions up to 1.8.79 refuse a dead nonce in this very shape.
        return self._make_error(
            NonceRefused, f"The bot refused the message{quote_suffix(said)}", said
        )

    def _error_frame(self, value: str, data: Any) -> str:
        """Note a word of an error that is sent as if it were an answer."""
        self._leave_frame()
        if isinstance(data, dict):
            self._refuse(data)
            text, finished = self._choice(data)
            self._add_error_words(text)
            if finished:
                raise self._upstream(clean_text(self._error_words))
            return ""
        start = _FRAME_START.search(value)
        self._frame_text(value[start.end() :] if start else value)
        return ""

    def _frame_text(self, text: str) -> None:
        whole = _FRAME_END.search(text)
        self._phase = _BROKEN_FRAME if whole is None else _ANSWER
        self._add_error_words(text[: whole.start()] if whole else text)

    def _add_error_words(self, text: str) -> None:
        if len(self._error_words) < _MOST_WORDS:
            self._error_words += text[:_MOST_WORDS]

    def _stray(self, line: str) -> None:
        if self._phase is _BROKEN_FRAME:
            self._frame_text(f"\n{line}")  # The rest of a word that held a line end.
        elif line.startswith("{") and not self._envelope:
            data = parse_json(line)
            if isinstance(data, dict) and ("status" in data or "msg" in data):
                self._envelope = data

    def _chunk(self, data: dict[Any, Any]) -> str:
        details = self.details
        if details.message_id is None or details.model is None or data.get("usage"):
            self._note(data)
        if self._phase is _BROKEN_FRAME:
            self._phase = _ANSWER
        choices = data.get("choices")
        if type(choices) is list and len(choices) == 1 and type(choices[0]) is dict:
            choice = choices[0]
            delta = choice.get("delta")
            if type(delta) is dict and not choice.get("finish_reason") and not choice.get("index"):
                text = delta.get("content")
                if type(text) is str and text:
                    return text
        text, finished = self._choice(data)
        if finished:
            self._phase = _FINISHED
            if self._error_words and not self._has_text:
                raise self._upstream(clean_text(self._error_words))
        return text

    def _choice(self, data: dict[Any, Any]) -> tuple[str, bool]:
        """The text of a chunk's first choice, and whether it says that the model has finished."""
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return "", False
        if choice.get("index") not in (None, 0):
            return "", False
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self.details.finish_reason = clean_text(reason, 100)
        said = choice.get("delta")
        if not isinstance(said, dict):
            said = choice.get("message")
        if isinstance(said, dict):
            text = _content(said.get("content")) or string_or_empty(said.get("refusal"))
        else:
            text = string_or_empty(choice.get("text"))  # OpenAI's older completions.
        return text, bool(reason)

    def _note(self, data: dict[Any, Any]) -> None:
        details = self.details
        details.message_id = details.message_id or clean_text(data.get("id"), 200) or None
        details.model = details.model or clean_text(data.get("model"), 200) or None
        details.usage = usage_from(data.get("usage")) or details.usage

    def _assistant(self, name: str, data: dict[Any, Any]) -> str:
        """OpenAI's assistant events, which bots of 1.8.95 and later pass on."""
        self.details.model = self.details.model or clean_text(data.get("model"), 200) or None
        if name == "thread.message.delta":
            delta = data.get("delta")
            self._identify(data)
            return _content(delta.get("content")) if isinstance(delta, dict) else ""
        if name in ("thread.message.completed", "thread.message"):
            self._identify(data)
            if name == "thread.message" and data.get("status") != "completed":
                return ""
            self._phase = _FINISHED
            return "" if self._has_text else _content(data.get("content"))
        if name in ("thread.run.failed", "thread.run.expired", "thread.run.cancelled"):
            raise self._upstream(_words_of(data.get("last_error")))
        if name == "thread.run.completed":
            self.details.usage = usage_from(data.get("usage")) or self.details.usage
        return ""

    def _identify(self, data: dict[Any, Any]) -> None:
        self.details.message_id = self.details.message_id or clean_text(data.get("id"), 200) or None

    def _ended(self) -> str:
        if self._error_words:
            raise self._upstream(clean_text(self._error_words))
        if self.details.finish_reason == _FAILED:
            raise self._upstream("")
        envelope = self._envelope
        finished = self._phase in (_FINISHED, _MARKED)
        if self._has_text and finished:
            return ""
        if self._has_text:
            said = clean_text(envelope.get("msg")) if envelope.get("status") == "error" else ""
            message = f"The answer broke off: its end mark never came.{site_said(said)}"
            raise self._make_error(UpstreamError, message, said)
        if envelope:
            return self._object(envelope)
        if finished:
            raise self._empty_error()
        raise self._make_error(
            UpstreamError, "The answer broke off before its first word: the site's model failed."
        )

    # Bodies in one piece

    def _whole(self, body: bytes) -> str:
        if not body.strip():
            raise self._empty_error()
        data = parse_json(body, is_known)
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
            if self.details.finish_reason == _FAILED:
                raise self._upstream(clean_text(text))
            return self._text(text)
        if data.get("error"):
            raise self._upstream(_words_of(data["error"]))
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
        if not text.strip():
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
        elif body.strip() == b"0":
            message = "WordPress knows no such action there: the chat plugin is not active."
        elif self._images and b"<" not in body:
            # So 1.9.18 refuses a file that is no picture.
            message = f"The site refused the image{quote_suffix(said)}"
            return self._make_error(RefusedError, message, said)
        else:
            message = f"The site answered neither JSON nor an event stream.{site_said(said)}"
        return self._make_error(UnexpectedFormatError, message, said)
