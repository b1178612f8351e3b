"""Whole turns, beside the bare transport that does the same requests.

    python benchmarks/turns.py [ROUNDS]

All in one process, in turn; medians.
"""

from __future__ import annotations

import asyncio
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Literal, cast

import requests
from curl_cffi import Curl, CurlOpt
from curl_cffi.requests import Session
from fast_server import Running, fast_server, form
from measuring import Row, interleaved, interleaved_fresh, median, milliseconds

from chatgptes import AsyncClient, Client

PAGE = 200_000
DELTAS = 2000
_FORM_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"


class Bare:
    """A curl handle that does what it is told and nothing else; bodies are thrown away."""

    def __init__(self, server: Running) -> None:
        self.easy = Curl()
        self.ca = server.ca
        self.heard: list[bytes] = []

    def request(self, url: str, body: bytes | None = None) -> None:
        easy = self.easy
        easy.impersonate("chrome")
        easy.setopt(CurlOpt.URL, url.encode())
        if self.ca:
            easy.setopt(CurlOpt.CAINFO, self.ca)
        if body is not None:
            easy.setopt(CurlOpt.POST, 1)
            easy.setopt(CurlOpt.POSTFIELDS, body)
            easy.setopt(CurlOpt.POSTFIELDSIZE_LARGE, len(body))
        easy.setopt(CurlOpt.ACCEPT_ENCODING, b"gzip, deflate, br, zstd")
        easy.setopt(CurlOpt.WRITEFUNCTION, self.write)
        easy.perform()
        easy.reset()

    def write(self, data: bytes) -> int:
        return len(data)

    def close(self) -> None:
        self.easy.close()


def _ratio_row(
    what: str, beside: str, times: dict[str, dict[str, float]], targets: Mapping[str, float]
) -> Row:
    """A row of what `ours` takes beside `theirs`, on each of several servers."""
    ratios = {where: each["ours"] / each["theirs"] for where, each in times.items()}
    detail = "; ".join(
        f"{where}: {milliseconds(each['ours'])} / {milliseconds(each['theirs'])}"
        for where, each in times.items()
    )
    figure = ", ".join(f"{ratio:.2f}× {where}" for where, ratio in ratios.items())
    target = (
        ", ".join(f"≤ {most}× {where}" for where, most in targets.items())
        if len(set(targets.values())) > 1
        else f"≤ {next(iter(targets.values()))}×"
    )
    met = all(ratios[where] <= most for where, most in targets.items())
    return Row(what, beside, figure, target, met, detail)


def first_turn(servers: dict[str, Running], rounds: int) -> Row:
    times = {}
    for where, server in servers.items():
        url = server.page(PAGE)

        def make(url: str = url, server: Running = server) -> Client:
            return Client(url, transport="curl_cffi", verify=server.ca or True)

        def ours(client: Client) -> None:
            client.chat("json")

        def theirs(bare: Bare, url: str = url, server: Running = server) -> None:
            bare.request(url)
            bare.request(server.ajax, form("json"))

        times[where] = interleaved_fresh(
            {
                "ours": (make, ours),
                "theirs": (lambda server=server: Bare(server), theirs),  # type: ignore[misc]
            },
            rounds,
        )
    return _ratio_row(
        "a whole first turn (200 KB page, nonce, post, JSON), impersonating",
        "bare curl handles, the same two requests", times, {"http": 1.8, "TLS": 1.5},
    )  # fmt: skip


