"""Blocking sockets whose every wait ends at a deadline, or at its cancel.

`requests` knows timeouts per socket call only: a site that sends a byte now and then would hold a
turn for ever, and a call that waits could not be ended from outside.  So the sockets ask an
`Operation` before every wait how long it may take, and a cancel shuts the connection down.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from ...errors import ChatGptEsError
from ...values.deadline import Deadline, Registration
from ...values.proxy import Proxy

__all__ = ["Operation", "PlainSocket", "TLSSocket", "connect", "current", "under_way"]

_NEXT_ADDRESS_AFTER = 0.25
"""Seconds until the next address is tried beside the ones under way (RFC 8305)."""

_SLICE = 1 << 16


# The operation of this thread: urllib3 makes connections deep inside one call.
_under_way = threading.local()


@contextmanager
def under_way(operation: Operation) -> Iterator[None]:
    """Whatever connection is made or used in this block is for `operation`.

    A signal handler may send its own request inside another's block, so the operation before
    it is put back.
    """
    before = getattr(_under_way, "operation", None)
    _under_way.operation = operation
    try:
        yield
    finally:
        _under_way.operation = before


def current() -> Operation:
    """The operation whose `under_way` block this thread is in."""
    operation: Operation = _under_way.operation
    return operation


class Operation:
    """One request and its response, as the sockets that carry it see it.

    Attributes:
        stage: the stage it is in: "connect", "proxy", "tls" (nothing of the request was sent yet),
            "head" (sending, and waiting for the response's headers) or "body".
        error: the error that explains whatever comes up through the libraries in between.
        status: the response's status, once it is known.
        tls_sockets: those made for it.  Where wrapping fails, ssl forgets some without closing.
    """

    def __init__(self, url: str, deadline: Deadline, proxy: Proxy | None, max_headers: int) -> None:
        self.url = url
        self.deadline = deadline
        self.proxy = proxy
        self.max_headers = max_headers
        self.stage = "connect"
        self.error: ChatGptEsError | None = None
        self.status: int | None = None
        self.tls_sockets: list[TLSSocket] = []
        self._connect_started = time.monotonic()
        self._pid = os.getpid()  # After a fork the connection is the parent's.
        # Reentrant: a finalizer that runs inside `end()` may cancel.
        self._lock = threading.RLock()
        self._twin: socket.socket | None = None
        self._registration: Registration = deadline.on_cancel(self.abort)

    def fail(self, error: ChatGptEsError) -> NoReturn:
        """Raise `error`, and remember it: the libraries above may wrap it in one of theirs."""
        self.error = error
        raise error

    def limit(self) -> float | None:
        """Seconds that the next wait may take, or None; TimeoutError where none are left."""
        limits = self.deadline.timeout
        if self.stage in ("head", "body"):
            left = self.deadline.remaining(limits.read)
        elif limits.connect is None:
            left = self.deadline.remaining()
        else:
            spent = time.monotonic() - self._connect_started
            left = self.deadline.remaining(limits.connect - spent)
        if self.deadline.cancelled or (left is not None and left <= 0):
            raise TimeoutError
        return left

    def watch(self, sock: Any) -> None:
        """Let a cancel end what waits on `sock` from now on.

        It is done through a duplicate: wrapping a socket in TLS detaches its descriptor, and the
        libraries above close it when they like, after which the number may be somebody else's.
        """
        while not isinstance(sock, socket.socket):
            sock = sock.socket  # TLS inside TLS: what blocks is the outer connection's.
        if isinstance(sock, PlainSocket):
            sock.operation = self
        twin = socket.fromfd(sock.fileno(), sock.family, sock.type)
        with self._lock:
            old, self._twin = self._twin, twin
        if old is not None:
            old.close()
        if self.deadline.cancelled:
            self.abort()

    def abort(self) -> None:
        """End what waits on the socket: any thread, never blocks."""
        with self._lock:
            if self._twin is not None and self._pid == os.getpid():
                try:
                    self._twin.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # Not connected any more.

    def end(self) -> None:
        """From here on a cancel has nothing to do with the socket.  Any number of times."""
        self._registration.close()
        with self._lock:
            twin, self._twin = self._twin, None
        if twin is not None:
            twin.close()


class PlainSocket(socket.socket):
    """A TCP connection that asks the operation under way how long a wait may take."""

    operation: Operation | None = None

    def _arm(self) -> None:
        if self.operation is not None:
            self.settimeout(self.operation.limit())

    def recv(self, *args: Any) -> bytes:
        self._arm()
        return super().recv(*args)

    def recv_into(self, *args: Any) -> int:
        if self.operation is not None:  # As `_arm`: each chunk of an answer comes by here.
            self.settimeout(self.operation.limit())
        return super().recv_into(*args)

    def sendall(self, data: Any, *args: Any) -> None:
        # In slices, so that the limit is one of silence and not of the whole body.
        with memoryview(data).cast("B") as view:
            for start in range(0, len(view), _SLICE):
                self._arm()
                super().sendall(view[start : start + _SLICE], *args)


class TLSSocket(PlainSocket, ssl.SSLSocket):
    """The same in TLS: for `SSLContext.sslsocket_class`."""

    def __new__(cls, *args: Any, **kwargs: Any) -> TLSSocket:
        made = super().__new__(cls, *args, **kwargs)
        operation = getattr(_under_way, "operation", None)
        if operation is not None:
            operation.tls_sockets.append(made)
        return made


def connect(operation: Operation, host: str, port: int) -> PlainSocket:
    """A TCP connection to the first address of `host` that answers.

    While `getaddrinfo` runs, nothing ends the wait: it is the one call that can't be interrupted.
    """
    try:
        addresses = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except UnicodeError:  # A label of more than 63 characters, say.
        raise socket.gaierror(socket.EAI_NONAME, "not a name") from None
    wake, waker = socket.socketpair()
    made: list[PlainSocket] = []
    with selectors.DefaultSelector() as selector, wake, waker:
        selector.register(wake, selectors.EVENT_READ)
        try:
            with operation.deadline.on_cancel(waker.close):  # Then `wake` can be read.
                sock = _first(operation, addresses, selector, made)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.remove(sock)
        finally:
            for other in made:
                other.close()
    return sock


def _first(
    operation: Operation,
    todo: list[Any],
    selector: selectors.BaseSelector,
    made: list[PlainSocket],
) -> PlainSocket:
    """Try the addresses `todo` one after the other, overlapping, until one has connected."""
    failure = OSError("no address")
    while todo or len(selector.get_map()) > 1:  # Beside the one for a cancel.
        limit = operation.limit()
        try:
            if todo:
                family, kind, proto, _, name = todo.pop(0)
                sock = PlainSocket(family, kind, proto)
                made.append(sock)
                sock.setblocking(False)
                with suppress(BlockingIOError):
                    sock.connect(name)
                selector.register(sock, selectors.EVENT_WRITE)
            if todo:
                limit = _NEXT_ADDRESS_AFTER if limit is None else min(limit, _NEXT_ADDRESS_AFTER)
            for key, _ in selector.select(limit):
                found = key.fileobj
                if not isinstance(found, PlainSocket):
                    raise TimeoutError  # Woken by a cancel: `limit` says so at the next turn.
                selector.unregister(found)
                if code := found.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(code, os.strerror(code))
                return found
        except TimeoutError as error:
            operation.limit()
            failure = error  # The system's own ETIMEDOUT for one address.
        except OSError as error:
            failure = error
    raise failure
