"""`chatgptes` and `python -m chatgptes`."""

from __future__ import annotations

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


if __name__ == "__main__":
    main()
