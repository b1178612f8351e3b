"""`chatgptes "prompt"`: one question, one answer."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Iterable
from typing import Any

import click

from ..client import Client
from ..kept import keep
from ..sites.dialect import Bot
from ..turn.stream import Stream, read_to_end
from ..values.text import sanitize_line, sanitize_text
from .errors import one_line_errors, print_note
from .options import client_of, continue_last, continue_option, plain_option, talk_options
from .output import print_json
from .screen import Screen, is_screen

__all__ = ["ask_command", "show"]

_PATIENCE = 2.0
"""Seconds without a word from standard input, after which the user is told that it is read."""


@click.command("ask")
@click.argument("words", metavar="[PROMPT]", nargs=-1)
@talk_options
@click.option(
    "--image",
    "images",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    help="Send a picture along; may be given several times.",
)
@click.option("--web-search", is_flag=True, help="Let the bot search the web, if it offers that.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
@plain_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, when complete.")
@continue_option
def ask_command(
    words: tuple[str, ...],
    images: tuple[str, ...],
    web_search: bool,
    no_stream: bool,
    plain: bool,
    as_json: bool,
    goes_on: bool,
    **options: Any,
) -> None:
    """Ask a bot one thing and print its answer.

    Without PROMPT, or with "-", it is read from standard input.  With both, what a pipe or a file
    on standard input holds is sent first, then PROMPT.

    In the environment, CHATGPTES_DATA is the folder of the last conversation, the history and your
    id for each site ('' for none), CHATGPTES_CONFIG the file of `chatgptes config`.
    """
    text = _prompt(words)
    with one_line_errors(as_json=as_json, doctor=not options["sandbox"]):
        saved = continue_last(options) if goes_on else None
        with client_of(options) as client:
            talk = client.conversation(saved)
            stream = talk.stream(text, images=images, web_search=web_search)
            if as_json:
                print_json(read_to_end(stream.running).to_dict())
            else:
                show(stream, plain=plain, whole=no_stream)
            if not options["sandbox"]:
                keep(talk, client.core.config.bot)
            if not as_json:
                _say_which_bot(client)


def _prompt(words: tuple[str, ...]) -> str:
    """Return the prompt: what a pipe or a file on standard input holds comes before the words."""
    if len(words) > 1:
        raise click.UsageError(
            f"A prompt of several words goes in quotes; and there is no command {words[0]!r}"
            " (`chatgptes --help` lists them)."
        )
    if not words and sys.stdin.isatty():
        raise click.UsageError('Nothing to ask. Try: chatgptes --sandbox "Hello"')
    prompt = "" if words in ((), ("-",)) else words[0]
    if prompt:
        if not _is_piped():
            return prompt
        _say_what_is_awaited()
    try:
        piped = sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise click.UsageError("Standard input is not text in the terminal's encoding.") from None
    return f"{piped}\n\n{prompt}" if piped.strip() and prompt else prompt or piped


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
            print_note("Reading standard input (none: `< /dev/null`) …")


def _say_which_bot(client: Client) -> None:
    """Say on standard error which of several bots has answered, and how to ask another."""
    if client.core.config.bot is not None:
        return
    first, *others = client.bots()  # Known since the turn: nothing is asked.
    if others:
        names = ", ".join(f"--bot {_label(bot)}" for bot in others[:3])
        more = " …" if len(others) > 3 else ""
        count = len(others) + 1
        print_note(f"The page shows {count} bots; {_label(first)} answered. Also: {names}{more}")


def _label(bot: Bot) -> str:
    name = sanitize_line(bot.name)
    return f"{sanitize_line(bot.id)} ({name})" if name else sanitize_line(bot.id)


def show(stream: Stream, *, plain: bool, whole: bool = False) -> None:
    """Print an answer, as Markdown on a terminal (but if `plain`), else as plain text.

    It is printed while it arrives, or with `whole` when it is complete.
    """
    screen = Screen() if is_screen() and not plain else None
    with stream:
        chunks: Iterable[str] = ["".join(stream)] if whole else stream
        if screen is None:
            _print(chunks)
            return
        with screen:
            for chunk in chunks:
                screen.write(chunk)
        screen.sources(stream.reply.citations)


def _print(chunks: Iterable[str]) -> None:
    last = "\n"
    try:
        for chunk in chunks:
            shown = sanitize_text(chunk)
            click.echo(shown, nl=False)
            sys.stdout.flush()
            last = shown or last
    finally:
        # What arrived stays readable, and a message that follows begins on a new line.
        if not last.endswith("\n"):
            click.echo()
