"""libcurl's easy handle, as the transports use it.

All that this project takes from curl_cffi is in this file and `multi`, semi-private names included
(tests/transport/test_contract.py says loudly when one of them has moved).  What libcurl refuses is
a `CurlError`.
"""

from __future__ import annotations

import functools
import os
import select
import sys
from collections.abc import Callable, Iterable
from typing import Any

from curl_cffi import Curl, CurlError, CurlInfo, CurlOpt, ffi, lib
from curl_cffi.requests.impersonate import REAL_TARGET_MAP, BrowserType

from ...errors import InvalidConfigError

__all__ = ["REFUSED", "CurlError", "Handle", "option", "resolve_target"]

REFUSED = 42
"""CURLE_ABORTED_BY_CALLBACK: libcurl's result where `before_request` said stop."""

_CONT = 0  # CURLPAUSE_CONT
# Where libcurl looks names up in threads (curl_cffi 0.16), freeing a handle waits for one.
_THREADED_LOOKUPS = b"c-ares" not in ffi.string(lib.curl_version())


@functools.lru_cache(maxsize=64)
def resolve_target(name: str) -> str:
    """The target that `name`, or an alias such as "chrome", stands for in this curl_cffi.

    Raises:
        InvalidConfigError: it knows no such browser.
    """
    target = str(REAL_TARGET_MAP.get(name, name))
    easy = Handle()
    try:
        known = easy.impersonate(target) == 0
    finally:
        easy.close()
    if not known:
        names = [*REAL_TARGET_MAP, *(item.value for item in BrowserType)]
        raise InvalidConfigError(
            f"impersonate names a browser that this version of curl_cffi does not know:"
            f" {name!r}. It knows {', '.join(names[:6])} and others."
        )
    return target


def option(name: str, value: int | str | bytes | None) -> tuple[int, Any]:
    """An option for `Handle.put`, converted once: that makes setting it six times as fast."""
    number = int(getattr(CurlOpt, name))
    if isinstance(value, int):
        return number, ffi.new("int64_t *" if number >= 30000 else "long *", value)
    return number, ffi.NULL if value is None else os.fsencode(value)


def _before_request(data: Any, *_: Any) -> int:
    callback, _ = ffi.from_handle(data)
    return callback()  # type: ignore[no-any-return]


def _keep_fault(kind: Any, value: Any, trace: Any) -> None:
    # Ctrl-C can land inside the callback.
    if trace is not None and (pointer := trace.tb_frame.f_locals.get("data")):
        ffi.from_handle(pointer)[1].append(value)


try:
    # One for the life of the process: the functions that cffi makes are never freed in use.
    _callback = ffi.callback(
        "int(void *, char *, char *, int, int)", _before_request, error=1, onerror=_keep_fault
    )
except (MemoryError, NotImplementedError, OSError) as error:
    # Without it libcurl repeats a POST by itself, which the site may have received.
    raise ImportError("this system lets no program make functions as it runs") from error

_LISTS = ("_headers", "_http3_headers", "_ws_headers", "_proxy_headers")
_URL, _BODY, _BODY_SIZE, _LINES, _CONNECT_LIMIT, _PREREQ, _PREREQ_DATA, _FRESH, _FORBID = (
    int(item)
    for item in (
        CurlOpt.URL, CurlOpt.POSTFIELDS, CurlOpt.POSTFIELDSIZE_LARGE, CurlOpt.HTTPHEADER,
        CurlOpt.CONNECTTIMEOUT_MS, CurlOpt.PREREQFUNCTION, CurlOpt.PREREQDATA,
        CurlOpt.FRESH_CONNECT, CurlOpt.FORBID_REUSE,
    )
)  # fmt: skip
_ON, _OFF = ffi.new("long *", 1), ffi.new("long *", 0)


