"""What an `aipkit` page and answer say besides the text: fed by hand."""

from __future__ import annotations

import contextlib
import html
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hearing import decode, endpoints, page_of, question_for

from chatgptes.errors import ChallengeError, InvalidMessageError, QuotaError, RefusedError
from chatgptes.sites.aipower import AIPKIT, WPAICG
from chatgptes.sites.dialect import Bot, Endpoint
from chatgptes.values.images import Image
from chatgptes.values.reply import Citation

# -- Pages -----------------------------------------------------------------------------------


def endpoint_of(css: str = "aipkit_chat_container", **config: Any) -> Endpoint:
    data = {"botId": 5, "nonce": "n", "ajaxUrl": "/wp-admin/admin-ajax.php", **config}
    written = html.escape(json.dumps(data))
    (found,) = endpoints(AIPKIT.find(page_of(f'<p class="{css}" data-config="{written}">')))
    return found


def bot_of(**config: Any) -> Bot:
    return endpoint_of(**config).bot


@pytest.mark.parametrize(
    ("config", "starters"),
    [
        ({"starters": [" Hi ", "", 5, "You?\ud800"]}, ("Hi", "You?\ufffd")),
        ({"starters": ["Hi"], "enableStarters": True}, ("Hi",)),
        ({"starters": ["Hi"], "enableStarters": False}, ()),
        ({"starters": "Hi", "enableStarters": True}, ()),
        ({"starters": [f"{n}" for n in range(25)]}, tuple(f"{n}" for n in range(20))),
        ({"starters": ["x" * 2001]}, ("x" * 2000,)),
        ({}, ()),
    ],
)
def test_starters_are_shown_where_the_owner_lets_them(
    config: dict[str, Any], starters: tuple[str, ...]
) -> None:
    assert bot_of(**config).starters == starters


def test_the_words_of_a_window() -> None:
    texts = {"initialGreeting": "<b>Hello</b> you", "consentTitle": "Please", "consentMessage": "?"}
    bot = bot_of(text=texts, requireConsentCompliance=True, headerName="n" * 101)
    assert (bot.greeting, bot.consent) == ("Hello you", "Please: ?")
    assert bot.name == "n" * 99 + "…"
    assert bot_of(text=texts).consent is False
    assert bot_of(text={"consentMessage": "?"}, requireConsentCompliance=True).consent == "?"
    assert bot_of(text={}, requireConsentCompliance=True).consent is True
    long = {"initialGreeting": "x" * 2001}
    assert bot_of(text=long).greeting == "x" * 1999 + "…"


@pytest.mark.parametrize(
    ("css", "kind"),
    [
        ("aipkit_chat_container", "inline"),
        ("aipkit_popup_wrapper", "popup"),
        ("aipkit_popup_wrapper aipkit_chat_container", "inline"),
    ],
)
def test_the_kind_of_a_bot(css: str, kind: str) -> None:
    bot = endpoint_of(css).bot
    assert (bot.kind, bot.dialect) == (kind, AIPKIT.name)


def test_scripts_of_the_plugin_are_traces() -> None:
    for slug in (b"gpt3-ai-content-generator", b"gpt-ai-content-generator", b"aipkit"):
        page = b'<script src="/wp-content/plugins/%s/x.js">' % slug
        assert any(trace in page for trace in AIPKIT.traces)
    assert AIPKIT.slug.encode() in WPAICG.traces


@pytest.mark.parametrize("said", [True, None, 0])
def test_only_a_clear_no_takes_the_thumbs_away(said: object) -> None:
    assert endpoint_of(enableFeedback=said).thumbs
    assert not endpoint_of(enableFeedback=False).thumbs


# -- Requests --------------------------------------------------------------------------------

KEY = page_of('{"success":true,"data":{"cache_key":"k"}}')


@pytest.mark.parametrize("kind", ["image/webp", "image/jpeg", "image/png"])
def test_pictures_go_with_the_message(kind: str) -> None:
    bot, image = endpoint_of(imageUploadEnabledUI=True), Image(kind, b"xyz")
    asked = question_for(AIPKIT, images=(image,) * 4, endpoint=bot)
    fields = parse_qs((next(AIPKIT.requests(asked)).body or b"").decode())
    one = {"mime_type": kind, "base64_data": "eHl6"}
    assert json.loads(fields["image_inputs"][0]) == [one] * 4
    for images in ((image,) * 5, (Image("image/gif", b"x"),)):
        with pytest.raises(InvalidMessageError):
            next(AIPKIT.requests(question_for(AIPKIT, images=images, endpoint=bot)))


