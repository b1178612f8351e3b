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
    check_visitor,
    headers_of,
    number,
    proxy_secrets,
    site_of,
)
from ..values.deadline import Timeout
from ..values.http import Limits
from .guard import site_for_default
from .options import check_names

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    from ..transport.base import AsyncTransport, Transport

__all__ = ["DEFAULT", "DEFAULT_SITE", "ClientArguments", "Config", "Default", "OtherArguments"]

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
    """The keyword arguments of `Client` and `AsyncClient` beside `site`.

    Attributes:
        bot: the bot's id, when the page shows several (str or int); default: the page's first.
        api_key: the owner's REST key (str): speaks the plugin's REST API, needs `bot`.
        system: text put before the first prompt of a conversation (str); None for nothing;
            `DEFAULT` asks chatgpt.es to answer in the user's language, and other sites nothing.
        transport: "requests", "curl_cffi", "auto", or an object with `send()` and `close()` (for
            `AsyncClient` also one with coroutines `send()` and `aclose()`), which stays yours to
            close.  "auto" is curl_cffi looking like a browser for chatgpt.es; elsewhere it looks
            like what it is: requests for `Client`, curl_cffi for `AsyncClient`.
        impersonate: the browser that "curl_cffi" looks like (str); None: none.
        proxy: URL of an http, https, socks5 or socks5h proxy (str); may hold `user:password@`.
        verify: check TLS certificates (bool), or the path of a CA file to check them with.
        headers: further request headers (str to str).
        cookies: cookies for the site (str to str), or a `http.cookiejar.CookieJar`.
        trust_env: obey the environment's proxy and CA variables.
        timeout: a `Timeout`, or seconds for the whole turn (int or float).
        retries: how often a request that may be repeated is sent again (int).
        max_concurrency: how many turns run at once; further ones wait (int).
        min_interval: least time between the starts of two turns, in seconds (float).
        limits: bounds of sizes, a `Limits`.
        visitor: the id shown to the site (str: 10 to 64 letters, digits and hyphens); default: a
            new UUID.  One that is kept finds its conversations on the site again
            (`Client.conversations`), and stays the same visitor to the owner's limits.  Sites of
            AI Engine tell visitors by a cookie instead.
        consent: a person has agreed to what the bot's page asks (`Bot.consent`); without it, a bot
            that asks is not talked to.
    """

    bot: str | int | None
    api_key: str | None
    system: str | Default | None
    transport: Literal["auto", "requests", "curl_cffi"] | Transport | AsyncTransport
    impersonate: str | None
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
    visitor: str | None
    consent: bool


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
    visitor: str | None
    consent: bool
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, arguments: ClientArguments) -> Config:
        """Check `arguments`.  Reads no file and imports nothing that is slow.

        Raises:
            InvalidConfigError: one can't be used.
            TypeError: there is no such argument.
        """
        check_names(arguments, ClientArguments, "A client")
        get: Any = {**_DEFAULTS, **arguments}.get
        site = site_of(get("site"))
        is_default = site.host.removeprefix("www.") == "chatgpt.es"
        if is_default and (instead := site_for_default()):
            site, is_default = site_of(instead), False
        bot, api_key = bot_and_key(get("bot"), get("api_key"), site.authorization)
        system = get("system")
        if system is DEFAULT:
            system = LANGUAGE_PROMPT if is_default else None
        limits = get("limits") or Limits()
        if not isinstance(limits, Limits):
            raise InvalidConfigError("limits must be a chatgptes.Limits.")
        for name in ("trust_env", "consent"):
            if not isinstance(get(name), bool):
                raise InvalidConfigError(f"{name} must be True or False.")
        check_transport(
            get("transport"),
            impersonate=get("impersonate"),
            proxy=get("proxy"),
            verify=get("verify"),
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
            retries=int(number("retries", get("retries"), 0, whole=True)),
            max_concurrency=int(number("max_concurrency", get("max_concurrency"), 1, whole=True)),
            min_interval=number("min_interval", get("min_interval"), 0),
            visitor=check_visitor(get("visitor")),
            consent=get("consent"),
            secrets=tuple(text for text in secrets if len(text) >= 4),
        )

    def transport_options(self) -> dict[str, Any]:
        """The keyword arguments of `transport.select`."""
        given: Any = {**_DEFAULTS, **self.arguments}
        names = ("transport", "impersonate", "proxy", "verify", "trust_env")
        return {
            **{name: given[name] for name in names},
            "default_site": self.is_default,
            "max_headers": self.limits.headers,
        }


_DEFAULTS: Final[ClientArguments] = {
    "site": DEFAULT_SITE,
    "system": DEFAULT,
    "transport": "auto",
    "impersonate": "chrome",
    "proxy": None,
    "verify": True,
    "trust_env": True,
    "retries": 2,
    "max_concurrency": 4,
    "min_interval": 0.0,
    "consent": False,
}
_SECRET_HEADER = re.compile("auth|token|key|secret|pass|session|sign")
