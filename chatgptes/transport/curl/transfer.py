"""One stream of the hub: what its thread fills, and what a task on a loop reads."""

from __future__ import annotations

import enum
import math
import os
import time
from collections.abc import Callable
from typing import Any

from ...errors import ChatGptEsError, TransportError
from ...values.deadline import Deadline, Registration
from ...values.http import Headers, Request
from ...values.proxy import Proxy
from ...values.urls import redact
from .. import errors as _faults
from .exchange import BUFFER, Exchange
from .handle import Handle
from .wakers import Waker, current_waker

__all__ = ["Command", "HubResponse", "Transfer"]

_IN_A_ROW = 16
"""Reads that found something at once, before the loop's other tasks get their turn."""


class Command(enum.Enum):
    """What the hub's thread is asked to do for a transfer."""

    START = enum.auto()
    DROP = enum.auto()  # Nobody wants it any more.
    CANCEL = enum.auto()  # Its deadline was cancelled.
    RESUME = enum.auto()  # Its buffer has room again.
    TIME = enum.auto()  # It has to be looked at earlier than was planned.


class Transfer(Exchange):
    """A request on its way through the hub.

    The hub's thread and the task that reads share it without a lock: each attribute is written by
    one side, or by operations that are atomic.

    Attributes:
        waiters: what the task waits on (one at most); whoever takes it out wakes it.
        done: nothing more will come; written after the last chunk and `error`.
        error: why it ended; None for a whole response.
        dropped: the reader has gone.
        head_taken: the reader has the head.
        since: when the current silence began (`time.monotonic()`).
        check_at: when the thread will look at its limits; infinity for never.
        handle: libcurl's, while it runs.
        touched: it is on the thread's list of those that got something.
    """

    __slots__ = (
        "check_at", "check_key", "deadline", "done", "dropped", "error", "handle", "head_taken",
        "lines", "phase_sent", "pid", "post", "progress", "proxy", "registration", "request",
        "since", "starts", "touched", "touches", "waiters", "waker",
    )  # fmt: skip

    def __init__(
        self, request: Request, lines: list[bytes], deadline: Deadline, proxy: Proxy | None,
        max_headers: int,
    ) -> None:  # fmt: skip
        super().__init__(repeatable=request.repeatable, max_headers=max_headers)
        self.request = request
        self.lines = lines
        self.deadline = deadline
        self.proxy = proxy
        self.waker: Waker = current_waker()
        self.pid = os.getpid()
        self.waiters: list[Any] = []
        self.done = self.dropped = self.head_taken = self.touched = self.phase_sent = False
        self.error: ChatGptEsError | None = None
        self.handle: Handle | None = None
        self.starts = 0
        self.since = time.monotonic()
        self.check_at = math.inf
        self.check_key = 0
        self.progress: tuple[int, ...] = ()
        self.touches: list[Transfer] = []
        self.post: Callable[[Command, Transfer], None] = _nowhere
        self.registration: Registration | None = None

    # In the hub's thread:

    def touch(self) -> None:
        """Note that something came."""
        if not self.touched:
            self.touched = True
            self.touches.append(self)

    def before_request(self) -> int:
        """See `Exchange.before_request`."""
        self.touch()
        return super().before_request()

    def header(self, line: bytes) -> int:
        """See `Exchange.header`."""
        taken = super().header(line)
        if self.head_done:
            self.touch()
        return taken

    def write(self, data: bytes) -> int:
        """See `Exchange.write`."""
        if not self.touched:
            self.touched = True
            self.touches.append(self)
        return super().write(data)

    def finish(self, error: ChatGptEsError | None = None) -> None:
        """Note the end."""
        if not self.done:
            self.error = error
            self.done = True
            self.touch()

    @property
    def ready(self) -> bool:
        """Whether the reader has something to do."""
        return bool(self.chunks) or self.done or (self.head_done and not self.head_taken)

    def limit(self) -> float | None:
        """The limit of the current phase, in seconds."""
        timeout = self.deadline.timeout
        return timeout.read if self.requests or self.heard else timeout.connect

    # In the reader's task:

    def prepare_wait(self) -> Any:
        """Arm a wait; None where there is something to do already."""
        self.since = time.monotonic()
        left = self.deadline.remaining(self.limit())
        waiter = self.waker.prepare()
        self.waiters.append(waiter)
        # Looked at after arming: what comes from here on wakes.
        if self.ready:
            self.waiters.clear()
            return None
        if left is not None and self.since + left < self.check_at:
            self.post(Command.TIME, self)
        if self.paused:
            self.post(Command.RESUME, self)
        return waiter

    def drop(self) -> None:
        """Let the thread take the transfer away.  Any thread, any number of times."""
        if not self.dropped:
            self.dropped = True
            if self.registration is not None:
                self.registration.close()
            if not self.done and self.pid == os.getpid():
                self.post(Command.DROP, self)


