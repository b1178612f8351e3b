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
from ..turn.config import DEFAULT_SITE, Config

__all__ = [
    "OPTIONS", "TRANSPORTS", "check_site", "config_path", "is_name", "named_site", "named_sites",
    "names_of_sites", "secret_in_file", "value_of", "with_scheme",
]  # fmt: skip

CONFIG_VARIABLE = "CHATGPTES_CONFIG"
OPTIONS = ("site", "bot", "system", "transport", "proxy", "timeout", "consent", "api_key")
TRANSPORTS = ("auto", "requests", "curl_cffi")
_MAY_BE_SECRET = ("site", "proxy", "api_key")
_REFERENCES = "env:VARIABLE, keyring:SERVICE/USER or file:PATH"
_REFERENCE = re.compile(r"(?P<kind>env|keyring|file):(?P<place>.*)", re.DOTALL)
_PLACES = {"env": r"[A-Za-z_]\w*", "keyring": r".+/[^/]+", "file": r".+"}
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
    """Return the options of each site by its name; none if there is no file."""
    path = config_path()
    if not path.exists():
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
    for name, options in sites.items():
        check_site(name, options, f"{path}, ")
    return sites


def check_site(name: str, options: Any, where: str = "") -> None:
    """Check a site's name and options; the error begins with `where` and the site's table."""
    try:
        if not is_name(name):
            raise InvalidConfigError("a name has letters, digits, - and _ only.")
        _check_options(options)
    except InvalidConfigError as error:
        raise InvalidConfigError(f"{where}[sites.{name}]: {error.message}") from None


def _check_options(options: Any) -> None:
    if not isinstance(options, dict) or not isinstance(options.get("site"), str):
        raise InvalidConfigError('it needs an address: site = "https://…".')
    if unknown := [option for option in options if option not in OPTIONS]:
        raise InvalidConfigError(
            f"there is no option {unknown[0]!r}; there are {', '.join(OPTIONS)}."
        )
    if (transport := options.get("transport", "auto")) not in TRANSPORTS:
        names = f"{', '.join(TRANSPORTS[:-1])} or {TRANSPORTS[-1]}"
        raise InvalidConfigError(f"transport must be {names}, not {transport!r}.")
    if not isinstance(options.get("consent", False), bool):
        raise InvalidConfigError("consent must be true or false.")
    plain: Any = {name: value for name, value in options.items() if not _is_secret(name, value)}
    plain["site"] = with_scheme(plain.get("site", DEFAULT_SITE))
    Config.of(plain)


def _is_secret(option: str, value: Any) -> bool:
    """Tell whether a value is a reference.  A secret itself is refused; no error repeats it."""
    if option not in _MAY_BE_SECRET:
        return False
    if isinstance(value, str) and _REFERENCE.fullmatch(value):
        _place_of(value)
        return True
    if option == "api_key":
        raise InvalidConfigError(f"a key is never written here, only where it is: {_REFERENCES}.")
    if isinstance(value, str) and _LOGIN.match(value):
        raise InvalidConfigError(
            f"{option} with a user name or password is never written here, only where it is:"
            f" {_REFERENCES}."
        )
    return False


def named_site(name: str) -> dict[str, Any] | None:
    """Return the options of the site with this name, or None if it is an address."""
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
    """Return an option's value; of a secret that which its reference stands for."""
    value = options[option]
    if option not in _MAY_BE_SECRET or not _REFERENCE.fullmatch(value):
        return str(value) if option == "bot" else value
    kind, place = _place_of(value)
    if kind == "file":
        return secret_in_file(Path(os.path.expanduser(place)))
    if kind == "env":
        secret = os.environ.get(place, "").strip()
        missing = f"The variable {place}, which should hold a secret, is not set."
    else:
        service, _, user = place.rpartition("/")
        secret = _from_keyring(service, user)
        missing = f"The keyring has no such secret: `keyring set {service} {user}` stores it."
    if not secret:
        raise InvalidConfigError(missing)
    return secret


def secret_in_file(path: Path) -> str:
    """Return the text of a file, without white space around it."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise InvalidConfigError(f"There is no secret in {path}.")
    return text


def _place_of(reference: str) -> tuple[str, str]:
    """Return the kind and the place of a reference that is written as one; nothing is looked up."""
    found = _REFERENCE.fullmatch(reference)
    if found is None or not re.fullmatch(_PLACES[found["kind"]], found["place"]):
        raise InvalidConfigError(f"A reference is {_REFERENCES}.")
    if found["kind"] == "file" and not os.path.isabs(os.path.expanduser(found["place"])):
        raise InvalidConfigError("file: needs the whole path, from the root or from ~.")
    return found["kind"], found["place"]


def _from_keyring(service: str, user: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise InvalidConfigError(
            "A secret in the keyring needs keyring (pip install keyring)."
        ) from None
    try:
        return keyring.get_password(service, user) or ""
    except KeyringError as error:
        # Its text is the backend's: it says what is locked or missing.
        raise InvalidConfigError(f"The keyring can't be used: {error}") from None
