"""All transports against real sockets: what goes out, what comes in, and how it fails."""

from __future__ import annotations

import contextlib
import gc
import gzip
import pickle
import socket
import ssl
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from servers import (
    ALL,
    CURL,
    Connection,
    Server,
    answering,
    body,
    get,
    head,
    limits,
    make,
    once,
    post,
)  # fmt: skip

from chatgptes import AsyncClient, Client, errors
from chatgptes.transport.plain.decoding import decode
from chatgptes.values.deadline import Deadline
from chatgptes.values.http import Request


def whole(transport: Any, request: Request, deadline: Deadline | None = None) -> bytes:
    return b"".join(transport.send(request, deadline or limits()))


def chunked(connection: Connection) -> None:
    while connection.hear():
        connection.send(head("Transfer-Encoding: chunked"))
        for piece in (b"one ", b"two ", b"three"):
            connection.chunk(piece)
        connection.chunk(b"")


@ALL
def test_a_request_and_its_response(kind: str) -> None:
    answer = body("ja, ñ".encode(), "X-One: 1", "X-One: 2", "X-Latin: \xf1", status="418 No")
    with Server(answering(answer)) as server:
        response = make(kind).send(post(server.url + "a?b=c", b"x=%00\0y"), limits())
        assert response.status == 418
        assert response.url == server.url + "a?b=c"
        assert response.headers.get_all("x-one") == ["1", "2"]
        assert response.headers.get("X-Latin") == "\xf1"
        assert b"".join(response).decode() == "ja, ñ"
        assert list(response) == []
    heard = server.heard[0]
    assert (heard.method, heard.target, heard.body) == ("POST", "/a?b=c", b"x=%00\0y")
    assert heard.header("content-type") == "text/plain"
    assert heard.header("content-length") == "7"
    for name in ("expect", "cookie", "authorization", "upgrade", "transfer-encoding"):
        assert heard.header(name) is None


@ALL
def test_nothing_is_added_to_a_post_without_type_or_body(kind: str) -> None:
    with Server(answering(body())) as server:
        transport = make(kind)
        whole(transport, Request("POST", server.url, {}, b"x"))
        whole(transport, Request("POST", server.url))
    assert [heard.header("content-type") for heard in server.heard] == [None, None]
    assert [heard.header("content-length") for heard in server.heard] == ["1", "0"]


@ALL
def test_headers_of_the_request_win(kind: str) -> None:
    mine = {"User-Agent": "me", "ACCEPT": "text/event-stream", "X-Empty": "", "X-Wide": "é"}
    with Server(answering(body())) as server:
        whole(make(kind), get(server.url, headers=mine))
    heard = server.heard[0]
    assert heard.header("user-agent") == "me"
    assert heard.header("accept") == "text/event-stream"
    assert heard.header("x-empty") == ""
    assert [name.lower() for name, _ in heard.headers].count("accept") == 1


@ALL
@pytest.mark.parametrize(
    "bad", [{"X": "a\r\nEvil: 1"}, {"X\r\nEvil": "1"}, {"X": "a\0b"}, {"": "x"}]
)
def test_a_header_can_not_break_out_of_its_line(kind: str, bad: dict[str, str]) -> None:
    with Server(answering(body())) as server:
        with pytest.raises(errors.InvalidConfigError):
            make(kind).send(get(server.url, headers=bad), limits())
        assert not server.heard


def test_the_plain_one_is_honest() -> None:
    with Server(answering(body())) as server:
        whole(make("requests"), post(server.url, referrer=server.url))
    heard = server.heard[0]
    assert heard.header("user-agent") == "chatgptes/1.0.0"
    assert heard.header("accept-encoding") == "gzip, deflate"
    assert heard.header("origin") is heard.header("referer") is None


