"""Whatever a site sends, a turn ends in a reply or in one of our errors, and soon.

The pure decoders have their own property tests; here the bytes come over a socket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from servers import Connection, body, head
from wire import ANSWER, PAGE, PARTS, ChatServer, site

from chatgptes import ChatGptEsError, Client, Limits, Reply, Timeout

MANY = settings(
    max_examples=40, deadline=None, print_blob=False, suppress_health_check=list(HealthCheck)
)
CONFIG = json.dumps({"botId": 5, "ajaxUrl": "/wp-admin/admin-ajax.php", "nonce": "n0nce"})
AIPKIT_PAGE = f"<div class='aipkit_chat_container' data-config='{CONFIG}'></div>".encode()
REST_ANSWER = b'{"reply":"Yes","usage":{"input_tokens":1},"bot_id":"5","model":"m"}'
TYPES = st.sampled_from(
    ["text/event-stream", "application/json", "text/html; charset=latin-1", "text/html", "", "x/ü"]
)


def spoilt(*good: bytes) -> st.SearchStrategy[bytes]:
    """Bytes of any kind, and good answers that were cut, doubled and mixed with them."""
    noise = st.binary(max_size=60) | st.sampled_from(
        [b"\n\n", b"\r", b'"', b"{", b"}", b"[" * 500, b"null", b"\xff", b"\0", b"data: ", b"<",
         b"event: error\n", b'{"error":', b"\xef\xbb\xbf", b"[DONE]", b"&#x110000;", b'{"data":[]}']
    )  # fmt: skip
    piece = st.builds(
        lambda data, start, end: data[min(start, end) : max(start, end)],
        st.sampled_from(good), st.integers(0, 400), st.integers(0, 400),
    )  # fmt: skip
    return st.lists(noise | piece | st.sampled_from(good), max_size=6).map(b"".join)


class Fuzzed:
    """A site that answers what it was told to, and its client."""

    def __init__(self, kind: str) -> None:
        self.page = self.answer = b""
        self.server: ChatServer = site(
            lambda connection: self._send(connection, self.answer),
            lambda connection: self._send(connection, self.page),
        )
        self.options: dict[str, Any] = {
            "transport": kind, "trust_env": False, "retries": 0,
            "timeout": Timeout(connect=5, read=0.5, total=5), "limits": Limits(event=10_000),
        }  # fmt: skip

    @staticmethod
    def _send(connection: Connection, data: bytes) -> None:
        connection.send(data)
        if b"content-length" not in data.lower():
            connection.sock.shutdown(1)

    def turn(self, **options: Any) -> None:
        """A turn that may end in any way but a wrong one."""
        with Client(self.server.url, **self.options, **options) as client:
            try:
                reply = client.chat("Hello")
            except ChatGptEsError as error:
                str(error).encode()
                return
        assert isinstance(reply, Reply)
        assert reply.text
        json.dumps(reply.text).encode()


@pytest.fixture(scope="module", params=["requests", "curl_cffi"])
def fuzzed(request: pytest.FixtureRequest) -> Iterator[Fuzzed]:
    fuzzed = Fuzzed(request.param)
    with fuzzed.server:
        yield fuzzed


@given(data=spoilt(PAGE, AIPKIT_PAGE), kind=TYPES)
@MANY
def test_pages(fuzzed: Fuzzed, data: bytes, kind: str) -> None:
    fuzzed.page, fuzzed.answer = body(data, f"Content-Type: {kind}"), body(ANSWER)
    fuzzed.turn()


@given(data=spoilt(*PARTS, ANSWER), kind=TYPES, aipkit=st.booleans())
@MANY
def test_answers(fuzzed: Fuzzed, data: bytes, kind: str, aipkit: bool) -> None:
    fuzzed.page = body(AIPKIT_PAGE if aipkit else PAGE)
    fuzzed.answer = body(data, f"Content-Type: {kind}")
    fuzzed.turn()


@given(data=spoilt(REST_ANSWER), kind=TYPES, status=st.integers(200, 599))
@example(data=b'{"reply":"\\ud800"}', kind="application/json", status=200)
@MANY
def test_rest(fuzzed: Fuzzed, data: bytes, kind: str, status: int) -> None:
    fuzzed.page = body(b"")
    fuzzed.answer = body(data, f"Content-Type: {kind}", status=f"{status} Whatever")
    fuzzed.turn(api_key="a-key-of-ours", bot=5)


@given(data=spoilt(head(length=5), body(ANSWER), head("Transfer-Encoding: chunked") + b"5\r\n"))
@MANY
def test_http(fuzzed: Fuzzed, data: bytes) -> None:
    fuzzed.page, fuzzed.answer = body(PAGE), data
    fuzzed.turn()


def test_the_fuzzed_site_can_answer_well(fuzzed: Fuzzed) -> None:
    fuzzed.page, fuzzed.answer = body(PAGE), body(ANSWER, "Content-Type: text/event-stream")
    with Client(fuzzed.server.url, **fuzzed.options) as client:
        assert client.chat("Hello").text == "Hello world"
