"""A fast site for benchmarks, in a process of its own: it answers as the plugin does, from memory.

The sandbox is a sandbox for people and tests; this one costs as little as it can, so that what is
measured is the client.  What a turn is answered is in its message: "json", or "stream COUNT DELAY",
COUNT deltas that are DELAY seconds apart (0: as fast as they go, each in an HTTP chunk of its own),
or "silence".

    page:          GET /chat/SIZE/     (SIZE bytes; the bot at its end; of both dialects' kinds:
                                        /aipkit/SIZE/ shows an `aipkit` bot)
    turns:         /wp-admin/admin-ajax.php
    connections:   GET /accepted       (how many there have been)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import cast
from urllib.parse import unquote_plus

from measuring import raise_descriptor_limit

AJAX = "/wp-admin/admin-ajax.php"
_JSON = json.dumps({"status": "success", "msg": "", "data": "A short answer. " * 20, "log": 1})


def delta(number: int, dialect: str) -> bytes:
    """The event of one chunk."""
    text = f"word{number} "
    if dialect == "aipkit":
        return f"data: {json.dumps({'delta': text})}\n\n".encode()
    frame = {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "system_fingerprint": "fp_1", "obfuscation": "a1B2c3",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }  # fmt: skip
    return f"data: {json.dumps(frame, separators=(',', ':'))}\n\n".encode()


END = {
    "aipkit": b'event: done\ndata: {"finished":true}\n\n',
    "wpaicg": b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"id":"c"}\n\n'
    b"data: [DONE]\n\n",
}
START = {"aipkit": b'event: message_start\ndata: {"message_id":"m-1"}\n\n', "wpaicg": b""}


def page(size: int, dialect: str, origin: str) -> bytes:
    """A page of about `size` bytes, such as WordPress makes, with the bot at its end."""
    ajax = f"{origin}{AJAX}"
    params = json.dumps({"ajax_url": ajax, "search_nonce": "0123456789"}).replace("/", "\\/")
    config = {"botId": 5, "nonce": "0123456789", "ajaxUrl": ajax, "postId": 1, "headerName": "B"}
    bots = {
        "wpaicg": '<div class="wpaicg-chat-shortcode" data-nonce="0123456789" data-post-id="1"'
        f' data-url="{origin}/chat/" data-bot-id="0" data-type="shortcode"></div>'
        f"<script>var wpaicgParams = {params};</script>",
        "aipkit": '<div class="aipkit_chat_container" data-bot-id="5"'
        f" data-config='{escape(json.dumps(config))}'></div>",
    }
    head = "<!DOCTYPE html><html><head><meta charset='utf-8'><title>A page</title></head><body>\n"
    parts = [head]
    length, number = len(head), 0
    while length < size:
        part = (
            f'<div class="block item-{number}" id="b{number}"><p style="color:red">Text {number}'
            f', with <a href="/post/{number}?a=1&amp;b=2">a link</a> in it.</p></div>\n'
        )
        if number % 12 == 0:
            part += f"<script>var a{number} = '{'x' * 300}';</script>\n<style>.a{{b:c}}</style>\n"
        if number % 9 == 0:
            part += f"<!-- block {number} -->\n"
        parts.append(part)
        length += len(part)
        number += 1
    return "".join([*parts, bots[dialect], "</body></html>\n"]).encode()


class Server:
    """What all connections share."""

    def __init__(self) -> None:
        self.accepted = 0
        self.origin = ""
        self.pages: dict[tuple[int, str], bytes] = {}
        self.messages: dict[str, str] = {}
        self._chunks: dict[str, list[bytes]] = {}

    def chunks(self, dialect: str) -> list[bytes]:
        """A hundred chunks of an answer, and its end; the same ones are sent again and again."""
        if dialect not in self._chunks:
            events = [delta(number, dialect) for number in range(100)]
            end = _chunk(END[dialect]) + b"0\r\n\r\n"
            self._chunks[dialect] = [*map(_chunk, events), end]
        return self._chunks[dialect]

    def page(self, size: int, dialect: str) -> bytes:
        if (size, dialect) not in self.pages:
            self.pages[size, dialect] = page(size, dialect, self.origin)
        return self.pages[size, dialect]


def _whole(body: bytes, kind: str) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Cache-Control: no-cache\r\n\r\n"
)


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = b""
        self.transport: asyncio.Transport
        self.room = asyncio.Event()
        self.room.set()
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.accepted += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.room.set()
        if self.task is not None:
            self.task.cancel()
        if self.timer is not None:
            self.timer.cancel()

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            target = head.split(b" ", 2)[1].decode()
            self.answer(target, body.decode())

    def answer(self, target: str, body: str) -> None:
        path, _, query = target.partition("?")
        if path == AJAX:
            self.turn(body or query)
            return
        if path == "/accepted":
            self.transport.write(_whole(str(self.server.accepted).encode(), "text/plain"))
            return
        _, kind, size, *_ = path.split("/")
        dialect = "aipkit" if kind == "aipkit" else "wpaicg"
        self.transport.write(_whole(self.server.page(int(size), dialect), "text/html"))

    def turn(self, form: str) -> None:
        """A `wpaicg` turn, or either step of an `aipkit` one."""
        at = form.find("cache_key=")
        if at >= 0:
            key = form[at + 10 :].split("&", 1)[0]
            self.stream(self.server.messages.pop(key), "aipkit")
            return
        if form.startswith("--"):  # Multipart, as long forms are.
            message = form.split('name="message"\r\n\r\n', 1)[1].split("\r\n", 1)[0]
            assert message == "json"
            self.transport.write(_whole(_JSON.encode(), "application/json"))
            return
        at = form.find("message=", 8 if form.startswith("action=aipkit_cache") else 0)
        while at > 0 and form[at - 1] != "&":
            at = form.find("message=", at + 1)
        message = unquote_plus(form[at + 8 :].split("&", 1)[0])
        if "action=aipkit_cache" in form:
            key = str(len(self.server.messages)) + str(id(self))
            self.server.messages[key] = message
            body = json.dumps({"success": True, "data": {"cache_key": key}}).encode()
            self.transport.write(_whole(body, "application/json"))
        elif message.startswith("stream"):
            self.stream(message, "wpaicg")
        elif message == "silence":
            pass
        else:
            self.transport.write(_whole(_JSON.encode(), "application/json"))

    def stream(self, message: str, dialect: str) -> None:
        _, count, delay = message.split()[-3:]
        chunks = self.server.chunks(dialect)
        self.transport.write(_STREAM + _chunk(START[dialect]))
        if float(delay):
            self.timed(chunks, 0, int(count), float(delay), asyncio.get_running_loop().time())
        else:
            self.task = asyncio.ensure_future(self.burst(chunks, int(count)))

    def timed(self, chunks: list[bytes], number: int, count: int, delay: float, due: float) -> None:
        """Write a chunk, and see to the next: a timer costs half of what a task's sleep does."""
        if number == count:
            self.transport.write(chunks[-1])
            return
        self.transport.write(chunks[number % 100])
        due += delay
        self.timer = asyncio.get_running_loop().call_at(
            due, self.timed, chunks, number + 1, count, delay, due
        )

    async def burst(self, chunks: list[bytes], count: int) -> None:
        for number in range(count):
            self.transport.write(chunks[number % 100])
            if not self.room.is_set():
                await self.room.wait()
        self.transport.write(chunks[-1])


