"""A site of raw sockets that plays random faults, and counts what reaches its models.

It is for `fault_sequences.py`.  Each sequence has a world: a page below an address of its own, one
bot, and a random source that says what goes wrong with each request.
"""

from __future__ import annotations

import collections
import html
import json
import random
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["DIALECTS", "FaultSite", "World"]

DIALECTS = ("wpaicg", "wpaicg", "aipkit", "aipkit", "rest", "mwai", "mwai-rest")
KEY = "a-key-of-the-owner"
HTML, JSON = "text/html; charset=utf-8", "application/json; charset=utf-8"
BEFORE = ("close", "reset", "cut head", "429", "500", "502", "503", "check", "block")
"""Faults of any request; those from "429" on say that no model was asked, but 5xx say nothing."""
UNHEARD = frozenset({"429", "check", "block", "nonce"})
DIRT_BEFORE = (
    b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf", b"\n", b"  \r\n", b"<br />\n", b"<br />",
    b"<b>Notice</b>: Undefined index in <b>/a.php</b> on line <b>3</b><br />\n",
    b"\n\xef\xbb\xbf", b": comment\n\n", b"<!-- cache -->", b"Warning: something\n\n",
)  # fmt: skip
DIRT_BETWEEN = (b": keep-alive\n\n", b"\n", b"\n\n\n", b":\n", b"retry: 100\n\n", b"id: 7\n\n")
DIRT_BEHIND = (b"\n<!-- cached -->", b"<script>1</script>", b"\n\n\n", b"\xef\xbb\xbf", b"0")
CHECKS = (
    ("202 Accepted", "SG-Captcha: challenge", b"<html></html>"),
    ("200 OK", "", b'<meta http-equiv="refresh" content="0;/.well-known/sgcaptcha/?r=%2F">'),
    ("200 OK", "", b'{"message":"Access denied by Imunify360 bot-protection. IPs whitelist"}'),
    ("415 Unsupported Media Type", "",
     b'{"message":"Access denied by Imunify360 bot-protection."}'),
    ("403 Forbidden", "cf-mitigated: challenge", b"<title>Just a moment...</title>"),
)  # fmt: skip


