"""The core against small servers that say what the sandbox would not."""

from __future__ import annotations

import base64
import re
import threading
import time
from typing import Any

import pytest
from servers import BOTH, Connection, Server, body, head
from wire import ANSWER, PAGE, STREAM, delta, site, streamed

from chatgptes import (
    ChallengeError,
    ChatGptEsError,
    Client,
    InvalidConfigError,
    RateLimitError,
    RefusedError,
    RequestTimeout,
    StreamInterruptedError,
    Timeout,
    TransportError,
    TurnCancelled,
)
from chatgptes.sandbox import Site

AIPKIT = (
    b'<i class="aipkit_chat_container" data-config=\'{"botId":5,"nonce":"0123456789",'
    b'"postId":1,"ajaxUrl":"/wp-admin/admin-ajax.php"}\'></i>'
)
HTML = "Content-Type: text/html; charset=utf-8"
JSON = "Content-Type: application/json"
REFUSED = body(
    b'{"success":false,"data":{"message":"Words of the site.","code":"nonce_failure_cache_sse"}}',
    JSON,
    status="403 Forbidden",
)


def aipkit(refresh: bytes, page_again: bytes) -> Server:
    """Refuses every message, answers the nonce action with `refresh`."""
    pages: list[int] = []

    def handler(connection: Connection) -> None:
        while (heard := connection.hear()) is not None:
            if heard.method == "GET":
                pages.append(1)
                connection.send(body(AIPKIT, HTML) if len(pages) == 1 else page_again)
            elif b"aipkit_get_frontend_chat_nonce" in heard.body:
                connection.send(refresh)
            else:
                connection.send(REFUSED)

    return Server(handler)


def test_a_gate_before_the_nonce_ends_the_turn() -> None:
    gate = body(b"<html>wait</html>", HTML, "cf-mitigated: challenge", status="403 Forbidden")
    with aipkit(gate, body(AIPKIT, HTML)) as server, Client(server.url) as client:
        with pytest.raises(ChallengeError):
            client.chat("Hi")
    assert [heard.method for heard in server.heard] == ["GET", "POST", "POST"]


def test_a_rate_limit_before_the_nonce_is_told() -> None:
    slow = body(b"slow", "Retry-After: 4000", status="429 Too Many Requests")
    with aipkit(slow, body(AIPKIT, HTML)) as server, Client(server.url, timeout=5) as client:
        with pytest.raises(RateLimitError) as caught:
            client.chat("Hi")
    assert caught.value.retry_after == 4000
    assert len(server.heard) == 3


def test_the_sites_words_outlive_a_failed_refresh() -> None:
    busy = body(b"<html>busy</html>", HTML, status="500 Internal Server Error")
    with aipkit(body(b"0", HTML, status="400 Bad Request"), busy) as server:
        with Client(server.url, retries=0) as client, pytest.raises(RefusedError) as caught:
            client.chat("Hi")
    assert "Words of the site." in str(caught.value)
    assert isinstance(caught.value.__cause__, ChatGptEsError)


@BOTH
def test_addresses_of_a_redirect(kind: str) -> None:
    """Not its user and password; and UTF-8 as it stands there."""
    paths: list[str] = []

    def handler(connection: Connection) -> None:
        while (heard := connection.hear()) is not None:
            paths.append(heard.target)
            if heard.target == "/":
                location = f"http://eve:pw@127.0.0.1:{connection.server.port}/чат/".encode()
                connection.send(
                    b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
                    + location
                    + b"\r\n\r\n"
                )
            elif heard.method == "GET":
                connection.send(body(PAGE, HTML))
            else:
                connection.send(body(ANSWER, STREAM))

    with Server(handler) as server, Client(server.url, transport=kind) as client:
        assert client.chat("Hi").text == "Hello world"
        assert "pw" not in repr(client.bots())
    assert paths[1] == "/%D1%87%D0%B0%D1%82/"
    assert not any("authorization" in heard.headers for heard in server.heard)


