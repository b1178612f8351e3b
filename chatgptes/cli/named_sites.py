"""Sites with a name and their options, from the user's configuration file (TOML).

[sites.mine]
site = "https://example.org/chat/"
bot = "5"
api_key = "env:MY_SITES_KEY"
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from ..errors import InvalidConfigError
from ..turn.config import Config
from .references import REFERENCES, check_reference, is_reference, secret_of

__all__ = [
    "CONFIG_VARIABLE",
    "OPTIONS",
    "TRANSPORTS",
    "check_sites",
    "config_path",
    "is_name",
    "key_of",
    "named_site",
    "named_sites",
    "names_of_sites",
    "value_of",
    "with_scheme",
]

CONFIG_VARIABLE = "CHATGPTES_CONFIG"
OPTIONS: dict[str, type | tuple[type, ...]] = {
    "site": str,
    "bot": (str, int),
    "system": str,
    "transport": str,
    "proxy": str,
    "timeout": (int, float),
    "consent": bool,
    "api_key": str,
}
TRANSPORTS = ("auto", "requests", "curl_cffi")
_MAY_BE_SECRET = ("site", "proxy", "api_key")
_HOST = re.compile(r"((?:[\w-]+\.)+[\w-]+|localhost)(?::\d+)?(?:[/?#]|$)")
"""A host's name at the beginning of an address that has no scheme."""
_LOGIN = re.compile(r"(?:[A-Za-z0-9+.-]+://)?[^/?#]*@")
"""The beginning of a URL with a user name."""


def config_path() -> Path | None:
    """Return the file's path, or None without platformdirs and the variable that names it."""
    if given := os.environ.get(CONFIG_VARIABLE, "").strip():
        return Path(given).expanduser()
    try:
        from platformdirs import user_config_path
    except ImportError:
        return None
    return user_config_path("chatgptes", appauthor=False) / "config.toml"


def is_name(site: str) -> bool:
    """Tell whether a word can be a site's name: no address, no path, no host with a dot."""
    return re.fullmatch(r"[A-Za-z][\w-]*", site) is not None and site != "localhost"


def with_scheme(site: str) -> str:
    """Return `site`, with https (http for this machine) if it names a host without a scheme."""
    if not (found := _HOST.match(site.strip())):
        return site
    local = found[1] == "localhost" or found[1].startswith("127.")
    return f"{'http' if local else 'https'}://{site.strip()}"


def named_sites() -> dict[str, dict[str, Any]]:
    """Return the options of each site by its name; none if there is no file.

    Raises:
        InvalidConfigError: the file can't be used.
        OSError: it can't be read.
    """
    path = config_path()
    if path is None or not path.exists():
        return {}
    try:
        config = tomllib.loads(path.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfigError(f"{path} is no TOML: {error}.") from None
    if unknown := set(config) - {"sites"}:
        raise InvalidConfigError(
            f"{path}: there is no setting {min(unknown)!r}, only [sites.NAME]."
        )
    sites = config.get("sites", {})
    if not isinstance(sites, dict):
        raise InvalidConfigError(f"{path}: sites are written as [sites.NAME].")
    check_sites(sites, f"{path}, ")
    return sites


def check_sites(sites: dict[str, Any], where: str = "") -> None:
    """Check names and options; the error begins with `where` and the site's table.

    Raises:
        InvalidConfigError: one can't be used.
    """
    for name, options in sites.items():
        try:
            if not is_name(name):
                raise InvalidConfigError("a name has letters, digits, - and _ only.")
            _check_options(options)
        except InvalidConfigError as error:
            raise InvalidConfigError(f"{where}[sites.{name}]: {error.message}") from None


def _check_options(options: Any) -> None:
    if not isinstance(options, dict) or not isinstance(options.get("site"), str):
        raise InvalidConfigError('it needs an address: site = "https://…".')
    for option, value in options.items():
        if option not in OPTIONS:
            raise InvalidConfigError(
                f"there is no option {option!r}; there are {', '.join(OPTIONS)}."
            )
        kind = OPTIONS[option]
        if isinstance(value, bool) is not (kind is bool) or not isinstance(value, kind):
            raise InvalidConfigError(f"{option} has a value of a wrong type.")
        if option == "transport" and value not in TRANSPORTS:
            names = f"{', '.join(TRANSPORTS[:-1])} or {TRANSPORTS[-1]}"
            raise InvalidConfigError(f"transport must be {names}, not {value!r}.")
        if option in _MAY_BE_SECRET:
            _check_secret(option, value)
    plain: Any = {
        name: value
        for name, value in options.items()
        if name != "api_key" and not (name in _MAY_BE_SECRET and is_reference(value))
    }
    if "site" in plain:
        plain["site"] = with_scheme(plain["site"])
    Config.of(plain)


def _check_secret(option: str, value: Any) -> None:
    """Refuse a secret in clear text; no error repeats it."""
    if is_reference(value):
        check_reference(value)
    elif option == "api_key":
        raise InvalidConfigError(f"a key is never written here, only where it is: {REFERENCES}.")
    elif _LOGIN.match(value):
        raise InvalidConfigError(
            f"{option} with a user name or password is never written here, only where it is:"
            f" {REFERENCES}."
        )


def named_site(name: str) -> dict[str, Any] | None:
    """Return the options of the site with this name, or None if it is an address.

    Raises:
        InvalidConfigError: it is neither, or the file can't be used.
        OSError: the file can't be read.
    """
    if not is_name(name):
        return None
    sites = named_sites()
    if name not in sites:
        close = difflib.get_close_matches(name, sites, 1)
        text = f" Did you mean {close[0]!r}?" if close else " An address begins with https://."
        raise InvalidConfigError(
            f"No site has the name {name!r}; `chatgptes config` lists those that have one.{text}"
        )
    return sites[name]


def names_of_sites(_context: Any, _parameter: Any, begun: str) -> list[str]:
    """Return the names that a shell completes; none if the file can't be used."""
    try:
        return [name for name in named_sites() if name.startswith(begun)]
    except (InvalidConfigError, OSError):
        return []


def value_of(options: dict[str, Any], option: str) -> Any:
    """Return an option's value: what a reference stands for, if the option may be a secret.

    Raises:
        InvalidConfigError, OSError: as `secret_of`.
    """
    value = options[option]
    if option in _MAY_BE_SECRET and is_reference(value):
        return secret_of(value)
    return str(value) if option == "bot" else value


def key_of(options: dict[str, Any]) -> str | None:
    """Return the owner's key of a site with these options, or None if they name none.

    Raises:
        InvalidConfigError, OSError: as `secret_of`.
    """
    return None if "api_key" not in options else str(value_of(options, "api_key"))
