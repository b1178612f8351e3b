"""The hub on event loops: one thread, many streams, and nothing left of those given up."""

from __future__ import annotations

import gc
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import blockbuster
import pytest
from servers import Connection, Server, answering, body, get, head, limits, once, post
from test_transport_waits import CONNECTING, READING, stalling

from chatgptes import errors
from chatgptes.transport import is_async, select_async
from chatgptes.transport.base import AsyncResponse, AsyncTransport
from chatgptes.transport.curl import hubthread
from chatgptes.transport.curl.handle import Handle
from chatgptes.transport.curl.hub import CurlHub
from chatgptes.transport.curl.multi import free
from chatgptes.transport.curl.setup import CurlSettings
from chatgptes.transport.curl.transfer import Transfer

QUICK = 5.0

LOOPS = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}

Run = Callable[[Callable[[], Awaitable[Any]]], Any]


@pytest.fixture(autouse=True, scope="module")
def _no_other_hubs() -> None:
    """Tests before these may have left some that idle."""
    hubthread._stop_all()


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine function on a loop of each kind."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return lambda function: anyio.run(function, **LOOPS[request.param])  # type: ignore[arg-type]


@pytest.fixture
def hub(ca_file: str) -> Iterator[CurlHub]:
    """A hub that heeds nothing of the environment; closed in the end."""
    hub = CurlHub(trust_env=False, verify=ca_file)
    yield hub
    anyio.run(hub.aclose)
    assert not hub_threads()


def hub_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "chatgptes-hub"]


async def whole(hub: CurlHub, request: Any) -> bytes:
    response = await hub.send(request, limits())
    return b"".join([piece async for piece in response])


def trickle(connection: Connection) -> None:
    while connection.hear():
        connection.send(head("Transfer-Encoding: chunked"))
        for _ in range(5):
            connection.server.stopping.wait(0.01)
            connection.chunk(b"text ")
        connection.chunk(b"")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + QUICK
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_it_is_what_the_seam_asks_for(hub: CurlHub, run: Run) -> None:
    async def main() -> None:
        with Server(answering(body())) as server:
            response = await hub.send(get(server.url), limits())
            assert isinstance(response, AsyncResponse)
            assert [piece async for piece in response] == [b"ok"]
            assert [piece async for piece in response] == []

    assert isinstance(hub, AsyncTransport)
    assert is_async(hub)
    run(main)


def test_many_streams_in_one_thread(hub: CurlHub, run: Run) -> None:
    seen = []

    async def one(url: str) -> None:
        seen.append(await whole(hub, post(url)))

    async def main() -> None:
        with Server(trickle) as server:
            before = threading.active_count()
            async with anyio.create_task_group() as group:
                for _ in range(200):
                    group.start_soon(one, server.url)
                while server.accepted < 200:
                    await anyio.sleep(0.01)
                assert len(hub_threads()) == 1
                serving = sum("_serve" in thread.name for thread in threading.enumerate())
                assert threading.active_count() - serving <= before + 1

    run(main)
    assert seen == [b"text " * 5] * 200


def test_streams_share_an_http_2_connection(hub: CurlHub, h2_site: Any, run: Run) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(30):  # All at once: the first one's handshake says that they can.
                group.start_soon(whole, hub, get(h2_site.proxy.origin + "/"))
        await hub.aclose()

    run(main)
    assert h2_site.proxy.versions == {"2"}
    assert len(h2_site.proxy.clients) == 1


def test_without_http_2_they_do_not_wait_for_each_other(
    hub: CurlHub, server_context: ssl.SSLContext, run: Run
) -> None:
    together = threading.Barrier(5)

    def handler(connection: Connection) -> None:
        connection.hear()
        together.wait(QUICK)
        connection.send(body())
        connection.gone()

    async def main() -> None:
        with Server(handler, server_context) as server:
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(whole, hub, get(server.url))

    run(main)


def test_a_first_request_that_is_given_up_holds_nobody(
    hub: CurlHub, server_context: ssl.SSLContext, run: Run
) -> None:
    def handler(connection: Connection) -> None:
        if connection.server.accepted == 1:
            connection.gone()  # Never shakes hands.
            return
        with server_context.wrap_socket(connection.sock, server_side=True) as secure:
            once(body())(Connection(connection.server, secure))

    async def main() -> None:
        with Server(handler) as server:
            url = f"https://localhost:{server.port}/"
            first = limits()
            async with anyio.create_task_group() as group:
                group.start_soon(given_up, url, first)
                while not server.arrived.is_set():
                    await anyio.sleep(0.005)
                for _ in range(3):
                    group.start_soon(whole, hub, get(url))
                with anyio.move_on_after(0.05) as scope:  # One that waits can be given up, too.
                    await whole(hub, get(url))
                assert scope.cancelled_caught
                first.cancel()
            assert len(server.heard) == 3

    async def given_up(url: str, deadline: Any) -> None:
        with pytest.raises(errors.TurnCancelled):
            await hub.send(get(url), deadline)

    run(main)


