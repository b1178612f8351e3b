"""Which requests wait for a first connection that they may be able to share."""

from __future__ import annotations

from ...values.urls import origin
from .transfer import Transfer

__all__ = ["FirstConnections"]


class FirstConnections:
    """The first request to a site over TLS finds out whether others can share its connection.

    Those beside it wait until it stands, so that thirty at once make one handshake where the site
    speaks HTTP/2.  (libcurl's own PIPEWAIT starts them one after the other, each when another has
    ended, where the site speaks HTTP/1.1.)
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._waiting: dict[str, list[Transfer]] = {}

    def must_wait(self, transfer: Transfer) -> bool:
        """Tell whether `transfer` has to wait; if not, it may be the first one of its site."""
        url = transfer.request.url
        if not url.startswith("https:"):
            return False
        site = origin(url)
        if site in self._known:
            return False
        if site in self._waiting:
            self._waiting[site].append(transfer)
            return True
        self._waiting[site] = []
        transfer.first_of = site
        return False

    def waiting(self) -> list[Transfer]:
        """All that wait."""
        return [transfer for waiting in self._waiting.values() for transfer in waiting]

    def over(self, first: Transfer) -> list[Transfer]:
        """Those to begin now that `first` has a connection, or has ended without."""
        site, first.first_of = first.first_of, ""
        waiting = [transfer for transfer in self._waiting.pop(site, ()) if not transfer.done]
        if first.requests:
            self._known.add(site)
            return waiting
        if waiting:
            self._waiting[site] = waiting[1:]
            waiting[0].first_of = site
        return waiting[:1]