def later_turn_curl(servers: dict[str, Running], rounds: int) -> Row:
    """CPU of the process: the wall of such a turn is the server's for a good part."""
    times = {}
    for where, server in servers.items():
        client = Client(server.page(), transport="curl_cffi", verify=server.ca or True)
        bare = Bare(server)
        session: Any = Session(impersonate="chrome", verify=cast("Any", server.ca or True))
        body = form("json")

        def ours(client: Client = client) -> None:
            client.chat("json")

        def theirs(bare: Bare = bare, url: str = server.ajax, body: bytes = body) -> None:
            bare.request(url, body)

        def sessions(session: Any = session, url: str = server.ajax, body: bytes = body) -> None:
            session.post(url, data=body).json()

        candidates: dict[str, Callable[[], object]] = {
            "ours": ours, "theirs": theirs, "session": sessions
        }  # fmt: skip
        times[where] = interleaved(candidates, rounds, clock=time.process_time)
        client.close()
        bare.close()
        session.close()
    row = _ratio_row(
        "CPU of a later turn (nonce known), sync, impersonating",
        "bare curl handles posting the same body", times, {"http": 1.2, "TLS": 1.2},
    )  # fmt: skip
    of_session = ", ".join(
        f"{each['ours'] / each['session']:.2f}× {where}" for where, each in times.items()
    )
    their = "; ".join(f"{where}: {milliseconds(each['session'])}" for where, each in times.items())
    return replace(
        row,
        figure=f"{row.figure}; of curl_cffi's Session {of_session}",
        detail=f"{row.detail}; curl_cffi's Session, {their}",
    )


def later_turn_requests(servers: dict[str, Running], rounds: int) -> Row:
    times = {}
    for where, server in servers.items():
        with (
            Client(server.page(), transport="requests", verify=server.ca or True) as client,
            requests.Session() as session,
        ):
            body, headers = form("json"), {"Content-Type": _FORM_TYPE}

            def ours(client: Client = client) -> None:
                client.chat("json")

            def theirs(
                session: requests.Session = session, url: str = server.ajax, body: bytes = body,
                headers: dict[str, str] = headers, ca: str | bool = server.ca or True,
            ) -> None:  # fmt: skip
                # Given here too, since the environment would win over the session's own.
                session.post(url, data=body, headers=headers, timeout=60, verify=ca).json()

            times[where] = interleaved({"ours": ours, "theirs": theirs}, rounds)
    return _ratio_row(
        "a later turn (nonce known), requests transport",
        "a bare requests.Session posting the same body", times, {"http": 1.0, "TLS": 1.0},
    )  # fmt: skip


def _accepted(server: Running) -> int:
    import ssl

    context = ssl.create_default_context(cafile=server.ca) if server.ca else None
    with urllib.request.urlopen(f"{server.origin}/accepted", context=context) as answer:
        return int(answer.read())


def streamed_turn(server: Running, rounds: int) -> Row:
    """Over TLS; how many connections each opens is counted too."""
    client = Client(server.page(), transport="curl_cffi", verify=server.ca)
    session: Any = Session(impersonate="chrome", verify=cast("Any", server.ca))
    opened = {"ours": 0, "theirs": 0}

    def counting(name: Literal["ours", "theirs"], run: Any) -> Any:
        def counted() -> None:
            run()

        before = _accepted(server)
        for _ in range(10):
            run()
        opened[name] = _accepted(server) - before - 1  # The one that counts them.
        return counted

    def ours() -> None:
        for _ in client.stream("stream 10 0"):
            pass

    def theirs() -> None:
        response = session.post(server.ajax, data=form("stream 10 0"), stream=True)
        for _ in response.iter_content():
            pass
        response.close()

    ours()
    theirs()
    times = interleaved(
        {"ours": counting("ours", ours), "theirs": counting("theirs", theirs)}, rounds
    )
    client.close()
    session.close()
    faster = times["theirs"] / times["ours"]
    return Row(
        "a later streamed turn over TLS, impersonating",
        "curl_cffi's Session(stream=True)",
        f"{faster:.1f}× faster, {opened['ours']} new connections in 10 turns"
        f" (theirs: {opened['theirs']})",
        "≥ 5× faster, one connection for all",
        faster >= 5 and opened["ours"] == 0,
        f"{milliseconds(times['ours'])} / {milliseconds(times['theirs'])}",
    )


