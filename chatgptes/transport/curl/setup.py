"""A request put into the options of a handle: looks, headers, body, proxy, TLS."""

from __future__ import annotations

import functools
import os
from typing import Any, NamedTuple

from ..._version import __version__
from ...errors import InvalidConfigError
from ...values.http import Request
from ...values.proxy import Proxy
from ..settings import Routes, ca_path, explain, header_lines
from .handle import Handle, is_target, known_targets, option, resolve_target
from .looks import look

__all__ = ["Settings"]

_SMALL = 16 << 10  # The least that libcurl takes.
_HTTP_1_1 = 2  # CURL_HTTP_VERSION_1_1
_HONEST = {"user-agent": f"chatgptes/{__version__}", "accept": "*/*"}


class _Shape(NamedTuple):
    """The facts that the options of a handle depend on, but for those that every request sets."""

    method: str
    with_body: bool
    small: bool
    secure: bool
    proxy: Proxy | None


class Settings:
    """The arguments of a transport over libcurl.

    Attributes:
        target: the browser that it looks like, as libcurl names it; None to look like none.
        max_headers: bytes of a response's headers that are taken.
    """

    def __init__(
        self,
        *,
        impersonate: str | None = "chrome",
        proxy: str | None = None,
        verify: bool | str | os.PathLike[str] = True,
        trust_env: bool = True,
        max_headers: int = 256 << 10,
    ) -> None:
        """Check and keep the settings; nothing is opened.

        Args:
            impersonate: the browser to look like: one of curl_cffi's targets ("chrome",
                "firefox", "safari180", …); None to say honestly who asks.
            proxy: URL of an http, https, socks5 or socks5h proxy, with user name and password if
                it wants them; None for the environment's, if `trust_env`.
            verify: True to check certificates against certifi's (or, if `trust_env`, what
                `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` or `SSL_CERT_FILE` names), the path of a CA
                file or directory to check against that, False to check nothing.
            trust_env: heed the environment, which is read now and not again.
            max_headers: bytes of a response's headers that are taken; libcurl itself takes no
                more than 300 KiB.

        Raises:
            InvalidConfigError: the target, the proxy or the CA path can't be used.
        """
        self.arguments = {
            "impersonate": impersonate, "proxy": proxy, "verify": verify,
            "trust_env": trust_env, "max_headers": max_headers,
        }  # fmt: skip
        self.target = None if impersonate is None else _checked(impersonate)
        self.max_headers = max_headers
        self._routes = Routes.read(proxy, trust_env)
        self._verify, self._trust_env = verify, trust_env
        self._ca = ca_path(verify, trust_env)
        self._options = functools.lru_cache(maxsize=32)(self._make_options)
        self._lines = functools.lru_cache(maxsize=8)(_make_lines)  # Few: they may be secret.

    def __repr__(self) -> str:
        return self.__dict__.get("target") or "honest"

    def route(self, request: Request) -> Proxy | None:
        """The proxy that `request` goes through.

        Raises:
            InvalidConfigError: the environment names one that can't be used.
        """
        return self._routes.route(request.url)

    def explain(self, error: Exception) -> None:
        """Say in a `TLSError` that a CA variable of the environment was passed over."""
        explain(error, self._verify, self._trust_env)

    def header_lines(self, request: Request) -> tuple[bytes, ...]:
        """The header lines of `request`, for libcurl.

        Raises:
            InvalidConfigError: a name or value that would break out of its line.
        """
        return self._lines(
            tuple(request.headers.items()),
            request.body is not None or request.method == "POST",
            tuple((_HONEST if self.target is None else look(request, self.target)).items()),
        )

    def apply(
        self,
        handle: Handle,
        request: Request,
        lines: tuple[bytes, ...],
        connect_limit: float | None,
    ) -> None:
        """Set `handle` up for `request`.

        Args:
            lines: what `header_lines` made.
            connect_limit: seconds that connecting may take.

        Raises:
            CurlError: libcurl refuses something.
        """
        body = request.body
        if body is None and request.method == "POST":
            body = b""
        handle.configure(
            self.target,
            self._options(
                _Shape(
                    request.method,
                    body is not None,
                    body is None or len(body) <= _SMALL,
                    request.url.startswith("https:"),
                    self.route(request),
                )
            ),
        )
        handle.describe(request.url.encode(), lines, body, connect_limit)

    def _make_options(self, shape: _Shape) -> tuple[tuple[int, Any], ...]:
        options: dict[str, int | str | bytes | None] = {
            "NOSIGNAL": 1,
            "QUICK_EXIT": 1,  # A cancel must not wait for the resolver's thread.
            "ACCEPT_ENCODING": "gzip, deflate, br, zstd",
        }
        if shape.method == "POST":
            options["POST"] = 1
        elif shape.with_body:
            options["CUSTOMREQUEST"] = shape.method
        if shape.small:
            # libcurl's own 64 KiB stay with an open stream: 102 KB a stream, with this 63
            # (benchmarks/footprint.py).
            options["UPLOAD_BUFFERSIZE"] = _SMALL
        if not shape.secure:
            # Some targets would ask for h2c, an upgrade that no browser asks for.
            options["HTTP_VERSION"] = _HTTP_1_1
        options |= _proxy_options(shape.proxy) | self._tls_options()
        return tuple(option(name, value) for name, value in options.items())

    def _tls_options(self) -> dict[str, int | str | bytes | None]:
        ca = self._ca
        if ca is None:
            names = ("SSL_VERIFYPEER", "SSL_VERIFYHOST", "PROXY_SSL_VERIFYPEER",
                     "PROXY_SSL_VERIFYHOST")  # fmt: skip
            return dict.fromkeys(names, 0)
        # libcurl on Windows opens files by names in the system's own encoding.
        path = ca.encode("mbcs") if os.name == "nt" else ca
        if os.path.isdir(ca):
            return {"CAINFO": None, "PROXY_CAINFO": None, "CAPATH": path, "PROXY_CAPATH": path}
        return {"CAINFO": path, "PROXY_CAINFO": path}


