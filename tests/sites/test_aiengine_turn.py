"""The requests of a turn with an AI Engine bot: nonce, message, memory, uploads."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from engine import (
    ROOT,
    SUBMIT,
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
from hypothesis import given
from hypothesis import strategies as st

from chatgptes.errors import (
    ChatGptEsError,
    InvalidConfigError,
    InvalidMessageError,
    RefusedError,
    UnexpectedFormatError,
)
from chatgptes.sites.aiengine import MWAI
from chatgptes.sites.dialect import NonceRefused, Question
from chatgptes.values.http import Request
from chatgptes.values.images import Image

PNG = Image("image/png", b"\x89PNG\r\n\x1a\nred")
UPLOADS = {"imageUpload": True, "fileUpload": True, "maxUploads": 3}
# All that the site takes and that a visitor may say; more would override what the owner has set.
KEYS = {"botId", "customId", "chatId", "contextId", "messages", "newMessage", "stream"}
FILE_KEYS = {"newFileId", "newImageId", "newFileIds"}


# The message.


def test_a_turn() -> None:
    asked = question("Hi", history=(("user", "My name is Ada."), ("assistant", "Hello, Ada.")))
    request = final_request(asked)
    assert (request.method, request.url, request.repeatable) == ("POST", SUBMIT, False)
    assert request.headers == {
        "X-WP-Nonce": "n0nce",
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
    }
    assert request.referrer == asked.endpoint.bot.page
    body = json.loads(request.body or b"")
    assert body == {
        "botId": "default",
        "customId": None,
        "chatId": asked.id,
        "contextId": 6,
        "messages": [
            {"role": "user", "content": "My name is Ada."},
            {"role": "assistant", "content": "Hello, Ada."},
        ],
        "newMessage": "Hi",
        "stream": True,
    }


def test_a_customised_bot_in_no_single_post() -> None:
    where = endpoint(botId=None, customId="my_custom", contextId=None)
    body = sent(question(endpoint=where))
    assert (body["botId"], body["customId"], body["contextId"]) == (None, "my_custom", None)
    body = sent(question(endpoint=endpoint(customId="c0ffee")))
    assert (body["botId"], body["customId"]) == ("default", "c0ffee")


@pytest.mark.parametrize("written", ["9" * 5000, "\u0663", "-1", "six", True, 6.5, [6]])
def test_a_post_id_that_is_no_number_is_not_sent(written: object) -> None:
    assert sent(question(endpoint=endpoint(contextId=written)))["contextId"] is None


def test_without_a_nonce_no_header_is_sent() -> None:
    assert "X-WP-Nonce" not in final_request(question(endpoint=endpoint(nonce=""))).headers


@given(st.text(max_size=40), st.lists(st.text(max_size=20), max_size=5))
def test_text_arrives_as_it_is_and_nothing_else_with_it(prompt: str, past: list[str]) -> None:
    history = tuple((("user", "assistant")[n % 2], text) for n, text in enumerate(past))
    if len(past) % 2:
        history = (*history, ("assistant", "Yes"))
    body = sent(question(prompt, history=history))
    assert body["newMessage"] == prompt
    assert [(each["role"], each["content"]) for each in body["messages"]] == list(history)
    assert body.keys() == KEYS
    assert all(each.keys() == {"role", "content"} for each in body["messages"])


def test_a_history_ends_with_the_assistants() -> None:
    past = (("user", "a"), ("assistant", "b"), ("user", "c"), ("user", "d"))
    body = sent(question("e", history=past))
    assert [each["content"] for each in body["messages"]] == ["a", "b"]
    assert body["newMessage"] == "c\n\nd\n\ne"


def test_half_characters() -> None:
    body = sent(question("a\ud83d", history=(("user", "\ude42"), ("assistant", "\ud83d\ude42"))))
    assert body["newMessage"] == "a\ufffd"
    assert [each["content"] for each in body["messages"]] == ["\ufffd", "🙂"]


# What the page says of a message's length.


def test_messages_that_are_too_long_are_not_sent() -> None:
    short = endpoint({"textInputMaxLength": 20})
    assert sent(question("é" * 20, endpoint=short))
    assert sent(question(" \n" + "x" * 20 + "\t", endpoint=short))  # The site trims first.
    with pytest.raises(InvalidMessageError, match="at most 20 characters; this one has 21"):
        next(MWAI.requests(question("x" * 21, endpoint=short)))
    # Of a history, only what goes as the new message counts.
    past = (("user", "x" * 30), ("assistant", "y" * 30))
    assert sent(question("Hi", endpoint=short, history=past))
    with pytest.raises(InvalidMessageError, match="20"):
        next(MWAI.requests(question("Hi", endpoint=short, history=(("user", "x" * 30),))))


@pytest.mark.parametrize("limit", [0, -1, None, True, "", "many", 1.5, 10**12])
def test_limits_that_are_none(limit: object) -> None:
    assert sent(question("x" * 5000, endpoint=endpoint({"textInputMaxLength": limit})))


def test_limits_as_strings() -> None:
    with pytest.raises(InvalidMessageError, match="at most 3 char"):
        next(MWAI.requests(question("four", endpoint=endpoint({"textInputMaxLength": "3"}))))


def test_what_the_bot_does_not_offer() -> None:
    with pytest.raises(InvalidConfigError, match="web_search"):
        next(MWAI.requests(question(web_search=True)))
    without = endpoint({"imageUpload": False})
    with pytest.raises(InvalidMessageError, match="no images"):
        next(MWAI.requests(question(endpoint=without, images=(PNG,))))


# Memory.


def after(asked: Question, answer: str) -> dict[str, str]:
    return decode(event("live", answer) + ending(answer), asked=asked).details.state


def test_the_chat_goes_on_while_the_history_is_what_the_turn_left() -> None:
    first = question("My name is Ada.")
    state = after(first, "Hello, Ada.")
    history = (("user", "My name is Ada."), ("assistant", "Hello, Ada."))
    second = question("And now?", history=history, state=state)
    assert sent(second)["chatId"] == sent(first)["chatId"] == first.id
    state = after(second, "Still Ada.")
    history = (*history, ("user", "And now?"), ("assistant", "Still Ada."))
    assert sent(question("Well?", history=history, state=state))["chatId"] == first.id


@pytest.mark.parametrize(
    "history",
    [
        (),
        (("user", "My name is Bob."), ("assistant", "Hello, Ada.")),
        (("user", "My name is Ada."), ("assistant", "Hello.")),
        (("user", "My name is Ada."), ("assistant", "Hello, Ada."), ("user", "x")),
    ],
)
def test_a_changed_history_is_another_chat(history: tuple[tuple[str, str], ...]) -> None:
    first = question("My name is Ada.")
    other = question("And now?", history=history, state=after(first, "Hello, Ada."))
    assert sent(other)["chatId"] == other.id != first.id


def test_another_bot_is_another_chat() -> None:
    first = question("Hi")
    history = (("user", "Hi"), ("assistant", "Yes"))
    where = endpoint(botId="second")
    other = question("Hi", endpoint=where, history=history, state=after(first, "Yes"))
    assert sent(other)["chatId"] == other.id


def test_a_failed_turn_leaves_no_state() -> None:
    for body in (event("error", "no"), event("live", "Ye") + event("error", "no"), ending("")):
        assert decode(body).details.state == {}
    assert question().id != question().id


# Nonces.


def test_a_session_is_started_without_a_nonce() -> None:
    # WordPress refuses a dead one there, too.
    for where in (endpoints(element())[0], endpoint()):
        request = MWAI.nonce_request(where)
        assert request is not None
        assert (request.method, request.url) == ("POST", f"{ROOT}/mwai/v1/start_session")
        assert request.headers == {"Accept": "application/json"}
        assert not request.body


NOISE = "<br />\n<b>Warning</b>: something in <b>/srv/x.php</b> on line <b>7</b><br />\n"
SESSION = '{"success":true,"sessionId":"6b08a7","restNonce":"ddb5efd84a"}'
GATE = '{"code":"members_only","message":"No.","data":{"status":401}}'
NO_ROUTE = '{"code":"rest_no_route","message":"No.","data":{"status":404}}'


@pytest.mark.parametrize(
    ("status", "body", "nonce"),
    [
        (200, SESSION, "ddb5efd84a"),
        (200, NOISE + SESSION, "ddb5efd84a"),
        (404, NO_ROUTE, ""),
        (404, NOISE + NO_ROUTE, ""),
        (401, GATE, ""),
        (403, GATE, ""),
        (200, '{"success":true,"sessionId":"x","restNonce":null}', None),
        (200, '{"success":true,"restNonce":"a b"}', None),
        (200, "<html>A page</html>", None),
        (404, "<html>Nothing</html>", None),
        (500, "<html>Broken</html>", None),
        (500, '{"code":"internal_server_error","message":"<p>No</p>"}', None),
        (403, "<html><title>Just a moment...</title></html>", None),
        (200, "", None),
    ],
)
def test_the_nonce_of_a_session(status: int, body: str, nonce: str | None) -> None:
    assert MWAI.nonce_from(response(body, status)) == nonce


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_a_fresher_nonce(kind: str) -> None:
    current = [("X-WP-Nonce", "fresh1")]
    streamed = kind != "application/json"
    body = ending("Yes") if streamed else '{"success":true,"reply":"Yes"}'
    assert decode(body, kind=kind, headers=current).details.nonce == "fresh1"
    assert decode(body, kind=kind).details.nonce is None
    body = (
        ending("Yes", new_token="fresh2")
        if streamed
        else '{"success":true,"reply":"Yes","new_token":"fresh2"}'
    )
    assert decode(body, kind=kind, headers=current).details.nonce == "fresh2"
    assert decode(body, kind=kind, headers=[("X-WP-Nonce", "not one")]).details.nonce == "fresh2"


# Uploads.


def drive(asked: Question, *answers: Any) -> list[Request]:
    """The requests of a turn whose uploads are answered so."""
    steps = MWAI.requests(asked)
    requests = [next(steps)]
    for answer in answers:
        requests.append(steps.send(answer if not isinstance(answer, dict) else response(answer)))
    return requests


def uploaded(name: str) -> dict[str, Any]:
    return {"success": True, "data": {"id": name, "url": f"https://a.test/up/{name}.png"}}


def test_an_image_is_uploaded_first() -> None:
    asked = question("What is this?", endpoint=endpoint(UPLOADS), images=(PNG,))
    upload, message = drive(asked, uploaded("f1"))
    assert (upload.url, upload.final) == (f"{ROOT}/mwai-ui/v1/files/upload", False)
    assert upload.headers["X-WP-Nonce"] == "n0nce"
    assert upload.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    body = upload.body or b""
    assert (
        b'name="file"; filename="image.png"\r\nContent-Type: image/png\r\n\r\n' + PNG.data in body
    )
    assert b'name="purpose"\r\n\r\nvision\r\n' in body
    said = json.loads(message.body or b"")
    # One of the two names is ignored, by version.
    assert said["newFileId"] == said["newImageId"] == "f1"
    assert said.keys() == KEYS | FILE_KEYS - {"newFileIds"}


def test_several_images_where_the_page_says_so() -> None:
    asked = question(endpoint=endpoint(UPLOADS), images=(PNG, PNG, PNG))
    *_, message = drive(asked, uploaded("f1"), uploaded("f2"), uploaded("f3"))
    said = json.loads(message.body or b"")
    assert said["newFileIds"] == ["f1", "f2", "f3"]
    assert said.keys() == KEYS | {"newFileIds"}
    for params in (
        {"imageUpload": True},
        {**UPLOADS, "maxUploads": 1},
        {**UPLOADS, "maxUploads": 2},
    ):
        with pytest.raises(InvalidMessageError, match="image"):
            next(MWAI.requests(replace(asked, endpoint=endpoint(params))))


def test_an_image_without_a_word() -> None:
    for where in (endpoint(UPLOADS, restNonce="n0nce"), endpoint(UPLOADS, nonce="")):
        with pytest.raises(InvalidMessageError, match="without a word"):
            next(MWAI.requests(question("", endpoint=where, images=(PNG,))))
    assert drive(question("", endpoint=endpoint(UPLOADS), images=(PNG,)), uploaded("f1"))


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (response({"success": False, "message": "No such type."}), RefusedError, "No such type"),
        (response({"success": True, "data": {"url": "x"}}), UnexpectedFormatError, "any known"),
        (response({"success": True, "data": []}), UnexpectedFormatError, "any known"),
        (response("<html>A page</html>"), UnexpectedFormatError, "A page"),
        (response(""), UnexpectedFormatError, "any known"),
    ],
)
def test_uploads_that_fail(answer: Any, error: type[ChatGptEsError], words: str) -> None:
    steps = MWAI.requests(question(endpoint=endpoint(UPLOADS), images=(PNG,)))
    next(steps)
    with pytest.raises(error, match=words):
        steps.send(answer)


# Statuses.

FATAL = {
    "code": "internal_server_error",
    "message": "<p>There was a <b>critical</b> error.</p>",
    "data": {"status": 500, "error": {"message": "in /srv/www/x.php:3\nStack trace:\n#0 /srv/y"}},
}


def coded(code: str, status: int) -> dict[str, Any]:
    return {"code": code, "message": "Some words.", "data": {"status": status}}


@pytest.mark.parametrize(
    ("status", "body", "name"),
    [
        (401, coded("rest_forbidden", 401), "NonceRefused"),
        (403, coded("rest_cookie_invalid_nonce", 403), "NonceRefused"),
        (401, coded("rest_not_logged_in", 401), "RefusedError"),
        (403, coded("some_gates_own", 403), "RefusedError"),
        (403, {"success": False, "message": "Some words."}, "RefusedError"),
        (500, {"success": False, "message": "Your nonce is bad."}, "RefusedError"),
        (400, {"success": False, "message": "Some words."}, "RefusedError"),
        (400, coded("rest_invalid_json", 400), "UnexpectedStatusError"),
        (404, coded("rest_no_route", 404), "UnexpectedStatusError"),
        (500, FATAL, "UnexpectedStatusError"),
        (429, {"success": False, "message": "Slowly."}, "RateLimitError"),
        (404, "<html>Nothing</html>", "UnexpectedStatusError"),
        (502, "", "UnexpectedStatusError"),
        (403, "<html><title>Just a moment...</title></html>", "ChallengeError"),
        (302, {"success": False}, "UnexpectedStatusError"),
    ],
)
def test_statuses(status: int, body: Any, name: str) -> None:
    for noise in ("", NOISE) if isinstance(body, dict) else ("",):
        text = noise + (json.dumps(body) if isinstance(body, dict) else body)
        error = MWAI.error_for(response(text, status))
        assert type(error).__name__ == name
        assert error.status == status
        assert "/srv" not in f"{error} {error.excerpt}"
        assert "critical" not in f"{error} {error.excerpt}"
        if not isinstance(error, NonceRefused):
            assert "nonce" not in str(error).replace("Your nonce is bad.", "")


@pytest.mark.parametrize(("status", "words"), [(400, "refused"), (403, "refused"), (500, "gave")])
def test_refusals_claim_no_more_than_their_status_says(status: int, words: str) -> None:
    error = MWAI.error_for(response({"success": False, "message": "No such type."}, status))
    assert words in str(error)
    assert "No such type." in str(error)
    assert ("the model" in str(error)) is (status == 500)


def test_codes_and_words_are_kept() -> None:
    error = MWAI.error_for(response(coded("rest_not_logged_in", 401), 401))
    assert (error.code, error.excerpt) == ("rest_not_logged_in", "Some words.")
    assert "Some words." in str(error)
    assert "older than 1.6.76" in str(MWAI.error_for(response(coded("rest_no_route", 404), 404)))
