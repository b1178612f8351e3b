"""The checks before every request is answered: host, token, size; and the access log."""

from __future__ import annotations

import hmac
import json
import logging
import re
import time
from typing import Any
from uuid import uuid4

import anyio
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .failures import ApiError, invalid_request
from .settings import Settings

__all__ = ["Gate", "JSONResponse", "Record", "error_response", "read_body"]

log = logging.getLogger("chatgptes.server")

_ALWAYS = ("localhost", "127.0.0.1", "[::1]")
_PORT = re.compile(r":[0-9]+\Z")
_DRAIN = 5.0
"""Seconds that a refused client has to finish its body, so that it gets to read why."""
_LAST = {"connection": "close", "x-should-retry": "false"}
"""Headers of the last response on a connection."""
_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class JSONResponse(Response):
    """A JSON value in ASCII: texts of sites may hold half a character, which UTF-8 can't."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


def error_response(error: ApiError) -> Response:
    """The response that an error is."""
    return JSONResponse(error.body(), error.status, error.headers)


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
        seconds = round(time.monotonic() - self.began, 3)
        line = {"request": self.id, "method": method, "status": self.status, "seconds": seconds}
        log.info("%s", json.dumps({**line, **self.fields}))


class Gate:
    """Lets requests through that have a token, and a `Host` that is one of the server's names."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._tokens = {name: token.encode() for name, token in settings.tokens.items()}
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._hosts = {name.lower() for name in (*_ALWAYS, host, *settings.allow_hosts)}
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
                own = [(b"x-request-id", record.id.encode()), *_HEADERS]
                message["headers"] = [*message.get("headers", ()), *own]
            await send(message)

        headers = Headers(scope=scope)
        try:
            try:
                self._check(scope, headers)
            except ApiError as error:
                record.fields["error"] = error.code
                if not await _read_to_end(headers, receive, 2 * self._max_body):
                    error.headers["connection"] = "close"
                await error_response(error)(scope, receive, send_noted)
            else:
                await self._app(scope, receive, send_noted)
        except Exception:
            record.fields["error"] = "bug"
            if not record.status:
                text = "The server has a bug; its log has more."
                bug = ApiError(500, text, "bug", "server_error", headers=_LAST)
                await error_response(bug)(scope, receive, send_noted)
            raise  # uvicorn logs it, and ends the connection.
        finally:
            record.write(scope["method"])

    def _check(self, scope: Scope, headers: Headers) -> None:
        if _PORT.sub("", headers.get("host", "").lower()) not in self._hosts:
            text = "This server is not asked under that host name; who runs it can allow it."
            raise ApiError(421, text, "host_not_allowed")
        if scope["method"] == "OPTIONS":
            raise ApiError(405, "Pages of other sites may not ask here.", "not_allowed")
        if scope["path"] != "/healthz":
            scope["state"]["user"] = self._authenticated(headers.get("authorization", ""))
        length = headers.get("content-length", "")
        if length.isdigit() and int(length[:20]) > self._max_body:
            raise _too_large(self._max_body)

    def _authenticated(self, header: str) -> tuple[str, str]:
        """The name and the token of who asks."""
        scheme, _, given = header.encode("latin-1").partition(b" ")
        given = given.strip()
        # All are compared, so that the time says nothing about which one nearly fits.
        same = [name for name, token in self._tokens.items() if hmac.compare_digest(given, token)]
        if same and scheme.lower() == b"bearer":
            return same[0], given.decode()
        raise ApiError(
            401,
            "The token is wrong." if given else "A bearer token is missing.",
            "invalid_api_key",
            "authentication_error",
            headers={"www-authenticate": "Bearer"},
        )


def _too_large(limit: int) -> ApiError:
    return ApiError(413, f"The body has more than {limit:,} bytes.", "body_too_large")


async def read_body(receive: Receive, limit: int, seconds: float) -> bytes:
    """The request's body.

    Raises:
        ApiError: it is too large (413), did not come in time (408), or never ended (400).
    """
    body = bytearray()
    with anyio.move_on_after(seconds):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise invalid_request("The body broke off.", None, "incomplete")
            body += message.get("body", b"")
            if len(body) > limit:
                raise _too_large(limit)
            if not message.get("more_body"):
                return bytes(body)
    raise ApiError(408, "The body did not come in time.", "too_slow", headers=_LAST)


async def _read_to_end(headers: Headers, receive: Receive, left: int) -> bool:
    """Read the body of a refused request, within bounds, and drop it; whether it ended.

    A connection that is closed on a client in the middle of its body lets it see no answer, but a
    reset.
    """
    if "content-length" not in headers and "transfer-encoding" not in headers:
        return True
    if "expect" in headers:
        return False
    with anyio.move_on_after(_DRAIN):
        while left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            if not message.get("more_body"):  # A disconnect has none either.
                return True
    return False
