"""Output of commands: JSON, and tables on a terminal."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["draw", "is_screen", "print_json", "table"]


def is_screen() -> bool:
    """Tell whether standard output is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def print_json(value: Any) -> None:
    """Print plain JSON values: on one line in a pipe; indented, and coloured, on a terminal."""
    # ASCII only: no control character of an answer reaches a terminal this way either.
    if not is_screen():
        click.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None))
        return
    from rich.console import Console
    from rich.json import JSON

    # Soft wrap: the terminal breaks long lines, so that they are copied whole.
    Console().print(JSON.from_data(value, indent=2, ensure_ascii=True), soft_wrap=True)


def table(*columns: str | Text) -> Table:
    """Return an empty table with these columns; a str is read as rich's markup."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def draw(thing: object, title: str = "") -> None:
    """Print something of rich's, below a title if there is one."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if title:
        console.print(Text(title, style="bold"), soft_wrap=True)
    console.print(thing)