@CURL
def test_the_impersonating_one_fetches_like_a_page(kind: str) -> None:
    with Server(answering(body())) as server:
        transport = make(kind)
        page = server.url + "page/?x=1#part"
        whole(transport, get(server.url, mode="navigate"))
        whole(transport, post(server.url, referrer=page))
        whole(transport, get(server.url, referrer=page, headers={"Accept": "text/event-stream"}))
        whole(transport, post(server.url, referrer="http://elsewhere.example/page"))
    page_load, fetch, events, foreign = server.heard
    assert page_load.header("sec-fetch-mode") == "navigate"
    assert (page_load.header("accept") or "").startswith("text/html")
    assert page_load.header("upgrade-insecure-requests") == "1"
    for heard in (fetch, events, foreign):
        assert heard.header("sec-fetch-mode") == "cors"
        assert heard.header("sec-fetch-dest") == "empty"
        assert heard.header("sec-fetch-user") is None
        assert heard.header("upgrade-insecure-requests") is None
        assert heard.header("user-agent") == page_load.header("user-agent")
    assert fetch.header("accept") == "*/*"
    assert events.header("accept") == "text/event-stream"
    assert fetch.header("sec-fetch-site") == "same-origin"
    assert fetch.header("origin") == server.url.rstrip("/")
    assert fetch.header("referer") == events.header("referer") == server.url + "page/?x=1"
    assert events.header("origin") is None
    assert foreign.header("origin") is foreign.header("referer") is None
    # Headers that both have stand in the same order.
    names = [[name.lower() for name, _ in heard.headers] for heard in (page_load, fetch)]
    common = [name for name in names[0] if name in names[1] and name != "content-length"]
    assert [name for name in names[1] if name in common] == common


@CURL
def test_a_navigation_looks_as_curl_cffi_makes_it(
    kind: str, server_context: ssl.SSLContext, ca_file: str
) -> None:
    import curl_cffi

    with Server(answering(body()), server_context) as server:
        whole(make(kind, verify=ca_file), get(server.url, mode="navigate"))
        with curl_cffi.Session(impersonate="chrome", verify=ca_file, trust_env=False) as session:
            session.get(server.url)
    ours, theirs = server.heard
    # curl_cffi's own Session asks for fewer encodings than the browser that it looks like.
    drop = "accept-encoding"
    assert [x for x in ours.headers if x[0].lower() != drop] == [
        x for x in theirs.headers if x[0].lower() != drop
    ]
    assert [name for name, _ in ours.headers] == [name for name, _ in theirs.headers]


@ALL
@pytest.mark.parametrize("handler", [chunked, answering(body(b"one two three"))])
def test_turns_share_a_connection(kind: str, handler: Any) -> None:
    with Server(handler) as server:
        transport = make(kind)
        for _ in range(30):
            assert whole(transport, post(server.url)) == b"one two three"
        assert server.accepted == 1
        transport.close()
        transport.close()
        with pytest.raises(errors.TransportError, match="closed"):
            transport.send(get(server.url), limits())


@ALL
def test_turns_share_a_connection_over_tls(
    kind: str, server_context: ssl.SSLContext, ca_file: str
) -> None:
    with Server(chunked, server_context) as server:
        transport = make(kind, verify=ca_file)
        for _ in range(30):
            assert whole(transport, post(server.url)) == b"one two three"
        assert server.accepted == 1


@ALL
def test_chunks_come_as_they_are_sent(kind: str) -> None:
    go = threading.Event()

    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(head("Content-Type: text/event-stream"))  # Ends with the connection.
        for piece in (b"a", b"b", b"c"):
            connection.send(piece)
            assert go.wait(10)
            go.clear()

    with Server(handler) as server:
        seen = []
        for piece in make(kind).send(post(server.url), limits()):
            seen.append(piece)
            go.set()
        assert seen == [b"a", b"b", b"c"]


@ALL
def test_an_unfinished_response_ends_its_connection(kind: str) -> None:
    def handler(connection: Connection) -> None:
        while connection.hear():
            if connection.server.accepted == 1:
                connection.send(head(length=1_000_000) + b"part")
                connection.gone()
            else:
                connection.send(body())

    with Server(handler) as server:
        transport = make(kind)
        response = transport.send(get(server.url), limits())
        assert next(iter(response)) == b"part"
        response.close()
        response.close()
        with pytest.raises(errors.TransportError, match="closed"):
            next(iter(response))
        assert whole(transport, get(server.url)) == b"ok"
        assert server.hung_up.wait(5)
        assert server.accepted == 2


@ALL
def test_a_forgotten_response_ends_its_connection(kind: str) -> None:
    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(head(length=1_000_000) + b"part")
        connection.gone()

    with Server(handler) as server:
        transport = make(kind)
        response = transport.send(get(server.url), limits())
        next(iter(response))
        del response
        transport.close()
        assert server.hung_up.wait(5)


