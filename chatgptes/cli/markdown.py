"""Markdown as rich draws it, but lines of code stay whole, in lists and quotes too.

rich breaks code at the edge, so that it could not be copied.  It renders what stands in a list or
a quote for a narrower screen, and crops it to that: so all three are drawn here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.markdown import BlockQuote, CodeBlock, ListItem, Markdown
from rich.segment import Segment
from rich.syntax import Syntax

from ..values.text import sanitize_text

if TYPE_CHECKING:
    from markdown_it.token import Token
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.style import Style

__all__ = ["draw_markdown"]


def draw_markdown(
    tokens: Iterable[Token], console: Console, options: ConsoleOptions
) -> list[list[Segment]]:
    """Return parsed Markdown as lines: an empty one between blocks, none around them.

    Block by block, so that it looks the same however much of it is drawn at once.  Only lines of
    code are wider than `options` say.
    """
    found: list[list[Segment]] = []
    for block in _blocks(tokens):
        # No hyperlinks: a terminal would hide where they lead.
        markdown = _Markdown("", hyperlinks=False)
        markdown.parsed = block
        lines = [_without_padding(line) for line in _lines(markdown, console, options)]
        for end in (0, -1):
            while lines and not any(part.text.strip() for part in lines[end]):
                del lines[end]
        found += [[], *lines] if found and lines else lines
    return found


class _Code(CodeBlock):
    """Code whose lines are never broken; its colour ends at the edge."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        longest = max((cell_len(line.expandtabs(4)) for line in code.split("\n")), default=0)
        wide = options.update_width(max(options.max_width, longest + 2))  # And its padding.
        syntax = Syntax(code, self.lexer_name, theme=self.theme, word_wrap=True, padding=1)
        for line in _lines(syntax, console, wide):
            yield from _without_padding(line, options.max_width)
            yield Segment.line()


class _Item(ListItem):
    def render_bullet(self, console: Console, options: ConsoleOptions) -> RenderResult:
        style = console.get_style("markdown.item.bullet", default="none")
        return self._behind(" • ", style, console, options)

    def render_number(
        self, console: Console, options: ConsoleOptions, number: int, last_number: int
    ) -> RenderResult:
        style = console.get_style("markdown.item.number", default="none")
        width = len(str(last_number)) + 1
        return self._behind(f"{str(number).rjust(width)} ", style, console, options)

    def _behind(
        self, mark: str, style: Style, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        narrow = options.update_width(max(1, options.max_width - len(mark)))
        for line in _lines(self.elements, console, narrow, self.style):
            yield Segment(mark, style)
            yield from line
            yield Segment.line()
            mark = " " * len(mark)


class _Quote(BlockQuote):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrow = options.update_width(max(1, options.max_width - 4))
        for line in _lines(self.elements, console, narrow, self.style):
            yield Segment("▌ ", self.style)
            yield from line
            yield Segment.line()


class _Markdown(Markdown):
    elements = Markdown.elements | {
        "fence": _Code,
        "code_block": _Code,
        "list_item_open": _Item,
        "blockquote_open": _Quote,
    }


def _blocks(tokens: Iterable[Token]) -> Iterator[list[Token]]:
    """The tokens of each block that stands in no other."""
    block: list[Token] = []
    for token in tokens:
        block.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield block
            block = []


def _lines(
    renderable: RenderableType,
    console: Console,
    options: ConsoleOptions,
    style: Style | None = None,
) -> Iterable[list[Segment]]:
    """The lines of what is rendered, neither filled up nor cropped."""
    return Segment.split_lines(Segment.apply_style(console.render(renderable, options), style))


def _without_padding(line: list[Segment], filled: int = 0) -> list[Segment]:
    """Return `line` without the blanks at its end, which would be copied with it.

    Blanks that have a colour stay, up to the column `filled` if that is given.
    """
    # What entities (`&#12;`) stand for comes out of the drawing only.
    line = [Segment(sanitize_text(part.text), part.style) for part in line if not part.control]
    coloured = False
    while line:
        text, style, _ = line[-1]
        coloured = bool(style and style.bgcolor)
        if coloured and not filled:
            return line
        line.pop()
        if text.rstrip():
            line.append(Segment(text.rstrip(), style))
            break
    if coloured and (missing := filled - Segment.get_line_length(line)) > 0:
        line.append(Segment(" " * missing, style))
    return line
