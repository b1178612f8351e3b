"""What is decided before, or instead of, sending a message: by the page, by addresses, by time."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from by_hand import SITE, ByHand, Canned, ask, core
from test_take import JSON, STREAM, aipkit_answer, aipkit_page, event, key, wpaicg_answer

from chatgptes import (
    BotNotFoundError,
    ChallengeError,
    ChatGptEsError,
    EmptyReplyError,
    InvalidMessageError,
    RefusedError,
    ResponseError,
    StreamInterruptedError,
    TransportError,
    UnexpectedStatusError,
    UpstreamError,
)
from chatgptes.turn.take import new_turn

HTML = {"content-type": "text/html"}
TALK = "<p>Of wsidchk, vddos=1 and slowAES</p><script>var t = 'awswafintegration'</script>"
PICTURE = b"\x89PNG\r\n\x1a\n"


def failure(responses: list[Any], prompt: Any = "Hello", **arguments: Any) -> tuple[Any, ByHand]:
    """The error of a turn, and what went on."""
    hand = ByHand(list(responses))
    turn = new_turn(core(**arguments), prompt, {})
    turn.deadline.resume()
    with pytest.raises(ChatGptEsError) as caught:
        hand.take(turn.take("me"))
    assert all(response.closed for response in hand.opened)
    return caught.value, hand


# -- Pages that talk of bot checks --------------------------------------------------------------


@pytest.mark.parametrize(
    "element",
    [
        '<div class="mwai-chatbot-container"></div>',
        "<div class='wpaicg-chat-shortcode'></div>",
        '<div class="aipkit_chat_container" data-config="{}"></div>',
    ],
)
@pytest.mark.parametrize("status", [200, 403, 503])
def test_a_page_with_a_bots_element_is_no_gate(element: str, status: int) -> None:
    page = Canned(status, {**HTML, "retry-after": "900"}, [(element + TALK).encode()])
    error, _ = failure([page], timeout=60)
    assert type(error) is (BotNotFoundError if status == 200 else UnexpectedStatusError)
    gate = Canned(status, HTML, [TALK.encode()])
    error, _ = failure([gate])
    assert type(error) is ChallengeError


@pytest.mark.parametrize("status", [200, 403, 503])
@pytest.mark.parametrize(
    "own",
    [
        "",
        '<link rel="https://api.w.org/" href="/wp-json/">',
        "<p class='x mwai-chatbot-container'>",
    ],
)
def test_with_a_key_a_page_that_names_its_api_is_no_gate(own: str, status: int) -> None:
    index = Canned(headers=JSON, body=[b'{"namespaces":["aipkit/v1"]}'])
    answer = Canned(headers=JSON, body=[json.dumps({"reply": TALK}).encode()])
    page = Canned(status, HTML, [(own + TALK).encode()])
    if own:
        reply, _ = ask([page, index, answer], api_key="secret-key", bot=5)
        assert reply.text == TALK
    else:
        error, hand = failure([page], api_key="secret-key", bot=5)
        assert type(error) is ChallengeError
        assert len(hand.requests) == 1
    said = Canned(200, {**HTML, "sg-captcha": "Challenge; x"}, [(own + TALK).encode()])
    error, _ = failure([said], api_key="secret-key", bot=5)
    assert type(error) is ChallengeError


# -- Times that are asked for -------------------------------------------------------------------


def test_the_time_of_a_page_with_a_form_is_obeyed() -> None:
    form = b"<title>Back soon</title><form><div class='g-recaptcha'></div></form>"
    busy = Canned(503, {**HTML, "retry-after": "7"}, [form])
    reply, hand = ask([busy, aipkit_page(), key(), aipkit_answer("yes")])
    assert reply.text == "yes"
    assert [round(wait or 0) for wait in hand.waits] == [7]
    error, hand = failure([Canned(503, {**HTML, "retry-after": "900"}, [form])], timeout=60)
    assert (type(error), error.retry_after) == (UnexpectedStatusError, 900)
    assert hand.waits == []


def test_no_time_opens_a_bot_check() -> None:
    gate = b"<title>Just a moment...</title>"
    error, hand = failure([Canned(503, {**HTML, "retry-after": "1"}, [gate])])
    assert (type(error), error.retry_after) == (ChallengeError, 1)
    assert hand.waits == []


# -- Addresses ----------------------------------------------------------------------------------

PAGE = Canned(
    headers=HTML,
    body=[
        b'<script src="/blog/wp-includes/js/jquery.js"></script>'
        b'<link rel="https://api.w.org/" href="http://site.test/de/wp-json/">'
        b'<div class="wpaicg-chat-shortcode" data-nonce="aaaaaaaaaa" data-bot-id="0"></div>'
    ],
)
WRONG = {
    "404": Canned(404, HTML, [b"Nothing."]),
    "410": Canned(410, HTML, [b"Gone."]),
    "301": Canned(301, {"location": "/other/"}),
    "302": Canned(302, {"location": "https://site.test/wp-login.php"}),
    "307": Canned(307, {"location": "/other/"}),
    "308": Canned(308, {"location": "http://other.test/"}),
    "400": Canned(400, HTML, [b"0"]),
    "400, bom": Canned(400, HTML, [b"\xef\xbb\xbf0\n"]),
}
HEARD: dict[str, Any] = {
    "303": Canned(303, {"location": "/thanks/"}),
    "400": Canned(400, JSON, [b'{"status":"error","msg":"No."}']),
    "400, words": Canned(400, HTML, [b"Bad request"]),
    "403": Canned(403, HTML, [b"<html>No"]),
    "405": Canned(405, HTML, [b"Not Allowed"]),
    "500": Canned(500, HTML, [b"0"]),
    "502": Canned(502, HTML, [b"down"]),
    "200, 0": Canned(200, HTML, [b"0"]),
    "401": Canned(401, HTML, [b"0"]),
    "broken": TransportError("It broke."),
}


def again(canned: Any) -> Any:
    """The same response once more: one is closed when it was read."""
    if not isinstance(canned, Canned):
        return canned
    return Canned(canned.status, dict(canned.headers), list(canned.body))


@pytest.mark.parametrize("wrong", WRONG)
def test_an_address_where_no_plugin_is_leads_to_the_next(wrong: str) -> None:
    shared = core()
    reply, hand = ask([again(PAGE), again(WRONG[wrong]), wpaicg_answer("yes")], core=shared)
    assert reply.text == "yes"
    urls = [request.url for request in hand.requests]
    assert len(set(urls)) == 3
    _, later = ask([wpaicg_answer("again")], core=shared)
    assert later.requests[0].url == urls[2]


@pytest.mark.parametrize("heard", HEARD)
def test_a_message_that_may_have_been_heard_goes_nowhere_else(heard: str) -> None:
    _, hand = failure([again(PAGE), again(HEARD[heard])])
    assert sum(request.method == "POST" for request in hand.requests) == 1


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (["404", "400", "404"], "WordPress knows no such action"),
        (["400", "404", "410"], "WordPress knows no such action"),
        (["400", "302", "400"], "WordPress knows no such action"),
        (["404", "410", "302"], "status 404"),
        (["301", "404", "410"], "status 301"),
        (["410", "404", "404"], "status 410"),
    ],
)
def test_where_all_addresses_are_wrong_the_most_telling_is_told(
    order: list[str], told: str
) -> None:
    responses: list[Any] = [again(PAGE), *(again(WRONG[name]) for name in order)]
    responses += [again(WRONG["404"]) for _ in range(8)]
    error, hand = failure(responses)
    assert told in str(error)
    posted = [request.url for request in hand.requests if request.method == "POST"]
    assert len(posted) == len(set(posted)) >= len(order)
    first = order.index("400") if told.startswith("WordPress") else 0
    assert error.url == posted[first]


def test_an_answer_at_a_later_address_is_told_as_it_is() -> None:
    error, _ = failure(
        [again(PAGE), again(WRONG["400"]), Canned(500, HTML, [b"dead"])],
    )
    assert error.status == 500


@pytest.mark.parametrize("wrong", WRONG)
def test_once_a_site_took_the_message_no_other_address_gets_it(wrong: str) -> None:
    config = html.escape(json.dumps({"botId": 5, "nonce": "aaaaaaaaaa"}))
    text = (
        "<script src='/blog/wp-includes/js/jquery.js'></script>"
        f"<div class='aipkit_chat_container' data-config='{config}'></div>"
    )
    page = Canned(headers=HTML, body=[text.encode()])
    error, hand = failure([page, key(), again(WRONG[wrong])])
    assert isinstance(error, ResponseError)
    assert [request.method for request in hand.requests] == ["GET", "POST", "GET"]


# -- The message before the session -------------------------------------------------------------


def mwai_page(params: dict[str, Any], **system: Any) -> Canned:
    system = {"botId": "default", "restUrl": f"{SITE[:-6]}/wp-json", **system}
    written = {"data-system": json.dumps(system), "data-params": json.dumps(params)}
    element = " ".join(f"{name}='{html.escape(value)}'" for name, value in written.items())
    return Canned(
        headers=HTML, body=[f"<div class='mwai-chatbot-container' {element}></div>".encode()]
    )


@pytest.mark.parametrize(
    ("params", "prompt"),
    [
        ({"textInputMaxLength": 4}, "Hello"),
        ({"textInputMaxLength": "4"}, "  Hello  "),
        ({"imageUpload": False}, None),
        ({"fileUpload": False}, None),
    ],
)
def test_what_the_page_rules_out_is_refused_before_a_session(
    params: dict[str, Any], prompt: str | None
) -> None:
    hand = ByHand([mwai_page(params)])
    options: Any = {} if prompt else {"images": [PICTURE]}
    turn = new_turn(core(), prompt or "Hello", options)
    with pytest.raises(InvalidMessageError):
        hand.take(turn.take("me"))
    assert [request.method for request in hand.requests] == ["GET"]


def test_what_the_page_allows_starts_one() -> None:
    session = Canned(headers=JSON, body=[b'{"success":true,"restNonce":"abc"}'])
    end = json.dumps({"type": "end", "data": json.dumps({"success": True, "reply": "yes"})})
    answer = Canned(headers=STREAM, body=[f"data: {end}\n\n".encode()])
    reply, hand = ask([mwai_page({"textInputMaxLength": 5}), session, answer], "Hello")
    assert reply.text == "yes"
    assert hand.requests[1].url.endswith("/start_session")


# -- Text that nobody sees ----------------------------------------------------------------------


@pytest.mark.parametrize("blank", ["\ufeff", "\u200b", " ", "\ufeff\n"])
def test_a_chunk_that_shows_nothing_is_no_broken_answer(blank: str) -> None:
    start, failed = event("message_start", {}), event("error", {"error": "Down."})
    cases: list[tuple[list[Any], type]] = [
        ([start, event("", {"delta": blank}), failed], UpstreamError),
        ([start, event("", {"delta": blank}), TransportError("It broke.")], TransportError),
        ([start, event("", {"delta": blank}), event("done", {})], EmptyReplyError),
    ]
    for body, kind in cases:
        error, _ = failure([aipkit_page(), key(), Canned(headers=STREAM, body=body)])
        assert type(error) is kind
    body = [start, event("", {"delta": f"{blank}Hi"}), failed]
    error, _ = failure([aipkit_page(), key(), Canned(headers=STREAM, body=body)])
    assert type(error) is StreamInterruptedError
    assert error.partial == f"{blank}Hi"


def test_a_firewall_ends_the_turn() -> None:
    for status in (403, 406, 409, 415):
        page = Canned(status, HTML, [b"<head><title>Not Acceptable!</title></head>"])
        error, hand = failure([aipkit_page(), page])
        assert type(error) is RefusedError
        assert error.blocked
        assert len(hand.requests) == 2
