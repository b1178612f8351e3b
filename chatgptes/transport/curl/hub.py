"""The transport for event loops over libcurl: one thread, and all streams in it."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

import anyio.lowlevel

from ...errors import TLSError
from ...values.deadline import Deadline
from ...values.http import Request
from ...values.process import PerProcess
from .. import errors as _faults
from ..settings import BuiltIn
from .hubresponse import Command, HubResponse, HubTransfer
from .hubthread import HubThread
from .setup import CurlSettings
from .wakers import Waker

__all__ = ["CurlHub"]


class _Threads:
    """The hub's thread in this process, if it has one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.last: HubThread | None = None


class CurlHub(BuiltIn):
    """HTTP through curl_cffi on event loops.

    One thread drives all streams, multiplexed where a site speaks HTTP/2.  It starts with the
    first request, and ends with `aclose()`, with the interpreter, or after a while without work.

    Usable from any number of tasks, loops and threads at once (each response by the loop that sent
    its request).
    """

    _settings: CurlSettings

    def __init__(self, **options: Any) -> None:
        """Make a transport; nothing is opened yet.

        Args:
            options: see `CurlSettings`.

        Raises:
            InvalidConfigError: the target, the proxy or the CA path can't be used.
        """
        super().__init__(CurlSettings(**options))
        self._threads = PerProcess(_Threads)

    async def send(self, request: Request, deadline: Deadline) -> HubResponse:
        """Send one request: see `base.AsyncTransport.send`."""
        deadline.check()
        transfer = HubTransfer(self._settings, request, deadline)
        response = HubResponse(transfer)
        self._start(transfer)
        transfer.registration = deadline.on_cancel(
            functools.partial(transfer.post, Command.END, transfer)
        )
        try:
            await response.receive_head()
        except TLSError as error:
            self._settings.explain(error)
            raise
        return response

    def _start(self, transfer: HubTransfer) -> None:
        """Give a transfer to the thread; to a new one where there is none, or it has ended."""
        threads = self._threads.get()
        while True:
            if self._closed:
                raise _faults.closed()
            if threads.last is not None and threads.last.start(transfer):
                return
            with threads.lock:
                if threads.last is None or threads.last.ended:
                    threads.last = HubThread()

    async def aclose(self) -> None:
        """Close every connection and end the thread.  Any number of times."""
        self._closed = True
        thread = self._threads.get().last
        if thread is None:
            return
        waker = Waker()
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
            await anyio.lowlevel.checkpoint()

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if "_threads" in self.__dict__ and not finalizing():
            thread = self._threads.get().last
            if thread is not None:
                thread.stop_when_unused()
