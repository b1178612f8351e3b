"""Blocking HTTP behind one seam (`base`), in two kinds; this is where one is chosen."""

from __future__ import annotations

import inspect
import os
from typing import Any, TypeGuard

from ..errors import MissingRequirementsError
from ..values.checks import check_transport
from .base import AsyncResponse, AsyncTransport, Response, Transport

__all__ = [
    "AsyncResponse",
    "AsyncTransport",
    "Response",
    "Transport",
    "is_async",
    "select",
    "select_async",
]


def select(
    transport: str | Transport,
    *,
    default_site: bool,
    impersonate: str | None,
    proxy: str | None,
    verify: bool | str | os.PathLike[str],
    trust_env: bool,
    max_headers: int,
) -> Transport:
    """The transport that a client's arguments name.

    Args:
        transport: "requests", "curl_cffi", or "auto" for curl_cffi on the default site, as its
            users expect, and requests everywhere else; or an object with `send()` and `close()`,
            which is used as it is (the other arguments are then its own affair).
        default_site: whether the site is the default one.
        impersonate: the browser that curl_cffi looks like.
        proxy, verify, trust_env, max_headers: see `RequestsTransport` and `CurlTransport`.

    Raises:
        InvalidConfigError: an argument can't be used.
        MissingRequirementsError: the package that it needs is not installed.
    """
    check_transport(transport, impersonate=impersonate, proxy=proxy, verify=verify)
    if not isinstance(transport, str):
        return transport
    name = transport
    if name == "auto":
        name = "curl_cffi" if default_site else "requests"
    options: dict[str, Any] = {
        "proxy": proxy, "verify": verify, "trust_env": trust_env, "max_headers": max_headers,
    }  # fmt: skip
    try:
        if name == "requests":
            from .plain.transport import RequestsTransport

            return RequestsTransport(**options)
        from .curl.transport import CurlTransport

        return CurlTransport(impersonate=impersonate, **options)
    except ImportError as error:
        raise MissingRequirementsError(
            f"The transport {name!r} needs the package {name}, which can't be imported"
            f" ({error}). `pip install {name}` installs it; `pip install chatgptes` brings"
            " both transports."
        ) from error


def is_async(transport: object) -> TypeGuard[AsyncTransport]:
    """Whether `transport` is one for event loops."""
    return inspect.iscoroutinefunction(getattr(transport, "send", None))


def select_async(
    transport: str | Transport | AsyncTransport, **options: Any
) -> AsyncTransport | Transport:
    """The transport that an async client's arguments name; arguments and errors as `select`."""
    if is_async(transport):
        return transport
    if not isinstance(transport, str) or transport == "requests":
        return select(transport, **options)
    from .curl.hub import CurlHub

    default = options.pop("default_site")
    if transport == "auto" and not default:
        options["impersonate"] = None
    return CurlHub(**options)
