"""One libcurl handle, driven by the thread that reads from it.

Everything that this project takes from curl_cffi is in this file, its semi-private names included
(tests/test_contract.py says loudly when one of them has moved).  curl_cffi's own `Session` would
open a connection for every streamed request, and can neither be cancelled nor closed promptly.
"""

from __future__ import annotations

import math
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from curl_cffi import Curl, CurlError, CurlInfo, CurlOpt, ffi, lib
from curl_cffi.requests.impersonate import REAL_TARGET_MAP, BrowserType

__all__ = ["Curl", "CurlError", "CurlInfo", "CurlOpt", "Engine", "Exchange", "known", "resolve"]

_PAUSE = 0x10000001  # CURL_WRITEFUNC_PAUSE
_REFUSE = 0xFFFFFFFF  # CURL_WRITEFUNC_ERROR
_CONT = 0  # CURLPAUSE_CONT
_HTTP_2 = 3  # CURL_HTTP_VERSION_2_0
_BUFFER = 256 << 10
_PIECE = 16 << 10  # As much as libcurl gives at once.
_LONGEST_WAIT_MS = 60_000


def resolve(target: str) -> str:
    """The target that an alias such as "chrome" stands for in this version of curl_cffi."""
    return str(REAL_TARGET_MAP.get(target, target))


def known() -> list[str]:
    """Names of a few targets, aliases first."""
    return [*REAL_TARGET_MAP, *(item.value for item in BrowserType)]


class Exchange:
    """What libcurl's callbacks see and leave of one request and its response.

    Attributes:
        requests: how many times libcurl was about to write the request on a connection.
        resent: it was about to write it again, and was stopped.
        head: the lines of the last response's head, without line ends.
        head_done: that head is the final response's, and whole.
        chunks: pieces of the body, decoded.
        paused: libcurl was told to keep the rest for now.
    """

    def __init__(self, *, repeatable: bool, max_headers: int) -> None:
        self.repeatable = repeatable
        self.max_headers = max_headers
        self.requests = 0
        self.resent = False
        self.head: list[bytes] = []
        self.head_done = False
        self.too_large = False
        self.chunks: deque[bytes] = deque()
        self.paused = False
        self.heard = 0
        self.fault: BaseException | None = None
        self._head_size = 0
        self._buffered = 0

    def before_request(self) -> int:
        """A connection stands, and the request goes out next.  0 to go on, 1 to stop."""
        self.requests += 1
        self.heard += 1
        # libcurl repeats a request by itself, POSTs too, when a connection that was kept alive
        # ends without an answer.  The site may have heard it all the same.
        if self.requests > 1 and not self.repeatable:
            self.resent = True
            return 1
        return 0

    def header(self, line: bytes) -> int:
        self.heard += 1
        self._head_size += len(line)
        if self._head_size > self.max_headers:
            self.too_large = True
            return _REFUSE
        if self.head_done:
            return len(line)  # A trailer.
        line_text = line.rstrip(b"\r\n")
        if line.startswith(b"HTTP/"):
            self.head = [line_text]
        elif line_text:
            self.head.append(line_text)
        else:
            # An interim response (103 and the like) is followed by the head of the next.
            self.head_done = not 100 <= self.status < 200 or self.status == 101
        return len(line)

    def write(self, data: bytes) -> int:
        self.heard += 1
        if self._buffered >= _BUFFER:
            self.paused = True
            return _PAUSE
        self.chunks.append(data)
        self._buffered += len(data)
        return len(data)

    def take(self) -> bytes:
        """What has arrived of the body: small pieces together, large ones one by one.

        Whoever wants all of a large body joins it once, and not twice.
        """
        chunks = self.chunks
        if self._buffered <= _PIECE:
            data = b"".join(chunks)
            chunks.clear()
        else:
            pieces = [chunks.popleft()]
            size = len(pieces[0])
            while chunks and size + len(chunks[0]) <= _PIECE:
                size += len(chunks[0])
                pieces.append(chunks.popleft())
            data = b"".join(pieces)
        self._buffered -= len(data)
        return data

    def value(self, name: bytes) -> bytes:
        """The first value of the header `name`."""
        lines = (line.partition(b":") for line in self.head[1:])
        return next((value.strip() for key, _, value in lines if key.lower() == name), b"")

    @property
    def status(self) -> int:
        """The status in the head; 0 without one."""
        words = self.head[0].split(None, 2) if self.head else []
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def _store_fault(kind: Any, value: Any, trace: Any) -> None:
    """Keep what was raised inside `_before_request` (Ctrl-C can land there)."""
    if trace is not None:
        pointer = trace.tb_frame.f_locals.get("data")
        if pointer:
            ffi.from_handle(pointer).fault = value


