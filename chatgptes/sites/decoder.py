"""The base of all decoders: streams or whole bodies, their sizes, halves of characters."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

from ..errors import (
    ChatGptEsError,
    EmptyReplyError,
    Hint,
    ResponseTooLargeError,
    UnexpectedFormatError,
    UpstreamError,
)
from ..values.http import Limits
from .challenge import challenge_error
from .details import ReplyDetails
from .response import AnyError, BufferedResponse, make_error
from .sse import Event, EventDecoder
from .text import (
    BOM,
    Rank,
    clean_text,
    is_blank,
    json_object,
    object_end,
    parse_event,
    without_surrogates,
)

__all__ = ["Decoder"]

_BEFORE_BODY = re.compile(rb"\A(?:[ \t\r\n\0]++|\xef\xbb\xbf)++")
_WHOLE = (b"{", b"<html", b"<!doctype")
_MAY_BECOME_WHOLE = frozenset(
    sign[:length] for sign in (*_WHOLE, BOM) for length in range(len(sign) + 1)
).__contains__
_HAS_TEXT = re.compile('"(?:delta|content|live)"').search
"""An event that can't be read and holds one of these has lost text."""


class Decoder(ABC):
    """Decodes the body of a final response: an event stream, or an answer in one piece.

    `feed` and `end` return the text chunks that arrived (none of them empty) and never raise one
    of the library's errors: they set `error`, which the caller raises after it has handed on the
    chunks.  So no text that arrived before an error is lost.

    The `Content-Type` is only a hint: sites answer a streamed request with JSON or HTML under a
    stream's type, and streams under HTML's.  A dialect says what an event means (`_event`, and
    `_stray` for lines that are none), what an object means (`_object`), and, at the end of a
    stream, whether it was all (`_ended`).  All of these raise what the site's words stand for.

    Attributes:
        details: what came with the text.
        streamed: the body is an event stream (by its `Content-Type` until the first bytes tell).
        complete: the answer's own end mark was read: the rest of the body does not matter.
        error: why the answer failed; once set, `feed` and `end` return nothing more.
    """

    event_names: tuple[str, ...] = ()
    """Names of the dialect's events, to be found behind a notice (see `EventDecoder`)."""

    rank: Rank
    """Tells the objects that sites of the dialect answer."""

    def __init__(self, head: BufferedResponse, limits: Limits) -> None:
        self.details = ReplyDetails()
        self.complete = False
        self.error: ChatGptEsError | None = None
        self._response = head
        self._limits = limits
        self._least_limit = min(limits.answer, limits.stream)
        self._half = ""  # Of a surrogate pair, whose second half may come with the next event.
        self._events = EventDecoder(limits.event, self.event_names)
        self._typed = "event-stream" in head.headers.get("content-type").lower()
        self.streamed = self._typed
        # An event was seen (True), the body comes in one piece (False), or not known yet (None).
        self._is_stream: bool | None = None
        self._looked = False
        self._start: list[bytes] = []  # The body, until an event was seen.
        self._size = 0
        self._has_text = False  # Text other than white space was given.
        self._damaged = False  # An event that seems to bring text could not be read.

    def feed(self, data: bytes) -> list[str]:
        """Decode the next bytes, cut anywhere."""
        if self.complete or self.error is not None or not data:
            return []
        self._size += len(data)
        if self._is_stream:
            texts = self._decode_events(self._events.feed(data))
        else:
            texts = self._feed_unknown(data)
        if self._size > self._least_limit:
            self._check_size()
        return texts

    def _feed_unknown(self, data: bytes) -> list[str]:
        """Decode bytes of a body that comes in one piece, or may do so.

        JSON and whole pages do.  Other markup and words may be notices before the first event.
        """
        self._start.append(data)
        if not self._looked:
            body = _BEFORE_BODY.sub(b"", b"".join(self._start))
            self._start = [body]
            first = body[:9].lower()
            if first.startswith(_WHOLE):
                self._is_stream = self.streamed = False
            # An empty one, or the first bytes of what is looked for, may yet become it.
            self._looked = not _MAY_BECOME_WHOLE(first)
        if self._is_stream is False:
            return []
        texts = self._decode_events(self._events.feed(data))
        if self._is_stream:
            self._start.clear()
        return texts

    def _check_size(self) -> None:
        which = "stream" if self._is_stream else "answer"
        most = getattr(self._limits, which)
        if self._size > most and not self.complete and self.error is None:
            hint = Hint(f"limits.{which}", purpose="to allow more")
            self.error = self._too_large(f"The answer is larger than {most:,} bytes.", hint)

    def _too_large(self, message: str, hint: Hint | None) -> ChatGptEsError:
        error = self._make_error(ResponseTooLargeError, message)
        error.hint = hint
        return error

    def _decode_events(self, events: list[Event]) -> list[str]:  # noqa: C901
        # One loop: see `EventDecoder`.
        texts = []
        try:
            for name, value in events:
                if name is None:
                    if self._is_stream:
                        self._stray(value)
                    continue
                if not self._is_stream:
                    self._is_stream = self.streamed = True
                text = self._event(name, value)
                if text:
                    if self._half or not text.isascii():
                        text = self._join(text)
                        if not text:
                            continue
                    if not self._has_text:
                        self._has_text = not is_blank(text)
                    texts.append(text)
                if self.complete:
                    self._check_damage()
                    return texts
        except ChatGptEsError as error:
            self.error = error
        else:
            if (too_large := self._events.error) is not None:
                self.error = self._too_large(too_large.message, too_large.hint)
        return texts

    def end(self) -> list[str]:
        """Decode what is left at the body's end; sets `error` if the answer is not whole."""
        if self.error is not None:
            return []
        texts: list[str] = []
        if not self.complete and self._is_stream is not False:
            texts = self._decode_events(self._events.end())
        if self.error is None:
            try:
                if self._is_stream:
                    self._end_stream(texts)
                else:
                    self._decode_whole(texts)
            except ChatGptEsError as error:
                self.error = error
        return texts + self._flush("")

    def _end_stream(self, texts: list[str]) -> None:
        """Add what the end of a stream brings; raise if it was not whole."""
        texts += self._flush("")
        texts += self._flush(self._ended())
        self._check_damage()

    def _parse(self, value: str) -> Any:
        """Parse an event's data; None where it is no JSON, which is noted if it held text."""
        data = parse_event(value)
        if data is None and _HAS_TEXT(value):
            self._damaged = True
        return data

    def _check_damage(self) -> None:
        if self._damaged:
            raise self._make_error(
                UpstreamError, "A part of the answer is missing: the site sent a damaged event."
            )

    def _join(self, text: str) -> str:
        """Return text fit to be encoded; half a pair at its end waits for the next piece."""
        text = self._half + text
        self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        return without_surrogates(text.removesuffix(self._half))

    def _flush(self, text: str) -> list[str]:
        """The text and what is left of a pair, whose other half never came."""
        text = (self._join(text) if text else "") + ("\ufffd" if self._half else "")
        self._half = ""
        self._has_text = self._has_text or not is_blank(text)
        return [text] if text else []

    def _decode_whole(self, texts: list[str]) -> None:
        """Add the text of a body in one piece; raise what else it is."""
        self.streamed = False
        body = b"".join(self._start)
        self._start.clear()
        text = body.decode("utf-8", "replace")
        end = object_end(text, 0)
        first = json_object(text)
        if "data:" in text[end:] and (end or first is None or not self.rank(first)):
            # A page or an object, such as a plugin's notice, may stand before the events.
            self._is_stream = True
            found = self._decode_events(self._events_in(body))
            if self._has_text or self.error is not None:
                self.streamed = True
                texts += found
                if self.error is None:
                    self._end_stream(texts)
                return
            self._is_stream = False
        texts += self._flush(self._text_in(json_object(text, self.rank), body))

    def _events_in(self, body: bytes) -> list[Event]:
        """The events behind what looked like a page or an object."""
        for hiding in (True, False):
            events = EventDecoder(self._limits.event, self.event_names, hiding=hiding)
            found = [*events.feed(body), *events.end()]
            if not events.hidden:
                break  # Else it broke off itself: what never ends hides nothing.
        return found

    def _text_in(self, data: dict[Any, Any] | None, body: bytes) -> str:
        """The text of an answer in one piece; raises what else it is."""
        answer = None if data is None else self._object(data)
        if answer is None:
            raise self._error_for_body(body, data)
        if is_blank(answer):
            raise self._empty_error()
        return answer

    def _error_for_body(self, body: bytes, data: dict[Any, Any] | None) -> ChatGptEsError:
        """The error for a body that is no answer: a gate's, an empty one, or unknown."""
        if gate := challenge_error(replace(self._response, body=body), markup=True):
            return gate
        if not body.strip():
            return self._empty_error()
        if data is None:
            return self._no_answer(body)
        names = ", ".join(sorted(clean_text(str(key), 30) for key in data)[:10])
        message = f"The site answered a JSON object that no known version sends (keys: {names})."
        return self._make_error(UnexpectedFormatError, message)

    def _no_answer(self, body: bytes) -> ChatGptEsError:
        """The error for a body that is neither an object nor a stream."""
        message = "The site answered neither JSON nor an event stream."
        return self._make_error(UnexpectedFormatError, message, body)

    def _upstream(self, said: object) -> ChatGptEsError:
        return self._make_error(UpstreamError, "The site's model failed.", said)

    def _broke_off(self, said: object = None) -> ChatGptEsError:
        if self._has_text:
            message = "The answer broke off: its end mark never came."
        else:
            message = "The answer broke off before its first word: the site or its model failed."
        return self._make_error(UpstreamError, message, said)

    def _make_error(
        self, cls: type[AnyError], message: str, said: object = None, code: object = None
    ) -> AnyError:
        return make_error(cls, message, self._response, said, code)

    def _empty_error(self) -> ChatGptEsError:
        message = "The bot's answer is empty; the service behind it may be down or out of credit."
        return self._make_error(EmptyReplyError, message)

    def _event(self, name: str, value: str) -> str:
        """Return the text that an event brings ("" for none)."""
        return ""

    def _stray(self, line: str) -> None:  # noqa: B027 - most dialects have no use for them.
        """Take note of a line that belongs to no event."""

    def _ended(self) -> str:
        """Return the text that is left at the end of a stream; raise if it was not whole."""
        raise self._make_error(UnexpectedFormatError, "The site answered an event stream.")

    @abstractmethod
    def _object(self, data: dict[Any, Any]) -> str | None:
        """Return the text of an object in one piece; None where it is of no known form."""
