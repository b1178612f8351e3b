"""An answer on a terminal: Markdown, shown while it is written.

Finished blocks (paragraphs, lists, code) are printed once and scroll away like any text; only the
block that is still being written is drawn again and again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..values.text import sanitize_line, sanitize_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.segment import Segment

    from ..values.reply import Citation

__all__ = ["Screen", "is_screen"]

_LOOK = 0.1
"""Seconds at least between two looks for finished blocks."""
_ROOM = 2
"""Columns that stay free: for the ^C that a terminal writes, which would wrap to a new
line and spoil what is drawn."""
_TAIL_LINES = 200
"""Source lines of an unfinished block that are drawn: more than any terminal shows."""


def is_screen() -> bool:
    """Tell whether standard output is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


class Screen:
    """The part of a terminal that one answer is drawn on; use with `with`."""

    def __init__(self) -> None:
        # First: rich is what an error should name.
        from .markdown import MarkdownConsole, deep_text

        from markdown_it import MarkdownIt  # isort: skip - rich's own parser
        from rich.live import Live
        from rich.spinner import Spinner

        # Tags are text: an answer may be about HTML, and rich would swallow them.
        self._parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
        self._parser.block.ruler.before("table", "deep_text", deep_text)
        self._console = MarkdownConsole(highlight=False)
        whole = self._console.encoding.startswith("utf")
        self._spinner = Spinner("dots" if whole else "line", style="dim")
        self._text = ""
        self._printed = False
        self._next_look = 0.0
        # rich's own thread may draw in the middle of a print, and then what it erases is not
        # what is there: here one of the two waits for the other.
        self._lock = threading.RLock()
        self._changed = False
        self._waiting = True  # Until the first word.
        self._drawn: list[int] = []  # The widths of the lines that are drawn, in columns.
        self._width = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="chatgptes-screen", daemon=True)
        self._live = Live(
            console=self._console,
            get_renderable=self._tail,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Screen:
        try:
            self._live.start()
            self._thread.start()
        except BaseException:  # Ctrl-C, most likely: `__exit__` won't be called.
            with contextlib.suppress(Exception):  # It may have started only in part.
                self._stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()
        text, self._text = self._text, ""
        self._print(text)

    def _stop(self) -> None:
        """Take away what is drawn, and give the terminal its cursor back."""
        self._ended.set()
        try:
            if self._thread.is_alive():
                self._thread.join()
        finally:
            try:
                self._clear_wrapped()
                self._live.stop()
            finally:
                # Once more, if Ctrl-C came in between; it changes nothing that is drawn.
                self._console.show_cursor(True)

    def write(self, chunk: str) -> None:
        """Add text to the answer."""
        with self._lock:
            self._text += sanitize_text(chunk)
            self._changed = True
            self._waiting = self._waiting and not self._text.strip()
            now = time.monotonic()
            if now >= self._next_look:
                self._flush()
                # A long block takes longer to look through: never most of the time.
                self._next_look = now + max(_LOOK, 4 * (time.monotonic() - now))

    def sources(self, citations: Iterable[Citation]) -> None:
        """Print the sources that the answer names, below it."""
        from rich.text import Text

        for number, citation in enumerate(citations, 1):
            line = f"[{number}] {citation.title} {citation.url}"
            self._console.print(Text(sanitize_line(line), style="dim"))

    def _draw(self) -> None:
        """Draw the unfinished block ten times a second; runs in its own thread."""
        while not self._ended.wait(_LOOK):
            with self._lock:
                if self._changed or self._waiting:
                    self._changed = False
                    self._clear_wrapped()
                    self._live.refresh()

    def _tail(self) -> RenderableType:
        """Return what stands below the finished blocks: a spinner until the first word, then the
        end of the block that is being written, as far as it fits the terminal."""
        from rich.segment import Segment, SegmentLines

        if self._waiting:
            return self._spinner
        lines = self._text.split("\n")
        if len(lines) > _TAIL_LINES:
            # Its first line says what it is (a fence, a list).
            lines = [lines[0], *lines[-_TAIL_LINES:]]
        drawn = self._lines("\n".join(lines))[-max(1, self._console.height - 2) :]
        # Code may be wider: the terminal would wrap it, and rich would erase too few rows.
        self._width = self._console.width
        drawn = [Segment.adjust_line_length(line, self._width, pad=False) for line in drawn]
        self._drawn = [Segment.get_line_length(line) for line in drawn]
        return SegmentLines(drawn, new_lines=True)

    def _clear_wrapped(self) -> None:
        """Erase the rows that a narrower window has made of the lines that are drawn.

        rich erases as many rows as it drew lines.  A terminal that was made narrower wraps them
        anew (but xterm, which cuts them off), and the rows above those would stay.
        """
        from rich.control import Control
        from rich.segment import ControlType

        columns = self._console.width
        if columns >= self._width or "XTERM_VERSION" in os.environ:
            return
        rows = sum(max(0, -(-width // columns) - 1) for width in self._drawn)
        self._drawn, self._width = [], columns
        rows = min(rows, self._console.height - 1)
        erase = (ControlType.ERASE_IN_LINE, 2)
        up = (ControlType.CURSOR_UP, 1)
        self._console.control(Control(ControlType.CARRIAGE_RETURN, *((erase, up) * rows)))

    def _flush(self) -> None:
        """Print the finished blocks: all but the last, judged by complete lines."""
        whole = self._text[: self._text.rfind("\n") + 1]
        starts = [
            token.map[0]
            for token in self._parser.parse(whole)
            if token.level == 0 and token.map and token.nesting >= 0
        ]
        if len(starts) < 2:
            return
        lines = self._text.split("\n")
        done = "\n".join(lines[: starts[-1]])
        self._text = "\n".join(lines[starts[-1] :])
        self._print(done)

    def _print(self, text: str) -> None:
        from rich.segment import SegmentLines

        if lines := self._lines(text):
            if not self._ended.is_set():
                self._clear_wrapped()
            # Not cropped: a line of code may be longer than the terminal is wide.
            self._console.print(SegmentLines(lines, new_lines=True), crop=False)
            self._printed = True

    def _lines(self, text: str) -> list[list[Segment]]:
        """Return Markdown as lines, with an empty one between it and what was printed before."""
        from .markdown import draw_markdown

        options = self._console.options
        options = options.update_width(max(1, options.max_width - _ROOM))
        lines = draw_markdown(self._parser.parse(text), self._console, options)
        return [[], *lines] if lines and self._printed else lines
