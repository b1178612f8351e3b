"""libcurl's multi handle, as both transports use it."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from curl_cffi import CurlError, ffi, lib

from .handle import Handle

__all__ = ["Multi", "free"]

_MAXCONNECTS = 6  # CURLMOPT_MAXCONNECTS
_LONGEST_WAIT = 60.0 if os.name != "nt" else 0.1  # Windows: where Ctrl-C does not end a wait.


class Multi:
    """A multi handle: the transfers that one thread drives, and the connections they keep.

    Only `wake` may be called from other threads.
    """

    _multi: Any = None

    def __init__(self, connections: int = 0) -> None:
        """Make one; `connections` is how many are kept (0: four for each transfer)."""
        self._pid = os.getpid()
        self._count = ffi.new("int *")
        # Between `wake` and `close`; reentrant, since a finalizer may cancel inside either.
        self._lock = threading.RLock()
        self._multi = lib.curl_multi_init()
        if connections:
            lib.curl_multi_setopt(self._multi, _MAXCONNECTS, ffi.cast("void *", connections))

    @property
    def alive(self) -> bool:
        """Not closed, and of this process."""
        return self._multi is not None and self._pid == os.getpid()

    def add(self, handle: Handle) -> None:
        """Begin a transfer."""
        code = lib.curl_multi_add_handle(self._multi, handle.address)
        if code != 0:
            raise CurlError("curl_multi_add_handle failed", code)

    def remove(self, handle: Handle) -> None:
        """Take a transfer away, finished or not; connections that are whole are kept."""
        lib.curl_multi_remove_handle(self._multi, handle.address)

    def step(self) -> Sequence[tuple[Any, int]]:
        """Do what can be done without waiting; the transfers that ended, with curl's codes."""
        lib.curl_multi_perform(self._multi, self._count)
        message = lib.curl_multi_info_read(self._multi, self._count)
        if message == ffi.NULL:
            return ()
        ended = []
        while message != ffi.NULL:
            ended.append((message.easy_handle, int(message.data.result)))
            message = lib.curl_multi_info_read(self._multi, self._count)
        return ended

    def wait(self, seconds: float | None) -> bool:
        """Wait until there is something to do, `wake` is called, or `seconds` have passed.

        Returns True when the network had something.
        """
        wait = _LONGEST_WAIT if seconds is None or seconds > _LONGEST_WAIT else seconds
        # Rounded up: 0 would not wait, and the caller would come back at once.
        lib.curl_multi_poll(self._multi, ffi.NULL, 0, math.ceil(wait * 1000), self._count)
        return bool(self._count[0])

    def wake(self) -> None:
        """End a `wait`, now or when it comes.  Any thread, at any time."""
        if self.alive:
            with self._lock:
                if self._multi is not None:
                    lib.curl_multi_wakeup(self._multi)

    def close(self) -> None:
        """Free it and end its connections; every handle was removed."""
        if self.alive:
            with self._lock:
                multi, self._multi = self._multi, None
            lib.curl_multi_cleanup(multi)

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not finalizing():
            self.close()


def free(handle: Handle, multi: Multi | None = None, *, aside: bool = False) -> None:
    """Free a handle, then `multi`; `aside`: in a thread of their own, since they may wait."""

    def close() -> None:
        handle.close()
        if multi is not None:
            multi.close()

    if aside:
        try:
            threading.Thread(target=close, daemon=True).start()
            return
        except RuntimeError:
            pass  # The system gives none: to wait here is better than not to free them.
    close()
