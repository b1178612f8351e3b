"""`chatgptes` and `python -m chatgptes`."""

from __future__ import annotations

import contextlib
import signal
import sys


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
    finally:
        # Nothing is left to be put in order: Ctrl-C ends what Python still does, without a word.
        with contextlib.suppress(ValueError):  # Not the main thread.
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
