"""JSON on standard output: one line in a pipe; indented and coloured on a terminal."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

__all__ = ["print_json"]


def print_json(value: Any) -> None:
    """Print plain JSON values."""
    # ASCII only: no control character of an answer reaches a terminal this way either.
    if not sys.stdout.isatty():
        click.echo(json.dumps(value))
    elif os.environ.get("TERM", "") in ("", "dumb"):
        click.echo(json.dumps(value, indent=2))
    else:
        from rich.console import Console
        from rich.json import JSON

        # Soft wrap: the terminal breaks long lines, so that they are copied whole.
        Console().print(JSON.from_data(value, indent=2, ensure_ascii=True), soft_wrap=True)