def _make_before_request() -> Any:
    def before_request(data: Any, *_: Any) -> int:
        exchange: Exchange = ffi.from_handle(data)
        return exchange.before_request()

    try:
        # One for the life of the process: the functions that cffi makes are never freed in use.
        return ffi.callback(
            "int(void *, char *, char *, int, int)", before_request, error=1, onerror=_store_fault
        )
    except (MemoryError, NotImplementedError, OSError):
        return None  # A system that lets no program make functions as it runs.


_before_request = _make_before_request()


_CONNECT_INFO = (CurlInfo.OS_ERRNO, CurlInfo.HTTP_CONNECTCODE, CurlInfo.PROXY_ERROR)


def _has_ended(descriptor: int, multiplexed: bool) -> bool:
    """Whether an idle connection's socket has news, and whether they are of its end."""
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    hang_up = select.POLLERR | select.POLLHUP | getattr(select, "POLLRDHUP", 0)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | hang_up)
    news = poll.poll(0)
    # HTTP/1 has nothing to say between two answers; HTTP/2 may have settings or a ping.
    return bool(news) and (not multiplexed or bool(news[0][1] & hang_up))


def _number(value: Any) -> int:
    return int(value or 0)


_LISTS = ("_headers", "_http3_headers", "_ws_headers", "_proxy_headers")


class _Handle(Curl):
    """An easy handle that leaves a parent process's connections alone."""

    _WS_RECV_BUFFER_SIZE = 1  # Below 0.17 every handle allots 128 KiB for websockets.

    def __init__(self) -> None:
        self._pid = os.getpid()
        super().__init__()

    def clean_handles_and_buffers(
        self, clear_headers: bool = True, clear_resolve: bool = True
    ) -> None:
        # curl_cffi frees each list and forgets it afterwards: Ctrl-C in between would have it
        # freed twice.  This way round, it leaks.
        names = (*(_LISTS if clear_headers else ()), *(("_resolve",) if clear_resolve else ()))
        for name in names:
            pointer = getattr(self, name, ffi.NULL)
            setattr(self, name, ffi.NULL)
            if pointer != ffi.NULL:
                lib.curl_slist_free_all(pointer)
        super().clean_handles_and_buffers(clear_headers, clear_resolve)

    def close(self) -> None:
        if self._pid != os.getpid():
            self._curl = None  # Leaked on purpose: closing it would talk on the parent's sockets.
        super().close()

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not finalizing():  # Else even the modules used here may be gone, and soon all is freed.
            super().__del__()


def _free(easy: Curl, multi: Any) -> None:
    easy.close()
    lib.curl_multi_cleanup(multi)


