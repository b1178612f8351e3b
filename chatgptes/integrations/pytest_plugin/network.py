"""The site of a test as the default site, and no other site reached."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ...errors import InvalidConfigError
from ...shared import ClientCache, using_cache
from ...turn.guard import default_site, guarded_by
from ...values.urls import ascii_url, origin

if TYPE_CHECKING:
    from ...turn.config import ClientArguments

__all__ = ["default_is", "guarded", "hosts_of"]

_OWN = "CHATGPTES_TEST_"


def hosts_of(allow: Any) -> set[str]:
    """Return the hosts that a marker's `allow` names.

    Raises:
        ValueError: it is neither a host nor a list of hosts.
    """
    given = [allow] if isinstance(allow, str) else allow
    if not isinstance(given, (list, tuple)) or not all(
        isinstance(each, str) and each and not set(each) & set("/:@?# ") for each in given
    ):
        raise ValueError(f"allow names hosts, such as 'wordpress.test', not {allow!r}")
    return {urlsplit(ascii_url(f"http://{each}/")).hostname or "" for each in given}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@contextmanager
def guarded(allowed: Set[str]) -> Iterator[list[str]]:
    """Stop requests to hosts other than this machine and `allowed`.

    Gives the origins of stopped requests; the list grows, as programs may swallow the error.
    """
    stopped: list[str] = []

    def check(url: str) -> None:
        host = urlsplit(url).hostname or ""
        if host in allowed or _is_loopback(host):
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
def default_is(
    arguments: ClientArguments, clients: ClientCache, *, sandbox: bool
) -> Iterator[None]:
    """In this block, programs that name no site, or chatgpt.es, get that of `arguments`.

    Args:
        arguments: the site, and the bot and the key for the command line's environment.
        clients: the cache of `chatgptes.chat()`.
        sandbox: it is on this machine, so no proxy and no other setting of the user applies.
    """
    with (
        default_site(arguments["site"]),
        using_cache(clients),
        pytest.MonkeyPatch.context() as patch,
    ):
        given = {"SITE": "site", "BOT": "bot", "API_KEY": "api_key"}
        for name in list(os.environ):
            replaced = sandbox or name.removeprefix("CHATGPTES_") in given
            if name.startswith("CHATGPTES_") and replaced and not name.startswith(_OWN):
                patch.delenv(name)
        for variable, name in given.items():
            if arguments.get(name) is not None:
                patch.setenv(f"CHATGPTES_{variable}", str(arguments.get(name)))
        for name in ("NO_PROXY", "no_proxy") if sandbox else ():
            before = os.environ.get(name)
            patch.setenv(name, ",".join(filter(None, [before, "127.0.0.1", "localhost"])))
        yield