def test_those_that_wait_for_a_first_connection_have_limits(hub: CurlHub, run: Run) -> None:
    phases = []

    async def read(url: str) -> None:
        with pytest.raises(errors.RequestTimeout) as caught:
            await hub.send(get(url), limits(connect=0.2))
        phases.append(caught.value.phase)

    async def main() -> None:
        with stalling("tls") as stall:
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(read, stall.request.url)

    run(main)
    assert phases == ["connect"] * 3


def test_a_limit_after_a_wait_without_any(hub: CurlHub, run: Run) -> None:
    connect = 0.2

    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(head("Transfer-Encoding: chunked"))
        connection.server.stopping.wait(2 * connect)  # The hub looks at it, and there is none.
        connection.chunk(b"the end")
        connection.gone()

    async def main() -> None:
        with Server(handler) as server:
            deadline = limits(connect, read=None, total=None)
            response = await hub.send(get(server.url), deadline)
            assert await response.__anext__() == b"the end"
            with anyio.fail_after(QUICK), deadline.within(0.05):
                with pytest.raises(errors.RequestTimeout):
                    await response.__anext__()

    run(main)


def test_only_what_the_reader_does_not_see_ends_a_silence() -> None:
    class Wire:
        bytes = (0, 0)

        def progress(self) -> tuple[int, int]:
            return self.bytes

        def connection_ended(self) -> bool:
            return False

    def looked(sent: int, came: int) -> bool:
        wire.bytes = (sent, came)
        transfer.since = 0.0
        transfer.note_progress(1.0)
        return transfer.since == 1.0

    wire = Wire()
    transfer = Transfer(CurlSettings(trust_env=False), post("http://127.0.0.1/"), limits())
    transfer.handle = wire  # type: ignore[assignment]
    assert not looked(0, 0)  # Connecting is none.
    transfer.before_request()
    assert looked(0, 0)
    assert looked(5, 0)
    assert not looked(5, 0)
    transfer.header(b"HTTP/1.1 200 OK\r\n")
    assert looked(5, 0)
    transfer.header(b"\r\n")
    assert looked(5, 0)
    transfer.write(b"text")  # The reader waits anew after this.
    assert not looked(5, 4)
    assert looked(5, 10)  # Something that the decoder keeps.
    transfer.write(b"text")
    assert looked(5, 10)
    assert looked(6, 10)
    assert not looked(6, 10)


def test_a_sleeping_reader_stops_the_site(hub: CurlHub, run: Run) -> None:
    stalled = threading.Event()
    total = 64 << 20
    sent = 0

    def handler(connection: Connection) -> None:
        nonlocal sent
        connection.hear()
        connection.send(head(length=total))
        connection.sock.settimeout(0.5)
        while sent < total:
            try:
                sent += connection.sock.send(bytes(min(65536, total - sent)))
            except TimeoutError:
                stalled.set()

    async def main() -> None:
        with Server(handler) as server:
            response = await hub.send(get(server.url), limits(total=60))
            while not stalled.is_set():
                await anyio.sleep(0.01)
            assert sent < 16 << 20  # What the system's buffers hold, and 256 KiB.
            assert sum([len(piece) async for piece in response]) == total

    run(main)


def test_an_address_that_can_not_be_sent_ends_no_other_stream(hub: CurlHub, run: Run) -> None:
    async def main() -> None:
        go = threading.Event()

        def handler(connection: Connection) -> None:
            connection.hear()
            connection.send(head(length=1))
            go.wait(QUICK)
            connection.send(b"x")

        with Server(handler) as server:
            response = await hub.send(get(server.url), limits())
            with pytest.raises(errors.TransportError, match="can't begin"):
                await hub.send(get(f"{server.url}\ud800"), limits())
            go.set()
            assert [piece async for piece in response] == [b"x"]

    run(main)


def test_a_sleeping_reader_stops_nobody_else(hub: CurlHub, h2_site: Any, run: Run) -> None:

    async def main() -> None:
        url = h2_site.proxy.origin + "/"
        sleeping = await hub.send(get(url), limits())
        for _ in range(5):
            assert await whole(hub, get(url))
        assert b"".join([piece async for piece in sleeping])
        await hub.aclose()

    run(main)
    assert len(h2_site.proxy.clients) == 1