class World:
    """What one sequence meets.

    Attributes:
        reached: how often each message reached the model.
        answers: for each message that did, the whole answer, and as much of it as was sent.
        met: what was played, request by request.
        arguments: what a client of it needs beside the address.
    """

    def __init__(self, number: int, dialect: str, seed: float) -> None:
        self.number = number
        self.dialect = dialect
        self.random = random.Random(seed)
        self.path = f"/s/{number}/"
        self.may_stall = self.random.random() < 0.02
        self.badness = self.random.choice((0.0, 0.2, 0.5, 0.8))
        self.reached: collections.Counter[str] = collections.Counter()
        self.answers: dict[str, tuple[str, str]] = {}
        self.met: list[str] = []
        self.requests = 0
        self.arguments: dict[str, Any] = {}
        if dialect in ("rest", "mwai-rest"):
            self.arguments = {"api_key": KEY, "bot": 5 if dialect == "rest" else "default"}
        self._nonce = 0
        self._cached = ""
        self._cached_messages: dict[str, str] = {}
        self._origin = ""

    def at(self, origin: str) -> str:
        """The address of its page on a site."""
        self._origin = origin
        return f"{origin}{self.path}"

    @property
    def nonce(self) -> str:
        """The nonce that is good now."""
        return f"n{self._nonce:09}"

    def answer(self, connection: _Connection, target: str, head: str, body: str) -> bool:
        """Answer a request; False when the connection has ended with that."""
        self.requests += 1
        path = target.removeprefix(self.path)
        if "chats/submit" in path or "simpleChatbotQuery" in path or path.endswith("/message"):
            return self._message(connection, head, body)
        if "admin-ajax" in path:
            if "frontend_chat_stream" in path or self.dialect == "wpaicg":
                return self._message(connection, head, f"{path}&{body}")
            if "cache_sse_message" in body:
                return self._first_step(connection, body)
        kind = "page" if path == "" or path.startswith("?") else "other"
        fault = self._fault(kind)
        if not self._play(connection, fault):
            return fault.isdigit() or fault in ("check", "block")
        if kind == "page":
            return self._page(connection, path, fault)
        if "start_session" in path:
            return connection.send("200 OK", JSON, json.dumps({"restNonce": self.nonce}).encode())
        if "wp-json" in path:
            names = ["wp/v2", "aipkit/v1" if self.dialect == "rest" else "mwai/v1"]
            return connection.send("200 OK", JSON, json.dumps({"namespaces": names}).encode())
        fresh = {"success": True, "data": {"nonce": self.nonce}}
        return connection.send("200 OK", JSON, json.dumps(fresh).encode())

    def _fault(self, kind: str) -> str:
        pick = self.random
        fault = "ok"
        if pick.random() < self.badness:
            further = {
                "page": ("cached", "cached", "cut"),
                "message": ("nonce", "nonce", "cut", "cut", "cut", "cut", "dirt", "dirt", "dirt",
                            "dirt, cut", "dirt, cut", "close after", "error"),
                "step": ("nonce",),
                "other": (),
            }[kind]  # fmt: skip
            fault = pick.choice((*BEFORE, *further))
            if self.may_stall and kind == "message" and pick.random() < 0.5:
                fault = "stall"
        self.met.append(fault if kind == "message" else f"{kind}: {fault}")
        return fault

    def _play(self, connection: _Connection, fault: str) -> bool:
        """Play a fault that comes before any answer; True where there was none."""
        if fault == "close":
            connection.close()
        elif fault == "reset":
            connection.reset()
        elif fault == "cut head":
            connection.raw(b"HTTP/1.1 200 OK\r\nContent-Ty")
            connection.close()
        elif fault == "429":
            connection.send("429 Too Many Requests", HTML, b"later", "Retry-After: 0")
        elif fault.isdigit():
            connection.send(f"{fault} Out Of Order", HTML, b"<h1>Down</h1>")
        elif fault == "check":
            status, header, body = self.random.choice(CHECKS)
            kind = JSON if body.startswith(b"{") else HTML
            connection.send(status, kind, body, *filter(None, [header]))
        elif fault == "block":
            connection.send("403 Forbidden", HTML, b"<p>Your access to this site has been limited")
        else:
            return True
        return False

    def _page(self, connection: _Connection, path: str, fault: str) -> bool:
        nonce = self.nonce
        if fault == "cached" and self._cached and "chatgptes_fresh" not in path:
            nonce = self._cached
        self._cached = self._cached or nonce
        here = f"{self._origin}{self.path}"
        config: dict[str, Any]
        if self.dialect == "aipkit":
            config = {"botId": 5, "nonce": nonce, "ajaxUrl": f"{here}wp-admin/admin-ajax.php"}
            text = f"<div class='aipkit_chat_container' data-config='{_quoted(config)}'></div>"
        elif self.dialect == "mwai":
            config = {"botId": "default", "customId": None, "restUrl": f"{here}wp-json",
                      "restNonce": self.random.choice((nonce, None)), "contextId": 6,
                      "stream": True}  # fmt: skip
            text = (
                f"<div class='mwai-chatbot-container' data-params='{{}}'"
                f" data-system='{_quoted(config)}'></div>"
            )
        else:
            params = json.dumps({"ajax_url": f"{here}wp-admin/admin-ajax.php"})
            text = (
                f'<div class="wpaicg-chat-shortcode" data-nonce="{nonce}" data-post-id="7"'
                f' data-bot-id="0" data-type="shortcode"></div><script>var wpaicgParams = {params}'
                "</script>"
            )
        link = f'Link: <{here}wp-json/>; rel="https://api.w.org/"'
        cut = self.random.randrange(len(text)) if fault == "cut" else None
        return connection.send("200 OK", HTML, text.encode(), link, cut=cut)

    def _good_nonce(self, head: str, body: str) -> bool:
        return self.dialect in ("rest", "mwai-rest") or self.nonce in head or self.nonce in body

    def _first_step(self, connection: _Connection, body: str) -> bool:
        fault = self._fault("step")
        if not self._play(connection, fault):
            return fault.isdigit() or fault in ("check", "block")
        if not self._still_good(fault, "", body):
            return self._refuse(connection)
        key = f"k{len(self._cached_messages)}"
        self._cached_messages[key] = _prompt(body)
        answer = {"success": True, "data": {"cache_key": key}}
        return connection.send("200 OK", JSON, json.dumps(answer).encode())

    def _still_good(self, fault: str, head: str, body: str) -> bool:
        if fault == "nonce" and self.dialect not in ("rest", "mwai-rest"):
            self._nonce += 1
        return self._good_nonce(head, body)

    def _refuse(self, connection: _Connection) -> bool:
        if self.dialect == "mwai":
            data = {"code": "rest_cookie_invalid_nonce", "message": "x", "data": {"status": 403}}
            return connection.send("403 Forbidden", JSON, json.dumps(data).encode())
        return connection.send("403 Forbidden", HTML, b"-1")

    def _message(self, connection: _Connection, head: str, body: str) -> bool:
        fault = self._fault("message")
        if fault in UNHEARD and fault != "nonce":
            self._play(connection, fault)
            return True
        if not self._still_good(fault, head, body):
            return self._refuse(connection)
        prompt = _prompt(body)
        if not prompt:
            key = body.partition("cache_key=")[2].partition("&")[0]
            prompt = self._cached_messages.get(key, "")
        self.reached[prompt] += 1
        if not self._play(connection, fault):
            return fault.isdigit()
        return self._speak(connection, prompt, fault)

    def _speak(self, connection: _Connection, prompt: str, fault: str) -> bool:
        """Answer a message that the model was given."""
        pick = self.random
        words = [f"{pick.choice('abcdefgé')}{number} " for number in range(pick.randint(1, 12))]
        whole = "".join(words).rstrip()
        words[-1] = words[-1].rstrip()
        dirty = fault.startswith("dirt")
        plain = self.dialect in ("rest", "mwai-rest") or (
            self.dialect == "wpaicg" and pick.random() < 0.2
        )
        if plain:
            pieces = [(self._plain(whole), whole)]
        else:
            pieces = self._events(words, broken=fault == "error", dirty=dirty)
        if dirty and (not plain or self.dialect == "wpaicg"):
            if pick.random() < 0.7:
                pieces.insert(0, (pick.choice(DIRT_BEFORE), ""))
            if pick.random() < 0.5:
                pieces.append((pick.choice(DIRT_BEHIND), ""))
        data = b"".join(piece for piece, _ in pieces)
        cut = pick.randrange(len(data)) if "cut" in fault or fault == "stall" else None
        sent, end = "", 0
        for piece, text in pieces:
            end += len(piece)
            # An event's line end may be missing: all of its text is there.
            needed = end - (len(piece) - len(piece.rstrip()))
            if text and (cut is None or needed <= cut):
                sent += text
        if fault == "error" and not plain:
            whole = sent
        self.answers[prompt] = (whole, sent)
        kind = JSON if plain else "text/event-stream"
        chunked = not plain or pick.random() < 0.5
        return connection.send(
            "200 OK", kind, data, cut=cut, chunked=chunked, pieces=pick.randint(1, 4), random=pick,
            stall=fault == "stall", close=fault == "close after",
        )  # fmt: skip

    def _plain(self, text: str) -> bytes:
        return json.dumps(
            {
                "wpaicg": {"status": "success", "data": text},
                "rest": {"reply": text, "model": "m"},
                "mwai-rest": {"success": True, "data": text},
            }[self.dialect]
        ).encode()

    def _events(self, words: list[str], *, broken: bool, dirty: bool) -> list[tuple[bytes, str]]:
        pick = self.random
        if broken:
            words = words[: pick.randint(1, len(words))]
        found: list[tuple[bytes, str]] = []
        if self.dialect == "aipkit":
            found.append((_event({"message_id": "m-1"}, "message_start"), ""))
        for word in words:
            events: dict[str, dict[str, Any]] = {
                "wpaicg": {"id": "1", "choices": [{"delta": {"content": word}}]},
                "aipkit": {"delta": word},
                "mwai": {"type": "live", "subtype": "content", "data": word},
            }
            found.append((_event(events[self.dialect], crlf=dirty and pick.random() < 0.3), word))
            if dirty and pick.random() < 0.4:
                found.append((pick.choice(DIRT_BETWEEN), ""))
        if broken:
            errors: dict[str, dict[str, Any]] = {
                "wpaicg": {"error": {"message": "overloaded", "type": "server_error"}},
                "aipkit": {"error": "overloaded"},
                "mwai": {"type": "error", "data": "overloaded"},
            }
            error = errors[self.dialect]
            found.append((_event(error, "error" if self.dialect == "aipkit" else ""), ""))
        elif self.dialect == "aipkit":
            found.append((_event({"finished": True}, "done"), ""))
        elif self.dialect == "wpaicg":
            found.append((b"data: [DONE]\n\n", ""))
        else:
            reply = {"success": True, "reply": "".join(words)}
            found.append((_event({"type": "end", "data": json.dumps(reply)}), ""))
        return found


