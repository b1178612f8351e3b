"""`chatgptes config`: the configuration file and its sites."""

from __future__ import annotations

import click

from ..errors import InvalidConfigError
from ..values.text import sanitize_line
from ..values.urls import redact
from .named_sites import CONFIG_VARIABLE, config_path, named_sites

__all__ = ["show_config"]


def show_config() -> None:
    """Print the file's path, and each site with its options.

    Raises:
        InvalidConfigError: there is no place for a file, or it can't be used.
        OSError: it can't be read.
    """
    path = config_path()
    if path is None:
        raise InvalidConfigError(
            "A configuration file needs platformdirs (pip install platformdirs) or the variable"
            f" {CONFIG_VARIABLE}, its path."
        )
    exists = "" if path.exists() else "  (not there yet; `chatgptes config --help` has an example)"
    click.echo(f"{sanitize_line(str(path))}{exists}")
    for name, options in named_sites().items():
        click.echo(f"\n--site {name}")
        for option, value in options.items():
            # An address may hold a user name and a password.
            shown = redact(value) if option in ("site", "proxy") else str(value)
            click.echo(f"  {option} = {sanitize_line(shown)}")
