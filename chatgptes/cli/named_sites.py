"""Sites with a name and their options, from the user's configuration file (TOML).

[sites.mine]
site = "https://example.org/chat/"
bot = "5"
api_key_env = "MY_SITES_KEY"
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from ..errors import InvalidConfigError

__all__ = ["CONFIG_VARIABLE", "config_path", "is_name", "key_of", "named_site", "named_sites"]

CONFIG_VARIABLE = "CHATGPTES_CONFIG"
_OPTIONS: dict[str, type | tuple[type, ...]] = {
    "site": str,
    "bot": (str, int),
    "system": str,
    "transport": str,
    "proxy": str,
    "timeout": (int, float),
    "api_key_env": str,
    "api_key_file": str,
}


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
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfigError(f"{path} is no TOML: {error}.") from None
    if unknown := set(config) - {"sites"}:
        raise InvalidConfigError(
            f"{path}: there is no setting {min(unknown)!r}, only [sites.NAME]."
        )
    sites = config.get("sites", {})
    if not isinstance(sites, dict):
        raise InvalidConfigError(f"{path}: sites are written as [sites.NAME].")
    for name, options in sites.items():
        _check(f"{path}, [sites.{name}]", name, options)
    return sites


def _check(where: str, name: str, options: Any) -> None:
    if not is_name(name):
        raise InvalidConfigError(f"{where}: a name has letters, digits, - and _ only.")
    if not isinstance(options, dict) or not isinstance(options.get("site"), str):
        raise InvalidConfigError(f'{where}: it needs an address: site = "https://…".')
    for option, value in options.items():
        if option == "api_key":
            raise InvalidConfigError(
                f"{where}: a key is not written here. Put it into a variable or a file, and name"
                " that: api_key_env, api_key_file."
            )
        if option not in _OPTIONS:
            raise InvalidConfigError(
                f"{where}: there is no option {option!r}; there are {', '.join(_OPTIONS)}."
            )
        if isinstance(value, bool) or not isinstance(value, _OPTIONS[option]):
            raise InvalidConfigError(f"{where}: {option} has a value of a wrong type.")


def named_site(name: str) -> dict[str, Any] | None:
    """Return the options of the site with this name, or None if no site has it.

    Raises:
        InvalidConfigError, OSError: as `named_sites`.
    """
    return named_sites().get(name) if is_name(name) else None


def key_of(options: dict[str, Any]) -> str | None:
    """Return the key from the variable that a site's options name, or None if they name none.

    Raises:
        InvalidConfigError: the variable is not set.
    """
    variable = options.get("api_key_env")
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InvalidConfigError(f"The variable {variable}, which should hold the key, is not set.")
    return key
