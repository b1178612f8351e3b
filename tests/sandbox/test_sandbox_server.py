"""The sandbox's pages, and how its server behaves."""

from __future__ import annotations

import ast
import base64
import contextlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from sandbox_client import (
    AJAX,
    Seen,
    ask_aipkit,
    ask_classic,
    ask_fault,
    ask_rest,
    cache,
    classic_bot,
    config,
    fetch,
    said,
    wait_for,
)
from secure_sites import H2Site, TlsSite

import chatgptes.sandbox
from chatgptes.sandbox import Site
from chatgptes.sandbox.__main__ import main


@pytest.fixture
def threads() -> Iterator[None]:
    """The test leaves no thread behind."""
    before = set(threading.enumerate())
    yield
    wait_for(lambda: not set(threading.enumerate()) - before)


# Pages.

STATUSES = {
    "staging": 401, "staging-classic": 401, "moved": 302, "moved-relative": 302, "moved-away": 302,
    "moved-loop": 302, "moved-nowhere": 302, "limited": 429, "limited-long": 429,
    "limited-date": 429, "limited-bare": 429, "challenge": 403, "challenge-bare": 503,
    "forbidden": 403, "not-found": 404, "server-error": 500, "maintenance": 503, "cut": 0,
}  # fmt: skip


def test_every_page_answers(site: Site) -> None:
    assert site.pages["front"] == site.url
    for name, url in site.pages.items():
        if name.startswith(("fault-", "stalled")):
            continue
        seen = fetch(url, limit=1_000_000)
        assert seen.status == STATUSES.get(name, 200), name
        assert seen.whole is (name not in ("cut", "cut-body"))
    with pytest.raises(KeyError):
        site.page("no such page")
    assert fetch(f"{site.home}no-such-page/").status == 404
    assert fetch(f"{site.home}classic").headers["location"] == site.page("classic")


def test_what_pages_show(site: Site) -> None:
    def page(name: str) -> str:
        return fetch(site.page(name)).text

    assert 'data-post-id="<15"' in page("classic-widget")
    assert page("classic-two").count('class="wpaicg-chat-shortcode"') == 2
    assert page("aipkit-two").count("data-config=") == 2
    assert "aipkit_popup_wrapper" in page("aipkit-popup")
    assert config(page("consent"))["requireConsentCompliance"] is True
    assert config(page("aipkit-images"))["imageUploadEnabledUI"] is True
    assert "elsewhere.invalid" in config(page("foreign"))["ajaxUrl"]
    assert "wpaicgParams" in page("nobot")
    assert "wpaicg-chat" not in page("nobot")
    assert not re.search("wpaicg|aipkit", page("plainpage"))
    assert len(page("long")) > 200_000
    assert "streamEnabled" in config(page("aipkit-old"))
    assert "streamEnabled" not in config(page("front"))
    link = fetch(site.url).headers["link"]
    assert link == f'<{site.home}wp-json/>; rel="https://api.w.org/"'
    assert "link" not in fetch(site.page("rest-tag")).headers
    assert 'rel="https://api.w.org/"' in page("rest-tag")
    assert "api.w.org" not in page("rest-none")
    names = fetch(site.api_root).json["namespaces"]
    assert names == ["oembed/1.0", "aipkit/v1", "mwai-ui/v1", "mwai/v1", "wp/v2"]


def test_staging_wants_a_password_everywhere(site: Site) -> None:
    token = base64.b64encode(":".join(site.credentials).encode()).decode()
    headers = {"Authorization": f"Basic {token}"}
    bot = config(fetch(site.page("staging"), headers=headers).text)
    form = {"action": "aipkit_cache_sse_message", "message": "Hi", "bot_id": "5",
            "_ajax_nonce": bot["nonce"]}  # fmt: skip
    assert fetch(bot["ajaxUrl"], form).status == 401
    assert fetch(bot["ajaxUrl"], form, headers=headers).status == 200


