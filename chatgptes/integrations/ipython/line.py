"""The line and the text of a cell: its options, and the variables in its text."""

from __future__ import annotations

import keyword
import re
import shlex
from collections.abc import Mapping
from typing import Any

__all__ = ["CHOICES", "ChatError", "filled", "parsed", "seconds"]

_FLAGS = ("sandbox", "new", "help", "continue")
CHOICES = ("bot", "system", "transport", "proxy")  # Arguments of a client, beside its site.
_VALUES = ("site", *CHOICES, "with", "timeout", "to")
_OPTION = re.compile(r"\s*--([a-z]+)(?:(=|\s+|$)((?:\"[^\"]*\"|'[^']*'|[^\s\"'])+)?)?(?=\s|$)")
_SHORT = re.compile(r"\s*-c(?=\s|$)")
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


def parsed(line: str) -> tuple[dict[str, str], str]:
    """Return the options at the beginning of `line`, and the rest as it is."""
    options: dict[str, str] = {}
    while line.lstrip().startswith("--") or _SHORT.match(line):
        if short := _SHORT.match(line):
            options["continue"] = ""
            line = line[short.end() :]
            continue
        found = _OPTION.match(line)
        name = found[1] if found else line.split()[0].removeprefix("--")
        if found is None or name not in (*_FLAGS, *_VALUES):
            raise ChatError(f"There is no option --{name} like this: see `%chat --help`.")
        if name in _FLAGS:
            if found[2] == "=":
                raise ChatError(f"--{name} takes no value.")
            options[name] = ""
            line = line[found.end(1) :]
            continue
        if not found[3]:
            raise ChatError(f"--{name} needs a value: see `%chat --help`.")
        options[name] = "".join(shlex.split(found[3]))
        line = line[found.end() :]
    if not _is_name(options.get("to", "reply")):
        raise ChatError(f"--to needs a variable's name, and {options['to']!r} can't be one.")
    return options, line.strip()


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def seconds(options: dict[str, str]) -> float | None:
    """Return the value of --timeout, or None."""
    if "timeout" not in options:
        return None
    try:
        return float(options["timeout"])
    except ValueError:
        raise ChatError("--timeout needs a number of seconds.") from None