def test_a_bot_that_was_not_found_in_a_page_searches_too() -> None:
    steps = AIPKIT.requests(question_for(AIPKIT, web_search=True))
    next(steps)
    assert parse_qs(urlsplit(steps.send(KEY).url).query)["frontend_web_search_active"] == ["true"]


# -- Answers ---------------------------------------------------------------------------------


def event(name: str, data: Any) -> str:
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"


DELTA, DONE = event("", {"delta": "Hi"}), event("done", {})


@pytest.mark.parametrize(
    ("before", "error"),
    [
        # Nothing of the model's: it may be the nonce, and the message may go again.
        ("", "NonceRefused"),
        (event("ping", {"x": 1}), "NonceRefused"),
        (event("ping", []), "NonceRefused"),
        # From here on the site took the message: it must not be sent a second time.
        (event("", {"x": 1}), "UpstreamError"),
        (event("", {"delta": ""}), "UpstreamError"),
        (event("", {"delta": "", "x": 1}), "UpstreamError"),
        (event("ping", {"delta": ""}), "UpstreamError"),
        *[
            (event(name, {}), "UpstreamError")
            for name in (
                "message_start", "message", "status", "openai_response_id", "citations", "warning",
                "google_interaction_id", "grounding_metadata", "display_form_event",
            )
        ],
    ],
)  # fmt: skip
@pytest.mark.parametrize("failed", [event("error", {"error": "No"}), event("", {"error": "No"})])
def test_whether_the_model_was_asked_before_an_error(before: str, error: str, failed: str) -> None:
    out = decode(AIPKIT, before + failed + DONE)
    assert (out.text, out.kind) == ("", error)
    assert "“No”" in out.said


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"delta": "Hi", "error": None}, "Hi"),
        ({"delta": "Hi", "x": 1}, "Hi"),
        ({"delta": 5}, ""),
        ({"delta": ["Hi"]}, ""),
    ],
)
def test_a_delta_with_more_keys(data: dict[str, Any], text: str) -> None:
    out = decode(AIPKIT, event("", data) + event("", {"delta": "!"}) + DONE)
    assert (out.text, out.kind) == (f"{text}!", "")


def test_an_error_beside_a_delta_is_no_text() -> None:
    out = decode(AIPKIT, DELTA + event("", {"delta": "x", "error": "No"}))
    assert (out.text, out.kind) == ("Hi", "UpstreamError")


@pytest.mark.parametrize("name", ["error", "warning", "done", "citations", "ping"])
def test_a_delta_is_text_whatever_its_event_is_called(name: str) -> None:
    out = decode(AIPKIT, DELTA + event(name, {"delta": " there", "error": None}) + DONE)
    assert (out.text, out.kind) == ("Hi there", "")


def test_a_last_event_behind_a_notice_without_a_line_end() -> None:
    assert decode(AIPKIT, DELTA + "<br />Noticeevent: done\ndata: x\n\n").complete
    out = decode(AIPKIT, DELTA + "<br />Noticeevent: error\ndata: No\n\n" + DONE)
    assert (out.text, out.kind) == ("Hi", "UpstreamError")
    assert "“No”" in out.said


def test_what_an_answer_is_named_by() -> None:
    out = decode(
        AIPKIT,
        event("message_start", {"message_id": "m" * 201})
        + event("openai_response_id", {"id": "o" * 501})
        + event("google_interaction_id", {"id": "g"})
        + event("google_interaction_id", {"id": 0.5, "x": 1})
        + event("openai_response_id", {"id": ""})
        + event("status", {"id": "s"})
        + DELTA
        + DONE,
    )
    assert out.details.message_id == "m" * 199 + "…"
    assert out.details.state == {
        "openai_response_id": "o" * 499 + "…", "google_interaction_id": "0.5",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["citations", "done"])
