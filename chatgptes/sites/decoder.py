"""What the decoders of all dialects share: stream or not, how much of it, and sound text."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ChatGptEsError, EmptyReplyError, ResponseTooLargeError
from ..values.http import Headers, Limits
from ..values.reply import Usage
from .challenge import challenge
from .dialect import Heard
from .errors import failure
from .sse import EventDecoder
from .text import BOM, Pairs

__all__ = ["BodyDecoder", "RaisingDecoder", "usage_from", "usage_of"]

_BLANK = b" \t\r\n"
_HTML = Headers({"content-type": "text/html"})
_WHOLE = (b"{", b"<html", b"<!doctype")


def usage_of(value: object) -> Usage | None:
    """Token counts as OpenAI's chat API, its newer API and the plugin's REST API name them."""
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


class RaisingDecoder:
    """A decoder of bodies that are an event stream or come in one piece.

    The `Content-Type` is only a hint: sites answer a streamed request with JSON or HTML under a
    stream's type, and streams under HTML's.  A dialect says what an event means (`_event`, and
    `_stray` for lines that are none), what a whole body means (`_whole`), and, at the end of a
    stream, whether it was all (`_ended`).
    """

    def __init__(self, url: str, status: int, headers: Headers, limits: Limits) -> None:
        self.heard = Heard()
        self.complete = False
        self._url = url
        self._status = status
        self._limits = limits
        self._pairs = Pairs()
        self._events = EventDecoder(limits.event)
        self._typed = "event-stream" in headers.get("content-type").lower()
        self.streamed = self._typed
        # What the body is: an event stream was seen (True), it comes in one piece (False), or
        # not known yet (None).
        self._stream: bool | None = None
        self._looked = False
        self._head: list[bytes] = []  # What came before that is known.
        self._size = 0
        self._said = False  # Text other than white space was given.

    def feed(self, data: bytes) -> Iterator[str]:
        """See `Decoder.feed`."""
        if self.complete or not data:
            return
        self._size += len(data)
        if not self._stream:
            self._head.append(data)
        if not self._looked:
            self._look()
        if self._stream is not False:
            yield from self._feed_events(data)
        if self._stream:
            self._head.clear()
        if not self.complete:
            self._check_size()

    def _look(self) -> None:
        """Decide if the body comes in one piece, as far as its first bytes tell.

        JSON and whole pages do.  Other markup and words may be notices before the first event.
        """
        start = b"".join(self._head).lstrip(_BLANK).removeprefix(BOM).lstrip(_BLANK)
        self._head = [start]
        start = start[:9].lower()
        if start.startswith(_WHOLE):
            self._become(stream=False)
            self._looked = True
        else:
            # An empty one, or the first bytes of what is looked for, may yet become it.
            self._looked = not any(sign.startswith(start) for sign in (*_WHOLE, BOM))

    def _become(self, *, stream: bool) -> None:
        self._stream = self.streamed = stream

    def _check_size(self) -> None:
        whole = not self._stream
        most = self._limits.answer if whole else self._limits.stream
        if self._size > most:
            which = "answer" if whole else "stream"
            message = f"The answer is larger than {most:,} bytes (Limits.{which})."
            raise self._error(ResponseTooLargeError, message)

    def _feed_events(self, data: bytes, *, last: bool = False) -> Iterator[str]:
        pairs = self._events.end() if last else self._events.feed(data)
        try:
            for name, value in pairs:
                if name is None:
                    if self._stream:
                        self._stray(value)
                    continue
                if self._stream is None:
                    self._become(stream=True)
                if text := self._sounded(self._event(name, value)):
                    yield text
                if self.complete:
                    return
        except ResponseTooLargeError as error:
            raise self._error(ResponseTooLargeError, str(error)) from None

    def _sounded(self, text: str) -> str:
        text = self._pairs.push(text) if text else ""
        self._said = self._said or not (text == "" or text.isspace())
        return text

    def end(self) -> Iterator[str]:
        """See `Decoder.end`."""
        if not self.complete and self._stream is not False:
            yield from self._feed_events(b"", last=True)
        if self._stream:
            if rest := self._pairs.flush():
                yield rest
            text = self._ended()
        else:
            self.streamed = False
            text = self._whole(b"".join(self._head))
        if text := self._sounded(text) + self._pairs.flush():
            yield text

    def _error(
        self, cls: type[ChatGptEsError], message: str, said: str = "", code: str | None = None
    ) -> ChatGptEsError:
        """`cls(message)`, with where it happened and what the site said."""
        return failure(cls, message, self._url, self._status, said, code)

    def _empty(self) -> ChatGptEsError:
        message = "The bot's answer is empty; the service behind it may be down or out of credit."
        return self._error(EmptyReplyError, message)

    def _challenge(self, body: bytes) -> ChatGptEsError | None:
        """The error for a bot check's page in place of an answer, whatever its type."""
        return challenge(self._status, _HTML, body, self._url)

    # What a dialect fills in; all of them raise what the site's words stand for.

    def _event(self, name: str, value: str) -> str:
        """The text that an event brings ("" for none)."""
        raise NotImplementedError

    def _stray(self, line: str) -> None:
        """Take note of a line that belongs to no event."""

    def _ended(self) -> str:
        """The stream is over: the text that is left, or the error if it was not whole."""
        raise NotImplementedError

    def _whole(self, body: bytes) -> str:
        """The text of a body that came in one piece."""
        raise NotImplementedError


class BodyDecoder(RaisingDecoder):
    """A `RaisingDecoder` that sets `error` where that one raises."""

    def __init__(self, url: str, status: int, headers: Headers, limits: Limits) -> None:
        super().__init__(url, status, headers, limits)
        self.details = self.heard
        self.error: ChatGptEsError | None = None

    def feed(self, data: bytes) -> list[str]:  # type: ignore[override]
        """Decode the next bytes, cut anywhere."""
        return self._caught(super().feed(data))

    def end(self) -> list[str]:  # type: ignore[override]
        """Decode what is left at the body's end."""
        return self._caught(super().end())

    def _caught(self, chunks: Iterator[str]) -> list[str]:
        texts: list[str] = []
        if self.error is None:
            try:
                for text in chunks:
                    texts.append(text)  # noqa: PERF402
            except ChatGptEsError as error:
                self.error = error
        return texts

    _make_error = RaisingDecoder._error
    _empty_error = RaisingDecoder._empty
    _gate_error = RaisingDecoder._challenge


usage_from = usage_of
