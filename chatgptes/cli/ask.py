"""`chatgptes "prompt"`: one question, one answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from ..turn.stream import Stream, read_to_end
from ..values.reply import Reply
from ..values.text import sanitize_text
from .errors import one_line_errors
from .options import site_of
from .screen import Screen, is_screen

__all__ = ["ask", "show"]


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
    options: dict[str, Any],
) -> None:
    """Ask a prompt and print the answer, as the options say."""
    text = _prompt(prompt)
    with (
        one_line_errors(as_json=as_json),
        site_of(context, site, sandbox, options) as client,
    ):
        stream = client.stream(text, images=images, web_search=web_search)
        if as_json:
            click.echo(_json(read_to_end(stream.running)))
        elif no_stream:
            _show_whole(read_to_end(stream.running), plain)
        else:
            show(stream, plain)


def _prompt(prompt: str | None) -> str:
    if prompt is not None and prompt != "-":
        return prompt
    if prompt is None and sys.stdin.isatty():
        raise click.UsageError('Nothing to ask. Try: chatgptes --sandbox "Hello"')
    try:
        return sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise click.UsageError("Standard input is not text in the terminal's encoding.") from None


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


def _json(reply: Reply) -> str:
    # ASCII only: no control character of an answer reaches a terminal this way either.
    return json.dumps(asdict(reply))
