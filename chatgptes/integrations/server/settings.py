"""The settings of a server, checked before it listens; from arguments or from a TOML file."""

from __future__ import annotations

import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InvalidConfigError
from ...turn.config import ClientArguments, Config
from ...values.checks import number
from ...values.secrets import secret_at

__all__ = ["Settings", "SiteSettings", "load_settings", "new_token"]


_SECONDS = ("head_timeout", "body_timeout", "stuck_timeout", "grace")
_OPTIONS = ("host", "port", "max_body", "max_connections", *_SECONDS)
"""Attributes of `Settings` that a file may have as they are."""
_SITE_OPTIONS = ("system", "transport", "proxy", "timeout", "max_concurrency", "min_interval")
"""Arguments of a client that a site of the file may have, beside `url`."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_TOKEN = re.compile(r"[\x21-\x7e]{16,}")
"""One that `new_token` makes has 43 characters."""


def new_token() -> str:
    """A fresh random token (str, 256 bits)."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class SiteSettings:
    """One site to serve.

    Attributes:
        arguments: of `AsyncClient`, but for `bot`.
        name: the first part of its models, `name/bot` (str); "" for the only site of a server,
            whose models are the bots' ids.
        bots: ids of the bots to serve; empty for all that the page shows.  Needed with a key.
        my_site: the person who starts the server says that the site is theirs, or that they may.
        per_minute: turns that may start within a minute (int); 0 for no limit.
    """

    arguments: ClientArguments = field(repr=False)
    name: str = ""
    bots: tuple[str, ...] = ()
    my_site: bool = False
    per_minute: int = 60

    def __post_init__(self) -> None:
        where = f"The site {self.name!r}" if self.name else "The site"
        if "site" not in self.arguments:
            raise InvalidConfigError(f"{where} has no address.")
        if self.name and not _NAME.fullmatch(self.name):
            raise InvalidConfigError(
                f"The site's name {self.name!r} may only have letters, digits, '.', '_' and '-'."
            )
        if "bot" in self.arguments:
            raise InvalidConfigError(f"{where}: the ids of its bots go into `bots`.")
        keyed = self.arguments.get("api_key") is not None
        if not keyed and self.my_site is not True:
            raise InvalidConfigError(
                f"{where} is served only with the owner's key, or if you say that it is yours or"
                " that you may (my_site): this is no way to give away other people's bots."
            )
        if keyed and not self.bots:
            raise InvalidConfigError(f"{where}: with a key, `bots` must name the bots to serve.")
        number(f"{where}: per_minute", self.per_minute, 0, whole=True)
        for bot in self.bots or (None,):
            Config.of({**self.arguments, "bot": bot})


@dataclass(frozen=True)
class Settings:
    """A server's settings.

    Attributes:
        sites: the sites to serve.
        tokens: name -> bearer token, of those who may use it.
        host: the address to listen on (str).
        port: the port (int); 0 for a free one.
        allow_hosts: further host names under which it may be asked.
        max_body: bytes of a request's body.
        max_connections: connections at once; a further one gets 503.
        head_timeout: seconds for a request's headers.
        body_timeout: seconds for a request's body.
        stuck_timeout: seconds after which a client that reads nothing is dropped.
        grace: seconds that running answers have once the server is asked to stop.
        redis: URL of a Redis or Valkey server, in which all servers with the same sites count the
            turns of a minute together; None: this server counts its own.
    """

    sites: tuple[SiteSettings, ...]
    tokens: Mapping[str, str] = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8399
    allow_hosts: tuple[str, ...] = ()
    max_body: int = 32 << 20
    max_connections: int = 4096
    head_timeout: float = 10.0
    body_timeout: float = 60.0
    stuck_timeout: float = 60.0
    grace: float = 10.0
    redis: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.sites:
            raise InvalidConfigError("There is no site to serve.")
        names = [site.name for site in self.sites]
        if len(set(names)) < len(names) or ("" in names and len(names) > 1):
            raise InvalidConfigError("Several sites need a different name each.")
        if not self.tokens:
            raise InvalidConfigError(
                "There is no token, so nobody could use the server (a file has them in [tokens])."
            )
        for name, token in self.tokens.items():
            if not _TOKEN.fullmatch(token):
                raise InvalidConfigError(
                    "A token must have at least 16 printable ASCII characters, without spaces; the"
                    f" one named {name!r} has not."
                )
        if not isinstance(self.host, str):
            raise InvalidConfigError("host must be an address (str).")
        for host in self.allow_hosts:
            if not _HOST.fullmatch(host):
                raise InvalidConfigError(
                    f"A host name to allow has no scheme, port or path: {host!r} would fit none."
                )
        number("port", self.port, 0, most=65535, whole=True)
        number("max_body", self.max_body, 1, most=1e12, whole=True)
        number("max_connections", self.max_connections, 1, whole=True)
        for name in _SECONDS:
            number(name, getattr(self, name), 0.01)


