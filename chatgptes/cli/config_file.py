"""Changes of the configuration file: one value at a time, and the rest as its owner wrote it."""

from __future__ import annotations

import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from ..errors import InvalidConfigError
from .named_sites import CONFIG_VARIABLE, check_sites, config_path, is_name, named_sites

__all__ = ["existing_or_new_path", "option_of", "set_option", "unset_option"]


def existing_or_new_path() -> Path:
    """Return the file's path, whether or not it is there.

    Raises:
        InvalidConfigError: there is no place for a file.
    """
    path = config_path()
    if path is None:
        raise InvalidConfigError(
            "A configuration file needs platformdirs (pip install platformdirs) or the variable"
            f" {CONFIG_VARIABLE}, its path."
        )
    return path


def option_of(name: str, option: str) -> Any:
    """Return a site's option as it is in the file: of a secret, where it is.

    Raises:
        InvalidConfigError: there is none, or the file can't be used.
        OSError: the file can't be read.
    """
    sites = named_sites()
    _check_site(sites, name)
    return _given(sites[name], name, option)


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
    document, before = _read()
    if not text.strip() and option != "system":
        raise InvalidConfigError(
            f"{option} is empty; `chatgptes config unset {name} {option}` removes it."
        )
    value = _value(option, text)
    if name not in before and option != "site" and is_name(name):
        raise InvalidConfigError(
            f"There is no site {name!r} yet: `chatgptes config set {name} site URL` makes it."
        )
    after = before | {name: before.get(name, {}) | {option: value}}
    check_sites({name: after[name]})
    if name in before:
        document["sites"][name][option] = value
    else:
        _add(document, name, {option: value})
    _write(document, after)


def unset_option(name: str, option: str | None) -> None:
    """Remove an option of a site, or with None the site.

    Raises:
        InvalidConfigError: there is none, or the site needs it; the file is as it was.
        OSError: the file can't be read or written; it is as it was.
    """
    document, before = _read()
    _check_site(before, name)
    if option is None:
        after = {each: options for each, options in before.items() if each != name}
        del document["sites"][name]
        if not after:
            del document["sites"]
    elif option == "site":
        raise InvalidConfigError(
            f"A site needs its address: `chatgptes config unset {name}` removes the whole site."
        )
    else:
        _given(before[name], name, option)
        options = {each: value for each, value in before[name].items() if each != option}
        after = before | {name: options}
        del document["sites"][name][option]
    _write(document, after)


def _check_site(sites: dict[str, dict[str, Any]], name: str) -> None:
    if name not in sites:
        raise InvalidConfigError(f"There is no site {name!r}: `chatgptes config` lists them.")


def _given(options: dict[str, Any], name: str, option: str) -> Any:
    """Return the value of an option that the site must have."""
    if option not in options:
        raise InvalidConfigError(f"The site {name!r} has no {option}.")
    return options[option]


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
    path = existing_or_new_path()
    try:
        import tomlkit
    except ImportError:
        raise InvalidConfigError(
            f"To change the file needs tomlkit (pip install tomlkit); or edit it: {path}"
        ) from None
    sites = named_sites()
    text = path.read_bytes().decode("utf-8") if path.exists() else ""
    return tomlkit.parse(text), sites


def _add(document: Any, name: str, options: dict[str, Any]) -> None:
    """Add a site at the end."""
    import tomlkit
    from tomlkit.items import InlineTable

    if "sites" not in document:
        document["sites"] = tomlkit.table(is_super_table=True)
    sites = document["sites"]
    table: Any = tomlkit.inline_table() if isinstance(sites, InlineTable) else tomlkit.table()
    table.update(options)
    sites[name] = table


def _write(document: Any, sites: dict[str, Any]) -> None:
    path = existing_or_new_path()
    text = document.as_string()
    # It must read as is meant, however the file was written by hand.
    try:
        good = tomllib.loads(text).get("sites", {}) == sites
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
