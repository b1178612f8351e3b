"""Every transfer of a client on one multi handle; used by the hub's thread alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...errors import ChatGptEsError
from .. import errors as _faults
from .errors import fault
from .handle import REFUSED, CurlError, Handle
from .limits import LimitWatch
from .multi import Multi, free
from .setup import Settings
from .sharing import FirstConnections
from .transfer import Command, Transfer
from .wakers import Waker

__all__ = ["Transfers"]

_IDLE_HANDLES = 256
_STARTS = 4


class Transfers:
    """The transfers under way: begins, drives and ends them, and wakes their readers.

    Attributes:
        running: they, by the address of libcurl's handle.
    """

    def __init__(
        self, settings: Settings, multi: Multi, post: Callable[[Command, Transfer], None]
    ) -> None:
        """Have none under way.

        Args:
            post: asks the thread for something later.
        """
        self.running: dict[Any, Transfer] = {}
        self._settings = settings
        self._multi = multi
        self._post = post
        self._idle: list[Handle] = []
        self._touched: list[Transfer] = []
        self._limits = LimitWatch()
        self._first = FirstConnections()

    def obey(self, command: Command, transfer: Transfer) -> None:
        """Do what another thread asked for."""
        if transfer.done:
            return
        if command is Command.START:
            self._start(transfer)
        elif command is Command.RESUME:
            self._resume(transfer)
        elif command is Command.TIME:
            self._limits.watch(transfer, time.monotonic())
        elif command is Command.CANCEL:
            self._end(transfer, _error_of_check(transfer))
        else:
            self._end(transfer, _faults.response_closed(transfer.request.url))

    def step(self) -> None:
        """Do what can be done without waiting."""
        for address, code in self._multi.step():
            if (transfer := self.running.get(address)) is not None:
                self._transfer_ended(transfer, code)
        for transfer, error in self._limits.passed():
            self._end(transfer, error)
        self._wake_readers()

    def next_look(self) -> float:
        """When a limit of time may be over (`time.monotonic()`); infinity for never."""
        return self._limits.next_look()

    def close(self, unstarted: list[Transfer]) -> None:
        """End all transfers, those that nobody has started yet as well, and free the handles."""
        for transfer in (*self.running.values(), *self._first.waiting(), *unstarted):
            transfer.first_of = ""
            transfer.touches = self._touched
            cancelled = transfer.deadline.cancelled
            self._end(transfer, _error_of_check(transfer) if cancelled else _faults.closed())
        self._wake_readers()
        while self._idle:
            self._idle.pop().close()

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
        self.running[handle.address] = transfer
        lines, transfer.lines = transfer.lines, ()
        try:
            limit = deadline.remaining(deadline.timeout.connect)
            self._settings.apply(handle, transfer.request, lines, limit)
            handle.report_to(transfer)
            self._multi.add(handle)
        except CurlError as error:
            self._end(transfer, _faults.cannot_begin(transfer.request.url, error.code))
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
        self._end(transfer, error)

    def _end(self, transfer: Transfer, error: ChatGptEsError | None) -> None:
        """Take the transfer's handle away; connections that are whole are kept."""
        self._limits.forget(transfer)
        if transfer.first_of:
            self._begin_others(transfer)
        handle, transfer.handle = transfer.handle, None
        if handle is not None:
            transfer.connection_ended = _unknown
            self.running.pop(handle.address, None)
            looking_up = handle.looking_up()
            self._multi.remove(handle)
            handle.release()
            if looking_up or len(self._idle) >= _IDLE_HANDLES:
                free(handle, None, aside=looking_up)
            else:
                self._idle.append(handle)
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
                self._post(Command.RESUME, transfer)  # All was taken while it was being paused.
        touched.clear()
        for waker, waiters, transfers in groups.values():
            self._wake_all(waker, waiters, transfers)

    def _wake_all(self, waker: Waker, waiters: list[Any], transfers: list[Transfer]) -> None:
        try:
            waker.wake(waiters)
        except RuntimeError:  # The loop has ended, and with it those who waited.
            for transfer in transfers:
                self._post(Command.DROP, transfer)


def _unknown() -> bool:
    return False


def _error_of_check(transfer: Transfer) -> ChatGptEsError:
    """The error of a deadline that was cancelled."""
    try:
        transfer.deadline.check()
    except ChatGptEsError as error:
        return _faults.without_context(error)
    return _faults.response_closed(transfer.request.url)
