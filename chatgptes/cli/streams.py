"""Standard streams as a shell may give them: closed, full, gone, or of a narrow encoding."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

import click

from ..values.text import sanitize_line

__all__ = ["fail", "print_note", "standard_streams"]


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
        fail(error)
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush_or_drop(stream)


def print_note(text: str) -> None:
    """Print one line on standard error."""
    click.echo(f"chatgptes: {sanitize_line(text)}", err=True)


def fail(error: OSError) -> NoReturn:
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
