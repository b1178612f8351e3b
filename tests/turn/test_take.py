"""Whole turns, taken by hand: no socket, no thread, no loop."""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from by_hand import SITE, ByHand, Canned, ask, core, fields, handed_on, query
from engine import element, ending

from chatgptes import (
    BotNotFoundError,
    ChatGptEsError,
    ConnectError,
    InvalidConfigError,
    InvalidMessageError,
    Limits,
    RateLimitError,
    RefusedError,
    Reply,
    RequestTimeout,
    ResponseTooLargeError,
    StreamInterruptedError,
    Timeout,
    TransportError,
    TurnCancelled,
    UnexpectedStatusError,
)
from chatgptes.conversation import ConversationState
from chatgptes.sites.dialect import Bot, Endpoint
from chatgptes.turn.config import Config
from chatgptes.turn.cookies import Cookies
from chatgptes.turn.core import NOT_OURS, Core
from chatgptes.turn.guard import guarded_by
from chatgptes.turn.steps import Read
from chatgptes.turn.take import new_turn
from chatgptes.values.deadline import Deadline
from chatgptes.values.http import Headers

AJAX = "http://site.test/wp-admin/admin-ajax.php"
STREAM = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def wpaicg_page(nonce: str = "aaaaaaaaaa", **headers: str) -> Canned:
    params = json.dumps({"ajax_url": AJAX}).replace("/", "\\/")
    return Canned(
        headers={"content-type": "text/html", **headers},
        body=[
            f'<div class="wpaicg-chat-shortcode" data-nonce="{nonce}" data-post-id="7"'
            f' data-bot-id="0" data-type="shortcode"></div>'.encode(),
            f"<script>var wpaicgParams = {params}</script>".encode(),
        ],
    )


def aipkit_page(nonce: str = "aaaaaaaaaa") -> Canned:
    config = html.escape(json.dumps({"botId": 5, "ajaxUrl": AJAX, "nonce": nonce}))
    text = f"<div class='aipkit_chat_container' data-config='{config}'></div>"
    return Canned(headers={"content-type": "text/html"}, body=[text.encode()])


def delta(text: str) -> bytes:
    choice = {"delta": {"content": text}, "finish_reason": None}
    return b"data: " + json.dumps({"id": "c-1", "choices": [choice]}).encode() + b"\n\n"


def wpaicg_answer(*texts: str) -> Canned:
    return Canned(headers=STREAM, body=[*map(delta, texts), b"data: [DONE]\n\n"])


def key(name: str = "k-1") -> Canned:
    body = json.dumps({"success": True, "data": {"cache_key": name}})
    return Canned(headers=JSON, body=[body.encode()])


def event(name: str, data: Any) -> bytes:
    return (f"event: {name}\n" if name else "").encode() + (
        b"data: " + json.dumps(data).encode() + b"\n\n"
    )


def aipkit_answer(*texts: str) -> Canned:
    deltas = [event("", {"delta": text}) for text in texts]
    start, done = event("message_start", {"message_id": "m-1"}), event("done", {"finished": True})
    return Canned(headers=STREAM, body=[start, *deltas, done])


def refused_nonce() -> Canned:
    return Canned(403, {"content-type": "text/html"}, [b"No."])


def test_a_streamed_turn_of_wpaicg() -> None:
    reply, hand = ask([wpaicg_page(), wpaicg_answer("Hel", "lo")])
    assert (reply.text, reply.dialect, reply.streamed) == ("Hello", "wpaicg", True)
    assert hand.texts == ["Hel", "lo"]
    page, message = hand.requests
    assert (page.method, page.url, page.mode) == ("GET", SITE, "navigate")
    assert (message.method, message.url, message.final) == ("POST", AJAX, True)
    assert fields(message)["message"] == "Hello"
    assert fields(message)["_wpnonce"] == "aaaaaaaaaa"


def test_a_plain_turn_of_wpaicg() -> None:
    body = json.dumps({"status": "success", "data": "Hello."}).encode()
    reply, hand = ask([wpaicg_page(), Canned(headers=JSON, body=[body[:9], body[9:]])])
    assert (reply.text, reply.streamed) == ("Hello.", False)
    assert hand.texts == ["Hello."]


