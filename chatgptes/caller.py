"""What a client's caller adds to every request: headers and cookies, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import InvalidConfigError

__all__ = ["HEADER_VALUE", "check_cookies", "headers_of"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_RESERVED = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie",
     "accept-encoding", "origin"}
)  # fmt: skip


def headers_of(headers: Any, authorization: str | None) -> dict[str, str]:
    """The further request headers, names in lower case.

    Raises:
        InvalidConfigError: a name or value no header can have, or one that is not the caller's.
    """
    if headers is None:
        headers = {}
    if not isinstance(headers, Mapping):
        raise InvalidConfigError("headers must map names (str) to values (str).")
    checked = {"authorization": authorization} if authorization is not None else {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InvalidConfigError(f"headers: {name!r} is no header name.")
        if not isinstance(value, str) or not HEADER_VALUE.fullmatch(value):
            raise InvalidConfigError(f"headers: the value of {name!r} is no header value.")
        if name.lower() in _RESERVED:
            raise InvalidConfigError(f"headers: {name!r} is the library's own to set.")
        checked[name.lower()] = value
    return checked


def check_cookies(cookies: Any) -> None:
    """May `cookies` be sent: a mapping of str to str, a `http.cookiejar.CookieJar`, or None?

    Raises:
        InvalidConfigError: they are none of these, or hold what no header can.
    """
    if cookies is None:
        return
    if not isinstance(cookies, Mapping):
        if not callable(getattr(cookies, "add_cookie_header", None)):
            raise InvalidConfigError(
                f"cookies must be a dict or a CookieJar, not {type(cookies).__name__}."
            )
        return
    for name, value in cookies.items():
        if not isinstance(name, str) or not isinstance(value, str) or not name:
            raise InvalidConfigError("cookies must map names (str) to values (str).")
        if any(char in "\r\n\0;," or ord(char) > 126 for char in name + value):
            raise InvalidConfigError(f"The cookie {name!r} has characters no header can hold.")
