"""Sites with a name and their options, from the user's configuration file (TOML).

[sites.mine]
site = "https://example.org/chat/"
bot = "5"
api_key = "env:MY_SITES_KEY"

Of a secret the file says where it is, never what it is.  The functions raise `InvalidConfigError`
for a file, a name or a value that can't be used, and `OSError` for a file that can't be read.
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
from ..values.secrets import REFERENCES, is_reference, secret_at

__all__ = [
    "OPTIONS", "TRANSPORTS", "config_path", "config_text", "named_site", "named_sites", "value_of",
    "with_scheme",
]  # fmt: skip

CONFIG_VARIABLE = "CHATGPTES_CONFIG"
OPTIONS = ("site", "bot", "system", "transport", "proxy", "timeout", "consent", "api_key")
TRANSPORTS = ("auto", "requests", "curl_cffi")
_MAY_BE_SECRET = ("site", "proxy", "api_key")
_NAME = re.compile(r"(?!localhost$)[A-Za-z][\w-]*")
"""A site's name: no address, no path, no host with a dot."""
_HOST = re.compile(r"((?:[\w-]+\.)+[\w-]+|localhost)(?::\d+)?(?:[/?#]|$)")
"""A host's name at the beginning of an address that has no scheme."""
_LOGIN = re.compile(r"(?:[A-Za-z0-9+.-]+://)?[^/?#]*@")
"""The beginning of a URL with a user name."""


def config_path() -> Path:
    """Return the file's path, whether or not it is there."""
    if given := os.environ.get(CONFIG_VARIABLE, "").strip():
        return Path(given).expanduser()
    try:
        from platformdirs import user_config_path
    except ImportError:
        raise InvalidConfigError(
            "A configuration file needs platformdirs (pip install platformdirs) or the variable"
            f" {CONFIG_VARIABLE}, its path."
        ) from None
    return user_config_path("chatgptes", appauthor=False) / "config.toml"


def with_scheme(site: str) -> str:
    """Return `site`, with https (http for this machine) if it names a host without a scheme."""
    if not (found := _HOST.match(site.strip())):
        return site
    local = found[1] == "localhost" or found[1].startswith("127.")
    return f"{'http' if local else 'https'}://{site.strip()}"


def config_text() -> str:
    """Return the file's text; "" if there is no file."""
    path = config_path()
    try:
        return path.read_bytes().decode("utf-8") if path.exists() else ""
    except UnicodeDecodeError as error:
        raise InvalidConfigError(f"{path} is no TOML: {error}.") from None


def named_sites(text: str | None = None) -> dict[str, dict[str, Any]]:
    """Return the options of each site by its name, from the file or from a text for it."""
    path = config_path()
    try:
        config = tomllib.loads(config_text() if text is None else text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfigError(f"{path} is no TOML: {error}.") from None
    if unknown := set(config) - {"sites"}:
        raise InvalidConfigError(
            f"{path}: there is no setting {min(unknown)!r}, only [sites.NAME]."
        )
    sites = config.get("sites", {})
    if not isinstance(sites, dict):
        raise InvalidConfigError(f"{path}: sites are written as [sites.NAME].")
    for name, options in sites.items():
        try:
            _check(name, options)
        except InvalidConfigError as error:
            raise InvalidConfigError(f"{path}, [sites.{name}]: {error.message}") from None
    return sites


def _check(name: str, options: Any) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidConfigError("a name has letters, digits, - and _ only.")
    if not isinstance(options, dict) or not isinstance(options.get("site"), str):
        raise InvalidConfigError(
            f"it needs an address; `chatgptes config set {name} site URL` sets it."
        )
    if unknown := [option for option in options if option not in OPTIONS]:
        raise InvalidConfigError(
            f"there is no option {unknown[0]!r}; there are {', '.join(OPTIONS)}."
        )
    if options.get("transport", "auto") not in TRANSPORTS:
        raise InvalidConfigError(f"transport must be one of {', '.join(TRANSPORTS)}.")
    if not isinstance(options.get("consent", False), bool):
        raise InvalidConfigError("consent must be true or false.")
    plain: Any = {name: value for name, value in options.items() if not _is_secret(name, value)}
    if "site" in plain:
        plain["site"] = with_scheme(plain["site"])
    Config.of(plain)


def _is_secret(option: str, value: Any) -> bool:
    """Tell whether a value is a reference.  A secret itself is refused; no error repeats it."""
    if option not in _MAY_BE_SECRET:
        return False
    text = value if isinstance(value, str) else ""
    if is_reference(text):
        return True
    if option == "api_key" or _LOGIN.match(text):
        what = "a key" if option == "api_key" else f"{option} with a user name or password"
        raise InvalidConfigError(f"{what} is never written here, only where it is: {REFERENCES}.")
    return False


def named_site(name: str) -> dict[str, Any] | None:
    """Return the options of the site with this name, or None if it is an address."""
    if not _NAME.fullmatch(name):
        return None
    sites = named_sites()
    if name not in sites:
        close = difflib.get_close_matches(name, sites, 1)
        text = f" Did you mean {close[0]!r}?" if close else " An address begins with https://."
        raise InvalidConfigError(
            f"No site has the name {name!r}; `chatgptes config` lists those that have one.{text}"
        )
    return sites[name]


def value_of(options: dict[str, Any], option: str) -> Any:
    """Return an option's value; of a secret that which its reference stands for."""
    value = options[option]
    if option in _MAY_BE_SECRET and is_reference(value):
        return secret_at(value, config_path().parent)
    return str(value) if option == "bot" else value
