"""The options that the commands share, and the client they make."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ..client import Client
from ..errors import InvalidConfigError
from ..kept import kept_visitor, last_conversation
from ..turn.config import DEFAULT_SITE, ClientArguments, Config
from ..values.secrets import read_secret
from ..values.text import sanitize_line
from ..values.urls import origin
from .errors import print_note
from .named_sites import TRANSPORTS, named_site, value_of, with_scheme

__all__ = [
    "arguments_of", "client_of", "client_options", "continue_last", "continue_option",
    "json_option", "page_options", "plain_option", "site_option", "talk_options",
]  # fmt: skip

Command = TypeVar("Command", bound=Callable[..., Any])

KEY_VARIABLE = "CHATGPTES_API_KEY"
SITE_VARIABLE = "CHATGPTES_SITE"
_TYPING = 0.02
"""Seconds between two words of the sandbox: as a bot types."""


def _all(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds these options to a command, in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _option(name: str, **rest: Any) -> Callable[[Command], Command]:
    """Return an option with a default in the environment."""
    return click.option(f"--{name}", envvar=f"CHATGPTES_{name.upper()}", show_envvar=True, **rest)


def site_option(text: str) -> Callable[[Command], Command]:
    """Return the option `--site` with this help text."""
    return _option("site", metavar="URL", help=text)


client_options = _all(
    click.option("--sandbox", is_flag=True, help="Use the sandbox, a local site: no network."),
    _option("bot", metavar="ID", help="The bot, when the page shows several."),
    click.option(
        "--api-key-file",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help=f"The owner's REST key, from a file.  [{KEY_VARIABLE}, for {SITE_VARIABLE} only]",
    ),
    _option(
        "transport",
        type=click.Choice(TRANSPORTS),
        default="auto",
        show_default=True,
        help="curl_cffi looks like a browser; auto uses it for chatgpt.es only.",
    ),
    _option("proxy", metavar="URL", help="An http, https, socks5 or socks5h proxy."),
    _option("timeout", metavar="SECONDS", type=float, help="For the whole turn.  [300]"),
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
"""The options of every command that talks to a site."""
talk_options = _all(
    site_option(f"The page that shows the bot, or a name of `chatgptes config`.  [{DEFAULT_SITE}]"),
    client_options,
    _option("system", metavar="TEXT", help="Text put before the first prompt; '' for none."),
    click.option(
        "--anonymous",
        is_flag=True,
        help="Be a new visitor to the site: use no kept id, and keep none.",
    ),
)
"""Those of the commands that ask something."""
page_options = _all(
    click.argument("site", metavar="[URL]", required=False, envvar=SITE_VARIABLE),
    # For people who have just typed it for another command.
    click.option("--site", "site_too", metavar="URL", hidden=True),
    client_options,
)
"""Those of the commands that look at a page."""
plain_option = click.option(
    "--plain", is_flag=True, help="Print plain text on a terminal too, instead of drawn Markdown."
)
continue_option = click.option(
    "-c", "--continue", "goes_on", is_flag=True, help="Continue the last conversation."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def continue_last(options: dict[str, Any]) -> dict[str, Any]:
    """Return the last conversation; its site and bot go into `options`.

    Raises:
        click.UsageError: options that don't go together.
        InvalidConfigError: there is no last conversation with that site.
    """
    if options["sandbox"]:
        raise click.UsageError("-c needs a site: conversations with the sandbox are not kept.")
    for name in ("site", "bot"):  # The conversation's count more than the environment's.
        if _is_from(ParameterSource.ENVIRONMENT, name):
            options[name] = None
    address = site = options["site"]
    if site is not None:
        named = named_site(site.strip())
        address = with_scheme(value_of(named, "site") if named else site)
    saved = last_conversation(address)
    if site is None:
        options["site"] = saved["site"]
    if options["bot"] is None:
        options["bot"] = saved.get("bot")
    return saved


@contextlib.contextmanager
def client_of(options: Mapping[str, Any]) -> Iterator[Client]:
    """Give a client for a command's options, for the block (see `arguments_of`)."""
    with arguments_of(options) as arguments, Client(**arguments) as client:
        yield client


