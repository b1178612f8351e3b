"""What an AI Engine bot answers, fed by hand."""

from __future__ import annotations

import json
import re

import pytest
from engine import decode, ending, event
from hypothesis import given
from hypothesis import strategies as st

from chatgptes.errors import UpstreamError
from chatgptes.values.http import Limits
from chatgptes.values.reply import Usage

NOISE = "<br />\n<b>Warning</b>: something in <b>/srv/x.php</b> on line <b>7</b><br />\n"
USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16, "accuracy": "tokens"}
TEXT = "Zoë: «да»\n\n**b** <b>x</b> 🙂 \u2028 end."
LIVES = "".join(event("live", TEXT[at : at + 3]) for at in range(0, len(TEXT), 3))
STREAM = LIVES + ending(TEXT, usage=USAGE, responseId="resp_1")
WHOLE = json.dumps({"success": True, "reply": TEXT, "images": None, "usage": USAGE})


def test_a_stream() -> None:
    out = decode(STREAM)
    assert (out.text, out.error) == (TEXT, None)
    assert (out.streamed, out.complete) == (True, True)
    assert len(out.chunks) > 5
    assert out.details.usage == Usage(11, 5, 16)
    assert out.details.message_id == "resp_1"
    assert out.details.images == []


def test_one_object() -> None:
    for kind in ("application/json", "text/event-stream"):
        out = decode(WHOLE, kind=kind)
        assert (out.text, out.error, out.streamed) == (TEXT, None, False)
        assert out.details.usage == Usage(11, 5, 16)
        assert out.details.state


@pytest.mark.parametrize("kind", ["application/json; charset=UTF-8", "text/html", ""])
@pytest.mark.parametrize("noise", ["", NOISE, "\ufeff", "\n\n"])
@pytest.mark.parametrize("body", [STREAM, WHOLE])
def test_the_type_says_nothing_and_noise_is_passed_over(kind: str, noise: str, body: str) -> None:
    out = decode(noise + body, kind=kind)
    assert (out.text, out.error) == (TEXT, None)


@pytest.mark.parametrize("body", [STREAM, WHOLE, NOISE + STREAM, NOISE + WHOLE])
def test_cut_anywhere_once(body: str) -> None:
    data = body.encode()
    for cut in range(len(data)):
        out = decode(data, [cut])
        assert (out.text, out.error) == (TEXT, None)


@given(
    st.sampled_from([STREAM, WHOLE, NOISE + STREAM]), st.lists(st.integers(0, 2000), max_size=30)
)
def test_cut_anywhere(body: str, cuts: list[int]) -> None:
    out = decode(body, cuts)
    assert (out.text, out.error) == (TEXT, None)


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_text(live: str, rest: str) -> None:
    out = decode(event("live", live) + ending(live + rest))
    if re.sub("[\0\ufeff\u200b\u2060]", "", live + rest).strip():
        assert (out.text, out.error) == (live + rest, None)
    else:
        assert out.kind == "EmptyReplyError"


@given(st.lists(st.sampled_from([
    LIVES, STREAM, WHOLE, NOISE, "data: ", "\n\n", "{", '{"type":"end"}', "data: null\n\n", "\r\n",
    'data: {"type":"end","data":7}\n\n', 'data: {"type":"live","data":{}}\n\n', "[" * 3000,
    "\ud83d",
    'data: {"type":"end","data":"[]"}\n\n', event("error", {"a": 1}), event("live", "\ud83d"),
    ending("x", images=[7, None, "ftp://x", "https://a.test/i.png"], usage=[], actions=3),
    '{"success":false}', '{"code":7}', '{"success":true,"reply":null}', "<html>", "a: b",
]), max_size=6), st.lists(st.integers(0, 900), max_size=6))  # fmt: skip
def test_whatever_comes_ends_in_text_or_an_error(parts: list[str], cuts: list[int]) -> None:
    out = decode("".join(parts), cuts)
    assert out.error is not None or out.text.strip()
    assert "/srv" not in str(out.error)


def test_unicode_line_ends_are_text() -> None:
    text = "a\u2028b\x85c\u2029d\re\x0bf\x1cg"
    assert decode(event("live", text) + ending(text)).text == text


def test_a_pair_cut_between_two_events() -> None:
    body = 'data: {"type":"live","data":"\\ud83d"}\n\ndata: {"type":"live","data":"\\ude42"}\n\n'
    assert decode(body + ending("🙂")).text == "🙂"


# What is no text.


def test_other_subtypes_and_types_are_no_text() -> None:
    extra = {"timestamp": 1.5, "visibility": "collapsed"}
    body = (
        event("live", "Searching", subtype="status", **extra)
        + event("live", "Hm", subtype="thinking")
        + event("live", "Yes", subtype="content")
        + event("whisper", "no")
        + "id: 7\nretry: 10\n: a remark\nnonsense\n\n"
        + "data: {\n\ndata: []\n\n"
        + event("live", ".")
        + ending("Yes.")
    )
    assert decode(body).text == "Yes."


def test_nothing_behind_the_end() -> None:
    out = decode(STREAM + event("error", "late") + "<p>Fatal error</p>")
    assert (out.text, out.error) == (TEXT, None)


def test_an_end_without_a_blank_line() -> None:
    assert decode(STREAM.rstrip("\n")).error is None


# The end decides.


@pytest.mark.parametrize(
    ("live", "reply", "text"),
    [
        ("", "All of it.", "All of it."),
        ("One", "One two.", "One two."),
        ("One two.", "One too.", "One two."),  # It can't be taken back.
        ("One two.", "One", "One two."),
        ("One two.\n", "One two.", "One two.\n"),
        ("One two.", "", "One two."),
        ("\n", "One two.", "\nOne two."),
    ],
)
def test_the_end_gives_what_is_missing(live: str, reply: str, text: str) -> None:
    body = (event("live", live) if live else "") + ending(reply)
    out = decode(body)
    assert (out.text, out.error) == (text, None)


@pytest.mark.parametrize("data", ['"no object"', "", "{", 7, None])
def test_an_end_that_can_not_be_read_is_still_one(data: object) -> None:
    out = decode(event("live", "Yes") + event("end", data))
    assert (out.text, out.error, out.complete) == ("Yes", None, True)
    assert decode(event("end", data)).kind == "EmptyReplyError"


def test_an_end_that_is_no_string() -> None:
    assert decode(event("end", {"success": True, "reply": "Yes"})).text == "Yes"


def test_pictures() -> None:
    address = "https://a.test/up/a.png"
    markdown = f"![Image]({address})\n"
    out = decode(ending(markdown, images=[address]), kind="application/json")
    assert (out.text, out.details.images) == (markdown, [address])
    assert decode(ending("", images=[address])).text == f"![Image]({address})"
    body = event("live", "Look:") + ending("Look:", images=[address])
    assert decode(body).text == f"Look:\n\n![Image]({address})"
    odd = ["javascript:x", 7, "https://a.test/a b(1).png"]
    out = decode(ending("Look", images=odd))
    assert (out.text, out.details.images) == ("Look", odd[2:])


# Failures.

REFUSED = "The bot gave no answer: “You have had enough.”"


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_an_error_alone(kind: str) -> None:
    out = decode(event("error", "You have had enough."), kind=kind)
    assert (out.text, out.kind) == ("", "RefusedError")
    assert str(out.error).startswith(REFUSED)
    assert out.error
    assert out.error.excerpt == "You have had enough."
    # Nobody knows if the model was asked.
    assert "before" not in str(out.error)
    out = decode('{"success":false,"message":"You have had enough."}', kind=kind)
    assert str(out.error).startswith(REFUSED)


def test_an_error_after_text() -> None:
    out = decode(event("live", "One tw") + event("error", "The line <b>went</b> dead."))
    assert (out.text, out.kind) == ("One tw", "UpstreamError")
    assert "The line went dead." in str(out.error)


def test_an_error_after_a_status_is_alone() -> None:
    out = decode(event("live", "Searching", subtype="status") + event("error", "No."))
    assert out.kind == "RefusedError"


def test_an_end_that_says_no() -> None:
    no = json.dumps({"success": False, "message": "No."})
    assert decode(event("end", no)).kind == "RefusedError"
    assert decode(event("live", "Ye") + event("end", no)).kind == "UpstreamError"


@pytest.mark.parametrize(
    "body", ["", "\n", ending(""), ending(" \n"), '{"success":true,"reply":""}']
)
def test_empty_answers(body: str) -> None:
    assert decode(body).kind == "EmptyReplyError"


def test_an_action_without_text() -> None:
    out = decode(ending("", actions=[{"type": "function", "data": {"name": "wave"}}]))
    assert out.kind == "EmptyReplyError"
    assert "script" in str(out.error)


@pytest.mark.parametrize("cut", range(1, len(event("live", "One")) + 1))
def test_a_stream_that_just_stops(cut: int) -> None:
    body = event("live", "One") + event("live", "One")[:cut]
    out = decode(body)
    assert out.kind == "UpstreamError"
    assert out.text in ("One", "OneOne")


def test_a_stream_that_stops_before_its_first_word() -> None:
    assert decode(event("live", "Searching", subtype="status")).kind == "UpstreamError"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<!doctype html><title>A page</title><p>No answer", "UnexpectedFormatError"),
        ("<html><script>window._cf_chl_opt = {}</script></html>", "ChallengeError"),
        ('{"ts_required":true,"message":"Are you a person?"}', "ChallengeError"),
        ('{"answer":"yes"}', "UnexpectedFormatError"),
        ('{"success":true,"reply":7}', "UnexpectedFormatError"),
        ("nonsense", "UnexpectedFormatError"),
        ('{"code":"internal_server_error","message":"<p>No</p>"}', "UnexpectedStatusError"),
    ],
)
def test_what_is_no_answer(body: str, kind: str) -> None:
    assert decode(body).kind == kind


def test_limits() -> None:
    assert decode(STREAM, limits=Limits(event=100)).kind == "ResponseTooLargeError"
    assert decode(WHOLE, limits=Limits(answer=20)).kind == "ResponseTooLargeError"


@pytest.mark.parametrize(
    ("body", "before"),
    [
        (event("live", "Well"), False),
        (event("live", " ") + event("live", "Well"), False),
        (event("live", " \n"), True),
        (event("live", "I think", subtype="thinking"), True),
    ],
)
def test_an_answer_that_breaks_off_says_whether_it_had_begun(body: str, before: bool) -> None:
    out = decode(body)
    assert type(out.error) is UpstreamError
    assert ("before its first word" in str(out.error)) == before
    assert "end mark" in str(out.error) or before