def test_a_turn_of_aipkit() -> None:
    reply, hand = ask([aipkit_page(), key(), aipkit_answer("Hel", "lo")])
    assert (reply.text, reply.dialect, reply.message_id) == ("Hello", "aipkit", "m-1")
    assert fields(hand.requests[1])["message"] == "Hello"
    assert query(hand.requests[2])["cache_key"] == "k-1"


def test_a_turn_of_rest() -> None:
    link = '<http://site.test/wp-json/>; rel="https://api.w.org/"'
    answer = json.dumps({"reply": "Hello", "model": "m"}).encode()
    reply, hand = ask(
        [
            Canned(headers={"link": link}),
            Canned(headers=JSON, body=[b'{"namespaces":["wp/v2","aipkit/v1"]}']),
            Canned(headers=JSON, body=[answer]),
        ],
        api_key="secret-key",
        bot=5,
    )
    assert (reply.text, reply.model) == ("Hello", "m")
    assert "Authorization" not in hand.requests[1].headers
    assert hand.requests[2].url == "http://site.test/wp-json/aipkit/v1/chat/5/message"
    assert hand.requests[2].headers["Authorization"] == "Bearer secret-key"


def test_the_page_is_read_once_for_many_turns() -> None:
    shared = core()
    ask([wpaicg_page(), wpaicg_answer("one")], core=shared)
    reply, hand = ask([wpaicg_answer("two")], core=shared)
    assert reply.text == "two"
    assert len(hand.requests) == 1


def test_a_refused_nonce_is_renewed_and_the_message_asked_again() -> None:
    reply, hand = ask(
        [wpaicg_page(), refused_nonce(), wpaicg_page("bbbbbbbbbb"), wpaicg_answer("yes")]
    )
    assert reply.text == "yes"
    assert [fields(each)["_wpnonce"] for each in hand.requests if each.method == "POST"] == [
        "aaaaaaaaaa", "bbbbbbbbbb",
    ]  # fmt: skip
    assert hand.requests[2].headers["cache-control"] == "no-cache"
    assert hand.requests[2].headers["pragma"] == "no-cache"
    assert "cache-control" not in hand.requests[0].headers


def test_a_nonce_by_the_plugins_own_request() -> None:
    refused = Canned(403, JSON, [b'{"success":false,"data":{"code":"nonce_failure_cache_sse"}}'])
    fresh = Canned(headers=JSON, body=[b'{"success":true,"data":{"nonce":"bbbbbbbbbb"}}'])
    reply, hand = ask([aipkit_page(), refused, fresh, key(), aipkit_answer("yes")])
    assert reply.text == "yes"
    assert fields(hand.requests[2])["action"] == "aipkit_get_frontend_chat_nonce"
    assert fields(hand.requests[3])["_ajax_nonce"] == "bbbbbbbbbb"


def test_a_cached_page_is_passed_by_an_address_that_no_cache_knows() -> None:
    reply, hand = ask(
        [
            wpaicg_page(), refused_nonce(), wpaicg_page(), wpaicg_page("bbbbbbbbbb"),
            wpaicg_answer("yes"),
        ]
    )  # fmt: skip
    assert reply.text == "yes"
    plain, unique = hand.requests[2].url, hand.requests[3].url
    assert plain == SITE
    assert unique.startswith(f"{SITE}?")
    # The page keeps its address for the bot.
    assert hand.requests[4].referrer == SITE


def test_a_nonce_that_stays_refused() -> None:
    hand = ByHand([wpaicg_page(), refused_nonce(), wpaicg_page(), wpaicg_page()])
    turn = new_turn(core(), "Hello", {})
    with pytest.raises(RefusedError) as caught:
        hand.take(turn.take("me"))
    assert type(caught.value) is RefusedError
    assert sum(each.method == "POST" for each in hand.requests) == 1


