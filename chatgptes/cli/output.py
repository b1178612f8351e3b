"""Output of commands: JSON, and tables on a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["draw", "print_json", "table"]


def print_json(value: Any) -> None:
    """Print plain JSON values: on one line in a pipe; indented and coloured on a terminal."""
    # ASCII only: no control character of an answer reaches a terminal this way either.
    if not sys.stdout.isatty():
        click.echo(json.dumps(value))
        return
    from rich.console import Console

    Console().print_json(data=value, ensure_ascii=True)


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
