"""Help texts for narrow terminals: click's are at least 50 columns wide."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

import click

__all__ = ["Command", "Formatter", "Group"]

_NARROW = 52
"""Columns below which a terminal would break click's lines."""
_LEAST = 24
_FIRST_COLUMN = 10
"""The widest term (a command's name) in front of what it means; others get a line."""


class Formatter(click.HelpFormatter):
    """A formatter that keeps to the width of a narrow terminal."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        columns = shutil.get_terminal_size().columns
        if width is None and columns < _NARROW:
            width = max(columns - 2, _LEAST)
        super().__init__(indent_increment, width, max_width)

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        narrow = self.width < _NARROW - 2
        super().write_dl(rows, _FIRST_COLUMN if narrow else col_max, col_spacing)


class _Context(click.Context):
    formatter_class = Formatter


class Command(click.Command):
    """A command with such help."""

    context_class = _Context


class Group(click.Group):
    """A group whose commands and groups have such help."""

    context_class = _Context
    command_class = Command
    group_class = type