def test_a_cookie_that_makes_the_nonce_wrong_is_left_out_once() -> None:
    cookie = {"set-cookie": "shop=1; Path=/"}
    reply, hand = ask(
        [
            wpaicg_page(**cookie), refused_nonce(), wpaicg_page(), wpaicg_page(), wpaicg_page(),
            wpaicg_answer("yes"),
        ]
    )  # fmt: skip
    assert reply.text == "yes"
    sent = [each.headers.get("cookie") for each in hand.requests]
    assert sent == [None, "shop=1", "shop=1", "shop=1", None, None]


@pytest.mark.parametrize(
    ("site", "location", "kept"),
    [
        (f"{SITE}?a=b", "", f"{SITE}?a=b"),
        (SITE, "/new/?lang=de&{}", "http://site.test/new/?lang=de"),
        (SITE, "/new/?{}&lang=de", "http://site.test/new/?lang=de"),
        (SITE, "/new/?{}", "http://site.test/new/"),
    ],
)
def test_the_page_keeps_its_address_whatever_passed_the_cache(
    site: str, location: str, kept: str
) -> None:
    hand = ByHand([wpaicg_page(), refused_nonce(), wpaicg_page()])
    steps = new_turn(core(site=site), "Hello", {}).take("me")
    step: Any = next(steps)
    while len(hand.requests) < 3 or not hasattr(step, "request"):
        step = steps.send(hand.perform(step))
    assert step.request.url.startswith(f"{site}{'&' if '?' in site else '?'}chatgptes_fresh=")
    if location:
        moved = Canned(302, {"location": location.format(urlsplit(step.request.url).query)})
        hand.responses.append(moved)
    hand.responses += [wpaicg_page("bbbbbbbbbb"), wpaicg_answer("yes")]
    reply = finish(hand, steps, step)
    assert reply.text == "yes"
    assert hand.requests[-1].referrer == kept


def finish(hand: ByHand, steps: Any, step: Any) -> Reply:
    """Take a turn's steps from `step` on; the reply."""
    with pytest.raises(StopIteration) as end:
        while True:
            step = steps.send(hand.perform(step))
    reply: Reply = end.value.value
    return reply


def test_a_turn_whose_time_ends_while_it_gets_a_nonce_says_so() -> None:
    turn = new_turn(core(), "Hello", {})
    hand = ByHand([wpaicg_page(), refused_nonce()])
    steps = turn.take("me")
    step: Any = next(steps)
    while len(hand.requests) < 2 or not hasattr(step, "request"):
        step = steps.send(hand.perform(step))
    with turn.deadline.within(0), pytest.raises(RequestTimeout):
        steps.throw(TransportError("It broke."))


def assert_takes_cookies(shared: Core, cookie: dict[str, str]) -> None:
    """A later turn's site sets `cookie`, and gets it back."""
    answer = wpaicg_answer("yes")
    answer.headers = {**STREAM, **cookie}
    ask([answer], core=shared)
    _, later = ask([wpaicg_answer("yes")], core=shared)
    assert later.requests[0].headers["cookie"] == "shop=1"


def test_cookies_are_taken_again_where_none_changed_nothing() -> None:
    shared = core()
    cookie = {"set-cookie": "shop=1; Path=/"}
    hand = ByHand(
        [
            wpaicg_page(**cookie), refused_nonce(), wpaicg_page(), wpaicg_page(), wpaicg_page(),
            refused_nonce(),
        ]
    )  # fmt: skip
    with pytest.raises(RefusedError):
        hand.take(new_turn(shared, "Hello", {}).take("me"))
    assert len(hand.requests) == 6
    assert_takes_cookies(shared, cookie)


def test_a_page_that_fails_without_cookies_is_none() -> None:
    shared = core()
    cookie = {"set-cookie": "shop=1; Path=/"}
    hand = ByHand(
        [wpaicg_page(**cookie), refused_nonce(), wpaicg_page(), wpaicg_page(), Canned(404)]
    )
    with pytest.raises(RefusedError) as caught:
        hand.take(new_turn(shared, "Hello", {}).take("me"))
    assert isinstance(caught.value.__cause__, UnexpectedStatusError)
    assert_takes_cookies(shared, cookie)