def _quoted(config: dict[str, Any]) -> str:
    return html.escape(json.dumps(config), quote=True)


def _event(data: object, name: str = "", *, crlf: bool = False) -> bytes:
    end = "\r\n" if crlf else "\n"
    return (
        (f"event: {name}{end}" if name else "") + f"data: {json.dumps(data)}{end}{end}"
    ).encode()


def _prompt(body: str) -> str:
    """The prompt in a request, which ends with "-end"."""
    start = body.rfind("m", 0, max(0, body.rfind("-end")))
    end = body.rfind("-end")
    return body[start : end + 4] if end >= 0 else ""


class _Connection:
    """The site's end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest = b""

    def receive(self) -> tuple[str, str, str] | None:
        """The next request's target, head and body; None at the end."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return None
        raw, _, self._rest = self._rest.partition(b"\r\n\r\n")
        head = raw.decode("latin-1")
        lowered = head.lower()
        length = 0
        if "\ncontent-length:" in lowered:
            length = int(lowered.partition("\ncontent-length:")[2].partition("\r\n")[0])
        while len(self._rest) < length:
            if not self._more():
                return None
        body, self._rest = self._rest[:length], self._rest[length:]
        return head.split(" ", 2)[1], head, body.decode("utf-8", "replace")

    def _more(self) -> bool:
        data = self._sock.recv(65536)
        self._rest += data
        return bool(data)

    def raw(self, data: bytes) -> None:
        self._sock.sendall(data)

    def send(
        self, status: str, kind: str, body: bytes, *lines: str, cut: int | None = None,
        chunked: bool = False, pieces: int = 1, random: random.Random | None = None,
        stall: bool = False, close: bool = False,
    ) -> bool:  # fmt: skip
        """Send a response, or the part of it before byte `cut` of its body; False at a cut."""
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Type: {kind}", framing, *lines, "", ""])
        self._sock.sendall(head.encode("latin-1"))
        ends = [len(body)]
        if random is not None and pieces > 1:
            ends = sorted({*(random.randrange(1, len(body) + 1) for _ in range(pieces)), len(body)})
        for each in _framed(body, ends, cut, chunked=chunked):
            self._sock.sendall(each)
        if stall:
            while self._more():
                pass
        if cut is not None or close:
            self.close()
            return False
        return True

    def close(self) -> None:
        self._sock.close()

    def reset(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


def _framed(body: bytes, ends: list[int], cut: int | None, *, chunked: bool) -> Iterator[bytes]:
    """A body in pieces that end at `ends`, and nothing from its byte `cut` on."""
    start = 0
    for end in ends:
        data = body[start:end]
        if chunked:
            yield b"%x\r\n" % len(data)
        if cut is not None and cut < end:
            yield body[start:cut]
            return
        yield data
        if chunked:
            yield b"\r\n"
        start = end
    if chunked:
        yield b"0\r\n\r\n"


class FaultSite:
    """The server of all worlds: a thread a connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._worlds: dict[str, World] = {}

    def __enter__(self) -> FaultSite:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def add(self, world: World) -> str:
        """Serve a world; the address of its page."""
        self._worlds[str(world.number)] = world
        return world.at(self._origin)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(sock)
            while (heard := connection.receive()) is not None:
                target, head, body = heard
                world = self._worlds.get(target.split("/", 3)[2])
                if world is None:  # Guessed by a client that saw no page.
                    connection.send("404 Not Found", HTML, b"Nothing.")
                elif not world.answer(connection, target, head, body):
                    return
        except OSError:
            pass  # The client hung up.
        finally:
            sock.close()