@contextlib.contextmanager
def arguments_of(options: Mapping[str, Any]) -> Iterator[ClientArguments]:
    """Give a client's arguments for a command's options; the sandbox, if wanted, runs meanwhile.

    Raises:
        click.UsageError: options that don't go together.
        InvalidConfigError: there is a key, and no site that it belongs to.
    """
    arguments: Any = {name: value for name, value in options.items() if value is not None}
    site = arguments.pop("site", None)
    site = arguments.pop("site_too", site)
    key_file = arguments.pop("api_key_file", None)
    # Commands without this option send no visitor's id.
    anonymous = arguments.pop("anonymous", True)
    if arguments.pop("sandbox"):
        if key_file is not None:
            raise click.UsageError("--sandbox and --api-key-file don't go together.")
        if site is not None and not _is_from(ParameterSource.ENVIRONMENT, "site"):
            raise click.UsageError("--sandbox and --site don't go together.")
        with _sandbox() as local:
            yield arguments | local
        return
    named = (None if site is None else named_site(site.strip())) or {}
    for name in named:  # Those count but where the command line has others.
        if name in options and not _is_from(ParameterSource.COMMANDLINE, name):
            arguments[name] = value_of(named, name)
    if site is not None:
        site = with_scheme(value_of(named, "site") if named else site)
        arguments["site"] = site
    key = _key(key_file, named, site)
    if key is not None:
        arguments["api_key"] = key
    elif not anonymous and (visitor := _visitor(site or DEFAULT_SITE)):
        arguments["visitor"] = visitor
    yield arguments


@contextlib.contextmanager
def _sandbox() -> Iterator[dict[str, Any]]:
    """Give the arguments that lead to a sandbox, which runs for the block."""
    from ..sandbox import Site

    # The user's own site has other bots, and no proxy leads to this machine.
    others = ("bot", "proxy")
    unset = {name: None for name in others if _is_from(ParameterSource.ENVIRONMENT, name)}
    with Site(chunk_delay=_TYPING if sys.stdout.isatty() else 0.0) as local:
        yield {**unset, "site": local.url, "trust_env": False}


def _is_from(source: ParameterSource, name: str) -> bool:
    """Tell whether an option of the running command was given there."""
    return click.get_current_context().get_parameter_source(name) == source


def _key(file: str | None, named: dict[str, Any], site: str | None) -> str | None:
    """Return the key.  Never from the command line: other users of the machine could read it."""
    if file is not None:
        if site is None:
            raise click.UsageError("A key needs --site: the site it belongs to.")
        return read_secret(Path(file))
    if "api_key" in named:
        return str(value_of(named, "api_key"))
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        return None
    home = with_scheme(os.environ.get(SITE_VARIABLE, "").strip())
    if not home:
        raise InvalidConfigError(
            f"{KEY_VARIABLE} is set without {SITE_VARIABLE}, the site that the key belongs to: set"
            f" that too, give the key with --api-key-file, or unset {KEY_VARIABLE}."
        )
    assert site is not None  # It comes from there, if not from the command line.
    # Scheme, host and port: what is given on the command line may be any site.
    with contextlib.suppress(ValueError):
        if origin(home.strip()) == origin(site.strip()):
            return key
    logging.getLogger("chatgptes").debug(
        "%s is not used: it belongs to the site of %s.", KEY_VARIABLE, SITE_VARIABLE
    )
    return None


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
    except (InvalidConfigError, OSError) as error:
        why = (
            f"{error.filename or 'No id can be kept'}: {error.strerror or error}."
            if isinstance(error, OSError)
            else error.message
        )
        print_note(f"{why} So you are a new visitor to the site this time (with --anonymous, too).")
        return None
    if kept is not None and kept.is_new:
        print_note(
            f"{origin(address)} can know you again by an id that is kept in {kept.path}"
            " (--anonymous does without)."
        )
    return None if kept is None else kept.id


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return sanitize_line(super().format(record))


def _log(on: bool) -> None:
    log = logging.getLogger("chatgptes")
    if on:
        handler = logging.StreamHandler()
        handler.setFormatter(_OneLine("chatgptes: %(relativeCreated)6.0f ms  %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
