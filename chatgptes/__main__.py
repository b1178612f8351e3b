"""`chatgptes` and `python -m chatgptes`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say which packages it needs."""
    try:
        from .cli import command
        from .cli.errors import standard_streams

        with standard_streams():
            command(prog_name="chatgptes")
    except KeyboardInterrupt:
        sys.exit(130)
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        if name not in ("click", "rich", "prompt_toolkit"):
            raise
        sys.exit(f"chatgptes: the command line needs {name}: pip install click rich prompt_toolkit")


if __name__ == "__main__":
    main()
