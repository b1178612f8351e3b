"""`chatgptes config`: the configuration file and its sites, shown and changed.

One value is changed at a time, and the rest stays as its owner wrote it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import click

from ..errors import InvalidConfigError
from ..values.text import sanitize_line
from .errors import one_line_errors, print_note
from .group import Group
from .named_sites import (
    OPTIONS,
    check_site,
    config_path,
    is_name,
    named_sites,
    names_of_sites,
    value_of,
)

__all__ = ["config_command"]


_name = click.argument("name", shell_complete=names_of_sites)
_option = click.argument("option", type=click.Choice(list(OPTIONS)), metavar="OPTION")


@click.group("config", cls=Group, invoke_without_command=True)
@click.pass_context
def config_command(context: click.Context) -> None:
    """Keep sites and their options under a name, for `--site NAME`.

    \b
    chatgptes config set mine site https://example.org/chat/
    chatgptes config set mine bot 5
    chatgptes config set mine api_key env:MY_SITES_KEY
    chatgptes --site mine "Hello"

    A site has the options site, bot, system, transport, proxy, timeout (seconds), consent (true if
    you agree to what its page asks) and api_key, the owner's key.  A secret is never written into
    the file, only where it is: env:VARIABLE, keyring:SERVICE/USER (needs keyring) or file:PATH.
    That is how a key is given, and a site or a proxy whose URL has a password.

    Without a command it lists the sites.
    """
    if context.invoked_subcommand is None:
        context.invoke(_list)


@config_command.command("list")
@one_line_errors()
def _list() -> None:
    """List the file's path, and each site with its options."""
    path = config_path()
    exists = "" if path.exists() else "  (not there yet; `chatgptes config set` makes it)"
    click.echo(f"{sanitize_line(str(path))}{exists}")
    for name, options in named_sites().items():
        click.echo(f"\n--site {name}")
        for option, value in options.items():
            click.echo(f"  {option} = {_shown(value)}")


@config_command.command("path")
@one_line_errors()
def _path() -> None:
    """Print the path of the configuration file."""
    click.echo(config_path())


@config_command.command("get")
@_name
@_option
@one_line_errors()
def _get(name: str, option: str) -> None:
    """Print an option of a site; of a secret, where it is."""
    click.echo(_shown(_option_of(named_sites(), name, option)))


@config_command.command("set")
@_name
@_option
@click.argument("value")
@one_line_errors()
def _set(name: str, option: str, value: str) -> None:
    """Set an option of a site; a new site begins with its address.

    The rest of the file stays as it is, with its comments.
    """
    document, sites = _read()
    if not value.strip() and option != "system":
        raise InvalidConfigError(
            f"{option} is empty; `chatgptes config unset {name} {option}` removes it."
        )
    if name not in sites:
        if option != "site" and is_name(name):
            raise InvalidConfigError(
                f"There is no site {name!r} yet: `chatgptes config set {name} site URL` makes it."
            )
        _add(document, name)
    options = sites.get(name, {}) | {option: _typed(option, value)}
    check_site(name, options)
    document["sites"][name][option] = options[option]
    _write(document)
    try:
        value_of(options, option)
    except InvalidConfigError as error:  # The place that was set holds no secret yet.
        print_note(f"Set. {error.message}")
    except OSError as error:
        print_note(f"Set. {error.filename}: {error.strerror or error}.")


@config_command.command("unset")
@_name
@click.argument("option", type=click.Choice(list(OPTIONS)), metavar="[OPTION]", required=False)
@one_line_errors()
def _unset(name: str, option: str | None) -> None:
    """Remove an option of a site, or without OPTION the site."""
    document, sites = _read()
    _option_of(sites, name, option or "site")
    if option == "site":
        raise InvalidConfigError(
            f"A site needs its address: `chatgptes config unset {name}` removes the whole site."
        )
    if option is not None:
        del document["sites"][name][option]
    elif len(sites) > 1:
        del document["sites"][name]
    else:
        del document["sites"]
    _write(document)


def _option_of(sites: dict[str, dict[str, Any]], name: str, option: str) -> Any:
    if name not in sites:
        raise InvalidConfigError(f"There is no site {name!r}: `chatgptes config` lists them.")
    if option not in sites[name]:
        raise InvalidConfigError(f"The site {name!r} has no {option}.")
    return sites[name][option]


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else sanitize_line(str(value))


def _typed(option: str, text: str) -> str | float | bool:
    """Return what a typed value is in the file; `check_site` refuses what it can't be."""
    if option == "consent":
        return {"true": True, "false": False}.get(text.lower(), text)
    if option == "timeout":
        with contextlib.suppress(ValueError):
            number = float(text)
            return int(number) if number.is_integer() else number
    return text


def _read() -> tuple[Any, dict[str, dict[str, Any]]]:
    """Return the file with its comments, in its order; and its sites."""
    path = config_path()
    try:
        import tomlkit
    except ImportError:
        raise InvalidConfigError(
            f"To change the file needs tomlkit (pip install tomlkit); or edit it: {path}"
        ) from None
    sites = named_sites()
    text = path.read_bytes().decode("utf-8") if path.exists() else ""
    return tomlkit.parse(text), sites


def _add(document: Any, name: str) -> None:
    """Add a site at the end."""
    import tomlkit
    from tomlkit.items import InlineTable

    if "sites" not in document:
        document["sites"] = tomlkit.table(is_super_table=True)
    inline = isinstance(document["sites"], InlineTable)
    document["sites"][name] = tomlkit.inline_table() if inline else tomlkit.table()


def _write(document: Any) -> None:
    """Write the file, or leave it as it was."""
    path = config_path()
    text = document.as_string()
    # It must read as is meant, however the file was written by hand.
    try:
        good = tomllib.loads(text) == document.unwrap()
    except tomllib.TOMLDecodeError:
        good = False
    if not good:
        raise InvalidConfigError(f"{path} can't be changed by this program: edit it by hand.")
    target = path.resolve()  # A link to the file stays one.
    if target.exists() and not target.is_file():
        raise InvalidConfigError(f"{path} is no file.")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A rename, so that the file is never half written; mode 0600.
    handle, made = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.replace(made, target)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
