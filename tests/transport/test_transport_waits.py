"""Every wait of all transports ends: at a limit, on a cancel, on Ctrl-C; and nothing is left."""

from __future__ import annotations

import gc
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from servers import ALL, BOTH, Connection, Server, answering, body, get, head, limits, make, post

from chatgptes import errors
from chatgptes.values.deadline import Deadline

QUICK = 5.0
"""Seconds that an ended wait may take on a busy machine; it would take a minute otherwise."""


class Stall:
    """A place where a request stalls: its server, what to send, and the transport's options."""

    def __init__(self, server: Server | None, request: Any, options: dict[str, Any]) -> None:
        self.server = server
        self.request = request
        self.options = options


def silent(connection: Connection) -> None:
    connection.gone()


def no_answer(connection: Connection) -> None:
    connection.hear()
    connection.gone()


def half_a_head(connection: Connection) -> None:
    connection.hear()
    connection.send(b"HTTP/1.1 200 OK\r\nX-Half: ")
    connection.gone()


def half_a_body(connection: Connection) -> None:
    connection.hear()
    connection.send(head(length=100) + b"part")
    connection.gone()


def half_a_chunk(connection: Connection) -> None:
    connection.hear()
    connection.send(head("Transfer-Encoding: chunked") + b"64\r\npart")
    connection.gone()


def not_reading(connection: Connection) -> None:
    connection.server.stopping.wait(60)


HANDLERS: dict[str, Callable[[Connection], None]] = {
    "tls": silent, "proxy": silent, "tls proxy": silent, "socks": silent,
    "first byte": no_answer, "head": half_a_head, "body": half_a_body, "chunk": half_a_chunk,
    "sending": not_reading,
}  # fmt: skip
CONNECTING = ["connect", "tls", "proxy", "tls proxy", "socks"]
READING = ["first byte", "head", "body", "chunk", "sending"]


@contextmanager
def stalling(where: str) -> Iterator[Stall]:
    if where == "connect":
        with full_backlog() as port:
            yield Stall(None, get(f"http://127.0.0.1:{port}/"), {})
        return
    with Server(HANDLERS[where]) as server:
        url, options = server.url, {}
        if where == "tls":
            url = f"https://127.0.0.1:{server.port}/"
        elif where in ("proxy", "tls proxy", "socks"):
            scheme = {"proxy": "http", "tls proxy": "https", "socks": "socks5h"}[where]
            options = {"proxy": f"{scheme}://127.0.0.1:{server.port}"}
            url = "https://site.invalid/"
        data = b"x" * (32 << 20) if where == "sending" else b"x"
        yield Stall(server, post(url, data), options)


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that takes no more connections, and refuses none: connects to it hang."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


def read_all(transport: Any, request: Any, deadline: Deadline) -> bytes:
    return b"".join(transport.send(request, deadline))


@ALL
@pytest.mark.parametrize("where", CONNECTING)
def test_connect_limit(kind: str, where: str) -> None:
    with stalling(where) as stall, pytest.raises(errors.RequestTimeout) as caught:
        read_all(make(kind, **stall.options), stall.request, limits(connect=0.2, read=60, total=60))
    assert caught.value.phase == "connect"
    assert caught.value.__context__ is None


@ALL
@pytest.mark.parametrize("where", READING)
def test_read_limit(kind: str, where: str) -> None:
    with stalling(where) as stall, pytest.raises(errors.RequestTimeout) as caught:
        read_all(make(kind, **stall.options), stall.request, limits(connect=60, read=0.2, total=60))
    assert caught.value.phase == "read"
    assert caught.value.__context__ is None


@ALL
@pytest.mark.parametrize("where", CONNECTING + READING)
def test_total(kind: str, where: str) -> None:
    with stalling(where) as stall, pytest.raises(errors.RequestTimeout) as caught:
        read_all(make(kind, **stall.options), stall.request, limits(60, 60, 0.2))
    assert caught.value.phase == "total"
    assert caught.value.__context__ is None


@ALL
@pytest.mark.parametrize("where", CONNECTING + READING)
def test_cancel_ends_the_wait(kind: str, where: str) -> None:
    deadline = limits(60, 60, 60)
    with stalling(where) as stall:
        transport = make(kind, **stall.options)
        if stall.server is None:
            threading.Timer(0.1, deadline.cancel).start()
        else:
            threading.Thread(
                target=lambda: stall.server.arrived.wait(10) and deadline.cancel()  # type: ignore[union-attr]
            ).start()
        started = time.monotonic()
        with pytest.raises(errors.TurnCancelled) as caught:
            read_all(transport, stall.request, deadline)
        assert time.monotonic() - started < QUICK
        assert caught.value.__context__ is None
        if stall.server is not None and where != "sending":
            assert stall.server.hung_up.wait(QUICK)
    with Server(answering(body())) as server:
        assert read_all(make(kind), get(server.url), limits()) == b"ok"


