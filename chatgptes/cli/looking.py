"""`chatgptes bots` and `chatgptes doctor`: what a site offers, and what is wrong with it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..diagnosis import Diagnosis
from ..sites.dialect import Bot
from ..values.text import sanitize_line, sanitize_text
from .failing import in_options

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["show_bots", "show_diagnosis"]


def show_bots(bots: list[Bot], *, as_json: bool) -> None:
    """A table on a terminal, columns in a pipe, a list as JSON."""
    if as_json:
        click.echo(json.dumps([asdict(bot) for bot in bots]))
        return
    rows = [("ID", "NAME", "DIALECT", "KIND", "CAN")]
    for bot in bots:
        can = [
            word
            for word, does in (
                ("images", bot.images),
                ("web search", bot.web_search),
                ("asks for consent", bot.consent),
            )
            if does
        ]
        name, bot_id = sanitize_line(bot.name) or "-", sanitize_line(bot.id)
        rows.append((bot_id, name, bot.dialect, bot.kind, ", ".join(can) or "-"))
    if sys.stdout.isatty():
        table = _table(*(name.capitalize() if name != "ID" else name for name in rows[0]))
        for row in rows[1:]:
            table.add_row(*map(_text, row))
        _draw(table)
        return
    for row in rows:
        click.echo("\t".join(row))


def show_diagnosis(diagnosis: Diagnosis, *, as_json: bool) -> None:
    """A table on a terminal, text in a pipe, an object as JSON."""
    if as_json:
        click.echo(json.dumps(diagnosis.to_dict()))
        return
    if not sys.stdout.isatty():
        click.echo(sanitize_text(in_options(str(diagnosis))))
        return
    from rich.text import Text

    marks = {True: ("ok", "green"), False: ("failed", "bold red"), None: ("–", "dim")}
    table = _table("Step", "", "What was found")
    for step in diagnosis.steps:
        word, style = marks[step.ok]
        found = Text(sanitize_line(in_options(step.detail)), style="dim" if step.ok is None else "")
        table.add_row(step.name, Text(word, style=style), found)
    _draw(table, title=sanitize_line(diagnosis.site))
    hints = [step for step in diagnosis.steps if step.advice]
    for step in hints:
        _draw(Text.assemble((f"{step.name}: ", "bold"), sanitize_line(in_options(step.advice))))
    if diagnosis.ok:
        _draw(Text("Nothing stands in the way.", style="green"))


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _text(text: str) -> Text:
    from rich.text import Text

    return Text(text)  # Not a str, in which rich would look for markup.


def _draw(thing: object, title: str = "") -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if title:
        console.print(Text(title, style="bold"), soft_wrap=True)
    console.print(thing)
