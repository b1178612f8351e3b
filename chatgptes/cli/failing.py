"""How commands fail: one line on standard error, and an exit status."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator

import click

from ..errors import ChatGptEsError, InvalidConfigError, InvalidMessageError
from ..text import one_line

__all__ = ["one_line_errors", "say_error"]


@contextlib.contextmanager
def one_line_errors(*, as_json: bool = False) -> Iterator[None]:
    """End the program with status 1, 2 (what was asked can't be done) or 130 (Ctrl-C)."""
    try:
        yield
    except BrokenPipeError:
        # The reader has gone; Python would complain about the flush at exit.
        sys.stdout = None
        sys.exit(1)
    except KeyboardInterrupt:
        with contextlib.suppress(ValueError):  # Not the main thread.
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # It is ending; once more changes nothing.
        sys.exit(130)
    except ChatGptEsError as error:
        if as_json:
            click.echo(_json_error(error))
        say_error(error)
        usage = isinstance(error, (InvalidConfigError, InvalidMessageError))
        sys.exit(2 if usage else 1)
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        click.echo(f"chatgptes: {one_line(f'{what}{error.strerror or error}')}", err=True)
        sys.exit(1)


def say_error(error: ChatGptEsError) -> None:
    """One line on standard error."""
    click.echo(f"chatgptes: {type(error).__name__}: {one_line(str(error))}", err=True)


def _json_error(error: ChatGptEsError) -> str:
    fields = {
        "error": type(error).__name__,
        "message": str(error),
        "url": error.url,
        "status": error.status,
        "partial": getattr(error, "partial", None),
    }
    return json.dumps(fields)
