"""The options that the commands share, and the client they make."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ..client import Client
from ..errors import InvalidConfigError
from ..kept import kept_visitor, last_conversation
from ..turn.config import DEFAULT_SITE, ClientArguments, Config
from ..values.text import sanitize_line
from ..values.urls import origin
from .named_sites import (
    TRANSPORTS,
    key_of,
    named_site,
    names_of_sites,
    value_of,
    with_scheme,
)

__all__ = ["arguments_of", "client_options", "last_of", "site_of", "talk_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

KEY_VARIABLE = "CHATGPTES_API_KEY"
SITE_VARIABLE = "CHATGPTES_SITE"
_TYPING = 0.02
"""Seconds between two words of the sandbox: as a bot types."""


class _Option(click.Option):
    """An option whose errors name the environment variable that the value came from."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        try:
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            if _from_environment(ctx, self.name or ""):
                error.param_hint = f"the variable {self.envvar}"
            raise


_SITE = click.option(
    "--site",
    metavar="URL",
    envvar=SITE_VARIABLE,
    shell_complete=names_of_sites,
    help=f"The page that shows the bot, or a name of `chatgptes config`.  [{DEFAULT_SITE}]",
)
_CLIENT = (
    click.option("--sandbox", is_flag=True, help="Use the sandbox, a local site: no network."),
    click.option(
        "--bot", metavar="ID", envvar="CHATGPTES_BOT", help="The bot, when the page shows several."
    ),
    click.option(
        "--api-key-file",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help=f"The owner's REST key, from a file.  [{KEY_VARIABLE}, for {SITE_VARIABLE} only]",
    ),
    click.option(
        "--transport",
        cls=_Option,
        type=click.Choice(TRANSPORTS),
        default="auto",
        envvar="CHATGPTES_TRANSPORT",
        show_default=True,
        help="curl_cffi looks like a browser; auto uses it for chatgpt.es only.",
    ),
    click.option(
        "--proxy",
        metavar="URL",
        envvar="CHATGPTES_PROXY",
        help="An http, https, socks5 or socks5h proxy.",
    ),
    click.option(
        "--timeout",
        cls=_Option,
        metavar="SECONDS",
        type=float,
        envvar="CHATGPTES_TIMEOUT",
        help="For the whole turn.  [300]",
    ),
    click.option(
        "--consent",
        is_flag=True,
        default=None,
        help="You agree to what the bot's page asks its visitors; an error quotes it.",
    ),
    click.option(
        "-v", "--verbose", is_flag=True, help="Show every request on standard error.",
        expose_value=False, is_eager=True, callback=lambda _context, _option, on: _log(on),
    ),
)  # fmt: skip
_ANONYMOUS = click.option(
    "--anonymous",
    is_flag=True,
    help="Be a new visitor to the site: use no kept id, and keep none.",
)
_SYSTEM = click.option(
    "--system",
    metavar="TEXT",
    envvar="CHATGPTES_SYSTEM",
    help="Text put before the first prompt; '' for none.",
)


def client_options(command: Command) -> Command:
    """Add the options of every command that talks to a site."""
    for option in reversed(_CLIENT):
        command = option(command)
    return command


def talk_options(command: Command) -> Command:
    """Add those, `--site`, `--system` and `--anonymous`."""
    return _SITE(client_options(_SYSTEM(_ANONYMOUS(command))))


