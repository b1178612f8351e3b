"""Whatever a site says, and however much of it: an error's texts stay short."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from by_hand import ByHand, Canned, core
from test_take import AJAX, JSON, STREAM, aipkit_page, event, key, wpaicg_page

from chatgptes import ChatGptEsError
from chatgptes.turn.redaction import redact_error
from chatgptes.turn.take import new_turn

MUCH = "Ein sehr langes Wort. " * 140_000
WORD = "x" * 3_000_000
LONGEST = 1_500
HTML = {"content-type": "text/html"}


def as_json(value: object, status: int = 200) -> Canned:
    return Canned(status, dict(JSON), [json.dumps(value).encode()])


def as_page(text: str, status: int = 200, **headers: str) -> Canned:
    return Canned(status, {**HTML, **headers}, [text.encode()])


def as_stream(*events: bytes) -> Canned:
    return Canned(headers=dict(STREAM), body=list(events))


def bot_page(**config: Any) -> Canned:
    known = {"botId": 5, "ajaxUrl": AJAX, "nonce": "aaaaaaaaaa", **config}
    text = html.escape(json.dumps(known))
    return as_page(f"<div class='aipkit_chat_container' data-config='{text}'></div>")


PAGES = {
    "a page without a bot": lambda much: [as_page(f"<title>{much}</title><h1>{much}</h1>{much}")],
    "a status": lambda much: [as_page(f"<title>{much}</title>{much}", 500) for _ in range(3)],
    "a block page": lambda much: [as_page(f"<title>Attention Required! {much}</title>{much}", 403)],
    "a code": lambda much: [as_json({"code": much, "message": much}, 403)],
    "a redirect": lambda much: [Canned(301, {"location": f"http://other.test/{much}"})],
    "a redirect to a long host": lambda much: [Canned(301, {"location": f"http://{much}.test/"})],
    "an address for messages": lambda much: [bot_page(ajaxUrl=f"http://o.test/{much}")],
    "a host for messages": lambda much: [bot_page(ajaxUrl=f"http://{much}.test/")],
    "another bot": lambda much: [bot_page(botId=much)],
    "a retry-after": lambda much: [
        Canned(429, {"retry-after": much}, [much.encode()]) for _ in range(3)
    ],
}
WPAICG = {
    "an error's words": lambda much: as_json({"status": "error", "msg": much}),
    "a code": lambda much: as_json({"code": much, "message": much, "data": {"status": 403}}, 403),
    "an unknown form": lambda much: as_json({much: much}),
    "html": lambda much: as_page(f"<b>{much}</b>"),
    "an error event": lambda much: as_stream(
        event("", {"error": {"message": much, "type": much, "code": much}}), b"data: [DONE]\n\n"
    ),
    "a finish reason": lambda much: as_stream(
        event("", {"choices": [{"delta": {}, "finish_reason": much}]}), b"data: [DONE]\n\n"
    ),
    "a status": lambda much: as_page(f"<title>{much}</title>", 418),
    "a type": lambda much: Canned(headers={"content-type": much}, body=[much.encode()]),
    "a redirect": lambda much: Canned(302, {"location": f"http://other.test/{much}"}),
}
AIPKIT = {
    "an error event": lambda much: as_stream(event("error", {"error": much, "message": much})),
    "a plain error event": lambda much: as_stream(event("error", much)),
    "an error in the middle": lambda much: as_stream(
        event("message_start", {"message_id": much}),
        event("", {"delta": "Hello"}),
        event("error", {"error": {"message": much, "code": much}}),
    ),
    "a form": lambda much: as_stream(
        event("display_form_event", {"form_id": much, "title": much}), event("done", {})
    ),
    "an event's name": lambda much: as_stream(event(much, {"x": much})),
    "html": lambda much: as_page(much),
}
FIRST_STEP = {
    "words": lambda much: as_json({"success": False, "data": {"message": much, "code": much}}, 400),
    "a word": lambda much: as_json({"success": False, "data": much}),
    "no key": lambda much: as_json({"success": True, "data": {much: much}}),
    "html": lambda much: as_page(f"<title>{much}</title>", 403),
}


def error_of(responses: list[Any], **arguments: Any) -> ChatGptEsError:
    with pytest.raises(ChatGptEsError) as caught:
        ByHand([*responses, *(as_page("Nothing.", 404) for _ in range(9))]).take(
            new_turn(core(**arguments), "Hello", {}).take("me")
        )
    return caught.value


def check(error: BaseException | None) -> None:
    """Every text of `error`, and of those that led to it, is short."""
    while error is not None:
        assert len(str(error)) <= LONGEST
        assert len(repr(error)) <= 2 * LONGEST
        if isinstance(error, ChatGptEsError):
            assert len(error.excerpt or "") <= 301
            assert len(error.code or "") <= 200
            assert len(error.url or "") <= LONGEST
        error = error.__cause__ or error.__context__


BOTH = pytest.mark.parametrize("much", [MUCH, WORD], ids=["words", "a word"])


@BOTH
@pytest.mark.parametrize("name", PAGES)
def test_of_a_page(name: str, much: str) -> None:
    check(error_of(PAGES[name](much), bot=9 if name == "another bot" else None))


@BOTH
@pytest.mark.parametrize("name", WPAICG)
def test_of_wpaicg(name: str, much: str) -> None:
    check(error_of([wpaicg_page(), WPAICG[name](much)]))


@BOTH
@pytest.mark.parametrize("name", AIPKIT)
def test_of_aipkit(name: str, much: str) -> None:
    check(error_of([aipkit_page(), key(), AIPKIT[name](much)]))


@BOTH
@pytest.mark.parametrize("name", FIRST_STEP)
def test_of_the_first_step(name: str, much: str) -> None:
    check(error_of([aipkit_page(), FIRST_STEP[name](much)]))


@BOTH
@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500])
def test_of_the_owners_api(status: int, much: str) -> None:
    responses = [
        Canned(headers={"link": '<http://site.test/wp-json/>; rel="https://api.w.org/"'}),
        as_json({"namespaces": ["wp/v2", "aipkit/v1", much]}),
        *(
            as_json({"code": much, "message": much, "data": {"status": status}}, status)
            for _ in range(3)
        ),
    ]
    check(error_of(responses, api_key="secret-key", bot=5))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It was secret-keys!", "It was …!"), ("It was secret-key!", "It was …!"),
        ("It was secr…", "It was …"), ("It was sec…", "It was sec…"), ("secret-k…", "…"),
        (r'It was a\/b\"c.', "It was …."), ('It was a/b"c.', "It was …."),
        (r'It was ключ\"\/.', "It was …."), (r'It was \u043a\u043b\u044e\u0447\"\/.', "It was …."),
    ],
)  # fmt: skip
def test_a_secret_that_was_cut_or_holds_another(text: str, shown: str) -> None:
    error = ChatGptEsError(text)
    redact_error(error, ["secret-key", "secret-keys", 'a/b"c', 'ключ"/'])
    assert error.message == shown


def test_an_errors_text_is_cut_at_the_longest() -> None:
    error, short = ChatGptEsError("x" * 2_001), ChatGptEsError("x" * 2_000)
    for each in (error, short):
        redact_error(each, ())
    assert error.message == "x" * 1_999 + "…"
    assert short.message == "x" * 2_000
