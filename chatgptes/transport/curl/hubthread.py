"""The hub's thread: one multi handle, and every transfer of a client in it."""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from ...errors import ChatGptEsError
from ...values.deadline import Signal
from .. import errors as _faults
from .errors import fault
from .handle import REFUSED, CurlError, Handle
from .limits import LimitWatch
from .multi import Multi, free
from .setup import Settings
from .sharing import FirstConnections
from .transfer import Command, Transfer
from .wakers import Waker

__all__ = ["HubThread"]

_IDLE_SECONDS = 30.0
"""Without work for so long, the thread ends and closes the connections that it kept."""

_IDLE_HANDLES = 256
_CONNECTIONS = 2048
_STARTS = 4
_AT_EXIT_SECONDS = 2.0


class HubThread:
    """A thread that drives transfers until it is stopped, or idle for long.

    Everything whose name begins with an underscore belongs to the thread itself; `start`, `post`
    and `stop` are called from others.

    Attributes:
        ended: it takes no more transfers.
    """

    def __init__(self, settings: Settings) -> None:
        """Start the thread.

        Raises:
            ChatGptEsError: the system gives none.
        """
        self.ended = False
        self._settings = settings
        self._multi = Multi(_CONNECTIONS)
        self._pid = os.getpid()
        self._lock = threading.Lock()  # Between a start and the decision to end.
        self._commands: deque[tuple[Command, Transfer]] = deque()
        self._awake = True  # It will look at the commands before it waits.
        self._stopping = False
        self._idle_seconds = _IDLE_SECONDS
        self._idle_since = math.inf
        self._idle: list[Handle] = []
        self._running: dict[Any, Transfer] = {}
        self._touched: list[Transfer] = []
        self._limits = LimitWatch()
        self._first = FirstConnections()
        self._end = Signal()
        self._thread = threading.Thread(target=self._run, name="chatgptes-hub", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._multi.close()
            raise _faults.no_thread(str(error)) from None
        _threads.add(self)

    @property
    def alive(self) -> bool:
        """Tell whether the thread has not yet returned."""
        return self._pid == os.getpid() and self._thread.is_alive()

    def start(self, transfer: Transfer) -> bool:
        """Begin a transfer; False if this thread takes no more."""
        with self._lock:
            if self.ended:
                return False
            transfer.post = self.post
            self._commands.append((Command.START, transfer))
        self._wake()
        return True

    def post(self, command: Command, transfer: Transfer) -> None:
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

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call `callback` once everything is closed; at once if it is."""
        self._end.on_set(callback)

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended."""
        self._thread.join(seconds)

    @property
    def of_this_process(self) -> bool:
        """False in a fork's child, where there is no such thread."""
        return self._pid == os.getpid()

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            self._multi.wake()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._obey()
                for address, code in self._multi.step():
                    if (transfer := self._running.get(address)) is not None:
                        self._transfer_ended(transfer, code)
                self._check_limits()
                self._wake_readers()
                if not self._wait():
                    break
        finally:
            self._close()

    def _obey(self) -> None:
        """Do what other threads asked for."""
        commands = self._commands
        while commands:
            command, transfer = commands.popleft()
            if transfer.done:
                continue
            if command is Command.START:
                self._start(transfer)
            elif command is Command.RESUME:
                self._resume(transfer)
            elif command is Command.TIME:
                self._limits.watch(transfer, time.monotonic())
            else:
                self._release(transfer)
                transfer.finish(
                    _error_of_check(transfer)
                    if command is Command.CANCEL
                    else _faults.response_closed(transfer.request.url)
                )

    def _start(self, transfer: Transfer) -> None:
        transfer.touches = self._touched
        if self._first.must_wait(transfer):
            self._limits.watch(transfer, time.monotonic())
        else:
            self._begin(transfer)

    def _begin_others(self, first: Transfer) -> None:
        for transfer in self._first.over(first):
            self._begin(transfer)

    def _begin(self, transfer: Transfer) -> None:
        deadline = transfer.deadline
        handle = self._idle.pop() if self._idle else Handle()
        transfer.handle = handle
        transfer.connection_ended = handle.connection_ended
        self._running[handle.address] = transfer
        lines, transfer.lines = transfer.lines, ()
        try:
            limit = deadline.remaining(deadline.timeout.connect)
            self._settings.apply(handle, transfer.request, lines, limit)
            handle.report_to(transfer)
            self._multi.add(handle)
        except CurlError as error:
            self._release(transfer)
            transfer.finish(_faults.cannot_begin(transfer.request.url, error.code))
            return
        self._limits.watch(transfer, time.monotonic())

    def _begin_anew(self, transfer: Transfer, handle: Handle) -> None:
        """Start again, after libcurl had chosen a connection that has ended."""
        self._multi.remove(handle)
        transfer.starts += 1
        handle.begin_anew(fresh=transfer.starts >= _STARTS)
        self._multi.add(handle)

    def _resume(self, transfer: Transfer) -> None:
        if transfer.paused and transfer.handle is not None:
            transfer.paused = False
            transfer.handle.unpause()

    def _release(self, transfer: Transfer) -> None:
        """Take the transfer's handle away; connections that are whole are kept."""
        self._limits.forget(transfer)
        if transfer.first_of:
            self._begin_others(transfer)
        handle, transfer.handle = transfer.handle, None
        if handle is None:
            return
        transfer.connection_ended = _unknown
        self._running.pop(handle.address, None)
        looking_up = handle.looking_up()
        self._multi.remove(handle)
        handle.release()
        if looking_up or len(self._idle) >= _IDLE_HANDLES:
            free(handle, None, aside=looking_up)
        else:
            self._idle.append(handle)

    def _transfer_ended(self, transfer: Transfer, code: int) -> None:
        handle = transfer.handle
        assert handle is not None
        if code == REFUSED and transfer.stale:
            self._begin_anew(transfer, handle)
            return
        error: ChatGptEsError | None = None
        if code != 0 or not transfer.head_done:
            error = _faults.without_context(
                fault(
                    code,
                    transfer.request.url,
                    transfer.deadline,
                    transfer.proxy,
                    handle,
                    transfer,
                    transfer.status if transfer.head_done else None,
                )
            )
        self._release(transfer)
        transfer.finish(error)

    def _check_limits(self) -> None:
        """End the waits whose time has passed."""
        for transfer, error in self._limits.passed():
            self._release(transfer)
            transfer.finish(error)

    def _now_sent(self, transfer: Transfer) -> None:
        """Let the limit of silence follow that of connecting."""
        transfer.phase_sent = True
        if transfer.first_of:
            self._begin_others(transfer)
        transfer.since = time.monotonic()
        if not transfer.done:
            self._limits.watch(transfer, transfer.since)

    def _wake_readers(self) -> None:
        """Wake the tasks of all transfers that got something: with one call into each loop."""
        touched = self._touched
        if not touched:
            return
        groups: dict[Any, tuple[Waker, list[Any], list[Transfer]]] = {}
        for transfer in touched:
            transfer.touched = False
            if transfer.requests and not transfer.phase_sent:
                self._now_sent(transfer)
            if transfer.chunks or transfer.done or transfer.ready:
                try:
                    waiter = transfer.waiters.pop()
                except IndexError:
                    continue  # Nobody waits, or they saw it by themselves.
                group = groups.get(transfer.waker.native)
                if group is None:
                    group = groups[transfer.waker.native] = (transfer.waker, [], [])
                group[1].append(waiter)
                group[2].append(transfer)
            elif transfer.paused and transfer.waiters:
                self.post(Command.RESUME, transfer)  # All was taken while it was being paused.
        touched.clear()
        for waker, waiters, transfers in groups.values():
            self._wake_all(waker, waiters, transfers)

    def _wake_all(self, waker: Waker, waiters: list[Any], transfers: list[Transfer]) -> None:
        try:
            waker.wake(waiters)
        except RuntimeError:  # The loop has ended, and with it those who waited.
            for transfer in transfers:
                self.post(Command.DROP, transfer)

    def _wait(self) -> bool:
        """Wait for something to do; False if there was nothing for long."""
        self._awake = False
        if self._commands or self._stopping:
            self._awake = True
            return True
        now = time.monotonic()
        if self._running:
            self._idle_since = math.inf
            left = self._limits.next_look() - now
        else:
            self._idle_since = min(self._idle_since, now)
            left = self._idle_since + self._idle_seconds - now
            if left <= 0:
                with self._lock:
                    self.ended = not self._commands
                    return not self.ended
        milliseconds = 60_000 if left > 60 else max(1, math.ceil(left * 1000))
        self._multi.wait(milliseconds)
        self._awake = True
        return True

    def _close(self) -> None:
        """End all transfers and close all connections."""
        with self._lock:
            self.ended = True
        waiting = [transfer for command, transfer in self._commands if command is Command.START]
        for transfer in (*self._running.values(), *self._first.waiting(), *waiting):
            transfer.first_of = ""
            transfer.touches = self._touched
            self._release(transfer)
            cancelled = transfer.deadline.cancelled
            transfer.finish(_error_of_check(transfer) if cancelled else _faults.closed())
        self._wake_readers()
        while self._idle:
            self._idle.pop().close()
        self._multi.close()
        self._end.set()


def _unknown() -> bool:
    return False


def _error_of_check(transfer: Transfer) -> ChatGptEsError:
    """The error of a deadline that was cancelled."""
    try:
        transfer.deadline.check()
    except ChatGptEsError as error:
        return _faults.without_context(error)
    return _faults.response_closed(transfer.request.url)


_threads: weakref.WeakSet[HubThread] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """End the threads while the interpreter still stands, whatever they are doing."""
    threads = [thread for thread in _threads if thread.of_this_process]
    for thread in threads:
        thread.stop()
    for thread in threads:
        thread.join(_AT_EXIT_SECONDS)
