"""The smallest site that chats: one page, one streaming bot, and whatever is to go wrong with it.

The sandbox of `chatgptes.sandbox` plays what sites do; this one plays what happens on the way.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import h2.config
import h2.connection
import h2.events
import h2.exceptions
from servers import Connection, Server, body, head

from chatgptes import AsyncClient, ChatGptEsError, Client, Reply

__all__ = ["ANSWER", "NONCE", "PAGE", "PARTS", "STREAM", "ChatServer", "delta", "good", "h2_site",
           "show_page", "site", "streamed", "turn"]  # fmt: skip

NONCE = "f00dn0nce5"
PAGE = f'<p><i class="wpaicg-chat-shortcode" data-nonce="{NONCE}" data-bot-id="7"></i></p>'.encode()
STREAM = "Content-Type: text/event-stream"


def delta(text: str) -> bytes:
    """An event of an answer's stream."""
    chunk = {
        "id": "1",
        "object": "chat.completion.chunk",
        "choices": [{"delta": {"content": text}}],
    }
    return b"data: %s\n\n" % json.dumps(chunk).encode()


PARTS = [delta("Hello "), delta("world"), b"data: [DONE]\n\n"]
ANSWER = b"".join(PARTS)

Handler = Callable[[Connection], object]


class ChatServer(Server):
    """A server that knows when its client has seen text.

    Attributes:
        seen: set with the first text that the client was given.
        prompts: how often a message arrived whole.
    """

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(handler, tls)
        self.seen = threading.Event()

    @property
    def prompts(self) -> int:
        return sum(heard.method == "POST" for heard in self.heard)


def good(connection: Connection) -> None:
    """A good answer."""
    connection.send(body(ANSWER, STREAM))


def show_page(connection: Connection) -> None:
    connection.send(body(PAGE, "Content-Type: text/html; charset=utf-8"))


def streamed(connection: Connection, text: str = "Hello ") -> None:
    """The head of a chunked answer and its first text; comes back once the client has seen it."""
    connection.send(head(STREAM, "Transfer-Encoding: chunked"))
    connection.chunk(delta(text))
    assert isinstance(connection.server, ChatServer)
    connection.server.seen.wait(10)


def site(
    answer: Handler = good, page: Handler = show_page, tls: ssl.SSLContext | None = None
) -> ChatServer:
    """A site whose page and answers are sent by `page` and `answer`."""

    def handler(connection: Connection) -> None:
        while (heard := connection.hear()) is not None:
            if heard.method == "GET":
                page(connection)
            else:
                answer(connection)

    return ChatServer(handler, tls)


H2Answer = Callable[[h2.connection.H2Connection, int], object]


def _events(raw: Connection, conn: h2.connection.H2Connection) -> Iterator[Any]:
    while data := raw.sock.recv(65536):
        try:
            yield from conn.receive_data(data)
        except h2.exceptions.ProtocolError:
            return  # A client that gave up in the middle of saying hello.
        raw.send(conn.data_to_send())


def h2_site(answer: H2Answer, tls: ssl.SSLContext) -> ChatServer:
    """A site that speaks HTTP/2; `answer(connection, stream id)` answers what is posted."""

    def handler(raw: Connection) -> None:
        conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        conn.initiate_connection()
        raw.send(conn.data_to_send())
        posted: set[int] = set()
        for event in _events(raw, conn):
            if isinstance(event, h2.events.RequestReceived):
                if dict(event.headers)[b":method"] == b"POST":
                    posted.add(event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                if event.stream_id in posted:
                    answer(conn, event.stream_id)
                else:
                    conn.send_headers(
                        event.stream_id, [(":status", "200"), ("content-type", "text/html")]
                    )
                    conn.send_data(event.stream_id, PAGE, end_stream=True)
                raw.send(conn.data_to_send())
                if conn.state_machine.state is h2.connection.ConnectionState.CLOSED:
                    return

    return ChatServer(handler, tls)


def turn(
    mode: str, url: str, seen: threading.Event | None = None, **options: Any
) -> tuple[Reply | ChatGptEsError, str]:
    """One turn, blocking ("sync") or not ("async"): how it ended, and the text seen on the way."""
    pieces: list[str] = []
    note = seen.set if seen is not None else lambda: None

    def blocking() -> Reply:
        with Client(url, trust_env=False, **options) as client, client.stream("Hi") as stream:
            for piece in stream:
                pieces.append(piece)
                note()
            return stream.reply

    async def on_a_loop() -> Reply:
        async with (
            AsyncClient(url, trust_env=False, **options) as client,
            client.stream("Hi") as stream,
        ):
            async for piece in stream:
                pieces.append(piece)
                note()
            return stream.reply

    try:
        reply = blocking() if mode == "sync" else anyio.run(on_a_loop)
    except ChatGptEsError as error:
        return error, "".join(pieces)
    return reply, "".join(pieces)
