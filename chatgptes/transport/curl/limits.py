"""The hub's watch over limits of time: cheap with thousands of streams."""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Iterator

from ...errors import ChatGptEsError
from .. import errors as _faults
from .transfer import Transfer

__all__ = ["LimitWatch"]

_LEAST = 0.001


class LimitWatch:
    """Knows when to look at whose limits.

    A stream that gets something fifty times a second would cost most if each of its waits had an
    entry here.  It has one for several waits: when that is due, and the stream waits, what is left
    of the wait is found out, and that is the next entry.  A wait that ends sooner than the entry
    asks for another (`Command.TIME`).
    """

    def __init__(self) -> None:
        # An entry whose key is not in `_watched` counts no more.
        self._entries: list[tuple[float, int]] = []
        self._watched: dict[int, Transfer] = {}
        self._keys = itertools.count(1)

    def next_look(self) -> float:
        """When something is due (`time.monotonic()`); infinity for never."""
        return self._entries[0][0] if self._entries else math.inf

    def watch(self, transfer: Transfer, now: float) -> None:
        """Plan when to look at the limits of `transfer`."""
        self.forget(transfer)
        limit = transfer.limit()
        left = _left(transfer, now)
        if left is None:
            return
        # More than once in a limit, to see progress that brought the reader nothing: an upload's.
        left = max(_LEAST, left if limit is None else min(left, limit / 4))
        key = transfer.check_key = next(self._keys)
        transfer.check_at = now + left
        self._watched[key] = transfer
        heapq.heappush(self._entries, (transfer.check_at, key))
        if len(self._entries) > 64 + 4 * len(self._watched):
            self._entries = [entry for entry in self._entries if entry[1] in self._watched]
            heapq.heapify(self._entries)

    def forget(self, transfer: Transfer) -> None:
        """Look at `transfer` no more."""
        self._watched.pop(transfer.check_key, None)
        transfer.check_at = math.inf

    def passed(self) -> Iterator[tuple[Transfer, ChatGptEsError]]:
        """The transfers that waited longer than they may, with their errors."""
        if not self._entries or self._entries[0][0] > (now := time.monotonic()):
            return
        while self._entries and self._entries[0][0] <= now:
            transfer = self._watched.pop(heapq.heappop(self._entries)[1], None)
            if transfer is None or transfer.done:
                continue
            if not transfer.waiters:
                transfer.check_at = math.inf  # Its next wait says when.
                continue
            _note_progress(transfer, now)
            left = _left(transfer, now)
            if left is not None and left <= 0:
                yield transfer, _error(transfer)
            else:
                self.watch(transfer, now)


def _left(transfer: Transfer, now: float) -> float | None:
    """Seconds that are left of a wait; None for no limit."""
    limit = transfer.limit()
    return transfer.deadline.remaining(None if limit is None else limit - (now - transfer.since))


def _note_progress(transfer: Transfer, now: float) -> None:
    """Let the silence begin anew if something came or went since the last look."""
    if transfer.handle is not None:
        progress = (transfer.received, *transfer.handle.progress())
        if progress != transfer.progress:
            transfer.progress, transfer.since = progress, now


def _error(transfer: Transfer) -> ChatGptEsError:
    url, deadline = transfer.request.url, transfer.deadline
    try:
        if transfer.requests:
            status = transfer.status if transfer.head_done else None
            error = _faults.read_timeout(url, deadline, status)
        else:
            error = _faults.connect_timeout(url, deadline, transfer.proxy)
    except ChatGptEsError as sooner:  # The total has passed as well.
        return _faults.without_context(sooner)
    return error
