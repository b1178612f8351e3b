"""One transfer at a time, driven by the thread that reads from it.

curl_cffi's own `Session` would open a connection for every streamed request, and can neither be
cancelled nor closed promptly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from .exchange import Exchange
from .handle import REFUSED, Handle
from .multi import Multi, free

__all__ = ["Engine"]

_STARTS = 4


class Engine:
    """An easy handle in its own multi handle, with the connections they keep alive.

    Used by one thread at a time; only `wake` may be called from others.

    Attributes:
        key: the origin that it has been to.
        multi: drives the transfer: `step` it, and `wait` between the steps.
    """

    def __init__(self) -> None:
        self.key = ""
        self.easy = Handle()
        self.multi = Multi()
        self._running = False
        self._starts = 0
        self._looking_up = False
        self._exchange: Exchange | None = None

    @property
    def looking_up(self) -> bool:
        """Its last transfer was stopped while a thread of libcurl looked a name up."""
        return self._looking_up

    @property
    def alive(self) -> bool:
        """Not closed, and of this process."""
        return self.multi.alive

    def start(self, exchange: Exchange) -> None:
        """Begin the transfer that the handle was set up for.

        Raises:
            CurlError: libcurl refuses it.
        """
        self._exchange = exchange
        self._starts = 1
        self.easy.report_to(exchange)
        self._running = True  # Before it is so: Ctrl-C in between must not leave it added.
        self.multi.add(self.easy)

    def result(self, ended: Sequence[tuple[object, int]]) -> int | None:
        """curl's result code of a transfer that `multi.step` said has ended.

        None where it was begun anew instead.

        Raises:
            BaseException: what was raised inside a callback (KeyboardInterrupt, in practice);
                libcurl ends the transfer then.
        """
        result = ended[0][1]
        fault = self.easy.fault()
        if fault is not None:
            raise fault
        if result == REFUSED and self._exchange is not None and self._exchange.stale:
            self._start_again()
            return None
        return result

    def _start_again(self) -> None:
        """Begin anew, after libcurl had chosen a connection that has ended."""
        self.multi.remove(self.easy)
        self._starts += 1
        self.easy.begin_anew(fresh=self._starts >= _STARTS)
        self.multi.add(self.easy)

    def unpause(self) -> None:
        """Let libcurl hand over what it kept when it was told to pause."""
        self.easy.unpause()

    def wake(self) -> None:
        """End a `wait`, now or when it comes.  Any thread, at any time."""
        self.multi.wake()

    def stop(self) -> None:
        """Take the transfer away, finished or not; connections that are whole are kept."""
        if not self.alive:
            return
        if self._running:
            self._looking_up = self.easy.looking_up()
            # Its callbacks may be freed only afterwards, even if Ctrl-C lands between these lines.
            self.multi.remove(self.easy)
            self._running = False
        self.easy.release()
        self._exchange = None

    def close(self) -> None:
        """Free the handles and their connections.  Any number of times."""
        if self.alive:
            self.stop()
            free(self.easy, self.multi, aside=self._looking_up)

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if "multi" in self.__dict__ and not finalizing():
            self.close()
