"""What can go wrong between here and the site, seen through the clients: every fault over real
sockets, through both transports, blocking and on an event loop.

What a *site* can do wrong is in test_faults.py.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h2.connection
import h2.errors
import pytest
import trustme
from servers import Connection, body, head
from wire import (
    ANSWER,
    NONCE,
    PAGE,
    PARTS,
    STREAM,
    ChatServer,
    delta,
    h2_site,
    site,
    streamed,
    turn,
)

from chatgptes import (
    ChatGptEsError,
    ConnectError,
    EmptyReplyError,
    Limits,
    ProxyError,
    Reply,
    RequestTimeout,
    ResponseTooLargeError,
    StreamInterruptedError,
    Timeout,
    TLSError,
    TransportError,
    UnexpectedStatusError,
)

BOTH = ("requests", "curl_cffi")
MODES = pytest.mark.parametrize("mode", ["sync", "async"])
KINDS = pytest.mark.parametrize("kind", BOTH)
SILENCE = Timeout(connect=0.3, read=0.3, total=20)
PATIENT = Timeout(connect=20, read=20, total=20)
SMALL = Limits(page=1 << 20, answer=1 << 20, stream=2 << 20, event=1 << 19)
PROMPTLY = 5.0
"""Seconds that a turn may take whose limits are far below; a hang would be 20."""

Handler = Callable[[Connection], object]


@dataclass(frozen=True)
class Row:
    """A fault, and what a user gets.

    Attributes:
        error: the class of what the turn ends in.
        answer, page: what plays the fault, in place of the one or the other.
        text: what is seen of the answer, and is kept on the error.
        cause: for an answer that broke off: the class of what broke it.
        says: words that are in the message.
        phase: of a timeout.
        kinds: the transports it applies to.
    """

    error: type
    answer: Handler | None = None
    page: Handler | None = None
    text: str = ""
    cause: type | None = None
    says: str = ""
    phase: str = ""
    timeout: Timeout = SILENCE
    kinds: tuple[str, ...] = BOTH


def stall(connection: Connection) -> None:
    connection.gone()


def then(*parts: bytes | Handler) -> Handler:
    """Sends bytes, and calls what is no bytes."""

    def play(connection: Connection) -> None:
        for part in parts:
            connection.send(part) if isinstance(part, bytes) else part(connection)

    return play


def close(connection: Connection) -> None:
    # An orderly end, after everything that was sent.
    connection.sock.shutdown(socket.SHUT_RDWR)


def reset(connection: Connection) -> None:
    connection.reset()


def forever(piece: bytes, pause: float = 0.0) -> Handler:
    def play(connection: Connection) -> None:
        while not connection.server.stopping.wait(pause):
            connection.send(piece)

    return play


def answered(data: bytes, *lines: str) -> Handler:
    """A whole answer of a streaming bot."""
    return then(body(data, STREAM, *lines))


def redirected(target: str, status: str = "302 Found") -> Handler:
    def play(connection: Connection) -> None:
        where = target.replace("PORT", str(connection.server.port))
        connection.send(body(b"", f"Location: {where}", status=status))

    return play


def in_pieces(connection: Connection) -> None:
    streamed(connection)
    connection.chunk(PARTS[1])
    connection.chunk(PARTS[2])
    connection.send(b"0\r\n\r\n")


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def bomb(start: bytes, megabytes: int = 256) -> bytes:
    """A gzip body that begins with `start` and unpacks to many zeros."""
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    # The blocks stand each for itself, so one packed will do.  Nobody gets to the checksum.
    return first + zeros * megabytes


def stored_brotli(data: bytes) -> bytes:
    """`data` in the shape of brotli (RFC 7932) without packing it: one stored block.

    Bits, lowest first: window 16 (`0`); not last (`0`), length in four nibbles (`00`), length - 1,
    stored (`1`); then an empty last block (`11`).
    """
    bits = (len(data) - 1) << 4 | 1 << 20
    return bits.to_bytes(3, "little") + data + b"\3"


HALF_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/ev"
CHUNKED = head(STREAM, "Transfer-Encoding: chunked")
PLAIN = head("Content-Type: text/html", "Connection: close")
MORE = delta("more ") * 50
Broke = StreamInterruptedError

ROWS: dict[str, Row] = {
    # No word of an answer: the message may have been heard, so it is not said again.
    "closed before the answer": Row(TransportError, close, says="before it answered"),
    "reset before the answer": Row(TransportError, reset),
    "stall before the headers": Row(RequestTimeout, stall, phase="read"),
    "stall inside the headers": Row(RequestTimeout, then(HALF_HEAD, stall), phase="read"),
    "closed inside the headers": Row(TransportError, then(HALF_HEAD, close)),
    "garbage instead of HTTP": Row(TransportError, then(b"220 mail.example ESMTP\r\n", close)),
    "endless headers": Row(
        ResponseTooLargeError, then(b"HTTP/1.1 200 OK\r\n", forever(b"X-Again: yes\r\n" * 50)),
        says="Limits.headers",
    ),
    "an endless header": Row(
        ResponseTooLargeError, then(b"HTTP/1.1 200 OK\r\nX: ", forever(b"y" * 4096)),
        says="Limits.headers",
    ),
    "endless interim responses": Row(
        ResponseTooLargeError, forever(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50),
        says="Limits.headers",
    ),
    "a trickle of headers": Row(
        RequestTimeout, then(b"HTTP/1.1 200 OK\r\nX: ", forever(b"y", 0.02)), phase="total",
        timeout=Timeout(5, 5, 0.4),
    ),
    "a redirected message": Row(UnexpectedStatusError, redirected("/elsewhere"), says="redirects"),
    "a message redirected with 307": Row(
        UnexpectedStatusError, redirected("/elsewhere", "307 Temporary Redirect"), says="redirects"
    ),
    "no content": Row(EmptyReplyError, then(head(status="204 No Content"))),
    # The answer has begun.
    "stall in the body": Row(Broke, then(streamed, stall), text="Hello ", cause=RequestTimeout),
    "a trickle that says nothing": Row(
        Broke, then(streamed, forever(b"2\r\n:\n\r\n", 0.02)), text="Hello ", cause=RequestTimeout,
        timeout=Timeout(5, 5, 0.4), says="total",
    ),
    "reset in the body": Row(Broke, then(streamed, reset), text="Hello ", cause=TransportError),
    "closed between chunks": Row(Broke, then(streamed, close), text="Hello ", cause=TransportError),
    "closed in mid-chunk": Row(
        Broke, then(streamed, b"ff\r\ndata: {", close), text="Hello ", cause=TransportError
    ),
    "a chunk size that is none": Row(
        Broke, then(streamed, b"what?\r\n", close), text="Hello ", cause=TransportError
    ),
    "the body ends too early": Row(
        Broke, then(CHUNKED, b"%x\r\n%s\r\n0\r\n\r\n" % (len(PARTS[0]), PARTS[0])), text="Hello ",
        cause=ChatGptEsError,
    ),
    "a connection that just ends": Row(
        Broke, then(head(STREAM, "Connection: close"), PARTS[0], close), text="Hello ",
        cause=ChatGptEsError,
    ),
    "Content-Length too long": Row(
        Broke, then(head(STREAM, length=9999), PARTS[0], close), text="Hello ", cause=TransportError
    ),
    "Content-Length too short": Row(
        Broke, then(head(STREAM, length=len(PARTS[0])), ANSWER, close), text="Hello ",
        cause=ChatGptEsError,
    ),
    "chunks without end": Row(
        Broke, then(streamed, forever(b"%x\r\n%s\r\n" % (len(MORE), MORE))),
        text="Hello ", cause=ResponseTooLargeError, says="Limits.stream",
    ),
    "comments without end": Row(
        Broke, then(streamed, forever(b"400\r\n" + b":\n" * 512 + b"\r\n")), text="Hello ",
        cause=ResponseTooLargeError, says="Limits.stream",
    ),
    "one event without end": Row(
        Broke, then(streamed, forever(b"400\r\n" + b"x" * 1024 + b"\r\n")), text="Hello ",
        cause=ResponseTooLargeError, says="Limits.event",
    ),
    "one plain answer without end": Row(
        ResponseTooLargeError,
        then(head("Content-Type: application/json"), b'{"data":"', forever(b"x" * 4096)),
        says="Limits.answer",
    ),
    "a bomb": Row(
        Broke, answered(bomb(PARTS[0]), "Content-Encoding: gzip"), text="Hello ",
        cause=ResponseTooLargeError, says="Limits.event", timeout=PATIENT,
    ),
    "a cut gzip": Row(
        Broke, then(head(STREAM, "Content-Encoding: gzip", length=999),
                    zipped(PARTS[0] + bytes(range(256)))[:-40], close),
        text="Hello ", cause=TransportError,
    ),
    "gzip that is none": Row(TransportError, answered(b"plainly not", "Content-Encoding: gzip")),
    "brotli that was not asked for": Row(
        TransportError, answered(stored_brotli(ANSWER), "Content-Encoding: br"),
        says="not asked for", kinds=("requests",),
    ),
    # Nothing is wrong with these.
    "in pieces": Row(Reply, in_pieces, text="Hello world"),
    "gzip": Row(Reply, answered(zipped(ANSWER), "Content-Encoding: gzip"), text="Hello world"),
    "deflate": Row(
        Reply, answered(zlib.compress(ANSWER), "Content-Encoding: deflate"), text="Hello world"
    ),
    "brotli": Row(
        Reply, answered(stored_brotli(ANSWER), "Content-Encoding: br"), text="Hello world",
        kinds=("curl_cffi",),
    ),
    "interim responses": Row(
        Reply, then(head(status="102 Processing"), head("Link: </a>", status="103 Early Hints"),
                    body(ANSWER, STREAM)), text="Hello world",
    ),
    # On the page.
    "a page cut off": Row(TransportError, page=then(head(length=9999), PAGE, close)),
    "a page that stalls": Row(
        RequestTimeout, page=then(head(length=9999), PAGE, stall), phase="read"
    ),
    "a page without end": Row(
        ResponseTooLargeError, page=then(PLAIN, forever(b"<p>" * 4096)), says="Limits.page"
    ),
    "a page that is a bomb": Row(
        ResponseTooLargeError, page=then(body(bomb(PAGE), "Content-Encoding: gzip")),
        says="Limits.page", timeout=PATIENT,
    ),
    "a page that is no HTTP": Row(TransportError, page=then(b"\x16\x03\x01 what?", close)),
    "a redirect loop": Row(UnexpectedStatusError, page=redirected("/"), says="circles"),
    "a redirect to another host": Row(
        UnexpectedStatusError, page=redirected("http://localhost:PORT/"), says="another site"
    ),
    "a redirect to another port": Row(
        UnexpectedStatusError, page=redirected("http://127.0.0.1:1/"), says="another site"
    ),
    "a redirect to no web address": Row(
        UnexpectedStatusError, page=redirected("ftp://127.0.0.1/"), says="another site"
    ),
}  # fmt: skip

CASES = [(kind, name) for name, row in ROWS.items() for kind in row.kinds]


def check(row: Row, result: Reply | ChatGptEsError, seen: str) -> None:
    """The class, the text so far, and what is promised of every error."""
    assert type(result) is row.error, repr(result)
    assert seen == row.text or (row.says == "Limits.stream" and seen.startswith(row.text))
    if isinstance(result, Reply):
        assert result.text == seen
        return
    told(result)
    if isinstance(result, StreamInterruptedError):
        assert result.partial == seen
        assert isinstance(result.__cause__, row.cause or ())
    if row.phase:
        assert getattr(result, "phase", None) == row.phase
    assert row.says in str(result), result


def told(error: ChatGptEsError) -> None:
    """A sentence of bearable length, with no secret in it."""
    message = str(error)
    assert 20 < len(message) < 700
    assert message.endswith((".", ")")), message
    assert NONCE not in repr(error) + str(error.url) + str(error.excerpt)


@MODES
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_fault(mode: str, kind: str, name: str) -> None:
    row = ROWS[name]
    faults: dict[str, Any] = {}
    if row.answer is not None:
        faults["answer"] = row.answer
    if row.page is not None:
        faults["page"] = row.page
    with site(**faults) as server:
        started = time.monotonic()
        result, seen = turn(
            mode, server.url, server.seen, transport=kind, timeout=row.timeout, limits=SMALL,
            retries=0,
        )  # fmt: skip
        assert time.monotonic() - started < PROMPTLY
        check(row, result, seen)
        assert server.prompts == (0 if row.page else 1)
        if name == "a redirect loop":
            assert len(server.heard) == 11


# Where no connection comes about.


@dataclass(frozen=True)
class Place:
    """An address where something is wrong, and how it is to be talked to."""

    url: str
    options: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def refusing() -> Iterator[Place]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # Bound, not listening.
        yield Place(f"http://127.0.0.1:{unused.getsockname()[1]}/")


@pytest.fixture
def black_hole() -> Iterator[Place]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]  # A full backlog neither takes nor refuses.
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield Place(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        for filler in fillers:
            filler.close()


@pytest.fixture
def no_name() -> Place:
    return Place("http://nowhere.invalid/")


def on_tls(context: ssl.SSLContext, **options: Any) -> Iterator[Place]:
    with site(tls=context) as server:
        yield Place(server.url, options)
        assert not server.heard


def context_of(certificate: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def wrong_name(authority: trustme.CA, ca_file: str) -> Iterator[Place]:
    yield from on_tls(context_of(authority.issue_cert("elsewhere.example")), verify=ca_file)


@pytest.fixture
def expired(authority: trustme.CA, ca_file: str) -> Iterator[Place]:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    yield from on_tls(
        context_of(authority.issue_cert("localhost", not_after=yesterday)), verify=ca_file
    )


@pytest.fixture
def self_signed(tmp_path: Path, ca_file: str) -> Iterator[Place]:
    yield from on_tls(self_signed_context(tmp_path / "own.pem"), verify=ca_file)


def self_signed_context(path: Path) -> ssl.SSLContext:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def unknown_authority(authority: trustme.CA) -> Iterator[Place]:
    yield from on_tls(context_of(authority.issue_cert("localhost")))


@pytest.fixture
def no_tls() -> Iterator[Place]:
    def handler(connection: Connection) -> None:
        connection.sock.recv(65536)
        connection.send(body(b"This port speaks http.", status="400 Bad Request"))

    with ChatServer(handler) as server:
        yield Place(server.url.replace("http:", "https:"))


@pytest.fixture
def silent_handshake() -> Iterator[Place]:
    with ChatServer(stall) as server:
        yield Place(server.url.replace("http:", "https:"))


@pytest.fixture
def proxy_away(refusing: Place) -> Place:
    return Place("http://site.invalid/", {"proxy": refusing.url.rstrip("/")})


@pytest.fixture
def proxy_silent(silent_handshake: Place) -> Place:
    proxy = silent_handshake.url.replace("https:", "http:").rstrip("/")
    return Place("https://site.invalid/", {"proxy": proxy})


NO_CONNECTION: dict[str, tuple[type, str]] = {
    "refusing": (ConnectError, "refused"),
    "black_hole": (RequestTimeout, "No connection"),
    "no_name": (ConnectError, "not found"),
    "wrong_name": (TLSError, "certificate"),
    "expired": (TLSError, "expired"),
    "self_signed": (TLSError, "certificate"),
    "unknown_authority": (TLSError, "certificate"),
    "no_tls": (TLSError, "handshake"),
    "silent_handshake": (RequestTimeout, "No connection"),
    "proxy_away": (ProxyError, "proxy"),
    "proxy_silent": (RequestTimeout, "No connection"),
}


@MODES
@KINDS
@pytest.mark.parametrize("where", NO_CONNECTION)
def test_no_connection(mode: str, kind: str, where: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(where)
    error, words = NO_CONNECTION[where]
    started = time.monotonic()
    result, seen = turn(
        mode, place.url, transport=kind, retries=0, timeout=SILENCE, **place.options
    )
    assert time.monotonic() - started < PROMPTLY
    assert (type(result), seen) == (error, ""), repr(result)
    assert words in str(result)
    assert isinstance(result, ChatGptEsError)
    told(result)
    if error is RequestTimeout:
        assert getattr(result, "phase", None) == "connect"


@MODES
@KINDS
def test_a_redirect_from_https_to_http(
    mode: str, kind: str, server_context: ssl.SSLContext, ca_file: str
) -> None:
    # To the very same host and port, so that nothing but the scheme is wrong.
    with site(page=redirected("http://localhost:PORT/"), tls=server_context) as server:
        result, _ = turn(mode, server.url, transport=kind, verify=ca_file, retries=0)
        assert type(result) is UnexpectedStatusError
        assert "step back from https" in str(result)
        assert server.accepted == 1


# HTTP/2, which only curl_cffi speaks.


def goes_away(conn: h2.connection.H2Connection, stream: int) -> None:
    conn.close_connection(h2.errors.ErrorCodes.NO_ERROR)


def goes_away_unheard(conn: h2.connection.H2Connection, stream: int) -> None:
    conn.close_connection(h2.errors.ErrorCodes.NO_ERROR, last_stream_id=stream - 2)


def resets(conn: h2.connection.H2Connection, stream: int) -> None:
    conn.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)


def refuses(conn: h2.connection.H2Connection, stream: int) -> None:
    conn.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)


def begins(conn: h2.connection.H2Connection, stream: int) -> None:
    conn.send_headers(stream, [(":status", "200"), ("content-type", "text/event-stream")])
    conn.send_data(stream, PARTS[0])


def begins_and(end: Any) -> Any:
    def answer(conn: h2.connection.H2Connection, stream: int) -> None:
        begins(conn, stream)
        end(conn, stream)

    return answer


HTTP2: dict[str, tuple[type, Any, str]] = {
    "GOAWAY before the answer": (TransportError, goes_away, ""),
    "GOAWAY that names no stream": (TransportError, goes_away_unheard, ""),
    "RST_STREAM before the answer": (TransportError, resets, ""),
    "REFUSED_STREAM": (TransportError, refuses, ""),
    "GOAWAY in the answer": (Broke, begins_and(goes_away), "Hello "),
    "RST_STREAM in the answer": (Broke, begins_and(resets), "Hello "),
    "a stall in the answer": (Broke, begins, "Hello "),
}


@MODES
@pytest.mark.parametrize("name", HTTP2)
def test_http2(mode: str, name: str, server_pem: Path, ca_file: str) -> None:
    error, answer, text = HTTP2[name]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_pem)
    context.set_alpn_protocols(["h2"])
    asked: list[int] = []

    def counted(conn: h2.connection.H2Connection, stream: int) -> None:
        asked.append(stream)
        answer(conn, stream)

    with h2_site(counted, context) as server:
        result, seen = turn(
            mode, server.url, transport="curl_cffi", verify=ca_file, timeout=SILENCE, retries=2
        )
    assert (type(result), seen) == (error, text), repr(result)
    assert isinstance(result, ChatGptEsError)
    told(result)
    assert len(asked) == 1  # Heard once, said once.


# Memory.


@KINDS
@pytest.mark.parametrize("where", ["page", "answer"])
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc")
def test_a_bomb_takes_no_memory(kind: str, where: str) -> None:
    data = body(bomb(b""), STREAM, "Content-Encoding: gzip")

    limits = Limits(page=8 << 20, answer=8 << 20, stream=8 << 20, event=8 << 20)
    with site(**{where: then(data)}) as server:
        # Once to load what is loaded once.
        turn("sync", server.url, transport=kind, limits=limits, retries=0)
        before = peak(reset=True)
        result, _ = turn("sync", server.url, transport=kind, limits=limits, retries=0)
        assert type(result) is ResponseTooLargeError
        # 256 MiB would come of it.
        assert peak() - before < 64 << 20


def peak(*, reset: bool = False) -> int:
    """The most memory that this process has had since the last reset, in bytes."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10
