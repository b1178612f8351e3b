"""Challenges, statuses and a site's own words: `challenge.py`, `errors.py`, `text.py`."""

from __future__ import annotations

import json
import pickle
import time

import pytest
from hearing import URL, decode, page_of, question_for
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgptes.errors import (
    ChatGptEsError,
    RateLimitError,
    ResponseTooLargeError,
    UnexpectedFormatError,
    UnexpectedStatusError,
)
from chatgptes.sites.addresses import require_same_site
from chatgptes.sites.aipower import AIPKIT, REST, WPAICG
from chatgptes.sites.challenge import challenge_error, gate_error, is_gate
from chatgptes.sites.dialect import BufferedResponse, NonceRefused
from chatgptes.sites.errors import elsewhere, error_for_page, error_for_status
from chatgptes.sites.response import make_error, retry_after
from chatgptes.sites.sse import EventDecoder
from chatgptes.sites.text import (
    clean_text,
    excerpt,
    object_end,
    parse_json,
    quote_suffix,
    site_said,
    without_surrogates,
)
from chatgptes.values.http import Headers, Limits
from chatgptes.values.urls import redact

HTML = {"Content-Type": "text/html; charset=UTF-8"}
UNTIL = "Wed, 21 Oct 2015 07:28:00 GMT"
NORMAL_PAGE = (
    b"<!doctype html><title>My site</title><script src='/cdn-cgi/challenge-platform/scripts/jsd/"
    b"main.js'></script><script>window.__CF$cv$params={}</script><div class='cf-turnstile'></div>"
    b"<script src='https://challenges.cloudflare.com/turnstile/v0/api.js'></script>"
)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, {"cf-mitigated": "challenge"}, b""),
        (200, {"cf-mitigated": "challenge"}, b""),
        (202, {"x-amzn-waf-action": "challenge"}, b""),
        (403, HTML, b"<title>Just a moment...</title>"),
        (503, HTML, b"<script>window._cf_chl_opt={}</script>"),
        (429, HTML, b"<div class='cf-turnstile'>"),
        (403, {}, b"\n<!DOCTYPE html><div class='g-recaptcha'>"),
        (200, HTML, b"<title>Just a moment...</title>"),
        (200, HTML, b"<script>window._cf_chl_opt={}</script>"),
    ],
)
def test_a_challenge_is_known(status: int, headers: dict[str, str], body: bytes) -> None:
    error = challenge_error(
        page_of(body, status, "https://u:p@a.test/?nonce=secret", headers.items())
    )
    assert error is not None
    assert (error.status, error.url) == (status, redact("https://u:p@a.test/?nonce=secret"))
    assert "api_key" in str(error)
    assert "owner" in str(error)
    assert "another site" in str(error)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, HTML, NORMAL_PAGE),
        (200, HTML, b"<p>Just a moment, please</p>"),
        (404, HTML, NORMAL_PAGE),
        (500, HTML, b"<title>Just a moment</title>"),
        (403, HTML, b"The link has expired."),
        (403, {"Content-Type": "application/json"}, b'{"x":"cf-turnstile"}'),
        (429, {"Content-Type": "application/json"}, b"{}"),
        (403, {}, b""),
    ],
)
def test_what_is_no_challenge_error(status: int, headers: dict[str, str], body: bytes) -> None:
    assert challenge_error(page_of(body, status, headers=headers.items())) is None


