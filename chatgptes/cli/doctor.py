"""`chatgptes doctor`: the steps of a turn with a site, and the one that fails."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from ..diagnosis import BotCapabilities, Diagnosis
from ..diagnosis.values import WORDS
from ..values.text import sanitize_line, sanitize_text
from .json_output import print_json
from .tables import draw, table

__all__ = ["show_diagnosis"]

_COLUMNS = 4  # Bots beside one another.


def show_diagnosis(diagnosis: Diagnosis, *, as_json: bool) -> None:
    """Print a table on a terminal, text in a pipe, an object as JSON."""
    if as_json:
        print_json(diagnosis.to_dict())
        return
    if not sys.stdout.isatty():
        click.echo(sanitize_text(str(diagnosis)))
        return
    from rich.text import Text

    marks = {True: ("ok", "green"), False: ("failed", "bold red"), None: ("–", "dim")}
    shown = table("Step", "", "Result")
    for step in diagnosis.steps:
        word, style = marks[step.ok]
        found = Text(sanitize_line(step.detail), style="dim" if step.ok is None else "")
        shown.add_row(step.name, Text(word, style=style), found)
    draw(shown, title=sanitize_line(diagnosis.site))
    for step in (step for step in diagnosis.steps if step.advice):
        draw(Text.assemble((f"{step.name}: ", "bold"), sanitize_line(step.advice)))
    if diagnosis.bots:
        _draw_bots(diagnosis.bots)
    if diagnosis.ok:
        draw(Text("Nothing stands in the way.", style="green"))


def _draw_bots(bots: Sequence[BotCapabilities]) -> None:
    """Draw a table with a column for each bot; several below one another if there are many."""
    from rich.text import Text

    styles = {True: "green", False: "dim", None: "yellow"}
    for start in range(0, len(bots), _COLUMNS):
        some = bots[start : start + _COLUMNS]
        titles = (Text(f"{bot.name or 'Bot'} {bot.id}, {bot.dialect}") for bot in some)
        shown = table("Can", *titles)
        for name in some[0].can:
            cells = (Text(WORDS[bot.can[name]], style=styles[bot.can[name]]) for bot in some)
            shown.add_row(name, *cells)
        draw(shown)
