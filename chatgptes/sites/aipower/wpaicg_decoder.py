"""What a `wpaicg` site answers: a JSON object, or the model's event stream passed on."""

from __future__ import annotations

import re
from typing import Any

from ...errors import ChatGptEsError, QuotaError, RefusedError, UnexpectedFormatError, UpstreamError
from ...values.http import Headers, Limits
from ..challenge import gate, gated
from ..decoder import RaisingDecoder as BodyDecoder
from ..decoder import usage_of
from ..dialect import NonceRefused
from ..errors import failure
from ..text import excerpt, quoted, read_event, read_json, text_of, told, words

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
_MOST_WORDS = 4000  # Characters of an error's frames that are kept.

# The plugin writes its error frames by hand, without escaping: quotes and line ends make them
# anything but JSON.  What stands between these two is the word.
_FRAME_START = re.compile(r'"content"\s*:\s*"')
_FRAME_END = re.compile(r'"\s*\}\s*\}\s*\]\s*\}\s*\Z')

# WordPress's own page for a fatal error names this help page in every language.
_FATAL_PAGE = re.compile(rb"wordpress\.org/[\w/.-]*faq-troubleshooting|wp-die-message")
_HTML_START = re.compile(rb"\s*<(?:!doctype|html|head|body|[a-z]+[\s>])", re.IGNORECASE)


def refusal(data: dict[Any, Any], url: str, status: int) -> ChatGptEsError | None:
    """The error that an answer's known keys stand for, wherever they are found; None for none."""
    said = words(data.get("msg"))
    if data.get("tokenLimitReached"):
        message = f"The bot's limit for its visitors is used up.{told(said)}"
        return failure(QuotaError, message, url, status, said)
    if any(data.get(flag) for flag in _FLAGS):
        return failure(
            RefusedError, f"The bot refused the message{quoted(said)}", url, status, said
        )
    return None


def _said_by(error: object) -> str:
    if isinstance(error, dict):
        return words(error.get("message")) or words(error.get("code")) or words(error.get("type"))
    return words(error)


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
            texts.append(text_of(text.get("value") if isinstance(text, dict) else text))
    return "".join(texts)


