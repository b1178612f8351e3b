"""`chatgptes "prompt"`: one question, one answer."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from ..client import Client
from ..kept import keep
from ..sites.dialect import Bot
from ..turn.stream import Stream, read_to_end
from ..values.reply import Reply
from ..values.text import sanitize_line, sanitize_text
from .errors import one_line_errors
from .json_output import print_json
from .options import last_of, site_of
from .screen import Screen, is_screen

__all__ = ["ask", "show"]

_PATIENCE = 2.0
"""Seconds without a word from standard input, after which the user is told that it is read."""


def ask(
    context: click.Context,
    prompt: str | None,
    *,
    site: str | None,
    sandbox: bool,
    images: Sequence[str],
    web_search: bool,
    as_json: bool,
    no_stream: bool,
    plain: bool,
    goes_on: bool,
    options: dict[str, Any],
) -> None:
    """Ask a prompt and print the answer, as the options say."""
    text = _prompt(prompt)
    saved = None
    with one_line_errors(as_json=as_json, doctor=not sandbox):
        if goes_on:
            saved, site = last_of(context, site, sandbox, options)
        with site_of(context, site, sandbox, options) as client:
            talk = client.conversation(saved)
            stream = talk.stream(text, images=images, web_search=web_search)
            if as_json:
                print_json(read_to_end(stream.running).to_dict())
            elif no_stream:
                _show_whole(read_to_end(stream.running), plain)
            else:
                show(stream, plain)
            if not sandbox:
                keep(talk, client.core.config.bot)
            if not as_json:
                _say_which_bot(client)


def _prompt(prompt: str | None) -> str:
    """Return the prompt: what a pipe or a file on standard input holds comes before the words."""
    if prompt is None and sys.stdin.isatty():
        raise click.UsageError('Nothing to ask. Try: chatgptes --sandbox "Hello"')
    words = "" if prompt is None or prompt == "-" else prompt
    if words and not _is_piped():
        return words
    if words:
        _say_what_is_awaited()
    try:
        piped = sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise click.UsageError("Standard input is not text in the terminal's encoding.") from None
    return f"{piped}\n\n{words}" if piped.strip() and words else words or piped


def _is_piped() -> bool:
    """Tell whether standard input is a pipe or a file: no terminal, and nothing like /dev/null."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _say_what_is_awaited() -> None:
    """Say on a terminal that standard input is read, if nothing comes from there for a while."""
    if sys.platform != "win32" and sys.stderr.isatty():
        if not select.select([sys.stdin], [], [], _PATIENCE)[0]:
            click.echo("chatgptes: Reading standard input (none: `< /dev/null`) …", err=True)


def _say_which_bot(client: Client) -> None:
    """Say on standard error which of several bots has answered, and how to ask another."""
    if client.core.config.bot is not None:
        return
    first, *others = client.bots()  # Known since the turn: nothing is asked.
    if others:
        names = ", ".join(f"--bot {_label(bot)}" for bot in others[:3])
        more = " …" if len(others) > 3 else ""
        text = f"The page shows {len(others) + 1} bots; {_label(first)} answered. Also: {names}"
        click.echo(f"chatgptes: {text}{more}", err=True)


def _label(bot: Bot) -> str:
    name = sanitize_line(bot.name)
    return f"{sanitize_line(bot.id)} ({name})" if name else sanitize_line(bot.id)


def show(stream: Stream, plain: bool) -> None:
    """Print an answer while it arrives: as Markdown on a terminal, as plain text in a pipe."""
    if not is_screen(plain):
        _print(stream)
        return
    screen = Screen()
    with stream:
        with screen:
            for chunk in stream:
                screen.write(chunk)
        screen.sources(stream.reply.citations)


def _show_whole(reply: Reply, plain: bool) -> None:
    if not is_screen(plain):
        click.echo(sanitize_text(reply.text))
        return
    screen = Screen()
    with screen:
        screen.write(reply.text)
    screen.sources(reply.citations)


def _print(stream: Iterable[str]) -> None:
    last = "\n"
    try:
        for chunk in stream:
            shown = sanitize_text(chunk)
            click.echo(shown, nl=False)
            sys.stdout.flush()
            last = shown or last
    finally:
        # What arrived stays readable, and a message that follows begins on a new line.
        if not last.endswith("\n"):
            click.echo()
