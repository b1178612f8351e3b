"""The decoder that all dialects share: stream or not, how large, and text that can be encoded."""

from __future__ import annotations

import re
from typing import Any

from ..errors import (
    ChatGptEsError,
    EmptyReplyError,
    Hint,
    ResponseTooLargeError,
    UpstreamError,
)
from ..values.http import Headers, Limits
from ..values.reply import Usage
from .challenge import challenge_error
from .dialect import ReplyDetails
from .errors import AnyError, make_error
from .sse import Event, EventDecoder
from .text import BOM, SurrogateJoiner, is_blank, object_end, parse_event, parse_json

__all__ = ["BodyDecoder", "usage_from"]

_BLANK = b" \t\r\n\0"
_WHOLE = (b"{", b"<html", b"<!doctype")
_MAY_BECOME_WHOLE = frozenset(
    sign[:length] for sign in (*_WHOLE, BOM) for length in range(len(sign) + 1)
).__contains__
_HAS_TEXT = re.compile('"(?:delta|content|live)"').search
"""An event that can't be read and holds one of these has lost text."""


def usage_from(value: object) -> Usage | None:
    """Return token counts as OpenAI's two APIs and the plugins' REST APIs name them."""
    if not isinstance(value, dict):
        return None

    def count(*names: str) -> int | None:
        numbers = (value.get(name) for name in names)
        return next((number for number in numbers if type(number) is int and number >= 0), None)

    usage = Usage(
        count("input_tokens", "prompt_tokens"),
        count("output_tokens", "completion_tokens"),
        count("total_tokens"),
    )
    return None if usage == Usage() else usage


