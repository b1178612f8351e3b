"""The server from outside: strangers, pages of other sites, large bodies, slow clients."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from serving import TOKEN, Served, page, serving, until

from chatgptes.integrations.server.models import Models
from chatgptes.sandbox import Site

resource = pytest.importorskip("resource")
ROOT = Path(__file__).parents[2]
QUESTION = {"model": "5", "messages": [{"role": "user", "content": "My secret question"}]}
PATHS = [
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/5"),
    ("GET", "/metrics"),
    ("GET", "/nothing"),
]


@pytest.fixture
def served(site: Site) -> Iterator[Served]:
    with serving(page(site.url)) as served:
        yield served


def received(sock: socket.socket) -> bytes:
    """All that comes until the other side ends the connection."""
    parts = []
    try:
        while part := sock.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def wrong_tokens() -> list[dict[str, str]]:
    return [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer \xff\xfe"},
        {"X-Api-Key": TOKEN},
    ]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_nothing_without_the_token(served: Served, site: Site, method: str, path: str) -> None:
    for headers in wrong_tokens():
        body = QUESTION if method == "POST" else None
        status, names, value = served.ask(method, path, body, headers, token=None)
        assert status == 401
        assert names["www-authenticate"] == "Bearer"
        assert value["error"]["code"] == "invalid_api_key"
        assert value["error"]["type"] == "authentication_error"
        assert TOKEN not in json.dumps(value)
    assert not site.requests


def test_a_token_in_the_address_is_none(served: Served) -> None:
    status, _, _ = served.ask("GET", f"/v1/models?api_key={TOKEN}&token={TOKEN}", token=None)
    assert status == 401


def test_health_says_nothing_else(served: Served, site: Site) -> None:
    status, _, value = served.ask("GET", "/healthz", token=None)
    assert (status, value) == (200, {"status": "ok"})
    assert not site.requests


@pytest.mark.parametrize(("method", "path"), [*PATHS, ("GET", "/healthz")])
def test_a_page_of_another_site(served: Served, method: str, path: str) -> None:
    """A browser may not even ask (the preflight fails), and could read no answer."""
    asks = {
        "Origin": "https://evil.example.org",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization",
    }
    for token in (None, TOKEN):
        status, names, _ = served.ask("OPTIONS", path, headers=asks, token=token)
        assert status == 405
        assert not [name for name in names if name.startswith("access-control")]
        body = QUESTION if method == "POST" else None
        _, names, _ = served.ask(method, path, body, {"Origin": asks["Origin"]}, token=token)
        assert not [name for name in names if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host",
    ["evil.example.org", "evil.example.org:8399", "127.0.0.1.nip.io", "", "0.0.0.0", "[::2]:80",
     "127.0.0.1@evil.example.org", "localhost.evil.example.org"],
)  # fmt: skip
def test_rebound_names(served: Served, site: Site, host: str) -> None:
    """DNS rebinding: the browser takes the server for a page's own, but names it by that page."""
    for path in ("/healthz", "/v1/models"):
        status, _, value = served.ask("GET", path, headers={"Host": host})
        assert (status, value["error"]["code"]) == (421, "host_not_allowed")
    assert not site.requests


def test_good_names(site: Site) -> None:
    with serving(page(site.url), allow_hosts=("bots.example.org",)) as served:
        for host in ("127.0.0.1", "localhost:1", "LocalHost", "[::1]:8399", "Bots.example.org:443"):
            status, _, _ = served.ask("GET", "/healthz", headers={"Host": host})
            assert status == 200, host


@pytest.mark.parametrize("name", ["Host", "Content-Length"])
def test_headers_that_stand_twice(served: Served, name: str) -> None:
    with served.connect() as sock:
        value = served.host if name == "Host" else "5"
        sock.sendall(served.request(QUESTION, f"{name}: {value}", "Connection: close"))
        assert received(sock).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("told", [True, False])
def test_an_oversized_body(site: Site, told: bool) -> None:
    with serving(page(site.url), max_body=10_000) as served:
        body: Any = b"x" * 15_000 if told else iter([b"x" * 5000] * 3)
        status, _, value = served.ask(body=body) if told else ask_in_chunks(served, body)
        assert (status, value["error"]["code"]) == (413, "body_too_large")
        status, _, _ = served.ask(body=QUESTION)
        assert status == 200


