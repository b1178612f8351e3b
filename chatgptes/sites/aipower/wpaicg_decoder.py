"""A `wpaicg` site's answer: the plugin's object, or the model's event stream passed on."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Any

from ...errors import (
    ChatGptEsError,
    RefusedError,
    ResponseError,
    UnexpectedFormatError,
    UpstreamError,
)
from ...values.http import Limits
from ..challenge import gate_error
from ..decoder import Decoder
from ..details import usage_from
from ..dialect import BufferedResponse, NonceRefused
from ..errors import is_zero
from ..text import (
    NOT_AS_EXPECTED,
    clean_text,
    json_object,
    object_or_empty,
    scan_json,
    string_or_empty,
)
from .wpaicg_objects import CHUNK, content_text, has_answered, rank, refusal, words_of_error

__all__ = ["WpaicgDecoder"]

# A chunk with no other keys is read without a look at what else an event may be.
_CHUNK_KEYS = frozenset(
    (
        "id", "object", "created", "model", "system_fingerprint", "service_tier", "choices",
        "usage", "obfuscation", "provider", "x_groq",
    )
)  # fmt: skip
_TEXT_KEYS = _CHUNK_KEYS - {"usage"}
_FAILED = "error"  # A `finish_reason`, of services that pass models of others on.
_MOST_WORDS = 4000  # Characters of an error's frames that are kept.

# The plugin writes its error frames by hand, without escaping: quotes and line ends make them
# anything but JSON.  What stands between these two is the word.
_FRAME_START = re.compile(r'"content"\s*:\s*"')
_FRAME_END = re.compile(r'"\s*\}\s*\}\s*\]\s*\}\s*\Z')

# WordPress's own page for a fatal error names this help page in every language.
_FATAL_PAGE = re.compile(rb"wordpress\.org/[\w/.-]*faq-troubleshooting|wp-die-message")
_HTML_START = re.compile(rb"\s*<(?:!doctype|html|head|body|[a-z]+[\s>])", re.IGNORECASE)


class _Phase(Enum):
    """The part of a stream that is being read."""

    ANSWER = auto()  # The model's chunks, or the words of the plugin's error frames.
    BROKEN_FRAME = auto()  # Inside an error frame whose word holds a line end.
    FINISHED = auto()  # The model has finished; its usage and the end mark may follow.
    MARKED = auto()  # The end mark `[DONE]`: only old versions' JSON object may follow.


# Looked up in every event.
_ANSWER, _BROKEN_FRAME, _FINISHED, _MARKED = _Phase


class WpaicgDecoder(Decoder):
    """The answer of one turn."""

    event_names = (
        "message", "error", "assistant_error", "done", "thread.message", "thread.message.delta",
        "thread.message.completed", "thread.run.failed", "thread.run.expired",
        "thread.run.cancelled",
    )  # fmt: skip

    rank = staticmethod(rank)

    def __init__(
        self, head: BufferedResponse, limits: Limits, *, message_id: str, images: bool
    ) -> None:
        super().__init__(head, limits)
        self._images = images
        self._phase = _ANSWER
        self._model_id = ""  # The model's service has named its answer.
        self._error_words = ""  # Of the plugin's error frames.
        self._envelope: dict[Any, Any] = {}  # Old versions put it behind a stream.
        # The site's own name for the answer is the one that it got with the question.
        self.details.message_id = message_id

    def _event(self, name: str, value: str) -> str:
        if not name and self._phase is _ANSWER and self.details.model is not None:
            # Nearly every event: a chunk with text, and nothing in it but the model's own keys.
            try:
                data, _ = scan_json(value, 0)
                (choice,) = data["choices"]
                text = choice["delta"]["content"]
                if (
                    type(text) is str
                    and choice.get("finish_reason") is None
                    and not choice.get("index")
                    and data.keys() <= _TEXT_KEYS
                ):
                    return text
            except NOT_AS_EXPECTED:
                pass
        return "" if self._phase is _MARKED else self._any_event(name, value)

    def _any_event(self, name: str, value: str) -> str:
        data = self._parse(value)
        if name != "message" and isinstance(data, dict) and "choices" in data.keys() <= _CHUNK_KEYS:
            # Whatever the words of a notice made of its event's name.
            return self._chunk(data)
        if name == "done" or value.strip() == "[DONE]":
            self._phase = _MARKED
            # Without any text the envelope that versions up to 1.8.85 glue behind may tell why.
            self.complete = self._has_text
            return ""
        if name == "message" and not (
            isinstance(data, dict) and (data.get("id") or data.get("object"))
        ):
            self._note_error(value, data)
            return ""
        if isinstance(data, dict):
            self._refuse(data)
        if name in ("error", "assistant_error"):
            data = data if isinstance(data, dict) else {"message": value}
            raise self._upstream(words_of_error(data) or clean_text(data.get("msg")))
        if not isinstance(data, dict):
            return ""
        kind = string_or_empty(data.get("object"))
        if name.startswith("thread.") or kind.startswith("thread."):
            return self._assistant(name if name.startswith("thread.") else kind, data)
        return self._chunk(data)

    def _note_error(self, value: str, data: Any) -> None:
        """Note a word of an error that is sent as if it were an answer."""
        if isinstance(data, dict):
            self._refuse(data)
            text, finished = self._choice(data)
            self._add_error_words(text)
            if finished:
                raise self._upstream(clean_text(self._error_words))
        else:
            start = _FRAME_START.search(value)
            self._frame_text(value[start.end() :] if start else value)

    def _frame_text(self, text: str) -> None:
        whole = _FRAME_END.search(text)
        self._phase = _BROKEN_FRAME if whole is None else _ANSWER
        self._add_error_words(text[: whole.start()] if whole else text)

    def _add_error_words(self, text: str) -> None:
        self._error_words += text[: _MOST_WORDS - len(self._error_words)]

    def _stray(self, line: str) -> None:
        if self._phase is _BROKEN_FRAME:
            self._frame_text(f"\n{line}")  # The rest of a word that held a line end.
        elif line.startswith("{"):
            data = json_object(line, rank) or {}
            # See `parse_json`.
            if ("status" in data or "msg" in data) and (rank(data) > 1 or not self._envelope):
                self._envelope = data

    def _chunk(self, data: dict[Any, Any]) -> str:
        self._note(data)
        text, finished = self._choice(data)
        if finished:
            self._phase = _FINISHED
            if self._error_words and not self._has_text:
                # The plugin sends all its frames a second time behind their end.
                raise self._upstream(clean_text(self._error_words))
        return text

    def _note(self, data: dict[Any, Any]) -> None:
        details = self.details
        self._model_id = self._model_id or clean_text(data.get("id"), 200)
        details.model = details.model or clean_text(data.get("model"), 200) or None
        details.usage = usage_from(data.get("usage")) or details.usage

    def _choice(self, data: dict[Any, Any]) -> tuple[str, bool]:
        """The text of a chunk's first choice, and whether it says that the model has finished."""
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or choice.get("index") not in (None, 0):
            return "", False
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason and self.details.finish_reason != _FAILED:
            reason = clean_text(reason)
            self.details.finish_reason = _FAILED if reason.lower() == _FAILED else reason
        said = choice.get("delta")
        if not isinstance(said, dict):
            said = choice.get("message")
        if isinstance(said, dict):
            text = content_text(said.get("content")) or string_or_empty(said.get("refusal"))
        else:
            text = string_or_empty(choice.get("text"))  # OpenAI's older completions.
        return text, bool(reason)

    def _assistant(self, name: str, data: dict[Any, Any]) -> str:
        """OpenAI's assistant events, which bots of 1.8.95 and later pass on."""
        self._note(data)
        if name == "thread.message.delta":
            return content_text(object_or_empty(data.get("delta")).get("content"))
        if name == "thread.message.completed" or (
            name == "thread.message" and data.get("status") == "completed"
        ):
            self._phase = _FINISHED
            return "" if self._has_text else content_text(data.get("content"))
        if name in ("thread.run.failed", "thread.run.expired", "thread.run.cancelled"):
            raise self._upstream(words_of_error(data.get("last_error")))
        return ""

    def _ended(self) -> str:
        if self._error_words:
            raise self._upstream(clean_text(self._error_words))
        if self.details.finish_reason == _FAILED:
            raise self._upstream("")
        finished = self._phase in (_FINISHED, _MARKED)
        envelope = self._envelope
        if self._has_text:
            if finished:
                return ""
            said = envelope.get("msg") if envelope.get("status") == "error" else None
            raise self._broke_off(said)
        if envelope:
            return self._text_in(envelope, b"{}")
        raise self._empty_error() if finished else self._broke_off()

    def _refuse(self, data: dict[Any, Any]) -> None:
        """Raise what a known key or an error stands for."""
        if error := gate_error(data, self._response, plain=True) or refusal(data, self._response):
            raise error
        if data.get("error"):
            raise self._upstream(words_of_error(data["error"]))
        if data.get("status") == "error":
            model_began = self._has_text or self._model_id or self._phase is not _ANSWER
            if model_began or has_answered(data):
                raise self._upstream(data.get("msg"))
            # Versions up to 1.8.79 refuse a dead nonce in this very shape.
            raise self._make_error(NonceRefused, "The bot refused the message:", data.get("msg"))

    def _object(self, data: dict[Any, Any]) -> str | None:
        self._refuse(data)
        if isinstance(data.get("choices"), list):
            self._note(data)
            # A mere chunk, between words that hide the rest of a stream, is no whole answer.
            text = "" if data.get("object") == CHUNK else self._choice(data)[0]
            if self.details.finish_reason == _FAILED:
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
