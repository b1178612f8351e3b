"""The details of AI Engine's pages, requests and answers: fed by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engine import (
    PAGE,
    decode,
    element,
    ending,
    endpoint,
    endpoints,
    event,
    final_request,
    question,
    response,
    sent,
)

from chatgptes.errors import (
    InvalidMessageError,
    RefusedError,
    UnexpectedFormatError,
    UnexpectedStatusError,
)
from chatgptes.sites.aiengine import MWAI, MWAI_REST
from chatgptes.sites.dialect import NonceRefused, Question
from chatgptes.values.images import Image
from chatgptes.values.reply import Usage

UPLOADS = {"imageUpload": True, "maxUploads": 3}

# -- Pages -----------------------------------------------------------------------------------


def test_the_words_of_a_window_are_bounded() -> None:
    params = {"aiName": "n" * 101, "startSentence": "s" * 2001}
    shortcuts = [{"type": "message", "data": {"message": f"{n} {'m' * 2001}"}} for n in range(21)]
    bot = endpoint(params, shortcuts=shortcuts).bot
    assert (bot.name, bot.greeting) == ("n" * 99 + "…", "s" * 1999 + "…")
    assert [len(text) for text in bot.starters] == [2000] * 20


@pytest.mark.parametrize(
    ("blocks", "consent"),
    [
        ([{"id": "mwai_gdpr_1", "data": {"html": "<p>May we?</p><button>Yes</button>"}}],
         "May we?"),
        ([{"id": "mwai_gdpr_1", "data": {"html": "<button>Yes</button>"}}], True),
        ([{"id": "mwai_gdpr_1", "data": "May we?"}], True),
        ([{"id": "mwai_gdpr", "data": {"html": "No"}}, {"id": 5}], False),
        ([{"id": "x"}, {"id": "mwai_gdpr_", "data": {"html": "May we?"}}], "May we?"),
    ],
)  # fmt: skip
def test_the_words_that_ask_for_consent(blocks: list[Any], consent: str | bool) -> None:
    assert endpoint(blocks=blocks).bot.consent == consent


@pytest.mark.parametrize(
    ("value", "most"), [(3, 3), ("3", 3), ("03", 3), (0, 1), ("", 1), (None, 1), (10**9, 1)]
)
def test_how_many_pictures_a_bot_takes(value: object, most: int) -> None:
    assert MWAI.most_images(endpoint({**UPLOADS, "maxUploads": value})) == most


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "avif"])
def test_the_kinds_of_pictures(kind: str) -> None:
    asked = question(endpoint=endpoint(UPLOADS), images=(Image(f"image/{kind}", b"x"),))
    if kind == "avif":
        with pytest.raises(InvalidMessageError, match=r"only gif, jpeg, png, webp\."):
            next(MWAI.requests(asked))
        return
    assert f'filename="image.{kind}"'.encode() in (next(MWAI.requests(asked)).body or b"")


@pytest.mark.parametrize(
    "markup",
    ["<div id='mwai-x'>", "<script>mwai_x</script>", "<script src='/plugins/ai-engine/x.js'>"],
)
def test_traces_of_the_plugin(markup: str) -> None:
    assert any(trace in markup.encode() for trace in MWAI.traces)
    assert MWAI.slug == MWAI_REST.slug == "ai-engine"


def test_bots_know_their_dialect_and_page() -> None:
    (found,) = endpoints(element(customId="c", restNonce=" n0nce "))
    assert (found.bot.dialect, found.bot.page, found.page_url) == (MWAI.name, PAGE, PAGE)
    assert (found.nonce, found.nonce_first) == ("n0nce", False)


def test_shortcuts_without_a_type_are_told_by_their_action() -> None:
    shortcuts = [
        {"data": {"action": "message", "label": "A", "message": " One "}},
        {"type": "message", "data": {"action": "run", "message": "Two"}},
        {"type": "run", "data": {"action": "run", "message": "No"}},
        {"type": "message", "data": {"label": "", "shortcutId": "x"}},
        {"type": "message", "data": {"label": "L", "shortcutId": " i "}},
    ]
    bot = endpoint(shortcuts=shortcuts)
    assert bot.bot.starters == ("One", "Two", "L")
    assert sent(question(" L ", endpoint=bot))["shortcutId"] == "i"
    assert sent(question(" L ", endpoint=bot))["shortcutName"] == "L"


# -- Requests --------------------------------------------------------------------------------


def test_text_goes_as_it_is_not_three_times_as_long() -> None:
    assert "Привет".encode() in (final_request(question("Привет")).body or b"")


def test_an_empty_part_makes_no_empty_line() -> None:
    assert sent(question("b", history=(("user", "a"), ("user", ""))))["newMessage"] == "a\n\nb"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pictures_that_the_site_has_are_not_sent_again(count: int) -> None:
    image = Image("image/png", b"x")
    asked = question(endpoint=endpoint(UPLOADS), images=(image,) * count, uploaded={0: "f0"})
    steps = MWAI.requests(asked)
    request = next(steps)
    for place in range(1, count):
        assert (request.repeatable, request.final) == (False, False)
        assert request.headers["Accept"] == "application/json"
        request = steps.send(response({"success": True, "data": {"id": f"f{place}"}}))
    body = json.loads(request.body or b"")
    names = [f"f{place}" for place in range(count)]
    assert body.get("newFileIds", [body.get("newFileId")]) == names
    assert asked.uploaded == dict(enumerate(names))


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ({"success": False, "message": "No."}, RefusedError, "refused the image: “No.”"),
        ({"success": False, "data": {"id": "f"}, "message": "No."}, RefusedError, "image: “No.”"),
        ({"data": {"id": "f"}}, UnexpectedFormatError, "took the image"),
        ({"code": "rest_no_route"}, UnexpectedStatusError, "no such route"),
        ({"code": "x_ts_required"}, Exception, "bot check"),
    ],
)
def test_uploads_that_fail(answer: dict[str, Any], error: type[Exception], said: str) -> None:
    steps = MWAI.requests(question(endpoint=endpoint(UPLOADS), images=(Image("image/png", b"x"),)))
    next(steps)
    with pytest.raises(error) as caught:
        steps.send(response(answer))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "nonce"),
    [
        (200, {"success": True, "restNonce": "n1"}, "n1"),
        (299, {"success": True, "restNonce": "n1"}, "n1"),
        (300, {"success": True, "restNonce": "n1"}, None),
        (199, {"success": True, "restNonce": "n1"}, None),
        (200, {"code": "rest_no_route"}, None),
        (400, {"code": "rest_no_route"}, ""),
        (401, {"code": "x"}, ""),
        (403, {"code": "x"}, ""),
        (402, {"code": "x"}, None),
        (401, {"success": False}, None),
        (403, {"code": "x_ts_required"}, None),
    ],
)
def test_the_nonce_of_a_session(status: int, body: dict[str, Any], nonce: str | None) -> None:
    assert MWAI.nonce_from(response(body, status)) == nonce


# -- Answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subtype", "text"), [(None, "Hi"), ("content", "Hi"), ("thinking", ""), ("", "")]
)
def test_which_live_events_are_text(subtype: str | None, text: str) -> None:
    out = decode(event("live", "Hi", subtype=subtype) + ending("", images=["https://a.test/i"]))
    assert out.text == f"{text}\n\n![Image](https://a.test/i)".lstrip()


@pytest.mark.parametrize(
    ("live", "reply", "images", "text"),
    [
        ("", "", ["https://a.test/i"], "![Image](https://a.test/i)"),
        (" ", "", ["https://a.test/i"], " ![Image](https://a.test/i)"),
        ("", "Hi", ["https://a.test/i"], "Hi\n\n![Image](https://a.test/i)"),
        ("Hi", "Hi", ["http://a.test/i"], "Hi\n\n![Image](http://a.test/i)"),
        ("http://a.test/i", "", ["http://a.test/i"], "http://a.test/i"),
        ("", "http://a.test/i", ["http://a.test/i"], "http://a.test/i"),
        ("Hi", "", [f"https://a.test/{mark}x" for mark in "()<> "], "Hi"),
        ("Hi", "", ["ftp://a.test/i", 5], "Hi"),
        ("Hi", "", "https://a.test/i", "Hi"),
        ("Hi", "", ["http://a.test/1", "http://a.test/2"],
         "Hi\n\n![Image](http://a.test/1)\n\n![Image](http://a.test/2)"),
    ],
)  # fmt: skip
def test_pictures_in_an_answer(live: str, reply: str, images: Any, text: str) -> None:
    out = decode((event("live", live) if live else "") + ending(reply, images=images))
    assert (out.text, out.kind) == (text, "")
    web = [each for each in images if str(each).startswith("http")]
    assert len(out.details.images) == (len(web) if isinstance(images, list) else 0)


def test_pictures_are_bounded() -> None:
    images = [f"https://a.test/{n}" for n in range(101)]
    assert decode(ending("Hi", images=images)).details.images == images[:100]


def test_what_an_end_says_besides_the_text() -> None:
    said = {"responseId": "r" * 201, "usage": {"total_tokens": 3}, "new_token": "t"}
    for body in (ending("Hi", **said), json.dumps({"success": True, "reply": "Hi", **said})):
        details = decode(body, headers=[("X-WP-Nonce", "old")]).details
        assert details.message_id == "r" * 199 + "…"
        assert (details.usage, details.nonce) == (Usage(None, None, 3), "t")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"success": False, "message": "No."}, "RefusedError"),
        ({"success": None, "reply": "Hi"}, ""),
        ({"reply": "Hi"}, ""),
        ({"success": True, "reply": 5}, "EmptyReplyError"),
    ],
)
def test_only_a_clear_no_at_the_end_is_a_failure(answer: dict[str, Any], error: str) -> None:
    for data in (answer, json.dumps(answer)):
        out = decode(event("end", data))
        assert (out.text, out.kind) == ("" if error else "Hi", error)
        assert error != "RefusedError" or "“No.”" in str(out.error)


def test_of_several_objects_the_answer_counts() -> None:
    good, bad = {"success": True, "reply": "Hi"}, {"success": False, "message": "No."}
    for objects in ([good, bad], [bad, good], [{"code": "x"}, good], [{"a": 1}, good]):
        out = decode("\n".join(map(json.dumps, objects)), kind="application/json")
        assert (out.text, out.kind) == ("Hi", "")
    for first, error in ((bad, "RefusedError"), ({"code": "x"}, "UnexpectedStatusError")):
        body = "\n".join(map(json.dumps, [{"a": 1}, first, {"a": 2}]))
        assert decode(body, kind="application/json").kind == error


def test_a_gate_behind_another_object() -> None:
    out = decode('{"a":1}\n{"code":"x_ts_required"}', kind="application/json")
    assert out.kind == "ChallengeError"


def test_a_conversation_that_another_release_saved_goes_on() -> None:
    assert decode(ending("Hi")).details.state.keys() == {"mwai_chat", "mwai_left"}


def test_a_failure_behind_blanks_alone_is_no_broken_answer() -> None:
    assert decode(event("live", " ") + event("error", "No.")).kind == "RefusedError"
    assert decode(event("live", " ") + event("live", "x") + event("error", "")).kind == (
        "UpstreamError"
    )


# -- Refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "data", "error", "said"),
    [
        (299, {"success": False, "message": "No."}, RefusedError, "gave no answer: “No.”"),
        (400, {"success": False, "message": "No."}, RefusedError, "(status 400): “No.”"),
        (401, {"code": "rest_cookie_invalid_nonce"}, NonceRefused, "nonce"),
        (403, {"code": "rest_forbidden"}, NonceRefused, "nonce"),
        (404, {"code": "rest_forbidden"}, UnexpectedStatusError, "404, rest_forbidden"),
        (404, {"code": "rest_no_route", "message": "M"}, UnexpectedStatusError, "“M”"),
        (500, {"code": "internal_server_error", "message": "M"}, UnexpectedStatusError, "Try"),
        (500, {"code": "x", "message": "M"}, UnexpectedStatusError, "“M”"),
    ],
)
def test_refusals(status: int, data: dict[str, Any], error: type[Exception], said: str) -> None:
    caught = MWAI.error_for(response(data, status))
    assert type(caught) is error
    assert said in str(caught)
    assert "“M”" not in str(caught) or said == "“M”"
    assert caught.code == data.get("code")


@pytest.mark.parametrize(
    ("data", "text", "error"),
    [
        ({"success": True, "data": "Hi\ud800"}, "Hi\ufffd", ""),
        ({"success": 0, "data": "Hi"}, "", "UnexpectedFormatError"),
        ({"data": "Hi"}, "", "UnexpectedFormatError"),
        ({"success": False, "data": "Hi", "message": "No."}, "", "RefusedError"),
        ({"code": "rest_no_route"}, "", "UnexpectedStatusError"),
    ],
)
def test_the_answers_of_the_owners_api(data: dict[str, Any], text: str, error: str) -> None:
    where = MWAI_REST.endpoint(PAGE, "/wp-json/", "default", "key")
    out = decode(json.dumps(data), asked=Question(where, "Hi"), speaks=MWAI_REST)
    assert (out.text, out.kind) == (text, error)


def test_ids_of_the_owners_api_are_words() -> None:
    assert MWAI_REST.is_bot_id("x")
    assert not MWAI_REST.is_bot_id("")
    where = MWAI_REST.endpoint(PAGE, "/wp-json/", "default", "key")
    assert MWAI_REST.age(response(""), where) == "2.2.1 or later"
