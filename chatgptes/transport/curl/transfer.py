"""One request to libcurl, and its response as it comes in."""

from __future__ import annotations

import time
from collections import deque

from ...errors import ChatGptEsError
from ...values.deadline import Deadline
from ...values.http import Headers, Request
from .. import errors as _errors
from .handle import REFUSED, CurlError, Handle
from .multi import Multi
from .setup import CurlSettings

__all__ = ["Transfer"]

_BUFFER = 256 << 10
"""Bytes of a body that are kept for a reader; above it libcurl is told to pause."""

_PAUSE = 0x10000001  # CURL_WRITEFUNC_PAUSE
_REFUSE = 0xFFFFFFFF  # CURL_WRITEFUNC_ERROR
_PIECE = 16 << 10  # As much as libcurl gives at once.
_STARTS = 4
_BAD_URL = 3  # CURLE_URL_MALFORMAT


class Transfer:
    """A request and its response.

    The thread that drives libcurl changes it, but for what `take` does.  That one other thread may
    call meanwhile, and it may read the rest: each side has a counter that only it changes.

    Attributes:
        handle: libcurl's, while it runs.
        since: when the current silence began (`time.monotonic()`).
        requests: how many times libcurl was about to write the request on a connection.
        resent: it was about to write it again, and was stopped.
        stale: it was about to write it on a kept connection that has ended, and was stopped.
        too_large: the headers are more than is read.
        head: the lines of the last response's head, without line ends.
        head_done: that head is the final response's, and whole.
        chunks: pieces of the body, decoded.
        body_size: bytes of the body that have come so far, decoded.
        paused: libcurl was told to keep the rest for now.
        touches: the list that this is put on when something comes, unless it is `touched`.
    """

    __slots__ = (
        "_head_size", "_lines", "_progress", "_seen", "_starts", "_taken", "body_size", "chunks",
        "deadline", "handle", "head", "head_done", "paused", "proxy", "request", "requests",
        "resent", "settings", "since", "stale", "too_large", "touched", "touches",
    )  # fmt: skip

    def __init__(self, settings: CurlSettings, request: Request, deadline: Deadline) -> None:
        self.settings = settings
        self.request = request
        self.deadline = deadline
        self.proxy = settings.routes.route(request.url)
        self.handle: Handle | None = None
        self.since = time.monotonic()
        self.requests = 0
        self.resent = self.stale = self.too_large = False
        self.head: list[bytes] = []
        self.head_done = False
        self.chunks: deque[bytes] = deque()
        self.body_size = 0
        self.paused = False
        self.touched = True  # Until somebody wants to be told.
        self.touches: list[Transfer] = []
        self._lines = settings.header_lines(request)
        self._starts = 0
        self._head_size = 0
        self._taken = 0
        self._seen = 0  # Grows with each line of a head under way.
        self._progress = (0, 0, 0)

    def begin(self, handle: Handle, multi: Multi) -> ChatGptEsError | None:
        """Go through `handle`; the error where libcurl does not take the request."""
        self.handle = handle
        lines, self._lines = self._lines, ()  # They may be secret.
        try:
            limit = self.deadline.remaining(self.deadline.timeout.connect)
            self.settings.apply(handle, self.request, lines, self.proxy, limit)
            handle.report_to(self.write, self.header, self.before_request)
            multi.add(handle)
        except (CurlError, UnicodeError) as error:
            # None may come through: it would end the hub's thread, and with it all others' streams.
            return _errors.cannot_begin(self.request.url, getattr(error, "code", _BAD_URL))
        return None

    def begun_anew(self, code: int, multi: Multi) -> bool:
        """Begin anew where it ended since libcurl had chosen a connection that has ended."""
        if code != REFUSED or not self.stale:
            return False
        assert self.handle is not None
        multi.remove(self.handle)
        self._starts += 1
        self.stale = False
        self.handle.begin_anew(fresh=self._starts >= _STARTS)
        multi.add(self.handle)
        return True

    def leave(self, multi: Multi) -> bool:
        """Leave the handle, finished or not; connections that are whole are kept.

        Returns whether a thread of libcurl may still look up the name.
        """
        handle, self.handle = self.handle, None
        if handle is None:
            return False
        looking_up = not self.requests and handle.may_look_up()
        # The callbacks may be freed only afterwards, even if Ctrl-C lands between these lines.
        multi.remove(handle)
        handle.release()
        return looking_up

    def touch(self) -> None:
        """Note that something came."""
        if not self.touched:
            self.touched = True
            self.touches.append(self)

    # libcurl's callbacks:

    def before_request(self) -> int:
        """A connection stands, and the request goes out next.  0 to go on, 1 to stop."""
        self.touch()
        # libcurl repeats a request by itself, POSTs too, when a connection that was kept alive
        # ends without an answer.  The site may have received it all the same.
        if self.requests and not self.request.repeatable:
            self.resent = True
            return 1
        # Nor does libcurl (8.23) look whether a connection that was in use within the last
        # second still stands.  Here, nothing was written yet: it can begin anew.
        if self.handle is not None and self.handle.connection_ended():
            self.stale = True
            return 1
        self._seen += 1
        self.requests += 1
        return 0

    def header(self, line: bytes) -> int:
        """Take a line of a response's head, or of its trailers."""
        self._seen += 1
        self._head_size += len(line)
        if self._head_size > self.settings.max_headers:
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
            self._seen = self.requests
            self.touch()
        return len(line)

    def write(self, data: bytes) -> int:
        """Take a piece of the body, unless enough of it waits for the reader."""
        if not self.touched:  # As `touch`: a call less, once a chunk.
            self.touched = True
            self.touches.append(self)
        if self.body_size - self._taken >= _BUFFER:
            self.paused = True
            return _PAUSE
        self.body_size += len(data)
        self.chunks.append(data)
        return len(data)

    # What has come:

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

    @property
    def may_resume(self) -> bool:
        """libcurl was told to pause, and half of what waited then was taken."""
        return self.paused and self.body_size - self._taken <= _BUFFER // 2

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

    def check_proxy(self) -> None:
        """Raise ProxyError if the response, whose head has come, is a proxy's refusal."""
        if self.status == 407 and self.proxy is not None and self.proxy.forwards(self.request.url):
            raise _errors.proxy_failed(self.request.url, self.proxy, status=407)

    # The limits of its waits:

    def limit(self) -> float | None:
        """The limit of silence in the current phase, in seconds."""
        timeout = self.deadline.timeout
        return timeout.read if self.requests else timeout.connect

    def left(self, now: float) -> float | None:
        """Seconds that are left of a wait; None for no limit."""
        timeout = self.deadline.timeout
        limit = timeout.read if self.requests else timeout.connect  # `limit`: a call less.
        return self.deadline.remaining(None if limit is None else limit - (now - self.since))

    def note_progress(self, now: float) -> None:
        """Let the silence begin anew if something came or went that the reader does not see.

        Bytes of a long upload, or that a decoder keeps for now, are no silence either.  curl counts
        what it has put into its buffer: only that the network took some counts.  With a body, the
        reader's next wait begins anew, and knows better when.
        """
        if self.handle is not None:
            sent, came = self.handle.progress()
            progress = (self._seen, sent, came - self.body_size)
            if progress != self._progress:
                self._progress, self.since = progress, now

    def timeout_error(self) -> ChatGptEsError:
        """The error of a silence that is too long."""
        return _errors.timed_out(
            self.request.url,
            self.deadline,
            self.proxy,
            sent=self.requests > 0,
            status=self.status if self.head_done else None,
        )