@pytest.mark.filterwarnings("ignore:unclosed <:ResourceWarning")  # A socket may come first.
@ALL
def test_a_response_that_is_found_in_a_cycle_spoils_nothing(kind: str) -> None:
    """The garbage collector finalizes it, and all that it is made of, in any order."""

    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(head("Transfer-Encoding: chunked"))
        connection.chunk(b"text")
        connection.gone()

    def steps(transport: Any, url: str) -> Iterator[bytes]:
        """As in a turn, where they are finalized before what they use."""
        with contextlib.closing(transport.send(get(url), limits())) as response:
            yield from response

    with Server(handler) as server, Server(answering(body())) as other:
        kept = make(kind)
        for number in range(3):
            transport = kept if number < 2 else make(kind)
            cycle: list[Any] = [steps(transport, server.url), transport if number == 2 else None]
            cycle.append(cycle)
            assert next(cycle[0]) == b"text"
            del cycle, transport
            gc.collect()
            assert server.hung_up.wait(5)
            server.hung_up.clear()
            assert whole(kept, get(other.url)) == b"ok"
        kept.close()


@ALL
def test_a_connection_that_the_site_closed_meanwhile_is_replaced(kind: str) -> None:
    closed = threading.Event()

    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(body())
        connection.sock.close()
        closed.set()

    with Server(handler) as server:
        transport = make(kind)
        for _ in range(5):
            assert whole(transport, post(server.url, repeatable=False)) == b"ok"
            assert closed.wait(5)
            closed.clear()
        assert len(server.heard) == 5


@ALL
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_what_may_have_been_heard_is_not_sent_again(kind: str, method: str, end: str) -> None:
    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(body())
        connection.hear()
        if end == "reset":
            connection.reset()

    with Server(handler) as server:
        transport = make(kind)
        data = b"x" * 100 if method == "POST" else None
        request = Request(method, server.url, {}, data, repeatable=False)  # type: ignore[arg-type]
        assert whole(transport, request) == b"ok"
        with pytest.raises(errors.TransportError) as caught:
            transport.send(request, limits())
        assert type(caught.value) is errors.TransportError
        assert len(server.heard) == 2
        assert whole(transport, request) == b"ok"
        assert len(server.heard) == 3


@ALL
def test_encodings_are_undone(kind: str) -> None:
    text = b"hello world " * 5000
    bare = zlib.compressobj(wbits=-15)
    codings = {
        "gzip": gzip.compress(text, mtime=0),
        "x-gzip": gzip.compress(text[:100], mtime=0) + gzip.compress(text[100:], mtime=0),
        "deflate": zlib.compress(text),
        "Deflate": bare.compress(text) + bare.flush(),
        "deflate, gzip": gzip.compress(zlib.compress(text), mtime=0),
        "identity": text,
    }

    def handler(connection: Connection) -> None:
        while heard := connection.hear():
            coding = heard.target.lstrip("/").replace("%20", " ")
            connection.send(body(codings[coding], f"Content-Encoding: {coding}"))

    with Server(handler) as server:
        transport = make(kind)
        for coding in codings:
            if kind != "requests" and coding in ("x-gzip", "Deflate", "deflate, gzip"):
                continue  # libcurl's own affair.
            assert whole(transport, get(server.url + coding)) == text, coding
        assert server.accepted == 1


@ALL
@pytest.mark.parametrize(
    "coding",
    [
        "none", "identity", "UTF-8", "utf8", "aws-chunked", "iso-8859-1", "Windows-1252", "binary",
        "chunked", "8bit", "text/html; charset=utf-8", "text/event-stream", "utf-8, identity",
    ],
)  # fmt: skip
def test_names_of_no_encoding(kind: str, coding: str) -> None:
    if kind != "requests" and coding not in ("none", "identity"):
        pytest.skip("libcurl knows no others")
    with Server(once(body(b"as it is", f"Content-Encoding: {coding}"))) as server:
        assert whole(make(kind), get(server.url)) == b"as it is"


@ALL
@pytest.mark.parametrize(
    "coding",
    [
        "GZIP", "X-GZip", " gzip ", "gzip, identity", "Identity , gzip", "gzip,", ",gzip",
        "gzip\r\nContent-Encoding: identity", '"gzip"', "'gzip'", "gzip;q=1.0",
    ],
)  # fmt: skip
def test_ways_to_write_an_encoding(kind: str, coding: str) -> None:
    if kind != "requests" and set(coding) & set("\"';"):
        pytest.skip("libcurl takes the name as it is")
    data = body(gzip.compress(b"as it is", mtime=0), f"Content-Encoding: {coding}")
    with Server(once(data)) as server:
        assert whole(make(kind), get(server.url)) == b"as it is"


