"""What a test may reach: the site it was given, this machine, and nothing else by accident."""

from __future__ import annotations

import ipaddress
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import pytest

from ... import config, sending, shared
from ...diagnosis import probes
from ...errors import ConnectError, InvalidConfigError
from ...http import origin
from ...transport import base

if TYPE_CHECKING:
    from ...client import Client
    from ...config import ClientArguments

__all__ = ["ENDED", "defaults_are", "guarded", "is_loopback"]

DEFAULT_HOSTS = frozenset({"chatgpt.es", "www.chatgpt.es"})
ENDED: set[str] = set()
"""Where stand-ins of earlier tests listened: scheme, host and port."""
_TRANSPORTS = base.__name__.rpartition(".")[0]
_KEPT = "CHATGPTES_TEST_"

Clients = OrderedDict[Any, "Client"]


def is_loopback(host: str) -> bool:
    """Is `host` a name or an address of this machine?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@contextmanager
def guarded(allowed: Collection[str]) -> Iterator[list[str]]:
    """While this holds, the library reaches no hosts but those of this machine and `allowed`.

    Gives a list that grows with what was held back: programs may swallow the error.  A client
    with a transport of its own goes where that leads.
    """
    held: list[str] = []

    def check(host: str, where: str) -> None:
        if host in allowed or is_loopback(host):
            return
        held.append(where)
        raise InvalidConfigError(
            f"This is a test, and {where} is not its site (the pytest plugin of chatgptes held the"
            " request back): give the program chatgptes_site.url, or allow the host with"
            " @pytest.mark.chatgptes(allow=[…])."
        )

    send, look_up = sending.Sender._send, probes.name

    def checked_send(self: sending.Sender, request: Any, url: str, deadline: Any) -> Any:
        if type(self.transport).__module__.startswith(f"{_TRANSPORTS}."):
            check(urlsplit(url).hostname or "", origin(url))
        try:
            return send(self, request, url, deadline)
        except ConnectError as error:
            # Not before: the port may be another's by now.
            if origin(url) not in ENDED:
                raise
            raise InvalidConfigError(
                f"{origin(url)} was the stand-in of an earlier test, and has ended: a client was"
                " kept from that test to this one. Make one for each test, or use"
                " chatgptes.chat(), whose clients end with the test."
            ) from error

    def checked_look_up(host: str, port: int, seconds: float) -> Any:
        check(host, host)
        return look_up(host, port, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending.Sender, "_send", checked_send)
        patch.setattr(probes, "name", checked_look_up)
        yield held


@contextmanager
def defaults_are(
    arguments: ClientArguments, *, clients: Clients | None = None, alone: bool = True
) -> Iterator[None]:
    """While this holds, programs that name no site, or the default one, get that of `arguments`.

    Args:
        arguments: the site, and the bot and the key for the command line's environment.
        clients: what `chatgptes.chat()` keeps its clients in; None for what ends with this.
        alone: nothing else of the environment's `CHATGPTES_…` holds.
    """
    kept: Clients = OrderedDict() if clients is None else clients
    live: WeakValueDictionary[Any, Client] = WeakValueDictionary(kept)
    site_of = config.site_of
    own = site_of(arguments["site"])

    def other_site_of(site: Any) -> config.Site:
        found = site_of(site)
        return own if found.host in DEFAULT_HOSTS else found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "site_of", other_site_of)
        patch.setattr(shared, "_clients", kept)
        patch.setattr(shared, "_live", live)
        _environment(patch.setenv, patch.delenv, arguments, alone=alone)
        try:
            yield
        finally:
            for client in [] if kept is clients else list(live.values()):
                client.close()


def _environment(
    put: Callable[[str, str], None],
    drop: Callable[[str], None],
    arguments: ClientArguments,
    *,
    alone: bool,
) -> None:
    """What the command line reads, here and in programs that the test starts."""
    given = {"SITE": "site", "BOT": "bot", "API_KEY": "api_key"}
    for name in list(os.environ):
        own = name.removeprefix("CHATGPTES_") in given
        if name.startswith("CHATGPTES_") and (own or alone) and not name.startswith(_KEPT):
            drop(name)
    for variable, name in given.items():
        if arguments.get(name) is not None:
            put(f"CHATGPTES_{variable}", str(arguments.get(name)))
    if alone:
        # No proxy of the environment leads to this machine.
        for name in ("NO_PROXY", "no_proxy"):
            before = os.environ.get(name)
            put(name, ",".join(filter(None, [before, "127.0.0.1", "localhost"])))
