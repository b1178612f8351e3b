"""What is sent again, and what never: counted where it arrives."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from by_hand import ByHand, core
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import Connection, Server, body, head
from wire import ANSWER, PARTS, STREAM, turn

from chatgptes import (
    ChatGptEsError,
    ConnectError,
    RateLimitError,
    Reply,
    RequestTimeout,
    StreamInterruptedError,
    Timeout,
    TransportError,
    UnexpectedStatusError,
)
from chatgptes.turn import sending
from chatgptes.turn.take import new_turn

KINDS = pytest.mark.parametrize("kind", ["requests", "curl_cffi"])
RETRIES = 2
NOT_HEARD = frozenset({"429", "429-now", "nonce"})
"""Faults of a message that tell that the model was not asked."""
COMMON = ("ok", "refused", "429", "429-now", "502", "503", "500", "cut", "cut-headers", "stall")
PAGE_FAULTS = (*COMMON, "ok-closing", "cut-body")
MESSAGE_FAULTS = (*COMMON, "nonce", "cut-stream", "reset", "stall-stream")


class Script(logging.Handler):
    """A site that goes through a list of faults, one a request; then all is well.

    It listens only while the next connection is not to be refused.  The library's own log tells
    it that one was.

    Attributes:
        met: ("page" or "message", fault) for each request, in order.
    """

    def __init__(self, pages: list[str], messages: list[str]) -> None:
        super().__init__()
        self._left = {"page": list(pages), "message": list(messages)}
        self.met: list[tuple[str, str]] = []
        self._nonces = 0
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/"
        self._server: Server | None = None
        self._expect("page")

    def _next(self, what: str) -> str:
        return self._left[what][0] if self._left[what] else "ok"

    def _take(self, what: str) -> str:
        fault = self._left[what].pop(0) if self._left[what] else "ok"
        self.met.append((what, fault))
        return fault

    def _expect(self, what: str) -> bool:
        """Make ready for the next request; False if it is to find nobody."""
        if self._next(what) == "refused":
            if self._server is not None:
                self._server.refuse()
            return False
        if self._server is None or self._server.refusing:
            self.close_server()
            self._server = Refusing(self._handle, self._port)
            self._server.__enter__()
        return True

    def emit(self, record: logging.LogRecord) -> None:
        # "…: ConnectError after …": the attempt is over, and its repetition has not begun.
        if "ConnectError after" in record.getMessage():
            what = "page" if "GET" in record.getMessage() else "message"
            self._take(what)
            self._expect(what)

    def close_server(self) -> None:
        if self._server is not None:
            self._server.__exit__(None, None, None)

    def _handle(self, connection: Connection) -> None:
        while (heard := connection.hear()) is not None:
            what = "page" if heard.method == "GET" else "message"
            fault = self._take(what)
            after = "page" if fault == "nonce" else what
            if what == "page" and fault in ("ok", "ok-closing"):
                after = "message"
            # A refusal needs a connection of its own, so this one must end with its answer.
            alone = not self._expect(after)
            if not self._answer(connection, what, fault, alone) or alone:
                return

    def _answer(self, connection: Connection, what: str, fault: str, alone: bool) -> bool:
        """Play `fault`; False when the connection has ended with it."""
        last = ("Connection: close",) if alone else ()
        if fault.startswith("429"):
            after = () if fault == "429-now" else ("Retry-After: 0.02",)
            connection.send(body(b"later", *after, *last, status="429 Too Many Requests"))
        elif fault == "nonce":
            connection.send(body(b"too old", *last, status="403 Forbidden"))
        elif fault.isdigit():
            connection.send(body(b"down", *last, status=f"{fault} Out Of Order"))
        elif what == "message" and fault == "ok":
            connection.send(body(ANSWER, STREAM, *last))
        elif fault.startswith("ok"):
            self._nonces += 1
            page = f'<i class="wpaicg-chat-shortcode" data-nonce="n{self._nonces:08}"></i>'
            connection.send(body(page.encode(), *last))
            return fault == "ok"
        else:
            broken(connection, fault)
            return False
        return True


def broken(connection: Connection, fault: str) -> None:
    """Play a fault that the connection does not survive."""
    if fault == "cut-headers":
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
    elif fault == "cut-body":
        connection.send(head(length=999) + b"<p>")
    elif fault in ("cut-stream", "stall-stream"):
        connection.send(head(STREAM, "Transfer-Encoding: chunked"))
        connection.chunk(PARTS[0])
    elif fault == "reset":
        connection.reset()
    if fault.startswith("stall"):
        connection.gone()


class Refusing(Server):
    """A server on a given port that can stop listening while its connections go on."""

    def __init__(self, handler: object, port: int) -> None:
        super().__init__(handler)  # type: ignore[arg-type]
        self._listener.close()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.refusing = False

    def refuse(self) -> None:
        if not self.refusing:
            self.refusing = True
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._threads[0].join(10)

    def __exit__(self, *exc_info: object) -> None:
        if not self.refusing:
            super().__exit__(None, None, None)
            return
        self.stopping.set()
        for sock in self._socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


@contextmanager
def playing(pages: list[str], messages: list[str]) -> Iterator[Script]:
    """The script, with the waits between repetitions made short."""
    log = logging.getLogger("chatgptes")
    before = log.level
    script = Script(pages, messages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "FIRST_DELAY", 0.01)
        patch.setattr(sending, "LATE", 0.01)
        log.addHandler(script)
        log.setLevel(logging.DEBUG)
        try:
            yield script
        finally:
            log.setLevel(before)
            log.removeHandler(script)
            script.close_server()


@KINDS
@given(
    pages=st.lists(st.sampled_from(PAGE_FAULTS), max_size=4),
    messages=st.lists(st.sampled_from(MESSAGE_FAULTS), max_size=4),
    total=st.sampled_from([0.25, 20.0]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
def test_no_message_arrives_twice(
    kind: str, pages: list[str], messages: list[str], total: float
) -> None:
    with playing(pages, messages) as script:
        started = time.monotonic()
        result, seen = turn(
            "sync", script.url, transport=kind, retries=RETRIES,
            timeout=Timeout(connect=10, read=0.15, total=total),
        )  # fmt: skip
        took = time.monotonic() - started
    heard = [fault for what, fault in script.met if what == "message" and fault != "refused"]
    reached = [fault for fault in heard if fault not in NOT_HEARD]
    assert len(reached) <= 1
    assert took < total + 5
    # At most one look at the page more, and one turn more, for a nonce that was refused.
    rounds = 2 if "nonce" in heard else 1
    for what in ("page", "message"):
        count = sum(where == what for where, _ in script.met)
        if kind == "curl_cffi" and what == "page":
            # libcurl itself repeats what does no harm, when a kept connection ends unanswered.
            count -= script.met.count(("page", "cut"))
        assert count <= rounds * (RETRIES + 1), script.met
    if isinstance(result, Reply):
        assert reached == ["ok"]
        assert result.text == seen == "Hello world"
    else:
        assert isinstance(result, ChatGptEsError)
        assert reached != ["ok"] or isinstance(result, RequestTimeout)
        if seen:
            assert type(result) is StreamInterruptedError
            assert result.partial == seen
            assert reached[0].endswith("-stream")
    if reached and reached[0] != "ok":
        # Whatever it was, that was the turn's end.
        assert script.met[-1] == ("message", reached[0])


TIMES = RETRIES + 1
WHOLE: list[tuple[str, str, int, type]] = [
    ("page", "503", TIMES, UnexpectedStatusError),
    ("page", "502", TIMES, UnexpectedStatusError),
    ("page", "500", 1, UnexpectedStatusError),
    ("page", "429", TIMES, RateLimitError),
    ("page", "cut-headers", TIMES, TransportError),
    ("page", "cut-body", TIMES, TransportError),
    # It was silent for as long as `Timeout.read` allows already.
    ("page", "stall", 1, RequestTimeout),
    ("page", "refused", TIMES, ConnectError),
    ("message", "503", 1, UnexpectedStatusError),
    ("message", "502", 1, UnexpectedStatusError),
    ("message", "500", 1, UnexpectedStatusError),
    ("message", "429", TIMES, RateLimitError),
    ("message", "429-now", TIMES, RateLimitError),
    ("message", "cut", 1, TransportError),
    ("message", "cut-headers", 1, TransportError),
    ("message", "cut-stream", 1, StreamInterruptedError),
    ("message", "reset", 1, TransportError),
    ("message", "stall", 1, RequestTimeout),
    ("message", "stall-stream", 1, StreamInterruptedError),
    ("message", "refused", TIMES, ConnectError),
]


@KINDS
@pytest.mark.parametrize(("what", "fault", "times", "error"), WHOLE)
def test_how_often(kind: str, what: str, fault: str, times: int, error: type) -> None:
    faults = [fault] * 9
    pages, messages = (faults, []) if what == "page" else ([], faults)
    with playing(pages, messages) as script:
        result, _ = turn(
            "sync", script.url, transport=kind, retries=RETRIES,
            timeout=Timeout(connect=10, read=0.15, total=20),
        )  # fmt: skip
        assert type(result) is error, result
        assert [each for each in script.met if each[0] == what] == [(what, fault)] * times


@KINDS
def test_no_wait_goes_beyond_the_total(kind: str) -> None:
    # A wait that does not fit is not begun: the error comes at once, and says how long.
    def handler(connection: Connection) -> None:
        while connection.hear():
            connection.send(body(b"", "Retry-After: 30", status="429 Too Many Requests"))

    with Server(handler) as server:
        started = time.monotonic()
        result, _ = turn("sync", server.url, transport=kind, timeout=20)
        assert time.monotonic() - started < 5
    assert isinstance(result, RateLimitError)
    assert result.retry_after == 30
    assert len(server.heard) == 1


def test_the_waits_between_attempts_double_and_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(share: Callable[[float, float], float]) -> list[float | None]:
        monkeypatch.setattr(sending.random, "uniform", share)
        hand = ByHand([TransportError("It broke.") for _ in range(7)])
        with pytest.raises(TransportError):
            hand.take(new_turn(core(retries=6), "Hello", {}).take("me"))
        return hand.waits

    assert waits(lambda low, high: high) == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert waits(lambda low, high: low) == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0]
