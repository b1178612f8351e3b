"""Failures: one line on standard error, and an exit status.

The standard streams may fail too: a shell may give them closed, full, without a reader, or with an
encoding that lacks characters.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

import click

from ..errors import (
    ChatGptEsError,
    InvalidConfigError,
    InvalidMessageError,
    QuotaError,
    RateLimitError,
    ResponseError,
    TransportError,
)
from ..values.text import sanitize_line
from .output import print_json

__all__ = ["one_line_errors", "print_error", "print_note", "standard_streams"]

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
        _fail(error)


def print_error(error: ChatGptEsError, *, doctor: bool = False) -> None:
    """Print one line on standard error, in which arguments are options."""
    text = error.in_words(_OPTIONS)
    # A limit needs no diagnosis: the message says all.
    limit = isinstance(error, (QuotaError, RateLimitError))
    if doctor and not limit and isinstance(error, (ResponseError, TransportError)):
        text += " `chatgptes doctor URL` tells more."
    print_note(f"{type(error).__name__}: {text}")


def print_note(text: str) -> None:
    """Print one line on standard error."""
    click.echo(f"chatgptes: {sanitize_line(text)}", err=True)


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """Make the streams usable for the block; what goes wrong with them ends the program.

    That is one line on standard error and status 1; status 1 alone where the reader has gone.
    """
    # In this order, so that each takes its own number and no connection or file does.
    streams: Any = sys  # Its types don't know that they may be missing.
    if streams.stdin is None:
        streams.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - until the end.
    if streams.stdout is None:
        streams.stdout = _Closed(open(os.devnull, "wb"), encoding="utf-8")  # noqa: SIM115
    if streams.stderr is None:
        streams.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    _allow_every_character()
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        _fail(error)
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush_or_drop(stream)


def _fail(error: OSError) -> NoReturn:
    """End the program with status 1 and the system's error."""
    # Text that is still unwritten shows that the error is of standard output.
    full = not _flush_or_drop(sys.stdout)
    if not isinstance(error, BrokenPipeError):
        name = error.filename or ("standard output" if full else "")
        with contextlib.suppress(OSError):
            print_note(f"{f'{name}: ' if name else ''}{error.strerror or error}")
    sys.exit(1)


def _flush_or_drop(stream: TextIO) -> bool:
    """True if `stream` is flushed; else its rest goes nowhere, or Python would complain at exit."""
    try:
        stream.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        return False
    return True


class _Closed(io.TextIOWrapper):
    """Standard output that is closed: writing to it is an error."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, "It is closed.", "standard output")


def _allow_every_character() -> None:
    """Replace characters that the output's encoding lacks: by "?" on a terminal, else escaped.

    Handlers that the user has chosen (PYTHONIOENCODING) stay; "surrogateescape" is Python's own
    choice for a locale without any characters.
    """
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and out.errors in ("strict", "surrogateescape"):
        out.reconfigure(errors="replace" if out.isatty() else "backslashreplace")