def test_several_loops_at_once(hub: CurlHub) -> None:
    seen = []

    def loop(kind: str, url: str) -> None:
        async def main() -> None:
            for _ in range(10):
                seen.append(await whole(hub, post(url)))

        anyio.run(main, **LOOPS[kind])  # type: ignore[arg-type]

    with Server(trickle) as server:
        threads = [
            threading.Thread(target=loop, args=(kind, server.url))
            for kind in ("asyncio", "trio") * 3
        ]
        for thread in threads:
            thread.start()
        until(lambda: len(hub_threads()) == 1 or len(seen) > 0)
        for thread in threads:
            thread.join(30)
    assert seen == [b"text " * 5] * 60


@pytest.mark.parametrize("where", CONNECTING + READING)
def test_a_cancelled_task_leaves_nothing_running(where: str, run: Run) -> None:
    with stalling(where) as stall:

        async def main() -> None:
            hub = CurlHub(trust_env=False, **stall.options)
            async with anyio.create_task_group() as group:
                group.start_soon(read, hub)
                while stall.server is not None and not stall.server.arrived.is_set():
                    await anyio.sleep(0.005)
                await anyio.sleep(0.02)
                group.cancel_scope.cancel()
            if stall.server is not None and where != "sending":
                while not stall.server.hung_up.is_set():
                    await anyio.sleep(0.005)
            with Server(answering(body())) as server:
                if not stall.options:
                    assert await whole(hub, get(server.url)) == b"ok"
            await hub.aclose()

        async def read(hub: CurlHub) -> None:
            async for _ in await hub.send(stall.request, limits(60, 60, 60)):
                pass

        run(main)
    assert not hub_threads()


def test_closing_the_hub_ends_its_streams(hub: CurlHub, run: Run) -> None:
    outcomes = []

    async def read(url: str) -> None:
        try:
            await whole(hub, get(url))
        except errors.TransportError as error:
            outcomes.append(error)

    async def main() -> None:
        with stalling("body") as stall:
            assert stall.server is not None
            async with anyio.create_task_group() as group:
                group.start_soon(read, stall.server.url)
                while not stall.server.heard:
                    await anyio.sleep(0.005)
                await hub.aclose()
                await hub.aclose()
            with pytest.raises(errors.TransportError, match="closed"):
                await hub.send(get(stall.server.url), limits())

    run(main)
    assert "closed" in str(outcomes)


