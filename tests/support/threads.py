"""The library's own threads and transfers, seen from a test."""

from __future__ import annotations

import sys
import threading

FILE = "/chatgptes/aio/threads.py"


def workers() -> int:
    """The number of threads that do blocking work for an event loop."""
    count = 0
    for ident, frame in sys._current_frames().items():
        while frame is not None and ident != threading.get_ident():
            if frame.f_code.co_filename.replace("\\", "/").endswith(FILE):
                count += 1
                break
            frame = frame.f_back  # type: ignore[assignment]
    return count


def transfers() -> int:
    """The number of transfers that curl hubs have under way."""
    module = sys.modules.get("chatgptes.transport.curl.hubthread")
    if module is None:
        return 0
    return sum(each.busy for each in list(module._threads) if each.alive)


def under_way() -> int:
    """The number of turns that hold a thread or a transfer."""
    return workers() + transfers()
