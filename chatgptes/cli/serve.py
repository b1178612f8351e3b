"""`chatgptes serve`: your own bots behind an API of OpenAI's shape."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..integrations.server.settings import (
    Settings,
    SiteSettings,
    load_settings,
    new_token,
)
from ..values.secrets import read_secret
from .errors import one_line_errors
from .options import arguments_of, client_options, site_option

__all__ = ["serve_command"]

_VARIABLE = "CHATGPTES_SERVE_TOKEN"
_WITH_A_FILE = ("file", "host", "port", "allow_hosts", "verbose")
"""The options that go with --config; others are settings of its file."""


@click.command("serve", short_help="Serve your own bots behind an API of OpenAI's shape.")
@site_option("The page that shows your bot, or a name of `chatgptes config`.")
@click.option(
    "--my-site",
    is_flag=True,
    help="Say that the site is yours, or that you may do this.  Needed without the owner's key.",
)
@click.option(
    "--config",
    "file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Sites, tokens and limits from a TOML file; models are named SITE/BOT.",
)
@click.option("--host", metavar="ADDRESS", help="Listen on this address.  [127.0.0.1]")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), help="Port; 0 for a free one.  [8399]"
)
@click.option(
    "--allow-host",
    "allow_hosts",
    metavar="NAME",
    multiple=True,
    help="A further host name under which clients ask; may stand several times.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help=f"The token that clients must have.  [{_VARIABLE}, or a new one, printed]",
)
@click.option("--max-concurrency", metavar="N", type=int, help="Turns at once.  [4]")
@click.option(
    "--min-interval",
    metavar="SECONDS",
    type=float,
    help="Least time between the starts of two turns.  [0]",
)
@click.option(
    "--per-minute",
    metavar="N",
    type=click.IntRange(0),
    default=60,
    help="Turns that may start within a minute; 0 for no limit.  [60]",
)
@client_options
@click.pass_context
def serve_command(
    context: click.Context,
    /,
    file: str | None,
    my_site: bool,
    token_file: str | None,
    per_minute: int,
    **options: Any,
) -> None:
    """Serve your own bot to programs that speak OpenAI's API, until stopped.

    \b
    chatgptes serve --site URL --my-site                    a page of yours
    chatgptes serve --site URL --api-key-file FILE --bot 5  with the owner's key
    chatgptes serve --sandbox                               to try it out
    chatgptes serve --config serve.toml                     several sites

    It is for your own bots.  Clients need the token; who has it may spend your model's
    money.
    """
    names = ("host", "port", "allow_hosts")
    given = {name: value for name in names if (value := options.pop(name)) not in (None, ())}
    with one_line_errors():
        if file is not None:
            for option in context.command.params:
                name = option.name or ""
                typed = context.get_parameter_source(name) == ParameterSource.COMMANDLINE
                if typed and name not in _WITH_A_FILE:
                    raise click.UsageError(
                        f"{option.opts[0]} is a setting of the file, with --config."
                    )
            _run(load_settings(file, **given))
            return
        # Never from the command line: other users of the machine could read it.
        token = os.environ.get(_VARIABLE) or None
        if token_file is not None:
            token = read_secret(Path(token_file))
        given["tokens"] = {"token": new_token() if token is None else token}
        with _one_site(options, my_site, per_minute) as site:
            _run(Settings((site,), **given), show_token=token is None)


@contextlib.contextmanager
def _one_site(options: dict[str, Any], my_site: bool, per_minute: int) -> Iterator[SiteSettings]:
    """Give the only site of the server, with the sandbox running for the block if wanted."""
    sandbox = options["sandbox"]
    if options["site"] is None and not sandbox:
        raise click.UsageError("Which site?  --site URL, --config FILE, or --sandbox.")
    with arguments_of(options) as arguments:
        found: Any = dict(arguments)
        bot = found.pop("bot", None)
        keyed = "api_key" in found
        if not sandbox and not my_site and not keyed:
            raise click.UsageError(
                "The owner's key is missing (--api-key-file).  For a page: --my-site says that it"
                " is yours, or that you may do this."
            )
        if bot is None and keyed:
            raise click.UsageError("With the owner's key, --bot must name the bot.")
        bots = () if bot is None else (bot,)
        yield SiteSettings(found, "", bots, my_site or sandbox, per_minute)


def _run(settings: Settings, *, show_token: bool = False) -> None:
    from ..integrations.server import run

    def say(url: str) -> None:
        click.echo(f"base URL   {url}")
        if show_token:
            click.echo(f"API key    {settings.tokens['token']}")
        if settings.host not in ("127.0.0.1", "::1", "localhost"):
            click.echo("Others can reach it, and it has no TLS: put a proxy in front.", err=True)
        click.echo("Ctrl-C ends it.")

    run(settings, say)
