"""Commands whose help fits narrow terminals, and a group in which a prompt needs no command."""

from __future__ import annotations

import difflib
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

__all__ = ["Group", "PromptGroup"]

_NARROW = 52
"""Columns below which a terminal would break the lines of click's help, which has 50 at least."""
_FIRST_COLUMN = 10
"""The widest term (a command's name) in front of what it means; others get a line."""
_DEFAULT = "ask"
_DASHED_PROMPT = re.compile(r"-\d|-[^=]*\s")
"""A prompt such as "-5 + 3 = ?" or "- a list"; no option has a digit or a blank in its name."""


class _Formatter(click.HelpFormatter):
    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        columns = shutil.get_terminal_size().columns
        if width is None and columns < _NARROW:
            width = max(columns - 2, 24)
        super().__init__(indent_increment, width, max_width)

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        narrow = self.width < _NARROW - 2
        super().write_dl(rows, _FIRST_COLUMN if narrow else col_max, col_spacing)


class _Context(click.Context):
    formatter_class = _Formatter


class Group(click.Group):
    """A group whose help, and that of its commands, fits narrow terminals."""

    context_class = _Context

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        cmd.context_class = _Context
        super().add_command(cmd, name)


class PromptGroup(Group):
    """A group that takes a first word which is no command's name for a prompt.

    Options may stand before the command: `chatgptes --sandbox chat`.
    """

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if context.resilient_parsing:  # A shell completes a line that is still being written.
            return super().parse_args(context, self._begun(args))
        if not args and sys.stdin.isatty():
            args = ["--help"]
        args = self._command_first(self._prompt_last(args))
        if (not args or args[0] not in self.commands) and args[:1] not in (
            ["-h"], ["--help"], ["--version"],
        ):  # fmt: skip
            self._check_spelling(context, args)
            args = [_DEFAULT, *args]
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            sys.exit(130)  # click would say "Aborted!", and 1.

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return what a shell completes: with commands and own options those of a prompt."""
        found = super().shell_complete(context, incomplete)
        if incomplete.startswith("-"):
            ask = self.commands[_DEFAULT]
            with click.Context(ask, parent=context, resilient_parsing=True) as inner:
                known = {item.value for item in found}
                more = ask.shell_complete(inner, incomplete)
                found += [item for item in more if item.value not in known]
        return found

    def _begun(self, args: list[str]) -> list[str]:
        """Return `args` of a line that ends where a shell completes, with the command first."""
        ordered = self._command_first(args)
        if ordered[:1] and ordered[0] in self.commands:
            return ordered
        # What comes next is an option's value.
        return [_DEFAULT, *args] if args[-1:] and args[-1] in self._options_with_value() else args

    def _command_first(self, args: list[str]) -> list[str]:
        """Return `args` with the command before the options that stand before it."""
        at = self._first_word(args)
        if at is not None and args[at] in self.commands:
            return [args[at], *args[:at], *args[at + 1 :]]
        return args

    def _check_spelling(self, context: click.Context, args: list[str]) -> None:
        """Refuse a first word that is close to a command's name: one of the two is meant."""
        at = self._first_word(args)
        word = "" if at is None else args[at]
        close = difflib.get_close_matches(word, self.commands, 1, 0.8)
        if close and re.fullmatch(r"[a-z-]+", word):
            context.fail(f"Did you mean `{close[0]}`? To ask it: `chatgptes ask {word}`")

    def _prompt_last(self, args: list[str]) -> list[str]:
        """Return `args` with a prompt that begins with "-" moved behind "--"."""
        for at in self._places(args):
            if _DASHED_PROMPT.match(args[at]):
                return [*args[:at], *args[at + 1 :], "--", args[at]]
        return args

    def _first_word(self, args: list[str]) -> int | None:
        """Return the place of the first word that is no option, or None."""
        words = (at for at in self._places(args) if not args[at].startswith("-") or args[at] == "-")
        return next(words, None)

    def _places(self, args: list[str]) -> Iterator[int]:
        """Yield the places of options and words before "--", but of no option's value."""
        takes_value = self._options_with_value()
        at = 0
        while at < len(args) and args[at] != "--":
            yield at
            at += 2 if args[at] in takes_value else 1

    def _options_with_value(self) -> set[str]:
        return {
            name
            for command in self.commands.values()
            for option in command.params
            if isinstance(option, click.Option) and not (option.is_flag or option.count)
            for name in option.opts
        }
