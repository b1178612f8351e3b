"""Markdown as rich draws it, but lines of code stay whole: broken, they could not be copied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.markdown import CodeBlock, Markdown
from rich.segment import Segment
from rich.syntax import Syntax

from ..values.text import sanitize_text

if TYPE_CHECKING:
    from markdown_it.rules_block import StateBlock
    from markdown_it.token import Token
    from rich.console import ConsoleOptions, RenderableType, RenderResult
    from rich.style import Style

__all__ = ["MarkdownConsole", "deep_text", "draw_markdown"]

_DEEPEST = 18
"""Levels of quotes and lists, of which a list is two; markdown-it drops the text of a 20th."""


def deep_text(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Parse what is nested too deep as a paragraph; a rule of markdown-it."""
    if silent or state.level < _DEEPEST:
        return False
    from markdown_it.rules_block import paragraph  # Behind rich, which an error should name.

    return paragraph(state, start, end, silent)


class MarkdownConsole(Console):
    """A console that crops neither lines of code in lists and quotes nor long words in tables."""

    def render_lines(
        self,
        renderable: RenderableType,
        options: ConsoleOptions | None = None,
        *,
        style: Style | None = None,
        pad: bool = True,
        new_lines: bool = False,
    ) -> list[list[Segment]]:
        options = options or self.options
        # One column at least: else deep lists show nothing.
        options = options.update(width=max(1, options.max_width), overflow="fold")
        found = []
        for line in Segment.split_lines(
            Segment.apply_style(self.render(renderable, options), style)
        ):
            width = max(options.max_width, Segment.get_line_length(line))
            line = Segment.adjust_line_length(line, width, style, pad)
            found.append([*line, Segment.line()] if new_lines else line)
        return found


def draw_markdown(
    tokens: Iterable[Token], console: MarkdownConsole, options: ConsoleOptions
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
        drawn = Segment.split_lines(console.render(markdown, options))
        lines = [_without_padding(line) for line in drawn]
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
        for line in Segment.split_lines(console.render(syntax, wide)):
            text = "".join(part.text for part in line).rstrip()
            yield from Segment.adjust_line_length(line, max(options.max_width, cell_len(text)))
            yield Segment.line()


class _Markdown(Markdown):
    elements = Markdown.elements | {"fence": _Code, "code_block": _Code}


def _blocks(tokens: Iterable[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of each block that stands in no other."""
    block: list[Token] = []
    for token in tokens:
        block.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield block
            block = []


def _without_padding(line: list[Segment]) -> list[Segment]:
    """Return `line` without the blanks at its end, which would be copied with it.

    Blanks that have a colour stay.
    """
    # What entities (`&#12;`) stand for comes out of the drawing only.
    line = [Segment(sanitize_text(part.text), part.style) for part in line if not part.control]
    while line and not (line[-1].style and line[-1].style.bgcolor):
        text, style, _ = line.pop()
        if text.rstrip():
            return [*line, Segment(text.rstrip(), style)]
    return line
