"""`chatgptes` and `python -m chatgptes`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say how to get what it needs."""
    try:
        from .cli import command
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        sys.exit(f"chatgptes: the command line needs {error.name}: pip install 'chatgptes[cli]'")
    command(prog_name="chatgptes")


if __name__ == "__main__":
    main()