def test_no_encoding_beside_one() -> None:
    data = body(gzip.compress(b"as it is", mtime=0), "Content-Encoding: gzip, aws-chunked")
    with Server(once(data)) as server:
        assert whole(make("requests"), get(server.url)) == b"as it is"


@pytest.mark.parametrize("behind", [b"\n<!-- cached -->", b"\x1f", b"\x1f<b>", b"\0\0 x" * 9000])
def test_what_is_behind_a_gzip_body_is_passed_over(behind: bytes) -> None:
    text = gzip.compress(b"hello ", mtime=0) + gzip.compress(b"world", mtime=0)
    pieces = [bytes([byte]) for byte in text + behind]
    for cut in (pieces, [text + behind], [text, behind]):
        assert b"".join(decode(iter(cut), "gzip")) == b"hello world"


def test_what_is_behind_a_gzip_body_leaves_the_connection_usable() -> None:
    answer = body(gzip.compress(b"hello", mtime=0) + b"<!-- a cache was here -->" * 9000,
                  "Content-Encoding: gzip")  # fmt: skip
    with Server(answering(answer)) as server:
        transport = make("requests")
        for _ in range(3):
            assert whole(transport, get(server.url)) == b"hello"
        assert server.accepted == 1


@ALL
def test_a_bomb_comes_in_small_pieces(kind: str) -> None:
    bomb = gzip.compress(bytes(64 << 20), mtime=0)
    with Server(once(body(bomb, "Content-Encoding: gzip"))) as server:
        response = make(kind).send(get(server.url), limits())
        total = 0
        for piece in response:
            assert len(piece) <= 300_000
            total += len(piece)
        assert total == 64 << 20


@ALL
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (head(length=100) + b"part", b"part"),
        (head("Transfer-Encoding: chunked") + b"4\r\npart\r\n", b"part"),
        (head("Transfer-Encoding: chunked") + b"64\r\npart", b"part"),
        (head("Transfer-Encoding: chunked") + b"4\r\npart\r\nzz\r\n", b"part"),
        (body(b"no gzip", "Content-Encoding: gzip"), b""),
        (head("Content-Encoding: gzip", length=900) + gzip.compress(b"", mtime=0)[:10], b""),
    ],
)
def test_a_broken_body_gives_what_came_and_then_fails(
    kind: str, answer: bytes, text: bytes
) -> None:
    with Server(once(answer)) as server:
        response = make(kind).send(get(server.url), limits())
        seen = b""
        with pytest.raises(errors.TransportError) as caught:
            for piece in response:
                seen += piece
        assert type(caught.value) is errors.TransportError
        assert caught.value.status == 200
        assert caught.value.__context__ is None
        assert seen == text


def test_a_cut_gzip_is_noticed() -> None:
    # libcurl takes it for whole where the framing is right; the decoders notice what is missing.
    cut = gzip.compress(b"hello world " * 100, mtime=0)[:-9]
    with (
        Server(once(body(cut, "Content-Encoding: gzip"))) as server,
        pytest.raises(errors.TransportError, match="breaks off"),
    ):
        whole(make("requests"), get(server.url))


def test_an_encoding_that_was_not_asked_for_is_an_error() -> None:
    with (
        Server(once(body(b"x", "Content-Encoding: br"))) as server,
        pytest.raises(errors.TransportError, match="not asked for"),
    ):
        whole(make("requests"), get(server.url))


@ALL
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>hello</html>",
        b"HTTP/1.1 200 OK\r\nX: ",
    ],
)
def test_what_is_no_http_is_an_error(kind: str, answer: bytes) -> None:
    with Server(once(answer)) as server:
        with pytest.raises(errors.TransportError) as caught:
            whole(make(kind), post(server.url))
        assert type(caught.value) is errors.TransportError
        assert len(server.heard) == 1


@ALL
@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_interim_responses_are_passed_over(kind: str, interim: str) -> None:
    answer = head("Link: </x>; rel=preload", status=interim) * 2 + body(b"final", "X-A: 1")
    with Server(once(answer)) as server:
        response = make(kind).send(get(server.url), limits())
        assert (response.status, response.headers.get("link")) == (200, "")
        assert b"".join(response) == b"final"