def _make_lines(
    headers: tuple[tuple[str, str], ...], with_body: bool, looks: tuple[tuple[str, str], ...]
) -> tuple[bytes, ...]:
    own = {name.lower(): (name, value) for name, value in header_lines(headers)}
    lines = [
        f"{name}: {value}".encode("latin-1", "replace") if value else f"{name}:".encode()
        for name, value in looks
        if name not in own
    ]
    # libcurl would wait for a "100 Continue", and would name a type for any body.
    lines.append(b"Expect:")
    if with_body and "content-type" not in own:
        lines.append(b"Content-Type:")
    for name, value in own.values():
        # ";" is how libcurl is told of a header without a value.
        lines.append(name.encode() + (b": " + value if value else b";"))
    return tuple(lines)


def _proxy_options(proxy: Proxy | None) -> dict[str, int | str | bytes | None]:
    # Both set even where empty: else libcurl reads the environment by itself.
    if proxy is None:
        return {"PROXY": "", "NOPROXY": ""}
    options: dict[str, int | str | bytes | None] = {
        "PROXY": proxy.address, "NOPROXY": "", "SUPPRESS_CONNECT_HEADERS": 1,
    }  # fmt: skip
    if proxy.username is not None or proxy.password is not None:
        options["PROXYUSERNAME"] = (proxy.username or "").encode()
        options["PROXYPASSWORD"] = (proxy.password or "").encode()
    return options


def _checked(impersonate: str) -> str:
    """The target that `impersonate` names."""
    if isinstance(impersonate, str) and impersonate:
        target = resolve_target(impersonate)
        if is_target(target):
            return target
    few = ", ".join(dict.fromkeys(known_targets()[:6]))
    raise InvalidConfigError(
        f"impersonate names a browser that this version of curl_cffi does not know:"
        f" {impersonate!r}. It knows {few} and others."
    )
