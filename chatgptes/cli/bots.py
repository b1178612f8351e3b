"""`chatgptes bots`: the bots that a page shows."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click

from ..sites.dialect import Bot
from ..values.text import sanitize_line
from .errors import one_line_errors
from .options import client_of, json_option, page_options
from .output import draw, print_json, table

__all__ = ["bots_command"]


@click.command("bots")
@page_options
@json_option
def bots_command(as_json: bool, **options: Any) -> None:
    """List the bots that a page shows."""
    with one_line_errors(as_json=as_json), client_of(options) as client:
        bots = client.bots()
        if as_json:
            print_json([asdict(bot) for bot in bots])
        elif sys.stdout.isatty():
            _draw(bots)
        else:
            click.echo("ID\tNAME\tDIALECT\tKIND\tCAN\tGREETING\tSTARTERS")
            for bot in bots:
                starters = " | ".join(map(sanitize_line, bot.starters))
                row = [*_row(bot), sanitize_line(bot.greeting) or "-", starters or "-"]
                click.echo("\t".join(row))


def _row(bot: Bot) -> list[str]:
    can = {
        "images": bot.images,
        "web search": bot.web_search,
        "asks for consent": bot.consent,
    }
    words = ", ".join(word for word, does in can.items() if does)
    return [
        sanitize_line(bot.id), sanitize_line(bot.name) or "-", bot.dialect, bot.kind, words or "-",
    ]  # fmt: skip


def _draw(bots: list[Bot]) -> None:
    """Draw a table, then what each bot's window says first, and the questions that it offers."""
    from rich.text import Text

    shown = table("ID", "Name", "Dialect", "Kind", "Can")
    for bot in bots:
        shown.add_row(*map(Text, _row(bot)))  # A plain str would be searched for rich's markup.
    draw(shown)
    for bot in bots:
        who = sanitize_line(bot.name or bot.id)
        if bot.greeting:
            draw(Text(f"{who}: {sanitize_line(bot.greeting)}"))
        for starter in bot.starters:
            draw(Text(f"{who} offers: {sanitize_line(starter)}", style="dim"))
