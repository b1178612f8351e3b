"""The site that programs get, in a test, when they name none."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import pytest

from ... import shared
from ...turn import config
from ...values import checks
from .guard import DEFAULT_HOSTS

if TYPE_CHECKING:
    from ...client import Client
    from ...turn.config import ClientArguments

__all__ = ["Clients", "defaults_are"]

_KEPT = "CHATGPTES_TEST_"

Clients = OrderedDict[Any, "Client"]


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
    site_of = checks.site_of
    own = site_of(arguments["site"])

    def other_site_of(site: Any) -> checks.Site:
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