def _nowhere(command: Command, transfer: Transfer) -> None:
    """Where commands go before the transfer belongs to a thread."""


class HubResponse:
    """A response that the hub receives: see `base.AsyncResponse`."""

    def __init__(self, transfer: Transfer) -> None:
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
        """Wait for the status and the headers.

        Raises:
            ChatGptEsError: as `base.AsyncTransport.send`.
        """
        transfer = self._transfer
        try:
            while not (transfer.head_done or transfer.done):
                if (waiter := transfer.prepare_wait()) is not None:
                    await transfer.waker.wait(waiter)
            transfer.head_taken = True
            if not transfer.head_done:
                raise transfer.error or _faults.broken(self.url, None)
            proxy = transfer.proxy
            if transfer.status == 407 and proxy is not None and proxy.forwards(self.url):
                raise _faults.proxy_failed(self.url, proxy, status=407)
        except BaseException:
            self.close()
            raise
        self.status = transfer.status
        self.headers = transfer.headers

    def __aiter__(self) -> HubResponse:
        return self

    async def __anext__(self) -> bytes:
        """Give what has arrived of the body, small pieces joined.

        Raises:
            TransportError, RequestTimeout, TurnCancelled: see `base.AsyncResponse`.
        """
        if self._reading:
            raise TransportError("A response can be read by one task at a time.")
        self._reading = True
        try:
            data = await self._receive()
        except BaseException:
            self.close()
            raise
        finally:
            self._reading = False
        if not data:
            self._complete = True
            self.close()
            raise StopAsyncIteration
        return data

    async def _receive(self) -> bytes:
        transfer = self._transfer
        if self._complete:
            return b""
        if transfer.pid != os.getpid():
            raise TransportError(
                "A response that was under way at a fork belongs to the parent process.",
                url=redact(self.url),
            )
        if self.status == 101:
            return b""  # No body: what follows is another protocol, which nobody asked for.
        if self._in_a_row >= _IN_A_ROW:
            self._in_a_row = 0
            await transfer.waker.rest()
        while True:
            if transfer.deadline.cancelled:
                transfer.deadline.check()
            if transfer.dropped:
                raise _faults.response_closed(self.url)
            if transfer.chunks:
                self._in_a_row += 1
                data = transfer.take()
                if transfer.paused and transfer.buffered <= BUFFER // 2:
                    transfer.post(Command.RESUME, transfer)
                return data
            if transfer.done and not transfer.chunks:  # The last of them may just have come.
                if transfer.error is not None:
                    raise transfer.error
                return b""
            if (waiter := transfer.prepare_wait()) is not None:
                self._in_a_row = 0
                await transfer.waker.wait(waiter)

    def close(self) -> None:
        """End the response: see `base.Response.close`."""
        self._transfer.drop()

    def __del__(self) -> None:
        if "_transfer" in self.__dict__:
            self._transfer.drop()