def test_gates_are_known_by_key_shape_or_sentence() -> None:
    assert is_gate({"ts_required": True, "error": "x"})
    assert is_gate({"data": " Du musst das Kästchen anklicken! "})
    assert is_gate({"success": False, "data": "Tick"}, plain=True)
    assert not is_gate({"success": False, "data": "Tick"})
    assert not is_gate({"success": False, "data": {"message": "x"}}, plain=True)
    assert not is_gate({"success": True, "data": "x"}, plain=True)
    assert not is_gate({"ts_required": False})
    error = gate_error(
        {"data": " Du musst das Kästchen anklicken! "}, page_of(b"", url="https://a.test/?nonce=1")
    )
    assert error is not None
    assert "Kästchen" in str(error)
    assert error.url == redact("https://a.test/?nonce=1")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": UNTIL, "Date": "Wed, 21 Oct 2015 07:27:30 GMT"}, 30.0),
        ({"Retry-After": UNTIL, "Date": "Wed, 21 Oct 2015 07:29:00 GMT"}, 0.0),
        ({"Retry-After": UNTIL}, 60.0),
        ({"Retry-After": UNTIL, "Date": "soon"}, 60.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "9" * 400}, 1e9),
        ({"Retry-After": "99999999999"}, 1e9),
        ({"Retry-After": "60;x"}, 60.0),
        ({"Retry-After": "60, 120"}, 60.0),
        ({"Retry-After": "60 minutes"}, None),
        ({"Retry-After": "2015-10-21T07:28:00Z"}, None),
        ({"Retry-After": "1" * 5 + "-"}, None),
        ({"Retry-After": "Sun, 06 Nov 9994 08:49:37 GMT"}, 1e9),
        ({"Retry-After": "Wed, 99 Oct 99999 07:28:00 GMT"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_retry_after(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after(Headers(headers), now=1445412420.0) == wait


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_retry_after_is_a_number_or_none(value: str, date: str) -> None:
    wait = retry_after(Headers({"Retry-After": value, "Date": date}))
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("status", "quoted", "says"),
    [
        (299, True, "refused the request with status 299"), (302, False, "redirects messages"),
        (399, False, "redirects messages"), (400, True, "refused the request with status 400"),
        (401, False, "user name and password"), (404, False, "nothing at"),
        (413, False, "larger than the site takes"), (429, False, "wants fewer requests"),
        (499, True, "refused the request with status 499"), (500, True, "itself failed"),
    ],
)  # fmt: skip
def test_an_error_quotes_the_site_where_its_status_does_not_say_enough(
    status: int, quoted: bool, says: str
) -> None:
    error = error_for_status(page_of("Its own words", status))
    assert says in str(error)
    assert ("Its own words" in str(error)) == quoted
    assert error.excerpt == "Its own words"


@pytest.mark.parametrize(
    ("body", "received"),
    [
        ('event: message_start\ndata: {"message_id":"m"}\n\n', True),
        ('data: {"delta":"Hel"}\n\n', True),
        ("event: error\n\n", False),
        ("message_start", False),
    ],
)
def test_a_refusal_with_words_of_the_model_is_no_old_nonce(body: str, received: bool) -> None:
    """A message that the model has answered is not sent again with a fresh nonce."""
    error = AIPKIT.error_for(page_of(body, 403))
    assert isinstance(error, UnexpectedStatusError if received else NonceRefused)


@pytest.mark.parametrize(
    ("status", "body", "unknown"),
    [(400, "0", True), (400, "Bad.", False), (404, "0", False), (500, "0", False)],
)
def test_a_site_that_knows_no_such_action(status: int, body: str, unknown: bool) -> None:
    error = AIPKIT.error_for(page_of(body, status))
    assert ("knows no such action" in str(error)) == unknown
    assert not unknown or "It said" not in str(error)


@pytest.mark.parametrize(
    ("message", "said", "text"),
    [("No:", "Yes", "No: “Yes”."), ("No.", "Yes!", "No. It said: “Yes!”"), ("No:", "", "No.")],
)
def test_how_an_error_quotes(message: str, said: str, text: str) -> None:
    error = make_error(UnexpectedFormatError, message, page_of(""), said)
    assert str(error) == text
    assert error.excerpt == (said or None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Wed, 21 Oct 2015 07:29:00 -0000", 60), ("Wed, 21 Oct 2015 09:29:00 +0200", 60),
    ],
)  # fmt: skip
def test_a_moment_in_another_zone(value: str, seconds: float) -> None:
    assert retry_after(Headers({"Retry-After": value, "Date": UNTIL})) == seconds


@pytest.mark.parametrize("status", [200, 403, 429, 503])
def test_cloudflares_refusal_as_json(status: int) -> None:
    body = json.dumps({"cloudflare_error": True, "title": "Error 1020: Access denied"})
    error = challenge_error(page_of(body, status))
    assert (error is not None) == (status == 403)
    assert error is None or "Cloudflare" in str(error)
    assert challenge_error(page_of(body.replace("true", "1"), status)) is None


@pytest.mark.parametrize(
    ("text", "start", "end"), [("x", 0, 0), ('{"a":1}x', 0, 7), ("", 0, 0), ("x{}", 1, 3)]
)
def test_the_end_of_an_object(text: str, start: int, end: int) -> None:
    assert object_end(text, start) == end


@pytest.mark.parametrize("kind", ["text/event-stream; charset=UTF-8", "application/json", ""])
def test_whether_an_answer_streams_by_its_head(kind: str) -> None:
    head = BufferedResponse(URL, 200, Headers({"Content-Type": kind}), b"")
    decoder = AIPKIT.decoder(question_for(AIPKIT), head, Limits())
    assert decoder.streamed == ("event-stream" in kind)


@pytest.mark.parametrize(
    "last", ['event: done\ndata: {"finished":true}\n\n', 'event: error\ndata: {"error":"No."}\n\n']
)
def test_nothing_is_read_behind_the_end(last: str) -> None:
    head = BufferedResponse(URL, 200, Headers({}), b"")
    decoder = AIPKIT.decoder(question_for(AIPKIT), head, Limits())
    event = b'data: {"delta":"a"}\n\n'
    assert decoder.feed(event) == ["a"]
    assert decoder.feed(last.encode() + event.strip()) == []
    assert decoder.feed(event) == []
    assert decoder.end() == []


def test_statuses() -> None:
    error = error_for_status(page_of("", 429, headers=[("Retry-After", "7")]))
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 7.0
    assert "7 s" in str(error)
    moved = page_of("", 302, headers=[("Location", "https://u:p@b.test/in?nonce=secret")])
    assert "https://b.test/in" in str(error_for_status(moved))
    assert "secret" not in str(error_for_status(moved))
    assert "redirects" in str(
        error_for_status(page_of("", 301, headers=[("Location", "https://[")]))
    )
    assert "user:password@" in str(error_for_status(page_of("", 401)))
    assert "Broken here" in str(error_for_status(page_of("<h1>Broken</h1> here", 500)))
    assert excerpt(b"a\xff") == "a\ufffd"
    assert "may not follow" in str(error_for_status(page_of("", 302), of_page=True))
    assert "to nowhere (status 302)" in str(error_for_status(page_of("", 302)))
    for body, sure in ((" 0\n", 2), ("00", 0)):
        error = AIPKIT.error_for(page_of(body, 400))
        assert isinstance(error, UnexpectedStatusError)
        assert elsewhere(error) == sure


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "600"}, 600.0),
        ({"Retry-After": UNTIL, "Date": "Wed, 21 Oct 2015 07:27:30 GMT"}, 30.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_a_site_in_maintenance_says_how_long(headers: dict[str, str], wait: float | None) -> None:
    page = page_of("<p>Briefly unavailable", 503, headers=headers.items())
    for error in (
        error_for_page(page), WPAICG.error_for(page), AIPKIT.error_for(page), REST.error_for(page),
    ):  # fmt: skip
        assert isinstance(error, UnexpectedStatusError)
        assert error.retry_after == wait
        assert (f"wait {wait:.0f} s" in str(error)) if wait else ("later" in str(error))
        assert pickle.loads(pickle.dumps(error)).retry_after == wait
    other = error_for_status(page_of("", 500, headers=headers.items()))
    assert isinstance(other, UnexpectedStatusError)
    assert other.retry_after == wait


def test_a_mistyped_page_is_told_from_a_place_for_messages() -> None:
    error = error_for_page(page_of("", 404, url="https://a.test/caht/"))
    assert "https://a.test/caht/" in str(error)
    assert "Check the address" in str(error)
    assert "messages" not in str(error)
    assert "messages" in str(WPAICG.error_for(page_of("", 404)))


STEERING = "\u202eevil\x1b[2J\x07\u2066\ud800"


@pytest.mark.parametrize("steering", [STEERING, "\x9b31m", "\x00" * 50, "\u202d" + "x" * 5000])
def test_an_address_steers_no_terminal_and_is_cut(steering: str) -> None:
    errors = [
        error_for_status(page_of("", 302, headers=[("Location", f"/a{steering}/")])),
        error_for_page(page_of("", 302, headers=[("Location", f"https://b.test/{steering}")])),
        error_for_page(page_of("", 404, url=f"https://a.test/{steering}")),
    ]
    for address in (f"https://evil.test/{steering}", f"https://evil{steering}.test/", steering):
        try:
            require_same_site("https://a.test/", address)
        except UnexpectedFormatError as error:
            errors.append(error)
    assert len(errors) >= 5
    for error in errors:
        text = f"{error} {error.url}" if error else ""
        text.encode()
        assert not set(text) & {*steering} - {*"evil[2Jx31m"}
        assert len(text) < 1500


@pytest.mark.parametrize("size", [3_000_000, 400])
def test_a_sites_text_in_an_error_is_bounded(size: int) -> None:
    long = "word " * (size // 5)
    for body in (
        json.dumps({"status": "error", "msg": long}), json.dumps({"error": {"message": long}}),
        json.dumps({"code": long, "message": long, "data": {"code": long, "message": long}}),
        json.dumps({"success": False, "data": {"message": long, "code": long}}), long,
        json.dumps({long: long, f"{long}2": 1}), f"<html>{long}", f"<p>{long}",
        f"event: error\ndata: {json.dumps({'error': long})}\n\n",
        f"event: error\ndata: {json.dumps({'error': 'x', 'quota_notice': {'message': long}})}\n\n",
        f"event: message\ndata: {json.dumps({'choices': [{'delta': {'content': long}}]})}\n\n",
        "event: display_form_event\n"
        f"data: {json.dumps({'form_definition': {'title': long}})}\n\nevent: done\ndata: {{}}\n\n",
    ):  # fmt: skip
        for dialect in (WPAICG, AIPKIT, REST):
            out = decode(dialect, body, limits=Limits(event=1 << 30))
            assert out.error is not None
            for error in (out.error, dialect.error_for(page_of(body, 403))):
                assert len(str(error)) < 1000
                assert len(error.excerpt or "") <= 300
                assert len(error.code or "") <= 100


def test_the_documented_limits() -> None:
    assert Limits() == Limits(1_000_000, 10 << 20, 16 << 20, 16 << 20, 64 << 20, 4 << 20, 256 << 10)
    line = b"data: " + b"x" * ((4 << 20) - 6)
    for body, error in ((line, None), (line + b"x", ResponseTooLargeError)):
        decoder = EventDecoder()
        decoder.feed(body + b"\n\n")
        assert type(decoder.error) is (error or type(None))


def test_pages() -> None:
    html = list(HTML.items())
    assert error_for_page(page_of(NORMAL_PAGE, 200, headers=html)) is None
    for status, body in ((200, "<title>Just a moment...</title>"), (404, ""), (500, ""), (301, "")):
        error = error_for_page(page_of(body, status, headers=html))
        assert error is not None
        assert error.status == status


@given(st.binary(max_size=200), st.integers(100, 599), st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_page_is_a_page_or_an_error_of_ours(body: bytes, status: int, header: str) -> None:
    page = page_of(body, status, headers=[("Location", header), ("Content-Type", "text/html")])
    assert error_for_page(page) is None or isinstance(error_for_page(page), ChatGptEsError)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a &quot;b&quot;\n\tc", 'a "b" c'),
        ("<p>a</p><br />b", "a b"),
        ("x < y & 'a' <b>.", "x < y & 'a' <b>."),
        ("&lt;b&gt; &#039;a&#039;", "<b> 'a'"),
        ("a\x1b[31mb\x00c\u202ed\u200fe", "a␛[31mb␀c�d‏e"),
        ("<script>x</script>a<style>y</style>", "a"),
        ("Error in /srv/www/wp/x.php:12 now", "Error now"),
        ("see https://a.test/wp/x.php?y", "see https://a.test/wp/x.php?y"),
        ("and/or 1/2", "and/or 1/2"),
        ("bad\nStack trace:\n#0 /srv/x.php", "bad"),
        ('{"status":"x","greeting_message":"secret"}', '{"status":"x",'),
        ("a\ud800", "a\ufffd"),
        (5, "5"),
        (True, ""),
        (None, ""),
        (["x"], ""),
    ],
)
def test_words(value: object, said: str) -> None:
    assert clean_text(value) == said


@given(st.text() | st.floats() | st.integers())
@settings(max_examples=300, deadline=None)
def test_words_are_one_short_line_that_can_be_written(value: object) -> None:
    said = clean_text(value)
    said.encode()
    assert len(said) <= 300
    assert said.isprintable() or any(ord(char) > 127 for char in said)


def test_long_words_are_cut_and_take_no_time() -> None:
    assert len(clean_text("x" * 1000)) == 300
    assert clean_text("x" * 1000).endswith("…")
    started = time.process_time()
    for flood in (" ", "<", "</script ", "<script>", "/a", "&", "<!--", "#0 ", "in /"):
        clean_text(flood * 1_000_000)
        excerpt(flood.encode() * 1_000_000)
        parse_json(flood * 1_000_000)
        challenge_error(page_of(flood.encode() * 1_000_000, 403, headers=HTML.items()))
    assert time.process_time() - started < 10


def test_an_excerpt_has_no_markup() -> None:
    page = b"\xef\xbb\xbf<html><head><title>t</title></head><!-- c --><body>Hello <b>there</b>\xff"
    assert excerpt(page) == "Hello there \ufffd" or excerpt(page) == "Hello there\ufffd"
    assert excerpt(b"") == ""


def test_quoting() -> None:
    assert (quote_suffix(""), quote_suffix("No"), quote_suffix("No!")) == (
        ".",
        ": “No”.",
        ": “No!”",
    )
    assert (site_said(""), site_said("No")) == ("", " It said: “No”.")


@given(st.text(st.characters()), st.lists(st.integers(0, 50)))
@settings(max_examples=300, deadline=None)
def test_surrogates_are_joined_over_any_cuts(text: str, cuts: list[int]) -> None:
    halves = text.encode("utf-16-le", "surrogatepass")
    units = [
        halves[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(halves), 2)
    ]
    ends = [*sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    for parts in (units, pieces):
        events = [f"data: {json.dumps({'delta': part})}\n\n" for part in parts]
        out = decode(AIPKIT, "".join(events) + "event: done\ndata: {}\n\n")
        assert out.text == without_surrogates(text)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":1}', {"a": 1}),
        (b'\xef\xbb\xbf \n{"a":1}<p>', {"a": 1}),
        (b'<br>\n{"a":1}', {"a": 1}),
        (b"null", None),
        (b"x", None),
        (b"", None),
        (b"[" * 100_000, None),
        (b'{"a":' * 100_000, None),
        (b'{"a":' + b"9" * 10_000 + b"}", None),
        (b'{"a":"\xff"}', {"a": "\ufffd"}),
    ],
)
def test_json_is_read_without_trust(body: bytes, value: object) -> None:
    assert parse_json(body) == value