@BOTH
def test_a_site_with_a_path_in_another_script(kind: str) -> None:
    with site() as server, Client(f"{server.url}чат/?q=ä", transport=kind) as client:
        assert client.chat("Hi").text == "Hello world"
    assert server.heard[0].target == "/%D1%87%D0%B0%D1%82/?q=%C3%A4"


def test_a_host_that_reads_two_ways() -> None:
    with pytest.raises(InvalidConfigError, match="xn--"):
        Client("https://straße.example/")
    assert Client("https://münchen.example/").site == "https://xn--mnchen-3ya.example/"


def test_impatience_of_one_is_not_everybodys() -> None:
    """A short read limit of whoever reads the page first fails that one only."""
    waiting = threading.Event()
    go_on = threading.Event()

    def page(connection: Connection) -> None:
        waiting.set()
        go_on.wait(20)
        connection.send(body(PAGE, HTML))

    with site(page=page) as server, Client(server.url, retries=0) as client:
        errors: list[Exception] = []

        def hurry() -> None:
            try:
                client.bots(timeout=Timeout(5, 0.3, 10))
            except RequestTimeout as error:
                errors.append(error)
                go_on.set()

        first = threading.Thread(target=hurry)
        first.start()
        assert waiting.wait(10)
        assert len(client.bots()) == 1
        first.join(10)
        assert len(errors) == 1


def test_close_ends_bots_too() -> None:
    asked = threading.Event()

    def page(connection: Connection) -> None:
        asked.set()
        connection.server.stopping.wait(30)

    with site(page=page) as server:
        client = Client(server.url)
        threading.Timer(0.0, lambda: (asked.wait(10), client.close())).start()
        started = time.monotonic()
        with pytest.raises(TurnCancelled):
            client.bots()
        assert time.monotonic() - started < 20


class Failing:
    """A user's transport, whose faults are its own."""

    def __init__(self, error: BaseException, after: bytes = b"") -> None:
        self.error = error
        self.after = after

    def send(self, request: Any, deadline: Any) -> Any:
        from chatgptes import Headers

        transport = self

        class Answer:
            status = 200
            url = request.url
            headers = Headers({"content-type": "text/event-stream"})

            def __iter__(self) -> Any:
                if request.method == "GET":
                    yield PAGE
                    return
                if transport.after:
                    yield transport.after
                raise transport.error

            def close(self) -> None: ...

        return Answer()

    def close(self) -> None: ...


def test_a_transports_own_errors_are_put_into_ours() -> None:
    client = Client("http://a.example", transport=Failing(ConnectionResetError("gone")))
    with pytest.raises(TransportError, match="ConnectionResetError"):
        client.chat("Hi")
    client = Client("http://a.example", transport=Failing(BrokenPipeError("x"), delta("text")))
    with pytest.raises(StreamInterruptedError) as caught:
        client.chat("Hi")
    assert caught.value.partial == "text"
    assert isinstance(caught.value.__cause__, TransportError)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_a_stream_that_something_else_ended_says_so(error: BaseException) -> None:
    client = Client("http://a.example", transport=Failing(error, delta("text")))
    stream = client.stream("Hi")
    assert next(stream) == "text"
    with pytest.raises(type(error)):
        next(stream)
    with pytest.raises(StreamInterruptedError, match=type(error).__name__):
        next(stream)  # It must not end as if it were whole.
    assert list(stream) == []
    assert "failed" in repr(stream)
    with pytest.raises(ChatGptEsError, match=type(error).__name__):
        _ = stream.reply
    permits = [client.core.limiter.request("me") for _ in range(client.core.limiter.count)]
    assert all(permit.signal.is_set for permit in permits)