async def serve(host: str, certificate: str) -> None:
    server = Server()
    loop = asyncio.get_running_loop()
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    listening = await loop.create_server(
        lambda: Connection(server), "127.0.0.1", 0, ssl=context, backlog=4096
    )
    port = listening.sockets[0].getsockname()[1]
    server.origin = f"{'https' if certificate else 'http'}://{host}:{port}"
    print(server.origin, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@dataclass(frozen=True)
class Running:
    """A server that is up.

    Attributes:
        origin: where ("http://localhost:PORT").
        ca: the file of the CA that its certificate is from, or "".
    """

    origin: str
    ca: str = ""

    def page(self, size: int = 2000, dialect: str = "chat") -> str:
        return f"{self.origin}/{dialect}/{size}/"

    @property
    def ajax(self) -> str:
        return self.origin + AJAX


@contextlib.contextmanager
def fast_server(*, tls: bool = False, host: str = "localhost") -> Iterator[Running]:
    """One in another process, for as long as the block runs.

    Where threads are counted its `host` is "127.0.0.1": some clients look names up in threads.
    """
    with tempfile.TemporaryDirectory() as folder:
        certificate = ca = ""
        if tls:
            import trustme

            authority = trustme.CA()
            certificate, ca = f"{folder}/server.pem", f"{folder}/ca.pem"
            authority.cert_pem.write_to_path(ca)
            authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
                certificate
            )
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), host, certificate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Running(process.stdout.readline().strip(), ca)
        finally:
            process.stdin.close()
            process.wait(10)


def form(message: str) -> bytes:
    """The body of a `wpaicg` turn, as a client sends it."""
    fields = f"_wpnonce=0123456789&action=wpaicg_chat_shortcode_message&message={message}&bot_id=0"
    return fields.replace(" ", "+").encode()


if __name__ == "__main__":
    raise_descriptor_limit()
    try:
        import uvloop

        uvloop.run(serve(*sys.argv[1:3]))
    except ImportError:
        asyncio.run(serve(*sys.argv[1:3]))
