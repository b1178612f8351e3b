"""`chatgptes doctor`: the steps of a turn with a site, and the one that fails."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..values.text import sanitize_line, sanitize_text
from .errors import one_line_errors
from .options import arguments_of, json_option, page_options
from .output import draw, print_json, table

if TYPE_CHECKING:
    from ..diagnosis import BotCapabilities, Diagnosis

__all__ = ["doctor_command"]

_COLUMNS = 4  # Bots beside one another.


@click.command("doctor")
@page_options
@click.option(
    "--ask",
    "asks",
    is_flag=True,
    help="Take a test turn too: it asks the model, and may count against a limit.",
)
@json_option
def doctor_command(asks: bool, as_json: bool, **options: Any) -> None:
    """Find out why a site does not answer, and what to do about it.

    The exit status is 1 if a step fails, and 0 otherwise.
    """
    from ..diagnosis import doctor

    with one_line_errors(as_json=as_json), arguments_of(options) as arguments:
        diagnosis = doctor(**arguments, ask=asks)
        if as_json:
            print_json(diagnosis.to_dict())
        elif sys.stdout.isatty():
            _draw(diagnosis)
        else:
            click.echo(sanitize_text(str(diagnosis)))
        if not diagnosis.ok:
            sys.exit(1)


def _draw(diagnosis: Diagnosis) -> None:
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
    for start in range(0, len(diagnosis.bots), _COLUMNS):
        _draw_bots(diagnosis.bots[start : start + _COLUMNS])
    if diagnosis.ok:
        draw(Text("Nothing stands in the way.", style="green"))


def _draw_bots(bots: Sequence[BotCapabilities]) -> None:
    """Draw a table with a column for each bot."""
    from rich.text import Text

    from ..diagnosis.values import WORDS

    styles = {True: "green", False: "dim", None: "yellow"}
    shown = table("Can", *(Text(f"{bot.name or 'Bot'} {bot.id}, {bot.dialect}") for bot in bots))
    for name in bots[0].can:
        cells = (Text(WORDS[bot.can[name]], style=styles[bot.can[name]]) for bot in bots)
        shown.add_row(name, *cells)
    draw(shown)