def ask_in_chunks(served: Served, chunks: Iterator[bytes]) -> tuple[int, None, Any]:
    with served.connect() as sock:
        head = served.request("").split(b"Content-Length")[0]
        sock.sendall(head + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        for chunk in chunks:
            sock.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        sock.sendall(b"0\r\n\r\n")
        head, _, body = received(sock).partition(b"\r\n\r\n")
    return int(head.split()[1]), None, json.loads(body)


def test_an_oversized_body_that_waits_to_be_asked_for(site: Site) -> None:
    with serving(page(site.url), max_body=1000) as served, served.connect() as sock:
        head = served.request("").split(b"Content-Length")[0]
        sock.sendall(head + b"Content-Length: 999999999999\r\nExpect: 100-continue\r\n\r\n")
        answer = received(sock)  # To its end: the body is not waited for.
        assert answer.startswith(b"HTTP/1.1 413 ")


BAD_BODIES = [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000]


@pytest.mark.parametrize("body", BAD_BODIES, ids=[repr(each[:6]) for each in BAD_BODIES])
def test_bodies_that_are_no_request(served: Served, site: Site, body: bytes) -> None:
    status, _, value = served.ask(body=body)
    assert status == 400
    assert value["error"]["type"] == "invalid_request_error"
    assert not site.messages


def test_other_places(served: Served) -> None:
    for method, path, expected in [
        ("GET", "/", 404),
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/docs", 404),
    ]:
        status, names, value = served.ask(method, path)
        assert status == expected
        assert value["error"]["message"]
        assert value["error"]["code"] == {404: "not_found", 405: "not_allowed"}[expected]
        assert ("allow" in names) == (expected == 405)


def test_addresses_that_end_in_a_slash(served: Served) -> None:
    """No redirect to http://, along which a client of a proxy with TLS would send its token."""
    for method, path in [("POST", "/v1/chat/completions/"), ("GET", "/healthz/")]:
        status, names, _ = served.ask(method, path)
        assert (status, names.get("location")) == (404, None)
    assert served.ask("GET", "/v1/models/")[2]["object"] == "list"


@pytest.mark.parametrize("apart", [True, False])
def test_another_protocol_is_not_changed_to(served: Served, apart: bool) -> None:
    """Java's HTTP client asks for that with its body."""
    fields = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA"]
    request = served.request({**QUESTION, "stream": True}, *fields)
    head, end, body = request.partition(b"\r\n\r\n")
    with served.connect() as sock:
        if apart:
            sock.sendall(head + end)
            until(lambda: bool(served.server.server_state.tasks))
            sock.sendall(body)
        else:
            sock.sendall(request)
        answer = b""
        while b"[DONE]" not in answer and (part := sock.recv(65536)):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"[DONE]" in answer


COUNT = 300


@pytest.mark.parametrize("sent", [b"", b"POST /v1/chat/compl", b"GET /healthz HTTP/1.1\r\nHost: l"])
def test_slow_heads(site: Site, sent: bytes) -> None:
    """Connections that say nothing, or not enough, are closed; others are served meanwhile."""
    with serving(page(site.url), head_timeout=2.0) as served:
        slow = [served.connect() for _ in range(COUNT)]
        for sock in slow:
            sock.sendall(sent)
        status, _, _ = served.ask(body=QUESTION)
        assert status == 200
        for sock in slow:
            assert received(sock) == b""  # Its end; without one the socket's timeout raises.
            sock.close()


def test_a_slow_second_request(site: Site) -> None:
    with serving(page(site.url), head_timeout=0.5) as served, served.connect() as sock:
        whole = f"GET /healthz HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode()
        sock.sendall(whole)
        until(lambda: b"ok" in sock.recv(65536))
        sock.sendall(whole[:10])
        assert received(sock) == b""


def test_a_long_answer_is_not_slow(site: Site) -> None:
    """The time for a request's head ends with the head."""
    site.next("stall")
    with serving(page(site.url), head_timeout=0.2) as served, served.connect() as sock:
        sock.sendall(served.request({**QUESTION, "stream": True}, "Connection: close"))
        until(lambda: site.stalled == 1)
        time.sleep(0.5)  # Longer than the head's time: nothing happens that could be waited for.
        site.release()
        assert received(sock).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_a_head_in_pieces(site: Site) -> None:
    """It may have 64 KiB, however it comes."""
    with serving(page(site.url)) as served, served.connect() as sock:
        request = served.request(QUESTION, f"X: {'x' * 60_000}", "Connection: close")
        sock.sendall(request[:50_000])
        assert served.ask("GET", "/healthz")[0] == 200  # By now, the server has read that.
        sock.sendall(request[50_000:])
        assert received(sock).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_ends_its_half(site: Site) -> None:
    """It is gone, as far as the server can tell: its turn ends at the site."""
    site.next("stall")
    with serving(page(site.url)) as served, served.connect() as sock:
        sock.sendall(served.request({**QUESTION, "stream": True}))
        until(lambda: site.stalled == 1)
        sock.shutdown(socket.SHUT_WR)
        received(sock)
        until(lambda: site.stalled == 0)


def test_ten_thousand_slow_connections(site: Site, tmp_path: Path) -> None:
    """Others are served meanwhile, if `max-connections` is above that; else they get 503."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10_000, hard - 500)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "serve.toml").write_text(
        f"""
        port = 0
        tokens.tests = "file:token"
        max-connections = {count + 100}
        head-timeout = 100
        [sites.shop]
        url = "{site.url}"
        my-site = true
        """
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    process = subprocess.Popen(
        [sys.executable, "-m", "chatgptes", "serve", "--config", "serve.toml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    slow: list[socket.socket] = []
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1].decode()
        address = urlsplit(url).hostname, urlsplit(url).port

        def open_up_to(number: int) -> None:
            while len(slow) < number:
                sock = socket.create_connection(address, timeout=60)
                slow.append(sock)
                sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: ")

        def ask() -> int:
            request = urllib.request.Request(
                f"{url}/chat/completions",
                json.dumps({**QUESTION, "model": "shop"}).encode(),
                {"Authorization": f"Bearer {TOKEN}"},
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    assert b"sandbox" in response.read()
                    return 200
            except urllib.error.HTTPError as error:
                error.close()
                return error.code

        open_up_to(count)
        assert ask() == 200
        open_up_to(count + 100)
        assert ask() == 503
        for sock in slow:
            sock.close()
        until(lambda: ask() == 200)
    finally:
        for sock in slow:
            sock.close()
        process.kill()
        process.communicate()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


HEAD = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = f"{HEAD}Authorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "address": ("POST /", "x"),
    "header": (f"{HEAD}X: ", "x"),
    "headers": (HEAD, "X: x\r\n"),
    "chunk": (f"{CHUNKED}1;", "x"),
    "trailers": (f"{CHUNKED}1\r\nx\r\n0\r\n", "X: x\r\n"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods(served: Served, name: str) -> None:
    """A request that is all head, or marks, or trailers is ended before it fills the memory."""
    begin, more = FLOODS[name]
    piece = more.encode() * (60_000 // len(more))
    with served.connect() as sock:
        sock.sendall(begin.encode())
        with pytest.raises(ConnectionError):  # The system's buffers take some megabytes.
            for _ in range(1000):
                sock.sendall(piece)
    assert served.ask(body=QUESTION)[0] == 200


def test_a_body_in_many_small_chunks(served: Served) -> None:
    """Its marks are no flood."""
    body = json.dumps({**QUESTION, "unknown": "x" * 1_000_000}).encode()
    status, _, _ = ask_in_chunks(served, (body[i : i + 100] for i in range(0, len(body), 100)))
    assert status == 200


def test_slow_bodies(site: Site) -> None:
    with serving(page(site.url), body_timeout=0.5) as served:
        slow = [served.connect() for _ in range(50)]
        for sock in slow:
            sock.sendall(served.request(QUESTION)[:-3])
        status, _, _ = served.ask(body=QUESTION)
        assert status == 200
        for sock in slow:
            answer = received(sock)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"x-should-retry: false" in answer
            sock.close()


def test_too_many_connections(site: Site) -> None:
    with serving(page(site.url), max_connections=10) as served:
        held = [served.connect() for _ in range(10)]
        until(lambda: len(served.server.server_state.connections) == 10)
        status, _, _ = served.ask(body=QUESTION)
        assert status == 503
        for sock in held:
            sock.close()
        until(lambda: not served.server.server_state.connections)
        status, _, _ = served.ask(body=QUESTION)
        assert status == 200


def test_a_client_that_reads_nothing(site: Site) -> None:
    """It loses its turn, which would keep its place among the site's turns for ever."""
    site.next("endless")
    with serving(page(site.url, max_concurrency=1), stuck_timeout=0.5) as served:
        with served.connect() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(served.request({**QUESTION, "stream": True}))
            status, _, _ = served.ask(body=QUESTION)  # Waits for the place.
            assert status == 200
            until(lambda: not served.server.server_state.connections)


def test_a_client_that_reads_nothing_of_a_whole_answer() -> None:
    """Its connection would stay: closing it waits for what is to be written."""
    with (
        Site(answer=lambda messages: ["x" * 16_000_000]) as site,
        serving(page(site.page("classic-plain")), stuck_timeout=0.5) as served,
        served.connect() as sock,
    ):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(served.request({**QUESTION, "model": "31"}, "Connection: close"))
        until(lambda: bool(served.server.server_state.connections))
        until(lambda: not served.server.server_state.connections)


def test_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(page(site.url)) as served:
        served.ask(body={**QUESTION, "user": "ada@example.org"})
        served.ask(body=QUESTION, token="a-wrong-token-000000")
        served.ask("GET", f"/nothing/{TOKEN}?key={TOKEN}")
    lines = [
        json.loads(record.message) for record in caplog.records if record.name == "chatgptes.server"
    ]
    assert [(line["method"], line["status"]) for line in lines] == [
        ("POST", 200), ("POST", 401), ("GET", 404)
    ]  # fmt: skip
    assert lines[0]["model"] == "5"
    assert lines[0]["token"] == "tests"
    assert lines[0]["outcome"] == "ok"
    assert lines[0]["characters"] > 0
    for text in (TOKEN, "a-wrong-token", "secret question", "sandbox answers", "ada@"):
        assert text not in caplog.text


def test_a_bug(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a line in the access log too, and its answer the headers of every answer."""

    async def broken(models: Models, name: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Models, "get", broken)
    caplog.set_level(logging.INFO)
    status, names, value = served.ask(body=QUESTION)
    assert (status, value["error"]["code"]) == (500, "bug")
    assert names["x-should-retry"] == "false"
    until(lambda: "ZeroDivisionError" in caplog.text)  # After the line of the access log.
    (line,) = [
        json.loads(record.message) for record in caplog.records if record.name == "chatgptes.server"
    ]
    assert names["x-request-id"] == line["request"]
    assert (line["status"], line["error"], line["outcome"]) == (500, "bug", "failed")
