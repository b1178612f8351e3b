"""A proxy's address: read, checked, and shown without its password.

Nothing slow is imported here (ssl, urllib.request): a client checks its arguments before it has
a transport, perhaps on an event loop.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from ..errors import InvalidConfigError

__all__ = ["DEFAULT_PORTS", "Proxy"]

DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_LOGIN_CUT = re.compile(r"[^:/?#]*://[^/?#]*[/?#].*@", re.DOTALL)
"""A login with a character that ends the host's part of a URL, so that a piece of the password
would be taken for the host."""
_BLANK = re.compile(r"[\s\x00-\x20]")


@dataclass(frozen=True, slots=True)
class Proxy:
    """The address of a proxy.

    Attributes:
        scheme: "http", "https", "socks5" (names are resolved here) or "socks5h" (there).
        host: its name or address.
        port: its port; where the URL has none, 80, 443 or 1080 by the scheme.
        username: decoded, or None.
        password: decoded, or None.
    """

    scheme: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, source: str = "proxy") -> Proxy:
        """The proxy that the URL `text` names; without a scheme it is an http one.

        Args:
            source: the argument or variable that it comes from, for the error.
        """
        # The URL may hold a password: no error may quote it, nor have the parser's for a context.
        wanted = f"{source} must be a URL such as http://host:port or socks5h://host:port"
        if not isinstance(text, str):
            raise InvalidConfigError(f"{wanted}, not {type(text).__name__}.")
        text = text.strip()
        full = text if "://" in text else f"http://{text}"
        if _LOGIN_CUT.match(full):
            raise InvalidConfigError(
                f"{wanted}; the characters # ? / of its user name and password must be"
                " percent-encoded: %23 %3F %2F."
            )
        try:
            parts = urlsplit(full)
            host = parts.hostname
        except ValueError:
            host = None
        if not host or _BLANK.search(full):
            raise InvalidConfigError(f"{wanted}; this one has no host that can be read.")
        if parts.scheme not in DEFAULT_PORTS:
            known = ", ".join(DEFAULT_PORTS)
            raise InvalidConfigError(
                f"{wanted}; the scheme {parts.scheme[:20]!r} is none of {known}."
            )
        try:
            port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
        except ValueError:
            port = 0
        if port == 0:
            raise InvalidConfigError(f"{wanted}; its port must be a number from 1 to 65535.")
        login = [word and unquote(word) for word in (parts.username, parts.password)]
        # One byte says how long they are: RFC 1929.
        if parts.scheme.startswith("socks") and any(len((w or "").encode()) > 255 for w in login):
            raise InvalidConfigError(
                f"{wanted}; SOCKS takes a user name and password of at most 255 bytes."
            )
        return cls(parts.scheme, host, port, *login)

    @property
    def socks(self) -> bool:
        """True for a SOCKS proxy."""
        return self.scheme.startswith("socks")

    def forwards(self, url: str) -> bool:
        """Tell whether the proxy reads the request for `url`; otherwise it only passes bytes on."""
        return not self.socks and url.startswith("http:")

    @property
    def address(self) -> str:
        """Its URL without credentials: for errors and logs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """Its URL with credentials, percent-encoded: never for errors and logs."""
        if self.username is None and self.password is None:
            return self.address
        login = quote(self.username or "", safe="")
        if self.password is not None:
            login += ":" + quote(self.password, safe="")
        return self.address.replace("://", f"://{login}@", 1)