def test_a_page_may_have_just_as_many_bytes_as_the_limit() -> None:
    page = b"".join(each for each in wpaicg_page().body if isinstance(each, bytes))
    limits = Limits(page=len(page))
    reply, _ = ask([Canned(body=[page]), wpaicg_answer("yes")], limits=limits)
    assert reply.text == "yes"
    hand = ByHand([Canned(body=[page, b" "])])
    with pytest.raises(ResponseTooLargeError):
        hand.take(new_turn(core(limits=limits), "Hello", {}).take("me"))


def test_a_redirect_of_the_page_is_followed() -> None:
    moved = Canned(301, {"location": "/new/"}, [b"moved"])
    reply, hand = ask([moved, wpaicg_page(), wpaicg_answer("yes")])
    assert reply.text == "yes"
    assert hand.requests[1].url == "http://site.test/new/"


def test_a_redirect_to_another_host_is_not() -> None:
    hand = ByHand([Canned(301, {"location": "http://other.test/"})])
    with pytest.raises(UnexpectedStatusError, match="another site"):
        hand.take(new_turn(core(), "Hello", {}).take("me"))
    assert len(hand.requests) == 1


def test_a_redirected_message_is_not_followed() -> None:
    hand = ByHand([wpaicg_page(), Canned(307, {"location": "/elsewhere/"})])
    with pytest.raises(UnexpectedStatusError):
        hand.take(new_turn(core(), "Hello", {}).take("me"))
    assert len(hand.requests) == 2


def test_a_page_is_asked_for_again() -> None:
    broken = TransportError("It broke.")
    reply, hand = ask([broken, Canned(503), wpaicg_page(), wpaicg_answer("yes")])
    assert reply.text == "yes"
    assert len(hand.waits) == 2


def test_retry_after_is_obeyed() -> None:
    later = Canned(429, {"retry-after": "7"})
    reply, hand = ask([wpaicg_page(), later, wpaicg_answer("yes")])
    assert reply.text == "yes"
    (wait,) = hand.waits
    assert wait is not None
    assert 7 <= wait < 7.5


def test_a_retry_after_longer_than_the_turn_may_take() -> None:
    hand = ByHand([Canned(429, {"retry-after": "900"})])
    with pytest.raises(RateLimitError) as caught:
        hand.take(new_turn(core(), "Hello", {"timeout": 60}).take("me"))
    assert caught.value.retry_after == 900
    assert hand.waits == []


def test_a_maintenance_page_says_when_to_come_back() -> None:
    hand = ByHand([Canned(503, {"retry-after": "600"})])
    with pytest.raises(UnexpectedStatusError) as caught:
        hand.take(new_turn(core(), "Hello", {"timeout": 60}).take("me"))
    assert caught.value.retry_after == 600
    assert len(hand.requests) == 1


@pytest.mark.parametrize(
    "response",
    [TransportError("It broke."), Canned(503), RequestTimeout("Late.", phase="read")],
    ids=["broken", "503", "silence"],
)
def test_a_message_that_may_have_been_heard_is_not_sent_again(response: Any) -> None:
    hand = ByHand([wpaicg_page(), response])
    with pytest.raises((TransportError, UnexpectedStatusError)):
        hand.take(new_turn(core(), "Hello", {}).take("me"))
    assert len(hand.requests) == 2


@pytest.mark.parametrize(
    "error",
    [ConnectError("Refused."), RequestTimeout("Late.", phase="connect")],
    ids=["refused", "connect"],
)
def test_a_message_that_was_not_sent_is_sent_again(error: Exception) -> None:
    reply, hand = ask([wpaicg_page(), error, wpaicg_answer("yes")])
    assert reply.text == "yes"
    assert len(hand.requests) == 3


def test_a_cut_stream_keeps_its_text() -> None:
    cut = Canned(headers=STREAM, body=[delta("Hel"), delta("lo")[:-2], TransportError("It broke.")])
    hand = ByHand([wpaicg_page(), cut])
    with pytest.raises(StreamInterruptedError) as caught:
        hand.take(new_turn(core(), "Hello", {}).take("me"))
    assert caught.value.partial == "Hello"
    assert hand.texts == ["Hel", "lo"]
    assert isinstance(caught.value.__cause__, TransportError)


