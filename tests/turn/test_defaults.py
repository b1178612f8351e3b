"""The defaults that the documentation promises, and what is never sent again."""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path
from typing import Any

import pytest
from by_hand import ByHand, Canned, core
from servers import BOTH, Connection, Server
from test_take import aipkit_page, key, wpaicg_answer, wpaicg_page
from wire import turn

from chatgptes import (
    ChatGptEsError,
    Client,
    ConnectError,
    InvalidConfigError,
    Limits,
    ProxyError,
    RequestTimeout,
    Timeout,
    TLSError,
    TransportError,
    TurnCancelled,
    UnexpectedStatusError,
)
from chatgptes.turn import sending
from chatgptes.turn.config import Config
from chatgptes.turn.guard import default_site
from chatgptes.turn.take import new_turn
from chatgptes.values.http import Request

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_limits_of_time() -> None:
    assert dataclasses.astuple(Timeout()) == (10.0, 60.0, 300.0)
    assert "`Timeout(connect=10, read=60, total=300)`" in (DOCS / "robustness.md").read_text()
    client = Client("http://site.test/", transport="requests")
    assert client.timeout == Timeout(10, 60, 300)
    client.close()


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("prompt", 1_000_000, "1,000,000 characters"),
        ("image", 10 * 1024 * 1024, None),
        ("page", 16 * 1024 * 1024, "16 MiB"),
        ("answer", 16 * 1024 * 1024, "16 MiB"),
        ("stream", 64 * 1024 * 1024, "64 MiB"),
        ("event", 4 * 1024 * 1024, "4 MiB"),
        ("headers", 256 * 1024, "256 KiB"),
    ],
)
def test_the_limits_of_sizes(name: str, value: int, written: str | None) -> None:
    assert getattr(Limits(), name) == value
    if written:
        assert f"| `{name}` | {written} |" in (DOCS / "robustness.md").read_text()


def test_a_clients_numbers() -> None:
    config = core().config
    assert (config.retries, config.max_concurrency, config.min_interval) == (2, 4, 0.0)
    assert "`Client(retries=2)`" in (DOCS / "robustness.md").read_text()
    options = config.transport_options()
    assert (options["transport"], options["impersonate"]) == ("auto", "chrome")
    assert (options["verify"], options["trust_env"], options["proxy"]) == (True, True, None)
    assert options["max_headers"] == 256 * 1024
    assert core(retries=0, max_concurrency=1).config.retries == 0
    for wrong in ({"retries": -1}, {"max_concurrency": 0}, {"min_interval": -0.1}):
        with pytest.raises(InvalidConfigError):
            core(**wrong)


def test_the_default_site_and_another_in_its_place() -> None:
    config = Config.of({})
    assert (config.site, config.is_default) == ("https://chatgpt.es/", True)
    assert config.system is not None
    with default_site("http://one.test/"):
        with default_site("http://two.test/"):
            config = Config.of({"site": "https://www.chatgpt.es"})
            assert (config.site, config.is_default) == ("http://two.test/", False)
            assert config.system is None
        assert Config.of({}).site == "http://one.test/"
        assert Config.of({"site": "http://site.test/"}).site == "http://site.test/"
    assert Config.of({}).site == "https://chatgpt.es/"


def test_the_numbers_of_retries_and_redirects() -> None:
    assert (sending.FIRST_DELAY, sending.LONGEST_DELAY, sending.LATE) == (0.5, 8.0, 0.25)
    assert sending.MAX_REDIRECTS == 10
    assert {502, 503, 504} == sending.BUSY
    assert {301, 302, 303, 307, 308} == sending.REDIRECTS
    assert sending.ERROR_BODY == 64 * 1024


def test_waits_double_from_half_a_second_to_eight() -> None:
    waits = []
    for _ in range(20):
        hand = ByHand([*(Canned(503) for _ in range(7)), wpaicg_page(), wpaicg_answer("yes")])
        hand.take(new_turn(core(retries=7, timeout=10_000), "Hello", {}).take("me"))
        waits.append(hand.waits)
    for number, most in enumerate((0.5, 1, 2, 4, 8, 8, 8)):
        seen = [wait[number] or 0 for wait in waits]
        assert all(most / 2 <= each <= most for each in seen)
        assert max(seen) - min(seen) > most / 20  # Jitter.


@pytest.mark.parametrize("redirects", [10, 11])
def test_how_many_redirects(redirects: int) -> None:
    moved = [Canned(302, {"location": f"/{number}/"}) for number in range(redirects)]
    hand = ByHand([*moved, wpaicg_page(), wpaicg_answer("yes")])
    steps = new_turn(core(), "Hello", {}).take("me")
    if redirects == 10:
        assert hand.take(steps).text == "yes"
    else:
        with pytest.raises(UnexpectedStatusError, match="circles"):
            hand.take(steps)


# What is never sent again.


NEVER = [
    TLSError("The certificate is not trusted."),
    ProxyError("The proxy refused."),
    TurnCancelled("The turn was cancelled."),
]
REQUESTS: dict[str, list[Any]] = {
    "the page": [],
    "a message": [wpaicg_page()],
    "the first step": [aipkit_page()],
    "the second step": [aipkit_page(), key()],
}


@pytest.mark.parametrize("error", NEVER, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", REQUESTS)
def test_never_sent_again(name: str, error: ChatGptEsError) -> None:
    before = [Canned(each.status, dict(each.headers), list(each.body)) for each in REQUESTS[name]]
    hand = ByHand([*before, error, wpaicg_page(), wpaicg_page(), wpaicg_page()])
    with pytest.raises(type(error)):
        hand.take(new_turn(core(retries=5), "Hello", {}).take("me"))
    assert len(hand.requests) == len(before) + 1
    assert hand.waits == []


@pytest.mark.parametrize(
    ("error", "repeatable", "message"),
    [
        (ConnectError("x"), True, True),
        (RequestTimeout("x", phase="connect"), True, True),
        (RequestTimeout("x", phase="read"), False, False),
        (RequestTimeout("x", phase="total"), False, False),
        (TransportError("x"), True, False),
        (TLSError("x"), False, False),
        (ProxyError("x"), False, False),
        (TurnCancelled("x"), False, False),
        (UnexpectedStatusError("x", status=502), True, False),
        (UnexpectedStatusError("x", status=503), True, False),
        (UnexpectedStatusError("x", status=504), True, False),
        (UnexpectedStatusError("x", status=500), False, False),
        (UnexpectedStatusError("x", status=404), False, False),
    ],
)
def test_what_may_be_sent_again(error: ChatGptEsError, repeatable: bool, message: bool) -> None:
    page = Request("GET", "http://site.test/")
    posted = Request("POST", "http://site.test/", {}, b"x", repeatable=False)
    assert page.repeatable
    assert sending.may_retry(error, page) is repeatable
    assert sending.may_retry(error, posted) is message


@BOTH
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_certificate_is_looked_at_once(
    mode: str, kind: str, server_context: ssl.SSLContext
) -> None:
    with Server(lambda connection: connection.hear(), server_context) as server:
        error, _ = turn(mode, server.url, transport=kind, retries=5, timeout=20)
        assert isinstance(error, TLSError)
        assert server.accepted == 1


@BOTH
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_proxy_is_asked_once(mode: str, kind: str) -> None:
    def refuse(connection: Connection) -> None:
        connection.hear()
        connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with Server(refuse) as proxy:
        error, _ = turn(
            mode, "https://site.invalid/", transport=kind, retries=5, timeout=20, proxy=proxy.url
        )
        assert isinstance(error, ProxyError)
        assert proxy.accepted == 1
