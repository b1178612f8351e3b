"""Every transfer of a client on one multi handle; used by the hub's thread alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from ...errors import ChatGptEsError
from ...values.urls import origin
from .. import errors as _faults
from .handle import Handle
from .hubresponse import Command, HubTransfer, Waker
from .multi import Multi, free

__all__ = ["Transfers"]

_IDLE_HANDLES = 256
_SOON = 0.05
"""Limits that are due within so many seconds are looked at together."""


class Transfers:
    """The transfers under way: begins, drives and ends them, and wakes their readers.

    Attributes:
        running: they, by the address of libcurl's handle.
        next_look: when a limit of time may be over (`time.monotonic()`); infinity for never.
    """

    def __init__(self, multi: Multi, post: Callable[[Command, HubTransfer], None]) -> None:
        """Have none under way.

        Args:
            post: asks the thread for something later.
        """
        self.running: dict[Any, HubTransfer] = {}
        self.next_look = math.inf
        self._multi = multi
        self._post = post
        self._idle: list[Handle] = []
        self._touched: list[HubTransfer] = []
        # The first request to a site over TLS finds out whether others can share its connection.
        # Those beside it wait until it stands, so that thirty at once make one handshake where the
        # site speaks HTTP/2.  (libcurl's own PIPEWAIT starts them one after the other, each when
        # another has ended, where the site speaks HTTP/1.1.)
        self._known_sites: set[str] = set()
        self._waiting: dict[str, list[HubTransfer]] = {}

    def obey(self, command: Command, transfer: HubTransfer) -> None:
        """Do what another thread asked for."""
        if transfer.done:
            return
        if command is Command.START:
            self._start(transfer)
        elif command is Command.RESUME:
            if transfer.paused and transfer.handle is not None:
                transfer.paused = False
                transfer.handle.unpause()
        elif command is Command.TIME:
            self._watch(transfer, time.monotonic())
        else:
            self._give_up(transfer, _faults.response_closed(transfer.request.url))

    def step(self) -> None:
        """Do what can be done without waiting."""
        for address, code in self._multi.step():
            transfer = self.running.get(address)
            if transfer is not None and not transfer.begun_anew(code, self._multi):
                whole = code == 0 and transfer.head_done
                self._end(transfer, None if whole else transfer.error_for(code))
        self._check_limits()
        self._wake_readers()

    def close(self, unstarted: list[HubTransfer]) -> None:
        """End all transfers, those that nobody has started yet as well, and free the handles."""
        for transfer in unstarted:
            self._take_over(transfer)
        for transfer in (*self._all(), *unstarted):
            transfer.first_of = ""
            self._give_up(transfer, _faults.closed())
        self._wake_readers()
        while self._idle:
            self._idle.pop().close()

    def _all(self) -> list[HubTransfer]:
        waiting = [transfer for waiting in self._waiting.values() for transfer in waiting]
        return [*self.running.values(), *waiting]

    def _take_over(self, transfer: HubTransfer) -> None:
        transfer.touches, transfer.touched = self._touched, False

    def _start(self, transfer: HubTransfer) -> None:
        self._take_over(transfer)
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
        handle = self._idle.pop() if self._idle else Handle()
        self.running[handle.address] = transfer
        if error := transfer.begin(handle, self._multi):
            self._end(transfer, error)
        else:
            self._watch(transfer, time.monotonic())

    def _give_up(self, transfer: HubTransfer, error: ChatGptEsError) -> None:
        """End a transfer with its deadline's error, or else with `error`."""
        try:
            transfer.deadline.check()
        except ChatGptEsError as sooner:
            error = _faults.without_context(sooner)
        self._end(transfer, error)

    def _end(self, transfer: HubTransfer, error: ChatGptEsError | None) -> None:
        """Take the transfer's handle away; connections that are whole are kept."""
        if transfer.first_of:
            self._begin_others(transfer)
        handle = transfer.handle
        if handle is not None:
            self.running.pop(handle.address, None)
            looking_up = transfer.leave(self._multi)
            if looking_up or len(self._idle) >= _IDLE_HANDLES:
                free(handle, aside=looking_up)
            else:
                self._idle.append(handle)
        transfer.finish(error)

    def _watch(self, transfer: HubTransfer, now: float) -> None:
        """Plan when to look at the limits of `transfer`.

        A stream that gets something fifty times a second would cost most if each of its waits were
        planned.  So one plan serves several: when it is due, and the stream waits, what is left of
        the wait is found out, and that is the next.  A wait that ends sooner asks for another
        (`Command.TIME`).
        """
        # Before all else: a wait that is armed meanwhile asks for its look by itself.
        transfer.check_at = math.inf
        left, limit = transfer.left(now), transfer.limit()
        if left is not None:
            # More than once in a limit, to see progress that brought the reader nothing: an
            # upload's.
            left = left if limit is None else min(left, limit / 4)
            transfer.check_at = now + left
            self.next_look = min(self.next_look, transfer.check_at)

    def _check_limits(self) -> None:
        """End the transfers that waited longer than they may."""
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = math.inf
        for transfer in self._all():
            if transfer.check_at > now + _SOON:
                self.next_look = min(self.next_look, transfer.check_at)
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
                self._post(Command.RESUME, transfer)  # All was taken while it was being paused.
        self._touched.clear()
        for waker, waiters, transfers in groups.values():
            try:
                waker.wake(waiters)
            except RuntimeError:  # The loop has ended, and with it those who waited.
                for transfer in transfers:
                    self._post(Command.END, transfer)