@pytest.fixture
def interruptible() -> Iterator[Callable[[], None]]:
    """Makes a call that interrupts the main thread as Ctrl-C does; later, from a thread."""
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main is not None
    yield lambda: signal.pthread_kill(main, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@BOTH  # The hub's thread gets no signals, and a loop's Ctrl-C is the loop's affair.
@pytest.mark.parametrize("where", CONNECTING + READING)
def test_ctrl_c_ends_the_wait(kind: str, where: str, interruptible: Callable[[], None]) -> None:
    with stalling(where) as stall:
        transport = make(kind, **stall.options)
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            timer = threading.Timer(0.15, interruptible)
            timer.start()
            read_all(transport, stall.request, limits(60, 60, 60))
        assert time.monotonic() - started < QUICK
        timer.join()
    if not stall.options:
        with Server(answering(body())) as server:
            assert read_all(transport, get(server.url), limits()) == b"ok"


@ALL
@pytest.mark.parametrize("where", ["head", "body"])
def test_a_trickle_does_not_stretch_the_total(kind: str, where: str) -> None:
    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(b"HTTP/1.1 200 OK\r\nX: ")
        if where == "body":
            connection.send(b"y\r\n\r\n")
        while not connection.server.stopping.wait(0.02):
            connection.send(b"y")

    with Server(handler) as server, pytest.raises(errors.RequestTimeout) as caught:
        read_all(make(kind), get(server.url), limits(60, 60, 0.3))
    assert caught.value.phase == "total"


@ALL
def test_a_slow_upload_is_no_silence(kind: str) -> None:
    size = 12 << 20

    def handler(connection: Connection) -> None:
        left = size
        while left > 0:
            connection.server.stopping.wait(0.02)
            left -= len(connection.sock.recv(256 << 10))
        connection.send(body())
        connection.gone()

    with Server(handler) as server:
        started = time.monotonic()
        response = make(kind).send(post(server.url, b"x" * size), limits(10, 0.5, 60))
        assert response.status == 200
        response.close()
        assert time.monotonic() - started > 0.5


@ALL
def test_a_busy_consumer_is_no_silence(kind: str) -> None:
    go = threading.Event()

    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(head(length=2) + b"1")
        go.wait(10)
        connection.send(b"2")
        connection.gone()

    with Server(handler) as server:
        deadline = limits(10, 0.3, 0.6)
        response = iter(make(kind).send(get(server.url), deadline))
        assert next(response) == b"1"
        deadline.pause()
        time.sleep(0.7)  # The consumer is busy for longer than both limits.
        deadline.resume()
        go.set()
        assert next(response) == b"2"
        assert list(response) == []


@ALL
def test_close_from_another_thread_ends_the_read(kind: str) -> None:
    with stalling("body") as stall:
        response = make(kind).send(stall.request, limits(60, 60, 60))
        assert next(iter(response)) == b"part"
        threading.Timer(0.1, response.close).start()
        started = time.monotonic()
        with pytest.raises(errors.TransportError, match="closed"):
            next(iter(response))
        assert time.monotonic() - started < QUICK
        assert stall.server is not None
        assert stall.server.hung_up.wait(QUICK)


@ALL
def test_a_cancelled_deadline_sends_nothing(kind: str) -> None:
    with Server(answering(body())) as server:
        deadline = limits()
        deadline.cancel()
        with pytest.raises(errors.TurnCancelled):
            make(kind).send(get(server.url), deadline)
        assert server.accepted == 0


@ALL
def test_a_cancel_after_the_end_harms_nobody(kind: str) -> None:
    with Server(answering(body())) as server:
        transport = make(kind)
        for _ in range(20):
            deadline = limits()
            assert read_all(transport, get(server.url), deadline) == b"ok"
            deadline.cancel()
        assert server.accepted == 1


def open_descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@ALL
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_cancels_at_random_moments_leave_nothing(
    kind: str, server_context: ssl.SSLContext, ca_file: str
) -> None:
    def handler(connection: Connection) -> None:
        while connection.hear():
            connection.send(head("Transfer-Encoding: chunked"))
            for _ in range(3):
                connection.server.stopping.wait(0.0005)
                connection.chunk(b"text")
            connection.chunk(b"")

    random.seed(1)
    before = open_descriptors()
    with Server(handler, server_context) as server:
        transport = make(kind, verify=ca_file)
        read_all(transport, post(server.url), limits())
        threads = threading.active_count()
        outcomes = {"done": 0, "cancelled": 0}

        def turns() -> None:
            for _ in range(100):
                deadline = limits()
                timer = threading.Timer(random.random() * 0.012, deadline.cancel)
                timer.start()
                try:
                    assert read_all(transport, post(server.url), deadline) == b"texttexttext"
                    outcomes["done"] += 1
                except errors.TurnCancelled:
                    outcomes["cancelled"] += 1
                timer.join()

        workers = [threading.Thread(target=turns) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(100)
        assert sum(outcomes.values()) == 300
        assert outcomes["cancelled"]
        transport.close()
        server.join()
        assert threading.active_count() <= threads
    assert open_descriptors() <= before + 3


FORK = """
import os, sys
sys.path[:0] = sys.argv[4].split(os.pathsep)
from servers import make, get, limits
kind, url, ca = sys.argv[1:4]
transport = make(kind, verify=ca)
def turn():
    assert b"".join(transport.send(get(url), limits())) == b"ok"
turn()
deadline = limits()
unfinished = transport.send(get(url), deadline)
child = os.fork()
if child == 0:
    turn()
    turn()
    try:
        next(unfinished)
    except OSError:
        deadline.cancel()
        unfinished.close()
        del unfinished
    transport.close()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert b"".join(unfinished) == b"ok"
turn()
turn()
"""


@ALL
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_leaves_its_parents_connections_alone(
    kind: str, server_context: ssl.SSLContext, ca_file: str
) -> None:
    with Server(answering(body()), server_context) as server:
        path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORK, kind, server.url, ca_file, path],
            check=True, timeout=60,
        )  # fmt: skip
        # The parent's first one, or two if the unfinished response had not been read, and one of
        # the child's.
        assert server.accepted == 2
        assert len(server.heard) == 6
