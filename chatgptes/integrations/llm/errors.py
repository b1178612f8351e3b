"""How a turn fails in `llm`: one line, with `llm`'s names for what to change."""

from __future__ import annotations

import re

import click
import llm

from ...errors import ChatGptEsError, StreamInterruptedError
from ...values.text import sanitize_line, sanitize_text

__all__ = ["TurnError", "told"]

# How the library's texts name what to change, and what that is here: often nothing.
_HERE = {
    " (.partial has them)": "",
    " (Client(limits=Limits(prompt=…)) allows more)": "",
    " (Client(limits=Limits(image=…)) allows more)": "",
    " (timeout=Timeout(connect=…) allows more)": "",
    " (timeout=Timeout(read=…) allows more)": "",
    "; client.bots() tells which do": "",
    "timeout=Timeout(total=…)": "-o timeout",
    "proxy='scheme://user:password@host:port'": "-o proxy scheme://user:password@host:port",
    "Client(site=…)": "-o site URL",
    "(without api_key)": "(without a key, or without -o bot)",
    "With api_key": "With a key",
    "an api_key": "a key",
}
# Without a value of its own behind it: what is no advice stays as it is.
_ARGUMENTS = {"site=": "-o site", "bot=": "-o bot", "proxy=": "-o proxy", "api_key=": "--key"}
_PYTHON = re.compile(
    f"(?:{'|'.join(map(re.escape, _HERE))})"
    rf"|(?<![\w.?&/])(?:{'|'.join(_ARGUMENTS)})(?=[\s.,;:)]|$)"
)


class TurnError(llm.ModelError, click.ClickException):
    """A turn failed: `__cause__` is the library's error, with `.partial` where text had arrived.

    It is click's as well, because `llm chat` shows a traceback for any other error.
    """


def told(error: ChatGptEsError, *, shown: bool) -> TurnError:
    """`error` as llm shows it; with the text that had arrived, unless that has been `shown`."""
    names = _HERE | _ARGUMENTS
    message = sanitize_line(_PYTHON.sub(lambda found: names[found[0]], str(error)))
    if isinstance(error, StreamInterruptedError) and not shown:
        message = f"{message}\n\n{sanitize_text(error.partial)}"
    return TurnError(message)
