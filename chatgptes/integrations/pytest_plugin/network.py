"""The site of a test as the default site, and no other site reached."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from ...errors import InvalidConfigError
from ...shared import ClientCache, using_cache
from ...turn.guard import default_site, guarded_by
from ...values.urls import origin

if TYPE_CHECKING:
    from ...turn.config import ClientArguments

__all__ = ["default_is", "guarded"]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@contextmanager
def guarded(allowed: Iterable[str]) -> Iterator[list[str]]:
    """Stop requests to hosts other than this machine and `allowed`, with `www.` or without.

    Gives the origins of stopped requests; the list grows, as programs may swallow the error.
    """
    hosts = {host.lower().removeprefix("www.") for host in allowed}
    stopped: list[str] = []

    def check(url: str) -> None:
        host = urlsplit(url).hostname or ""
        if host.removeprefix("www.") in hosts or _is_loopback(host):
            return
        stopped.append(origin(url))
        raise InvalidConfigError(
            f"{origin(url)} is not this test's site: chatgptes' pytest plugin stopped the request."
            " Give the program chatgptes_site.url; or make its client inside the test; or allow"
            " the host: @pytest.mark.chatgptes(allow=[…])."
        )

    with guarded_by(check):
        yield stopped


@contextmanager
def default_is(arguments: ClientArguments, clients: ClientCache) -> Iterator[None]:
    """In this block, programs that name no site, or chatgpt.es, get that of `arguments`.

    No setting of the user applies to the command line, and no proxy to this machine.

    Args:
        arguments: the site, and the bot and the key for the command line's environment.
        clients: the cache of `chatgptes.chat()`.
    """
    with (
        default_site(arguments["site"]),
        using_cache(clients),
        pytest.MonkeyPatch.context() as patch,
    ):
        for name in list(os.environ):
            if name.startswith("CHATGPTES_") and not name.startswith("CHATGPTES_TEST_"):
                patch.delenv(name)
        for name in ("site", "bot", "api_key"):
            if (value := arguments.get(name)) is not None:
                patch.setenv(f"CHATGPTES_{name.upper()}", str(value))
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1,localhost", prepend=",")
        yield
