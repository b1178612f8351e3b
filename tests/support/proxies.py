"""Real proxies for the tests: pproxy, in a thread."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pproxy = pytest.importorskip("pproxy")

PASSWORD = "p@ss:w%rd/ñ"
QUOTED = "p%40ss%3Aw%25rd%2F%C3%B1"


class RealProxy:
    """pproxy in a thread; `routes` lists the (host, port) that it was asked for."""

    def __init__(self, scheme: str, login: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.routes: list[str] = []
        self.port = 0  # Known once it listens: no other program can take it in between.
        self._server = pproxy.Server(f"{scheme}://127.0.0.1:0" + (login and f"#{login}"))
        self._server.sslserver = tls
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> RealProxy:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        options = {"rserver": [], "verbose": self.routes.append, "authtime": -1}
        listening = self._loop.run_until_complete(self._server.start_server(options))
        self.port = listening.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        listening.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(rounds())
        self._loop.close()


async def rounds() -> None:
    """A few rounds of the loop, in which transports that were closed come to their end.

    Else the garbage collector finds them, in the midst of some other test.
    """
    for _ in range(20):
        await asyncio.sleep(0)


@contextmanager
def proxy(
    scheme: str, tls: ssl.SSLContext, *, login: bool = True
) -> Iterator[tuple[str, RealProxy]]:
    """A proxy and its URL."""
    served = {"http": "http", "https": "http", "socks5": "socks5", "socks5h": "socks5"}[scheme]
    context = tls if scheme == "https" else None
    with RealProxy(served, f"user:{PASSWORD}" if login else "", context) as running:
        name = "localhost" if scheme == "https" else "127.0.0.1"
        words = f"user:{QUOTED}@" if login else ""
        yield f"{scheme}://{words}{name}:{running.port}", running
