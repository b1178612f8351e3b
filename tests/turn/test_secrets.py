"""No password, key, nonce or cookie shows where a person or a log file would see it."""

from __future__ import annotations

import asyncio
import base64
import copy
import io
import json
import logging
import pickle
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from servers import Connection, Server, body
from wire import NONCE, PAGE, STREAM, delta, show_page, site

from chatgptes import AsyncClient, ChatGptEsError, Client, StreamInterruptedError, Timeout
from chatgptes.sandbox import Site

KINDS = pytest.mark.parametrize("kind", ["requests", "curl_cffi"])
USER, PASSWORD = "visitor", "sesame & öpen/9"
PROXY_USER, PROXY_PASSWORD = "carrier", "pigeon:p@ss 7"
COOKIE, TOKEN, KEY = "c00kie-monster", "t0ken-of-esteem", "k3y-to-the-city"
SET_COOKIE = "fresh-from-the-oven"
QUICK = Timeout(connect=5, read=0.3, total=10)


def written(user: str, password: str) -> Iterator[str]:
    """A password as it may turn up."""
    yield from (password, quote(password, safe=""), quote(password), quote_plus(password))
    for encoding in ("utf-8", "latin-1"):
        yield base64.b64encode(f"{user}:{password}".encode(encoding)).decode()


SECRETS = {*written(USER, PASSWORD), *written(PROXY_USER, PROXY_PASSWORD),
           COOKIE, SET_COOKIE, TOKEN, KEY, NONCE}  # fmt: skip


def clean(*texts: object) -> None:
    """None of `texts` holds a secret, in whatever form."""
    for text in texts:
        for secret in SECRETS:
            assert secret not in str(text), f"{secret!r} shows in {text!r}"