class WpaicgDecoder(BodyDecoder):
    """The answer of one turn.  See `Decoder`."""

    def __init__(
        self, url: str, status: int, headers: Headers, limits: Limits, *, images: bool = False
    ) -> None:
        super().__init__(url, status, headers, limits)
        self._images = images

    _done = False  # [DONE], or the model's finish_reason.
    _marked = False  # [DONE].
    _frames = ""  # The words of the plugin's error frames.
    _broken_frame = False  # The last of them was cut by a line end in its word.
    _envelope: dict[Any, Any] | None = None  # The object that old versions put behind a stream.

    def _upstream(self, said: str) -> ChatGptEsError:
        return self._error(UpstreamError, f"The site's model failed.{told(said)}", said)

    # Streams

    def _event(self, name: str, value: str) -> str:
        if self._marked:
            return ""
        if value.strip() == "[DONE]" or name == "done":
            self._done = self._marked = True
            # Without any text the envelope that versions up to 1.8.85 glue behind may tell why.
            self.complete = self._said
            return ""
        data = read_event(value)
        if name == "message" and not (
            isinstance(data, dict) and (data.get("id") or data.get("object"))
        ):
            return self._error_frame(value, data)
        self._broken_frame = False
        if not name and isinstance(data, dict) and "choices" in data.keys() <= _CHUNK_KEYS:
            return self._chunk(data)  # Nearly every event: nothing in it but the model's own.
        if not isinstance(data, dict):
            if name in ("error", "assistant_error"):
                raise self._upstream(words(value))
            return ""
        self._refuse(data)
        if name in ("error", "assistant_error"):
            raise self._upstream(
                _said_by(data.get("error")) or _said_by(data) or words(data.get("msg"))
            )
        kind = text_of(data.get("object"))
        if name.startswith("thread.") or kind.startswith("thread."):
            return self._assistant(name if name.startswith("thread.") else kind, data)
        return self._chunk(data)

    def _refuse(self, data: dict[Any, Any]) -> None:
        """Raise what a known key or an error in an event stands for."""
        if gate(data, plain=True):
            raise gated(data, self._url, self._status)
        if error := refusal(data, self._url, self._status):
            raise error
        if data.get("error"):
            raise self._upstream(_said_by(data["error"]))
        if data.get("status") == "error" and "msg" in data:
            raise self._status_error(data)

    def _status_error(self, data: dict[Any, Any]) -> ChatGptEsError:
        said = words(data.get("msg"))
        if self._said or self._done or "greeting_message" in data or "log" in data:
            return self._upstream(said)
        # Versions up to 1.8.79 refuse a dead nonce in this very shape.
        return self._error(NonceRefused, f"The bot refused the message{quoted(said)}", said)

    def _error_frame(self, value: str, data: Any) -> str:
        """Keep a word of an error that is sent as if it were an answer."""
        if isinstance(data, dict):
            self._refuse(data)
            text, done = self._choice(data)
            self._broken_frame = False
            self._keep(text)
            if done:
                raise self._upstream(words(self._frames))
            return ""
        start = _FRAME_START.search(value)
        text = value[start.end() :] if start else value
        whole = _FRAME_END.search(text)
        self._broken_frame = whole is None
        self._keep(text[: whole.start()] if whole else text)
        return ""

    def _keep(self, text: str) -> None:
        if len(self._frames) < _MOST_WORDS:
            self._frames += text[:_MOST_WORDS]

    def _stray(self, line: str) -> None:
        if self._broken_frame:
            # The rest of a word that held a line end.
            whole = _FRAME_END.search(line)
            self._broken_frame = whole is None
            self._keep("\n" + (line[: whole.start()] if whole else line))
        elif line.startswith("{") and self._envelope is None:
            data = read_json(line)
            if isinstance(data, dict) and ("status" in data or "msg" in data):
                self._envelope = data

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
            self.heard.finish_reason = words(reason, 100)
        said = choice.get("delta")
        if not isinstance(said, dict):
            said = choice.get("message")
        if isinstance(said, dict):
            text = _content(said.get("content")) or text_of(said.get("refusal"))
        else:
            text = text_of(choice.get("text"))  # OpenAI's older completions.
        return text, bool(reason)

    def _chunk(self, data: dict[Any, Any]) -> str:
        self._note(data)
        text, done = self._choice(data)
        self._done = self._done or done
        if done and self._frames and not self._said:
            raise self._upstream(words(self._frames))
        return text

    def _note(self, data: dict[Any, Any]) -> None:
        heard = self.heard
        heard.message_id = heard.message_id or words(data.get("id"), 200) or None
        heard.model = heard.model or words(data.get("model"), 200) or None
        heard.usage = usage_of(data.get("usage")) or heard.usage

    def _assistant(self, name: str, data: dict[Any, Any]) -> str:
        """OpenAI's assistant events, which bots of 1.8.95 and later pass on."""
        self.heard.model = self.heard.model or words(data.get("model"), 200) or None
        if name == "thread.message.delta":
            delta = data.get("delta")
            self._identify(data)
            return _content(delta.get("content")) if isinstance(delta, dict) else ""
        if name in ("thread.message.completed", "thread.message"):
            self._identify(data)
            if name == "thread.message" and data.get("status") != "completed":
                return ""
            self._done = True
            return "" if self._said else _content(data.get("content"))
        if name in ("thread.run.failed", "thread.run.expired", "thread.run.cancelled"):
            raise self._upstream(_said_by(data.get("last_error")))
        if name == "thread.run.completed":
            self.heard.usage = usage_of(data.get("usage")) or self.heard.usage
        return ""

    def _identify(self, data: dict[Any, Any]) -> None:
        self.heard.message_id = self.heard.message_id or words(data.get("id"), 200) or None

    def _ended(self) -> str:
        if self._frames:
            raise self._upstream(words(self._frames))
        envelope = self._envelope or {}
        if self._said and self._done:
            return ""
        if self._said:
            said = words(envelope.get("msg")) if envelope.get("status") == "error" else ""
            message = f"The answer broke off: its end mark never came.{told(said)}"
            raise self._error(UpstreamError, message, said)
        if envelope:
            return self._object(envelope)
        if self._done:
            raise self._empty()
        raise self._error(
            UpstreamError, "The answer broke off before its first word: the site's model failed."
        )

    # Bodies in one piece

    def _whole(self, body: bytes) -> str:
        if not body.strip():
            raise self._empty()
        data = read_json(body)
        if isinstance(data, dict):
            return self._object(data)
        raise self._no_answer(body)

    def _object(self, data: dict[Any, Any]) -> str:
        if gate(data, plain=True):
            raise gated(data, self._url, self._status)
        if error := refusal(data, self._url, self._status):
            raise error
        if isinstance(data.get("choices"), list):
            self._note(data)
            # A mere chunk, between words that hide the rest of a stream, is no whole answer.
            text, _ = self._choice(data) if data.get("object") != _CHUNK else ("", False)
            return self._text(text)
        if data.get("error"):
            raise self._upstream(_said_by(data["error"]))
        status = data.get("status")
        if status == "success" and isinstance(data.get("data"), str | None):
            return self._text(data.get("data") or "")
        if status == "error":
            raise self._status_error(data)
        inner = data.get("data")
        if data.get("success") is False and isinstance(inner, dict):
            said = words(inner.get("message"))
            cls = NonceRefused if "nonce" in words(inner.get("code")) else RefusedError
            message = f"The site refused the message{quoted(said)}"
            raise self._error(cls, message, said, words(inner.get("code"), 100))
        names = ", ".join(sorted(words(str(key), 30) for key in data)[:10])
        raise self._error(
            UnexpectedFormatError,
            f"The site answered a JSON object that no known version sends (keys: {names}).",
            words(data.get("msg")),
        )

    def _text(self, text: str) -> str:
        if not text.strip():
            raise self._empty()
        return text

    def _no_answer(self, body: bytes) -> ChatGptEsError:
        """The error for a body that is neither JSON nor a stream."""
        if error := self._challenge(body):
            return error
        said = excerpt(body)
        if body.strip() == b"-1":
            message = "The site refused the page's nonce."
            return self._error(NonceRefused, message, said)
        if _FATAL_PAGE.search(body):
            message = f"The site's own software failed.{told(said)}"
        elif self._typed and _HTML_START.match(body):
            # Under a stream's type the plugin passes on what the model's service sends it.
            return self._error(
                UpstreamError, f"The service behind the bot sent a web page.{told(said)}", said
            )
        elif body.strip() == b"0":
            message = "WordPress knows no such action there: the chat plugin is not active."
        elif self._images and b"<" not in body:
            # So 1.9.18 refuses a file that is not to its taste.
            message = f"The site refused the image{quoted(said)}"
            return self._error(RefusedError, message, said)
        else:
            message = f"The site answered neither JSON nor an event stream.{told(said)}"
        return self._error(UnexpectedFormatError, message, said)
