"""One cookie jar for a client, whatever its transport."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..values.http import Headers

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

__all__ = ["Cookies"]

MOST = 180
"""Cookies that are kept; the first ones of a site go first."""
LONGEST = 4096
"""Bytes of one, with its attributes."""
_UNSENDABLE = re.compile(r"[\x00\r\n]")


class Cookies:
    """Cookies by the browsers' rules (the standard library's jar).

    The jar is made when the first cookie is there: most sites set none, and its import is slow.
    """

    def __init__(self, initial: Mapping[str, str] | CookieJar | None, site: str) -> None:
        self._given: Mapping[str, str] = initial if isinstance(initial, Mapping) else {}
        # A jar of the user's own may hold more, and for other sites: nothing is taken from it.
        self._own = initial is None or isinstance(initial, Mapping)
        self._jar: CookieJar | None = None if isinstance(initial, Mapping) else initial
        self._refusing = False
        self._site = site
        self._lock = threading.RLock()
        self._store_given()

    def _store_given(self) -> None:
        pairs = [("set-cookie", f"{name}={value}; Path=/") for name, value in self._given.items()]
        self.store(self._site, Headers(pairs))

    def header(self, url: str) -> str | None:
        """The `Cookie` header of a request to `url`, or None."""
        jar = self._jar  # Another turn may take it away meanwhile.
        if jar is None:
            return None
        from urllib.request import Request

        request = Request(url)
        with self._lock:
            jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def store(self, url: str, headers: Headers) -> None:
        """Take what a response from `url` sets."""
        values = headers.get_all("set-cookie")
        if not values:
            return
        from email.message import Message
        from http.cookiejar import CookieJar
        from urllib.request import Request

        message = Message()
        for value in values[:MOST]:
            # As browsers do: a NUL would make every later request one that can't be sent.
            if len(value) <= LONGEST and not _UNSENDABLE.search(value):
                message["Set-Cookie"] = value
        response: Any = SimpleNamespace(info=lambda: message)  # As much as the jar asks for.
        with self._lock:
            if self._refusing:
                return
            if self._jar is None:
                self._jar = CookieJar()
            self._jar.extract_cookies(response, Request(url))
            kept = list(self._jar) if self._own else []
            for cookie in kept[: max(0, len(kept) - MOST)]:
                self._jar.clear(cookie.domain, cookie.path, cookie.name)

    def refuse_new(self) -> bool:
        """Forget what the site has set, and take nothing more from it; whether there was any.

        A jar of the user's own stays as it is.
        """
        with self._lock:
            # A value that the site has changed is the site's.
            if not self._own or all(
                each.value == self._given.get(each.name) for each in self._jar or ()
            ):
                return False
            self._jar = None
            self._store_given()
            self._refusing = True
            return True

    def accept_new(self) -> None:
        """Take cookies from the site again."""
        with self._lock:
            self._refusing = False

    def values(self) -> list[str]:
        """The value of every cookie, for what must not show."""
        with self._lock:
            return [cookie.value or "" for cookie in self._jar or ()]
