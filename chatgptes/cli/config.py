"""`chatgptes config`: the configuration file and its sites, shown and changed."""

from __future__ import annotations

import click

from ..errors import InvalidConfigError
from ..values.text import sanitize_line
from .config_file import option_of, set_option, unset_option
from .errors import one_line_errors
from .group import Group
from .named_sites import OPTIONS, TRANSPORTS, config_path, named_sites, names_of_sites, value_of
from .streams import print_note

__all__ = ["config_command"]


def _values(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the values of the option before that a shell completes."""
    names = TRANSPORTS if context.params.get("option") == "transport" else ()
    return [name for name in names if name.startswith(begun)]


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
    click.echo(_shown(option_of(name, option)))


@config_command.command("set")
@_name
@_option
@click.argument("value", shell_complete=_values)
@one_line_errors()
def _set(name: str, option: str, value: str) -> None:
    """Set an option of a site; a new site begins with its address.

    The rest of the file stays as it is, with its comments.
    """
    set_option(name, option, value)
    try:
        value_of(named_sites()[name], option)
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
    unset_option(name, option)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else sanitize_line(str(value))
