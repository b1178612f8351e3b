"""The part of a response that both blocking transports share: who may read it, and how it ends."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator

from ..errors import TransportError
from ..values.http import Headers
from ..values.urls import redact
from .errors import of_parent, response_closed

__all__ = ["StreamedResponse"]


class StreamedResponse(ABC):
    """A response that is read in one thread and may be closed in any.

    A `close()` that comes while another thread reads (or from a signal handler or finalizer
    inside the read) must not touch what the read is using: it only interrupts the read, and the
    reader then closes on its way out.
    """

    status: int = 0
    headers: Headers = Headers()

    def __init__(self, url: str) -> None:
        self.url = url
        self._pid = os.getpid()
        self._busy = threading.Lock()
        self._closing = False
        self._ended = True  # Until a subclass is whole: its last line says that it is not.
        self._complete = False

    @abstractmethod
    def _read(self) -> bytes:
        """Wait for the next piece of the body; b"" at its end."""

    @abstractmethod
    def _end(self, *, complete: bool) -> None:
        """Give the connection back (`complete`), or end it.  Called once; never blocks."""

    @abstractmethod
    def _interrupt(self) -> None:
        """End a `_read` that is under way in another thread."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {redact(self.url)}>"

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._busy.acquire(blocking=False):
            raise TransportError("A response can be read in one thread at a time.")
        try:
            if self._pid != os.getpid():
                raise of_parent(self.url)
            if self._complete:
                raise StopIteration
            if self._ended or self._closing:
                raise response_closed(self.url)
            try:
                piece = self._read()
            except BaseException:
                self._finish(complete=False)
                raise
            if not piece:
                self._complete = True
                self._finish(complete=True)
                raise StopIteration
            return piece
        finally:
            self._busy.release()
            if self._closing:
                self.close()

    def _finish(self, *, complete: bool) -> None:
        if not self._ended:
            self._ended = True
            self._end(complete=complete)

    def close(self) -> None:
        """End the response: see `base.Response.close`."""
        self._closing = True
        if self._busy.acquire(blocking=False):
            try:
                self._finish(complete=False)
            finally:
                self._busy.release()
        else:
            self._interrupt()

    def __del__(self) -> None:
        if "_busy" in self.__dict__ and not self._ended:
            self.close()
