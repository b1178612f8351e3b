"""The command line: ask a bot from a terminal, or in a pipe."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from . import __version__
from .client import Client
from .config import DEFAULT_SITE, ClientArguments
from .errors import ChatGptEsError, InvalidConfigError, InvalidMessageError
from .reply import Reply

__all__ = ["command"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """`text` without anything that steers a terminal: controls are shown as pictures."""
    return _CONTROL.sub(lambda match: _picture(ord(match[0])), text)


def _picture(code: int) -> str:
    if code < 0x20:
        return "" if code == 0x0D else chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("prompt", required=False)
@click.option("--site", metavar="URL", help=f"The page that shows the bot.  [{DEFAULT_SITE}]")
@click.option("--sandbox", is_flag=True, help="Ask a local stand-in instead: no network.")
@click.option("--bot", metavar="ID", help="The bot, when the page shows several.")
@click.option(
    "--transport",
    type=click.Choice(["auto", "requests", "curl_cffi"]),
    default="auto",
    show_default=True,
    help="curl_cffi looks like a browser; auto takes it for chatgpt.es only.",
)
@click.option("--proxy", metavar="URL", help="An http, https, socks5 or socks5h proxy.")
@click.option("--timeout", metavar="SECONDS", type=float, help="For the whole turn.  [300]")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is whole.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, when it is whole.")
@click.version_option(__version__)
def command(
    prompt: str | None,
    site: str | None,
    sandbox: bool,
    as_json: bool,
    no_stream: bool,
    **options: Any,
) -> None:
    """Ask the chat bot of a WordPress site with the AI Power plugin, and print its answer.

    The PROMPT is read from standard input when it is "-", or left out in a pipe.
    """
    if sandbox and site:
        raise click.UsageError("--sandbox and --site don't go together.")
    text = _prompt(prompt)
    with _one_line_errors(as_json), contextlib.ExitStack() as stack:
        if sandbox:
            from .sandbox import Site

            site = stack.enter_context(Site()).url
        client = stack.enter_context(Client(**_arguments(site, options)))
        if as_json:
            click.echo(_json(client.chat(text)))
        elif no_stream:
            click.echo(harmless(client.chat(text).text))
        else:
            _stream(client, text)


def _prompt(prompt: str | None) -> str:
    if prompt is not None and prompt != "-":
        return prompt
    if prompt is None and sys.stdin.isatty():
        raise click.UsageError('Nothing to ask. Try: chatgptes --sandbox "Hello"')
    try:
        return sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise click.UsageError("Standard input is not text in the terminal's encoding.") from None


def _arguments(site: str | None, options: dict[str, Any]) -> ClientArguments:
    arguments: Any = {name: value for name, value in options.items() if value is not None}
    if site is not None:
        arguments["site"] = site
    given: ClientArguments = arguments
    return given


def _stream(client: Client, prompt: str) -> None:
    last = "\n"
    try:
        with client.stream(prompt) as stream:
            for chunk in stream:
                shown = harmless(chunk)
                click.echo(shown, nl=False)
                sys.stdout.flush()
                last = shown or last
    finally:
        # What arrived stays readable, with whatever comes next on a line of its own.
        if not last.endswith("\n"):
            click.echo()


def _json(reply: Reply) -> str:
    # ASCII only: no control character of an answer reaches a terminal this way either.
    return json.dumps(asdict(reply))


@contextlib.contextmanager
def _one_line_errors(as_json: bool) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # The reader has gone; Python would complain about the flush at exit.
        sys.stdout = None
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except ChatGptEsError as error:
        if as_json:
            click.echo(_json_error(error))
        text = " ".join(harmless(str(error)).split())
        click.echo(f"chatgptes: {type(error).__name__}: {text}", err=True)
        usage = isinstance(error, (InvalidConfigError, InvalidMessageError))
        sys.exit(2 if usage else 1)


def _json_error(error: ChatGptEsError) -> str:
    fields = {
        "error": type(error).__name__,
        "message": str(error),
        "url": error.url,
        "status": error.status,
        "partial": getattr(error, "partial", None),
    }
    return json.dumps(fields)
