"""The transport for event loops over libcurl: one thread drives all streams of a client."""

from __future__ import annotations

import atexit
import functools
import math
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio.lowlevel

from ...errors import TLSError
from ...values.deadline import Deadline, Signal
from ...values.http import Request
from ...values.process import PerProcess
from .. import errors as _faults
from ..settings import BuiltIn
from .hubresponse import Command, HubResponse, HubTransfer, Waker
from .multi import Multi
from .setup import CurlSettings
from .transfers import Transfers

__all__ = ["CurlHub"]

_IDLE_SECONDS = 30.0
"""Without work for so long, the thread ends and closes the connections that it kept."""

_CONNECTIONS = 2048
_AT_EXIT_SECONDS = 2.0
_SHORTEST_WAIT = 0.001


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
        self._thread: _HubThread | None = None  # After a fork, the parent's.

    async def send(self, request: Request, deadline: Deadline) -> HubResponse:
        """Send one request: see `base.AsyncTransport.send`."""
        deadline.check()
        if self._closed:
            raise _faults.closed()
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
        while self._thread is None or not self._thread.start(transfer):
            with self._lock.get():
                if self._closed:
                    raise _faults.closed()
                if self._thread is None or not self._thread.takes_more:
                    self._thread = _HubThread()
        if self._closed:  # Meanwhile, in another thread, which may not have seen this one.
            self._thread.stop()

    async def aclose(self) -> None:
        """Close every connection and end the thread.  Any number of times."""
        self._closed = True
        thread = self._thread
        if thread is None or not thread.alive:
            return
        waker = Waker()
        waiter = waker.prepare()

        def ended() -> None:
            try:
                waker.wake([waiter])
            except RuntimeError:
                pass  # The loop has ended meanwhile.

        thread.end.on_set(ended)
        thread.stop()
        await waker.wait(waiter)
        while thread.alive:  # For no longer than a thread takes to return.
            await anyio.lowlevel.checkpoint()

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        thread = self.__dict__.get("_thread")
        if thread is not None and not finalizing():
            thread.stop_when_unused()


class _HubThread:
    """A thread that drives transfers until it is stopped, or idle for long.

    The public methods are for other threads, the private ones for the thread itself.

    Attributes:
        thread: the thread itself.
        end: signals that everything is closed.
    """

    def __init__(self) -> None:
        """Start the thread."""
        self._ended = False
        self._multi = Multi(_CONNECTIONS)
        self._pid = os.getpid()
        self._lock = threading.Lock()  # Between a start and the decision to end.
        self._commands: deque[tuple[Command, HubTransfer]] = deque()
        self._awake = True  # It will look at the commands before it waits.
        self._stopping = False
        self._idle_seconds = _IDLE_SECONDS
        self._idle_since = math.inf
        self._transfers = Transfers(self._multi, self.post)
        self.end = Signal()
        self.thread = threading.Thread(target=self._run, name="chatgptes-hub", daemon=True)
        try:
            self.thread.start()
        except RuntimeError as error:
            self._multi.close()
            raise _faults.no_thread(str(error)) from None
        _threads.add(self)

    @property
    def takes_more(self) -> bool:
        """Tell whether it takes transfers: that of a parent process does not."""
        return not self._ended and self._pid == os.getpid()

    @property
    def alive(self) -> bool:
        """Tell whether the thread has not yet returned."""
        return self._pid == os.getpid() and self.thread.is_alive()

    def start(self, transfer: HubTransfer) -> bool:
        """Begin a transfer; False if this thread takes no more."""
        if not self.takes_more:
            return False
        with self._lock:
            if self._ended:
                return False
            transfer.post = self.post
            self._commands.append((Command.START, transfer))
        self._wake()
        return True

    def post(self, command: Command, transfer: HubTransfer) -> None:
        """Ask for something.  Any thread, at any time, also in a finalizer; never blocks."""
        self._commands.append((command, transfer))
        self._wake()

    def stop(self) -> None:
        """End all transfers and the thread."""
        self._stopping = True
        self._wake()

    def stop_when_unused(self) -> None:
        """End the thread with its last transfer."""
        self._idle_seconds = 0.0
        self._wake()

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            self._multi.wake()

    def _run(self) -> None:
        commands, transfers = self._commands, self._transfers
        try:
            while not self._stopping:
                while commands:
                    transfers.obey(*commands.popleft())
                transfers.step()
                if not self._wait():
                    break
        finally:
            self._close()

    def _wait(self) -> bool:
        """Wait for something to do; False if there was nothing for long."""
        self._awake = False
        if self._commands or self._stopping:
            self._awake = True
            return True
        now = time.monotonic()
        if self._transfers.running:
            self._idle_since = math.inf
            left = self._transfers.next_look - now
        else:
            self._idle_since = min(self._idle_since, now)
            left = self._idle_since + self._idle_seconds - now
            if left <= 0:
                with self._lock:
                    self._ended = not self._commands
                    return not self._ended
        self._multi.wait(max(left, _SHORTEST_WAIT))
        self._awake = True
        return True

    def _close(self) -> None:
        """End all transfers and close all connections."""
        with self._lock:
            self._ended = True
        self._transfers.close(
            [each for command, each in self._commands if command is Command.START]
        )
        self._multi.close()
        self.end.set()


_threads: weakref.WeakSet[_HubThread] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """End the threads while the interpreter still stands, whatever they are doing."""
    threads = [thread for thread in _threads if thread.alive]
    for thread in threads:
        thread.stop()
    for thread in threads:
        thread.thread.join(_AT_EXIT_SECONDS)
