"""An event stream being told, and what may happen to it on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exchange import Exchange

_BEFORE_FAULT = 3
_GARBAGE = 'data: {"half": \n\ndata: \n\ndata: [1, 2\n\nnonsense\n\ndata: null\n\n'


class Telling:
    """Sends the frames of one streamed answer, and meets its fault.

    Args:
        exchange: where to; its stream is already started.
        fault: the name of a fault; those that are none of a stream's are passed over.
        delay: pause after each chunk of text (float, seconds).
        filler: a frame of text to repeat where the answer shall never end (str).
    """

    def __init__(self, exchange: Exchange, fault: str, delay: float, filler: str) -> None:
        self._exchange = exchange
        self._fault = fault
        self._delay = delay
        self._filler = filler
        self._chunks = 0
        self._met = False

    def frame(self, text: str) -> None:
        """Send what is no text of the answer."""
        self._exchange.write(text.replace("\n", "\r\n") if self._fault == "crlf" else text)

    def last(self, text: str) -> None:
        """Send the frame that ends the answer."""
        self.frame(text.rstrip("\n") if self._fault == "no-blank" else text)

    def chunk(self, text: str) -> None:
        """Send a frame with text of the answer, then pause."""
        if self._chunks == _BEFORE_FAULT:
            self._take_fault()
        self._chunks += 1
        self.frame(text)
        self._exchange.pause(self._delay)

    def finish_text(self) -> None:
        """All text is told: a fault of the middle that was not met yet is met now."""
        self._take_fault()

    def close(self) -> None:
        """Everything is told."""
        if self._fault == "html-after":
            self._exchange.write("<p>Something on this <b>site</b> has come to an end.</p>")
        elif self._fault == "stall-end":
            self._exchange.stall()

    def _take_fault(self) -> None:
        if self._met:
            return
        self._met = True
        if self._fault in ("cut", "reset"):
            self._exchange.cut(reset=self._fault == "reset")
        elif self._fault == "stall":
            self._exchange.stall()
        elif self._fault == "garbage":
            self._exchange.write(_GARBAGE)
        elif self._fault == "endless":
            while True:
                self._exchange.write(self._filler * 50)
                self._exchange.pause(0.001)
        elif self._fault == "flood":
            self._exchange.write("data: ")
            while True:
                self._exchange.write("x" * 65536)
