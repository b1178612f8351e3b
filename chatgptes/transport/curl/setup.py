"""A request put into the options of a handle: looks, headers, body, proxy, TLS."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..._version import __version__
from ...values.http import Request
from ...values.proxy import Proxy
from ...values.urls import origin
from ..settings import Settings, header_lines
from .handle import Handle, option, resolve_target

__all__ = ["CurlSettings"]

_SMALL = 16 << 10  # The least that libcurl takes.
_HTTP_1_1 = 2  # CURL_HTTP_VERSION_1_1


class CurlSettings(Settings):
    """The arguments of a transport over libcurl."""

    def __init__(self, *, impersonate: str | None = "chrome", **options: Any) -> None:
        """Check and keep the arguments; nothing is opened.

        Args:
            impersonate: the browser to look like: one of curl_cffi's targets ("chrome",
                "firefox", "safari180", …); None to say honestly who asks.
            options: see `Settings`; its errors, too.
        """
        super().__init__(**options)
        self.arguments["impersonate"] = impersonate
        self.target = None if impersonate is None else resolve_target(impersonate)
        self._options = functools.lru_cache(maxsize=32)(self._make_options)
        self._lines = functools.lru_cache(maxsize=8)(_make_lines)  # Few: they may be secret.

    def header_lines(self, request: Request) -> tuple[bytes, ...]:
        """The header lines of `request`, for libcurl."""
        return self._lines(
            tuple(request.headers.items()),
            request.method,
            request.mode,
            origin(request.url),
            request.referrer,
            self.target,
        )

    def apply(
        self,
        handle: Handle,
        request: Request,
        lines: tuple[bytes, ...],
        proxy: Proxy | None,
        connect_limit: float | None,
    ) -> None:
        """Set `handle` up for `request`, with what else is known of it."""
        body = request.body or b"" if request.method == "POST" else None
        options = self._options(
            body is not None,
            body is None or len(body) <= _SMALL,
            request.url.startswith("https:"),
            proxy,
        )
        handle.configure(self.target, options)
        handle.describe(request.url.encode(), lines, body, connect_limit)

    def _make_options(
        self, post: bool, small: bool, secure: bool, proxy: Proxy | None
    ) -> tuple[tuple[int, Any], ...]:
        """The options of a handle, but for those that every request sets."""
        options: dict[str, int | str | bytes | None] = {
            "NOSIGNAL": 1,
            "QUICK_EXIT": 1,  # A cancel must not wait for the resolver's thread.
            "ACCEPT_ENCODING": "gzip, deflate, br, zstd",
        }
        if post:
            options["POST"] = 1
        if small:
            # libcurl's own 64 KiB stay with an open stream: 102 KB a stream, with this 63
            # (benchmarks/footprint.py).
            options["UPLOAD_BUFFERSIZE"] = _SMALL
        if not secure:
            # Some targets would ask for h2c, an upgrade that no browser asks for.
            options["HTTP_VERSION"] = _HTTP_1_1
        options |= _proxy_options(proxy) | self._tls_options()
        return tuple(option(name, value) for name, value in options.items())

    def _tls_options(self) -> dict[str, int | str | bytes | None]:
        ca = self.ca
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
    headers: tuple[tuple[str, str], ...],
    method: str,
    mode: str,
    here: str,
    referrer: str | None,
    target: str | None,
) -> tuple[bytes, ...]:
    looks: Mapping[str, str] = {}
    if target is None:
        looks = {"user-agent": f"chatgptes/{__version__}", "accept": "*/*"}
    elif mode == "fetch":
        looks = _look_of_fetch(method, here, referrer, target)
    own = {name.lower(): (name, value) for name, value in header_lines(headers)}
    lines = [
        f"{name}: {value}".encode("latin-1", "replace") if value else f"{name}:".encode()
        for name, value in looks.items()
        if name not in own
    ]
    # libcurl would wait for a "100 Continue", and would name a type for any body.
    lines.append(b"Expect:")
    if method == "POST" and "content-type" not in own:
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


# Since which version a browser sends a `priority` header, and what it says for a fetch.
_PRIORITY = {"chrome": (124, "u=1, i"), "firefox": (128, "u=4"), "safari": (18, "u=3, i")}
_FETCH_METADATA = {"chrome": 76, "edge": 79, "firefox": 90, "safari": 17, "tor": 102}


def _look_of_fetch(method: str, here: str, referrer: str | None, target: str) -> Mapping[str, str]:
    """Headers (names in lower case) to put over those of `target`; "" takes one away.

    curl_cffi's targets describe a navigation.  These are the few headers that differ for a fetch of
    the page's script, set only where the browser in question sends them; all else, and their order,
    stays curl_cffi's.
    """
    headers = {"accept": "*/*", "upgrade-insecure-requests": "", "sec-fetch-user": ""}
    family, version = _browser(target)
    page = here if referrer is None else origin(referrer)
    if family in _FETCH_METADATA and version >= _FETCH_METADATA[family]:
        # `may_send` lets nothing but `www.` and the step to https differ.
        same = here.partition(":")[0] == page.partition(":")[0]
        other = "same-site" if same else "cross-site"
        headers["sec-fetch-site"] = "same-origin" if here == page else other
        headers["sec-fetch-mode"] = "cors"
        headers["sec-fetch-dest"] = "empty"
    if family in _PRIORITY and version >= _PRIORITY[family][0]:
        headers["priority"] = _PRIORITY[family][1]
    if referrer is not None and here == page:
        if method == "POST":
            headers["origin"] = page
        parts = urlsplit(referrer)
        netloc = parts.netloc.rpartition("@")[2]  # No user name, and no password.
        headers["referer"] = urlunsplit(parts._replace(netloc=netloc, fragment=""))
    return headers


def _browser(target: str) -> tuple[str, int]:
    found = re.match(r"([a-z]+)(\d*)", target)
    family, digits = (found[1], found[2]) if found else ("", "")
    if family == "safari":
        digits = digits[:2]  # safari155 is 15.5, safari2601 is 26.0.1
    return family, int(digits or 0)
