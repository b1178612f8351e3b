"""`chatgptes config`: the configuration file and its sites, shown and changed.

One value is changed at a time, and the rest stays as its owner wrote it.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import click

from ..conversation.saved import temporary_file
from ..errors import InvalidConfigError
from ..values.text import sanitize_line
from .errors import one_line_errors
from .named_sites import OPTIONS, config_path, config_text, named_sites

__all__ = ["config_command"]


@click.group("config", invoke_without_command=True)
@click.pass_context
@one_line_errors()
def config_command(context: click.Context) -> None:
    """Keep sites and their options under a name, for `--site NAME`.

    \b
    chatgptes config set mine site https://example.org/chat/
    chatgptes config set mine bot 5
    chatgptes config set mine api_key env:MY_SITES_KEY
    chatgptes --site mine "Hello"

    A site has the options site, bot, system, transport, proxy, timeout (seconds), consent (true if
    you agree to what its page asks) and api_key, the owner's key.  A secret is never written into
    the file, only where it is: env:VARIABLE, file:PATH or keyring:SERVICE/USER (needs keyring).
    That is how a key is given, and a site or a proxy whose URL has a password.

    Without a command it shows the file's path, and each site with its options.
    """
    if context.invoked_subcommand is not None:
        return
    path = config_path()
    exists = "" if path.exists() else "  (not there yet; `chatgptes config set` makes it)"
    click.echo(f"{sanitize_line(str(path))}{exists}")
    for name, options in named_sites().items():
        click.echo(f"\n--site {name}")
        for option, value in options.items():
            shown = str(value).lower() if isinstance(value, bool) else sanitize_line(str(value))
            click.echo(f"  {option} = {shown}")


@config_command.command("set")
@click.argument("name")
@click.argument("option", type=click.Choice(OPTIONS), metavar="OPTION")
@click.argument("value")
@one_line_errors()
def _set(name: str, option: str, value: str) -> None:
    """Set an option of a site; a new site begins with its address.

    The rest of the file stays as it is, with its comments.
    """
    document = _read()
    document["sites"].setdefault(name, {})
    document["sites"][name][option] = _typed(option, value)
    _write(document)


@config_command.command("unset")
@click.argument("name")
@click.argument("option", type=click.Choice(OPTIONS), metavar="[OPTION]", required=False)
@one_line_errors()
def _unset(name: str, option: str | None) -> None:
    """Remove an option of a site, or without OPTION the site."""
    document = _read()
    try:
        if option is None:
            del document["sites"][name]
        else:
            del document["sites"][name][option]
    except KeyError:
        what = f"The site {name!r} has no {option}" if option else f"There is no site {name!r}"
        raise InvalidConfigError(f"{what}: `chatgptes config` shows what there is.") from None
    _write(document)


def _typed(option: str, text: str) -> Any:
    """Return what a typed value is in the file; `named_sites` refuses what it can't be."""
    if option in ("consent", "timeout"):
        with contextlib.suppress(ValueError):
            return json.loads(text.lower())
    return text


def _read() -> Any:
    """Return the file with its comments, in its order."""
    try:
        import tomlkit
    except ImportError:
        raise InvalidConfigError(
            f"To change the file needs tomlkit (pip install tomlkit); or edit it: {config_path()}"
        ) from None
    named_sites()  # What is not right in it is its owner's to change.
    document: Any = tomlkit.parse(config_text())
    document.setdefault("sites", tomlkit.table(is_super_table=True))
    return document


def _write(document: Any) -> None:
    """Write the file, or leave it as it was."""
    path = config_path()
    text = document.as_string()
    # It must read as is meant, however the file was written by hand.
    if named_sites(text) != document["sites"].unwrap():
        raise InvalidConfigError(f"{path} can't be changed by this program: edit it by hand.")
    target = path.resolve()  # A link to the file stays one.
    if target.exists() and not target.is_file():
        raise InvalidConfigError(f"{path} is no file.")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with temporary_file(target, text) as made:
        os.replace(made, target)  # So that the file is never half written.