def test_another_librarys_error_is_put_into_ours() -> None:
    hand = ByHand([wpaicg_page(), OSError("boom")])
    with pytest.raises(TransportError, match="OSError: boom"):
        hand.take(new_turn(core(), "Hello", {}).take("me"))


GUESSED = (
    '<script src="/blog/wp-includes/js/jquery.js"></script>'
    '<link rel="https://api.w.org/" href="http://site.test/de/wp-json/">'
)
"""Marks of a page that does not name the address for messages."""


def guessing_page() -> Canned:
    bot = '<div class="wpaicg-chat-shortcode" data-nonce="aaaaaaaaaa" data-bot-id="0"></div>'
    return Canned(headers={"content-type": "text/html"}, body=[f"{GUESSED}{bot}".encode()])


def gone(text: str = "Nothing.") -> Canned:
    return Canned(404, {"content-type": "text/html"}, [text.encode()])


def test_a_wrong_address_is_given_up_for_the_next() -> None:
    shared = core()
    reply, hand = ask([guessing_page(), gone(), wpaicg_answer("yes")], core=shared)
    assert reply.text == "yes"
    assert hand.requests[1].url != hand.requests[2].url
    reply, later = ask([wpaicg_answer("again")], core=shared)
    assert later.requests[0].url == hand.requests[2].url


@pytest.mark.parametrize("telling", [0, 1, 2, None])
def test_of_wrong_addresses_the_most_telling_one_counts(telling: int | None) -> None:
    """WordPress without the plugin tells more than nothing at all; of equal ones the first does."""
    answers = [gone(f"Number {number}") for number in range(9)]
    if telling is not None:
        answers[telling] = Canned(400, {"content-type": "text/html"}, [b"0"])
    hand = ByHand([guessing_page(), *answers])
    with pytest.raises(UnexpectedStatusError) as caught:
        hand.take(new_turn(core(), "Hello", {}).take("me"))
    sent = [each.url for each in hand.requests[1:]]
    assert len(sent) == len(set(sent)) == 3
    assert caught.value.status == (404 if telling is None else 400)
    assert caught.value.url == sent[telling or 0]


def test_a_message_that_was_taken_is_sent_to_no_other_address() -> None:
    config = html.escape(json.dumps({"botId": 5, "nonce": "aaaaaaaaaa"}))
    bot = f"<div class='aipkit_chat_container' data-config='{config}'></div>"
    page = Canned(headers={"content-type": "text/html"}, body=[f"{GUESSED}{bot}".encode()])
    hand = ByHand([page, gone(), key(), gone()])
    with pytest.raises(UnexpectedStatusError):
        hand.take(new_turn(core(), "Hello", {}).take("me"))
    first, second, third = hand.requests[1:]
    assert first.url != second.url == third.url.partition("?")[0]


@pytest.mark.parametrize(
    ("place", "renamed"), [("", False), ("aipkit 5 http://site.test/other", True)]
)
def test_a_conversation_that_the_sites_memory_does_not_know(place: str, renamed: bool) -> None:
    """Another bot's begins under a new id, so that the two are not mixed; its words go along."""
    said = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "Two."}]
    saved = {
        "version": 1, "id": "id-1", "visitor": "visitor-1", "site": SITE, "system": None,
        "messages": said, "memory": place, "state": {"left": "by the other"},
    }  # fmt: skip
    talk = ConversationState(core(), saved)
    hand = ByHand([aipkit_page(), key(), aipkit_answer("yes"), key(), aipkit_answer("yes")])
    reply = hand.take(talk.turn("Three?", {}).take("me"))
    assert (talk.id != "id-1") is renamed
    assert reply.conversation_id == talk.id == query(hand.requests[2])["conversation_uuid"]
    assert all(text in fields(hand.requests[1])["message"] for text in ("One?", "Two.", "Three?"))
    hand.take(talk.turn("Four?", {}).take("me"))
    assert fields(hand.requests[3])["message"] == "Four?"
    assert query(hand.requests[4])["conversation_uuid"] == talk.id