def test_sources(name: str) -> None:
    url, title = "https://a.test/", "A"
    given = [
        {"url": url, "source_title": title, "cited_text": "One"},
        {"url": url, "title": title, "source_title": "B", "cited_text": "Two"},
        {"url": url, "title": title, "cited_text": "One"},
        {"url": url, "title": title},
        {"url": "http://b.test/"},
        {"url": "http://b.test/", "title": ""},
        {"url": "ftp://b.test/"},
    ]
    data: Any = {"citations": given}
    for shape in (data, given) if name == "citations" else (data,):
        out = decode(AIPKIT, DELTA + event(name, shape) + (DONE if name != "done" else ""))
        assert out.details.citations == [
            Citation(url, title, "One"), Citation(url, title, "Two"),
            Citation("http://b.test/", ""),
        ]  # fmt: skip


def test_sources_are_bounded() -> None:
    lists = ([{"url": f"http://a.test/{n}"} for n in range(at, at + 501)] for at in (0, 501))
    out = decode(AIPKIT, DELTA + "".join(event("citations", each) for each in lists) + DONE)
    assert len(out.details.citations) == 1000


def test_sources_of_the_other_form_under_either_name() -> None:
    web = {"groundingChunks": [{"web": {"uri": "https://a.test/", "title": "A"}}]}
    for data in (web, {"citations": web}, {"grounding_metadata": web}):
        for name in ("citations", "grounding_metadata"):
            out = decode(AIPKIT, DELTA + event(name, data) + DONE)
            assert out.details.citations == [Citation("https://a.test/", "A")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"error": "One", "message": "Two"}, "One"),
        ({"error": {"message": "One"}, "message": "Two"}, "One"),
        ({"error": {"x": 1}, "message": "Two"}, "Two"),
        ({"error": "One", "quota_notice": {"message": "Two"}}, "Two"),
        ({"error": {"message": "One", "quota_notice": {"x": 1}}}, "One"),
        ({"error": {"message": "One"}, "quota_notice": "x"}, "One"),
    ],
)
def test_the_words_of_an_error(data: dict[str, Any], said: str) -> None:
    out = decode(AIPKIT, event("error", data))
    assert f"“{said}”" in out.said
    assert isinstance(out.error, QuotaError) == ("quota_notice" in json.dumps(data))


def test_the_buttons_of_a_used_up_limit() -> None:
    actions = [
        {"label": "Buy", "url": "/shop/"},
        {"label": "Mail", "url": "mailto:a@a.test"},
        {"label": "", "url": "https://b.test/"},
        {"label": "None", "url": " "},
        {"label": "L" * 201, "url": " http://b.test/ "},
        5,
    ]
    error = decode(AIPKIT, event("error", {"quota_notice": {"actions": actions}})).error
    assert isinstance(error, QuotaError)
    assert error.actions == (
        ("Buy", "https://a.test/shop/"), ("L" * 199 + "…", "http://b.test/"),
    )  # fmt: skip


def test_the_fields_of_a_form() -> None:
    element = {"name": "e", "label": "E-mail", "type": "text", "x": 1}
    form = {"title": "You", "elements": [element, 5, {"name": 7}]}
    error = decode(AIPKIT, event("display_form_event", {"form_definition": form}) + DONE).error
    assert isinstance(error, RefusedError)
    assert error.form == {
        "title": "You",
        "fields": [
            {"name": "e", "label": "E-mail", "type": "text"},
            {"name": "7", "label": "", "type": ""},
        ],
    }
    error = decode(AIPKIT, event("display_form_event", {}) + DONE).error
    assert isinstance(error, RefusedError)
    assert error.form == {"title": "?", "fields": []}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("cors_denied", "RefusedError"),
        ("embed_not_available", "RefusedError"),
        ("x", "UpstreamError"),
    ],
)
def test_a_page_of_another_site_is_no_failure_of_the_model(code: str, error: str) -> None:
    for data in ({"error": "No", "code": code}, {"error": {"message": "No", "code": code}}):
        assert decode(AIPKIT, event("message_start", {}) + event("error", data)).kind == error
        found = decode(AIPKIT, event("error", data)).error
        assert found is not None
        assert found.code == code


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        ({"success": False, "data": {"message": "No"}}, "NonceRefused", "“No”"),
        ({"success": False, "data": {"message": "No", "error": "Why"}}, "NonceRefused", "“Why”"),
        ({"success": True, "data": {"error": "Why"}}, "NonceRefused", "“Why”"),
        ({"error": "Why"}, "NonceRefused", "“Why”"),
        ({"success": True, "data": {"x": 1}}, "UnexpectedFormatError", "keys: data, success"),
        ({"success": False}, "UnexpectedFormatError", "keys: success"),
        ({"code": "x_ts_required", "message": "Verify"}, "ChallengeError", "Verify"),
    ],
)
def test_an_object_in_place_of_a_stream(data: dict[str, Any], error: str, said: str) -> None:
    out = decode(AIPKIT, json.dumps(data), kind="application/json")
    assert out.kind == error
    assert said in out.said


