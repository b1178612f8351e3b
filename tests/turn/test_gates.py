"""A bot check ends the turn at once: nothing is repeated, nothing else is tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from servers import Connection, body
from wire import STREAM, site, turn

from chatgptes import ChallengeError, Client
from chatgptes.sandbox import Site

KINDS = pytest.mark.parametrize("kind", ["requests", "curl_cffi"])
HTML = "Content-Type: text/html; charset=utf-8"
RETRIES = 5


def waiting_room(title: str = "Just a moment...", script: str = "") -> bytes:
    text = f"<!doctype html><html><head><title>{title}</title></head><body>{script}</body></html>"
    return text.encode()


def gate(data: bytes, *lines: str, status: str = "200 OK") -> Callable[[Connection], None]:
    return lambda connection: connection.send(body(data, *lines, status=status))


PAGES = {
    "403, said in a header": gate(
        b"<html></html>", HTML, "CF-Mitigated: challenge", status="403 Forbidden"
    ),
    "503, told by its title": gate(waiting_room(), HTML, status="503 Service Unavailable"),
    # Not a rate limit, whatever its status and Retry-After say.
    "429, told by its title": gate(
        waiting_room(), HTML, "Retry-After: 0", status="429 Too Many Requests"
    ),
    "403, told by a widget": gate(
        waiting_room("Access", '<div class="h-captcha"></div>'), HTML, status="403 Forbidden"
    ),
    "200": gate(waiting_room("Wait", "<script>window._cf_chl_opt={}</script>"), HTML),
}
ANSWERS = {
    **PAGES,
    "200 under a stream's type": gate(waiting_room("W", "<script>_cf_chl_opt={}</script>"), STREAM),
    "a box to tick": gate(b'{"success":false,"data":"Tick the box, please."}'),
    "a box to tick, as an answer": gate(
        '{"status":"success","data":"Du musst das Kästchen anklicken!"}'.encode()
    ),
    "a token that is wanted": gate(b'data: {"error":"Not yet.","ts_required":true}\n\n', STREAM),
    "a token that is wanted, 403": gate(
        b'{"error":"Not yet.","ts_required":true}', status="403 Forbidden"
    ),
}


def told(error: object) -> None:
    """What a user may do is said; that anything was or will be tried is not."""
    assert type(error) is ChallengeError
    words = str(error)
    for way in ("does not try to get past it", "owner", "api_key=", "another site"):
        assert way in words


@KINDS
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("shape", PAGES)
def test_before_the_page(mode: str, kind: str, shape: str) -> None:
    with site(page=PAGES[shape]) as server:
        error, _ = turn(mode, server.url, transport=kind, retries=RETRIES, timeout=20)
        assert len(server.heard) == server.accepted == 1
    told(error)


@KINDS
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("shape", ANSWERS)
def test_before_the_answer(mode: str, kind: str, shape: str) -> None:
    with site(answer=ANSWERS[shape]) as server:
        error, seen = turn(mode, server.url, transport=kind, retries=RETRIES, timeout=20)
        assert [heard.method for heard in server.heard] == ["GET", "POST"]
        agents = {heard.header("user-agent") for heard in server.heard}
        assert len(agents) == 1
    told(error)
    assert seen == ""


@KINDS
@pytest.mark.parametrize(
    ("fault", "requests"),
    [("cache-challenge", 1), ("cache-challenge-bare", 1), ("cache-challenge-ok", 1),
     ("challenge", 2), ("challenge-bare", 2), ("challenge-ok", 2), ("ts-required", 2)],
)  # fmt: skip
def test_on_a_site_of_the_new_generation(site: Site, kind: str, fault: str, requests: int) -> None:
    site.next(fault)
    with Client(site.url, transport=kind, retries=RETRIES, trust_env=False) as client:  # type: ignore[arg-type]
        with pytest.raises(ChallengeError) as caught:
            client.chat("Hello")
        told(caught.value)
        assert len(site.requests) == 1 + requests
        assert not site.messages or fault == "ts-required"
        # The gate is open: the same client goes on.
        assert client.chat("Hello").text


@KINDS
@pytest.mark.parametrize("fault", ["challenge", "challenge-bare", "challenge-ok"])
def test_before_the_owners_api(site: Site, kind: str, fault: str) -> None:
    site.next(fault)
    options = {"api_key": site.api_key, "bot": site.rest_bot, "transport": kind}
    with Client(site.api_root, retries=RETRIES, trust_env=False, **options) as client:  # type: ignore[arg-type]
        with pytest.raises(ChallengeError):
            client.chat("Hello")
        assert len(site.requests) == 2  # The first asks which plugin it is, without the key.