def test_closing_the_hub_while_its_thread_starts(
    hub: CurlHub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def closed_meanwhile(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "chatgptes-hub":
            other = threading.Thread(target=anyio.run, args=(hub.aclose,))
            start(other)
            other.join()

    async def main() -> None:
        with Server(Connection.gone) as server:
            with pytest.raises(errors.TransportError, match="closed"):
                await hub.send(get(server.url), limits())

    monkeypatch.setattr(threading.Thread, "start", closed_meanwhile)
    run(main)
    until(lambda: not hub_threads())


def test_one_task_reads_a_response(hub: CurlHub, run: Run) -> None:
    async def main() -> None:
        with stalling("body") as stall:
            response = await hub.send(stall.request, limits())
            assert await response.__anext__() == b"part"
            async with anyio.create_task_group() as group:
                group.start_soon(ended, response)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(errors.TransportError, match="one task"):
                    await response.__anext__()
                response.close()

    async def ended(response: Any) -> None:
        with pytest.raises(errors.TransportError, match="closed"):
            await response.__anext__()

    run(main)


def test_an_idle_hub_ends_its_thread_and_starts_another(
    hub: CurlHub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubthread, "_IDLE_SECONDS", 0.05)

    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(body())
        connection.gone()

    async def main() -> None:
        with Server(handler) as server:
            for _ in range(3):
                assert await whole(hub, get(server.url)) == b"ok"
                until(lambda: not hub_threads())
                assert server.hung_up.wait(QUICK)
                server.hung_up.clear()

    run(main)


def test_a_forgotten_hub_ends_its_thread(run: Run) -> None:
    async def main() -> None:
        with Server(trickle) as server:
            # Its hub is garbage before it is read.
            response = await CurlHub(trust_env=False).send(get(server.url), limits())
            gc.collect()
            assert b"".join([piece async for piece in response]) == b"text " * 5

    run(main)
    until(lambda: not hub_threads())


def test_a_loop_may_end_with_streams_open(hub: CurlHub, run: Run) -> None:
    kept = []

    async def leave(server: Server) -> None:
        kept.append(await hub.send(get(server.url), limits()))

    async def read(server: Server) -> None:
        assert await whole(hub, get(server.url)) == b"text " * 5

    with Server(trickle) as server:
        run(lambda: leave(server))
        run(lambda: read(server))
        kept.clear()


def test_no_loop_is_blocked(hub: CurlHub) -> None:
    async def main() -> None:
        with stalling("body") as stall:
            with blockbuster.blockbuster_ctx():
                response = await hub.send(stall.request, limits())
                assert await response.__anext__() == b"part"
                response.close()
                with anyio.move_on_after(0.05):
                    async for _ in await hub.send(stall.request, limits()):
                        pass
                await hub.aclose()

    anyio.run(main)


def test_a_dead_connection_of_many_is_replaced(hub: CurlHub, run: Run) -> None:
    together = threading.Barrier(10)

    def handler(connection: Connection) -> None:
        connection.hear()
        together.wait(QUICK)  # So that none uses a connection of another.
        connection.send(body())

    async def main() -> None:
        with Server(handler) as server:
            for number in range(1, 6):
                async with anyio.create_task_group() as group:
                    for _ in range(10):
                        group.start_soon(whole, hub, post(server.url, repeatable=False))
                until(lambda number=number: len(server.heard) == 10 * number)  # type: ignore[misc]
                server.join()  # All connections that are kept have ended now.

    run(main)


def test_after_some_dead_connections_comes_a_new_one(
    hub: CurlHub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a request would have to try all that were kept, and libcurl keeps thousands."""
    kept, starts = 10, []
    begin_anew = Handle.begin_anew

    def noted(handle: Handle, *, fresh: bool) -> None:
        starts.append(fresh)
        begin_anew(handle, fresh=fresh)

    monkeypatch.setattr(Handle, "begin_anew", noted)

    async def main() -> None:
        together = threading.Barrier(kept)

        def handler(connection: Connection) -> None:
            connection.hear()
            if len(connection.server.heard) <= kept:
                together.wait(QUICK)
            connection.send(body())

        starts.clear()
        with Server(handler) as server:
            async with anyio.create_task_group() as group:
                for _ in range(kept):
                    group.start_soon(whole, hub, post(server.url, repeatable=False))
            server.join()  # All connections that are kept have ended now.
            assert await whole(hub, post(server.url, repeatable=False)) == b"ok"

    run(main)
    # libcurl 8.21 (curl_cffi 0.16.0) still looks by itself whether they stand.
    assert starts in ([], [False, False, False, True])


EXIT = """
import asyncio, sys
from chatgptes import Deadline, Request
from chatgptes.transport.curl.hub import CurlHub
from chatgptes.transport.curl.setup import CurlSettings
from chatgptes.transport.curl.transfer import Transfer
kept = []
async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # A busy machine is no warning.
    hub = CurlHub(trust_env=False)
    kept.append(hub)
    response = await hub.send(Request("GET", sys.argv[1]), Deadline())
    kept.append(response)
    kept.append(response.__aiter__())
    print(await response.__anext__())
asyncio.run(main())
"""


def test_an_exit_with_streams_open_is_clean() -> None:
    with stalling("body") as stall:
        assert stall.server is not None
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-c", EXIT, stall.server.url],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "b'part'\n", "")


def test_select_async() -> None:
    from chatgptes.transport.plain.transport import RequestsTransport

    def choose(transport: Any, **options: Any) -> Any:
        settings: dict[str, Any] = {
            "default_site": False, "impersonate": "chrome", "proxy": None, "verify": True,
            "trust_env": False, "max_headers": 256 << 10,
        }  # fmt: skip
        return select_async(transport, **{**settings, **options})

    for transport, default_site, browser in (
        ("auto", True, True), ("auto", False, False), ("curl_cffi", False, True),
    ):  # fmt: skip
        chosen = choose(transport, default_site=default_site)
        assert isinstance(chosen, CurlHub)
        assert ("chrome" in repr(chosen)) is browser
    assert repr(choose("curl_cffi", impersonate=None)) == "<CurlHub>"
    assert isinstance(choose("requests"), RequestsTransport)
    assert not is_async(choose("requests"))

    class Own:
        async def send(self, request: Any, deadline: Any) -> Any: ...
        async def aclose(self) -> None: ...

    own = Own()
    assert choose(own) is own
    assert is_async(own)


def test_a_handle_is_freed_where_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's own thread must not end of it."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    handle = Handle()
    free(handle, aside=True)
    assert handle.address is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_leaves_nobody_waiting(
    hub: CurlHub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the stream that it was about to begin: there is no limit that would end that."""

    def no_memory() -> Handle:
        raise MemoryError

    async def main() -> None:
        with Server(trickle) as server, anyio.fail_after(QUICK):
            response = await hub.send(get(server.url), limits(None, None, None))
            with monkeypatch.context() as patch:
                patch.setattr(hubthread, "Handle", no_memory)
                with pytest.raises(errors.TransportError):
                    await hub.send(get(server.url), limits(None, None, None))
            with pytest.raises(errors.TransportError):
                _ = [piece async for piece in response]
            assert await whole(hub, get(server.url)) == b"text " * 5

    run(main)


def test_a_port_that_refuses(hub: CurlHub, run: Run) -> None:
    async def main() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with pytest.raises(errors.ConnectError):
                await hub.send(get(f"http://127.0.0.1:{unused.getsockname()[1]}/"), limits())

    run(main)
