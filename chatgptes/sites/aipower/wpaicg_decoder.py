"""A `wpaicg` site's event stream: the model's own, passed on, and what the plugin adds."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Any

from ...errors import UpstreamError
from ..text import NOT_AS_EXPECTED, clean_text, json_object, scan_json, string_or_empty
from .wpaicg_objects import FAILED, ObjectDecoder, content_text, rank, words_of_error

__all__ = ["WpaicgDecoder"]

# A chunk with no other keys is read without a look at what else an event may be.
_CHUNK_KEYS = frozenset(
    (
        "id", "object", "created", "model", "system_fingerprint", "service_tier", "choices",
        "usage", "obfuscation", "provider", "x_groq",
    )
)  # fmt: skip
_TEXT_KEYS = _CHUNK_KEYS - {"usage"}
_MOST_WORDS = 4000  # Characters of an error's frames that are kept.

# The plugin writes its error frames by hand, without escaping: quotes and line ends make them
# anything but JSON.  What stands between these two is the word.
_FRAME_START = re.compile(r'"content"\s*:\s*"')
_FRAME_END = re.compile(r'"\s*\}\s*\}\s*\]\s*\}\s*\Z')


class _Phase(Enum):
    """The part of a stream that is being read."""

    ANSWER = auto()
    """The model's chunks, or the words of the plugin's error frames."""
    BROKEN_FRAME = auto()
    """Inside an error frame whose word holds a line end."""
    FINISHED = auto()
    """The model has finished; its usage and the end mark may follow."""
    MARKED = auto()
    """The end mark `[DONE]`: only old versions' JSON object may follow."""


# Looked up in every event.
_ANSWER, _BROKEN_FRAME, _FINISHED, _MARKED = _Phase


class WpaicgDecoder(ObjectDecoder):
    """The answer of one turn.  See `Decoder`."""

    event_names = (
        "message", "error", "assistant_error", "done", "thread.message", "thread.message.delta",
        "thread.message.completed", "thread.run.failed", "thread.run.expired",
        "thread.run.cancelled",
    )  # fmt: skip

    _phase = _ANSWER
    _error_words = ""  # Of the plugin's error frames.
    _envelope: dict[Any, Any] | None = None  # Old versions put it behind a stream.

    def _model_began(self) -> bool:
        return self._phase is not _ANSWER or super()._model_began()

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
        return self._any_event(name, value)

    def _any_event(self, name: str, value: str) -> str:
        if self._phase is _MARKED:
            return ""
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
            if ("status" in data or "msg" in data) and (rank(data) > 1 or self._envelope is None):
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

    def _assistant(self, name: str, data: dict[Any, Any]) -> str:
        """OpenAI's assistant events, which bots of 1.8.95 and later pass on."""
        self._note(data)
        if name == "thread.message.delta":
            delta = data.get("delta")
            return content_text(delta.get("content")) if isinstance(delta, dict) else ""
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
        if self.details.finish_reason == FAILED:
            raise self._upstream("")
        finished = self._phase in (_FINISHED, _MARKED)
        envelope = self._envelope or {}
        if self._has_text:
            if finished:
                return ""
            said = envelope.get("msg") if envelope.get("status") == "error" else None
            message = "The answer broke off: its end mark never came."
            raise self._make_error(UpstreamError, message, said)
        if envelope:
            return self._text_in(envelope, b"{}")
        if finished:
            raise self._empty_error()
        raise self._make_error(
            UpstreamError, "The answer broke off before its first word: the site's model failed."
        )