def test_a_missing_bot() -> None:
    hand = ByHand([wpaicg_page()])
    with pytest.raises(BotNotFoundError, match="'9'"):
        hand.take(new_turn(core(bot=9), "Hello", {}).take("me"))


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("<link href='/wp-content/plugins/gpt3-ai-content-generator/x.css'>", "switched off"),
        ("<p>Hello.</p>", "no chat bot of a plugin"),
    ],
)  # fmt: skip
def test_a_page_without_a_bot_says_what_may_be_wrong(page: str, says: str) -> None:
    hand = ByHand([Canned(headers={"content-type": "text/html"}, body=[page.encode()])])
    with pytest.raises(BotNotFoundError, match=says):
        hand.take(new_turn(core(), "Hello", {}).take("me"))


@pytest.mark.parametrize(
    ("options", "says"), [({"web_search": True}, "web_search"), ({"images": [PNG]}, "no images")]
)
def test_what_a_key_does_not_go_with_is_said_at_once(options: Any, says: str) -> None:
    with pytest.raises((InvalidConfigError, InvalidMessageError), match=says):
        new_turn(core(api_key="secret-key", bot=5), "Hello", options)


def test_a_site_whose_answer_about_a_nonce_says_nothing_is_asked_without_one() -> None:
    page = Canned(headers={"content-type": "text/html"})
    page.body = [element(restUrl="http://site.test/wp-json").encode()]
    answer = Canned(headers=STREAM, body=[ending("yes").encode()])
    reply, hand = ask([page, Canned(500, body=[b"Broken."]), answer])
    assert reply.text == "yes"
    assert hand.requests[1].url.endswith("/start_session")
    assert "x-wp-nonce" not in {name.lower() for name in hand.requests[2].headers}


def test_a_nonce_that_another_turn_has_renewed_is_not_asked_for_again() -> None:
    shared, deadline = core(), Deadline(Timeout())
    ask([wpaicg_page(), wpaicg_answer("one")], core=shared)
    session = shared.session
    with pytest.raises(StopIteration) as end:
        next(session.endpoint(deadline))
    stale = end.value.value
    session.keep((replace(stale, nonce="bbbbbbbbbb"),))
    with pytest.raises(StopIteration) as end:
        next(session.renewed(stale, deadline))
    assert end.value.value.nonce == "bbbbbbbbbb"


def test_a_page_read_meanwhile_is_not_undone() -> None:
    session = core().session
    bot = Bot(id="5", name="", dialect="aipkit", kind="inline", page=SITE)
    stale = Endpoint(bot, SITE, nonce="aaaaaaaaaa")
    fresh = replace(stale, nonce="bbbbbbbbbb")
    reader = threading.Thread(target=session.keep, args=[(fresh,)])

    class ReadMeanwhile(tuple[Endpoint, ...]):
        def __iter__(self) -> Iterator[Endpoint]:
            reader.start()
            reader.join(0.2)  # It ends only where the change does not keep it waiting.
            return super().__iter__()

    session.keep(ReadMeanwhile((stale,)))
    session.note_answer(stale)
    reader.join()
    assert session.secrets() == ["bbbbbbbbbb"]


def test_with_a_key_only_the_path_tells_that_the_site_is_its_api() -> None:
    page = Canned(headers={"link": '<http://site.test/x/wp-json/>; rel="https://api.w.org/"'})
    index = Canned(headers=JSON, body=[b'{"namespaces":["aipkit/v1"]}'])
    answer = Canned(headers=JSON, body=[b'{"reply":"yes"}'])
    site = f"{SITE}?next=/wp-json/"
    _, hand = ask([page, index, answer], api_key="secret-key", bot=5, site=site)
    assert [each.url for each in hand.requests][::2] == [
        site, "http://site.test/x/wp-json/aipkit/v1/chat/5/message",
    ]  # fmt: skip
    assert "cache-control" not in hand.requests[0].headers


@pytest.mark.parametrize(
    ("options", "says"), [({"model": "m"}, "owner chooses"), ({"web_search": 1}, "must be True or")]
)
def test_options_of_a_turn_are_checked(options: Any, says: str) -> None:
    with pytest.raises(InvalidConfigError, match=says):
        new_turn(core(), "Hello", options)


