"""An answer in a cell: Markdown that grows, or text in a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from IPython import display as ipython_display

from ...values.markdown import harmless_markdown

if TYPE_CHECKING:
    from ...turn.stream import Stream

__all__ = ["Growing", "Printed", "plain"]

_display: Any = ipython_display.display  # IPython has no types for it.
_PACE = 0.1
"""Seconds between two updates of a growing answer: each sends the whole answer once more."""
_BYTES_PER_SECOND = 100_000
"""Notebook servers stop a cell's output when it comes faster than ten times that."""


class Growing:
    """An answer as Markdown in a cell, one display that is changed in place."""

    def __init__(self) -> None:
        self._display: Any = None
        self._next = 0.0
        self._length = 0

    def add(self, chunk: str, stream: Stream) -> None:
        if time.monotonic() >= self._next:
            self._show(stream.text)

    def end(self, stream: Stream) -> None:
        if len(stream.text) != self._length:
            self._show(stream.text)

    def _show(self, text: str) -> None:
        update = {"text/markdown": harmless_markdown(text), "text/plain": plain(text)}
        if self._display is None:
            self._display = _display(update, raw=True, display_id=True)
        else:
            self._display.update(update, raw=True)
        self._length = len(text)
        size = sum(len(part.encode("utf-8", "replace")) for part in update.values())
        self._next = time.monotonic() + max(_PACE, size / _BYTES_PER_SECOND)


class Printed:
    """An answer as text in a terminal."""

    def add(self, chunk: str, stream: Stream) -> None:
        print(plain(chunk), end="", flush=True)

    def end(self, stream: Stream) -> None:
        if stream.text:
            print(flush=True, file=sys.stdout)


def plain(text: str) -> str:
    """Return `text` without control characters; joiners of letters and pictures stay."""
    return "".join(sign for sign in text if sign.isprintable() or sign in "\n\t\u200c\u200d")
