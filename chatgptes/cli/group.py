"""A group of commands in which a prompt needs no command."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

__all__ = ["PromptGroup"]

_DEFAULT = "ask"
_DASHED_PROMPT = re.compile(r"-\d|-[^=]*\s")
"""A prompt such as "-5 + 3 = ?" or "- a list"; no option has a digit or a blank in its name."""


class PromptGroup(click.Group):
    """A group that takes a first word which is no command's name for a prompt.

    Options may stand before the command: `chatgptes --sandbox chat`.
    """

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        completes = context.resilient_parsing  # A shell, a line that is still being written.
        if not completes:
            if not args and sys.stdin.isatty():
                args = ["--help"]
            args = self._prompt_last(args)
        at = self._first_word(args)
        word = "" if at is None else args[at]
        if at is not None and word in self.commands:
            args = [word, *args[:at], *args[at + 1 :]]
        elif completes and at is None and not self._takes_value(*args[-1:]):
            args = []  # What comes next may be a command.
        elif args[:1] not in (["-h"], ["--help"], ["--version"]):
            # A word that is close to a command's name may mean that command.
            close = difflib.get_close_matches(word, self.commands, 1, 0.8)
            if close and re.fullmatch(r"[a-z-]+", word) and not completes:
                context.fail(f"Did you mean `{close[0]}`? To ask it: `chatgptes ask {word}`")
            args = [_DEFAULT, *args]
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            sys.exit(130)  # click would say "Aborted!", and 1.

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return what a shell completes: commands, and the options of a prompt."""
        if not incomplete.startswith("-"):
            return super().shell_complete(context, incomplete)
        ask = self.commands[_DEFAULT]
        with click.Context(ask, parent=context, resilient_parsing=True) as inner:
            return ask.shell_complete(inner, incomplete)

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
        at = 0
        while at < len(args) and args[at] != "--":
            yield at
            at += 2 if self._takes_value(args[at]) else 1

    def _takes_value(self, name: str = "") -> bool:
        return any(
            name in option.opts
            for command in self.commands.values()
            for option in command.params
            if isinstance(option, click.Option) and not (option.is_flag or option.count)
        )
