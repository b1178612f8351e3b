"""The transport for event loops over libcurl: one thread drives all streams of a client."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel

from ...errors import TLSError
from ...values.deadline import Deadline
from ...values.http import Request
from ...values.process import PerProcess
from .. import errors as _errors
from ..loops import call_on_loop
from ..settings import BuiltIn
from .hubresponse import HubResponse, HubTransfer
from .hubthread import HubThread
from .setup import CurlSettings

__all__ = ["CurlHub"]


class CurlHub(BuiltIn):
    """HTTP through curl_cffi on event loops.

    One thread drives all streams, multiplexed where a site speaks HTTP/2.  It starts with the
    first request, and ends with `aclose()`, with the interpreter, or after a while without work.

    Usable from any number of tasks, loops and threads at once (each response by the loop that sent
    its request).
    """

    _settings: CurlSettings

    def __init__(self, **options: Any) -> None:
        """Make a transport; nothing is opened yet.  Arguments and errors as `CurlSettings`."""
        super().__init__(CurlSettings(**options))
        self._lock = PerProcess(threading.Lock)
        self._thread: HubThread | None = None  # After a fork, the parent's.

    async def send(self, request: Request, deadline: Deadline) -> HubResponse:
        """Send one request: see `base.AsyncTransport.send`."""
        deadline.check()
        if self._closed:
            raise _errors.closed()
        transfer = HubTransfer(self._settings, request, deadline)
        response = HubResponse(transfer)
        self._start(transfer)
        transfer.registration = deadline.on_cancel(functools.partial(transfer.ask, transfer))
        try:
            await response.receive_head()
        except TLSError as error:
            self._settings.explain(error)
            raise
        return response

    def _start(self, transfer: HubTransfer) -> None:
        """Give a transfer to the thread; to a new one where there is none, or it has ended."""
        while self._thread is None or not self._thread.start(transfer):
            with self._lock.get():
                if self._closed:
                    raise _errors.closed()
                if self._thread is None or not self._thread.takes_more:
                    self._thread = HubThread()
        if self._closed:  # Meanwhile, in another thread, which may not have seen this one.
            self._thread.stop()

    async def aclose(self) -> None:
        """Close every connection and end the thread.  Any number of times."""
        self._closed = True
        thread = self._thread
        if thread is None or not thread.alive:
            return
        ended = anyio.Event()
        thread.end.on_set(call_on_loop(ended.set))
        thread.stop()
        await ended.wait()
        while thread.alive:  # For no longer than a thread takes to return.
            await anyio.lowlevel.checkpoint()

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        thread = self.__dict__.get("_thread")
        if thread is not None and not finalizing():
            thread.stop_when_unused()