def test_a_stream_whose_client_was_closed_between_two_chunks_says_so_once() -> None:
    client = Client("http://a.example", transport=Failing(ZeroDivisionError(), delta("text")))
    stream = client.stream("Hi")
    assert next(stream) == "text"
    client.close()
    with pytest.raises(StreamInterruptedError) as caught:
        next(stream)
    assert isinstance(caught.value.__cause__, TurnCancelled)
    assert list(stream) == []
    with pytest.raises(StreamInterruptedError):
        _ = stream.reply


@BOTH
def test_text_in_an_unfinished_event_is_not_lost(kind: str) -> None:
    """The connection breaks behind a whole line, before the blank one that ends the event."""

    def answer(connection: Connection) -> None:
        streamed(connection)
        connection.chunk(delta("there").rstrip(b"\n") + b"\n")
        connection.sock.close()

    with site(answer) as server, Client(server.url, transport=kind) as client:
        stream = client.stream("Hi")
        with pytest.raises(StreamInterruptedError) as caught:
            for _ in stream:
                server.seen.set()
    assert caught.value.partial == "Hello there"


def test_a_page_that_is_too_large() -> None:
    from chatgptes import Limits, ResponseTooLargeError

    def page(connection: Connection) -> None:
        connection.send(head(HTML, "Transfer-Encoding: chunked"))
        while not connection.server.stopping.is_set():
            connection.chunk(b"<p>" * 4096)

    with site(page=page) as server, Client(server.url, limits=Limits(page=100_000)) as client:
        with pytest.raises(ResponseTooLargeError, match=r"Limits\.page"):
            client.bots()


def test_a_failure_without_end_is_cut_short() -> None:
    def page(connection: Connection) -> None:
        connection.send(head(HTML, "Transfer-Encoding: chunked", status="404 Not Found"))
        while not connection.server.stopping.is_set():
            connection.chunk(b"<p>" * 4096)

    with site(page=page) as server, Client(server.url, retries=0) as client:
        with pytest.raises(ChatGptEsError, match="404"):
            client.bots()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"retries": 10**400}, "retries"),
        ({"retries": 10**7}, "to 1,000,000"),
        ({"min_interval": 10**400}, "min_interval"),
        ({"api_key": "kéy", "bot": 5}, "api_key"),
        ({"api_key": "key", "bot": 5, "headers": {"Authorization": "x"}}, "Authorization"),
        ({"site": f"https://{'a' * 64}.org/"}, "host"),
        ({"site": "https://a..b/"}, "host"),
    ],
)
def test_more_arguments_that_cannot_be_used(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfigError, match=re.escape(words)):
        Client(**{"site": "https://example.org", **arguments})


@pytest.mark.parametrize("wrong", [[], 5, b"x", object()])
def test_a_conversation_goes_on_from_a_dict_or_a_path(wrong: Any) -> None:
    with pytest.raises(InvalidConfigError, match="dict or the path"):
        Client("https://example.org").conversation(wrong)


def test_basic_password_does_not_show_when_the_site_says_it(site: Site) -> None:
    """Nor in the form in which it was sent."""
    token = base64.b64encode(b"visitor:hunter22").decode()
    url = site.page("http-404" if "http-404" in site.pages else "not-found")
    with Client(url.replace("://", "://visitor:hunter22@"), retries=0) as client:
        error = ChatGptEsError(f"It said: hunter22 and {token}", excerpt=f"x {token} y")
        client.core.finish_error(error)
    assert "hunter22" not in str(error)
    assert token not in f"{error} {error.excerpt}"


def test_next_turn_of_a_conversation_sees_the_one_before() -> None:
    """Whoever waits for the conversation's turn finds it noted down."""
    with Site() as local, Client(local.page("classic"), max_concurrency=8) as client:
        for _ in range(20):
            talk = client.conversation()
            threads = [threading.Thread(target=talk.chat, args=(f"t{i}",)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert len(talk.messages) == 8
            assert [len(asked) for asked in local.messages[-4:]][-1] >= 7
