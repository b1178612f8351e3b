"""`chatgptes bots`: the bots that a page shows."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from ..sites.dialect import Bot
from ..values.text import sanitize_line
from .json_output import print_json
from .tables import draw, table

__all__ = ["show_bots"]


def show_bots(bots: list[Bot], *, as_json: bool) -> None:
    """Print a table on a terminal, columns in a pipe, a list as JSON."""
    if as_json:
        print_json([asdict(bot) for bot in bots])
        return
    rows = [("ID", "NAME", "DIALECT", "KIND", "CAN", "GREETING", "STARTERS")]
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
        starters = " | ".join(map(sanitize_line, bot.starters))
        rows.append(
            (
                bot_id, name, bot.dialect, bot.kind, ", ".join(can) or "-",
                sanitize_line(bot.greeting) or "-", starters or "-",
            )
        )  # fmt: skip
    if sys.stdout.isatty():
        from rich.text import Text

        shown = table(*(name.capitalize() if name != "ID" else name for name in rows[0][:5]))
        for row in rows[1:]:
            shown.add_row(*map(Text, row[:5]))  # A plain str would be searched for rich's markup.
        draw(shown)
        for bot in bots:
            _draw_greeting(bot)
        return
    for row in rows:
        click.echo("\t".join(row))


def _draw_greeting(bot: Bot) -> None:
    """Draw what a bot's window says first, and the questions that it offers."""
    from rich.text import Text

    who = sanitize_line(bot.name or bot.id)
    if bot.greeting:
        draw(Text(f"{who}: {sanitize_line(bot.greeting)}"))
    for starter in bot.starters:
        draw(Text(f"{who} offers: {sanitize_line(starter)}", style="dim"))
