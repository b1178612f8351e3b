"""The transport for event loops over libcurl: one thread, and all streams in it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from ...errors import TLSError
from ...values.deadline import Deadline
from ...values.http import Request
from .. import errors as _faults
from .hubthread import HubThread
from .setup import Settings
from .transfer import Command, HubResponse, Transfer
from .wakers import current_waker

__all__ = ["CurlHub"]


class CurlHub:
    """HTTP through curl_cffi on event loops: no cookies, no redirects, no retries, no netrc.

    One thread drives all streams, multiplexed where a site speaks HTTP/2.  It starts with the
    first request, and ends with `aclose()`, with the interpreter, or after a while without work.

    Usable from any number of tasks, loops and threads at once (each response by the loop that sent
    its request), picklable (as its settings), and usable after a fork (the child has a thread and
    its own connections).
    """

    def __init__(self, **options: Any) -> None:
        """Make a transport; nothing is opened yet.

        Args:
            options: see `Settings`.

        Raises:
            InvalidConfigError: the target, the proxy or the CA path can't be used.
        """
        self._settings = Settings(**options)
        self._closed = False
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._thread: HubThread | None = None

    @property
    def impersonates(self) -> bool:
        """Its identity headers are a browser's, and nobody else's to set."""
        return self._settings.target is not None

    def __repr__(self) -> str:
        if "_closed" not in self.__dict__:
            return "<CurlHub, not made>"
        return f"<CurlHub {self._settings!r}{' closed' if self._closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._settings.arguments,)

    async def send(self, request: Request, deadline: Deadline) -> HubResponse:
        """Send one request: see `base.AsyncTransport.send`."""
        deadline.check()
        if self._closed:
            raise _faults.closed()
        settings = self._settings
        transfer = Transfer(
            request,
            settings.header_lines(request),
            deadline,
            settings.route(request),
            settings.max_headers,
        )
        response = HubResponse(transfer)
        self._start(transfer)
        transfer.registration = deadline.on_cancel(_Cancel(transfer))
        try:
            await response.receive_head()
        except TLSError as error:
            settings.explain(error)
            raise
        return response

    def _start(self, transfer: Transfer) -> None:
        """Give a transfer to the thread; to a new one where there is none, or it has ended."""
        if self._pid != os.getpid():
            # The parent's thread is not here, and its lock may have been taken at the fork.
            self._lock, self._thread, self._pid = threading.Lock(), None, os.getpid()
        while self._thread is None or not self._thread.start(transfer):
            with self._lock:
                if self._closed:
                    raise _faults.closed()
                if self._thread is None or self._thread.ended:
                    self._thread = HubThread(self._settings)

    async def aclose(self) -> None:
        """Close every connection and end the thread.  Any number of times."""
        self._closed = True
        thread = self._thread
        if thread is None or self._pid != os.getpid():
            return
        waker = current_waker()
        waiter = waker.prepare()

        def ended() -> None:
            try:
                waker.wake([waiter])
            except RuntimeError:
                pass  # The loop has ended meanwhile.

        thread.on_end(ended)
        thread.stop()
        await waker.wait(waiter)
        while thread.alive:  # For no longer than a thread takes to return.
            await waker.rest()

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        thread = self.__dict__.get("_thread")
        if thread is not None and not finalizing():
            thread.stop_when_unused()


class _Cancel:
    """The callback of a deadline that is cancelled."""

    __slots__ = ("_transfer",)

    def __init__(self, transfer: Transfer) -> None:
        self._transfer = transfer

    def __call__(self) -> None:
        self._transfer.post(Command.CANCEL, self._transfer)


def _rebuild(settings: dict[str, Any]) -> CurlHub:
    return CurlHub(**settings)
