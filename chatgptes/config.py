"""The arguments of a client, checked before anything else happens."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypedDict
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from .caller import HEADER_VALUE, check_cookies, headers_of
from .deadline import Timeout
from .errors import InvalidConfigError, InvalidMessageError
from .http import Limits, ascii_url
from .messages import check_text
from .transport import check_transport

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    from .transport import Transport

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
        secrets = [*site.secrets, api_key or "", *_proxy_secrets(get("proxy"))]
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


class Site(NamedTuple):
    """The site's address, and what its user name and password make of the requests."""

    url: str
    host: str
    authorization: str | None
    secrets: tuple[str, ...]


def site_of(site: Any) -> Site:
    """The site that `site` (a URL as str) names.

    Raises:
        InvalidConfigError: it is no http or https URL.
    """
    if not isinstance(site, str) or not site.strip():
        raise InvalidConfigError("site must be a URL such as https://example.org/chat/.")
    text = site.strip()
    if any(ord(char) <= 32 or ord(char) == 127 for char in text):
        raise InvalidConfigError("site is no URL: it has white space or control characters.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidConfigError("site is no URL: its host or port can't be read.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        hint = f" Did you mean https://{text}?" if "://" not in text and "@" not in text else ""
        raise InvalidConfigError(f"site must be a URL that begins with https:// or http://.{hint}")
    if port == 0:
        raise InvalidConfigError("site is no URL: its port is 0.")
    try:
        url = ascii_url(text)
    except ValueError:
        raise InvalidConfigError(
            "site is no URL: its host is no name, or one that is read in two ways; then give its"
            " xn-- form."
        ) from None
    authorization, secrets = _basic(parts)
    sent = urlsplit(url)
    return Site(
        urlunsplit(sent._replace(path=sent.path or "/")),
        sent.hostname or "",
        authorization,
        secrets,
    )


def _basic(parts: SplitResult) -> tuple[str | None, tuple[str, ...]]:
    if "@" not in parts.netloc:
        return None, ()
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    token = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return f"Basic {token}", (password, token)


def _proxy_secrets(proxy: Any) -> tuple[str, ...]:
    try:
        return _basic(urlsplit(proxy))[1] if isinstance(proxy, str) else ()
    except ValueError:
        return ()  # Whoever uses it says what is wrong with it.


def bot_and_key(bot: Any, api_key: Any, authorization: str | None) -> tuple[str | None, str | None]:
    """The bot's id as text, and the REST key.

    Raises:
        InvalidConfigError: either is of a wrong type, or they don't go together.
    """
    if bot is not None:
        if isinstance(bot, bool) or not isinstance(bot, (str, int)) or not str(bot).strip():
            raise InvalidConfigError("bot must be a bot's id (str or int), or None.")
        bot = str(bot).strip()
    if api_key is not None:
        if not isinstance(api_key, str) or not api_key.strip():
            raise InvalidConfigError("api_key must be the owner's REST key (str), or None.")
        api_key = api_key.strip()
        if not api_key.isascii() or not HEADER_VALUE.fullmatch(api_key):
            raise InvalidConfigError("api_key has characters that no header can hold.")
        if bot is None or not (bot.isascii() and bot.isdigit()):
            raise InvalidConfigError("With api_key, bot= must name the bot by its number.")
        if authorization is not None:
            raise InvalidConfigError(
                "A URL with user:password and an api_key don't go together: both need the"
                " Authorization header."
            )
    return bot, api_key


def check_system(system: Any) -> str | None:
    """The system text, if it can be sent.

    Raises:
        InvalidConfigError: it is of a wrong type, or no proper text.
    """
    if system is None:
        return None
    if not isinstance(system, str):
        raise InvalidConfigError("system must be a string, or None for nothing.")
    try:
        return check_text(system, "system") if system else None
    except InvalidMessageError as error:
        raise InvalidConfigError(str(error)) from None


def number(name: str, value: Any, least: float, *, whole: bool = False, most: float = 1e6) -> float:
    """`value`, if it is a number between `least` and `most`.

    Raises:
        InvalidConfigError: it is not.
    """
    kinds = (int,) if whole else (int, float)
    # NaN fails every comparison.
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        kind = "a whole number" if whole else "a number"
        raise InvalidConfigError(f"{name} must be {kind} from {least:g} to {most:,.0f}.")
    return value
