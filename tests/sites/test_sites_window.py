"""What pages say of a window beside its bot, and the answers to thumbs: without a site."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engine import element, endpoint, question, sent
from engine import endpoints as engine_endpoints
from hearing import PAGE, endpoints, page_of, question_for

from chatgptes.errors import ChallengeError, ChatGptEsError, RefusedError, UnexpectedFormatError
from chatgptes.sites.aiengine import MWAI
from chatgptes.sites.aipower import WPAICG
from chatgptes.sites.dialect import Bot, BufferedResponse, NonceRefused
from chatgptes.values.http import Headers, Limits
from chatgptes.values.images import Image
from chatgptes.values.reply import Reply

TAG = (
    '<div class="{css}" data-nonce="abcdef0123" data-bot-id="{id}" data-feedback_btn = "1"'
    ' data-url="https://a.test/chat/" data-type="{kind}">'
)


def window(inside: str, bot: str = "5", kind: str = "shortcode") -> str:
    css = "wpaicg-chatbox x" if kind == "widget" else "wpaicg-chat-shortcode"
    return TAG.format(css=css, id=bot, kind=kind) + inside + "</div>"


def said(text: str, css: str = "wpaicg-ai-message") -> str:
    return (
        f'<li class="{css}" style="color: #fff"><p><strong>AI</strong>'
        f'<span class="wpaicg-chat-message">\n  {text}\n </span></p></li>'
    )


def starter(text: str) -> str:
    return f'<button type="button" class="wpaicg-conversation-starter">\n {text} </button>'


def found(*parts: str) -> list[Bot]:
    body = "<style>.wpaicg-ai-message .wpaicg-chat-message{color:red}</style>" + "".join(parts)
    return [each.bot for each in endpoints(WPAICG.find(page_of(body, url=PAGE)))]


def test_a_page_of_windows_is_no_work_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look(body: bytes, start: int) -> tuple[str, tuple[str, ...]]:
        looks.append(start)
        return "Hi", ()

    monkeypatch.setattr("chatgptes.sites.aipower.wpaicg._window_texts", look)
    bots = found(*(window("", str(number)) for number in range(1, 1001)))
    assert (len(bots), bots[0].greeting, bots[-1].greeting) == (1000, "Hi", "")
    assert len(looks) < 100


def test_each_classic_bot_has_its_own() -> None:
    first, second, third = found(
        window(
            '<li class="log_notification"><span class="wpaicg-chat-message">Kept.</span></li>'
            + said("Hi &amp; hello &lt;b&gt;") + said("Not the first") + starter("What&#039;s new?")
            + starter("Tell me  more") + starter(" "),
        ),
        window(said("Widget", "wpaicg-chat-ai-message"), "6", "widget"),
        window("", "7") + '<p class="wpaicg-chat-message">No greeting</p>',
    )  # fmt: skip
    assert (first.greeting, first.starters) == (
        "Hi & hello <b>", ("What's new?", "Tell me more"),
    )  # fmt: skip
    assert (second.greeting, second.starters) == ("Widget", ())
    assert (third.greeting, third.starters) == ("", ())


@pytest.mark.parametrize(
    "inside",
    [
        "<!-- " + said("Hidden") + starter("Hidden") + " -->",
        f"<script>var x = {json.dumps(said('Hidden'))};</script>",
        "x" * 70_000 + said("Too far away"),
        '<li class="wpaicg-ai-message"><span class="wpaicg-chat-message">cut off',
        '<button class="wpaicg-conversation-starter"',
        '<li class="wpaicg-ai-message">' + '<span class="other">No</span></li>',
    ],
)
def test_what_is_no_text_of_the_window(inside: str) -> None:
    (bot,) = found(TAG.format(css="wpaicg-chat-shortcode", id="5", kind="shortcode") + inside)
    assert (bot.greeting, bot.starters) == ("", ())


def test_texts_are_bounded() -> None:
    (bot,) = found(window(said("y" * 5000) + "".join(starter(f"{n} " + "z" * 2100)
                                                     for n in range(25))))  # fmt: skip
    assert len(bot.greeting) == 2000
    assert [len(each) for each in bot.starters] == [2000] * 20


def test_thumbs_are_where_the_page_says_so() -> None:
    (shown,) = endpoints(WPAICG.find(page_of(window(""), url=PAGE)))
    page = page_of(window("").replace('data-feedback_btn = "1"', ""), url=PAGE)
    (none,) = endpoints(WPAICG.find(page))
    assert shown.thumbs
    assert not none.thumbs


def test_an_answer_goes_by_the_number_of_its_question() -> None:
    asked = question_for(WPAICG)
    (request,) = WPAICG.requests(asked)
    number = dict(pair.split("=") for pair in (request.body or b"").decode().split("&"))["chat_id"]
    decoder = WPAICG.decoder(asked, page_of(b""), Limits())
    assert decoder.details.message_id == number
    assert 10_000 <= int(number) < 100_000


THUMBS = [
    (before + json.dumps(data), error, said)
    for before in ("", '{"a":1}\n')
    for data, error, said in (
        ({"success": True, "msg": "x"}, None, ""),
        ({"success": False, "data": "Unknown."}, RefusedError, "“Unknown.”"),
        ({"msg": "Load the page again."}, NonceRefused, "“Load the page again.”"),
        ({"success": False, "data": {"code": "x_ts_required"}}, ChallengeError, ""),
    )
]


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        *THUMBS,
        ('{"success":true,"data":"Noted."}', None, ""),
        ('\ufeff<br />\n<b>Notice</b>: x\n{"success":true}', None, ""),
        ('{"success":false,"data":"Unknown."}', RefusedError, ""),
        ('{"success":false,"data":{"a":1}}', RefusedError, ""),
        ('{"msg":"Load the page again."}', NonceRefused, ""),
        ('{"error":"x","ts_required":true}', ChallengeError, ""),
        ("<html><title>Just a moment...</title></html>", ChallengeError, ""),
        ("0", UnexpectedFormatError, ""),
        ("", UnexpectedFormatError, ""),
        ("[]", UnexpectedFormatError, ""),
        ('{"other":1}', UnexpectedFormatError, ""),
    ],
)
def test_answers_to_a_classic_thumb(
    body: str, error: type[ChatGptEsError] | None, said: str
) -> None:
    response = BufferedResponse(PAGE, 200, Headers(), body.encode())
    if error is None:
        WPAICG.check_done(response)
        return
    with pytest.raises(ChatGptEsError) as caught:
        WPAICG.check_done(response)
    assert type(caught.value) is error
    assert said in str(caught.value)


def test_a_classic_thumb_is_not_repeated() -> None:
    asked = question_for(WPAICG)
    reply = Reply("", bot="5", dialect="wpaicg", message_id="12345", conversation_id="c")
    request = WPAICG.feedback_request(asked.endpoint, "visitor", reply, up=True, comment="a\ud800")
    assert not request.repeatable
    assert b"visitor" not in (request.body or b"")
    assert b"feedbackDetails=a%EF%BF%BD" in (request.body or b"")


# -- AI Engine -------------------------------------------------------------------------------


def shortcut(kind: str = "message", **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data}


HIDDEN = shortcut(label="Prices\n now", shortcutId="c2VjcmV0+/=")
CLEAR = shortcut(label="Hours", message="When are you open?")


def test_shortcuts_are_starters() -> None:
    action = shortcut("action", action="message", label="Ask", message="A question")
    (found,) = engine_endpoints(
        element(
            shortcuts=[
                HIDDEN, CLEAR, action, CLEAR, shortcut("callback", label="Run", onClick="x()"),
                shortcut("action", action="clear", label="Clear", message="x"), 5, {"data": 6},
                shortcut(label="Nothing"), shortcut(label=5, message=None),
            ]
        )
    )  # fmt: skip
    assert found.bot.starters == ("Prices now", "When are you open?", "A question")
    for bad in (None, {}, "x", 5):
        assert engine_endpoints(element(shortcuts=bad))[0].bot.starters == ()
    assert len(engine_endpoints(element(shortcuts=[
        shortcut(label="l", message=f"m{n}") for n in range(30)
    ]))[0].bot.starters) == 20  # fmt: skip


def test_a_hidden_message_goes_by_its_id() -> None:
    bot = endpoint(shortcuts=[HIDDEN, CLEAR])
    body = sent(question("Prices now", endpoint=bot))
    assert (body["newMessage"], body["shortcutId"], body["shortcutName"]) == (
        "", "c2VjcmV0+/=", "Prices now",
    )  # fmt: skip
    for other in ("Prices now?", "prices now", "When are you open?", "Hours"):
        body = sent(question(other, endpoint=bot))
        assert body["newMessage"] == other
        assert "shortcutId" not in body


def test_with_an_image_a_starter_is_a_message() -> None:
    bot = endpoint({"imageUpload": True}, shortcuts=[HIDDEN])
    asked = question("Prices now", endpoint=bot, images=(Image("image/png", b"x"),))
    turn = MWAI.requests(asked)
    next(turn)
    answer = json.dumps({"success": True, "data": {"id": "f1"}}).encode()
    body = json.loads(turn.send(BufferedResponse(PAGE, 200, Headers(), answer)).body or b"")
    assert (body["newMessage"], body["newFileId"]) == ("Prices now", "f1")
    assert "shortcutId" not in body


def test_a_shortcut_that_is_not_known_any_more() -> None:
    body = b'{"success":false,"message":"Invalid."}'
    error = MWAI.error_for(BufferedResponse(PAGE, 400, Headers(), body))
    assert type(error) is RefusedError
    assert "Invalid." in str(error)