class BodyDecoder:
    """A decoder of bodies that are an event stream or come in one piece.  See `Decoder`.

    The `Content-Type` is only a hint: sites answer a streamed request with JSON or HTML under a
    stream's type, and streams under HTML's.  A dialect says what an event means (`_event`, and
    `_stray` for lines that are none), what a whole body means (`_whole`), and, at the end of a
    stream, whether it was all (`_ended`).
    """

    event_names: tuple[str, ...] = ()
    """Names of the dialect's events, to be found behind a notice (see `EventDecoder`)."""

    def __init__(self, url: str, status: int, headers: Headers, limits: Limits) -> None:
        self.details = ReplyDetails()
        self.complete = False
        self.error: ChatGptEsError | None = None
        self._url = url
        self._status = status
        self._headers = headers
        self._limits = limits
        self._least_limit = min(limits.answer, limits.stream)
        self._joiner = SurrogateJoiner()
        self._events = EventDecoder(limits.event, self.event_names)
        self._typed = "event-stream" in headers.get("content-type").lower()
        self.streamed = self._typed
        # An event was seen (True), the body comes in one piece (False), or not known yet (None).
        self._is_stream: bool | None = None
        self._looked = False
        self._head: list[bytes] = []  # The body, until an event was seen.
        self._size = 0
        self._has_text = False  # Text other than white space was given.
        self._damaged = False  # An event that seems to bring text could not be read.

    def feed(self, data: bytes) -> list[str]:
        """See `Decoder.feed`."""
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
        self._head.append(data)
        if not self._looked:
            self._look()
        if self._is_stream is False:
            return []
        texts = self._decode_events(self._events.feed(data))
        if self._is_stream:
            self._head.clear()
        return texts

    def _look(self) -> None:
        """Decide if the body comes in one piece, as far as its first bytes tell.

        JSON and whole pages do.  Other markup and words may be notices before the first event.
        """
        start = b"".join(self._head).lstrip(_BLANK)
        while start.startswith(BOM):
            start = start.removeprefix(BOM).lstrip(_BLANK)
        self._head = [start]
        start = start[:9].lower()
        if start.startswith(_WHOLE):
            self._is_stream = self.streamed = False
            self._looked = True
        else:
            # An empty one, or the first bytes of what is looked for, may yet become it.
            self._looked = not _MAY_BECOME_WHOLE(start)

    def _check_size(self) -> None:
        whole = not self._is_stream
        most = self._limits.answer if whole else self._limits.stream
        if self._size > most and not self.complete and self.error is None:
            which = "answer" if whole else "stream"
            message = f"The answer is larger than {most:,} bytes."
            self.error = self._make_error(ResponseTooLargeError, message)
            self.error.hint = Hint(f"limits.{which}", purpose="to allow more")

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
                    if self._joiner.pending or not text.isascii():
                        text = self._joiner.push(text)
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
            if self._events.error is not None:
                self.error = self._make_error(ResponseTooLargeError, self._events.error.message)
                self.error.hint = self._events.error.hint
        return texts

    def end(self) -> list[str]:
        """See `Decoder.end`."""
        if self.error is not None:
            return []
        texts: list[str] = []
        if not self.complete and self._is_stream is not False:
            texts = self._decode_events(self._events.end())
        if self.error is None:
            try:
                if self._is_stream:
                    texts += self._flush("")
                    texts += self._flush(self._ended())
                    self._check_damage()
                else:
                    texts += self._decode_whole()
            except ChatGptEsError as error:
                self.error = error
        return texts + self._flush("")

    def _parse(self, value: str) -> Any:
        """Parse an event's data; None where it is no JSON, which is noted if it held text."""
        data = parse_event(value)
        if data is None and _HAS_TEXT(value):
            self._damaged = True
        return data

    def _check_damage(self) -> None:
        if self._damaged and self.error is None:
            self.error = self._make_error(
                UpstreamError, "A part of the answer is missing: the site sent a damaged event."
            )

    def _flush(self, text: str) -> list[str]:
        text = (self._joiner.push(text) if text else "") + self._joiner.flush()
        self._has_text = self._has_text or not is_blank(text)
        return [text] if text else []

    def _decode_whole(self) -> list[str]:
        self.streamed = False
        body = b"".join(self._head)
        self._head.clear()
        if not body.strip() and (blocked := self._gate_error(body)):
            raise blocked  # Its headers tell.
        text = body.decode("utf-8", "replace")
        end = object_end(text, 0)
        if "data:" in text[end:] and (end or not self.is_known(parse_json(text))):
            # A page or an object, such as a plugin's notice, may stand before the events.
            texts = self._decode_stream_in(body)
            if texts is not None:
                return texts
        return self._flush(self._whole(body))

    def _decode_stream_in(self, body: bytes) -> list[str] | None:
        """The text of the events behind what looked like a page or an object; None for none."""
        self._is_stream = True
        events = EventDecoder(self._limits.event, self.event_names)
        found = [*events.feed(body), *events.end()]
        if events.unclosed:
            # What never ends hides nothing: it broke off itself.
            events = EventDecoder(self._limits.event, self.event_names, hiding=False)
            found = [*events.feed(body), *events.end()]
        texts = self._decode_events(found)
        if not self._has_text and self.error is None:
            self._is_stream = False
            return None
        self.streamed = True
        if self.error is None:
            texts += self._flush("")
            try:
                texts += self._flush(self._ended())
            except ChatGptEsError as error:
                self.error = error
        return texts

    def _make_error(
        self, cls: type[AnyError], message: str, said: str = "", code: str | None = None
    ) -> AnyError:
        """Return `cls(message)`, with where it happened and what the site said."""
        return make_error(cls, message, self._url, self._status, said, code)

    def _empty_error(self) -> ChatGptEsError:
        message = "The bot's answer is empty; the service behind it may be down or out of credit."
        return self._make_error(EmptyReplyError, message)

    def _gate_error(self, body: bytes) -> ChatGptEsError | None:
        """Return the error for a bot check or a firewall's page in place of an answer."""
        return challenge_error(self._status, self._headers, body, self._url, markup=True)

    @staticmethod
    def is_known(data: Any) -> bool:
        """Tell whether a JSON value is an object that sites of the dialect answer."""
        raise NotImplementedError

    # What a dialect fills in; all of them raise what the site's words stand for.

    def _event(self, name: str, value: str) -> str:
        """Return the text that an event brings ("" for none)."""
        raise NotImplementedError

    def _stray(self, line: str) -> None:
        """Take note of a line that belongs to no event."""

    def _ended(self) -> str:
        """Return the text that is left at the end of a stream; raise if it was not whole."""
        raise NotImplementedError

    def _whole(self, body: bytes) -> str:
        """Return the text of a body that came in one piece."""
        raise NotImplementedError
