"""The server of `integrations/server` over real sockets, in a thread."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from chatgptes.integrations.server import Settings, SiteSettings, make_server
from chatgptes.integrations.server.serving import Server, address_of, listen

__all__ = ["TOKEN", "Served", "page", "serving", "until"]

TOKEN = "a-token-for-tests-0123456789"


def until(condition: Callable[[], bool]) -> None:
    """Wait for what others do; the test's own timeout ends a wait in vain."""
    while not condition():
        time.sleep(0.005)


def page(url: str, **arguments: Any) -> SiteSettings:
    """The settings of the only site of a server: a page of one's own."""
    return SiteSettings({"site": url, **arguments}, my_site=True)


class Served:
    """A server that runs.

    Attributes:
        url: its base URL.
        server: the server itself.
    """

    def __init__(self, url: str, server: Server, thread: threading.Thread) -> None:
        self.url = url
        self.server = server
        self.thread = thread
        self.host = urlsplit(url).netloc
        self.port = urlsplit(url).port or 0

    def stop(self) -> None:
        """Ask it to stop, as a signal does."""
        self.server.should_exit = True

    def connect(self) -> socket.socket:
        """A connection without anything sent."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def request(self, body: Any, *headers: str) -> bytes:
        """A request for a completion, as it is sent."""
        data = json.dumps(body).encode()
        head = [
            "POST /v1/chat/completions HTTP/1.1",
            f"Host: {self.host}",
            f"Authorization: Bearer {TOKEN}",
            f"Content-Length: {len(data)}",
            *headers,
        ]
        return "\r\n".join([*head, "", ""]).encode() + data

    def ask(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        body: Any = None,
        headers: dict[str, str] | None = None,
        token: str | None = TOKEN,
    ) -> tuple[int, dict[str, str], Any]:
        """Send a request; the status, headers and JSON (or text) of the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        all_ = {"Authorization": f"Bearer {token}"} if token is not None else {}
        try:
            connection.request(method, path, data, {**all_, **(headers or {})})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        names = {name.lower(): value for name, value in response.getheaders()}
        is_json = names.get("content-type", "") == "application/json"
        return response.status, names, json.loads(text) if is_json and text else text


@contextmanager
def serving(*sites: SiteSettings, **settings: Any) -> Iterator[Served]:
    """Serve `sites` for the block."""
    given = {"tokens": {"tests": TOKEN}, "port": 0, **settings}
    server = make_server(Settings(sites, **given))
    sock = listen("127.0.0.1", 0)
    url = address_of(sock)
    thread = threading.Thread(target=lambda: server.run(sockets=[sock]), name="serving")
    thread.start()
    try:
        yield Served(url, server, thread)
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