def test_the_cookie_page_wants_its_cookie_back(site: Site) -> None:
    assert cache(site, "cookie", "Hi").status == 403
    page = fetch(site.page("cookie"))
    bot = config(page.text)
    headers = {"Cookie": page.headers["set-cookie"].partition(";")[0]}
    form = {"action": "aipkit_cache_sse_message", "message": "Hi", "bot_id": str(bot["botId"]),
            "_ajax_nonce": bot["nonce"]}  # fmt: skip
    assert fetch(bot["ajaxUrl"], form, headers=headers).status == 200


def test_a_site_in_a_sub_folder() -> None:
    with Site(folder="/blog") as site:
        assert urlsplit(site.url).path == "/blog/"
        assert urlsplit(config(fetch(site.url).text)["ajaxUrl"]).path == f"/blog/{AJAX}"
        assert "sandbox" in said(ask_aipkit(site, "front", "Hi"))
        assert "sandbox" in said(ask_classic(site, "classic", "Hi"))
        assert ask_rest(site, "Hi").status == 200
        assert fetch(f"http://127.0.0.1:{site.port}/").status == 404


# The server.


def test_requests_are_recorded_and_connections_counted(site: Site) -> None:
    nonce = classic_bot(fetch(site.page("classic")).text)["nonce"]
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    form = {"action": "wpaicg_chat_shortcode_message", "_wpnonce": nonce, "message": "ü"}
    for _ in range(5):
        connection.request("POST", f"/{AJAX}?q=1", urlencode(form),
                           {"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
        assert connection.getresponse().read().endswith(b"[DONE]\n\n")
    connection.close()
    assert site.chat_connections == 1
    assert site.connections[f"/{AJAX}"] == 1
    last = site.requests[-1]
    assert (last.method, last.path, last.query["q"]) == ("POST", f"/{AJAX}", "1")
    assert last.form["message"] == "ü"
    assert last.headers["content-type"] == "application/x-www-form-urlencoded"
    assert abs(last.time - time.time()) < 3600
    assert last.connection == site.requests[-2].connection
    wait_for(lambda: site.open_connections == 0)


def test_multipart_and_chunked_bodies(site: Site) -> None:
    nonce = classic_bot(fetch(site.page("classic")).text)["nonce"]
    fields = {"action": "wpaicg_chat_shortcode_message", "_wpnonce": nonce, "message": "zwei\nü"}
    parts = [
        f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        '--XX\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n'
        "Content-Type: image/gif\r\n\r\nGIF89a\r\n--XX--\r\n"
    )
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    connection.request("POST", f"/{AJAX}", iter(part.encode() for part in parts),
                       {"Content-Type": "multipart/form-data; boundary=XX"})  # fmt: skip
    assert connection.getresponse().read().endswith(b"[DONE]\n\n")
    # The body was read to its very end, so the connection can go on.
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    assert site.accepted == 2
    connection.close()
    assert site.messages[0][-1]["content"] == "zwei\nü"
    assert site.requests[-2].files["image"] == ("image/gif", b"GIF89a")


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/2\r\n\r\n",
     b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
     b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
     b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc", b"GET / HTTP/1.1\r\nHost"],
)  # fmt: skip
def test_garbage_does_no_harm(site: Site, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
    assert fetch(site.url).status == 200


def test_expect_continue_head_and_http_1_0(site: Site) -> None:
    def raw(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", site.port), timeout=20) as sock:
            sock.sendall(data)
            found = b""
            while more := sock.recv(65536):
                found += more
            return found

    close = b"Connection: close\r\n"
    first = raw(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n%s\r\nab" % close)
    assert first.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 405")
    head = raw(b"HEAD / HTTP/1.1\r\n%s\r\n" % close)
    assert head.startswith(b"HTTP/1.1 200")
    assert head.endswith(b"\r\n\r\n")
    old = raw(b"GET /%s?action=aipkit_frontend_chat_stream HTTP/1.0\r\n\r\n" % AJAX.encode())
    assert b"chunked" not in old
    assert old.endswith(b'data: {"finished":true}\n\n')


def test_a_reset_is_no_close(site: Site) -> None:
    nonce = classic_bot(fetch(site.page("classic")).text)["nonce"]
    target = f"/{AJAX}?action=wpaicg_chat_shortcode_message&_wpnonce={nonce}"
    for fault in ("cut", "reset"):
        site.next(fault)
        with socket.create_connection(("127.0.0.1", site.port), timeout=20) as sock:
            sock.sendall(
                f"POST {target} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                "Content-Length: 10\r\n\r\nmessage=Hi".encode()
            )
            try:
                while sock.recv(65536):
                    pass
                ended = "cut"
            except ConnectionResetError:
                ended = "reset"
        assert ended == fault


def test_bytes_cut_anywhere_are_the_same_bytes() -> None:
    answers = []
    for cut in ("events", "bytes"):
        with Site(cut=cut, answer=lambda messages: "ünï 🙂 end") as site:
            connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
            nonce = classic_bot(fetch(site.page("classic")).text)["nonce"]
            connection.request(
                "POST",
                f"/{AJAX}?action=wpaicg_chat_shortcode_message&_wpnonce={nonce}",
                b"message=Hi",
                {"Content-Type": "application/x-www-form-urlencoded"},
            )
            response = connection.getresponse()
            pieces = list(iter(lambda r=response: r.read1(65536), b""))
            connection.close()
        answers.append(re.sub(rb'"created":\d+', b"", b"".join(pieces)))
        if cut == "bytes":
            assert any(piece.endswith(b"\xf0") or len(piece) == 1 for piece in pieces)
    assert answers[0] == answers[1]


def test_chunks_arrive_one_by_one() -> None:
    go = threading.Semaphore(0)

    def answer(messages: list[dict[str, str]]) -> Iterator[str]:
        for number in range(3):
            assert go.acquire(timeout=20)
            yield f"<{number}>"

    with Site(answer=answer) as site:
        nonce = classic_bot(fetch(site.page("classic")).text)["nonce"]
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
        target = f"/{AJAX}?action=wpaicg_chat_shortcode_message&_wpnonce={nonce}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", target, b"message=Hi", headers)
        go.release()
        response = connection.getresponse()
        body = b""
        for number in range(3):
            while f"<{number}>".encode() not in body:
                body += response.read1(65536)
            assert f"<{number + 1}>".encode() not in body
            go.release()
        connection.close()


@pytest.mark.usefixtures("threads")
def test_stop_ends_what_stalls() -> None:
    site = Site().start()
    answers: list[Seen] = []
    cases = [("aipkit", "stall"), ("classic", "stall-headers"), ("plain", "stall"),
             ("aipkit", "cache-stall-headers"), ("classic", "stall-end")]  # fmt: skip
    clients = [
        threading.Thread(target=lambda c=case: answers.append(ask_fault(site, *c)))
        for case in cases
    ]
    for client in clients:
        client.start()
    wait_for(lambda: site.stalled == len(cases))
    before = time.monotonic()
    site.stop()
    assert time.monotonic() - before < 3
    for client in clients:
        client.join(10)
    assert len(answers) == len(cases)
    assert not any(seen.whole for seen in answers)
    site.stop()


@pytest.mark.usefixtures("threads")
def test_stop_ends_idle_connections_endless_answers_and_pauses() -> None:
    with Site(chunk_delay=60) as site:
        idle = socket.create_connection(("127.0.0.1", site.port), timeout=20)
        slow = threading.Thread(target=ask_classic, args=(site, "classic", "Hi"))
        slow.start()
        deaf = socket.create_connection(("127.0.0.1", site.port), timeout=20)
        deaf.sendall(b"GET /endless/ HTTP/1.1\r\n\r\n")
        wait_for(lambda: site.messages and any(r.path == "/endless/" for r in site.requests))
        before = time.monotonic()
    assert time.monotonic() - before < 3
    assert idle.recv(1) == b""
    idle.close()
    deaf.close()
    slow.join(10)


def test_clients_that_vanish_leave_nothing_behind(site: Site) -> None:
    nonce = classic_bot(fetch(site.page("classic")).text)["nonce"]
    for fault in ("stall", "stall-headers", "endless", "flood", "stall-end"):
        site.next(fault)
        sock = socket.create_connection(("127.0.0.1", site.port), timeout=20)
        body = urlencode({"action": "wpaicg_chat_shortcode_message", "_wpnonce": nonce,
                          "message": "Hi"})  # fmt: skip
        sock.sendall(
            f"POST /{AJAX} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        wait_for(lambda: site.open_connections == 1 and len(site.requests) > 1)
        if fault != "stall-headers":
            assert sock.recv(1)
        sock.close()
        wait_for(lambda: site.open_connections == 0)
    assert fetch(site.url).status == 200


@pytest.mark.usefixtures("threads")
def test_many_sites_at_once_and_again() -> None:
    sites = [Site().start() for _ in range(20)]
    assert len({site.url for site in sites}) == 20
    assert all(fetch(site.url).status == 200 for site in sites)
    for site in sites:
        site.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = sites[0].url
    with sites[0] as site:
        assert fetch(site.url).status == 200
    with pytest.raises(ValueError, match="cut"):
        Site(cut="paper")


def test_https(tls_site: TlsSite) -> None:
    context = ssl.create_default_context(cafile=tls_site.ca_file)
    page = fetch(tls_site.url, tls=context)
    assert page.status == 200
    assert config(page.text)["ajaxUrl"].startswith("https://")
    # A client that does not trust it, one that speaks no TLS, one that stalls in the handshake.
    with pytest.raises(ssl.SSLCertVerificationError):
        fetch(tls_site.url, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    assert fetch(tls_site.url.replace("https", "http")).status == 0
    stalled = socket.create_connection(("127.0.0.1", tls_site.port), timeout=20)
    wait_for(lambda: tls_site.open_connections == 1)
    before = time.monotonic()
    tls_site.stop()
    assert time.monotonic() - before < 3
    stalled.close()


def test_http_2_in_front(h2_site: H2Site) -> None:
    curl_cffi = pytest.importorskip("curl_cffi")
    with curl_cffi.requests.Session(verify=h2_site.ca_file) as session:
        page = session.get(h2_site.page("classic"))
        assert h2_site.proxy.versions == {"2"}
        bot = classic_bot(page.text)
        assert bot["ajax_url"].startswith(h2_site.proxy.origin)
        form = {"action": "wpaicg_chat_shortcode_message", "_wpnonce": bot["nonce"],
                "message": "Hi"}  # fmt: skip
        for _ in range(3):
            assert session.post(bot["ajax_url"], data=form).text.endswith("[DONE]\n\n")
    assert len(h2_site.proxy.clients) == 1


@contextlib.contextmanager
def command(*options: str) -> Iterator[subprocess.Popen[str]]:
    """The command, serving on some port; it ends when it is told to."""
    root = Path(chatgptes.sandbox.__file__).parents[2]
    words = [sys.executable, "-m", "chatgptes.sandbox", "--port", "0", "--chunk-delay", "0"]
    with subprocess.Popen(
        [*words, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_the_command_prints_one_address_and_logs_requests() -> None:
    with command() as process:
        assert process.stdout
        assert process.stderr
        lines = [process.stdout.readline().rstrip("\n")]
        while "--list" not in lines[-1]:
            lines.append(process.stdout.readline().rstrip("\n"))
        assert len(lines) < 20
        assert all(len(line) <= 80 for line in lines)
        (url,) = [line.strip() for line in lines if line.startswith("  http")]
        assert "fault-quota" not in fetch(url).text
        assert process.stderr.readline().split()[1:] == ["200", "GET", "/"]
        host = urlsplit(url).netloc
        with socket.create_connection(("127.0.0.1", urlsplit(url).port), 10) as sock:
            request = f"GET /no\x1b[2J\x9b?_ajax_nonce=secret HTTP/1.0\r\nHost: {host}\r\n\r\n"
            sock.sendall(request.encode("latin-1"))
            assert sock.recv(100)
        line = process.stderr.readline()
        assert line.split()[1:3] == ["404", "GET"]
        assert line[:-1].isprintable()
        assert "secret" not in line
        fetch(f"{url}{AJAX}", {"action": "aipkit_cache_sse_message", "message": "private"})
        assert process.stderr.readline().split()[1:] == [
            "403", "POST", f"/{AJAX}", "aipkit_cache_sse_message",
        ]  # fmt: skip


def test_the_command_lists_everything() -> None:
    with command("--list", "--faults") as process:
        assert process.stdout
        lines = []
        while "answers to the key" not in (line := process.stdout.readline()):
            assert line
            lines.append(line)
        url = next(line.strip() for line in lines if line.startswith("  http"))
        assert any("classic-plain" in line for line in lines)
        assert "fault-quota" in fetch(url).text
        assert process.stdout.readline().strip().startswith("sandbox-")


def test_the_command_where_its_port_is_in_use(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["--port", str(site.port)]) == 1
    assert "--port 0 takes a free port" in capsys.readouterr().err


def test_the_files_of_the_window(site: Site) -> None:
    for folder in ("", "blog"):
        with Site(folder=folder) as site:
            for name in ("front", "classic", "engine"):
                found = re.findall(
                    r'(?:href|src)="([^"]*/sandbox/[^"]+)"', fetch(site.page(name)).text
                )
                assert len(found) == 2
                for path in found:
                    seen = fetch(f"http://127.0.0.1:{site.port}{path}")
                    assert seen.status == 200
                    assert "elsewhere" not in seen.text
                    kind = "text/css" if path.endswith("css") else "text/javascript"
                    assert seen.headers["content-type"].startswith(kind)
            assert fetch(f"{site.home}sandbox/wire.js").status == 200
            assert fetch(f"{site.home}sandbox/../site.py").status == 404
            assert fetch(f"{site.home}sandbox/site.py").status == 404


def test_the_index_names_pages(site: Site) -> None:
    text = fetch(site.url).text
    paths = re.findall(r'<li><a href="([^"]+)">', text)
    assert paths == list(dict.fromkeys(paths))
    named = {f"http://127.0.0.1:{site.port}{path}" for path in paths}
    assert named == {url for name, url in site.pages.items() if not name.startswith("fault-")}
    site.lists_faults = True
    assert len(re.findall("<li>", fetch(site.url).text)) == len(site.pages)
    assert "<li>" not in fetch(site.page("classic")).text


def test_it_imports_nothing_of_the_library() -> None:
    for path in Path(chatgptes.sandbox.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path
                assert node.level or (node.module or "").split(".")[0] in sys.stdlib_module_names
            elif isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= (
                    sys.stdlib_module_names
                )


@pytest.mark.parametrize(
    ("host", "listens", "status"),
    [
        ("127.0.0.1:{port}", "127.0.0.1", 200),
        ("localhost:{port}", "127.0.0.1", 200),
        ("LOCALHOST:{port}", "127.0.0.1", 200),
        ("[::1]:{port}", "127.0.0.1", 200),
        ("", "127.0.0.1", 200),
        ("rebound.example:{port}", "127.0.0.1", 421),
        ("rebound.example", "127.0.0.1", 421),
        ("127.0.0.1.rebound.example:{port}", "127.0.0.1", 421),
        ("user@rebound.example:{port}", "127.0.0.1", 421),
        ("127.0.0.1:1", "127.0.0.1", 421),
        ("127.0.0.1", "127.0.0.1", 421),
        ("127.0.0.1:port", "127.0.0.1", 421),
        ("[::1", "127.0.0.1", 421),
        ("192.0.2.7:{port}", "127.0.0.1", 421),
        ("192.0.2.7:{port}", "0.0.0.0", 200),
        ("rebound.example:{port}", "0.0.0.0", 421),
    ],
)
def test_it_answers_to_its_own_names_only(host: str, listens: str, status: int) -> None:
    with Site(listens) as site:
        seen = fetch(site.url, headers={"Host": host.format(port=site.port)})
        assert seen.status == status
        assert len(site.requests) == (status == 200)


def test_it_answers_to_the_origin_of_a_proxy_in_front(site: Site) -> None:
    url = site.url
    site.origin = "https://front.example"
    assert fetch(url, headers={"Host": "front.example"}).status == 200
    assert fetch(url, headers={"Host": "other.example"}).status == 421
