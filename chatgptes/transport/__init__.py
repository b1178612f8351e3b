"""HTTP behind two seams (`base`), one blocking and one for event loops; here one is chosen."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import Hint, MissingRequirementsError
from .base import AsyncResponse, AsyncTransport, Response, Transport

if TYPE_CHECKING:
    from typing_extensions import TypeIs

__all__ = [
    "AsyncResponse", "AsyncTransport", "Response", "Transport", "is_async", "select",
    "select_async",
]  # fmt: skip

_CURL_CFFI = (0, 16)


def select(
    transport: str | Transport, *, default_site: bool, impersonate: str | None, **settings: Any
) -> Transport:
    """The blocking transport that a client's arguments, checked before, name.

    Args:
        transport: "requests", "curl_cffi", or "auto" for curl_cffi on the default site, as its
            users expect, and requests everywhere else; or an object with `send()` and `close()`,
            which is used as it is.
        default_site: whether the site is the default one.
        impersonate: the browser that curl_cffi looks like; None to look like none.
        settings: see `Settings`.

    Raises:
        InvalidConfigError: an argument can't be used.
        MissingRequirementsError: the package that it needs is not installed, or too old.
    """
    if not isinstance(transport, str):
        return transport
    if transport == "requests" or (transport == "auto" and not default_site):
        return _requests_transport(settings)
    with _needing("curl_cffi"):
        _check_curl_cffi()
        from .curl.transport import CurlTransport
    return CurlTransport(impersonate=impersonate, **settings)


def select_async(
    transport: str | Transport | AsyncTransport,
    *,
    default_site: bool,
    impersonate: str | None,
    **settings: Any,
) -> AsyncTransport | Transport:
    """The transport that an asynchronous client's arguments, checked before, name.

    Args:
        transport: "curl_cffi"; "auto" for curl_cffi that looks like `impersonate` on the default
            site, and like no browser everywhere else; "requests" for a blocking transport, to be
            driven in threads; or an object with `send()` and `aclose()`, or a blocking one.
        default_site, impersonate, settings: as for `select`; its errors, too.
    """
    if not isinstance(transport, str):
        return transport
    if transport == "requests":
        return _requests_transport(settings)
    with _needing("curl_cffi"):
        _check_curl_cffi()
        from .curl.hub import CurlHub
    honest = transport == "auto" and not default_site
    return CurlHub(impersonate=None if honest else impersonate, **settings)


def is_async(transport: Transport | AsyncTransport) -> TypeIs[AsyncTransport]:
    """Tell whether `transport` is one for event loops: its `send()` is a coroutine function.

    Where that can't be seen, having `aclose()` and no `close()` tells.
    """
    if inspect.iscoroutinefunction(transport.send):
        return True
    return hasattr(transport, "aclose") and not hasattr(transport, "close")


def _requests_transport(settings: dict[str, Any]) -> Transport:
    with _needing("requests"):
        from .plain.transport import RequestsTransport
    return RequestsTransport(**settings)


@contextmanager
def _needing(package: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingRequirementsError(
            f"The transport {package!r} needs the package {package}, which can't be imported"
            f" ({error}).",
            hint=Hint(command=f"pip install {package}", purpose="to install it"),
        ) from error


def _check_curl_cffi() -> None:
    """Raise MissingRequirementsError where curl_cffi is too old for its handles."""
    import curl_cffi

    version = getattr(curl_cffi, "__version__", "")
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < _CURL_CFFI:
        floor = ".".join(map(str, _CURL_CFFI))
        raise MissingRequirementsError(
            f"The transport 'curl_cffi' needs curl_cffi {floor} or newer; installed is"
            f" {version or 'an older one'}.",
            hint=Hint(command=f"pip install -U 'curl_cffi>={floor}'", purpose="to update it"),
        )
