"""The blocking transport over libcurl.

A pool of engines, taken one per request and given back, each driven by the thread that reads its
response.  curl_cffi's own `Session` would open a connection for every streamed request, and can
neither be cancelled nor closed promptly.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from ...errors import ChatGptEsError
from ...values.deadline import Deadline
from ...values.http import Request
from ...values.process import PerProcess
from .. import errors as _errors
from ..response import StreamedResponse
from ..settings import BuiltIn
from .errors import error_for
from .handle import Handle
from .multi import Multi, free
from .setup import CurlSettings
from .transfer import Transfer

__all__ = ["CurlTransport"]

_IDLE_ENGINES = 32


class _Engine(NamedTuple):
    """A handle in its own multi handle, with the connections they keep: for one thread each."""

    handle: Handle
    multi: Multi


class CurlTransport(BuiltIn):
    """Blocking HTTP through curl_cffi."""

    _settings: CurlSettings

    def __init__(self, **options: Any) -> None:
        """Make a transport; nothing is opened yet.  Arguments and errors as `CurlSettings`."""
        super().__init__(CurlSettings(**options))
        # Its operations are atomic, so there is no lock that a fork could leave taken.
        self._idle: PerProcess[list[_Engine]] = PerProcess(list)
        # The garbage collector finalizes a cycle in any order.  One that holds a response must not
        # hold its engine, which would be freed after the response has given it back.
        self._in_use: PerProcess[set[_Engine]] = PerProcess(set)

    def send(self, request: Request, deadline: Deadline) -> StreamedResponse:
        """Send one request: see `base.Transport.send`."""
        if self._closed:
            raise _errors.closed()
        deadline.check()
        transfer = Transfer(self._settings, request, deadline)
        response = _Response(self, transfer, self._take())
        try:
            response.begin()
        except ChatGptEsError as error:
            response.close()
            self._settings.explain(error)
            raise
        except BaseException:
            # Ctrl-C can have landed anywhere: nobody else gets this engine.
            response.whole = False
            response.close()
            raise
        return response

    def close(self) -> None:
        """Close every idle connection; those in use end with their responses."""
        self._closed = True
        self._close_idle(0)

    def _take(self) -> _Engine:
        """The engine that was used last, or a new one."""
        try:
            engine = self._idle.get().pop()
        except IndexError:
            engine = _Engine(Handle(), Multi())
        self._in_use.get().add(engine)
        return engine

    def take_back(self, engine: _Engine, *, whole: bool, looking_up: bool) -> None:
        """Take an engine whose transfer has left it, and free it where it can't be used again."""
        self._in_use.get().discard(engine)
        if whole and not looking_up:
            self._idle.get().append(engine)
            self._close_idle(0 if self._closed else _IDLE_ENGINES)
        else:
            free(engine.handle, engine.multi, aside=looking_up)

    def _close_idle(self, most: int) -> None:
        """Close the engines that are more than `most`."""
        idle = self._idle.get()
        while len(idle) > most:
            try:
                engine = idle.pop(0)
            except IndexError:
                return  # Another thread was faster.
            free(engine.handle, engine.multi)


class _Response(StreamedResponse):
    """A response that the reading thread receives by itself.

    Attributes:
        whole: its engine can be used again.
    """

    def __init__(self, transport: CurlTransport, transfer: Transfer, engine: _Engine) -> None:
        super().__init__(transfer.request.url)
        self.whole = True
        self._transport = transport
        self._transfer = transfer
        self._engine = engine
        self._result: int | None = None
        self._registration = transfer.deadline.on_cancel(engine.multi.wake)
        self._ended = False

    def begin(self) -> None:
        """Send the request and wait for the response's head."""
        transfer = self._transfer
        if error := transfer.begin(self._engine.handle, self._engine.multi):
            self.whole = False
            raise error
        while not transfer.head_done:
            if self._result is not None:
                raise error_for(transfer, self._result)
            self._advance()
        transfer.check_proxy()
        self.status = transfer.status
        self.headers = transfer.headers

    def _advance(self) -> None:
        """Drive the transfer until something came of it: a head, some body, or its end."""
        transfer, multi, deadline = self._transfer, self._engine.multi, self._transfer.deadline
        # Time that the consumer took before is no silence of the site.
        transfer.since = time.monotonic()
        while True:
            left = transfer.left(time.monotonic())
            if left is not None and left <= 0:
                raise transfer.timeout_error()
            # Waited for first: where libcurl has something to do already, it does not wait.
            active = multi.wait(left)
            if ended := multi.step():
                self._note_end(ended[0][1])
            if self._result is not None or transfer.chunks:
                return
            if transfer.head_done and not self.status:
                return
            if deadline.cancelled:
                deadline.check()
            if self._closing:
                raise _errors.response_closed(self.url)
            if active:
                transfer.note_progress(time.monotonic())

    def _note_end(self, code: int) -> None:
        """Note curl's result code, or raise what was raised inside a callback."""
        fault = self._engine.handle.callback_fault()
        if fault is not None:
            raise fault
        if not self._transfer.begun_anew(code, self._engine.multi):
            self._result = code

    def _read(self) -> bytes:
        transfer = self._transfer
        if transfer.deadline.cancelled:
            transfer.deadline.check()
        if self.status == 101:
            return b""  # No body: what follows is another protocol, which nobody asked for.
        while not transfer.chunks:
            if transfer.paused:
                transfer.paused = False
                self._engine.handle.unpause()
            elif self._result is None:
                self._advance()
            elif self._result == 0:
                return b""
            else:
                raise error_for(transfer, self._result)
        return transfer.take()

    def _end(self, *, complete: bool) -> None:
        self._registration.close()
        handle, multi = self._engine
        if not (multi.alive and handle.alive):
            # A fork's child leaves the parent's connections alone; or the transport is found in a
            # cycle, too, and they were freed before.
            return
        looking_up = True  # Until it is known.
        try:
            looking_up = self._transfer.leave(multi)
        finally:
            self._transport.take_back(self._engine, whole=self.whole, looking_up=looking_up)

    def _interrupt(self) -> None:
        self._engine.multi.wake()
