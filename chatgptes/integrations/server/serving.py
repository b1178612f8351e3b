"""The server itself: uvicorn with its limits, and an end that lets answers finish."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

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
_OVERHEAD = 256 << 10
"""Bytes that a request may have beside its body: head, marks of chunks, trailers."""
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_UNLIMITED = hasattr(AutoHTTPProtocol, "on_body")
"""The parser is httptools, which keeps whatever comes; h11 has limits itself."""


class Server(uvicorn.Server):
    """A server that ends the turns under way some time after it was asked to stop."""

    def __init__(self, config: uvicorn.Config, models: Models, grace: float) -> None:
        super().__init__(config)
        self._models = models
        self._grace = grace

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let answers finish, and end those that take too long.

        A client whose answer is ended gets an error event, not only a closed connection.
        """
        timer = asyncio.get_running_loop().call_later(self._grace, self._models.end_turns)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()
        if self.force_exit:
            await self._end_now()

    async def _end_now(self) -> None:
        """End everything after a second Ctrl-C.

        uvicorn would leave it to be cancelled: with a traceback for each answer, and without the
        application's own end.
        """
        self._models.end_turns()
        if tasks := self.server_state.tasks:
            await asyncio.wait(tasks, timeout=_LAST)
        await self.lifespan.shutdown()


def make_server(settings: Settings) -> Server:
    """A server for `settings`: `serve(sockets=[...])` runs it on a loop, `run()` by itself."""
    models = Models(settings.sites, settings.redis)
    config = uvicorn.Config(
        create_app(settings, models),
        host=settings.host,
        port=settings.port,
        http=_protocol_of(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.grace) + _LATE,
        backlog=2048,
    )
    return Server(config, models, settings.grace)


def run(settings: Settings, ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: which sites, whose tokens, which limits.
        ready: called with the server's address once it listens.

    Raises:
        InvalidConfigError: the address can't be listened on.
    """
    server = make_server(settings)
    with listen(settings.host, settings.port) as sock, _access_log():
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
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise InvalidConfigError(f"{host}:{port} can't be listened on: {error}.") from error


def address_of(sock: socket.socket) -> str:
    """The base URL that clients of a listening socket are given."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


@contextlib.contextmanager
def _access_log() -> Any:
    """The access log on standard error, for the block."""
    log = logging.getLogger("chatgptes.server")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    level, log.propagate = log.level, False  # With the option for more, each line would come twice.
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = True


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


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # One of two classes.
    """uvicorn's HTTP protocol, ending connections of clients that send or read too slowly.

    uvicorn itself bounds the time between requests, but none for the first, and none for one that
    has begun: so a client could hold connections by sending a byte now and then.  One that never
    reads would hold its turn, and the site's place for it, for ever: a turn's clock stands still
    while its consumer is busy.  With httptools, endless trailers took 14 bytes of memory for each
    byte that was sent.
    """

    head_timeout: float
    stuck_timeout: float
    head_timer: asyncio.TimerHandle | None = None
    write_timer: asyncio.TimerHandle | None = None
    overhead = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._was_written()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if _UNLIMITED and (self.cycle is None or self.cycle.response_complete):
            data = _without_upgrade(data)
        self.overhead += len(data)
        super().data_received(data)
        if _UNLIMITED and self.overhead > _OVERHEAD:
            self.transport.abort()
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_came()
        elif self.head_timer is None:
            self._await_head()

    def on_body(self, body: bytes) -> None:
        self.overhead -= len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        self.overhead = 0
        super().on_response_complete()
        self._head_came()  # From here on it is uvicorn's timer, until the next request begins.
        if self.transport.get_write_buffer_size():
            self._await_write()  # Closing waits for it, however long.

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_write()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._was_written()

    def _await_head(self) -> None:
        self.head_timer = self.loop.call_later(self.head_timeout, self.transport.abort)

    def _head_came(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def _await_write(self) -> None:
        self._was_written()
        self.write_timer = self.loop.call_later(self.stuck_timeout, self._abort_if_unwritten)

    def _was_written(self) -> None:
        if self.write_timer is not None:
            self.write_timer.cancel()
            self.write_timer = None

    def _abort_if_unwritten(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()


def _without_upgrade(data: bytes) -> bytes:
    """A request, or its beginning, without the wish to change to another protocol.

    Java's HTTP client has it in each first request.  httptools would drop the body.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nX-Ignored:", head) + end + rest


def _protocol_of(settings: Settings) -> type[asyncio.Protocol]:
    limits = {"head_timeout": settings.head_timeout, "stuck_timeout": settings.stuck_timeout}
    return type("Protocol", (_Protocol,), limits)
