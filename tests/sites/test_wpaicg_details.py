"""What a `wpaicg` page and answer say besides the text: fed by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hearing import decode, endpoints, page_of, question_for

from chatgptes.errors import InvalidMessageError
from chatgptes.sites.aipower import WPAICG
from chatgptes.values.images import Image
from chatgptes.values.reply import Usage

# -- Pages and requests ----------------------------------------------------------------------

SEARCH = '<script>var wpaicgParams = {"search_nonce":"abcdef0123"};</script>'


@pytest.mark.parametrize(
    ("attributes", "bot_id"), [('data-bot-id="5"', "5"), ('data-post-id="7"', "0")]
)
def test_a_bot_with_the_nonce_of_the_page(attributes: str, bot_id: str) -> None:
    body = f'{SEARCH}<div class="wpaicg-chat-shortcode" {attributes}></div>'
    (found,) = endpoints(WPAICG.find(page_of(body)))
    assert (found.bot.id, found.nonce) == (bot_id, "abcdef0123")


@pytest.mark.parametrize("text", ["Hi", "H\udcffi"])
def test_a_greeting_without_blanks_around_it(text: str) -> None:
    page = (
        '<div class="wpaicg-chat-shortcode" data-nonce="n" data-bot-id="5">'
        '<li class="wpaicg-ai-message"><span class="wpaicg-chat-message">'
    )
    body = page.encode() + text.encode("utf-8", "surrogateescape") + b"</span>"
    (found,) = endpoints(WPAICG.find(page_of(body)))
    assert found.bot.greeting == text.replace("\udcff", "\ufffd")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "avif"])
def test_the_pictures_that_a_site_takes(kind: str) -> None:
    steps = WPAICG.requests(question_for(WPAICG, images=(Image(f"image/{kind}", b"x"),)))
    if kind == "avif":
        with pytest.raises(InvalidMessageError, match=r"only gif, jpeg, png, webp\."):
            next(steps)
        return
    assert f'filename="image.{kind}"'.encode() in (next(steps).body or b"")


# -- Answers ---------------------------------------------------------------------------------


def event(data: Any, name: str = "") -> str:
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "") + f"data: {text}\n\n"


def choice(text: str | None, **more: Any) -> dict[str, Any]:
    return {"delta": {} if text is None else {"content": text}, **more}


def chunk(text: str | None = "Hi", **more: Any) -> str:
    return event({"id": "c", "model": "m", "choices": [choice(text)], **more})


HI = {"choices": [choice("Hi")]}
STOP, DONE = event({"choices": [{"finish_reason": "stop"}]}), event("[DONE]")


@pytest.mark.parametrize(
    "key",
    ["id", "object", "created", "model", "system_fingerprint", "service_tier", "usage",
     "obfuscation", "provider", "x_groq"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["error", "ping", "done"])
def test_a_chunk_is_text_whatever_its_event_is_called(name: str, key: str) -> None:
    out = decode(WPAICG, event({**HI, key: "x"}, name) + DONE)
    assert (out.text, out.kind) == ("Hi", "")


def test_token_counts_beside_a_text() -> None:
    out = decode(WPAICG, chunk() + chunk("!", usage={"total_tokens": 7}) + chunk("?") + DONE)
    assert (out.text, out.details.usage) == ("Hi!?", Usage(None, None, 7))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"id": "c", **HI}, "Hi"),
        ({"object": "x", **HI}, "Hi"),
        ({"id": "c", "object": "x", **HI}, "Hi"),
        (HI, ""),
        ({"id": "", **HI}, ""),
    ],
)
def test_of_events_called_message_those_of_the_model_are_text(
    data: dict[str, Any], text: str
) -> None:
    out = decode(WPAICG, event(data, "message") + DONE)
    assert (out.text, out.kind) == (text, "" if text else "UpstreamError")
    assert text or "“Hi”" in out.said


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ([choice("Hi", index=0), choice("No", index=1)], "Hi"),
        ([choice("No", index=1)], ""),
        ([choice("Hi", index=None)], "Hi"),
        ([{"delta": {"refusal": "I can't."}}], "I can't."),
        ([{"delta": {"content": "Hi", "refusal": "I can't."}}], "Hi"),
        ([{"message": {"content": "Hi"}}], "Hi"),
        ([{"delta": "x", "message": {"content": "Hi"}}], "Hi"),
        ([{"text": "Hi"}], "Hi"),
        ([{"delta": {"content": [{"text": "H"}, {"text": {"value": "i"}}, 5, {}]}}], "Hi"),
        ([], ""),
        ([5], ""),
        ({}, ""),
    ],
)
def test_the_text_of_a_chunk(choices: Any, text: str) -> None:
    for more in ({}, {"id": "c"}, {"unheard of": 1}):
        out = decode(WPAICG, chunk("") + event({"choices": choices, **more}) + STOP + DONE)
        assert (out.text, out.kind) == (text, "" if text else "EmptyReplyError")
        # None of them is an end.
        out = decode(WPAICG, chunk() + event({"choices": choices, **more}))
        assert (out.text, out.kind) == (f"Hi{text}", "UpstreamError")


@pytest.mark.parametrize("end", [DONE, event({}, "done"), event("x", "done"), event(" [DONE] ")])
def test_an_end_mark(end: str) -> None:
    out = decode(WPAICG, chunk() + end + chunk("!"))
    assert (out.text, out.kind, out.complete) == ("Hi", "", True)
    # What stands behind one is no text, though there was none before.
    assert decode(WPAICG, chunk("") + end + chunk("!") + end).kind == "EmptyReplyError"


def test_a_long_reason_is_cut() -> None:
    reason = event({"choices": [{"finish_reason": "x" * 301}]})
    assert decode(WPAICG, chunk() + reason).details.finish_reason == "x" * 299 + "…"


# Assistants: their events go by their name, or by `object`.


def content(text: str) -> list[dict[str, object]]:
    return [{"type": "text", "text": {"value": text}}]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("kind", "data", "text", "said"),
    [
        ("thread.message.delta", {"delta": {"content": content("Hi")}}, "Hi", "end mark"),
        ("thread.message.delta", {"delta": "Hi"}, "", "first word"),
        ("thread.message.completed", {"content": content("Hi")}, "Hi", ""),
        ("thread.message", {"content": content("Hi"), "status": "completed"}, "Hi", ""),
        ("thread.message", {"content": content("Hi"), "status": "in_progress"}, "", "first word"),
        ("thread.run.failed", {"last_error": {"message": "Down"}}, "", "“Down”"),
        ("thread.run.expired", {"last_error": {"code": "Late"}}, "", "“Late”"),
        ("thread.run.cancelled", {"last_error": {"type": "Off", "x": 1}}, "", "“Off”"),
        ("thread.run.step", {"content": content("Hi")}, "", "first word"),
    ],
)
def test_the_events_of_assistants(
    kind: str, data: dict[str, Any], text: str, said: str, named: bool
) -> None:
    body = event(data, kind) if named else event({**data, "object": kind})
    out = decode(WPAICG, body)
    assert (out.text, out.kind) == (text, "UpstreamError" if said else "")
    assert said in out.said
    if named and "run.step" not in kind:
        # A notice without a line end stands right before it.
        again = decode(WPAICG, f"<br />Notice{body}")
        assert (again.text, again.kind, again.said) == (out.text, out.kind, out.said)


@pytest.mark.parametrize("name", ["error", "assistant_error"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"message": "One", "msg": "Two"}, "One"),
        ({"msg": "Two"}, "Two"),
        ({"code": "Two"}, "Two"),
        ("Two", "Two"),
        ({"error": {"code": "One"}, "message": "Two"}, "One"),
        ({"error": {"type": "One"}}, "One"),
        ({"error": {"message": "One", "code": "Two", "type": "Three"}}, "One"),
    ],
)
def test_the_words_of_an_error(name: str, data: object, said: str) -> None:
    for before in ("", "<br />Notice"):
        out = decode(WPAICG, before + event(data, name) + DONE)
        assert out.kind == "UpstreamError"
        assert f"“{said}”" in out.said


def test_a_word_of_an_error_and_an_end_behind_a_notice() -> None:
    out = decode(WPAICG, f"<br />Notice{event(HI, 'message')}")
    assert (out.text, out.kind) == ("", "UpstreamError")
    assert decode(WPAICG, f"{chunk()}<br />Notice{event('x', 'done')}").complete


def test_the_words_of_an_error_are_bounded() -> None:
    out = decode(WPAICG, event({"choices": [choice("word " * 40)]}, "message") * 200 + STOP)
    assert out.error is not None
    assert len(out.error.excerpt or "") == 300


# Envelopes: old versions glue the plugin's own object behind the stream.

GOOD, BAD = {"status": "success", "data": "Hi"}, {"status": "error", "msg": "No"}


@pytest.mark.parametrize(
    ("envelopes", "text", "error", "said"),
    [
        ([GOOD], "Hi", "", ""),
        ([BAD, GOOD], "Hi", "", ""),
        ([GOOD, BAD], "Hi", "", ""),
        ([BAD, {**BAD, "msg": "Later"}], "", "UpstreamError", "“No”"),
        ([{"a": 1}, GOOD], "Hi", "", ""),
        ([{"a": 1}], "", "EmptyReplyError", "empty"),
        ([{"status": "error"}], "", "UpstreamError", "failed"),
        ([{"msg": "Enough", "tokenLimitReached": 1}], "", "QuotaError", "“Enough”"),
    ],
)
def test_envelopes_behind_an_empty_stream(
    envelopes: list[object], text: str, error: str, said: str
) -> None:
    lines = "\n".join(map(json.dumps, envelopes))
    for stream in (DONE, STOP + DONE):
        out = decode(WPAICG, stream + lines)
        assert (out.text, out.kind) == (text, error)
        assert said in out.said


@pytest.mark.parametrize(
    ("envelope", "quoted"),
    [(BAD, True), ({**GOOD, "msg": "No"}, False), ({"msg": "No"}, False), (None, False)],
)
def test_an_envelope_may_say_why_an_answer_broke_off(envelope: object, quoted: bool) -> None:
    out = decode(WPAICG, chunk() + (json.dumps(envelope) if envelope else ""))
    assert (out.text, out.kind) == ("Hi", "UpstreamError")
    assert ("“No”" in out.said) == quoted


# -- Whole bodies ----------------------------------------------------------------------------


WHOLE = {"choices": [{"message": {"content": "Hello"}}]}
NO = {"success": False, "data": {"message": "No"}}


@pytest.mark.parametrize(
    ("objects", "text", "error"),
    [
        ([NO, GOOD], "Hi", ""),
        ([GOOD, NO], "Hi", ""),
        ([WHOLE, GOOD], "Hello", ""),
        ([GOOD, WHOLE], "Hello", ""),
        ([{**GOOD, "data": " "}, NO], "", "EmptyReplyError"),
        ([NO, {**GOOD, "data": " "}], "", "RefusedError"),
        ([NO, {"status": "x", "data": "Hi"}], "", "RefusedError"),
        ([{**WHOLE, "object": "chat.completion"}], "Hello", ""),
        ([{**WHOLE, "object": "chat.completion.chunk"}], "", "EmptyReplyError"),
        ([{"success": True, "data": {"message": "x"}}], "", "UnexpectedFormatError"),
        ([{"success": False, "data": {"message": "x", "code": "a_nonce"}}], "", "NonceRefused"),
        ([{"status": "error", "msg": "x"}], "", "NonceRefused"),
        # The model was asked: the message must not go a second time.
        ([{"status": "error", "msg": "x", "log": 1}], "", "UpstreamError"),
        ([{"status": "error", "msg": "x", "greeting_message": ""}], "", "UpstreamError"),
        ([{"status": "error", "msg": "x", "choices": None}], "", "UpstreamError"),
    ],
)
def test_objects_in_place_of_a_stream(objects: list[dict[str, Any]], text: str, error: str) -> None:
    for kind in ("application/json", "text/event-stream"):
        out = decode(WPAICG, "\n".join(map(json.dumps, objects)), kind=kind)
        assert (out.text, out.kind) == (text, error)


@pytest.mark.parametrize(
    ("body", "images", "said"),
    [
        ("0", False, ""),
        (" 0\n", False, ""),
        ("0", True, "Or the picture is larger"),
    ],
)
def test_a_message_that_wordpress_did_not_read(body: str, images: bool, said: str) -> None:
    pictures = (Image("image/png", b"x"),) if images else ()
    out = decode(WPAICG, body, kind="text/html", images=pictures)
    assert out.kind == "UnexpectedFormatError"
    assert said in out.said
    assert ("larger" in out.said) == bool(said)


# -- Other statuses --------------------------------------------------------------------------

LIMIT = {"tokenLimitReached": True, "msg": "Enough"}


@pytest.mark.parametrize(
    ("status", "objects", "error"),
    [
        *[(status, [LIMIT], "QuotaError") for status in (400, 403, 500, 503)],
        *[(status, [LIMIT], "UnexpectedStatusError") for status in (404, 499)],
        (403, [{"ipBanned": 1, "msg": "Out"}], "RefusedError"),
        (403, [BAD], "NonceRefused"),
        # The model was asked: the message must not go a second time.
        (403, [GOOD], "UnexpectedStatusError"),
        (403, [WHOLE], "UnexpectedStatusError"),
        (403, [{**BAD, "log": 1}], "UnexpectedStatusError"),
        (403, [{**BAD, "choices": 1}], "UnexpectedStatusError"),
        (403, [{**BAD, "greeting_message": ""}], "UnexpectedStatusError"),
        (403, [{"ts_required": True}, GOOD], "UnexpectedStatusError"),
    ],
)
def test_objects_with_another_status(status: int, objects: list[Any], error: str) -> None:
    caught = WPAICG.error_for(page_of("\n".join(map(json.dumps, objects)), status))
    assert type(caught).__name__ == error
