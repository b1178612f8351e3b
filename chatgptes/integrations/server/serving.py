"""The server itself: uvicorn with its limits, and an end that lets answers finish."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ...errors import InvalidConfigError
from .app import create_app
from .models import Models
from .settings import Settings

__all__ = ["Server", "make_server", "run"]

_KEEP_ALIVE = 15
"""Seconds that an idle connection stays open: OpenAI's SDKs use theirs again within these."""
_LATE = 5
"""Seconds that answers have to say that they were ended."""
_LAST = 1.0
"""The same after a second Ctrl-C."""
_BACKLOG = 2048
_HEAD = 64 << 10
"""Bytes that a request's head may have: h11's 16 KiB are less than proxies in front let through."""


class Server(uvicorn.Server):
    """A server with a time for slow clients, and for running answers once it is to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        app = create_app(settings)
        self._models: Models = app.state.models
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=_Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=_HEAD,
            limit_concurrency=settings.max_connections,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=int(settings.grace) + _LATE,
            backlog=_BACKLOG,
        )
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        """End connections of slow clients.  Called ten times a second."""
        if counter % 5 == 0:
            now = time.monotonic()
            head, unread = now - self._settings.head_timeout, now - self._settings.stuck_timeout
            for each in list(self.server_state.connections):
                assert isinstance(each, _Protocol)
                each.end_if_slow(head, unread)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let answers finish, and end those that take too long.

        A client whose answer is ended gets an error event, not only a closed connection.
        """
        timer = asyncio.get_running_loop().call_later(self._settings.grace, self._models.end_turns)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()
        if self.force_exit:  # After a second Ctrl-C.
            # uvicorn would leave it to be cancelled: with a traceback for each answer, and without
            # the application's own end.
            self._models.end_turns()
            if tasks := self.server_state.tasks:
                await asyncio.wait(tasks, timeout=_LAST)
            await self.lifespan.shutdown()


def make_server(settings: Settings) -> Server:
    """A server for `settings`: `serve(sockets=[...])` runs it on a loop, `run()` by itself."""
    return Server(settings)


def run(settings: Settings, ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, with the access log on standard error.

    Args:
        settings: which sites, whose tokens, which limits.
        ready: called with the server's address once it listens.

    Raises:
        InvalidConfigError: the address can't be listened on.
    """
    server = make_server(settings)
    with listen(settings.host, settings.port) as sock:
        log = logging.getLogger("chatgptes.server")
        if not log.handlers:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            log.addHandler(handler)
        log.propagate = False  # With the option for more, each line would come twice.
        log.setLevel(logging.INFO)
        if ready is not None:
            ready(address_of(sock))
        _raise_descriptor_limit()
        server.run(sockets=[sock])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InvalidConfigError: it can't.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise InvalidConfigError(f"{host}:{port} can't be listened on: {error}.") from error


def address_of(sock: socket.socket) -> str:
    """The base URL that clients of a listening socket are given."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


def _raise_descriptor_limit() -> None:
    """Let the process have as many sockets as it may: a stream needs two, and 1,024 are usual."""
    try:
        import resource
    except ImportError:  # Windows.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Protocol(H11Protocol):
    """uvicorn's HTTP protocol, with notes of how long a client has been slow.

    Over h11, which bounds heads, marks of chunks and trailers; httptools keeps whatever comes.
    uvicorn itself bounds the time between requests, but none for the first, and none for one that
    has begun: so a client could hold connections by sending a byte now and then.  One that never
    reads would hold its turn, and the site's place for it, for ever: a turn's clock stands still
    while its consumer is busy.

    Attributes:
        head_since: when the head of a request began to be waited for; or infinity.
        unread_since: when the client began to read too slowly; or infinity.
    """

    head_since = math.inf
    unread_since = math.inf

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.head_since = time.monotonic()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self.head_since = math.inf
        else:
            self.head_since = min(self.head_since, time.monotonic())

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.head_since = math.inf  # From here on it is uvicorn's timer, until the next request.
        if self.transport.get_write_buffer_size():
            self.unread_since = time.monotonic()  # Closing waits for it, however long.

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unread_since = time.monotonic()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.unread_since = math.inf

    def end_if_slow(self, head: float, unread: float) -> None:
        """End the connection of a client that has been slow since before these times."""
        if not self.transport.get_write_buffer_size():
            self.unread_since = math.inf
        if self.head_since < head or self.unread_since < unread:
            self.transport.abort()
