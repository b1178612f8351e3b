"""HTTP behind two seams (`base`), one blocking and one for event loops; here one is chosen."""

from __future__ import annotations

import inspect
import os
import re
from typing import Any, TypeGuard

from ..errors import Hint, InvalidConfigError, MissingRequirementsError
from ..values.checks import check_transport
from .base import AsyncResponse, AsyncTransport, Response, Transport

__all__ = [
    "AsyncResponse", "AsyncTransport", "Response", "Transport", "is_async", "select",
    "select_async",
]  # fmt: skip

_CURL_CFFI = (0, 16)


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
    """The blocking transport that a client's arguments name.

    Args:
        transport: "requests", "curl_cffi", or "auto" for curl_cffi on the default site, as its
            users expect, and requests everywhere else; or an object with `send()` and `close()`,
            which is used as it is (the other arguments are not checked then).
        default_site: whether the site is the default one.
        impersonate: the browser that curl_cffi looks like; None to look like none.
        proxy, verify, trust_env, max_headers: see `RequestsTransport` and `CurlTransport`.

    Raises:
        InvalidConfigError: an argument can't be used.
        MissingRequirementsError: the package that it needs is not installed, or too old.
    """
    check_transport(transport, impersonate=impersonate, proxy=proxy, verify=verify)
    if not isinstance(transport, str):
        if is_async(transport):
            raise InvalidConfigError(
                "transport is an object for event loops; here one with send() and close() is"
                " needed."
            )
        return transport
    options: dict[str, Any] = {
        "proxy": proxy, "verify": verify, "trust_env": trust_env, "max_headers": max_headers,
    }  # fmt: skip
    if transport == "curl_cffi" or (transport == "auto" and default_site):
        return _curl_transport(impersonate=impersonate, **options)
    return _requests_transport(**options)


def select_async(
    transport: str | Transport | AsyncTransport,
    *,
    default_site: bool,
    impersonate: str | None,
    proxy: str | None,
    verify: bool | str | os.PathLike[str],
    trust_env: bool,
    max_headers: int,
) -> AsyncTransport | Transport:
    """The transport that an asynchronous client's arguments name.

    Args:
        transport: "curl_cffi"; "auto" for curl_cffi that looks like `impersonate` on the default
            site, and like no browser everywhere else; "requests" for a blocking transport, to be
            driven in threads; or an object with `send()` and `aclose()`, or a blocking one, which
            is used as it is.
        default_site, impersonate, proxy, verify, trust_env, max_headers: see `select`.

    Raises:
        InvalidConfigError: an argument can't be used.
        MissingRequirementsError: the package that it needs is not installed, or too old.
    """
    check_transport(transport, impersonate=impersonate, proxy=proxy, verify=verify)
    if not isinstance(transport, str):
        return transport
    options: dict[str, Any] = {
        "proxy": proxy, "verify": verify, "trust_env": trust_env, "max_headers": max_headers,
    }  # fmt: skip
    if transport == "requests":
        return _requests_transport(**options)
    if transport == "auto" and not default_site:
        impersonate = None
    return _curl_hub(impersonate=impersonate, **options)


def is_async(transport: Transport | AsyncTransport) -> TypeGuard[AsyncTransport]:
    """Tell whether `transport` is one for event loops: its `send()` is a coroutine function.

    Where that can't be seen, having `aclose()` and no `close()` tells.
    """
    if inspect.iscoroutinefunction(transport.send):
        return True
    return hasattr(transport, "aclose") and not hasattr(transport, "close")


def _requests_transport(**options: Any) -> Transport:
    try:
        from .plain.transport import RequestsTransport
    except ImportError as error:
        raise _missing("requests", error) from error
    return RequestsTransport(**options)


def _curl_transport(**options: Any) -> Transport:
    _check_curl_cffi()
    try:
        from .curl.transport import CurlTransport
    except ImportError as error:
        raise _missing("curl_cffi", error) from error
    return CurlTransport(**options)


def _curl_hub(**options: Any) -> AsyncTransport:
    _check_curl_cffi()
    try:
        from .curl.hub import CurlHub
    except ImportError as error:
        raise _missing("curl_cffi", error) from error
    return CurlHub(**options)


def _check_curl_cffi() -> None:
    """Raise MissingRequirementsError where curl_cffi is missing or too old for its handles."""
    try:
        import curl_cffi
    except ImportError as error:
        raise _missing("curl_cffi", error) from error
    version = getattr(curl_cffi, "__version__", "")
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < _CURL_CFFI:
        floor = ".".join(map(str, _CURL_CFFI))
        raise MissingRequirementsError(
            f"The transport 'curl_cffi' needs curl_cffi {floor} or newer; installed is"
            f" {version or 'an older one'}.",
            hint=Hint(command=f"pip install -U 'curl_cffi>={floor}'", purpose="to update it"),
        )


def _missing(name: str, error: ImportError) -> MissingRequirementsError:
    return MissingRequirementsError(
        f"The transport {name!r} needs the package {name}, which can't be imported ({error}).",
        hint=Hint(command=f"pip install {name}", purpose="to install it"),
    )
