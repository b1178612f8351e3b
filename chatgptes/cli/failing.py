"""How commands fail: one line on standard error, and an exit status."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
from collections.abc import Iterator

import click

from ..errors import ChatGptEsError, InvalidConfigError, InvalidMessageError
from ..values.text import sanitize_line
from .streams import fail

__all__ = ["in_options", "one_line_errors", "say_error"]

# How the library's texts name what to change, and what that is here.
_OPTIONS = {
    "Client(site=…)": "--site URL",
    "`python -m chatgptes.sandbox`": "--sandbox",
    "timeout=Timeout(total=…)": "--timeout",
    "client.bots()": "`chatgptes bots URL`",
    "retry_failed=True, or --retry-failed,": "--retry-failed",
    "api_key=": "--api-key-file",
    "site=": "--site",
    "bot=": "--bot",
    "proxy=": "--proxy",
}
# Without a value of its own behind it: what is no advice stays as it is.
_ARGUMENT = re.compile(
    rf"(?<![\w.?&/])(?:{'|'.join(map(re.escape, _OPTIONS))})(?=[\s.,;:)]|$)",
)


@contextlib.contextmanager
def one_line_errors(*, as_json: bool = False) -> Iterator[None]:
    """End the program with status 1, 2 (what was asked can't be done) or 130 (Ctrl-C)."""
    try:
        yield
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
        fail(error)


def say_error(error: ChatGptEsError) -> None:
    """One line on standard error."""
    click.echo(
        f"chatgptes: {type(error).__name__}: {sanitize_line(in_options(str(error)))}", err=True
    )


def in_options(text: str) -> str:
    """`text` of the library with the command line's names for its arguments."""
    return _ARGUMENT.sub(lambda found: _OPTIONS[found[0]], text)


def _json_error(error: ChatGptEsError) -> str:
    fields = {
        "error": type(error).__name__,
        "message": str(error),
        "url": error.url,
        "status": error.status,
        "partial": getattr(error, "partial", None),
    }
    return json.dumps(fields)
