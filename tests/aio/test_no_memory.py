"""A system that gives no thread, or one that never runs: an async turn ends by its own timeout."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from chatgptes import AsyncClient, ChatGptEsError, RequestTimeout
from chatgptes.aio import threads
from chatgptes.sandbox import Site

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
TRANSPORTS = pytest.mark.parametrize("transport", ["requests", "curl_cffi"])


def run(backend: str, work: Callable[[], Any]) -> None:
    async def within() -> None:
        with anyio.fail_after(20):
            await work()

    anyio.run(within, backend=backend)


def never(*_: object) -> int:
    """Start no thread, as where there is no memory left for what it does first."""
    return 0


# Since Python 3.13, `Thread.start` calls another function.
OF_THREADING = next(
    name for name in ("_start_joinable_thread", "_start_new_thread") if hasattr(threading, name)
)


def refuse(*_: object, **__: object) -> int:
    raise RuntimeError("can't start new thread")


@BACKENDS
@TRANSPORTS
@pytest.mark.parametrize("call", ["chat", "bots"])
def test_a_thread_that_never_runs(
    backend: str, transport: str, call: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        client = AsyncClient(site.page("front"), transport=transport, trust_env=False, timeout=0.2)
        with monkeypatch.context() as patch:
            patch.setattr(threads._thread, "start_new_thread", never)
            for _ in range(2):
                with pytest.raises(RequestTimeout) as caught:
                    await (client.chat("Hello") if call == "chat" else client.bots())
                assert caught.value.phase == "total"
        assert (await client.chat("Hello", timeout=20)).text
        await client.aclose()

    run(backend, work)


@BACKENDS
def test_a_worker_that_never_runs(
    backend: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transport is there already; the turn's own thread is not."""

    async def work() -> None:
        client = AsyncClient(site.page("front"), transport="requests", trust_env=False)
        await client.chat("Hello")
        with monkeypatch.context() as patch:
            patch.setattr(threads._thread, "start_new_thread", never)
            with pytest.raises(RequestTimeout):
                await client.chat("Hello", timeout=0.2)
            assert await client.bots(timeout=0.2)  # They are known: that takes no thread.
        assert (await client.chat("Hello")).text
        await client.aclose()

    run(backend, work)


@BACKENDS
def test_a_file_that_is_never_read(
    backend: str, site: Site, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))

    async def work() -> None:
        client = AsyncClient(site.page("front"), transport="requests", trust_env=False)
        monkeypatch.setattr(threads._thread, "start_new_thread", never)
        with pytest.raises(RequestTimeout):
            await client.chat("Hello", images=[picture], timeout=0.2)

    run(backend, work)


@BACKENDS
@TRANSPORTS
def test_no_thread_at_all(
    backend: str, transport: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        client = AsyncClient(site.page("front"), transport=transport, trust_env=False)
        with monkeypatch.context() as patch:
            patch.setattr(threads._thread, "start_new_thread", refuse)
            patch.setattr(threading, OF_THREADING, refuse)
            with pytest.raises(ChatGptEsError, match="the system gives none"):
                await client.chat("Hello")
        assert (await client.chat("Hello")).text
        with monkeypatch.context() as patch:
            patch.setattr(threads._thread, "start_new_thread", refuse)
            if transport == "requests":
                with pytest.raises(ChatGptEsError, match="the system gives none"):
                    await client.chat("Hello")
        assert (await client.chat("Hello")).text
        await client.aclose()

    run(backend, work)


@BACKENDS
def test_no_thread_for_the_hub(backend: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from chatgptes.transport.curl.hub import CurlHub

    async def work() -> None:
        hub = CurlHub(impersonate=None, trust_env=False)
        client = AsyncClient(site.page("front"), transport=hub)
        with monkeypatch.context() as patch:
            patch.setattr(threading, OF_THREADING, refuse)
            with pytest.raises(ChatGptEsError, match="the system gives none"):
                await client.chat("Hello")
        assert (await client.chat("Hello")).text
        await hub.aclose()

    run(backend, work)