def shown(error: BaseException) -> Iterator[str]:
    """All that a program, a person or a crash report sees of an error."""
    yield "".join(traceback.format_exception(error))
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        yield from (str(each), repr(each), repr(each.args), repr(vars(each)))
        todo += [each.__cause__, each.__context__]


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """What all loggers say at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def with_password(url: str, user: str = USER, password: str = PASSWORD) -> str:
    return url.replace("://", f"://{user}:{quote(password, safe='')}@")


def echo(connection: Connection) -> None:
    """A site that shows what it was sent, as a broken debug page does."""
    said = connection.server.heard[-1]
    # What is secret first: only the beginning of it will be shown.
    names = ("Authorization", "Cookie", "X-Token", "Proxy-Authorization", "User-Agent", "Accept")
    lines = [f"{name}={said.header(name)}" for name in names]
    text = " ".join([said.body.decode()[:40], *lines, said.target])
    connection.send(body(text.encode(), "Content-Type: text/plain", status="500 Oops"))


def echo_in_stream(connection: Connection) -> None:
    said = connection.server.heard[-1]
    text = json.dumps({"error": {"message": f"{said.body.decode()} {said.headers}"}})
    data = delta("So far, so good. ") + f"data: {text}\n\n".encode()
    connection.send(body(data, STREAM))


def refuse(connection: Connection) -> None:
    # To SOCKS or TLS it says nothing, and hangs up.
    if connection.sock.recv(65536).startswith((b"GET", b"CONNECT")):
        connection.send(body(b"", "Proxy-Authenticate: Basic", status="407 Who Are You"))


def set_cookie(connection: Connection) -> None:
    connection.send(body(PAGE, f"Set-Cookie: crumb={SET_COOKIE}; Path=/"))


def arguments(kind: str) -> dict[str, Any]:
    return {
        "transport": kind, "cookies": {"crumbs": COOKIE}, "headers": {"X-Token": TOKEN},
        "timeout": QUICK, "retries": 0, "trust_env": False,
    }  # fmt: skip


PLACES: dict[str, dict[str, Callable[[Connection], object]]] = {
    "a good site": {},
    "a page that shows what it got": {"page": echo},
    "an answer that shows what it got": {"answer": echo, "page": set_cookie},
    "a stream that shows what it got": {"answer": echo_in_stream, "page": set_cookie},
    "a connection that breaks": {"answer": lambda connection: connection.reset()},
    "no HTTP": {"answer": lambda connection: connection.send(b"what?\r\n\r\n")},
}


def both_ways(url: str, options: dict[str, Any]) -> Iterator[object]:
    """The outcome of a turn with a client of each kind, and what is seen of the clients."""
    client = Client(url, **options)
    stream = client.stream("Hello")
    talk = client.conversation()
    try:
        with stream:
            for _ in stream:
                pass
        yield repr(stream.reply)
        yield json.dumps(asdict(stream.reply))
    except ChatGptEsError as error:
        yield from shown(error)
        yield from shown(pickle.loads(pickle.dumps(error)))
        yield from shown(copy.copy(error))
    yield from (repr(client), str(client), repr(stream), repr(talk), talk.to_dict(), client.site)
    core = client.core
    yield from (repr(core.session), repr(client.connect()), repr(core.config), repr(core))
    yield from (repr(found) for found in core.session._endpoints)
    client.close()

    async def asynchronous() -> list[object]:
        async with AsyncClient(url, **options) as client:
            try:
                reply: object = await client.chat("Hello")
            except ChatGptEsError as error:
                return [*shown(error), repr(client)]
            return [repr(reply), repr(client), repr(client.stream("x"))]

    yield from asyncio.run(asynchronous())


@KINDS
@pytest.mark.parametrize("place", PLACES)
def test_turns(kind: str, place: str) -> None:
    with site(**PLACES[place]) as server, everything_logged() as log:
        clean(*both_ways(with_password(server.url), arguments(kind)))
    clean(log.getvalue())
    # They did go out.
    sent = [str(heard.headers) for heard in server.heard]
    for secret in (TOKEN, COOKIE, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert all(secret in headers for headers in sent)


@KINDS
@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_proxies(kind: str, scheme: str) -> None:
    with Server(refuse) as server:
        places = [server.port, closed_port()]
        with everything_logged() as log:
            for port in places:
                proxy = with_password(f"{scheme}://127.0.0.1:{port}", PROXY_USER, PROXY_PASSWORD)
                for url in ("http://127.0.0.1:9/", "https://127.0.0.1:9/"):
                    options = {**arguments(kind), "proxy": proxy, "timeout": 0.4}
                    outcome = list(both_ways(with_password(url), options))
                    assert "Error" in str(outcome[0]) or "Timeout" in str(outcome[0])
                    clean(*outcome)
    clean(log.getvalue())


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@KINDS
@pytest.mark.parametrize("place", ["good", "echoing"])
def test_the_owners_key(kind: str, place: str) -> None:
    def answer(connection: Connection) -> None:
        if place == "echoing":
            echo(connection)
        else:
            connection.send(body(b'{"reply":"Yes.","bot_id":"5"}'))

    with site(answer=answer) as server, everything_logged() as log:
        options = {**arguments(kind), "api_key": KEY, "bot": 5}
        clean(*both_ways(server.url, options))
    clean(log.getvalue())
    assert any(KEY in str(heard.headers) for heard in server.heard)


@KINDS
def test_own_log_where_nonces_are_in_addresses(site: Site, kind: str) -> None:
    # The present generation asks with GET: urllib3's own logger shows that address (SECURITY.md),
    # ours does not.
    with everything_logged() as log, Client(site.url, transport=kind, trust_env=False) as client:  # type: ignore[arg-type]
        client.chat("Hello")
        nonces = [endpoint.nonce for endpoint in client.core.session._endpoints]
    ours = [line for line in log.getvalue().splitlines() if line.startswith("<Request")]
    assert len(ours) == 3
    assert all(nonces)
    assert not any(nonce in line for nonce in nonces for line in ours)


@pytest.mark.parametrize(
    "options",
    [
        {"site": f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:99999/"},
        {"site": f"ftp://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1/"},
        {"site": f"http://{USER}:{quote(PASSWORD, safe='')}@/"},
        {"site": with_password("http://127.0.0.1/"), "api_key": KEY, "bot": 5},
        {"api_key": KEY},
        {"api_key": KEY + "\n.", "bot": "front"},
        {"proxy": f"gopher://{PROXY_USER}:{quote(PROXY_PASSWORD, safe='')}@127.0.0.1:1"},
        {"proxy": f"http://{PROXY_USER}:{quote(PROXY_PASSWORD, safe='')}@127.0.0.1:port"},
        {"headers": {"X-Token": TOKEN + "\r\n"}},
        {"headers": {"Cookie": COOKIE}},
        {"cookies": {"crumbs": COOKIE + ";"}},
        {"cookies": [COOKIE]},
    ],
)  # fmt: skip
def test_arguments_that_are_wrong(options: dict[str, Any]) -> None:
    with pytest.raises(ChatGptEsError) as caught:
        Client(**{"site": "http://127.0.0.1/", **options})
    clean(*shown(caught.value))


@pytest.mark.parametrize("place", ["a good site", "an answer that shows what it got"])
def test_the_command_lines_json(place: str) -> None:
    with site(**PLACES[place]) as server:
        away = with_password("http://127.0.0.1:9", PROXY_USER, PROXY_PASSWORD)
        for proxy in ([], ["--proxy", away]):
            done = subprocess.run(
                [sys.executable, "-m", "chatgptes", "--json", "--site", with_password(server.url),
                 *proxy, "Hello"],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            json.loads(done.stdout)
            clean(done.stdout, done.stderr)


def test_requests_and_headers() -> None:
    from chatgptes.values.http import Headers, Request

    request = Request(
        "GET", with_password(f"http://a.test/x?_ajax_nonce={NONCE}&page_id=3#{TOKEN}"),
        {"Authorization": KEY}, COOKIE.encode(), referrer=f"http://a.test/?{NONCE}",
    )  # fmt: skip
    clean(repr(request), str(request), repr(Headers({"Set-Cookie": COOKIE})))
    assert "page_id=3" in repr(request)


def test_the_text_so_far_is_no_secret() -> None:
    # What the model said is the user's, whatever it says.
    with site(answer=echo_in_stream) as server, pytest.raises(StreamInterruptedError) as caught:
        Client(server.url, trust_env=False).chat("Hello")
    assert caught.value.partial == "So far, so good. "
    assert show_page is not None


@KINDS
def test_a_code_that_is_a_secret(kind: Any) -> None:
    """A site may say anything back, a code too."""
    said = json.dumps({"success": False, "data": {"message": "No", "code": f"not_{NONCE}"}})

    def handler(connection: Connection) -> None:
        while (heard := connection.hear()) is not None:
            if heard.method == "GET":
                connection.send(body(PAGE, "Content-Type: text/html"))
            else:
                connection.send(body(said.encode(), "Content-Type: application/json"))

    with Server(handler) as server, Client(server.url, transport=kind, trust_env=False) as client:
        with pytest.raises(ChatGptEsError) as caught:
            client.chat("Hello")
    assert caught.value.code == "not_…"
    clean(*shown(caught.value))
