"""A signal handler that takes a turn while its thread is in the middle of another."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from servers import BOTH, Connection, Server, answering, body, limits, make, post
from wire import ChatServer, good, show_page

from chatgptes import Client, chat, shared
from chatgptes.shared import ClientCache, using_cache
from chatgptes.transport.plain.sockets import Operation, current, under_way
from chatgptes.turn.config import Config

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")


@pytest.fixture
def on_signal() -> Iterator[Any]:
    """Sets what SIGUSR1 does in this test."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, handler)
    signal.signal(signal.SIGUSR1, before)


def interrupt(connection: Connection) -> None:
    """Send the signal to the main thread, which waits for this connection's answer."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


@BOTH
@pytest.mark.parametrize("same", [True, False], ids=["the same transport", "another"])
def test_a_request_inside_another(kind: str, same: bool, on_signal: Any) -> None:
    inner: list[bytes] = []
    sent = threading.Event()

    def slow(connection: Connection) -> None:
        while heard := connection.hear():
            if heard.body == b"outer":
                interrupt(connection)
                assert sent.wait(10)
            connection.send(body(heard.body))

    with Server(slow) as server, Server(answering(body(b"inner"))) as other:
        transport = make(kind)
        second = transport if same else make(kind)

        def handler(*_: object) -> None:
            inner.append(b"".join(second.send(post(other.url), limits())))
            sent.set()

        on_signal(handler)
        for _ in range(2):
            sent.clear()
            assert b"".join(transport.send(post(server.url, b"outer"), limits())) == b"outer"
        assert inner == [b"inner", b"inner"]


@BOTH
def test_a_turn_inside_another(kind: str, on_signal: Any) -> None:
    """The outer one, which the site has heard, gives its answer; the inner one, too."""
    replies: list[str] = []
    done = threading.Event()

    def handler_for(connection: Connection) -> None:
        while heard := connection.hear():
            if heard.method == "GET":
                show_page(connection)
                continue
            if b"message=outer" in heard.body or b"outer" in heard.body:
                interrupt(connection)
                assert done.wait(10)
            good(connection)

    with ChatServer(handler_for) as server:
        client = Client(server.url, transport=kind, trust_env=False, max_concurrency=4)

        def handler(*_: object) -> None:
            replies.append(client.chat("inner").text)
            done.set()

        on_signal(handler)
        assert client.chat("outer").text == "Hello world"
        assert replies == ["Hello world"]
        assert server.prompts == 2
        client.close()


def test_a_call_inside_another(monkeypatch: pytest.MonkeyPatch, on_signal: Any) -> None:
    """While the first one looks for its client."""
    replies: list[str] = []

    def handler_for(connection: Connection) -> None:
        while heard := connection.hear():
            (show_page if heard.method == "GET" else good)(connection)

    with ChatServer(handler_for) as server, using_cache(ClientCache()):

        def ask(prompt: str) -> str:
            return chat(prompt, site=server.url, transport="requests", trust_env=False).text

        class Interrupted(Config):
            @classmethod
            def of(cls, arguments: Any) -> Config:
                monkeypatch.setattr(shared, "Config", Config)
                signal.raise_signal(signal.SIGUSR1)
                return Config.of(arguments)

        monkeypatch.setattr(shared, "Config", Interrupted)
        on_signal(lambda *_: replies.append(ask("inner")))
        assert ask("outer") == "Hello world"
        assert replies == ["Hello world"]


def test_the_operation_before_is_put_back() -> None:
    outer, inner = (Operation("http://a.test/", limits(), None, 1000) for _ in range(2))
    with under_way(outer):
        with under_way(inner):
            assert current() is inner
        assert current() is outer
