"""Errors of a turn as `llm` shows them: one line, in which arguments are llm's options."""

from __future__ import annotations

import click
import llm

from ...errors import ChatGptEsError, StreamInterruptedError
from ...values.text import sanitize_line, sanitize_text

__all__ = ["TurnError", "llm_error"]

_OPTIONS = {
    "api_key": "--key",
    "bot": "-o bot",
    "consent": "-o consent true",
    "proxy": "-o proxy",
    "site": "-o site URL",
    "timeout.total": "-o timeout",
    "verify": "the variable REQUESTS_CA_BUNDLE",
}
"""llm's words for the arguments that hints name; there is no option for others."""


class TurnError(llm.ModelError, click.ClickException):
    """A turn failed: `__cause__` is the library's error, with `.partial` where text had arrived.

    It is click's as well, because `llm chat` shows a traceback for any other error.
    """


def llm_error(error: ChatGptEsError, *, shown: bool) -> TurnError:
    """Return `error` for llm; with the text that had arrived, unless that has been `shown`."""
    message = sanitize_line(error.in_words(_OPTIONS))
    if isinstance(error, StreamInterruptedError) and not shown:
        message = f"{message}\n\n{sanitize_text(error.partial)}"
    return TurnError(message)
