"""What HTTP/2 can do to a request: streams and connections that the server ends."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest
from servers import CURL, Connection, Server, get, limits, make, post

from chatgptes import errors

Answer = Callable[[h2.connection.H2Connection, int, int], None]


@pytest.fixture
def h2_context(server_pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_pem)
    context.set_alpn_protocols(["h2"])
    return context


def speaking(answer: Answer, asked: list[int]) -> Callable[[Connection], None]:
    """A handler that calls `answer(connection, stream, number of the request)`."""

    def events(raw: Connection, conn: h2.connection.H2Connection) -> Iterator[Any]:
        while data := raw.sock.recv(65536):
            yield from conn.receive_data(data)
            raw.send(conn.data_to_send())

    def handler(raw: Connection) -> None:
        conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        conn.initiate_connection()
        raw.send(conn.data_to_send())
        for event in events(raw, conn):
            if isinstance(event, h2.events.StreamEnded):
                asked.append(event.stream_id)
                answer(conn, event.stream_id, len(asked))
                raw.send(conn.data_to_send())
                if conn.state_machine.state is h2.connection.ConnectionState.CLOSED:
                    return
            elif isinstance(event, h2.events.StreamReset):
                raw.server.hung_up.set()

    return handler


def whole(conn: h2.connection.H2Connection, stream: int) -> None:
    conn.send_headers(stream, [(":status", "200"), ("content-type", "text/plain")])
    conn.send_data(stream, b"ok", end_stream=True)


def failing_second(code: h2.errors.ErrorCodes) -> Answer:
    def answer(conn: h2.connection.H2Connection, stream: int, number: int) -> None:
        if number == 2:
            conn.reset_stream(stream, code)
        else:
            whole(conn, stream)

    return answer


@CURL
@pytest.mark.parametrize("code", [h2.errors.ErrorCodes.INTERNAL_ERROR, h2.errors.ErrorCodes.CANCEL,
                                  h2.errors.ErrorCodes.REFUSED_STREAM])  # fmt: skip
def test_a_reset_stream_is_not_sent_again(
    kind: str, code: h2.errors.ErrorCodes, h2_context: ssl.SSLContext, ca_file: str
) -> None:
    asked: list[int] = []
    with Server(speaking(failing_second(code), asked), h2_context) as server:
        transport = make(kind, verify=ca_file)
        request = post(server.url, repeatable=False)
        assert b"".join(transport.send(request, limits())) == b"ok"
        with pytest.raises(errors.TransportError) as caught:
            transport.send(request, limits())
        assert type(caught.value) is errors.TransportError
        assert len(asked) == 2
        assert b"".join(transport.send(request, limits())) == b"ok"


@CURL
def test_a_connection_that_ends_in_an_answer(
    kind: str, h2_context: ssl.SSLContext, ca_file: str
) -> None:
    def answer(conn: h2.connection.H2Connection, stream: int, number: int) -> None:
        conn.send_headers(stream, [(":status", "200")])
        conn.send_data(stream, b"part")
        if number == 1:
            conn.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        else:
            conn.close_connection(h2.errors.ErrorCodes.INTERNAL_ERROR)

    asked: list[int] = []
    with Server(speaking(answer, asked), h2_context) as server:
        transport = make(kind, verify=ca_file)
        for _ in range(2):
            seen = b""
            with pytest.raises(errors.TransportError) as caught:
                for piece in transport.send(get(server.url), limits()):
                    seen += piece
            assert type(caught.value) is errors.TransportError
            assert seen == b"part"
        assert len(asked) == 2


@CURL
def test_a_cancelled_stream_keeps_the_connection(
    kind: str, h2_context: ssl.SSLContext, ca_file: str
) -> None:
    def answer(conn: h2.connection.H2Connection, stream: int, number: int) -> None:
        if number == 1:
            conn.send_headers(stream, [(":status", "200")])
            conn.send_data(stream, b"part")
        else:
            whole(conn, stream)

    asked: list[int] = []
    with Server(speaking(answer, asked), h2_context) as server:
        transport = make(kind, verify=ca_file)
        response = transport.send(post(server.url), limits())
        assert next(iter(response)) == b"part"
        response.close()
        assert b"".join(transport.send(post(server.url), limits())) == b"ok"
        assert server.hung_up.wait(5)
        assert server.accepted == 1


@CURL
def test_silence_is_silence_whatever_is_said_below_http(
    kind: str, h2_context: ssl.SSLContext, ca_file: str
) -> None:
    def answer(conn: h2.connection.H2Connection, stream: int, number: int) -> None:
        del stream, number

    def handler(raw: Connection) -> None:
        conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        conn.initiate_connection()
        raw.send(conn.data_to_send())

        def pings() -> None:
            while not raw.server.stopping.wait(0.05):
                conn.ping(b"12345678")
                raw.send(conn.data_to_send())

        def quiet() -> None:
            try:
                pings()
            except OSError:
                pass

        thread = threading.Thread(target=quiet)
        thread.start()
        raw.gone()
        thread.join()

    with Server(handler, h2_context) as server, pytest.raises(errors.RequestTimeout) as caught:
        make(kind, verify=ca_file).send(post(server.url), limits(30, 0.5, 30))
    assert caught.value.phase == "read"
