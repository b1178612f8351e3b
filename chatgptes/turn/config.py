"""The arguments of a client, checked before anything else happens."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from ..errors import InvalidConfigError
from ..values.checks import (
    bot_and_key,
    check_cookies,
    check_system,
    check_transport,
    headers_of,
    number,
    proxy_secrets,
    site_of,
)
from ..values.deadline import Timeout
from ..values.http import Limits

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    from ..transport.base import Transport

__all__ = [
    "DEFAULT",
    "DEFAULT_SITE",
    "ClientArguments",
    "Config",
    "Default",
    "OtherArguments",
    "site_of",
]

DEFAULT_SITE: Final = "https://chatgpt.es"
LANGUAGE_PROMPT: Final = (
    "Answer in the language in which the user writes; if you can't tell which it is, use English."
)


class Default(Enum):
    """The type of `DEFAULT`: what a site's users expect."""

    DEFAULT = "default"

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Final = Default.DEFAULT


class OtherArguments(TypedDict, total=False):
    """The keyword arguments of `Client` beside `site`, with their meanings there."""

    bot: str | int | None
    api_key: str | None
    system: str | Default | None
    transport: Literal["auto", "requests", "curl_cffi"] | Transport
    impersonate: str
    proxy: str | None
    verify: bool | str | os.PathLike[str]
    headers: Mapping[str, str] | None
    cookies: Mapping[str, str] | CookieJar | None
    trust_env: bool
    timeout: Timeout | float | None
    retries: int
    max_concurrency: int
    min_interval: float
    limits: Limits | None


class ClientArguments(OtherArguments, total=False):
    """All arguments of `Client`."""

    site: str


@dataclass(frozen=True)
class Config:
    """The arguments of a client, checked; `arguments` are what it was made from.

    What only a transport can tell is left to it: whether its package is there, the files that
    `verify` names, the browsers that `impersonate` may name, the environment's proxies.

    Attributes:
        site: URL without user name, password and fragment.
        is_default: it is chatgpt.es.
        secrets: what must not show in a text.
    """

    arguments: ClientArguments = field(repr=False)
    site: str
    is_default: bool
    bot: str | None
    api_key: str | None = field(repr=False)
    system: str | None
    timeout: Timeout
    limits: Limits
    headers: Mapping[str, str] = field(repr=False)
    retries: int
    max_concurrency: int
    min_interval: float
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, arguments: ClientArguments) -> Config:
        """Check `arguments`.  Reads no file and imports nothing that is slow.

        Raises:
            InvalidConfigError: one can't be used.
            TypeError: there is no such argument.
        """
        if unknown := set(arguments) - set(ClientArguments.__annotations__):
            raise TypeError(f"A client has no argument {', '.join(sorted(unknown))}.")
        get: Any = arguments.get
        site = site_of(get("site", DEFAULT_SITE))
        is_default = site.host.removeprefix("www.") == "chatgpt.es"
        bot, api_key = bot_and_key(get("bot"), get("api_key"), site.authorization)
        system = get("system", DEFAULT)
        if system is DEFAULT:
            system = LANGUAGE_PROMPT if is_default else None
        limits = get("limits") or Limits()
        if not isinstance(limits, Limits):
            raise InvalidConfigError("limits must be a chatgptes.Limits.")
        if not isinstance(get("trust_env", True), bool):
            raise InvalidConfigError("trust_env must be True or False.")
        check_transport(
            get("transport", "auto"),
            impersonate=get("impersonate", "chrome"),
            proxy=get("proxy"),
            verify=get("verify", True),
        )
        check_cookies(get("cookies"))
        headers = headers_of(get("headers"), site.authorization)
        if api_key is not None and "authorization" in headers:
            raise InvalidConfigError("headers: with api_key, Authorization is the key's place.")
        secrets = [*site.secrets, api_key or "", *proxy_secrets(get("proxy"))]
        secrets += [value for name, value in headers.items() if _SECRET_HEADER.search(name)]
        return cls(
            arguments=arguments,
            site=site.url,
            is_default=is_default,
            bot=bot,
            api_key=api_key,
            system=check_system(system),
            timeout=Timeout().override(get("timeout")),
            limits=limits,
            headers=headers,
            retries=int(number("retries", get("retries", 2), 0, whole=True)),
            max_concurrency=int(
                number("max_concurrency", get("max_concurrency", 4), 1, whole=True)
            ),
            min_interval=number("min_interval", get("min_interval", 0.0), 0),
            secrets=tuple(text for text in secrets if len(text) >= 4),
        )


_SECRET_HEADER = re.compile("auth|token|key|secret|pass|session|sign")
