"""One request and its answer: whole, in pieces, badly, or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Protocol

from .request import Received

Header = tuple[str, str]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Gone(Exception):
    """The client has left, or the server is stopping: nothing more can be said here."""


def http_date(seconds: float) -> str:
    """`seconds` since the epoch as HTTP writes dates, whatever the locale."""
    t = time.gmtime(seconds)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year} "
        f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"
    )


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _bytes(text: str | bytes) -> bytes:
    # A user's script may say lone surrogates; they must not end the connection's thread.
    return text.encode("utf-8", "replace") if isinstance(text, str) else text


class Wire(Protocol):
    """A connection, as an exchange uses it."""

    def send(self, data: bytes) -> None:
        """Send all of `data`; raises `Gone` where nobody is there any more."""
        ...

    def pieces(self, data: bytes) -> Iterable[bytes]:
        """Return `data` as the pieces that it is to be sent in."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait; raises `Gone` when the server stops meanwhile."""
        ...

    def stall(self) -> None:
        """Wait until released; raises `Gone` when the client leaves or the server stops."""
        ...

    def reset_on_close(self) -> None:
        """End the connection with a reset instead of a close."""
        ...


class Exchange:
    """One request, and the means to answer it: whole, in pieces, badly, or not at all."""

    def __init__(self, connection: Wire, request: Received) -> None:
        self.request = request
        self.started = False
        self.status = 0
        self.keep = request.keep_alive
        self._connection = connection
        self._chunked = False
        self._ended = False

    def respond(
        self,
        status: int,
        body: str | bytes,
        content_type: str = "text/html; charset=UTF-8",
        headers: Iterable[Header] = (),
    ) -> None:
        """Answer whole, with a Content-Length."""
        data = _bytes(body)
        head = self._head(status, content_type, [*headers, ("Content-Length", str(len(data)))])
        self.started = self._ended = True
        self._send(head if self.request.method == "HEAD" else head + data)

    def start(self, status: int, content_type: str, headers: Iterable[Header] = ()) -> None:
        """Begin an answer of unknown length: chunked, or up to the close for HTTP/1.0."""
        self._chunked = self.request.version == "HTTP/1.1"
        framing = ("Transfer-Encoding", "chunked") if self._chunked else ("Connection", "close")
        self.keep = self.keep and self._chunked
        self.started = True
        self._send(self._head(status, content_type, [*headers, framing]))

    def write(self, data: bytes | str) -> None:
        """Send the next piece now, as one packet (or as many, where the site cuts bytes)."""
        if self.request.method == "HEAD":
            raise Gone  # It has its headers, and a body without end would never end.
        for piece in self._connection.pieces(_bytes(data)):
            self._send(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)

    def end(self) -> None:
        """End what `start` began."""
        if self.started and not self._ended:
            self._ended = True
            if self._chunked and self.request.method != "HEAD":
                self._send(b"0\r\n\r\n")

    def raw(self, data: bytes) -> None:
        """Send bytes as they are, HTTP or not."""
        self.started = True
        self._send(data)

    def cut(self, *, reset: bool = False) -> None:
        """Break the connection off here, without an end: closed, or reset."""
        if reset:
            self._connection.reset_on_close()
        raise Gone

    def stall(self) -> None:
        """Say nothing until the site releases its stalled exchanges, or stops."""
        self._connection.stall()

    def pause(self, seconds: float) -> None:
        """Wait between two pieces; ends early when the server stops."""
        if seconds > 0:
            self._connection.pause(seconds)

    def _head(self, status: int, content_type: str, headers: Iterable[Header]) -> bytes:
        self.status = status
        lines = [f"HTTP/1.1 {status} {_reason(status)}", f"Date: {http_date(time.time())}"]
        lines.append(f"Content-Type: {content_type}")
        lines.extend(f"{name}: {value}" for name, value in headers)
        if not self.keep and not any(name.lower() == "connection" for name, _ in headers):
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _send(self, data: bytes) -> None:
        self._connection.send(data)