@ALL
@pytest.mark.parametrize(
    "lines", [["X: " + "y" * 60_000], ["X: y"] * 6_000, ["X: " + "y" * 900] * 80]
)
def test_headers_may_not_be_huge(kind: str, lines: list[str]) -> None:
    with Server(once(body(b"ok", *lines))) as server, pytest.raises(errors.ResponseTooLargeError):
        make(kind, max_headers=50_000).send(get(server.url), limits())


@ALL
@pytest.mark.parametrize(
    "piece", [b"X-Again: yes\r\n", b"y" * 100, b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_endless_headers_end(kind: str, piece: bytes) -> None:
    def handler(connection: Connection) -> None:
        connection.hear()
        if not piece.startswith(b"HTTP"):
            connection.send(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            connection.send(piece * 100)

    with Server(handler) as server, pytest.raises(errors.ResponseTooLargeError):
        make(kind).send(get(server.url), limits())


@ALL
def test_no_connection(kind: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # Bound, not listening: refuses.
        url = f"http://user:secret@127.0.0.1:{unused.getsockname()[1]}/?_wpnonce=abc"
        with pytest.raises(errors.ConnectError, match="refused") as caught:
            make(kind).send(get(url), limits())
    assert "secret" not in str(caught.value)
    assert "abc" not in str(caught.value) + str(caught.value.url)
    assert caught.value.__context__ is None


@ALL
@pytest.mark.parametrize("name", ["nowhere.invalid", "x" * 70 + ".invalid"])
def test_no_such_name(kind: str, name: str) -> None:
    with pytest.raises(errors.ConnectError, match="not found"):
        make(kind).send(get(f"http://{name}/"), limits())


def context_for(certificate: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@ALL
def test_certificates_are_checked(kind: str, authority: trustme.CA, ca_file: str) -> None:
    from datetime import datetime

    wrong = context_for(authority.issue_cert("elsewhere.example"))
    old = context_for(authority.issue_cert("localhost", not_after=datetime(2020, 1, 1)))
    good = context_for(authority.issue_cert("localhost"))
    for context, verify in ((wrong, ca_file), (old, ca_file), (good, True)):
        with Server(answering(body()), context) as server:
            with pytest.raises(errors.TLSError, match=r"certificate.*verify=") as caught:
                make(kind, verify=verify).send(post(server.url), limits())
            assert caught.value.__context__ is None
            assert not server.heard
            assert whole(make(kind, verify=False), post(server.url)) == b"ok"


@ALL
def test_what_is_no_tls_is_a_tls_error(kind: str) -> None:
    def reset(connection: Connection) -> None:
        connection.sock.recv(100)
        connection.reset()

    def other(connection: Connection) -> None:
        connection.sock.recv(100)
        connection.send(b"220 mail.example ESMTP\r\n")

    for handler in (other, reset, lambda connection: None):
        with Server(handler) as server, pytest.raises(errors.TLSError, match="handshake"):
            make(kind).send(get(f"https://127.0.0.1:{server.port}/"), limits())


@ALL
def test_verify_takes_a_directory(
    kind: str, server_context: ssl.SSLContext, ca_file: str, tmp_path: Path
) -> None:
    # OpenSSL and BoringSSL look certificates up by hashes of their subjects.
    pytest.importorskip("cryptography")
    import subprocess

    try:
        out = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", ca_file], capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs openssl")
    (tmp_path / f"{out.stdout.decode().strip()}.0").write_bytes(Path(ca_file).read_bytes())
    with Server(answering(body()), server_context) as server:
        assert whole(make(kind, verify=str(tmp_path)), get(server.url)) == b"ok"


@ALL
@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_names_certificates_only_when_asked(
    kind: str, name: str, server_context: ssl.SSLContext, ca_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for other in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, ca_file)
    with Server(answering(body()), server_context) as server:
        trusting, plain = make(kind, trust_env=True), make(kind)
        import certifi

        explicit = make(kind, trust_env=True, verify=certifi.where())
        monkeypatch.delenv(name)  # Read once.
        assert whole(trusting, get(server.url)) == b"ok"
        for transport in (plain, explicit):
            with pytest.raises(errors.TLSError):
                transport.send(get(server.url), limits())


@ALL
@pytest.mark.parametrize("path", ["/no/such/file", __file__])
def test_bad_certificate_settings(kind: str, path: str) -> None:
    with pytest.raises(errors.InvalidConfigError, match="verify"):
        make(kind, verify=path)


@CURL
def test_http_2_is_used_and_kept(kind: str, h2_site: Any) -> None:
    transport = make(kind, verify=h2_site.ca_file)
    for _ in range(10):
        response = transport.send(get(h2_site.proxy.origin + "/"), limits())
        b"".join(response)
    transport.close()
    assert h2_site.proxy.versions == {"2"}
    assert len(h2_site.proxy.clients) == 1


@ALL
def test_settings_travel(kind: str) -> None:
    transport = make(kind, verify=False)
    with Server(answering(body())) as server:
        assert whole(transport, get(server.url)) == b"ok"
        copy = pickle.loads(pickle.dumps(transport))
        assert type(copy) is type(transport)
        assert whole(copy, get(server.url)) == b"ok"
        assert server.accepted == 2


@ALL
def test_many_threads_at_once(kind: str) -> None:
    with Server(chunked) as server:
        transport = make(kind)
        bad = []

        def turns() -> None:
            for _ in range(20):
                if whole(transport, post(server.url)) != b"one two three":
                    bad.append(1)

        threads = [threading.Thread(target=turns) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not bad
        assert len(server.heard) == 160
        assert server.accepted <= 8


def test_select() -> None:
    from chatgptes.transport.curl.transport import CurlTransport
    from chatgptes.transport.plain.transport import RequestsTransport

    assert isinstance(make("auto", default_site=True), CurlTransport)
    assert isinstance(make("auto", default_site=False), RequestsTransport)

    class Own:
        def send(self, request: Request, deadline: Deadline) -> Any: ...
        def close(self) -> None: ...

    own = Own()
    assert make(own) is own  # type: ignore[arg-type,comparison-overlap]
    for client in (Client, AsyncClient):
        for bad in ("curl", None, object()):
            with pytest.raises(errors.InvalidConfigError, match="transport must be"):
                client(transport=bad)  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidConfigError, match="impersonate"):
            client(transport="auto", impersonate="")
    with pytest.raises(errors.InvalidConfigError, match=r"netscape4.*chrome"):
        make("curl_cffi", impersonate="netscape4")


@pytest.mark.parametrize(
    ("name", "module"), [("requests", "plain"), ("curl_cffi", "impersonating")]
)
def test_a_missing_package_is_named(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in [m for m in sys.modules if m.startswith("chatgptes.transport.")]:
        monkeypatch.delitem(sys.modules, loaded)
    for loaded in [m for m in sys.modules if m.partition(".")[0] == name]:
        monkeypatch.setitem(sys.modules, loaded, None)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(errors.MissingRequirementsError, match=f"pip install {name}"):
        make(name)


def test_a_system_without_callbacks_has_no_curl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them, libcurl could not be told not to send a message twice."""
    from chatgptes.transport.curl import handle

    class WithoutCallbacks:
        def __getattr__(self, name: str) -> Any:
            if name == "callback":
                raise MemoryError
            return getattr(handle.ffi, name)

    for loaded in [m for m in sys.modules if m.startswith("chatgptes.transport.curl")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr("curl_cffi.ffi", WithoutCallbacks())
    with pytest.raises(errors.MissingRequirementsError, match="lets no program make functions"):
        make("curl_cffi")


def test_an_old_curl_cffi_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import curl_cffi

    monkeypatch.setattr(curl_cffi, "__version__", "0.15.2")
    with pytest.raises(errors.MissingRequirementsError, match=r"0\.15\.2.*-U 'curl_cffi>=0\.16'"):
        make("curl_cffi")
    monkeypatch.setattr(curl_cffi, "__version__", "0.16.0b1")
    make("curl_cffi")


@CURL
def test_without_a_browser_it_is_honest(kind: str) -> None:
    with Server(answering(body())) as server:
        transport = make(kind, impersonate=None)
        whole(transport, get(server.url, mode="navigate"))
        whole(transport, post(server.url, referrer=server.url))
        whole(transport, post(server.url, headers={"User-Agent": "me", "Accept": "text/plain"}))
    for heard in server.heard[:2]:
        assert heard.header("user-agent") == "chatgptes/1.0.0"
        assert heard.header("accept") == "*/*"
    assert server.heard[2].header("user-agent") == "me"
    assert server.heard[2].header("accept") == "text/plain"
    for heard in server.heard:
        names = {name.lower() for name, _ in heard.headers}
        assert names <= {
            "host", "user-agent", "accept", "accept-encoding", "content-type", "content-length",
        }  # fmt: skip
    assert repr(make("curl_cffi", impersonate=None)) == "<CurlTransport>"
