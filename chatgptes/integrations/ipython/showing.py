"""The library's output in IPython: an answer that grows in its cell, and short tracebacks."""

from __future__ import annotations

import copy
import sys
import time
import types
from typing import TYPE_CHECKING, Any

from IPython import display as ipython_display

from ...values.markdown import harmless_markdown
from ...values.text import sanitize_text

if TYPE_CHECKING:
    from ...turn.stream import Stream

__all__ = ["show", "show_error"]

_PACKAGE = __name__.partition(".")[0]
_display: Any = ipython_display.display  # IPython has no types for it.
_PACE = 0.1
"""Seconds between two updates of a growing answer: each sends the whole answer once more."""
_BYTES_PER_SECOND = 100_000
"""Notebook servers stop a cell's output when it comes faster than ten times that."""


def show(stream: Stream, *, notebook: bool) -> None:
    """Show an answer while it arrives: as Markdown in a notebook's cell, as text in a terminal."""
    cell = _Cell(stream)
    try:
        with stream:
            for chunk in stream:
                if notebook:
                    cell.update()
                else:  # There every update of a display would be printed below the one before.
                    print(sanitize_text(chunk), end="", flush=True)
    finally:
        if notebook:
            cell.update(last=True)
        elif stream.text:
            print(flush=True)


class _Cell:
    """An answer as Markdown in a cell, one display that is changed in place."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._display: Any = None
        self._next = 0.0
        self._length = 0

    def update(self, *, last: bool = False) -> None:
        if time.monotonic() < self._next and not last:
            return
        text = self._stream.text
        if len(text) == self._length:
            return
        self._length = len(text)
        shown = {"text/markdown": harmless_markdown(text), "text/plain": sanitize_text(text)}
        if self._display is None:
            self._display = _display(shown, raw=True, display_id=True)
        else:
            self._display.update(shown, raw=True)
        size = sum(len(part.encode("utf-8", "replace")) for part in shown.values())
        self._next = time.monotonic() + max(_PACE, size / _BYTES_PER_SECOND)


def show_error(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: types.TracebackType | None,
    tb_offset: int | None = None,
) -> list[str]:
    """Show `error` without the library's frames and causes; `%debug` has all of them."""
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace  # For `%debug`.
    short = _without_library(trace)
    alone = copy.copy(error).with_traceback(short)
    alone.__cause__ = None
    shown: list[str] = shell.InteractiveTB.structured_traceback(
        kind, alone, short, tb_offset=tb_offset
    )
    shell._showtraceback(kind, error, shown)  # As IPython's own handlers do.
    return shown


def _without_library(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Return `trace` without the frames of this package, and those that they called."""
    frames: list[types.TracebackType] = []
    while trace is not None and not _is_ours(trace.tb_frame):
        frames.append(trace)
        trace = trace.tb_next
    short: types.TracebackType | None = None
    for each in reversed(frames):
        short = types.TracebackType(short, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return short


def _is_ours(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE
