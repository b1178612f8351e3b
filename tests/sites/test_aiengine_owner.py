"""AI Engine's API for the owner, and which plugin's API a site has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engine import PAGE, ROOT, decode, response
from hypothesis import given
from hypothesis import strategies as st

from chatgptes.errors import InvalidConfigError, InvalidMessageError, UnexpectedFormatError
from chatgptes.sites import key_dialect_for, namespaces_from
from chatgptes.sites.aiengine import MWAI_REST
from chatgptes.sites.dialect import Question
from chatgptes.values.images import Image

WHERE = MWAI_REST.endpoint(PAGE, f"{ROOT}/", "default", " s3cret ")
NOISE = "<br />\n<b>Warning</b>: something in <b>/srv/x.php</b> on line <b>7</b><br />\n"


def sent(asked: Question) -> Any:
    (request,) = MWAI_REST.requests(asked)
    assert (request.final, request.repeatable) == (True, False)
    return request


def test_a_question() -> None:
    request = sent(Question(WHERE, 'Hi "q" \\ <b> %41 🙂'))
    assert request.url == f"{ROOT}/mwai/v1/simpleChatbotQuery"
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in f"{request!r} {WHERE!r}"
    assert json.loads(request.body) == {"botId": "default", "message": 'Hi "q" \\ <b> %41 🙂'}
    assert "🙂".encode() in request.body  # Not as an escape: that takes thrice the bytes.


def test_a_conversation_goes_as_one_message() -> None:
    # A chatId is ignored where the owner keeps no discussions, or answered with a fatal error.
    history = (("user", "My name is Ada."), ("assistant", "Hello."))
    body = json.loads(sent(Question(WHERE, "And now?", history)).body)
    assert body["message"] == "User: My name is Ada.\n\nAssistant: Hello.\n\nUser: And now?"
    assert body.keys() == {"botId", "message"}


def test_plain_permalinks() -> None:
    where = MWAI_REST.endpoint(PAGE, "https://a.test/?rest_route=/", "default", "key")
    assert where.url == "https://a.test/?rest_route=/mwai/v1/simpleChatbotQuery"


def test_what_can_not_be_asked() -> None:
    for bot, key in (("default", ""), ("default", "a\nb"), ("default", "ключ"), (" ", "key")):
        with pytest.raises(InvalidConfigError):
            MWAI_REST.endpoint(PAGE, ROOT, bot, key)
    with pytest.raises(UnexpectedFormatError, match="own host"):
        MWAI_REST.endpoint(PAGE, "https://b.test/wp-json/", "default", "key")
    with pytest.raises(InvalidMessageError):
        sent(Question(WHERE, "Hi", images=(Image("image/png", b"x"),)))
    with pytest.raises(InvalidConfigError):
        sent(Question(WHERE, "Hi", web_search=True))


@pytest.mark.parametrize(
    ("body", "text", "kind"),
    [
        ('{"success":true,"data":"Yes.","extra":{"actions":[],"chatId":"x"}}', "Yes.", ""),
        ('{"success":true,"data":"Yes."}', "Yes.", ""),
        (NOISE + '{"success":true,"data":"Yes."}', "Yes.", ""),
        ('{"success":true,"data":""}', "", "EmptyReplyError"),
        ('{"success":true,"data":[]}', "", "UnexpectedFormatError"),
        ('{"success":false,"message":"No."}', "", "RefusedError"),
        ("<html>A page</html>", "", "UnexpectedFormatError"),
        ('data: {"type":"live","data":"x"}\n\n', "", "UnexpectedFormatError"),
    ],
)
def test_answers(body: str, text: str, kind: str) -> None:
    for cuts in ([], range(len(body))):
        out = decode(body, cuts, asked=Question(WHERE, "Hi"), speaks=MWAI_REST)
        assert (out.text, out.kind) == (text, kind)
    assert "s3cret" not in str(out.error)


@pytest.mark.parametrize(
    ("status", "code", "name", "words"),
    [
        (401, "rest_forbidden", "AuthenticationError", "api_key="),
        (403, "rest_cookie_invalid_nonce", "AuthenticationError", "api_key="),
        (401, "rest_not_logged_in", "AuthenticationError", "api_key="),
        (404, "rest_no_route", "UnexpectedStatusError", "switched off"),
        (500, "internal_server_error", "UnexpectedStatusError", "software failed"),
        (400, "rest_invalid_json", "UnexpectedStatusError", "rest_invalid_json"),
        (500, "http_request_failed", "UpstreamError", "Some words"),
        (500, "http_404", "UpstreamError", "Some words"),
    ],
)
def test_statuses(status: int, code: str, name: str, words: str) -> None:
    body = {"code": code, "message": "<p>Some words in /srv/x/y.php:7</p>"}
    error = MWAI_REST.error_for(response(body, status))
    assert type(error).__name__ == name
    assert words in str(error)
    assert "/srv" not in str(error)
    if code == "rest_no_route":
        assert "Some words" not in str(error)


def test_a_refusal() -> None:
    error = MWAI_REST.error_for(response({"success": False, "message": "No."}, 500))
    assert type(error).__name__ == "RefusedError"
    assert type(MWAI_REST.error_for(response("<p>x</p>", 502))).__name__ == "UnexpectedStatusError"


def test_it_has_neither_pages_nor_nonces() -> None:
    assert MWAI_REST.find(response("<div class='mwai-chatbot-container'></div>")) == []
    assert MWAI_REST.nonce_request(WHERE) is None
    assert MWAI_REST.nonce_from(response("{}")) is None


# Which plugin.


@given(
    st.sampled_from(["", "[", "[]", "{}", '{"namespaces":7}', '{"namespaces":[7,"wp/v2"]}', "x"])
)
def test_reading_namespaces(body: str) -> None:
    assert namespaces_from(response(body)) in ([], ["wp/v2"])
    assert namespaces_from(response(body, 500)) == []


@pytest.mark.parametrize(
    ("namespaces", "bot", "name"),
    [
        (["wp/v2", "mwai-ui/v1", "mwai/v1"], "default", "mwai-rest"),
        (["aipkit/v1"], "5", "rest"),
        (["wp/v2"], "5", "rest"),
        ([], "5", "rest"),
        ([], "default", "mwai-rest"),
        (["aipkit/v1", "mwai/v1"], "5", "rest"),
        (["aipkit/v1", "mwai/v1"], "default", "mwai-rest"),
    ],
)
def test_choosing_a_dialect(namespaces: list[str], bot: str, name: str) -> None:
    assert key_dialect_for(namespaces, bot).name == name