def last_of(
    context: click.Context, site: str | None, sandbox: bool, options: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    """Return the last conversation, and its site; its bot goes into `options`.

    Raises:
        click.UsageError: options that don't go together.
        InvalidConfigError: there is no last conversation.
    """
    if sandbox:
        raise click.UsageError("-c needs a site: conversations with the sandbox are not kept.")
    saved = last_conversation()
    home: str = saved["site"]
    if site is not None and not _from_environment(context, "site"):
        named = named_site(site.strip())
        address = site if named is None else value_of(named, "site")
        if Config.of({"site": with_scheme(address)}).site != home:
            raise click.UsageError(f"The last conversation is one with {home}, not with {site}.")
        home = site  # It may have a user name and a password, which are not kept.
    if options.get("bot") is None or _from_environment(context, "bot"):
        options["bot"] = saved.get("bot")
    return saved, home


def _named(
    context: click.Context, site: str | None, options: dict[str, Any]
) -> tuple[str | None, dict[str, Any]]:
    """Return the address of a site and its options, if it is given by a name of the user's.

    Those options count but where the command line has others; they go into `options`.
    """
    named = None if site is None else named_site(site.strip())
    if named is None:
        return site, {}
    for name in named:
        typed = context.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if name in options and not typed:
            options[name] = value_of(named, name)
    return value_of(named, "site"), named


@contextlib.contextmanager
def arguments_of(
    context: click.Context, site: str | None, sandbox: bool, options: dict[str, Any]
) -> Iterator[ClientArguments]:
    """Give the arguments of a client, with the sandbox running for the block if wanted.

    Raises:
        click.UsageError: options that don't go together.
        InvalidConfigError: there is a key, and no site that it belongs to.
    """
    site, named = (site, {}) if sandbox else _named(context, site, options)
    site = None if site is None else with_scheme(site)
    file = options.pop("api_key_file", None)
    key = None if file is not None else key_of(named)
    key = key or _key(file, site, sandbox=sandbox)
    # Commands without this option send no visitor's id.
    anonymous = options.pop("anonymous", True)
    arguments: Any = {name: value for name, value in options.items() if value is not None}
    if not sandbox:
        if key is not None:
            arguments["api_key"] = key
        if site is not None:
            arguments["site"] = site
        if not anonymous and key is None and (visitor := _visitor(site or DEFAULT_SITE)):
            arguments["visitor"] = visitor
        yield arguments
        return
    if site is not None and not _from_environment(context, "site"):
        raise click.UsageError("--sandbox and --site don't go together.")
    from ..sandbox import Site

    # The user's own site has other bots, and no proxy leads to this machine.
    for name in ("bot", "proxy"):
        if _from_environment(context, name):
            arguments.pop(name, None)
    with Site(chunk_delay=_TYPING if sys.stdout.isatty() else 0.0) as local:
        arguments.update(site=local.url, trust_env=False)
        yield arguments


@contextlib.contextmanager
def site_of(
    context: click.Context, site: str | None, sandbox: bool, options: dict[str, Any]
) -> Iterator[Client]:
    """Give a client for those options, for the block."""
    with arguments_of(context, site, sandbox, options) as arguments, Client(**arguments) as client:
        yield client


def _visitor(site: str) -> str | None:
    """Return the id that the site knows the user by; None where none can be kept.

    Says on standard error that there is a new one, or why there is none.
    """
    try:
        address = Config.of({"site": site}).site
    except InvalidConfigError:
        return None  # The client says it.
    try:
        kept = kept_visitor(address)
    except InvalidConfigError as error:
        text = error.message
    except OSError as error:
        where = f"{error.filename}: " if error.filename else "No id can be kept: "
        text = f"{where}{error.strerror or error}."
    else:
        if kept is not None and kept.is_new:
            where = sanitize_line(str(kept.path))
            said = f"{kept.site} can know you again by an id that is kept in {where}"
            click.echo(f"chatgptes: {said} (--anonymous does without).", err=True)
        return None if kept is None else kept.id
    said = "So you are a new visitor to the site this time (with --anonymous, too)."
    click.echo(f"chatgptes: {sanitize_line(text)} {said}", err=True)
    return None


def _from_environment(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) == ParameterSource.ENVIRONMENT


def _key(path: str | None, site: str | None, *, sandbox: bool) -> str | None:
    """Return the key.  Never from the command line: other users of the machine could read it."""
    if path is not None:
        if sandbox:
            raise click.UsageError("--sandbox and --api-key-file don't go together.")
        if site is None:
            raise click.UsageError("A key needs --site: the site it belongs to.")
        return _read_key(path)
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key or sandbox:
        return None
    home = with_scheme(os.environ.get(SITE_VARIABLE, "").strip())
    if not home:
        raise InvalidConfigError(
            f"{KEY_VARIABLE} is set without {SITE_VARIABLE}, the site that the key belongs to: set"
            f" that too, give the key with --api-key-file, or unset {KEY_VARIABLE}."
        )
    assert site is not None  # It comes from there, if not from the command line.
    # Scheme, host and port: what is given on the command line may be any site.
    if _origin(home) is not None and _origin(home) == _origin(site):
        return key
    logging.getLogger("chatgptes").debug(
        "%s is not used: it belongs to the site of %s.", KEY_VARIABLE, SITE_VARIABLE
    )
    return None


def _read_key(path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = ""
    if not text.strip():
        raise InvalidConfigError(f"--api-key-file: there is no key in {path}.")
    return text.strip()


def _origin(site: str) -> str | None:
    try:
        return origin(site.strip())
    except ValueError:
        return None


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return sanitize_line(super().format(record))


def _log(on: bool) -> None:
    log = logging.getLogger("chatgptes")
    if not on or any(isinstance(each.formatter, _OneLine) for each in log.handlers):
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("chatgptes: %(relativeCreated)6.0f ms  %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
