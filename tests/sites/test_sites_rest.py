"""The owner's REST API: `sites/aipower/rest.py`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hearing import decode, page_of, question_for
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgptes.errors import ChatGptEsError, InvalidConfigError, UnexpectedFormatError
from chatgptes.sites.aipower import REST
from chatgptes.values.http import Limits

JSON_TYPE = "application/json; charset=UTF-8"


@pytest.mark.parametrize(
    ("root", "url"),
    [
        ("https://a.test/wp-json/", "https://a.test/wp-json/aipkit/v1/chat/5/message"),
        ("https://a.test/b/wp-json", "https://a.test/b/wp-json/aipkit/v1/chat/5/message"),
        ("/wp-json/", "https://a.test/wp-json/aipkit/v1/chat/5/message"),
        ("https://a.test/?rest_route=/", "https://a.test/?rest_route=/aipkit/v1/chat/5/message"),
        ("https://a.test/index.php?rest_route=%2F",
         "https://a.test/index.php?rest_route=/aipkit/v1/chat/5/message"),
        ("https://a.test/wp-json/?lang=de",
         "https://a.test/wp-json/aipkit/v1/chat/5/message?lang=de"),
        ("https://www.a.test/wp-json/", "https://www.a.test/wp-json/aipkit/v1/chat/5/message"),
    ],
)  # fmt: skip
def test_the_route_is_joined_to_either_kind_of_root(root: str, url: str) -> None:
    endpoint = REST.endpoint("https://a.test/chat/", root, "5", "k3y")
    assert endpoint.url == url
    assert (endpoint.bot.id, endpoint.bot.dialect, endpoint.bot.kind) == ("5", "rest", "rest")
    assert endpoint.headers == {"Authorization": "Bearer k3y"}
    assert "k3y" not in repr(endpoint)


@pytest.mark.parametrize("root", ["https://evil.test/wp-json/", "http://a.test:8080/wp-json/"])
def test_the_key_goes_to_the_sites_own_host_only(root: str) -> None:
    with pytest.raises(UnexpectedFormatError) as caught:
        REST.endpoint("https://a.test/", root, "5", "k3y")
    assert root.removesuffix("/wp-json/") in str(caught.value)
    assert "k3y" not in str(caught.value)


@pytest.mark.parametrize(("bot", "key"), [("5", ""), ("5", "a\nb"), ("5", "clé"), ("", "k3y")])
def test_what_can_not_be_a_key_or_an_id_is_refused(bot: str, key: str) -> None:
    with pytest.raises(InvalidConfigError):
        REST.endpoint("https://a.test/", "/wp-json/", bot, key)


def test_an_id_can_not_leave_its_place_in_the_path() -> None:
    assert "/chat/..%2F5/message" in REST.endpoint("https://a.test/", "/wp-json/", "../5", "k").url


def test_the_request() -> None:
    turn = question_for(
        REST,
        prompt="é\n",
        history=(("user", "a"), ("assistant", "b")),
        headers={"Authorization": "x"},
    )
    (request,) = REST.requests(turn)
    assert (request.method, request.final, request.repeatable) == ("POST", True, False)
    assert request.headers["Authorization"] == "x"
    assert request.headers["Content-Type"].startswith("application/json")
    assert request.body is not None
    assert json.loads(request.body) == {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "é\n"},
        ]
    }
    assert REST.nonce_request(turn.endpoint) is None
    assert REST.find(page_of("")) == []


def test_an_answer() -> None:
    body = json.dumps(
        {"reply": "Hé 🙂", "model": "gpt-x", "bot_id": 5,
         "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}
    )  # fmt: skip
    for cuts in ((), range(len(body))):
        out = decode(REST, body, cuts, kind=JSON_TYPE)
        assert (out.text, out.kind, out.streamed, out.details.model) == (
            "Hé 🙂",
            "",
            False,
            "gpt-x",
        )
        assert out.details.usage is not None
        assert out.details.usage.total_tokens == 7


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('{"reply":""}', "EmptyReplyError"),
        ('{"reply":5}', "UnexpectedFormatError"),
        ("{}", "UnexpectedFormatError"),
        ("<p>Hello</p>", "UnexpectedFormatError"),
        ("data: x\n\n", "UnexpectedFormatError"),
        ("", "EmptyReplyError"),
        ('{"code":"api_error","message":"Down"}', "UpstreamError"),
        ('{"error":"x","ts_required":true}', "ChallengeError"),
        ("<title>Just a moment...</title>", "ChallengeError"),
        (json.dumps({"reply": "x" * 2000}), "ResponseTooLargeError"),
    ],
)
def test_a_body_that_is_no_answer(body: str, error: str) -> None:
    for kind in (JSON_TYPE, "text/html", "text/event-stream"):
        out = decode(REST, body, kind=kind, limits=Limits(answer=1000))
        assert (out.text, out.kind) == ("", error)


@pytest.mark.parametrize(
    ("body", "text", "error"),
    [
        ('{"code":"x","message":"y"}{"reply":"Hi"}', "Hi", ""),
        ('{"reply":"Hi"}{"code":"x","message":"y"}', "Hi", ""),
        ('{"a":1}{"reply":5}', "", "UnexpectedFormatError"),
    ],
)
def test_of_several_objects_a_reply_counts(body: str, text: str, error: str) -> None:
    out = decode(REST, body, kind=JSON_TYPE)
    assert (out.text, out.kind) == (text, error)
    assert not error or "keys: reply" in out.said


@pytest.mark.parametrize(
    ("bot_id", "known"), [("5", True), ("15", True), ("\u0663", False), ("x", False), ("", False)]
)
def test_ids_are_digits(bot_id: str, known: bool) -> None:
    assert REST.is_bot_id(bot_id) is known


def test_its_age() -> None:
    assert REST.age(page_of(""), question_for(REST).endpoint) == "2.3 or later"


def coded(code: str, message: str = "Words", **data: Any) -> str:
    return json.dumps({"code": code, "message": message, "data": data})


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (401, coded("rest_aipkit_invalid_api_key"), "AuthenticationError", "Words"),
        (403, coded("rest_aipkit_api_access_disabled"), "AuthenticationError", "Words"),
        (403, "Your key is wrong.", "AuthenticationError", "wrong"),
        (403, "<p>Blocked</p>", "RefusedError", "firewalls do"),
        (403, "<title>Just a moment...</title>", "ChallengeError", "bot check"),
        (429, coded("api_error"), "UpstreamError", "Words"),
        (500, coded("api_error"), "UpstreamError", "Words"),
        (401, coded("api_error"), "UpstreamError", "Words"),
        (429, "", "RateLimitError", "429"),
        (429, coded("rate_limited"), "RateLimitError", "429"),
        (404, coded("rest_no_route"), "UnexpectedStatusError", "2.3"),
        (404, "<p>Lost</p>", "UnexpectedStatusError", "404"),
        (400, coded("odd_code"), "UnexpectedStatusError", "odd_code"),
        (500, coded("http_request_failed"), "UpstreamError", "Words"),
        (502, coded("http_request_failed", "cURL error 52"), "UpstreamError", "52"),
        (500, coded("http_request_not_executed"), "UpstreamError", "Words"),
        (400, coded("http_failure"), "UpstreamError", "Words"),
        (500, coded("httpx"), "UnexpectedStatusError", "Words"),
        (500, coded("internal_server_error"), "UnexpectedStatusError", "bot id"),
        (403, coded("deepseek_ts_required"), "ChallengeError", "Words"),
        (403, coded("x_ts_required", ""), "ChallengeError", "bot check"),
        (403, coded("ts_required_not"), "AuthenticationError", "Words"),
        (500, "", "UnexpectedStatusError", "500"),
        (308, "", "UnexpectedStatusError", "redirects"),
    ],
)
def test_a_status_that_is_no_answer(status: int, body: str, error: str, said: str) -> None:
    caught = REST.error_for(page_of(body, status, headers=[("Content-Type", "text/html")]))
    assert type(caught).__name__ == error
    assert said in str(caught)
    assert caught.status == status


def test_no_path_or_trace_of_the_server_is_shown() -> None:
    trace = (
        "Uncaught TypeError in /srv/www/wp-content/x.php:280\nStack trace:\n#0 /srv/www/a.php(2)"
    )
    body = coded("internal_server_error", "<p>A <b>critical</b> error.</p>",
                 error={"message": trace, "file": "/srv/www/wp-content/x.php"})  # fmt: skip
    caught = REST.error_for(page_of(body, 500))
    assert "A critical error." in str(caught)
    assert "/srv" not in f"{caught} {caught.excerpt}"
    caught = REST.error_for(page_of(coded("x", trace), 500))
    assert "TypeError" in str(caught)
    assert "/srv" not in f"{caught} {caught.excerpt}"
    assert "#0" not in str(caught)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["reply", "usage", "model", "code", "message", "data", "total_tokens"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(JSON.map(json.dumps) | st.binary(max_size=60), st.integers(300, 599))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_is_a_value_or_an_error(body: bytes | str, status: int) -> None:
    decode(REST, body, kind=JSON_TYPE)
    decode(REST, body)
    assert isinstance(REST.error_for(page_of(body, status)), ChatGptEsError)
