"""Changes of the configuration file: one value at a time, and the rest as its owner wrote it."""

from __future__ import annotations

import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from ..errors import InvalidConfigError
from .named_sites import check_site, config_path, is_name, named_sites

__all__ = ["option_of", "set_option", "unset_option"]


def option_of(name: str, option: str) -> Any:
    """Return a site's option as it is in the file: of a secret, where it is.

    Raises:
        InvalidConfigError: there is none, or the file can't be used.
        OSError: the file can't be read.
    """
    return _option(named_sites(), name, option)


def set_option(name: str, option: str, text: str) -> None:
    """Write a site's option.

    Args:
        name: the site's name; a new one begins with its option "site".
        option: one of `OPTIONS`.
        text: the value as it is typed.

    Raises:
        InvalidConfigError: it can't be used; the file is as it was.
        OSError: the file can't be read or written; it is as it was.
    """
    document, sites = _read()
    if not text.strip() and option != "system":
        raise InvalidConfigError(
            f"{option} is empty; `chatgptes config unset {name} {option}` removes it."
        )
    value = _value(option, text)
    if name not in sites:
        if option != "site" and is_name(name):
            raise InvalidConfigError(
                f"There is no site {name!r} yet: `chatgptes config set {name} site URL` makes it."
            )
        _add(document, name)
    check_site(name, sites.get(name, {}) | {option: value})
    document["sites"][name][option] = value
    _write(document)


def unset_option(name: str, option: str | None) -> None:
    """Remove an option of a site, or with None the site.

    Raises:
        InvalidConfigError: there is none, or the site needs it; the file is as it was.
        OSError: the file can't be read or written; it is as it was.
    """
    document, sites = _read()
    _option(sites, name, option or "site")
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


def _option(sites: dict[str, dict[str, Any]], name: str, option: str) -> Any:
    if name not in sites:
        raise InvalidConfigError(f"There is no site {name!r}: `chatgptes config` lists them.")
    if option not in sites[name]:
        raise InvalidConfigError(f"The site {name!r} has no {option}.")
    return sites[name][option]


def _value(option: str, text: str) -> str | float | bool:
    """Return what a typed value is in the file."""
    if option == "consent":
        if text.lower() not in ("true", "false"):
            raise InvalidConfigError(f"consent is true or false, not {text!r}.")
        return text.lower() == "true"
    if option != "timeout":
        return text
    try:
        number = float(text)
    except ValueError:
        raise InvalidConfigError(f"{option} is a number of seconds, not {text!r}.") from None
    return int(number) if number.is_integer() else number


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
