"""What a site can put into a response to upset its client, and what Ctrl-C can."""

from __future__ import annotations

import traceback

import pytest
from servers import BOTH, Connection, Server, body, head
from wire import PAGE, STREAM, site

from chatgptes import ChatGptEsError, Client, RateLimitError, RefusedError, Timeout, TransportError

HTML = "Content-Type: text/html; charset=utf-8"


@BOTH
@pytest.mark.parametrize(
    "answer",
    [
        body(b"x", STREAM, "Content-Encoding: " + ",".join(["gzip"] * 3000)),
        body(b"&#" + b"1" * 5000 + b";", HTML, status="500 Internal Server Error"),
        body(b'{"status":"error","msg":"&#%s;"}' % (b"1" * 5000), "Content-Type: text/html"),
    ],
    ids=["codings", "entity in a page", "entity in words"],
)
def test_only_our_errors(kind: str, answer: bytes) -> None:
    with site(lambda connection: connection.send(answer)) as server:
        with Client(server.url, transport=kind, trust_env=False, retries=0) as client:
            with pytest.raises(ChatGptEsError):
                client.chat("Hi", timeout=20)


def test_a_wait_of_thousands_of_years() -> None:
    late = body(
        b"later",
        "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",
        status="429 Too Many Requests",
    )
    with site(lambda connection: connection.send(late)) as server:
        with Client(server.url, trust_env=False) as client:
            with pytest.raises(RateLimitError):
                client.chat("Hi", timeout=Timeout(total=60))
            # Without a total it is waited for: what matters is that the wait can begin, and end.
            stream = client.stream("Hi", timeout=Timeout(total=None))
            stream.running.turn.deadline.on_cancel(lambda: None)
            import threading

            threading.Timer(0.3, stream.running.turn.deadline.cancel).start()
            with pytest.raises(TransportError):
                list(stream)


@BOTH
def test_a_cookie_that_cannot_be_sent_back(kind: str) -> None:
    def page(connection: Connection) -> None:
        connection.send(body(PAGE, HTML, "Set-Cookie: bad=a\0b", "Set-Cookie: good=1"))

    with site(page=page) as server, Client(server.url, transport=kind, trust_env=False) as client:
        try:
            first = client.chat("Hi").text
        except TransportError:
            return  # libcurl takes no NUL in a header at all.
        assert first == client.chat("And now?").text
    assert server.heard[-1].header("cookie") == "good=1"


def test_cookies_do_not_pile_up() -> None:
    count = iter(range(10_000))

    def page(connection: Connection) -> None:
        sets = [f"Set-Cookie: c{next(count)}=1" for _ in range(60)]
        connection.send(body(PAGE, HTML, *sets))

    with site(page=page) as server, Client(server.url, trust_env=False) as client:
        for _ in range(6):
            client.core.session.keep(())
            client.bots()
        client.chat("Hi")
    sent = server.heard[-1].header("cookie") or ""
    assert sent.count("=") == 180
    assert "c359=" in sent


@BOTH
def test_switching_protocols_is_no_wait(kind: str) -> None:
    switch = head("Upgrade: other", "Connection: Upgrade", status="101 Switching Protocols")

    def answer(connection: Connection) -> None:
        connection.send(switch)
        connection.server.stopping.wait(30)

    with site(answer) as server:
        with Client(server.url, transport=kind, trust_env=False, retries=0) as client:
            with pytest.raises(ChatGptEsError) as caught:
                client.chat("Hi", timeout=Timeout(read=15, total=20))
    assert not isinstance(caught.value, TimeoutError)


def test_secrets_of_a_refusal_before_the_last_error() -> None:
    """Not in the cause, nor in what it came up in."""
    gets: list[int] = []

    def handler(connection: Connection) -> None:
        while (heard := connection.hear()) is not None:
            echo = (heard.header("x-token") or "").encode()
            if heard.method == "GET" and not gets:
                gets.append(1)
                connection.send(body(PAGE, HTML))
            else:
                status = "500 Broken" if heard.method == "GET" else "403 Forbidden"
                connection.send(body(b"<p>" + echo + b"</p>", HTML, status=status))

    with Server(handler) as server:
        client = Client(server.url, headers={"X-Token": 's3cr/et"ä'}, trust_env=False, retries=0)
        with client, pytest.raises(RefusedError) as caught:
            client.chat("Hi")
    assert caught.value.__cause__ is not None
    seen = "".join(traceback.format_exception(caught.value))
    each: BaseException | None = caught.value
    while each is not None:
        seen += f"{each!r} {getattr(each, 'excerpt', '')}"
        each = each.__cause__ or each.__context__
    assert "s3cr" not in seen
