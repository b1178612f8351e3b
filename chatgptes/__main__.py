"""`chatgptes` and `python -m chatgptes`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

INTERRUPTED = 130
"""The exit status after Ctrl-C, as in shells."""


def main() -> None:
    """Run the command line, or say how to get what it needs."""
    try:
        from .cli import command

        command(prog_name="chatgptes")
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        if name not in ("click", "rich"):
            raise
        sys.exit(f"chatgptes: the command line needs {name}: pip install 'chatgptes[cli]'")
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            _end_at_once()
        raise


def _end_at_once() -> None:
    """Leave out what Python does at its end: one more Ctrl-C could break into that."""
    with contextlib.suppress(ValueError):  # Not the main thread.
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # A flush may wait for a pipe's reader.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # None, broken, closed.
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
