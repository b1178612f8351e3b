"""Checks of a client's arguments, each of which raises an `InvalidConfigError`.

They read no file and import nothing that is slow.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from ..errors import Hint, InvalidConfigError, InvalidMessageError
from .messages import check_text
from .proxy import Proxy
from .urls import ascii_url

__all__ = [
    "Site", "bot_and_key", "check_cookies", "check_system", "check_transport", "check_visitor",
    "headers_of", "number", "proxy_secrets", "site_of",
]  # fmt: skip

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_RESERVED = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie",
     "accept-encoding", "origin"}
)  # fmt: skip


def headers_of(headers: Any, authorization: str | None) -> dict[str, str]:
    """The further request headers, names in lower case."""
    if not (headers is None or isinstance(headers, Mapping)):
        raise InvalidConfigError("headers must map names (str) to values (str).")
    checked = {"authorization": authorization} if authorization is not None else {}
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InvalidConfigError(f"headers: {name!r} is no header name.")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidConfigError(f"headers: the value of {name!r} is no header value.")
        if name.lower() in _RESERVED:
            raise InvalidConfigError(f"headers: {name!r} is the library's own to set.")
        checked[name.lower()] = value
    return checked


def check_cookies(cookies: Any) -> None:
    """Check that cookies are a mapping of str to str, a `http.cookiejar.CookieJar`, or None."""
    if cookies is None or callable(getattr(cookies, "add_cookie_header", None)):
        return
    if not isinstance(cookies, Mapping):
        raise InvalidConfigError(
            f"cookies must be a dict or a CookieJar, not {type(cookies).__name__}."
        )
    for name, value in cookies.items():
        if not isinstance(name, str) or not isinstance(value, str) or not name:
            raise InvalidConfigError("cookies must map names (str) to values (str).")
        if any(char in "\r\n\0;," or ord(char) > 126 for char in name + value):
            raise InvalidConfigError(f"The cookie {name!r} has characters no header can hold.")


def check_transport(transport: Any, *, impersonate: Any, proxy: Any, verify: Any) -> None:
    """Check the arguments that choose a transport, as far as that goes without making one."""
    if not isinstance(transport, str):
        for end in ("close", "aclose"):
            if all(callable(getattr(transport, name, None)) for name in ("send", end)):
                return  # The other arguments are not for it.
    elif transport in ("auto", "requests", "curl_cffi"):
        if impersonate is not None and not (isinstance(impersonate, str) and impersonate):
            raise InvalidConfigError("impersonate must be the name of a browser (str), or None.")
        if proxy is not None:
            Proxy.parse(proxy)
        if not isinstance(verify, (bool, str, os.PathLike)):
            raise InvalidConfigError(
                "verify must be True, False or the path of a CA file or directory,"
                f" not {type(verify).__name__}."
            )
        return
    raise InvalidConfigError(
        'transport must be "auto", "requests", "curl_cffi", or an object with send() and close(),'
        f" or send() and aclose(), not {transport!r}."
    )


class Site(NamedTuple):
    """A site's URL and host.

    Attributes:
        authorization: the header of the URL's user name and password, or None.
        secrets: what must not show in errors and logs.
    """

    url: str
    host: str
    authorization: str | None
    secrets: tuple[str, ...]


def site_of(site: Any) -> Site:
    """The site that `site` (an http or https URL as str) names."""
    if not isinstance(site, str) or not site.strip():
        raise InvalidConfigError("site must be a URL such as https://example.org/chat/.")
    text = site.strip()
    if any(ord(char) <= 32 or ord(char) == 127 for char in text):
        raise InvalidConfigError("site is no URL: it has white space or control characters.")
    try:
        parts, sent = urlsplit(text), urlsplit(ascii_url(text))
    except ValueError:
        raise InvalidConfigError(
            "site is no URL: its host or port can't be read, or its host is read in two ways; then"
            " give its xn-- form."
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        hint = f" Did you mean https://{text}?" if "://" not in text and "@" not in text else ""
        raise InvalidConfigError(f"site must be a URL that begins with https:// or http://.{hint}")
    if parts.port == 0:
        raise InvalidConfigError("site is no URL: its port is 0.")
    url = urlunsplit(sent._replace(path=sent.path or "/"))
    return Site(url, sent.hostname or "", *_basic(parts))


def _basic(parts: SplitResult) -> tuple[str | None, tuple[str, ...]]:
    if "@" not in parts.netloc:
        return None, ()
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    token = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return f"Basic {token}", (password, token)


def proxy_secrets(proxy: Any) -> tuple[str, ...]:
    """Return the parts of a proxy's URL that must not show in errors and logs."""
    try:
        return _basic(urlsplit(proxy))[1] if isinstance(proxy, str) else ()
    except ValueError:
        return ()  # Its check says what is wrong with it.


def bot_and_key(bot: Any, api_key: Any, authorization: str | None) -> tuple[str | None, str | None]:
    """The bot's id as text, and the REST key."""
    if bot is not None:
        if isinstance(bot, bool) or not isinstance(bot, (str, int)) or not str(bot).strip():
            raise InvalidConfigError("bot must be a bot's id (str or int), or None.")
        bot = str(bot).strip()
    if api_key is not None:
        if not isinstance(api_key, str) or not api_key.strip():
            raise InvalidConfigError("api_key must be the owner's REST key (str), or None.")
        api_key = api_key.strip()
        if not api_key.isascii() or not _HEADER_VALUE.fullmatch(api_key):
            raise InvalidConfigError("api_key has characters that no header can hold.")
        if bot is None:
            raise InvalidConfigError(
                "The REST API takes the id of a bot.", hint=Hint("bot", purpose="to give it")
            )
        if authorization is not None:
            raise InvalidConfigError(
                "A URL with user:password and an api_key don't go together: both need the"
                " Authorization header."
            )
    return bot, api_key


def check_system(system: Any) -> str | None:
    """The system text, if it can be sent."""
    if system is None or system == "":
        return None
    if not isinstance(system, str):
        raise InvalidConfigError("system must be a string, or None for nothing.")
    try:
        return check_text(system, "system")
    except InvalidMessageError as error:
        raise InvalidConfigError(error.message, hint=error.hint) from None


def number(name: str, value: Any, least: float, *, whole: bool = False, most: float = 1e6) -> float:
    """`value`, if it is a number between `least` and `most`."""
    kinds = (int,) if whole else (int, float)
    # NaN fails every comparison.
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        kind = "a whole number" if whole else "a number"
        raise InvalidConfigError(f"{name} must be {kind} from {least:g} to {most:,.0f}.")
    return value


_VISITOR = re.compile(r"(?=(?:-*[A-Za-z0-9]){10})[A-Za-z0-9-]{10,64}")
"""At least ten letters and digits: as many as a `wpaicg` site is shown."""


def check_visitor(visitor: object) -> str | None:
    """The visitor's id, if it can be one."""
    if visitor is not None and not (isinstance(visitor, str) and _VISITOR.fullmatch(visitor)):
        raise InvalidConfigError(
            "visitor must be 10 to 64 letters, digits and hyphens, such as str(uuid.uuid4())."
        )
    return visitor
