"""Failures of commands: one line on standard error, and an exit status."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

from ..errors import (
    ChatGptEsError,
    InvalidConfigError,
    InvalidMessageError,
    QuotaError,
    RateLimitError,
    ResponseError,
    TransportError,
)
from .output import print_json
from .streams import fail, print_note

__all__ = ["one_line_errors", "print_error"]

_OPTIONS = {
    "api_key": "--api-key-file",
    "bot": "--bot",
    "consent": "--consent",
    "min_interval": "--min-interval",
    "proxy": "--proxy",
    "retry_failed": "--retry-failed",
    "saved": "/save and /load",
    "site": "--site URL",
    "timeout.total": "--timeout",
    "verify": "the variable REQUESTS_CA_BUNDLE",
}
"""The command line's words for the arguments that hints name; there is no option for others."""


@contextlib.contextmanager
def one_line_errors(*, as_json: bool = False, doctor: bool = False) -> Iterator[None]:
    """End the program with status 1, 2 (the request can't be carried out) or 130 (Ctrl-C).

    Args:
        as_json: print the error as JSON too.
        doctor: name `chatgptes doctor` where it can tell more about a failed turn.
    """
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(ValueError):  # Not the main thread.
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # The program is ending already.
        sys.exit(130)
    except ChatGptEsError as error:
        if as_json:
            fields = {"error": type(error).__name__, "message": str(error), "url": error.url}
            partial = getattr(error, "partial", None)
            print_json(fields | {"status": error.status, "partial": partial})
        print_error(error, doctor=doctor)
        usage = isinstance(error, (InvalidConfigError, InvalidMessageError))
        sys.exit(2 if usage else 1)
    except OSError as error:
        fail(error)


def print_error(error: ChatGptEsError, *, doctor: bool = False) -> None:
    """Print one line on standard error, in which arguments are options."""
    text = error.in_words(_OPTIONS)
    # A limit needs no diagnosis: the message says all.
    limit = isinstance(error, (QuotaError, RateLimitError))
    if doctor and not limit and isinstance(error, (ResponseError, TransportError)):
        text += " `chatgptes doctor URL` tells more."
    print_note(f"{type(error).__name__}: {text}")
