"""The dialect of 2.3 and later: `sites/aipower/aipkit.py`, `aipkit_decoder.py`."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hearing import PAGE, URL, decode, endpoints, page_of, question_for
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgptes.errors import (
    ChatGptEsError,
    InvalidConfigError,
    ResponseError,
    UnexpectedFormatError,
)
from chatgptes.sites.aipower import AIPKIT
from chatgptes.sites.dialect import BufferedResponse, NonceRefused, Question
from chatgptes.values.http import Limits, Request
from chatgptes.values.images import Image

# -- Pages -----------------------------------------------------------------------------------


def bot_tag(cls: str = "aipkit_chat_container", **changes: Any) -> str:
    config = {
        "botId": 5, "ajaxUrl": "https://a.test/wp-admin/admin-ajax.php", "nonce": "abcdef0123",
        "postId": 13, "headerName": 'Rich "quotes" & <tag>',
    }  # fmt: skip
    config = {name: value for name, value in {**config, **changes}.items() if value is not None}
    written = html.escape(json.dumps(config).replace("/", "\\/"))
    return f"<div class=\"x {cls} y\" data-bot-id='9' data-config='{written}'></div>"


def test_inline_bots_and_popups_are_found() -> None:
    body = bot_tag() + bot_tag("aipkit_popup_wrapper", botId="6", postId=None) + bot_tag(
        botId=7, imageUploadEnabledUI=True, allowWebSearchTool=True, requireConsentCompliance=True,
        enableOpenAIConversationState=True,
    )  # fmt: skip
    first, second, third = endpoints(AIPKIT.find(page_of(body, url=PAGE)))
    assert (first.bot.id, first.bot.kind, first.bot.page) == ("5", "inline", PAGE)
    assert first.bot.name == 'Rich "quotes" & <tag>'
    assert (first.url, first.nonce, first.post_id) == (URL, "abcdef0123", "13")
    can = (first.bot.images, first.bot.web_search, first.bot.consent, first.keeps_response_id)
    assert can == (False, False, False, False)
    assert (second.bot.id, second.bot.kind, second.post_id) == ("6", "popup", "")
    assert third.bot.images
    assert third.bot.web_search
    assert third.bot.consent
    assert third.keeps_response_id
    assert "abcdef0123" not in repr(first)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": None}, {"nonce": ""}, {"nonce": 5}, {"botId": None}, {"botId": True},
        {"botId": [5]}, {"botId": ""},
    ],
)  # fmt: skip
def test_an_element_without_id_or_nonce_is_no_bot(changes: dict[str, Any]) -> None:
    assert AIPKIT.find(page_of(bot_tag(**changes), url=PAGE)) == []


@pytest.mark.parametrize("config", ["", "{", "[]", "5", "null", "{'botId':5}", "[" * 100_000])
def test_broken_config_is_no_bot_and_hides_no_other(config: str) -> None:
    broken = f'<div class="aipkit_chat_container" data-config="{config}"></div>'
    assert [
        bot.bot.id for bot in endpoints(AIPKIT.find(page_of(broken + bot_tag(), url=PAGE)))
    ] == ["5"]


def test_a_foreign_address_is_an_error_only_if_no_bot_is_good() -> None:
    foreign = bot_tag(ajaxUrl="https://evil.test/wp-admin/admin-ajax.php")
    with pytest.raises(ResponseError, match=r"https://a\.test .*https://evil\.test"):
        AIPKIT.find(page_of(foreign, url=PAGE))
    (good,) = endpoints(AIPKIT.find(page_of(foreign + bot_tag(botId=6), url=PAGE)))
    assert good.bot.id == "6"


def test_addresses_may_be_relative_or_missing() -> None:
    body = bot_tag(ajaxUrl="/blog/wp-admin/admin-ajax.php") + bot_tag(botId=6, ajaxUrl=None)
    first, second = endpoints(AIPKIT.find(page_of(body, url=PAGE)))
    assert first.url == "https://a.test/blog/wp-admin/admin-ajax.php"
    assert second.url.endswith("/wp-admin/admin-ajax.php")


# -- Requests --------------------------------------------------------------------------------

KEY = '{"success":true,"data":{"cache_key":"key_1"}}'


def requests(question: Question, answer: BufferedResponse | None = None) -> tuple[Request, Request]:
    steps = AIPKIT.requests(question)
    first = next(steps)
    return first, steps.send(answer or page_of(KEY))


def test_a_turn_is_a_post_and_a_get() -> None:
    first, second = requests(question_for(AIPKIT, prompt='Привет "мир" <b>\n🙂 a\\b&+'))
    assert (first.method, first.url, first.final, first.repeatable) == ("POST", URL, False, True)
    assert first.body is not None
    fields = parse_qsl(first.body.decode("ascii"), strict_parsing=True)
    assert [name for name, _ in fields] == [
        "action", "message", "_ajax_nonce", "bot_id", "user_client_message_id",
    ]  # fmt: skip
    sent = dict(fields)
    assert sent["action"] == "aipkit_cache_sse_message"
    assert sent["message"] == 'Привет "мир" <b>\n🙂 a\\b&+'
    assert (sent["_ajax_nonce"], sent["bot_id"]) == ("n0nce", "5")
    assert re.fullmatch(r"aipkit-client-msg-5-\d{13}-\w{5}", sent["user_client_message_id"])
    assert (second.method, second.final, second.repeatable) == ("GET", True, False)
    assert second.headers["Accept"] == "text/event-stream"
    assert second.referrer == PAGE
    query = dict(parse_qsl(urlsplit(second.url).query, strict_parsing=True))
    assert re.fullmatch(r"\d{13}", query.pop("_ts"))
    assert query == {
        "action": "aipkit_frontend_chat_stream", "cache_key": "key_1", "bot_id": "5",
        "session_id": "0a1b2c3d-4e5f", "conversation_uuid": "c-1", "post_id": "7",
        "_ajax_nonce": "n0nce",
    }  # fmt: skip
    for request in (first, second):
        assert "origin" not in {name.lower() for name in request.headers}


def test_what_a_bot_allows_is_asked_for_only_then() -> None:
    changes: dict[str, Any] = {"state": {"openai_response_id": "resp_1"}, "web_search": True}
    query = parse_qs(
        urlsplit(requests(question_for(AIPKIT, keeps_response_id=True, **changes))[1].url).query
    )
    assert query["previous_openai_response_id"] == ["resp_1"]
    assert query["frontend_web_search_active"] == ["true"]
    plain = question_for(AIPKIT, state=changes["state"])
    assert "previous_openai" not in requests(plain)[1].url
    with pytest.raises(InvalidConfigError, match="does not offer it"):
        requests(replace(plain, web_search=True))
    unasked = question_for(AIPKIT, keeps_response_id=True, **{**changes, "state": {}})
    assert "previous_openai" not in requests(replace(unasked, web_search=False))[1].url
    assert "web_search" not in requests(replace(unasked, web_search=False))[1].url


def test_an_address_with_a_query_keeps_it() -> None:
    assert "?lang=de&action=" in requests(question_for(AIPKIT, url=f"{URL}?lang=de"))[1].url


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("{}", "UnexpectedFormatError"),
        ('{"success":true,"data":{}}', "UnexpectedFormatError"),
        ('{"success":true,"data":{"cache_key":5}}', "UnexpectedFormatError"),
        ('{"success":true,"data":[]}', "UnexpectedFormatError"),
        ("<p>Hello</p>", "UnexpectedFormatError"),
        ("", "UnexpectedFormatError"),
        ('{"success":false,"data":{"message":"No","code":"x"}}', "RefusedError"),
        ('{"success":false,"data":{"message":"No","code":"nonce_failure_x"}}', "NonceRefused"),
        ('{"success":false,"data":{"message":"No","ts_required":true}}', "ChallengeError"),
        ("<html><title>Just a moment...</title>", "ChallengeError"),
    ],
)
def test_a_first_step_without_a_key_is_an_error(body: str, error: str) -> None:
    with pytest.raises(ResponseError) as caught:
        requests(question_for(AIPKIT), page_of(body, headers=[("Content-Type", "text/html")]))
    assert type(caught.value).__name__ == error


def test_a_notice_before_the_key_does_no_harm() -> None:
    assert (
        "cache_key=key_1" in requests(question_for(AIPKIT), page_of("<b>Notice</b>\n" + KEY))[1].url
    )


# -- Answers ---------------------------------------------------------------------------------


def event(data: Any, name: str = "") -> str:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return (f"event: {name}\n" if name else "") + f"data: {text}\n\n"


def delta(text: str) -> str:
    return event({"delta": text})


OPEN = ":" + " " * 4096 + "\n\n"
START = event({"message_id": "aipkit-msg-1"}, "message_start")
DONE = event({"finished": True}, "done")


def failed(text: str = 'No "thanks"', **more: Any) -> str:
    return f"event: error\nid: err-1\n{event({'error': text, **more})}"


@pytest.mark.parametrize("kind", ["text/event-stream; charset=utf-8", "text/html", ""])
def test_an_answer_is_heard_however_it_is_cut(kind: str) -> None:
    body = (
        OPEN + START + event({"type": "response.created"}, "status") + delta("")
        + delta("Hé \u0085\u2028") + "id: 4\n" + delta("🙂\r\n")
        + event({"id": "resp_1"}, "openai_response_id") + event({"x": 1}, "unknown")
        + event("nonsense") + event("5") + DONE
    ).encode()  # fmt: skip
    for cuts in ((), range(len(body)), range(0, len(body), 5)):
        out = decode(AIPKIT, body, cuts, kind=kind)
        assert (out.text, out.kind) == ("Hé \u0085\u2028🙂\r\n", ""), out.said
        assert out.streamed
        assert out.complete
        assert out.details.message_id == "aipkit-msg-1"
        assert out.details.state == {"openai_response_id": "resp_1"}


def test_citations_that_come_twice_or_late() -> None:
    bare = {"url": "https://a.test/", "title": "A"}
    cited = {**bare, "cited_text": "so it is"}
    other = {"url": "https://b.test/", "title": "B"}
    script = {"url": "javascript:alert(1)", "title": "C"}
    for first, last in (
        ([bare, script], [cited, other]),
        ([cited], [bare, other]),
        ([], [cited, other]),
    ):
        out = decode(
            AIPKIT,
            START + delta("Hi") + event(first, "citations")
            + event({"finished": True, "citations": last}, "done"),
        )  # fmt: skip
        assert [(c.url, c.text) for c in out.details.citations] == [
            ("https://a.test/", "so it is"), ("https://b.test/", ""),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("warnings", "reason"),
    [
        ([" (Incomplete: max_output_tokens)"], "max_output_tokens"),
        (["Incomplete: content_filter"], "content_filter"),
        (["Web search failed: timeout: 30"], "Web search failed: timeout: 30"),
        ([" (Incomplete: max_output_tokens)", "By the way"], "max_output_tokens"),
        (["By the way", " (Incomplete: max_output_tokens)"], "max_output_tokens"),
        ([""], None),
    ],
)
def test_warnings(warnings: list[str], reason: str | None) -> None:
    told = "".join(event({"error": text}, "warning") for text in warnings)
    out = decode(AIPKIT, START + delta("Hi") + told + DONE)
    assert (out.text, out.kind, out.details.finish_reason) == ("Hi", "", reason)


def test_citations_are_gathered_once() -> None:
    one = {"type": "x", "url": "https://b.test/", "title": "B", "cited_text": "You"}
    two = {"url": "https://c.test/", "source_title": "C"}
    out = decode(
        AIPKIT,
        START + delta("Hi") + event([one], "citations") + event([one, two, 5, {}], "citations")
        + event({"finished": True, "citations": [one]}, "done"),
    )  # fmt: skip
    assert [(c.url, c.title, c.text) for c in out.details.citations] == [
        ("https://b.test/", "B", "You"),
        ("https://c.test/", "C", ""),
    ]


FORM = {"form_id": "f1", "title": "Your e-mail", "elements": [{"label": "E-mail", "name": "e"}]}


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({"form_definition": FORM}, "Your e-mail"),
        ({"form_definition": {"form_id": "f1"}}, "f1"),
        ({"form_definition": {"title": "<b>Tell</b> us\x1b"}}, "Tell us"),
        ({"form_definition": []}, "?"),
        ({}, "?"),
    ],
)
def test_a_form_to_fill_in_is_a_refusal_that_names_it(form: dict[str, Any], name: str) -> None:
    shown = event(form, "display_form_event")
    for body in (OPEN + shown + DONE, START + shown + DONE, shown + delta(" ") + DONE):
        out = decode(AIPKIT, body)
        assert out.kind == "RefusedError"
        assert f"“{name}" in out.said
        assert "credit" not in out.said
    out = decode(AIPKIT, START + delta("Hi") + shown + DONE)
    assert (out.text, out.kind) == ("Hi", "")


@pytest.mark.parametrize("data", ['"x"', "[]", "null", "{not", '{"form_definition":"x"}'])
def test_a_form_that_cannot_be_read_is_a_form(data: str) -> None:
    out = decode(AIPKIT, f"event: display_form_event\ndata: {data}\n\n{DONE}")
    assert out.kind == "RefusedError"
    assert "credit" not in out.said


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (START + delta("Welcome!") + START + delta("Hello ") + delta("world"),
         "Welcome!\n\nHello world"),
        (START + START + delta("Hello"), "Hello"),
        (START + delta("A") + START + delta("") + delta("B") + START + delta("C"), "A\n\nB\n\nC"),
        (START + delta("A") + START, "A"),
        (delta("A") + START + event({"type": "x"}, "status") + delta("B"), "A\n\nB"),
        (START + delta("A") + START + event({"delta": "B"}, "message"), "A\n\nB"),
    ],
)  # fmt: skip
def test_two_messages_have_an_empty_line_between_them(body: str, text: str) -> None:
    data = (body + DONE).encode()
    for cuts in ((), range(len(data))):
        out = decode(AIPKIT, data, cuts)
        assert (out.text, out.kind) == (text, "")


WEB = {"groundingChunks": [{"web": {"uri": "https://a.test/", "title": "A"}}]}


@pytest.mark.parametrize(
    ("metadata", "cited"),
    [
        (WEB, [("https://a.test/", "A", "")]),
        (
            {"groundingChunks": [{"web": {"uri": "http://b.test/"}}, {"web": 5}, {"retrieved": 1}],
             "groundingSupports": {}},
            [("http://b.test/", "", "")],
        ),
        ({"groundingChunks": [{"web": {"uri": "javascript:x", "title": "A"}}]}, []),
        ({"groundingChunks": "x", "groundingSupports": {}}, []),
    ],
)  # fmt: skip
def test_grounding_metadata_gives_citations(
    metadata: dict[str, Any], cited: list[tuple[str, str, str]]
) -> None:
    for told in (
        event(metadata, "grounding_metadata") + DONE,
        event({"grounding_metadata": metadata}, "grounding_metadata") + DONE,
        event({"finished": True, "grounding_metadata": metadata}, "done"),
        event(metadata, "grounding_metadata")
        + event({"finished": True, "citations": [], "grounding_metadata": metadata}, "done"),
    ):
        out = decode(AIPKIT, START + delta("Hi") + told)
        assert out.kind == ""
        assert [(each.url, each.title, each.text) for each in out.details.citations] == cited


def test_google_bots_search_and_go_on() -> None:
    page = page_of(bot_tag(provider="Google", allowGoogleSearchGrounding=True), url=PAGE)
    (bot,) = endpoints(AIPKIT.find(page))
    assert bot.bot.web_search
    heard = decode(AIPKIT, START + event({"id": "int_1"}, "google_interaction_id") + delta("x"))
    assert heard.details.state == {"google_interaction_id": "int_1"}
    asked = replace(question_for(AIPKIT), endpoint=bot, web_search=True, state=heard.details.state)
    query = dict(parse_qsl(urlsplit(requests(asked)[1].url).query))
    assert query["frontend_google_search_grounding_active"] == "true"
    assert query["previous_google_interaction_id"] == "int_1"
    assert "frontend_web_search_active" not in query
    assert "search" not in requests(replace(asked, web_search=False))[1].url
    both = bot_tag(allowWebSearchTool=True, allowGoogleSearchGrounding=True)
    (bot,) = endpoints(AIPKIT.find(page_of(both, url=PAGE)))
    asked = replace(asked, endpoint=bot)
    assert requests(asked)[1].url.count("=true") == 2


@pytest.mark.parametrize(
    ("body", "images", "said"),
    [
        ("<h1>Cannot select database</h1>", False, "web page"),
        ("<!DOCTYPE html><p>Error establishing a connection", False, "web page"),
        ("\n<p>Hello</p>", False, "web page"),
        ("0", True, "post_max_size"),
        ("\ufeff0\n", True, "post_max_size"),
        (
            "Warning: POST Content-Length of 9 bytes exceeds the limit of 8 bytes\n0",
            True,
            "post_max",
        ),
        ("0", False, "post_max_size"),
        ("", False, "nothing at all"),
        ("Hello", False, "no known form"),
    ],
)
def test_why_no_message_was_taken(body: str, images: bool, said: str) -> None:
    changes: dict[str, Any] = {}
    if images:
        changes = {"images": (Image("image/png", b"x"),)}
        changes["endpoint"] = replace(
            question_for(AIPKIT).endpoint,
            bot=replace(question_for(AIPKIT).endpoint.bot, images=True),
        )
    with pytest.raises(UnexpectedFormatError) as caught:
        requests(replace(question_for(AIPKIT), **changes), page_of(body))
    assert said in str(caught.value)
    assert "took the message" not in str(caught.value)
    assert ("pictures" in str(caught.value)) == images


FAILURES = {
    "refused": (OPEN + failed() + DONE, "", "NonceRefused", "thanks"),
    "refused, no done": (failed(), "", "NonceRefused", "thanks"),
    "quota": (failed(quota_notice={"message": "Enough"}) + DONE, "", "QuotaError", "Enough"),
    "quota later": (START + failed(quota_notice={"type": "x"}), "", "QuotaError", "thanks"),
    "gate": (failed(ts_required=True) + DONE, "", "ChallengeError", "thanks"),
    "gate unnamed": (
        event({"error": "Verify", "ts_required": True}),
        "",
        "ChallengeError",
        "Verify",
    ),
    "origin": (failed(code="cors_denied") + DONE, "", "RefusedError", "thanks"),
    "model": (START + failed("API Error: x"), "", "UpstreamError", "API Error: x"),
    "model, html": (START + failed("<html><p>Down</p></html>"), "", "UpstreamError", "Down"),
    "model, later": (START + delta("Hi") + failed(), "Hi", "UpstreamError", "thanks"),
    "model, no start": (
        event({"type": "response.created"}, "status") + failed() + DONE,
        "",
        "UpstreamError",
        "thanks",
    ),
    "model, empty text": (delta("") + failed() + DONE, "", "UpstreamError", "thanks"),
    "model, its id": (
        event({"id": "resp_1"}, "openai_response_id") + failed(),
        "",
        "UpstreamError",
        "thanks",
    ),
    "text before start": (delta("Hi") + failed(), "Hi", "UpstreamError", "thanks"),
    "unnamed error": (START + event({"error": "Down"}), "", "UpstreamError", "Down"),
    "error object": (
        START + event({"error": {"message": "Down"}}, "error"),
        "",
        "UpstreamError",
        "Down",
    ),
    "error no json": (START + event("Down", "error"), "", "UpstreamError", "Down"),
    "broke off": (START + delta("Hi"), "Hi", "UpstreamError", "broke off"),
    "broke off at once": (OPEN + START, "", "UpstreamError", "first word"),
    "empty": (START + DONE, "", "EmptyReplyError", "empty"),
    "blank deltas": (START + delta(" ") + DONE, " ", "EmptyReplyError", "empty"),
    "nothing": ("", "", "EmptyReplyError", "empty"),
    "only the preamble": (OPEN, "", "UnexpectedFormatError", "neither JSON nor an event stream"),
    "zero": ("0", "", "UnexpectedFormatError", "not active"),
    "html": ("<html><body>Hello</body></html>", "", "UnexpectedFormatError", "Hello"),
    "json": ('{"success":false,"data":{"message":"No"}}', "", "NonceRefused", "No"),
    "json nonce": (
        '{"success":false,"data":{"message":"Old","code":"nonce_failure"}}',
        "",
        "NonceRefused",
        "Old",
    ),
    "json gate": ('{"error":"Verify","ts_required":true}', "", "ChallengeError", "Verify"),
    "json other": ('{"a":1}', "", "UnexpectedFormatError", "no known version"),
    "challenge": ("<title>Just a moment...</title>", "", "ChallengeError", "bot check"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_an_error_behind_the_text_before_it(name: str) -> None:
    body, text, error, said = FAILURES[name]
    data = body.encode()
    for cuts in ((), range(len(data))):
        out = decode(AIPKIT, data, cuts)
        assert (out.text, out.kind) == (text, error), out.said
        assert said in out.said
        assert out.error is not None
        assert (out.error.status, out.error.url) == (200, URL)


def test_pairs_that_json_cut_apart_are_joined() -> None:
    body = START + event('{"delta":"a\\ud83d"}') + event('{"delta":"\\ude42"}') + DONE
    assert decode(AIPKIT, body).text == "a🙂"
    assert decode(AIPKIT, START + event('{"delta":"a\\ud83d"}') + DONE).text == "a\ufffd"


def test_too_much_is_an_error() -> None:
    limits = Limits(answer=6000, stream=8000, event=5000)
    assert decode(AIPKIT, START + delta("x" * 6000), limits=limits).kind == "ResponseTooLargeError"
    out = decode(AIPKIT, OPEN + START + delta("x" * 100) * 80, range(0, 20_000, 50), limits=limits)
    assert (out.kind, out.text[:1]) == ("ResponseTooLargeError", "x")
    assert decode(AIPKIT, OPEN * 3, limits=limits).kind == "ResponseTooLargeError"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["delta", "error", "message", "message_id", "id", "citations", "quota_notice", "code",
             "ts_required", "url", "title", "success", "data", "nonce", "cache_key"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip
NAMES = ["", "message", "message_start", "done", "error", "warning", "citations", "status",
         "openai_response_id", "grounding_metadata", "display_form_event",
         "google_interaction_id"]  # fmt: skip
PIECES = st.one_of(
    st.builds(event, JSON, st.sampled_from(NAMES)),
    st.sampled_from([OPEN, START, DONE, delta("Hi"), failed(), "\n"]),
    st.text(max_size=10),
)


@given(
    st.lists(PIECES, max_size=6).map("".join) | st.binary(max_size=100),
    st.lists(st.integers(0, 400), max_size=6),
    st.sampled_from(["text/event-stream", "text/html"]),
)
@settings(max_examples=400, deadline=None)
def test_whatever_comes_is_a_value_or_an_error_and_cuts_change_nothing(
    body: bytes | str, cuts: list[int], kind: str
) -> None:
    whole, pieces = decode(AIPKIT, body, kind=kind), decode(AIPKIT, body, cuts, kind=kind)
    assert (whole.text, whole.kind, whole.said) == (pieces.text, pieces.kind, pieces.said)
    assert whole.details == pieces.details


@given(JSON.map(json.dumps) | st.binary(max_size=60), st.integers(200, 599))
@settings(max_examples=300, deadline=None)
def test_any_response_to_any_step_is_a_value_or_an_error(body: bytes | str, status: int) -> None:
    page = page_of(body, status)
    assert isinstance(AIPKIT.error_for(page), ChatGptEsError)
    assert AIPKIT.nonce_from(page) is None or status < 300
    try:
        requests(question_for(AIPKIT), page_of(body))
    except ResponseError:
        pass


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_any_config_gives_a_bot_or_none(value: Any) -> None:
    for name in ("botId", "ajaxUrl", "nonce", "postId", "headerName", "allowWebSearchTool"):
        try:
            for endpoint in endpoints(AIPKIT.find(page_of(bot_tag(**{name: value}), url=PAGE))):
                assert endpoint.bot.id
                assert endpoint.nonce
        except ResponseError:
            assert name == "ajaxUrl"


# -- Other statuses, and nonces --------------------------------------------------------------


def refusal(code: str, message: str = "No") -> str:
    return json.dumps({"success": False, "data": {"message": message, "code": code}})


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, refusal("nonce_failure_cache_sse"), "NonceRefused"),
        (403, '{"success":false,"data":{"message":"No"}}', "NonceRefused"),
        (403, refusal("embed_not_available"), "RefusedError"),
        (403, refusal("cors_denied"), "RefusedError"),
        (403, "-1", "NonceRefused"),
        (403, "<title>Just a moment...</title>", "ChallengeError"),
        (403, '{"error":"x","ts_required":true}', "ChallengeError"),
        (400, refusal("empty_data_to_cache"), "RefusedError"),
        (400, "0", "UnexpectedStatusError"),
        (400, "", "UnexpectedStatusError"),
        (429, refusal("x"), "RateLimitError"),
        (401, "", "UnexpectedStatusError"),
        (404, "", "UnexpectedStatusError"),
        (500, refusal("x"), "UnexpectedStatusError"),
        (502, "<p>Bad</p>", "UnexpectedStatusError"),
        (301, "", "UnexpectedStatusError"),
    ],
)
def test_a_status_that_is_no_answer(status: int, body: str, error: str) -> None:
    caught = AIPKIT.error_for(page_of(body, status, headers=[("Content-Type", "text/html")]))
    assert type(caught).__name__ == error
    assert caught.status == status
    assert isinstance(caught, NonceRefused) == (error == "NonceRefused")
    if '"No"' in body and error.endswith(("RefusedError", "NonceRefused")):
        assert "No" in str(caught)


def test_a_fresh_nonce_is_asked_for_and_read() -> None:
    request = AIPKIT.nonce_request(question_for(AIPKIT).endpoint)
    assert request is not None
    assert (request.method, request.url, request.repeatable) == ("POST", URL, True)
    assert request.body == b"action=aipkit_get_frontend_chat_nonce&bot_id=5"
    good = '{"success":true,"data":{"nonce":"fresh"}}'
    assert AIPKIT.nonce_from(page_of(good)) == "fresh"
    for status, body in ((400, "0"), (200, "0"), (403, good), (200, good.replace("true", "false")),
                         (200, '{"success":true,"data":{"nonce":""}}'), (200, "<p>")):  # fmt: skip
        assert AIPKIT.nonce_from(page_of(body, status)) is None