def load_settings(path: str | os.PathLike[str], **given: Any) -> Settings:
    """The settings that a TOML file holds.  Of secrets it says where they are (`values.secrets`).

    Args:
        path: the file.
        **given: attributes of `Settings` that count more than the file's.

    Raises:
        InvalidConfigError: the file is no TOML, or names what there is not.
        OSError: it, or a file that it names, can't be read.
    """
    path = Path(path)
    folder = path.parent
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InvalidConfigError(f"{path} is no TOML: {error}") from error
    sites = table.pop("sites", None)
    if not isinstance(sites, dict) or not all(isinstance(one, dict) for one in sites.values()):
        raise InvalidConfigError("The file needs a table [sites.NAME] for each site.")
    tokens = table.pop("tokens", {})
    if not isinstance(tokens, dict):
        raise InvalidConfigError("[tokens] must be a table: a user's name, and where the token is.")
    values = _some(table, _OPTIONS)
    values["tokens"] = {name: _secret(tokens, name, folder) for name in list(tokens)}
    values["allow_hosts"] = _tuple(table, "allow-hosts", str)
    values["redis"] = _secret(table, "redis", folder)
    _refuse_rest(table, "The file")
    read = tuple(_site(name, one, folder) for name, one in sites.items())
    return Settings(sites=read, **{**values, **given})


def _site(name: str, table: dict[str, Any], folder: Path) -> SiteSettings:
    arguments: Any = _some(table, _SITE_OPTIONS)
    if "url" in table:
        arguments["site"] = table.pop("url")
    if (key := _secret(table, "api-key", folder)) is not None:
        arguments["api_key"] = key
    bots = tuple(dict.fromkeys(map(str, _tuple(table, "bots", str, int))))
    options = _some(table, ("my_site", "per_minute"))
    _refuse_rest(table, f"sites.{name}")
    return SiteSettings(arguments, name, bots, **options)


def _some(table: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Take out the settings of these names, which have hyphens in the file."""
    hyphened = {name.replace("_", "-"): name for name in names}
    return {name: table.pop(key) for key, name in hyphened.items() if key in table}


def _refuse_rest(table: dict[str, Any], where: str) -> None:
    if table:
        raise InvalidConfigError(f"{where} has unknown settings: {', '.join(sorted(table))}.")


def _tuple(table: dict[str, Any], name: str, *kinds: type) -> tuple[Any, ...]:
    found = table.pop(name, [])
    if not isinstance(found, list) or not all(type(each) in kinds for each in found):
        raise InvalidConfigError(f"{name} must be a list of names.")
    return tuple(found)


def _secret(table: dict[str, Any], name: str, folder: Path) -> str | None:
    """Take out a secret, which the file names as `chatgptes config` does, or None."""
    if (reference := table.pop(name, None)) is None:
        return None
    try:
        return secret_at(str(reference), folder)
    except InvalidConfigError as error:
        raise InvalidConfigError(f"{name}: {error.message}") from None
