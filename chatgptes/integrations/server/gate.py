"""The checks before every request is answered: host, token, size; and the access log."""

from __future__ import annotations

import hmac
import json
import logging
import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .failures import ApiError, invalid_request
from .settings import Settings

__all__ = ["Gate", "Record", "read_body", "send_error", "send_json"]

log = logging.getLogger("chatgptes.server")

OPEN: Final = ("/healthz",)
"""The paths that need no token."""

_ALWAYS = ("localhost", "127.0.0.1", "[::1]")
_DRAIN = 5.0
"""Seconds that a refused client has to finish its body, so that it gets to read why."""
_CLOSE = {"connection": "close"}
_NEVER = {"x-should-retry": "false"}
_BUG = ApiError(500, "The server has a bug; its log has more.", "server_error", "bug")


class Record:
    """One line of the access log, filled in while the request is answered.

    It never holds text of a prompt or an answer, a token, a query, or a path that no route has.
    """

    def __init__(self) -> None:
        self.id = f"req_{uuid4().hex}"
        self.began = time.monotonic()
        self.status = 0
        self.fields: dict[str, Any] = {}

    def write(self, method: str) -> None:
        """Log it as a line of JSON."""
        line = {
            "request": self.id,
            "method": method,
            "status": self.status,
            "seconds": round(time.monotonic() - self.began, 3),
            **self.fields,
        }
        log.info("%s", json.dumps(line))


class Gate:
    """Lets in who asks under a known host name, with a token, and says what a browser may not.

    A page of another site in the user's browser can't use the server: it has no token, preflight
    requests are refused, and no answer has a CORS header.  By DNS rebinding it could pass for a
    page of the server's own, so the `Host` must be one of the server's names.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._tokens = {name: token.encode() for name, token in settings.tokens.items()}
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        names = (*_ALWAYS, host, *settings.allow_hosts)
        self._hosts = {name.lower() for name in names}
        self._max_body = settings.max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = Record()
        scope.setdefault("state", {})["record"] = record

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", record.id.encode()),
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            try:
                self._check(scope)
            except ApiError as error:
                record.fields["error"] = error.code
                await refuse(error, scope, receive, send_noted, self._max_body)
            else:
                await self._app(scope, receive, send_noted)
        except Exception:
            record.fields["error"] = _BUG.code
            if not record.status:
                await send_error(_BUG, send_noted, _CLOSE | _NEVER)
            raise  # uvicorn logs it, and ends the connection.
        finally:
            record.write(scope["method"])

    def _check(self, scope: Scope) -> None:
        headers = _single(scope)
        if _host(headers.get(b"host", b"")) not in self._hosts:
            raise ApiError(
                421,
                "This server is not asked under that host name; who runs it can allow it.",
                code="host_not_allowed",
            )
        if scope["method"] == "OPTIONS":
            raise ApiError(405, "Pages of other sites may not ask here.", code="not_allowed")
        if scope["path"] not in OPEN:
            scope["state"]["user"] = self._authenticated(headers.get(b"authorization", b""))
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > self._max_body:
            raise too_large(self._max_body)

    def _authenticated(self, header: bytes) -> tuple[str, str]:
        """The name and the token of who asks.

        Raises:
            ApiError: there is none, or a wrong one (401).
        """
        scheme, _, given = header.partition(b" ")
        given = given.strip()
        found = None
        if scheme.lower() == b"bearer":
            # All of them, so that the time says nothing about which one nearly fits.
            for name, token in self._tokens.items():
                if hmac.compare_digest(given, token):
                    found = name, token.decode()
        if found is None:
            message = "The token is wrong." if given else "A bearer token is missing."
            raise ApiError(
                401,
                message,
                "authentication_error",
                "invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
        return found


def _single(scope: Scope) -> Mapping[bytes, bytes]:
    """The headers that may stand only once.

    Raises:
        ApiError: one stands twice (400).
    """
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in (b"host", b"authorization", b"content-length"):
            if name in found:
                raise invalid_request("A header stands twice.", None, "invalid_header")
            found[name] = value
    return found


def _host(header: bytes) -> str:
    """The host name of a `Host` header, without its port."""
    name, colon, port = header.decode("latin-1").lower().rpartition(":")
    return name if colon and port.isdigit() else header.decode("latin-1").lower()


def too_large(limit: int) -> ApiError:
    """The error of a body that is larger than `limit` bytes (413)."""
    return ApiError(413, f"The body has more than {limit:,} bytes.", code="body_too_large")


async def read_body(scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes:
    """The request's body.

    Raises:
        ApiError: it is too large (413), did not come in time (408), or never ended (400).
    """
    parts: list[bytes] = []
    size = 0
    with anyio.move_on_after(seconds):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise invalid_request("The body broke off.", None, "incomplete")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise too_large(limit)
            if not message.get("more_body"):
                return b"".join(parts)
    raise ApiError(408, "The body did not come in time.", code="too_slow", headers=_CLOSE | _NEVER)


async def refuse(error: ApiError, scope: Scope, receive: Receive, send: Send, most: int) -> None:
    """Send an error before the body was read.

    What is left of the body is read and dropped first, within bounds: a connection that is closed
    on a client in the middle of its body lets it see no answer, but a reset.
    """
    names = {name for name, _ in scope["headers"]}
    ended = b"content-length" not in names and b"transfer-encoding" not in names
    if not ended and b"expect" not in names:
        left = 2 * most
        with anyio.move_on_after(_DRAIN):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    ended = True
                    break
    await send_error(error, send, {} if ended else _CLOSE)


async def send_error(error: ApiError, send: Send, headers: Mapping[str, str] | None = None) -> None:
    """Send an error as a response."""
    await send_json(error.status, error.body(), send, {**error.headers, **(headers or {})})


async def send_json(
    status: int, value: Any, send: Send, headers: Mapping[str, str] | None = None
) -> None:
    """Send a JSON value as a response."""
    body = json.dumps(value).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *((name.encode(), text.encode()) for name, text in (headers or {}).items()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
