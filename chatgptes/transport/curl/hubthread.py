"""The hub's thread: it drives all transfers of a client, and does what other threads ask for."""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
import weakref
from collections import deque

from ...values.deadline import Signal
from .. import errors as _faults
from .hubresponse import Command, HubTransfer
from .multi import Multi
from .transfers import Transfers

__all__ = ["HubThread"]

_IDLE_SECONDS = 30.0
"""Without work for so long, the thread ends and closes the connections that it kept."""

_CONNECTIONS = 2048
_AT_EXIT_SECONDS = 2.0
_SHORTEST_WAIT = 0.001


class HubThread:
    """A thread that drives transfers until it is stopped, or idle for long.

    The public methods are for other threads, the private ones for the thread itself.

    Attributes:
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
        self._thread = threading.Thread(target=self._run, name="chatgptes-hub", daemon=True)
        try:
            self._thread.start()
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
        return self._pid == os.getpid() and self._thread.is_alive()

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

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended."""
        self._thread.join(seconds)

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


_threads: weakref.WeakSet[HubThread] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """End the threads while the interpreter still stands, whatever they are doing."""
    threads = [thread for thread in _threads if thread.alive]
    for thread in threads:
        thread.stop()
    for thread in threads:
        thread.join(_AT_EXIT_SECONDS)
