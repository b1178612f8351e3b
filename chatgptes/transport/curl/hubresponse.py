"""One stream of the hub: what its thread fills, and what a task on a loop reads."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import anyio.lowlevel

from ...errors import ChatGptEsError, TransportError
from ...values.deadline import Deadline, Registration
from ...values.http import Headers, Request
from ...values.urls import redact
from .. import errors as _errors
from ..loops import Waker
from .setup import CurlSettings
from .transfer import Transfer

__all__ = ["HubResponse", "HubTransfer"]

_IN_A_ROW = 16
"""Reads that found something at once, before the loop's other tasks get their turn."""


class HubTransfer(Transfer):
    """A request on its way through the hub.

    The hub's thread and the task that reads share it without a lock: each attribute is written by
    one side, or by operations that are atomic.

    Attributes:
        waiters: what the task waits on (one at most); the side that takes it out wakes it.
        done: nothing more will come; written after the last chunk and `error`.
        error: why it ended; None for a whole response.
        started: the thread has taken it up.
        dropped: the reader has gone.
        head_taken: the reader has the head.
        phase_sent: the limit of silence has followed that of connecting.
        check_at: when the thread will look at its limits; infinity for never.
        first_of: the site whose first connection this one makes, while others wait for it.
        ask: has the hub's thread look at it.
    """

    __slots__ = (
        "ask", "check_at", "done", "dropped", "error", "first_of", "head_taken", "phase_sent",
        "pid", "registration", "started", "waiters", "waker",
    )  # fmt: skip

    def __init__(self, settings: CurlSettings, request: Request, deadline: Deadline) -> None:
        super().__init__(settings, request, deadline)
        self.waker = Waker()
        self.pid = os.getpid()
        self.waiters: list[Any] = []
        self.started = self.done = self.dropped = self.head_taken = self.phase_sent = False
        self.error: ChatGptEsError | None = None
        self.first_of = ""
        self.check_at = math.inf
        # Before it belongs to a thread there is nothing to be ended.
        self.ask: Callable[[HubTransfer], None] = lambda transfer: None
        self.registration: Registration | None = None

    # In the hub's thread:

    def finish(self, error: ChatGptEsError | None = None) -> None:
        """Note the end."""
        if not self.done:
            self.error = error
            self.done = True
            self.touch()

    # In the reader's task:

    def wait(self) -> Awaitable[object] | None:
        """Arm a wait for something to do; None where there is something already."""
        self.since = now = time.monotonic()
        left = self.left(now)
        waker = self.waker
        waiter = waker.prepare()
        self.waiters.append(waiter)
        # Looked at after arming: what comes from here on wakes.
        if self.chunks or self.done or (self.head_done and not self.head_taken):
            self.waiters.clear()
            return None
        if self.paused or (left is not None and now + left < self.check_at):
            self.ask(self)
        return waker.wait(waiter)

    def drop(self) -> None:
        """Let the thread take the transfer away.  Any thread, any number of times."""
        if not self.dropped:
            self.dropped = True
            if self.registration is not None:
                self.registration.close()
            if not self.done and self.pid == os.getpid():
                self.ask(self)


class HubResponse:
    """A response that the hub receives: see `base.AsyncResponse`."""

    def __init__(self, transfer: HubTransfer) -> None:
        """Belong to a transfer that will be started."""
        self.url = transfer.request.url
        self.status = 0
        self.headers = Headers()
        self._transfer = transfer
        self._complete = False
        self._reading = False
        self._in_a_row = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {redact(self.url)}>"

    async def receive_head(self) -> None:
        """Wait for the status and the headers."""
        transfer = self._transfer
        try:
            while not (transfer.head_done or transfer.done):
                if (wait := transfer.wait()) is not None:
                    await wait
            transfer.head_taken = True
            if not transfer.head_done:
                raise transfer.error or _errors.broken(self.url)
            transfer.check_proxy()
        except BaseException:
            self.close()
            raise
        self.status = transfer.status
        self.headers = transfer.headers
        if self.status == 101:
            # No body: what follows is another protocol, which nobody asked for.
            self._complete = True
            self.close()

    def __aiter__(self) -> HubResponse:
        return self

    async def __anext__(self) -> bytes:  # noqa: C901 - each call less counts, once a chunk.
        """Give what has arrived of the body, small pieces joined."""
        transfer = self._transfer
        if self._reading:
            raise TransportError("A response can be read by one task at a time.")
        self._reading = True
        try:
            if (
                self._complete
                or transfer.dropped
                or transfer.deadline.cancelled
                or transfer.pid != os.getpid()
            ):
                self._refuse()
            if self._in_a_row >= _IN_A_ROW:
                self._in_a_row = 0
                await anyio.lowlevel.checkpoint()
            while not transfer.chunks:
                if transfer.done:
                    if transfer.chunks:
                        break  # They came just before the end.
                    if transfer.error is not None:
                        raise transfer.error
                    self._complete = True
                    raise StopAsyncIteration
                if (wait := transfer.wait()) is not None:
                    self._in_a_row = 0
                    await wait
            self._in_a_row += 1
            data = transfer.take()
            if transfer.paused and transfer.may_resume:  # The first is cheap.
                transfer.ask(transfer)
            return data
        except BaseException:
            self.close()
            raise
        finally:
            self._reading = False

    def _refuse(self) -> NoReturn:
        """Raise what keeps this response from being read."""
        transfer = self._transfer
        if self._complete:
            raise StopAsyncIteration
        if transfer.pid != os.getpid():
            raise _errors.of_parent(self.url)
        if transfer.deadline.cancelled:
            transfer.deadline.check()
        raise _errors.response_closed(self.url)

    def close(self) -> None:
        """End the response: see `base.Response.close`."""
        self._transfer.drop()

    def __del__(self) -> None:
        if "_transfer" in self.__dict__:
            self._transfer.drop()
