"""One request and its response, as libcurl's callbacks see them; no I/O."""

from __future__ import annotations

from collections import deque
from typing import Any

from ...values.http import Headers

__all__ = ["BUFFER", "Exchange"]

BUFFER = 256 << 10
"""Bytes of a body that are kept for a reader; above it libcurl is told to pause."""

_PAUSE = 0x10000001  # CURL_WRITEFUNC_PAUSE
_REFUSE = 0xFFFFFFFF  # CURL_WRITEFUNC_ERROR
_PIECE = 16 << 10  # As much as libcurl gives at once.


class Exchange:
    """One request as it goes out, and its response as it comes in.

    The thread that drives libcurl calls `before_request`, `header` and `write`; one other thread
    may call `take` meanwhile: each side has a counter that only it changes.

    Attributes:
        requests: how many times libcurl was about to write the request on a connection.
        resent: it was about to write it again, and was stopped.
        stale: it was about to write it on a kept connection that has ended, and was stopped.
        head: the lines of the last response's head, without line ends.
        head_done: that head is the final response's, and whole.
        chunks: pieces of the body, decoded.
        paused: libcurl was told to keep the rest for now.
        received: grows with each line of a head under way.
        fault: what was raised inside `before_request`.
        touches: the list that this is put on when something comes, unless it is `touched`.
    """

    __slots__ = (
        "_head_size", "_received", "_taken", "chunks", "fault", "head", "head_done",
        "max_headers", "paused", "received", "repeatable", "requests", "resent", "stale",
        "too_large", "touched", "touches",
    )  # fmt: skip

    def __init__(self, *, repeatable: bool, max_headers: int) -> None:
        """Begin an exchange.

        Args:
            repeatable: the request may be written a second time.
            max_headers: bytes of a response's headers that are read.
        """
        self.repeatable = repeatable
        self.max_headers = max_headers
        self.requests = 0
        self.resent = False
        self.stale = False
        self.head: list[bytes] = []
        self.head_done = False
        self.too_large = False
        self.chunks: deque[bytes] = deque()
        self.paused = False
        self.received = 0
        self.fault: BaseException | None = None
        self.touched = True  # Until somebody wants to be told.
        self.touches: list[Any] = []
        self._head_size = 0
        self._received = 0
        self._taken = 0

    def touch(self) -> None:
        """Note that something came."""
        if not self.touched:
            self.touched = True
            self.touches.append(self)

    def connection_ended(self) -> bool:
        """Tell whether libcurl is about to use a kept connection that has ended since."""
        return False

    def before_request(self) -> int:
        """A connection stands, and the request goes out next.  0 to go on, 1 to stop."""
        self.touch()
        # libcurl repeats a request by itself, POSTs too, when a connection that was kept alive
        # ends without an answer.  The site may have received it all the same.
        if self.requests and not self.repeatable:
            self.resent = True
            return 1
        # Nor does libcurl (8.23) look whether a connection that was in use within the last
        # second still stands.  Here, nothing was written yet: it can begin anew.
        if self.connection_ended():
            self.stale = True
            return 1
        self.received += 1
        self.requests += 1
        return 0

    def header(self, line: bytes) -> int:
        """Take a line of a response's head, or of its trailers."""
        self.received += 1
        self._head_size += len(line)
        if self._head_size > self.max_headers:
            self.too_large = True
            return _REFUSE
        if self.head_done:
            return len(line)  # A trailer.
        text = line.rstrip(b"\r\n")
        if line.startswith(b"HTTP/"):
            self.head = [text]
        elif text:
            self.head.append(text)
        else:
            # An interim response (103 and the like) is followed by the head of the next.
            self.head_done = not 100 <= self.status < 200 or self.status == 101
            self.received = self.requests
            self.touch()
        return len(line)

    def write(self, data: bytes) -> int:
        """Take a piece of the body, unless enough of it waits for the reader."""
        if not self.touched:
            self.touched = True
            self.touches.append(self)
        if self._received - self._taken >= BUFFER:
            self.paused = True
            return _PAUSE
        self._received += len(data)
        self.chunks.append(data)
        return len(data)

    @property
    def body_size(self) -> int:
        """Bytes of the body that have come so far, decoded."""
        return self._received

    @property
    def buffered(self) -> int:
        """Bytes of the body that wait for the reader."""
        return self._received - self._taken

    def take(self) -> bytes:
        """The part of the body that has arrived: small pieces together, large ones one by one.

        A large body is joined once by its reader, and not twice.
        """
        chunks = self.chunks
        data = chunks.popleft()
        if chunks and len(data) + len(chunks[0]) <= _PIECE:
            pieces, size = [data], len(data)
            while chunks and size + len(chunks[0]) <= _PIECE:
                size += len(chunks[0])
                pieces.append(chunks.popleft())
            data = b"".join(pieces)
        self._taken += len(data)
        return data

    @property
    def status(self) -> int:
        """The status in the head; 0 without one."""
        words = self.head[0].split(None, 2) if self.head else []
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0

    @property
    def headers(self) -> Headers:
        """The headers in the head."""
        lines = [line.decode("latin-1").partition(":") for line in self.head[1:]]
        return Headers([(name, value.strip()) for name, colon, value in lines if colon])