@pytest.mark.parametrize(
    ("target", "says"), [("http://other.test/", r"other\.test.*site="), ("http://[", "unreadable")]
)
def test_a_redirect_that_is_not_followed_says_where_to(target: str, says: str) -> None:
    hand = ByHand([Canned(302, {"location": target})])
    with pytest.raises(UnexpectedStatusError, match=says):
        hand.take(new_turn(core(), "Hello", {}).take("me"))
    assert len(hand.requests) == 1


def test_a_page_that_is_not_there() -> None:
    hand = ByHand([Canned(404)])
    with pytest.raises(UnexpectedStatusError, match="Check the address"):
        hand.take(new_turn(core(), "Hello", {}).take("me"))


def test_a_cookie_that_can_not_be_sent_is_not_kept() -> None:
    cookies = Cookies(None, SITE)
    for bad in ("\0", "\r", "\n"):
        cookies.store(SITE, Headers([("set-cookie", f"bad=a{bad}b")]))
    cookies.store(SITE, Headers([("set-cookie", "good=1"), ("set-cookie", f"big={'x' * 4097}")]))
    assert cookies.header(SITE) == "good=1"
    assert Cookies({"own": "1"}, SITE).refuse_new() is False


def test_a_guard_sees_each_address_before_it_is_asked() -> None:
    seen: list[str] = []
    with guarded_by(seen.append):
        ask([wpaicg_page(), wpaicg_answer("yes")])
    assert seen == [SITE, AJAX]


@pytest.mark.parametrize(
    ("error", "offered"),
    [
        (TransportError("It broke."), True),
        (RefusedError("No."), True),
        (RequestTimeout("Late.", phase="read"), True),
        (RequestTimeout("Full.", phase="slot"), False),
        (TurnCancelled("Closed."), False),
        (BotNotFoundError("None."), True),
        (InvalidMessageError("Bad."), False),
    ],
)
def test_where_the_default_site_fails_another_is_offered(
    error: ChatGptEsError, offered: bool
) -> None:
    Core(Config.of({})).finish_error(error)
    assert (NOT_OURS in str(error)) == offered
    assert (error.hint is not None and error.hint.argument == "site") == offered


def test_a_closed_turn_closes_its_response_and_gives_its_permit_back() -> None:
    shared = core(max_concurrency=1)
    hand = ByHand([wpaicg_page(), wpaicg_answer("one", "two")])
    turn = new_turn(shared, "Hello", {})
    steps = turn.take("me")
    step: Any = next(steps)
    while not handed_on(step):
        step = steps.send(hand.perform(step))
    steps.close()
    assert all(response.closed for response in hand.opened)
    ask([wpaicg_answer("next")], core=shared)


def test_a_cancelled_turn_is_no_success() -> None:
    turn = new_turn(core(), "Hello", {})
    hand = ByHand([wpaicg_page(), wpaicg_answer("one")])
    steps = turn.take("me")
    step: Any = next(steps)
    with pytest.raises(StreamInterruptedError) as caught:
        while True:
            if handed_on(step):
                turn.deadline.cancel()
            step = steps.send(hand.perform(step))
    assert isinstance(caught.value.__cause__, TurnCancelled)


def test_a_cancel_in_the_middle_of_an_errors_text_is_a_cancel() -> None:
    turn = new_turn(core(), "Hello", {})
    hand = ByHand([Canned(404)])
    steps = turn.take("me")
    sending: Any = next(steps)
    assert isinstance(steps.send(hand.perform(sending)), Read)
    turn.deadline.cancel()
    with pytest.raises(TurnCancelled):
        steps.throw(TurnCancelled("The turn was cancelled."))


def test_two_turns_share_one_reading_of_the_page() -> None:
    shared = core()
    first, second = (new_turn(shared, "Hello", {}).take(holder) for holder in ("me", "you"))
    hand = ByHand([wpaicg_page(), wpaicg_answer("one"), wpaicg_answer("two")])
    sending: Any = next(first)
    waiting: Any = next(second)
    assert sending.request.mode == "navigate"
    assert not waiting.signal.is_set
    step: Any = first.send(hand.perform(sending))
    while not hasattr(step, "request"):
        step = first.send(hand.perform(step))
    assert waiting.signal.is_set
    assert second.send(True).request.final
