"""`chatgptes serve`: your own bots behind an API of OpenAI's shape."""

from __future__ import annotations

import contextlib
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
    read_secret,
)
from .errors import one_line_errors
from .formatter import Command
from .named_sites import names_of_sites
from .options import arguments_of, client_options

__all__ = ["serve_command"]


@click.command(
    "serve", cls=Command, short_help="Serve your own bots behind an API of OpenAI's shape."
)
@click.option(
    "--site",
    metavar="URL",
    envvar="CHATGPTES_SITE",
    shell_complete=names_of_sites,
    help="The page that shows your bot, or a name of `chatgptes config`.",
)
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
    "--token",
    metavar="TEXT",
    envvar="CHATGPTES_SERVE_TOKEN",
    help="The token that clients must have; others on this machine can read it here: better in"
    " CHATGPTES_SERVE_TOKEN or a file.  [a new one, printed]",
)
@click.option(
    "--token-file", metavar="FILE", type=click.Path(dir_okay=False), help="The token, from a file."
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
    site: str | None,
    file: str | None,
    my_site: bool,
    sandbox: bool,
    token: str | None,
    token_file: str | None,
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
        from ..integrations.server import run

        if file is None:
            if token_file is not None:
                if context.get_parameter_source("token") == ParameterSource.COMMANDLINE:
                    raise click.UsageError("--token and --token-file don't go together.")
                token = read_secret(Path(token_file))
            made = token is None
            given["tokens"] = {"token": new_token() if token is None else token}
            with _one_site(context, site, my_site, sandbox, options) as only:
                settings = Settings((only,), **given)
                shown = settings.tokens["token"] if made else None
                run(settings, lambda url: _say(settings, url, shown))
        else:
            _check_alone(context, ["site", "sandbox", "my_site", "token", "token_file", *options])
            settings = load_settings(file, **given)
            run(settings, lambda url: _say(settings, url, None))


@contextlib.contextmanager
def _one_site(
    context: click.Context, site: str | None, my_site: bool, sandbox: bool, options: dict[str, Any]
) -> Iterator[SiteSettings]:
    """The only site of the server, with the sandbox running for the block if it was wanted."""
    if site is None and not sandbox:
        raise click.UsageError("Which site?  --site URL, --config FILE, or --sandbox.")
    per_minute = options.pop("per_minute")
    with arguments_of(context, site, sandbox, options) as arguments:
        found: Any = dict(arguments)
        bot = found.pop("bot", None)
        if not sandbox and not my_site and found.get("api_key") is None:
            raise click.UsageError(
                "The owner's key is missing (--api-key-file).  For a page: --my-site says that it"
                " is yours, or that you may do this."
            )
        if bot is None and found.get("api_key") is not None:
            raise click.UsageError("With the owner's key, --bot must name the bot.")
        bots = () if bot is None else (bot,)
        yield SiteSettings(found, "", bots, my_site or sandbox, per_minute)


def _check_alone(context: click.Context, names: list[str]) -> None:
    """Refuse options that the file of --config has instead."""
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") == ParameterSource.COMMANDLINE
        if given and option.name in names:
            raise click.UsageError(f"{option.opts[0]} is a setting of the file, with --config.")


def _say(settings: Settings, url: str, token: str | None) -> None:
    click.echo(f"base URL   {url}")
    if token is not None:
        click.echo(f"API key    {token}")
    if settings.host not in ("127.0.0.1", "::1", "localhost"):
        click.echo("Others can reach it, and it has no TLS: put a proxy in front.", err=True)
    click.echo("Ctrl-C ends it.")