class Handle(Curl):
    """An easy handle that leaves a parent process's connections alone."""

    _WS_RECV_BUFFER_SIZE = 1  # Below 0.17 every handle allots 128 KiB for websockets.

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._faults: list[BaseException] = []
        self._before_request: Any = None
        self._options: Iterable[tuple[int, Any]] | None = None
        self._long = ffi.new("long *")
        self._int64 = ffi.new("int64_t *")
        super().__init__()

    @property
    def address(self) -> Any:
        """libcurl's own pointer."""
        return self._curl

    @property
    def alive(self) -> bool:
        """Not freed."""
        return self._curl is not None

    def configure(self, target: str | None, options: Iterable[tuple[int, Any]]) -> None:
        """Forget all options, look like `target`, and set `options` (see `option`).

        Where they are the very same as before, nothing is to be done: all others are set by
        `describe` and `report_to`.
        """
        if options is self._options:
            return
        self._options = None
        self.reset()
        if target is not None and self.impersonate(target) != 0:
            raise CurlError(f"unknown target {target}")
        for number, value in options:
            self.put(number, value)
        self.put(_PREREQ, _callback)
        self._options = options

    def put(self, number: int, value: Any) -> None:
        """Set an option to what libcurl's own function takes."""
        code = lib._curl_easy_setopt(self._curl, number, value)
        if code != 0:
            raise CurlError(f"curl refuses option {number}", code)

    def describe(
        self, url: bytes, lines: Iterable[bytes], body: bytes | None, connect_limit: float | None
    ) -> None:
        """Set what differs from request to request."""
        self.put(_URL, url)
        headers = ffi.NULL
        for line in lines:
            headers = lib.curl_slist_append(headers, line)
        old, self._headers = self._headers, headers
        self.put(_LINES, headers)
        if old != ffi.NULL:
            lib.curl_slist_free_all(old)
        if body is not None:
            self._body_handle = body  # libcurl makes no copy.
            self._int64[0] = len(body)
            self.put(_BODY_SIZE, self._int64)
            self.put(_BODY, ffi.from_buffer(body))
        # Our own limit comes first; this one lets libcurl share the time among addresses.
        limit = 2**31 - 1 if connect_limit is None else int(connect_limit * 1000) + 50
        self._long[0] = min(limit, 2**31 - 1)
        self.put(_CONNECT_LIMIT, self._long)

    def report_to(
        self,
        write: Callable[[bytes], int],
        header: Callable[[bytes], int],
        before_request: Callable[[], int],
    ) -> None:
        """Set the next transfer's callbacks."""
        self.setopt(CurlOpt.WRITEFUNCTION, write)
        self.setopt(CurlOpt.HEADERFUNCTION, header)
        self._faults = []
        self._before_request = ffi.new_handle((before_request, self._faults))
        self.put(_PREREQ_DATA, self._before_request)

    def begin_anew(self, *, fresh: bool) -> None:
        """Prepare for another start of the same transfer; `fresh`: with a new connection."""
        self._options = None
        self.put(_FORBID, _OFF)
        if fresh:
            self.put(_FRESH, _ON)

    def connection_ended(self) -> bool:
        """Tell whether the connection in use was kept from an earlier request and has ended since.

        To be asked before the request is written on it.  If so, it will not be kept any longer.
        """
        if self.number(CurlInfo.NUM_CONNECTS):
            return False
        found = self.getinfo(CurlInfo.ACTIVESOCKET)
        if not isinstance(found, int) or not 0 <= found < 2**31:
            return False  # 0.16.0 gives "none" unsigned.
        try:
            ended = _has_ended(found)
        except (OSError, ValueError):
            ended = True
        if ended:
            self.put(_FORBID, _ON)
        return ended

    def number(self, info: int) -> int:
        """A fact that libcurl knows of the transfer, as a number; 0 for an unknown one."""
        wide = info & 0xF00000 == 0x600000
        value = self._int64 if wide else self._long
        if self._curl is None or lib.curl_easy_getinfo(self._curl, info, value) != 0:
            return 0
        return int(value[0])

    def progress(self) -> tuple[int, int]:
        """Bytes of bodies that went out and came in so far, on the wire."""
        return self.number(CurlInfo.SIZE_UPLOAD_T), self.number(CurlInfo.SIZE_DOWNLOAD_T)

    def may_look_up(self) -> bool:
        """Tell whether a thread of libcurl may look up the name, if nothing was sent yet."""
        return _THREADED_LOOKUPS and self.number(CurlInfo.NAMELOOKUP_TIME_T) <= 0

    def connect_info(self) -> tuple[int, int, int]:
        """The facts of a connect that failed.

        The system's error number, a proxy's answer to CONNECT, and curl's `CURLproxycode`.
        """
        number = self.number
        return (
            number(CurlInfo.OS_ERRNO),
            number(CurlInfo.HTTP_CONNECTCODE),
            number(CurlInfo.PROXY_ERROR),
        )

    def error_text(self) -> str:
        """libcurl's own words on what went wrong."""
        return str(ffi.string(self._error_buffer).decode(errors="replace")).strip()

    def callback_fault(self) -> BaseException | None:
        """The exception that was raised inside a callback."""
        return self._get_callback_exception() or next(iter(self._faults), None)

    def unpause(self) -> None:
        """Let libcurl hand over what it kept when it was told to pause."""
        lib.curl_easy_pause(self._curl, _CONT)

    def release(self) -> None:
        """Let go of the callbacks and the body, after the transfer was taken away."""
        self._write_handle = self._header_handle = self._body_handle = None
        self._before_request = None

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


def _has_ended(descriptor: int) -> bool:
    """Tell whether the other end of a socket has hung up.

    No more than that is looked at: HTTP/2 may have settings or a ping to be read, TLS a ticket.
    """
    if not hasattr(select, "poll"):  # Windows: there is no other sign than that it can be read.
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | getattr(select, "POLLRDHUP", 0))
    news = poll.poll(0)
    return bool(news) and bool(news[0][1] & ~select.POLLIN)