class Engine:
    """An easy handle in a multi handle of its own, with the connections they keep alive.

    Used by one thread at a time; only `wake` may be called from others.
    """

    def __init__(self) -> None:
        self.key = ""
        self.easy = _Handle()
        self._pid = os.getpid()
        self._multi = lib.curl_multi_init()
        self._count = ffi.new("int *")
        self._running = False
        self._socket = -1
        self._multiplexed = False
        self._resolving = False
        self._exchange: Any = None
        # Between `wake` and `close`; reentrant, since a finalizer may cancel inside either.
        self._lock = threading.RLock()

    @property
    def resolving(self) -> bool:
        """Its last transfer was stopped while a name was being looked up."""
        return self._resolving

    @property
    def alive(self) -> bool:
        """Not closed, and of this process."""
        return self._multi is not None and self._pid == os.getpid()

    def prepare(self, target: str, exchange: Exchange) -> Curl:
        """Set the handle up to look like `target` and to report to `exchange`; give it back."""
        easy = self.easy
        easy.reset()
        if easy.impersonate(target) != 0:
            raise CurlError(f"unknown target {target}")
        easy.setopt(CurlOpt.WRITEFUNCTION, exchange.write)
        easy.setopt(CurlOpt.HEADERFUNCTION, exchange.header)
        self._exchange = ffi.new_handle(exchange)
        if _before_request is not None:
            lib._curl_easy_setopt(easy._curl, CurlOpt.PREREQFUNCTION, _before_request)
            lib._curl_easy_setopt(easy._curl, CurlOpt.PREREQDATA, self._exchange)
        elif not exchange.repeatable:
            easy.setopt(CurlOpt.FRESH_CONNECT, 1)  # Only a kept connection makes libcurl repeat.
        return easy

    def unset(self, option: CurlOpt) -> None:
        """Set a text option to nothing at all, which `Curl.setopt` can't."""
        lib._curl_easy_setopt(self.easy._curl, option, ffi.NULL)

    def start(self) -> None:
        """Begin the transfer that `prepare` and the options describe."""
        self._running = True  # Before it is so: Ctrl-C in between must not leave it added.
        code = lib.curl_multi_add_handle(self._multi, self.easy._curl)
        if code != 0:
            raise CurlError("curl_multi_add_handle failed", code)

    def step(self) -> int | None:
        """Do what can be done without waiting; curl's result code once the transfer is over.

        Raises:
            BaseException: what was raised inside a callback (KeyboardInterrupt, in practice).
        """
        lib.curl_multi_perform(self._multi, self._count)
        result: int | None = None
        while (message := lib.curl_multi_info_read(self._multi, self._count)) != ffi.NULL:
            result = int(message.data.result)
        fault = self.easy._get_callback_exception()
        if fault is not None:
            raise fault
        return result

    def unpause(self) -> None:
        """Let libcurl hand over what it kept when it was told to pause."""
        lib.curl_easy_pause(self.easy._curl, _CONT)

    def wait(self, seconds: float | None) -> bool:
        """Wait until there is something to do, `wake` is called, or `seconds` have passed.

        Returns True when the network had something.
        """
        wait = _LONGEST_WAIT_MS if seconds is None else math.ceil(seconds * 1000)
        if os.name == "nt":
            wait = min(wait, 100)  # Where Ctrl-C does not end a wait.
        lib.curl_multi_poll(self._multi, ffi.NULL, 0, min(wait, _LONGEST_WAIT_MS), self._count)
        return bool(self._count[0])

    def wake(self) -> None:
        """End a `wait`, now or when it comes.  Any thread, at any time."""
        if self.alive:
            with self._lock:
                if self._multi is not None:
                    lib.curl_multi_wakeup(self._multi)

    def error_text(self) -> str:
        """libcurl's own words on what went wrong."""
        return str(ffi.string(self.easy._error_buffer).decode(errors="replace")).strip()

    def sent(self, exchange: Exchange) -> bool:
        """Whether any of the request may have gone out."""
        if _before_request is not None:
            return exchange.requests > 0
        return exchange.heard > 0 or _number(self.easy.getinfo(CurlInfo.REQUEST_SIZE)) > 0

    def progress(self) -> tuple[int, int]:
        """Bytes of bodies that went out and came in so far, on the wire."""
        info = self.easy.getinfo
        return _number(info(CurlInfo.SIZE_UPLOAD_T)), _number(info(CurlInfo.SIZE_DOWNLOAD_T))

    def connect_info(self) -> tuple[int, int, int]:
        """What is known of a connect that failed; 0 for what is not.

        The system's error number, a proxy's answer to CONNECT, and curl's `CURLproxycode`.
        """
        return tuple(_number(self.easy.getinfo(info)) for info in _CONNECT_INFO)  # type: ignore[return-value]

    def stale(self) -> bool:
        """Whether the connection that was kept has ended, or will, by what the site has sent since.

        libcurl takes one that was in use within the last second for alive (8.23), and would find
        out by sending a request that may then not be sent again.
        """
        if self._socket < 0:
            return False
        try:
            return _has_ended(self._socket, self._multiplexed)
        except (OSError, ValueError):
            return True

    def stop(self) -> None:
        """Take the transfer away, finished or not; connections that are whole are kept."""
        if not self.alive:
            return
        if self._running:
            # Asked for now: without a transfer there is no way to.  Nothing but this engine's next
            # transfer can close it, so the number stays what it is.
            found = _number(self.easy.getinfo(CurlInfo.ACTIVESOCKET))
            self._socket = found if found < 2**31 else -1  # 0.16.0 gives "none" unsigned.
            looked_up = _number(self.easy.getinfo(CurlInfo.NAMELOOKUP_TIME_T)) > 0
            self._resolving = not looked_up and not self.sent(ffi.from_handle(self._exchange))
            version = _number(self.easy.getinfo(CurlInfo.HTTP_VERSION))
            self._multiplexed = version == _HTTP_2
            # Its callbacks may be freed only afterwards, even if Ctrl-C lands between these lines.
            lib.curl_multi_remove_handle(self._multi, self.easy._curl)
            self._running = False
        self.easy.clean_handles_and_buffers()
        self._exchange = None

    def close(self) -> None:
        """Free the handles and their connections.  Any number of times."""
        if not self.alive:
            return
        self.stop()
        with self._lock:
            multi, self._multi = self._multi, None
        if self._resolving:
            # Where libcurl resolves names in threads (0.16), it waits for one that still does.
            threading.Thread(target=_free, args=(self.easy, multi), daemon=True).start()
        else:
            _free(self.easy, multi)

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if "_multi" in self.__dict__ and not finalizing():
            self.close()