def test_a_refusal_without_a_code() -> None:
    error = decode(AIPKIT, event("error", {"error": "No"})).error
    assert error is not None
    assert error.code is None


def test_a_gate_behind_another_object() -> None:
    out = decode(AIPKIT, '{"x":1}\n{"code":"x_ts_required"}', kind="application/json")
    assert out.kind == "ChallengeError"


@pytest.mark.parametrize("body", ["0", "-1", " 0\n"])
def test_a_stream_that_wordpress_does_not_know(body: str) -> None:
    assert "another generation" in decode(AIPKIT, body, kind="text/html").said


# -- Refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "data", "error", "said"),
    [
        (400, {"message": "No", "code": "x"}, "RefusedError", "“No”"),
        (400, {"code": "x"}, "RefusedError", "“x”"),
        (400, "No", "RefusedError", "“No”"),
        (400, {"message": "No", "code": "nonce_failure_x"}, "NonceRefused", "“No”"),
        (400, {"message": "No", "code": "embed_not_available"}, "RefusedError", "own pages only"),
        (403, {"message": "No", "code": "cors_denied"}, "RefusedError", "own pages only"),
        (403, {"message": "No"}, "NonceRefused", "“No”"),
        (401, {"message": "No", "code": "nonce_failure"}, "UnexpectedStatusError", "401"),
        (499, {"message": "No"}, "RefusedError", "“No”"),
        (500, {"message": "No"}, "UnexpectedStatusError", "500"),
    ],
)
def test_refusals(status: int, data: object, error: str, said: str) -> None:
    body = json.dumps({"success": False, "data": data})
    caught = AIPKIT.error_for(page_of(body, status))
    assert type(caught).__name__ == error
    assert said in str(caught)
    assert ("own pages" in str(caught)) == ("own pages" in said)


def test_a_gate_in_the_plugins_own_refusal() -> None:
    body = '{"x":1}\n{"success":false,"data":{"message":"Verify","code":"x_ts_required"}}'
    for read in (AIPKIT.check_done, AIPKIT.list_from):
        with pytest.raises(ChallengeError):
            read(page_of(body))


GOOD, BAD = '{"success":true,"data":{"nonce":"n1"}}', '{"success":false,"data":{"nonce":"n2"}}'


@pytest.mark.parametrize(
    ("body", "nonce"),
    [
        (BAD + GOOD, "n1"), (GOOD + BAD, "n1"), (GOOD + '{"data":{"nonce":"n2"}}', "n1"),
        (BAD + '{"success":true,"data":["n1"]}', None),
    ],
)  # fmt: skip
def test_of_several_objects_a_good_one_counts(body: str, nonce: str | None) -> None:
    assert AIPKIT.nonce_from(page_of(body)) == nonce
    with pytest.raises(RefusedError) if nonce is None else contextlib.nullcontext():
        AIPKIT.check_done(page_of(body))


@pytest.mark.parametrize(
    ("body", "nonce"),
    [
        ({"success": True, "data": {"nonce": " n1 "}}, "n1"),
        ({"success": True, "data": {"nonce": "\ud800"}}, "\ufffd"),
        ({"success": True, "data": {"nonce": 5}}, None),
        ({"success": True, "data": "n1"}, None),
        ({"success": False, "data": {"nonce": "n1"}}, None),
        ({"data": {"nonce": "n1"}}, None),
    ],
)
@pytest.mark.parametrize("status", [199, 200, 299, 300])
def test_a_fresh_nonce(body: dict[str, Any], nonce: str | None, status: int) -> None:
    found = AIPKIT.nonce_from(page_of(json.dumps(body), status))
    assert found == (nonce if 200 <= status < 300 else None)