def many_deltas(server: Running, rounds: int) -> Row:
    times = {}
    for dialect in ("wpaicg", "aipkit"):
        client = Client(
            server.page(2000, "chat" if dialect == "wpaicg" else "aipkit"), transport="curl_cffi"
        )
        bare = Bare(server)
        message = f"stream {DELTAS} 0"

        def ours(client: Client = client, message: str = message) -> None:
            pieces = sum(1 for _ in client.stream(message))
            assert pieces == DELTAS

        def theirs(bare: Bare = bare, message: str = message, dialect: str = dialect) -> None:
            if dialect == "wpaicg":
                bare.request(server.ajax, form(message))
                return
            key = client_key(server, bare, message)
            bare.request(f"{server.ajax}?action=aipkit_frontend_chat_stream&cache_key={key}")

        times[dialect] = interleaved({"ours": ours, "theirs": theirs}, rounds)
        client.close()
        bare.close()
    return _ratio_row(
        f"{DELTAS:,} deltas end to end, sync",
        "bare handles reading the same bytes and throwing them away", times,
        {"wpaicg": 1.5, "aipkit": 1.5},
    )  # fmt: skip


def client_key(server: Running, bare: Bare, message: str) -> str:
    """The first step of an `aipkit` turn by hand."""
    import json

    heard: list[bytes] = []

    def write(data: bytes) -> int:
        heard.append(data)
        return len(data)

    bare.write = write  # type: ignore[method-assign]
    text = message.replace(" ", "+")
    bare.request(server.ajax, f"action=aipkit_cache_sse_message&message={text}".encode())
    bare.write = len  # type: ignore[method-assign, assignment]
    key: str = json.loads(b"".join(heard))["data"]["cache_key"]
    return key


def first_chunk(server: Running, rounds: int) -> Row:
    """Async beside sync, both transports, in turn."""
    results: dict[str, list[float]] = {}
    clock = time.perf_counter
    with asyncio.Runner() as runner:
        for transport in ("requests", "curl_cffi"):
            name: Any = transport
            client = Client(server.page(), transport=name)
            async_client = AsyncClient(server.page(), transport=name)

            async def once(async_client: AsyncClient = async_client) -> float:
                started = clock()
                async with async_client.stream("stream 3 0") as stream:
                    await anext(stream)
                    taken = clock() - started
                    async for _ in stream:
                        pass
                return taken

            for round_ in range(rounds + 1):
                started = clock()
                with client.stream("stream 3 0") as stream:
                    next(stream)
                    sync = clock() - started
                    for _ in stream:
                        pass
                taken = runner.run(once())
                if round_:
                    results.setdefault(f"{transport} sync", []).append(sync)
                    results.setdefault(f"{transport} async", []).append(taken)
            client.close()
            runner.run(async_client.aclose())
    medians = {name: median(times) for name, times in results.items()}
    more = {
        transport: medians[f"{transport} async"] - medians[f"{transport} sync"]
        for transport in ("requests", "curl_cffi")
    }
    return Row(
        "first chunk, async",
        "our own sync",
        ", ".join(f"{1000 * each:+.2f} ms {name}" for name, each in more.items()),
        "+0.3 ms at most, curl_cffi",
        more["curl_cffi"] <= 0.0003,
        "; ".join(f"{name}: {milliseconds(each)}" for name, each in medians.items()),
    )


def rows(rounds: int = 100) -> Iterator[Row]:
    with ExitStack() as stack:
        plain = stack.enter_context(fast_server())
        tls = stack.enter_context(fast_server(tls=True))
        servers = {"http": plain, "TLS": tls}
        yield first_turn(servers, rounds)
        yield later_turn_curl(servers, rounds * 3)
        yield later_turn_requests(servers, rounds * 2)
        yield streamed_turn(tls, rounds)
        yield many_deltas(plain, max(10, rounds // 3))
        yield first_chunk(plain, rounds * 2)


if __name__ == "__main__":
    for row in rows(*(int(each) for each in sys.argv[1:2])):
        print(row)
