"""Settings of all transports: proxies, certificates, headers; read once, at construction."""

from __future__ import annotations

import functools
import ipaddress
import os
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from ..errors import InvalidConfigError, TLSError
from ..values.proxy import DEFAULT_PORTS, Proxy

__all__ = ["BuiltIn", "Routes", "Settings", "ca_path", "header_lines"]

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Settings:
    """The arguments of a built-in transport.

    Attributes:
        arguments: they, as they were given.
        routes, ca: see `Routes.read` and `ca_path`.
        max_headers: bytes of a response's headers that are read.
        target: the browser that it looks like; None to look like none.
    """

    target: str | None = None

    def __init__(
        self,
        *,
        proxy: str | None = None,
        verify: bool | str | os.PathLike[str] = True,
        trust_env: bool = True,
        max_headers: int = 256 << 10,
    ) -> None:
        """Check and keep the arguments; nothing is opened.

        Args:
            proxy: URL of an http, https, socks5 or socks5h proxy, with user name and password if
                it wants them; None for the environment's, if `trust_env`.
            verify: True to check certificates against certifi's (or, if `trust_env`, what
                `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` or `SSL_CERT_FILE` names), the path of a CA
                file or directory to check against that, False to check nothing.
            trust_env: heed the environment, which is read now and not again.
            max_headers: bytes of a response's headers that are read (by libcurl no more than
                300 KiB).

        Raises:
            InvalidConfigError: the proxy or the CA path can't be used.
        """
        self.arguments: dict[str, Any] = {
            "proxy": proxy, "verify": verify, "trust_env": trust_env, "max_headers": max_headers,
        }  # fmt: skip
        self.max_headers = max_headers
        self.routes = Routes.read(proxy, trust_env)
        self.ca = ca_path(verify, trust_env)

    def explain(self, error: Exception) -> None:
        """Say in a `TLSError` that a CA variable of the environment was passed over."""
        if not isinstance(error, TLSError) or self.arguments["verify"] is not True:
            return
        for name, path in _ca_variables(self.arguments["trust_env"]):
            if os.path.exists(path) or name in str(error):
                return
            error.args = (
                f"{error} {name} names a file that does not exist, {path[:200]!r}: unused.",
            )


class BuiltIn:
    """The base of the library's transports: no cookies, no redirects, no retries, no netrc.

    Usable from many threads at once, picklable (as its arguments), and usable after a fork (the
    child opens its own connections).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closed = False

    def __repr__(self) -> str:
        name = type(self).__name__
        if "_closed" not in self.__dict__:
            return f"<{name}, not made>"
        looks = f" {self._settings.target}" if self._settings.target else ""
        return f"<{name}{looks}{' closed' if self._closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(type(self), **self._settings.arguments), ()


@dataclass(frozen=True, slots=True)
class Routes:
    """Which proxy a URL goes through, if any.

    Attributes:
        proxies: by the URL's scheme, or under "all"; for one of the environment that can't be
            used, the text that says why.
        exceptions: what `NO_PROXY` says, split; empty for a proxy that was given by argument.
    """

    proxies: Mapping[str, Proxy | str] = field(default_factory=dict)
    exceptions: tuple[str, ...] = ()

    @classmethod
    def read(cls, proxy: str | None, trust_env: bool) -> Routes:
        """The routes for an argument `proxy`, or, without one, those of the environment."""
        if proxy is not None:
            return cls({"all": Proxy.parse(proxy)})
        if not trust_env:
            return cls()
        found = getproxies_environment()
        proxies: dict[str, Proxy | str] = {}
        for scheme in ("http", "https", "all"):
            if found.get(scheme):
                try:
                    proxies[scheme] = Proxy.parse(found[scheme], _variable(scheme))
                except InvalidConfigError as error:
                    # Desktops set `all_proxy=socks://…`, which matters to few requests.
                    proxies[scheme] = str(error)
        # curl splits at blanks, too, and requests at commas only; desktops write semicolons.
        rules = re.split(r"[,;\s]+", found.get("no", "").lower())
        return cls(proxies, tuple(rule for rule in rules if rule))

    def route(self, url: str) -> Proxy | None:
        """The proxy for `url`, or None for a direct connection.

        Raises:
            InvalidConfigError: the environment names one that can't be used.
        """
        if not self.proxies:
            return None
        parts = urlsplit(url)
        proxy = self.proxies.get(parts.scheme) or self.proxies.get("all")
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        if proxy is None or any(_excepts(rule, host, port) for rule in self.exceptions):
            return None
        if isinstance(proxy, str):
            raise InvalidConfigError(
                f"{proxy} Correct it, name the host in NO_PROXY, or give proxy= or trust_env=False."
            )
        return proxy


def _variable(scheme: str) -> str:
    """The name of the variable that `getproxies_environment` has read: lower case comes first."""
    name = f"{scheme}_proxy"
    return name if os.environ.get(name) else name.upper()


def _excepts(rule: str, host: str, port: int) -> bool:
    """Tell whether an entry of `NO_PROXY` (a name, an address, a network) names `host`.

    For all transports, and so for curl's readers and those of requests: a port, which curl does
    not know, narrows an entry.
    """
    if rule == "*":
        return True
    network = _network(rule)
    if network is None:
        name, _, digits = rule.rpartition(":")
        if digits.isdecimal():
            if int(digits) != port:
                return False
            rule = name
        rule = rule.strip("[]")
        network = _network(rule)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        rule = rule.removeprefix("*").strip(".")
        return bool(rule) and (host == rule or host.endswith("." + rule))
    return network is not None and address in network


def _network(rule: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return None


def ca_path(verify: bool | str | os.PathLike[str], trust_env: bool) -> str | None:
    """The file or directory with the trusted certificates; None to verify nothing.

    Raises:
        InvalidConfigError: `verify` is a path where nothing is, or no certificates can be read
            from the file that it, or a variable, names.
    """
    if verify is False:
        return None
    if verify is True:
        for name, path in _ca_variables(trust_env):
            if os.path.exists(path):
                return _readable(path, name)
        import certifi  # Comes with requests and with curl_cffi.

        return certifi.where()
    path = os.fspath(verify)
    if not os.path.exists(path):
        raise InvalidConfigError(f"verify names a CA file or directory that does not exist: {path}")
    return _readable(path, "verify")


def _ca_variables(trust_env: bool) -> Iterator[tuple[str, str]]:
    for name in _CA_VARIABLES if trust_env else ():
        if path := os.environ.get(name):
            yield name, path


def _readable(path: str, source: str) -> str:
    if not os.path.isdir(path) and not _has_certificates(path, os.stat(path).st_mtime_ns):
        raise InvalidConfigError(f"{source}: no certificates can be read from {path}.")
    return path


@functools.lru_cache(maxsize=8)  # Reading a bundle takes 15 ms, twenty times all else of a client.
def _has_certificates(path: str, changed: int) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        return False
    return True


_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE = re.compile(r"[\x00\r\n]")


def header_lines(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """A request's headers, values as bytes (latin-1, else UTF-8).

    Raises:
        InvalidConfigError: a name or value that would break out of its line.
    """
    for name, value in headers:
        if not _NAME.fullmatch(name):
            raise InvalidConfigError(f"A header can't be named {name!r}.")
        if _BAD_IN_VALUE.search(value):
            raise InvalidConfigError(f"The header {name} holds a line break or a NUL.")
        try:
            yield name, value.strip().encode("latin-1")
        except UnicodeEncodeError:
            yield name, value.strip().encode("utf-8", "replace")
