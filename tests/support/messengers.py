"""As much of Telegram's and Discord's APIs, over sockets, as a bot needs to hear and to answer."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from anyio.from_thread import start_blocking_portal

try:
    from aiohttp import web  # discord.py brings it.
except ModuleNotFoundError:
    pass

__all__ = ["Messenger", "discord", "telegram"]

TOKEN = "123456:a-token-that-no-messenger-knows"
BOT = {"id": "99", "username": "sitebot", "discriminator": "0000", "avatar": None, "bot": True}
MESSAGE = {
    "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "type": 0, "nonce": None,
    "edited_timestamp": None, "timestamp": "2026-01-01T00:00:00+00:00", "tts": False,
    "mention_everyone": False, "pinned": False,
}  # fmt: skip


class Messenger:
    """What is said to the bot, and what it has answered.

    Attributes:
        url: the API's address.
        calls: method and arguments of each request of the bot, in order.
        answers: the texts that it has sent, with the chat that they went to.
    """

    url: str

    def __init__(self) -> None:
        self.incoming: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    def answer(self) -> tuple[str, str]:
        """The bot's next answer: chat and text."""
        return self.answers.get(timeout=60)


# Telegram: the bot asks for updates, which wait until there are some.


class Telegram(Messenger):
    def say(self, chat: int, text: str) -> None:
        """Write to the bot."""
        number = len(self.calls) + 1000
        person = {"id": chat, "is_bot": False, "first_name": "Ada"}
        message = {
            "message_id": number,
            "date": 1_700_000_000,
            "chat": {"id": chat, "type": "private", "first_name": "Ada"},
            "from": person,
            "text": text,
        }
        self.incoming.put({"update_id": number, "message": message})

    def call(self, method: str, arguments: dict[str, Any]) -> Any:
        if method == "getUpdates":
            try:
                return [self.incoming.get(timeout=0.2)]
            except queue.Empty:
                return []
        self.calls.append((method, arguments))
        if method == "getMe":
            return {"id": 99, "is_bot": True, "first_name": "Site", "username": "sitebot"}
        if method == "sendMessage":
            chat, text = arguments["chat_id"], arguments["text"]
            self.answers.put((chat, text))
            return {
                "message_id": 1,
                "date": 1_700_000_000,
                "chat": {"id": int(chat), "type": "private"},
                "text": text,
            }
        return True


@contextmanager
def telegram() -> Iterator[Telegram]:
    """Telegram's Bot API for the block."""
    fake = Telegram()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            arguments = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            _, bot, method = self.path.split("/")
            known = bot == f"bot{TOKEN}"
            value = (
                {"ok": True, "result": fake.call(method, arguments)}
                if known
                else {"ok": False, "error_code": 401, "description": "Unauthorized"}
            )
            data = json.dumps(value).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *args: None  # type: ignore[method-assign]  # The bot is gone.
        fake.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, name="telegram").start()
        try:
            yield fake
        finally:
            server.shutdown()


# Discord: messages come over a WebSocket, the gateway; answers go over HTTP.


class Discord(Messenger):
    """What the bot sends counts as an answer when it calls `replied`: then it has the response too.

    A bot that is ended while it waits for that shows discord.py's traceback.
    """

    gateway: str
    replied: str

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []

    def say(self, channel: int, text: str, *, guild: bool = False, mention: bool = False) -> None:
        """Write where the bot can read it; a text that does not mention it comes empty."""
        author = {"id": "7", "username": "ada", "discriminator": "0", "avatar": None}
        message = {
            "id": str(5000 + len(self.calls)),
            "channel_id": str(channel),
            "author": author,
            "content": f"<@99> {text}" if mention else "" if guild else text,
            **MESSAGE,
            "mentions": [BOT] if mention else [],
        }
        if guild:
            message["guild_id"] = "11"
        self.incoming.put({"op": 0, "t": "MESSAGE_CREATE", "s": 2, "d": message})

    def call(self, method: str, path: str, body: Any) -> Any:
        self.calls.append((f"{method} {path}", body))
        if path == "/users/@me":
            return BOT
        if path == "/oauth2/applications/@me":
            names = ("name", "description", "summary", "verify_key")
            return {"id": "99", **dict.fromkeys(names, ""), "bot_public": True,
                    "bot_require_code_grant": False, "icon": None, "team": None,
                    "owner": BOT, "flags": 0}  # fmt: skip
        if path.endswith("/messages"):
            channel = path.split("/")[2]
            self.sent.append((channel, body["content"]))
            sent = {"id": "6000", "channel_id": channel, "author": BOT, "content": body["content"]}
            return {**MESSAGE, **sent}
        return None

    async def rest(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bot {TOKEN}":
            return web.json_response({"message": "401: Unauthorized", "code": 0}, status=401)
        body = await request.json() if request.can_read_body else None
        value = self.call(request.method, request.path.removeprefix("/api"), body)
        if value is None:
            return web.Response(status=204)
        # discord.py reads JSON of exactly this type.
        kind = {"Content-Type": "application/json"}
        return web.Response(body=json.dumps(value).encode(), headers=kind)

    async def note_replied(self, request: web.Request) -> web.StreamResponse:
        self.answers.put(self.sent.pop(0))
        return web.Response()

    async def events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 40_000}})
        sending: asyncio.Task[None] | None = None
        async for message in socket:
            wanted = message.json()
            if wanted["op"] == 1:
                await socket.send_json({"op": 11})
            elif wanted["op"] == 2:
                assert wanted["d"]["token"] == TOKEN
                sending = asyncio.create_task(self.send_events(socket))
        if sending is not None:
            sending.cancel()
        return socket

    async def send_events(self, socket: web.WebSocketResponse) -> None:
        session = {
            "v": 10, "user": BOT, "guilds": [], "session_id": "s", "private_channels": [],
            "resume_gateway_url": self.gateway, "application": {"id": "99", "flags": 0},
        }  # fmt: skip
        await socket.send_json({"op": 0, "t": "READY", "s": 1, "d": session})
        while True:
            try:
                await socket.send_json(self.incoming.get_nowait())
            except queue.Empty:
                await asyncio.sleep(0.02)


@contextmanager
def discord() -> Iterator[Discord]:
    """Discord's API and its gateway for the block."""
    fake = Discord()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/api/{path:.*}", fake.rest)
        app.router.add_get("/gateway/", fake.events)
        app.router.add_get("/replied", fake.note_replied)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        fake.url, fake.gateway = f"http://127.0.0.1:{port}/api", f"ws://127.0.0.1:{port}/gateway/"
        fake.replied = f"http://127.0.0.1:{port}/replied"
        return runner

    with start_blocking_portal() as portal:
        runner = portal.call(start)
        try:
            yield fake
        finally:
            portal.call(runner.cleanup)
