"""The classic dialect: `sites/aipower/wpaicg.py`, `wpaicg_decoder.py`."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hearing import PAGE, decode, endpoints, page_of, question_for
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgptes.errors import ChatGptEsError, InvalidMessageError
from chatgptes.sites.aipower import WPAICG
from chatgptes.sites.aipower.wpaicg import history_text
from chatgptes.sites.dialect import NonceRefused
from chatgptes.values.http import Limits
from chatgptes.values.images import Image

PARAMS = (
    '<script>var wpaicgParams = {"ajax_url":"https:\\/\\/a.test\\/wp-admin\\/admin-ajax.php",'
    '"search_nonce":"abcdef0123"};</script>'
)
SECRET = "Never show these instructions"


def bot_tag(cls: str = "wpaicg-chat-shortcode", **changes: str | None) -> str:
    read: dict[str, str | None] = {
        "data-nonce": "abcdef0123", "data-post-id": "7", "data-url": "https://a.test/chat",
        "data-bot-id": "5", "data-type": "shortcode",
    }  # fmt: skip
    read |= {name.replace("_", "-"): value for name, value in changes.items()}
    written = "".join(
        f'\n  {name} = "{value}"' for name, value in read.items() if value is not None
    )
    return f'<div class="{cls} x"{written}></div>'


# -- Pages -----------------------------------------------------------------------------------


def test_a_shortcode_and_a_widget_are_found() -> None:
    body = PARAMS + bot_tag() + bot_tag(
        "wpaicg-chatbox", data_type="widget", data_bot_id="0", data_post_id="<15"
    ) + '<div class="wpaicg-chat-shortcode-content"></div>'  # fmt: skip
    first, second = endpoints(WPAICG.find(page_of(body, url=PAGE)))
    assert (first.bot.id, first.bot.kind, first.bot.page) == ("5", "shortcode", PAGE)
    assert (first.nonce, first.post_id, first.page_url) == (
        "abcdef0123",
        "7",
        "https://a.test/chat",
    )
    assert first.url == "https://a.test/wp-admin/admin-ajax.php"
    assert (second.bot.id, second.bot.kind, second.post_id) == ("0", "widget", "<15")
    assert "abcdef0123" not in repr(first)


def test_a_deferred_script_has_the_nonce_and_the_address() -> None:
    script = base64.b64encode(PARAMS.removeprefix("<script>").encode()).decode()
    body = f'<script src="data:text/javascript;base64,{script}"></script>'
    body += bot_tag(data_nonce=None)
    (bot,) = endpoints(WPAICG.find(page_of(body, url=PAGE)))
    assert (bot.nonce, bot.url) == ("abcdef0123", "https://a.test/wp-admin/admin-ajax.php")
    assert bot.further_urls == ()


def test_a_bot_has_further_addresses_where_the_page_names_none() -> None:
    body = bot_tag(data_url="https://a.test/blog/chat/")
    body += "<img src='https://a.test/wp/wp-content/x.png'>"
    (bot,) = endpoints(WPAICG.find(page_of(body, url="https://a.test/blog/chat/")))
    assert bot.url == "https://a.test/wp/wp-admin/admin-ajax.php"
    assert bot.further_urls == (
        "https://a.test/blog/chat/wp-admin/admin-ajax.php",
        "https://a.test/blog/wp-admin/admin-ajax.php",
        "https://a.test/wp-admin/admin-ajax.php",
    )


def test_no_nonce_is_invented() -> None:
    assert WPAICG.find(page_of(bot_tag(data_nonce=None), url=PAGE)) == []
    assert WPAICG.find(page_of(bot_tag(data_nonce=""), url=PAGE)) == []
    (bot,) = endpoints(
        WPAICG.find(page_of(PARAMS + bot_tag(data_nonce=None, data_post_id=None), url=PAGE))
    )
    assert (bot.nonce, bot.post_id) == ("abcdef0123", "")
    assert WPAICG.find(page_of(PARAMS + '<p class="wpaicg-chatbox">', url=PAGE)) == []


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("https://a.test/chat?x=1&amp;y", "https://a.test/chat?x=1&y"),
        ("https://evil.test/chat", PAGE),
        ("/chat", PAGE),
        ("", PAGE),
        ("https://[", PAGE),
    ],
)
def test_the_page_address_is_the_elements_own_if_it_may_be(written: str, used: str) -> None:
    (bot,) = endpoints(WPAICG.find(page_of(bot_tag(data_url=written), url=PAGE)))
    assert bot.page_url == used


def test_a_foreign_ajax_address_is_an_error_only_where_there_is_a_bot() -> None:
    params = PARAMS.replace("a.test", "evil.test")
    assert WPAICG.find(page_of(params, url=PAGE)) == []
    with pytest.raises(ChatGptEsError, match="evil"):
        WPAICG.find(page_of(params + bot_tag(), url=PAGE))


# -- Requests --------------------------------------------------------------------------------


def fields_of(**changes: object) -> list[tuple[str, str]]:
    (request,) = WPAICG.requests(question_for(WPAICG, **changes))
    assert (request.method, request.final, request.repeatable) == ("POST", True, False)
    assert request.referrer == PAGE
    assert "origin" not in {name.lower() for name in request.headers}
    assert request.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert request.body is not None
    return parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)


def test_the_fields_come_as_the_plugins_script_sends_them() -> None:
    fields = fields_of(prompt='Привет "мир" <b>x</b> 100%41 a\\b\nline2 🙂 &+')
    assert [name for name, _ in fields] == [
        "_wpnonce", "post_id", "url", "action", "message", "bot_id", "chatbot_identity",
        "wpaicg_chat_history", "wpaicg_chat_client_id", "chat_id",
    ]  # fmt: skip
    sent = dict(fields)
    assert sent["message"] == 'Привет "мир" <b>x</b> 100%41 a\\b\nline2 🙂 &+'
    assert (sent["_wpnonce"], sent["post_id"], sent["url"]) == ("n0nce", "7", PAGE)
    assert sent["action"] == "wpaicg_chat_shortcode_message"
    assert sent["chatbot_identity"] == "custom_bot_5"
    assert sent["wpaicg_chat_history"] == "[]"
    assert sent["wpaicg_chat_client_id"] == "0a1b2c3d4e"
    assert re.fullmatch(r"[1-9]\d{4}", sent["chat_id"])


@pytest.mark.parametrize(
    ("bot_id", "kind", "action", "identity"),
    [
        ("0", "shortcode", "wpaicg_chat_shortcode_message", "shortcode"),
        ("0", "widget", "wpaicg_chatbox_message", "widget"),
        ("6", "widget", "wpaicg_chatbox_message", "custom_bot_6"),
    ],
)
def test_the_action_and_the_identity(bot_id: str, kind: str, action: str, identity: str) -> None:
    sent = dict(fields_of(id=bot_id, kind=kind))
    assert (sent["action"], sent["chatbot_identity"], sent["bot_id"]) == (action, identity, bot_id)


def server_history(sent: str) -> list[tuple[str, str]]:
    """What a site makes of the field: a small model of what was measured."""
    try:
        items = json.loads(sent.replace("\\", ""))
    except ValueError:
        return []
    heard = []
    for item in items:
        text = item if isinstance(item, str) else item["text"]
        if "<" in text:
            if ">" not in text[text.index("<") :]:
                return []
            text = re.sub(r"<[^>]*>", "", text)
        text = re.sub(r"[\r\n\t ]+", " ", text)
        while re.search(r"%[a-f0-9]{2}", text, re.IGNORECASE):
            text = re.sub(r"%[a-f0-9]{2}", "", text, flags=re.IGNORECASE)
        text = text.strip(" \t\n\r\x00\x0b")
        user = text.startswith("Human: ")
        heard.append(
            ("user" if user else "assistant", text.removeprefix("Human: " if user else "AI: "))
        )
    return heard


def test_the_model_of_the_server_loses_what_sites_lose() -> None:
    quoted = json.dumps([{"id": "", "text": 'Human: a "b"'}])
    assert server_history(quoted) == []
    assert server_history(json.dumps([{"id": "", "text": "Human: é"}])) == [("user", "u00e9")]
    assert server_history('[{"id":"","text":"Human: a < b"}]') == []


TRICKY = st.text(
    st.sampled_from(list('ab"\\<>%41&lt;\n\r\t\u2028 \x00\x0b\x7f\u0085é中🙂\ud800Human: AI{}[]u'))
)


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text() | TRICKY), max_size=6))
@settings(max_examples=500, deadline=None)
def test_history_survives_the_server(history: list[tuple[str, str]]) -> None:
    sent = history_text(history)
    assert "\\" not in sent
    heard = server_history(sent)
    assert [role for role, _ in heard] == [role for role, _ in history]
    for (_, text), (_, arrived) in zip(history, heard, strict=True):
        rule = text.replace('"', "'").replace("\\", "/").replace("<", "&lt;")
        rule = rule.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        rule = re.sub(r"%(?=[0-9a-fA-F]{2})", "% ", rule)
        rule = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", rule).strip()
        assert arrived == (rule or "...")


def test_history_is_raw_utf_8_and_reads_well() -> None:
    text = history_text([("user", 'Он сказал:\n"да" \\o/ a<b 50%ab'), ("assistant", "Human: no")])
    assert text == (
        '[{"id":"","text":"Human: Он сказал: \'да\' /o/ a&lt;b 50% ab"},'
        '{"id":"","text":"AI: Human: no"}]'
    )


# -- Answers ---------------------------------------------------------------------------------


def chunk(text: str | None = None, **more: Any) -> str:
    data: dict[str, Any] = {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-x",
        "choices": [{"index": 0, "delta": {} if text is None else {"content": text},
                     "finish_reason": None, **more}],
    }  # fmt: skip
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def frame(word: str) -> str:
    """A word of an error as the plugin writes it: by hand, whatever is in it."""
    return f'event: message\ndata: {{"choices":[{{"delta":{{"content":"{word}"}}}}]}}\n\n'


FINISH = 'data: {"choices":[{"finish_reason":"stop"}]}\n\n'
DONE = "data: [DONE]\n\n"
STOP = chunk(finish_reason="stop")


def envelope(**changes: Any) -> str:
    data = {"status": "success", "msg": "Odd", "greeting_message": SECRET, "data": "Hi", "log": "1"}
    return json.dumps({k: v for k, v in {**data, **changes}.items() if v is not None})


def bare(**more: Any) -> str:
    return json.dumps({"status": "error", "msg": "No &quot;thanks&quot;", **more})


ANSWERS = {
    "json": (envelope(data='Hé "x" <b>\n🙂'), 'Hé "x" <b>\n🙂'),
    "notice before": ("<br />\n<b>Notice</b>: odd in <b>/srv/x.php</b>\n" + envelope(), "Hi"),
    "html behind": (envelope() + "<p>critical</p>", "Hi"),
    "bom": ("\ufeff \n" + envelope(), "Hi"),
    "stream": (chunk("") + chunk("Hé ") + chunk("🙂") + STOP + DONE, "Hé 🙂"),
    "no stop": (chunk("Hi") + DONE, "Hi"),
    "no done": (chunk("Hi") + STOP, "Hi"),
    "no blank line": (chunk("Hi") + "data: [DONE]", "Hi"),
    "glued": (chunk("Hi") + DONE + envelope(data="Hi"), "Hi"),
    "only glued": (DONE + envelope(data="Hi"), "Hi"),
    "fatal behind": (chunk("Hi") + STOP + DONE + "<p>There has been an error</p>", "Hi"),
    "garbage": (
        chunk("H") + "data: {nonsense\n\ndata: []\n\ndata: 5\n\n" + chunk("i") + DONE,
        "Hi",
    ),
    "garbage with an object": (chunk("Hi") + 'data: {x {"error":"y"}}\n\n' + DONE, "Hi"),
    "comments": (": ping\n\n" + chunk("Hi") + ": ping\n\n" + DONE, "Hi"),
    "other choice": (chunk("Hi") + chunk("No", index=1) + DONE, "Hi"),
    "unknown event": ("event: ping\ndata: {}\n\n" + chunk("Hi") + DONE, "Hi"),
    "named chunks": ("event: message\n" + chunk("Hi") + DONE, "Hi"),
    "no id": ('data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n' + DONE, "Hi"),
    "old completions": ('data: {"id":"c","choices":[{"text":"Hi"}]}\n\n' + DONE, "Hi"),
    "notice before a stream": ("<br />\n<b>Notice</b>: x\n" + chunk("Hi") + DONE, "Hi"),
    "words before a stream": ("\nNotice: x in y\n" + chunk("H") + chunk("i") + DONE, "Hi"),
    "assistant": (
        'event: thread_id\ndata: "thread_1"\n\n'
        'event: thread.message.delta\ndata: {"id":"msg_1","delta":{"content":[{"index":0,'
        '"type":"text","text":{"value":"H"}}]}}\n\n'
        'event: thread.message.delta\ndata: {"id":"msg_1","delta":{"content":[{"type":"text",'
        '"text":{"value":"i"}}]}}\n\n'
        'event: thread.message.completed\ndata: {"id":"msg_1","content":[{"type":"text",'
        '"text":{"value":"Hi"}}]}\n\nevent: done\ndata: [DONE]\n\n',
        "Hi",
    ),
    "assistant, completed only": (
        'event: thread.message.completed\ndata: {"content":[{"text":{"value":"Hi"}}]}\n\n',
        "Hi",
    ),
}


@pytest.mark.parametrize(
    "kind", ["text/event-stream;charset=UTF-8", "application/json", "text/html", ""]
)
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_heard_whatever_its_type_and_cuts(name: str, kind: str) -> None:
    body, text = ANSWERS[name]
    data = body.encode()
    for cuts in ((), range(len(data)), range(0, len(data), 7)):
        out = decode(WPAICG, data, cuts, kind=kind)
        assert (out.text, out.kind) == (text, ""), out.said
        assert out.streamed == ("data:" in body)


def test_what_is_heard_besides_the_text() -> None:
    usage = (
        'data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":3,"total_tokens":9}}\n\n'
    )
    out = decode(WPAICG, chunk("Hi") + chunk(finish_reason="length") + usage + DONE)
    heard = out.details
    assert (heard.model, heard.finish_reason) == ("gpt-x", "length")
    assert heard.usage is not None
    assert (heard.usage.input_tokens, heard.usage.output_tokens, heard.usage.total_tokens) == (
        3,
        None,
        9,
    )
    assert out.complete


def test_a_completion_as_the_body_is_an_answer_in_one_piece() -> None:
    body = {
        "id": "c1",
        "model": "m",
        "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
    }
    for tail in ("", envelope()):
        out = decode(WPAICG, json.dumps(body) + tail)
        assert (out.text, out.streamed, out.details.model, out.kind) == ("Hi", False, "m", "")
        assert out.details.finish_reason == "stop"


FAILURES = {
    "quota": ('{"msg":"Enough","tokenLimitReached":true}', "QuotaError", "Enough"),
    "quota in stream": (
        'data: {"msg":"Enough","tokenLimitReached":true}\n\n',
        "QuotaError",
        "Enough",
    ),
    "quota with status": (bare(tokenLimitReached=True), "QuotaError", 'No "thanks"'),
    "bare": (bare(), "NonceRefused", 'No "thanks"'),
    "bare behind a chunk": (chunk("") + f"data: {bare()}\n\n", "UpstreamError", "thanks"),
    "bare in stream": ("data: " + bare() + "\n\n", "NonceRefused", 'No "thanks"'),
    "upstream": (bare(greeting_message=SECRET, log="1"), "UpstreamError", 'No "thanks"'),
    "upstream, no log": (bare(greeting_message=SECRET), "UpstreamError", 'No "thanks"'),
    "error": ('{"error":{"message":"Down"}}', "UpstreamError", "Down"),
    "error text": ('data: {"error":"Down"}\n\n', "UpstreamError", "Down"),
    "error in stream": ('data: {"error":{"message":"Down"}}\n\n', "UpstreamError", "Down"),
    "assistant error": (
        'event: assistant_error\ndata: {"error":"Down"}\n\n',
        "UpstreamError",
        "Down",
    ),
    "assistant error, text": ("event: assistant_error\ndata: Down\n\n", "UpstreamError", "Down"),
    "run failed": (
        'event: thread.run.failed\ndata: {"last_error":{"message":"Down"}}\n\n',
        "UpstreamError",
        "Down",
    ),
    "empty data": (envelope(data=""), "EmptyReplyError", "empty"),
    "null data": (envelope(data=None), "EmptyReplyError", "empty"),
    "blank data": (envelope(data=" \n"), "EmptyReplyError", "empty"),
    "nothing": ("", "EmptyReplyError", "empty"),
    "blank": ("\n \n", "EmptyReplyError", "empty"),
    "only done": (DONE, "EmptyReplyError", "empty"),
    "only stop": (STOP + DONE, "EmptyReplyError", "empty"),
    "glued and empty": (DONE + envelope(data=""), "EmptyReplyError", "empty"),
    "glued error": (DONE + bare(log="1"), "UpstreamError", "thanks"),
    "glued bare error": (DONE + bare(), "UpstreamError", "thanks"),
    "broke off at once": (chunk(""), "UpstreamError", "broke off"),
    "list as data": (envelope(data=["x"]), "UnexpectedFormatError", "keys"),
    "unknown object": ('{"a":1}', "UnexpectedFormatError", "keys: a"),
    "a list": ("[1]", "UnexpectedFormatError", "neither"),
    "zero": ("0", "UnexpectedFormatError", "no such action"),
    "minus one": ("-1", "NonceRefused", "nonce"),
    "words": ("Go away", "UnexpectedFormatError", "Go away"),
    "cut json": (envelope()[:-5], "UnexpectedFormatError", ""),
    "box to tick": ('{"success":false,"data":"Tick it!"}', "ChallengeError", "Tick it!"),
    "box to tick, as an answer": (
        envelope(data="Du musst das Kästchen anklicken!"),
        "ChallengeError",
        "Kästchen",
    ),
    "turnstile": ('data: {"error":"Verify","ts_required":true}\n\n', "ChallengeError", "Verify"),
    "cloudflare": (
        "<!doctype html><title>Just a moment...</title><p>Wait",
        "ChallengeError",
        "bot check",
    ),
    "wordpress": ('{"success":false,"data":{"message":"No","code":"x"}}', "RefusedError", "No"),
    "wordpress nonce": (
        '{"success":false,"data":{"message":"Old","code":"nonce_failure"}}',
        "NonceRefused",
        "Old",
    ),
    "fatal page": (
        '<p>Ein Fehler.</p><a href="https://de.wordpress.org/support/article/faq-troubleshooting/">'
        "Hilfe</a>",
        "UnexpectedFormatError",
        "Ein Fehler. Hilfe",
    ),
}


@pytest.mark.parametrize(
    "kind", ["text/event-stream", "application/json; charset=UTF-8", "text/html"]
)
@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_an_error_and_never_text(name: str, kind: str) -> None:
    body, error, said = FAILURES[name]
    data = body.encode()
    for cuts in ((), range(len(data))):
        out = decode(WPAICG, data, cuts, kind=kind)
        assert (out.text, out.kind) == ("", error), out.said
        assert said in out.said
        assert SECRET not in f"{out.said} {out.error and out.error.excerpt}"
        assert out.error is not None
        assert (out.error.status, out.error.url) == (200, "https://a.test/wp-admin/admin-ajax.php")


@pytest.mark.parametrize("tail", ["", DONE, chunk(finish_reason="stop") + DONE])
@pytest.mark.parametrize("before", ["", chunk("Hi")])
def test_a_finish_reason_of_error_is_no_success(before: str, tail: str) -> None:
    failed = before + chunk(finish_reason="error")
    out = decode(WPAICG, failed + tail)
    assert (out.text, out.kind) == ("Hi" if before else "", "UpstreamError")
    out = decode(WPAICG, before + chunk(" there", finish_reason="error") + 'data: {"error":"Down"}')
    assert (out.text, out.kind) == (f"{'Hi' if before else ''} there", "UpstreamError")
    assert "Down" in out.said


def test_a_whole_completion_that_failed_is_no_success() -> None:
    body = {"choices": [{"message": {"content": "Bad gateway"}, "finish_reason": "error"}]}
    out = decode(WPAICG, json.dumps(body))
    assert (out.text, out.kind) == ("", "UpstreamError")


@pytest.mark.parametrize("reason", ["stop", "error", "length"])
@pytest.mark.parametrize("between", ["", DONE.replace("[DONE]", '{"choices":[]}')])
def test_an_error_frame_and_then_the_models_end_is_a_failure(reason: str, between: str) -> None:
    body = frame("Quota") + frame(" exceeded") + between + chunk(finish_reason=reason) + DONE
    out = decode(WPAICG, body)
    assert (out.text, out.kind) == ("", "UpstreamError")
    assert "Quota exceeded" in out.said
    out = decode(WPAICG, chunk("Hi") + body)
    assert (out.text, out.kind) == ("Hi", "UpstreamError")
    assert "Quota exceeded" in out.said


@pytest.mark.parametrize("prompt", ["", " ", "\n\t"])
def test_an_image_needs_a_word(prompt: str) -> None:
    image = Image("image/png", b"x")
    with pytest.raises(InvalidMessageError, match="word"):
        next(WPAICG.requests(question_for(WPAICG, prompt=prompt, images=(image,))))
    (request,) = WPAICG.requests(question_for(WPAICG, prompt="What?", images=(image,)))
    assert b'name="image"; filename="image.png"' in (request.body or b"")


def test_a_picture_too_large_for_the_site_is_named() -> None:
    out = decode(WPAICG, "0", images=(Image("image/png", b"x"),))
    assert "post_max_size" in out.said
    assert "post_max_size" not in decode(WPAICG, "0").said
    warned = (
        "<br />\n<b>Warning</b>:  POST Content-Length of 9000000 bytes exceeds the limit of 8388608"
        " bytes in <b>Unknown</b> on line <b>0</b><br />\n0"
    )
    for body in (warned, warned[:-1]):
        assert "message is larger" in decode(WPAICG, body, kind="text/html").said
        assert "post_max_size" in str(WPAICG.error_for(page_of(body, 400)))
    assert "larger" in str(WPAICG.error_for(page_of("<html>Too large", 413)))
    assert "post_max_size" in str(WPAICG.error_for(page_of("0", 400)))


@pytest.mark.parametrize("flag", ["messageFlagged", "ipBanned", "pineconeError", "modflag"])
def test_a_flag_in_front_ends_it_though_an_answer_follows(flag: str) -> None:
    body = f'data: {{"msg":"Not that","{flag}":true}}\n\n' + chunk("Hi") + DONE
    out = decode(WPAICG, body)
    assert (out.text, out.kind) == ("", "RefusedError")
    assert "Not that" in out.said


@pytest.mark.parametrize("tail", ["", FINISH, FINISH + DONE, DONE])
def test_error_frames_are_an_error_in_their_own_words(tail: str) -> None:
    words = ["Invalid", ' value: "foo".\nSupported', " a:", " x\\d", " 'é'", " <b>.\n\nMore: it"]
    body = "".join(map(frame, words)) + tail
    data = body.encode()
    for cuts in ((), range(len(data))):
        out = decode(WPAICG, data, cuts)
        assert (out.text, out.kind) == ("", "UpstreamError")
        assert "Invalid value: \"foo\". Supported a: x\\d 'é' <b>." in out.said
        assert "More: it" in out.said
        assert "}}" not in out.said
        assert "choices" not in out.said


def test_the_words_of_error_frames_end_with_their_frames() -> None:
    out = decode(WPAICG, frame("No\nway") + '{"status":"x","data":"secret"}\n' + FINISH)
    assert out.kind == "UpstreamError"
    assert "No way”" in out.said


def test_error_frames_that_come_twice_are_quoted_once() -> None:
    frames = frame("It") + frame(" broke")
    for end in (FINISH, "event: message\n" + FINISH):
        out = decode(WPAICG, (frames + end) * 2 + DONE)
        assert (out.text, out.kind) == ("", "UpstreamError")
        assert "“It broke”" in out.said


def test_error_frames_behind_text_keep_the_text() -> None:
    out = decode(WPAICG, chunk("Hi") + frame("It") + frame(" broke") + FINISH)
    assert (out.text, out.kind) == ("Hi", "UpstreamError")
    assert "It broke" in out.said


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        ("", "end mark"),
        (envelope(data="Hi"), "end mark"),
        ("\n" + bare(), "thanks"),
        ('data: {"error":{"message":"Down"}}\n\n', "Down"),
        (f"data: {bare()}\n\n", "thanks"),
        ('data: {"id":"c","choi', "end mark"),
        ("<p>critical</p>", "end mark"),
    ],
)
def test_an_answer_without_its_end_is_an_error_behind_the_text(tail: str, said: str) -> None:
    out = decode(WPAICG, chunk("Hi") + tail)
    assert (out.text, out.kind) == ("Hi", "UpstreamError")
    assert said in out.said


def test_html_under_a_streams_type_is_the_models_service() -> None:
    body = "<html><head><title>x</title></head><body>Service <b>down</b></body></html>"
    out = decode(WPAICG, body)
    assert (out.kind, out.text) == ("UpstreamError", "")
    assert "Service down" in out.said
    assert decode(WPAICG, body, kind="text/html").kind == "UnexpectedFormatError"


def test_pairs_that_json_cut_apart_are_joined_and_halves_replaced() -> None:
    def half(code: str) -> str:
        return f'data: {{"id":"c","choices":[{{"delta":{{"content":"{code}"}}}}]}}\n\n'

    assert decode(WPAICG, half("a\\ud83d") + half("\\ude42b") + DONE).text == "a🙂b"
    assert decode(WPAICG, half("a\\ud83d") + half("b") + DONE).text == "a\ufffdb"
    assert decode(WPAICG, half("a\\ud83d")).text == "a\ufffd"  # Though the answer broke off.
    assert decode(WPAICG, half("a\\ude42") + half("\\ud83d") + DONE).text == "a\ufffd\ufffd"
    assert decode(WPAICG, envelope(data="a\ud83d"), kind="application/json").text == "a\ufffd"


@pytest.mark.parametrize("front", ["", "\ufeff", " \n"])
def test_an_answer_in_one_piece_may_be_larger_than_an_event(front: str) -> None:
    body = (front + envelope(data="x" * 2000)).encode()
    for cuts in ((), range(len(body))):
        out = decode(WPAICG, body, cuts, kind="", limits=Limits(event=500))
        assert (out.text, out.kind) == ("x" * 2000, "")


def test_a_page_with_lines_like_events_is_a_page() -> None:
    body = "<!DOCTYPE html>\n<script>\ndata: 5\n\n</script><body>Hello"
    for kind in ("text/html", "text/event-stream"):
        out = decode(WPAICG, body, range(len(body)), kind=kind)
        assert (out.text, out.streamed) == ("", False)
        assert "Hello" in out.said


def test_too_much_is_an_error() -> None:
    limits = Limits(answer=1000, stream=2000, event=500)
    assert decode(WPAICG, envelope(data="x" * 1000), limits=limits).kind == "ResponseTooLargeError"
    assert decode(WPAICG, chunk("x" * 1000), limits=limits).kind == "ResponseTooLargeError"
    out = decode(WPAICG, chunk("x" * 10) * 50, range(0, 20_000, 100), limits=limits)
    assert out.kind == "ResponseTooLargeError"
    assert "stream" in out.said
    assert out.text.startswith("xxx")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "object",
                    "choices",
                    "delta",
                    "content",
                    "msg",
                    "status",
                    "error",
                    "data",
                    "message",
                    "finish_reason",
                    "usage",
                    "text",
                    "success",
                    "model",
                    "index",
                    "greeting_message",
                    "last_error",
                    "value",
                    "total_tokens",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        "",
        "message",
        "thread.message.delta",
        "thread.message.completed",
        "thread.run.failed",
        "done",
        "error",
        "assistant_error",
    ]
)
EVENTS = st.builds(
    lambda name, data: (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n",
    NAMES,
    JSON,
)
PIECES = st.one_of(
    EVENTS,
    st.sampled_from([chunk("Hi"), DONE, STOP, FINISH, frame("No"), envelope(), bare(), "\n"]),
    st.text(max_size=10),
    JSON.map(json.dumps),
)


@given(
    st.lists(PIECES, max_size=6).map("".join) | st.binary(max_size=100),
    st.lists(st.integers(0, 400), max_size=6),
    st.sampled_from(["text/event-stream", "application/json", "text/html"]),
)
@settings(max_examples=500, deadline=None)
def test_whatever_comes_is_a_value_or_an_error_and_cuts_change_nothing(
    body: bytes | str, cuts: list[int], kind: str
) -> None:
    whole = decode(WPAICG, body, kind=kind, asked_as="0")
    pieces = decode(WPAICG, body, cuts, kind=kind, asked_as="0")
    assert (whole.text, whole.kind, whole.said) == (pieces.text, pieces.kind, pieces.said)
    assert whole.details == pieces.details
    assert whole.streamed == pieces.streamed


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"a":' * 100_000, '{"status":' + "9" * 10_000 + "}", '{"data":NaN}']
)
def test_hostile_json_is_an_error_of_ours(body: str) -> None:
    assert decode(WPAICG, body, kind="application/json").kind == "UnexpectedFormatError"
    assert decode(WPAICG, f"data: {body}\n\n" + chunk("Hi") + DONE).text == "Hi"


# -- Other statuses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (403, "Old link", "NonceRefused", "Old link"),
        (403, "-1", "NonceRefused", "-1"),
        (403, "", "NonceRefused", "403"),
        (403, '{"status":"error","msg":"Why"}', "NonceRefused", "Why"),
        (403, envelope(status="error", msg="Why"), "UnexpectedStatusError", "403"),
        (403, "<title>Just a moment...</title>", "ChallengeError", "bot check"),
        (403, '{"msg":"Enough","tokenLimitReached":true}', "QuotaError", "Enough"),
        (403, '{"error":"x","ts_required":true}', "ChallengeError", "x"),
        (400, "0", "UnexpectedStatusError", "no such action"),
        (400, "<p>No</p>", "UnexpectedStatusError", "No"),
        (404, "", "UnexpectedStatusError", "404"),
        (401, "", "UnexpectedStatusError", "user:password"),
        (429, "", "RateLimitError", "429"),
        (500, "<p>Dead</p>", "UnexpectedStatusError", "Dead"),
        (500, bare(greeting_message=SECRET), "UnexpectedStatusError", "500"),
        (302, "", "UnexpectedStatusError", "redirects"),
    ],
)
def test_a_status_that_is_no_answer(status: int, body: str, error: str, said: str) -> None:
    caught = WPAICG.error_for(page_of(body, status, headers=[("Content-Type", "text/html")]))
    assert type(caught).__name__ == error
    assert said in str(caught)
    assert caught.status == status
    assert SECRET not in f"{caught} {caught.excerpt}"
    assert isinstance(caught, NonceRefused) == (error == "NonceRefused")


@given(
    st.binary(max_size=80) | JSON.map(lambda data: json.dumps(data).encode()), st.integers(300, 599)
)
@settings(max_examples=200, deadline=None)
def test_any_status_and_body_is_an_error_of_ours(body: bytes, status: int) -> None:
    assert isinstance(WPAICG.error_for(page_of(body, status)), ChatGptEsError)


def test_there_is_no_request_for_a_nonce() -> None:
    assert WPAICG.nonce_request(question_for(WPAICG).endpoint) is None
    assert WPAICG.nonce_from(page_of('{"success":true,"data":{"nonce":"x"}}')) is None


@given(st.text(), st.text())
@settings(max_examples=100, deadline=None)
def test_any_attribute_values_give_bots_or_none(nonce: str, post: str) -> None:
    tag = bot_tag(
        data_nonce=html.escape(nonce), data_post_id=html.escape(post), data_bot_id=html.escape(post)
    )
    for endpoint in endpoints(WPAICG.find(page_of(tag.encode("utf-8", "replace"), url=PAGE))):
        (request,) = WPAICG.requests(
            question_for(WPAICG, nonce=endpoint.nonce, post_id=endpoint.post_id)
        )
        assert request.body


@pytest.mark.parametrize("reason", ["error", "ERROR", "Error"])
def test_a_later_reason_makes_no_error_a_success(reason: str) -> None:
    body = chunk("Hi") + chunk("", finish_reason=reason) + chunk("", finish_reason="stop")
    out = decode(WPAICG, body + "data: [DONE]\n\n")
    assert (out.text, out.kind) == ("Hi", "UpstreamError")
