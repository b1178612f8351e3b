"""The hub's thread: it drives all transfers of a client on one multi handle."""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
import weakref
from collections import deque
from typing import Any

from ...errors import ChatGptEsError
from ...values.deadline import Signal
from ...values.urls import origin
from .. import errors as _errors
from ..loops import Waker
from .errors import error_for
from .handle import Handle
from .hubresponse import HubTransfer
from .multi import Multi, free

__all__ = ["HubThread"]

_IDLE_SECONDS = 30.0
"""Without work for so long, the thread ends and closes the connections that it kept."""

_CONNECTIONS = 2048
_IDLE_HANDLES = 256
_AT_EXIT_SECONDS = 2.0
_SHORTEST_WAIT = 0.001
_SOON = 0.05
"""Limits that are due within so many seconds are looked at together."""


class HubThread:
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
        self._asked: deque[HubTransfer] = deque()  # To be looked at.
        self._awake = True  # It will look at them before it waits.
        self._stopping = False
        self._idle_seconds = _IDLE_SECONDS
        self._idle_since = math.inf
        self._running: dict[Any, HubTransfer] = {}  # By the address of libcurl's handle.
        self._next_look = math.inf  # When a limit of time may be over (`time.monotonic()`).
        self._idle_handles: list[Handle] = []
        self._touched: list[Any] = []  # Transfers that got something.
        # The first request to a site over TLS finds out whether others can share its connection.
        # Those beside it wait until it stands, so that thirty at once make one handshake where the
        # site speaks HTTP/2.  (libcurl's own PIPEWAIT starts them one after the other, each when
        # another has ended, where the site speaks HTTP/1.1.)
        self._known_sites: set[str] = set()
        self._waiting: dict[str, list[HubTransfer]] = {}
        self.end = Signal()
        self.thread = threading.Thread(target=self._run, name="chatgptes-hub", daemon=True)
        try:
            self.thread.start()
        except RuntimeError as error:
            self._multi.close()
            raise _errors.no_thread(str(error)) from None
        _threads.add(self)

    @property
    def takes_more(self) -> bool:
        """Tell whether it takes transfers: that of a parent process does not."""
        return not self._ended and self._pid == os.getpid()

    @property
    def alive(self) -> bool:
        """Tell whether the thread has not yet returned."""
        return self._pid == os.getpid() and self.thread.is_alive()

    @property
    def busy(self) -> int:
        """The number of its transfers, and of those that it was asked to look at."""
        return len(self._running) + len(self._asked)

    def start(self, transfer: HubTransfer) -> bool:
        """Begin a transfer; False if this thread takes no more."""
        if not self.takes_more:
            return False
        with self._lock:
            if self._ended:
                return False
            transfer.ask = self.ask
            transfer.touches, transfer.touched = self._touched, False
            self._asked.append(transfer)
        self._wake()
        return True

    def ask(self, transfer: HubTransfer) -> None:
        """Have a transfer looked at.  Any thread, at any time, in a finalizer too; never blocks."""
        self._asked.append(transfer)
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
        asked = self._asked
        try:
            while not self._stopping:
                while asked:
                    self._look_at(asked[0])
                    asked.popleft()  # Not before: should this thread die, it ends with the others.
                self._step()
                if not self._wait():
                    break
        finally:
            self._close()

    def _look_at(self, transfer: HubTransfer) -> None:
        """Do what a transfer's state asks for."""
        if transfer.done:
            return
        if transfer.dropped or transfer.deadline.cancelled:
            self._give_up(transfer, _errors.response_closed(transfer.request.url))
        elif not transfer.started:
            self._start(transfer)
        else:
            if transfer.may_resume and transfer.handle is not None:
                transfer.paused = False
                transfer.handle.unpause()
            self._watch(transfer, time.monotonic())

    def _step(self) -> None:
        """Do what can be done without waiting."""
        for address, code in self._multi.step():
            transfer = self._running.get(address)
            if transfer is not None and not transfer.begun_anew(code, self._multi):
                whole = code == 0 and transfer.head_done
                self._end(transfer, None if whole else error_for(transfer, code))
        self._check_limits()
        self._wake_readers()

    def _wait(self) -> bool:
        """Wait for something to do; False if there was nothing for long."""
        self._awake = False
        if self._asked or self._stopping:
            self._awake = True
            return True
        now = time.monotonic()
        if self._running:
            self._idle_since = math.inf
            left = self._next_look - now
        else:
            self._idle_since = min(self._idle_since, now)
            left = self._idle_since + self._idle_seconds - now
            if left <= 0:
                with self._lock:
                    self._ended = not self._asked
                    return not self._ended
        self._multi.wait(max(left, _SHORTEST_WAIT))
        self._awake = True
        return True

    def _close(self) -> None:
        """End all transfers, those that were not started yet as well, and close everything."""
        with self._lock:
            self._ended = True
        for transfer in (*self._all(), *self._asked):  # In one step: others may ask meanwhile.
            transfer.first_of = ""
            self._give_up(transfer, _errors.closed())
        self._wake_readers()
        while self._idle_handles:
            self._idle_handles.pop().close()
        self._multi.close()
        self.end.set()

    def _all(self) -> list[HubTransfer]:
        waiting = [transfer for waiting in self._waiting.values() for transfer in waiting]
        return [*self._running.values(), *waiting]

    def _start(self, transfer: HubTransfer) -> None:
        transfer.started = True
        url = transfer.request.url
        site = origin(url) if url.startswith("https:") else ""
        if site and site not in self._known_sites:
            if site in self._waiting:
                self._waiting[site].append(transfer)
                self._watch(transfer, time.monotonic())
                return
            self._waiting[site] = []
            transfer.first_of = site
        self._begin(transfer)

    def _begin_others(self, first: HubTransfer) -> None:
        """Begin those that waited for `first`, which has a connection, or has ended without."""
        site, first.first_of = first.first_of, ""
        waiting = [transfer for transfer in self._waiting.pop(site) if not transfer.done]
        if first.requests:
            self._known_sites.add(site)
        elif waiting:
            waiting[0].first_of = site
            waiting, self._waiting[site] = waiting[:1], waiting[1:]
        for transfer in waiting:
            self._begin(transfer)

    def _begin(self, transfer: HubTransfer) -> None:
        handle = self._idle_handles.pop() if self._idle_handles else Handle()
        self._running[handle.address] = transfer
        if error := transfer.begin(handle, self._multi):
            self._end(transfer, error)
        else:
            self._watch(transfer, time.monotonic())

    def _give_up(self, transfer: HubTransfer, error: ChatGptEsError) -> None:
        """End a transfer with its deadline's error, or else with `error`."""
        try:
            transfer.deadline.check()
        except ChatGptEsError as sooner:
            error = _errors.without_context(sooner)
        self._end(transfer, error)

    def _end(self, transfer: HubTransfer, error: ChatGptEsError | None) -> None:
        """Take the transfer's handle away; connections that are whole are kept."""
        if transfer.first_of:
            self._begin_others(transfer)
        handle = transfer.handle
        if handle is not None:
            self._running.pop(handle.address, None)
            looking_up = transfer.leave(self._multi)
            if looking_up or len(self._idle_handles) >= _IDLE_HANDLES:
                free(handle, aside=looking_up)
            else:
                self._idle_handles.append(handle)
        transfer.finish(error)

    def _watch(self, transfer: HubTransfer, now: float) -> None:
        """Plan when to look at the limits of `transfer`.

        A stream that gets something fifty times a second would cost most if each of its waits were
        planned.  So one plan serves several: when it is due, and the stream waits, what is left of
        the wait is found out, and that is the next.  A wait that ends sooner asks for another.
        """
        # Before all else: a wait that is armed meanwhile asks for its look by itself.
        transfer.check_at = math.inf
        left, limit = transfer.left(now), transfer.limit()
        if left is not None:
            # More than once in a limit, to see progress that brought the reader nothing: an
            # upload's.
            left = left if limit is None else min(left, limit / 4)
            transfer.check_at = now + left
            self._next_look = min(self._next_look, transfer.check_at)

    def _check_limits(self) -> None:
        """End the transfers that waited longer than they may."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = math.inf
        for transfer in self._all():
            if transfer.check_at > now + _SOON:
                self._next_look = min(self._next_look, transfer.check_at)
                continue
            transfer.check_at = math.inf  # The next wait says when.
            if transfer.waiters:
                transfer.note_progress(now)
                if transfer.left(now) == 0:
                    self._end(transfer, transfer.timeout_error())
                else:
                    self._watch(transfer, now)

    def _now_sent(self, transfer: HubTransfer) -> None:
        """Let the limit of silence follow that of connecting."""
        transfer.phase_sent = True
        if transfer.first_of:
            self._begin_others(transfer)
        transfer.since = now = time.monotonic()
        if not transfer.done:
            transfer.note_progress(now)  # The next looks compare with this.
            self._watch(transfer, now)

    def _wake_readers(self) -> None:
        """Wake the tasks of all transfers that got something: with one call into each loop."""
        groups: dict[Any, tuple[Waker, list[Any], list[HubTransfer]]] = {}
        for transfer in self._touched:
            transfer.touched = False
            if transfer.requests and not transfer.phase_sent:
                self._now_sent(transfer)
            if transfer.chunks or transfer.done or (transfer.head_done and not transfer.head_taken):
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
                self.ask(transfer)  # All was taken while it was being paused.
        self._touched.clear()
        for waker, waiters, transfers in groups.values():
            try:
                waker.wake(waiters)
            except RuntimeError:  # The loop has ended, and with it those who waited.
                for transfer in transfers:
                    transfer.drop()


_threads: weakref.WeakSet[HubThread] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """End the threads while the interpreter still stands, whatever they are doing."""
    threads = [thread for thread in _threads if thread.alive]
    for thread in threads:
        thread.stop()
    for thread in threads:
        thread.thread.join(_AT_EXIT_SECONDS)
