"""The line and the text of a cell: its options, and the variables in its text."""

from __future__ import annotations

import argparse
import keyword
import re
import shlex
from collections.abc import Mapping
from typing import Any, NoReturn

__all__ = ["CHOICES", "ChatError", "filled", "help_text", "parse_options"]

CHOICES = ("bot", "system", "transport", "proxy")  # Arguments of a client, beside its site.
_BRACES = re.compile(r"\{\{([^\W\d]\w*)\}\}|\{([^\W\d]\w*)\}")


class ChatError(Exception):
    """A turn failed: `__cause__` is the library's error."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def filled(text: str, names: Mapping[str, Any]) -> str:
    """Return `text` with each `{name}` of a variable replaced by its value.

    `{{name}}` becomes `{name}`.  Other braces stay as they are: a cell may hold code or JSON.
    """

    def value(found: re.Match[str]) -> str:
        doubled, name = found.groups()
        if doubled:
            return f"{{{doubled}}}"
        return str(names[name]) if name in names else found[0]

    return _BRACES.sub(value, text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        text = f"{message[0].upper()}{message[1:]}: see `%chat --help`."
        raise ChatError(f"{text} Text goes below, into the cell.")


def _variable(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError(f"{text!r} can't be a variable's name")
    return text


_parser = _Parser(
    usage="%%%%chat [OPTIONS], and the text below it; %%chat [OPTIONS] sends nothing",
    add_help=False,
    allow_abbrev=False,
    argument_default=argparse.SUPPRESS,
)
_add = _parser.add_argument
_add("--site", metavar="URL", help="the page that shows the bot (default: chatgpt.es)")
_add("--bot", metavar="ID", help="the bot, when the page shows several")
_add("--system", metavar="TEXT", help="put before the first prompt")
_add("--transport", metavar="NAME", help="auto, requests or curl_cffi")
_add("--proxy", metavar="URL", help="an http, https, socks5 or socks5h proxy")
_add("--sandbox", action="store_true", help="a local sandbox instead of a site")
_add("--with", metavar="NAME", help="your Client or Conversation, by its variable's name")
_add("--timeout", metavar="SECONDS", type=float, help="for this turn")
_add("--new", action="store_true", help="begin a new conversation")
_add("-c", "--continue", action="store_true",
     help="continue the last one, of a notebook or the command line")  # fmt: skip
_add("--to", metavar="NAME", type=_variable, help="put the Reply into a variable")
_add("--help", action="store_true", help="show this help")
help_text = _parser.format_help


def parse_options(line: str) -> dict[str, Any]:
    """Return the options of a line: only those that are given.

    Raises:
        ChatError: they can't be used, or there is other text.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        _parser.error(str(error))
    return vars(_parser.parse_args(words))
