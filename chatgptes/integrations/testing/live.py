"""An owner's real site, for a whole run of tests."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...client import Client
from ...values.urls import ascii_url
from .defaults import Clients
from .guard import with_www

if TYPE_CHECKING:
    from ...turn.config import ClientArguments

__all__ = ["INTERVAL", "Live"]

INTERVAL = 0.5
"""Least seconds between the starts of two turns: the site has other visitors."""


class Live:
    """What the tests of a run share, so that they are one visitor: a client, and its connections.

    Attributes:
        arguments: how the site is reached.
        clients: what `chatgptes.chat()` keeps.
    """

    def __init__(self, arguments: ClientArguments) -> None:
        self.arguments = arguments
        self.clients: Clients = OrderedDict()
        self._client: Client | None = None

    @property
    def hosts(self) -> set[str]:
        """The site's host, with `www.` and without (set of str)."""
        return with_www(urlsplit(ascii_url(self.arguments["site"])).hostname or "")

    def client(self) -> Client:
        """The client; a new one if a test has closed it."""
        if self._client is None or self._client.core.closed:
            arguments = self.arguments.copy()
            arguments["min_interval"] = INTERVAL
            self._client = Client(**arguments)
        return self._client

    def close(self) -> None:
        """End its connections."""
        for client in filter(None, [self._client, *self.clients.values()]):
            client.close()
