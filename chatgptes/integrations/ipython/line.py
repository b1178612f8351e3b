"""The line and the text of a cell: its options, and the variables in its text."""

from __future__ import annotations

import argparse
import keyword
import re
import shlex
from collections.abc import Mapping
from typing import Any, NoReturn

__all__ = ["CHOICES", "ChatError", "filled", "parse_options"]

CHOICES = ("bot", "system", "transport", "proxy")  # Arguments of a client, beside its site.
_BRACES = re.compile(r"\{\{(?P<doubled>[^\W\d]\w*)\}\}|\{(?P<name>[^\W\d]\w*)\}")


class ChatError(Exception):
    """A turn failed: `__cause__` is the library's error."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def filled(text: str, names: Mapping[str, Any]) -> str:
    """Return `text` with each `{name}` of a variable replaced by its value.

    `{{name}}` becomes `{name}`.  Other braces stay as they are: a cell may hold code or JSON.
    """

    def value(found: re.Match[str]) -> str:
        if found["doubled"]:
            return f"{{{found['doubled']}}}"
        name = found["name"]
        return str(names[name]) if name in names else found[0]

    return _BRACES.sub(value, text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ChatError(f"{message[0].upper()}{message[1:]}: see `%chat --help`.")


def _variable(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError(f"{text!r} can't be a variable's name")
    return text


_parser = _Parser(
    prog="%chat", add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS
)
for _flag in ("--sandbox", "--new", "--help"):
    _parser.add_argument(_flag, action="store_true")
_parser.add_argument("-c", "--continue", action="store_true")
for _option in ("site", *CHOICES, "with"):
    _parser.add_argument(f"--{_option}")
_parser.add_argument("--timeout", type=float)
_parser.add_argument("--to", type=_variable)


def parse_options(line: str) -> dict[str, Any]:
    """Return the options of a line: only those that are given.

    Raises:
        ChatError: they can't be used, or there is other text.
    """
    try:
        options, rest = _parser.parse_known_args(shlex.split(line))
    except ValueError as error:
        raise ChatError(f"{error}: see `%chat --help`.") from None
    for text in rest:
        if text.startswith("-"):
            raise ChatError(f"There is no option {text}: see `%chat --help`.")
        raise ChatError("Write the text below, in the cell: %%chat, then the text.")
    return vars(options)
