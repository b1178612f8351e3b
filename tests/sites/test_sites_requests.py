"""The requests of each dialect, word for word: what is not random in them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from engine import endpoint, question
from hearing import page_of, question_for

from chatgptes.errors import AuthenticationError, ChallengeError, ChatGptEsError, RefusedError
from chatgptes.sites.aiengine import MWAI, MWAI_REST
from chatgptes.sites.aipower import AIPKIT, REST, WPAICG
from chatgptes.sites.challenge import challenge_error
from chatgptes.sites.dialect import BufferedResponse, Dialect, Question
from chatgptes.sites.errors import error_for_page, error_for_status
from chatgptes.values.http import Headers, Request
from chatgptes.values.images import Image
from chatgptes.values.reply import Reply

KEY = page_of('{"success":true,"data":{"cache_key":"k-1"}}')
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
AJAX = "https://a.test/wp-admin/admin-ajax.php"
CHAT = "https://a.test/chat/"
PICTURE = Image("image/png", b"x")
RANDOM = re.compile(r"(?<=chat_id=)\d+|(?<=-5-)\d+-\w+|(?<=_ts=)\d+|(?<=chatId\": \")\w+")


def requests_of(
    dialect: Dialect, asked: Question, answers: Sequence[BufferedResponse] = ()
) -> list[Request]:
    left = list(answers)
    steps = dialect.requests(asked)
    found = [next(steps)]
    while not found[-1].final:
        found.append(steps.send(left.pop(0)))
    return found


def written(request: Request) -> str:
    """The address and the body of a request, "*" for what is random."""
    text = f"{request.method} {request.url} {(request.body or b'').decode()}".strip()
    return RANDOM.sub("*", text)


def flags(request: Request) -> tuple[str | None, str, bool, bool]:
    return request.referrer, request.mode, request.repeatable, request.final


@pytest.mark.parametrize(
    ("kind", "action"),
    [("shortcode", "wpaicg_chat_shortcode_message"), ("widget", "wpaicg_chatbox_message")],
)
def test_wpaicg(kind: str, action: str) -> None:
    (request,) = requests_of(WPAICG, question_for(WPAICG, kind=kind))
    assert written(request) == (
        f"POST {AJAX} _wpnonce=n0nce&post_id=7&url=https%3A%2F%2Fa.test%2Fchat%2F&action={action}"
        "&message=hi&bot_id=5&chatbot_identity=custom_bot_5&wpaicg_chat_history=%5B%5D"
        "&wpaicg_chat_client_id=0a1b2c3d4e&chat_id=*"
    )
    assert request.headers == FORM
    assert flags(request) == (CHAT, "fetch", False, True)


def test_aipkit() -> None:
    first, second = requests_of(AIPKIT, question_for(AIPKIT), [KEY])
    assert written(first) == (
        f"POST {AJAX} action=aipkit_cache_sse_message&message=hi&_ajax_nonce=n0nce&bot_id=5"
        "&user_client_message_id=aipkit-client-msg-5-*"
    )
    assert first.headers == FORM
    assert flags(first) == (CHAT, "fetch", True, False)
    assert written(second) == (
        f"GET {AJAX}?action=aipkit_frontend_chat_stream&cache_key=k-1&bot_id=5"
        "&session_id=0a1b2c3d-4e5f&conversation_uuid=c-1&post_id=7&_ts=*&_ajax_nonce=n0nce"
    )
    assert second.headers == {"Accept": "text/event-stream"}
    assert second.body is None
    assert flags(second) == (CHAT, "fetch", False, True)


def test_the_nonce_of_aipkit() -> None:
    request = AIPKIT.nonce_request(question_for(AIPKIT).endpoint)
    assert request is not None
    assert written(request) == f"POST {AJAX} action=aipkit_get_frontend_chat_nonce&bot_id=5"
    assert request.headers == FORM
    assert flags(request) == (CHAT, "fetch", True, False)


def test_rest() -> None:
    asked = question_for(REST, history=(("user", "a"), ("assistant", "b")))
    (request,) = requests_of(REST, asked)
    assert written(request) == (
        f'POST {AJAX} {{"messages": [{{"role": "user", "content": "a"}},'
        ' {"role": "assistant", "content": "b"}, {"role": "user", "content": "hi"}]}'
    )
    assert request.headers == {
        "Accept": "application/json", "Content-Type": "application/json; charset=utf-8",
    }  # fmt: skip
    assert flags(request) == (None, "fetch", False, True)


def test_mwai() -> None:
    (request,) = requests_of(MWAI, question("Hi"))
    assert written(request) == (
        'POST https://a.test/wp-json/mwai-ui/v1/chats/submit {"botId": "default",'
        ' "customId": null, "chatId": "*", "contextId": 6, "messages": [],'
        ' "newMessage": "Hi", "stream": true}'
    )
    assert request.headers == {
        "X-WP-Nonce": "n0nce",
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
    }
    assert flags(request) == (CHAT, "fetch", False, True)


def test_the_session_of_mwai() -> None:
    request = MWAI.nonce_request(question("Hi").endpoint)
    assert request is not None
    assert written(request) == "POST https://a.test/wp-json/mwai/v1/start_session"
    assert (request.headers, request.body) == ({"Accept": "application/json"}, b"")
    assert flags(request) == (CHAT, "fetch", True, False)


def test_the_owners_api_of_mwai() -> None:
    where = MWAI_REST.endpoint("https://a.test/", "https://a.test/wp-json/", "default", "s3cret")
    (request,) = requests_of(MWAI_REST, Question(where, "Hi"))
    assert written(request) == (
        "POST https://a.test/wp-json/mwai/v1/simpleChatbotQuery"
        ' {"botId": "default", "message": "Hi"}'
    )
    assert request.headers == {
        "Authorization": "Bearer s3cret",
        "Accept": "application/json",
        "Content-Type": "application/json; charset=utf-8",
    }
    assert flags(request) == (None, "fetch", False, True)


# What an error carries beside its words.


def test_the_error_of_a_bot_check() -> None:
    headers = Headers([("sg-captcha", "challenge")])
    error = challenge_error(
        BufferedResponse("https://a.test/?secret=1", 202, headers, b"<p>Wait a moment.</p>")
    )
    assert isinstance(error, ChallengeError)
    assert (error.url, error.status) == ("https://a.test/?…", 202)
    assert error.excerpt == "Wait a moment."
    error = challenge_error(BufferedResponse("", 202, headers, b""))
    assert isinstance(error, ChallengeError)
    assert (error.url, error.status, error.excerpt) == (None, 202, None)


def test_the_error_of_a_firewall() -> None:
    said = b"<p>Your access to this site has been limited.</p>"
    error = challenge_error(
        BufferedResponse(CHAT, 403, Headers([("content-type", "text/html")]), said)
    )
    assert isinstance(error, RefusedError)
    assert (error.url, error.status) == (CHAT, 403)
    assert error.excerpt == "Your access to this site has been limited."


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 418, 429, 500, 502, 503])
@pytest.mark.parametrize("body", ["<p>These words.</p>", ""])
def test_the_error_of_a_status(status: int, body: str) -> None:
    response = page_of(body, status, f"{CHAT}?key=1", [("content-type", "text/html")])
    errors: list[ChatGptEsError | None] = [
        error_for_page(response), error_for_status(response), WPAICG.error_for(response),
        AIPKIT.error_for(response), REST.error_for(response), MWAI.error_for(response),
        MWAI_REST.error_for(response),
    ]  # fmt: skip
    for error in errors:
        assert error is not None
        assert error.status == status
        assert error.url == f"{CHAT}?…"
        assert error.excerpt in ("These words.", None)
    assert any(error and error.excerpt for error in errors) == bool(body)


def test_the_upload_of_mwai() -> None:
    asked = question("Hi", endpoint=endpoint({"imageUpload": True}), images=(PICTURE,))
    upload = next(MWAI.requests(asked))
    assert (upload.method, upload.url) == ("POST", "https://a.test/wp-json/mwai-ui/v1/files/upload")
    assert upload.headers.keys() == {"X-WP-Nonce", "Content-Type", "Accept"}
    assert upload.headers["Accept"] == "application/json"
    assert flags(upload) == (CHAT, "fetch", False, False)  # Each copy stays on the site, in public.


@pytest.mark.parametrize("up", [True, False])
def test_the_thumbs(up: bool) -> None:
    word = "up" if up else "down"
    reply = Reply("", bot="5", dialect="aipkit", message_id="m-1", conversation_id="c-1")
    where = question_for(AIPKIT).endpoint
    request = AIPKIT.feedback_request(where, "v-1", reply, up=up, comment="")
    assert written(request) == (
        f"POST {AJAX} action=aipkit_store_feedback&_ajax_nonce=n0nce&bot_id=5&session_id=v-1"
        f"&conversation_uuid=c-1&message_id=m-1&feedback_type={word}"
    )
    assert flags(request) == (CHAT, "fetch", True, False)
    request = WPAICG.feedback_request(
        question_for(WPAICG).endpoint, "v-1", reply, up=up, comment="Well"
    )
    assert written(request) == (
        f"POST {AJAX} action=wpaicg_submit_feedback&chatId=m-1&feedbackType={word}"
        "&feedbackDetails=Well&_wpnonce=n0nce&chatbot_id=custom_bot_5"
    )
    assert request.headers == FORM
    assert flags(request) == (CHAT, "fetch", False, False)  # The site adds each.


def test_what_is_remembered() -> None:
    where = question_for(AIPKIT).endpoint
    about = "_ajax_nonce=n0nce&bot_id=5&session_id=v-1"
    requests = {
        f"aipkit_get_conversations_list&{about}": AIPKIT.list_request(where, "v-1"),
        f"aipkit_get_conversation_history&{about}&conversation_uuid=c-1":
            AIPKIT.history_request(where, "v-1", "c-1"),
        f"aipkit_delete_single_conversation&{about}&conversation_uuid=c-1":
            AIPKIT.deletion_request(where, "v-1", "c-1"),
    }  # fmt: skip
    for text, request in requests.items():
        assert written(request) == f"POST {AJAX} action={text}"
        assert flags(request)[:2] == (CHAT, "fetch")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("dialect", [REST, MWAI_REST])
def test_the_error_of_a_key_names_the_argument(dialect: Dialect, status: int) -> None:
    error = dialect.error_for(page_of('{"code":"x","message":"No."}', status))
    assert isinstance(error, AuthenticationError)
    assert error.hint is not None
    assert "api_key=" in str(error)
