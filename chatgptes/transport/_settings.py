"""What both transports are told: proxies, certificates, headers; checked once, at construction."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies_environment

from ..errors import InvalidConfigError
from ..http import Request

__all__ = ["Proxy", "Routes", "ca_path", "header_lines"]

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_BLANK = re.compile(r"[\s\x00-\x20]")
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy is.

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

        Raises:
            InvalidConfigError: a scheme that is not known, no host, or a bad port.
        """
        # The URL may hold a password: no error may quote it, nor have the parser's for a context.
        wanted = f"{source} must be a URL such as http://host:port or socks5h://host:port"
        if not isinstance(text, str):
            raise InvalidConfigError(f"{wanted}, not {type(text).__name__}.")
        text = text.strip()
        parts = _split(text if "://" in text else f"http://{text}")
        if parts is None:
            raise InvalidConfigError(f"{wanted}; this one has no host that can be read.")
        if parts.scheme not in _DEFAULT_PORTS:
            known = ", ".join(_DEFAULT_PORTS)
            raise InvalidConfigError(
                f"{wanted}; the scheme {parts.scheme[:20]!r} is none of {known}."
            )
        port = _port(parts)
        if port == 0:
            raise InvalidConfigError(f"{wanted}; its port must be a number from 1 to 65535.")
        login = [
            None if word is None else unquote(word) for word in (parts.username, parts.password)
        ]
        # One byte says how long they are: RFC 1929.
        if parts.scheme.startswith("socks") and any(len((w or "").encode()) > 255 for w in login):
            raise InvalidConfigError(
                f"{wanted}; SOCKS takes a user name and password of at most 255 bytes."
            )
        return cls(parts.scheme, parts.hostname or "", port, *login)

    @property
    def socks(self) -> bool:
        return self.scheme.startswith("socks")

    def forwards(self, url: str) -> bool:
        """It reads the request for `url` itself, where it would else only pass bytes on."""
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


def _split(text: str) -> SplitResult | None:
    """`text` as a URL, or None if it is none with a host."""
    try:
        parts = urlsplit(text)
        return parts if parts.hostname and not _BLANK.search(text) else None
    except ValueError:
        return None


def _port(parts: SplitResult) -> int:
    """The port that a URL names or implies; 0 for none that can be."""
    try:
        return _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        return 0


@dataclass(frozen=True, slots=True)
class Routes:
    """Which proxy a URL goes through, if any.

    Attributes:
        proxies: by the URL's scheme, or under "all".
        exceptions: what `NO_PROXY` says, split; empty for a proxy that was given by argument.
    """

    proxies: dict[str, Proxy] = field(default_factory=dict)
    exceptions: tuple[str, ...] = ()

    @classmethod
    def read(cls, proxy: str | None, trust_env: bool) -> Routes:
        """The routes for an argument `proxy`, or, without one, those of the environment.

        Raises:
            InvalidConfigError: a proxy URL that can't be used.
        """
        if proxy is not None:
            return cls({"all": Proxy.parse(proxy)})
        if not trust_env:
            return cls()
        found = getproxies_environment()
        proxies = {
            scheme: Proxy.parse(found[scheme], f"the environment's {scheme.upper()}_PROXY")
            for scheme in ("http", "https", "all")
            if found.get(scheme)
        }
        rules = (rule.strip().lower() for rule in found.get("no", "").split(","))
        return cls(proxies, tuple(rule for rule in rules if rule))

    def route(self, url: str) -> Proxy | None:
        """The proxy for `url`, or None for a direct connection."""
        if not self.proxies:
            return None
        parts = urlsplit(url)
        proxy = self.proxies.get(parts.scheme) or self.proxies.get("all")
        if proxy is None or not self.exceptions:
            return proxy
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
        return None if any(_excepts(rule, host, port) for rule in self.exceptions) else proxy


def _excepts(rule: str, host: str, port: int) -> bool:
    """Does one entry of `NO_PROXY` (a name and all below it, an address, a network) name `host`?"""
    if rule == "*":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        try:
            return address in ipaddress.ip_network(rule.strip("[]"), strict=False)
        except ValueError:
            pass  # Perhaps an address with a port.
    name, colon, rule_port = rule.rpartition(":")
    if colon and rule_port.isdigit():
        if int(rule_port) != port:
            return False
        rule = name.strip("[]")
    rule = rule.removeprefix("*").lstrip(".")
    return bool(rule) and (host == rule or host.endswith("." + rule))


def ca_path(verify: bool | str | os.PathLike[str], trust_env: bool) -> str | None:
    """The file or directory with the trusted certificates; None to verify nothing.

    `verify=True` means certifi's, unless `trust_env` is on and one of `REQUESTS_CA_BUNDLE`,
    `CURL_CA_BUNDLE`, `SSL_CERT_FILE` names something that exists.

    Raises:
        InvalidConfigError: `verify` is a path where nothing is, or of another type.
    """
    if verify is False:
        return None
    if verify is True:
        for name in _CA_VARIABLES if trust_env else ():
            path = os.environ.get(name)
            if path and os.path.exists(path):
                return path
        import certifi  # Comes with requests and with curl_cffi.

        return certifi.where()
    if not isinstance(verify, (str, os.PathLike)):
        raise InvalidConfigError(
            "verify must be True, False or the path of a CA file or directory,"
            f" not {type(verify).__name__}."
        )
    path = os.fspath(verify)
    if not os.path.exists(path):
        raise InvalidConfigError(f"verify names a CA file or directory that does not exist: {path}")
    if not os.path.isdir(path):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except OSError:
            raise InvalidConfigError(f"verify: no certificates can be read from {path}.") from None
    return path


_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE = re.compile(r"[\x00\r\n]")


def header_lines(request: Request) -> Iterator[tuple[str, bytes]]:
    """The request's headers, values as bytes (latin-1, else UTF-8).

    Raises:
        InvalidConfigError: a name or value that would break out of its line.
    """
    for name, value in request.headers.items():
        if not _NAME.fullmatch(name):
            raise InvalidConfigError(f"A header can't be named {name!r}.")
        if _BAD_IN_VALUE.search(value):
            raise InvalidConfigError(f"The header {name} holds a line break or a NUL.")
        try:
            yield name, value.strip().encode("latin-1")
        except UnicodeEncodeError:
            yield name, value.strip().encode("utf-8", "replace")
