"""What sites put before, behind and into good answers: byte order marks, notices, raw line ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hearing import decode, page_of, question_for
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatgptes import UnexpectedStatusError, UpstreamError
from chatgptes.sites.aiengine.decoder import rank
from chatgptes.sites.aipower import AIPKIT, REST, WPAICG
from chatgptes.sites.dialect import Dialect
from chatgptes.sites.text import excerpt, is_blank, json_object, parse_json
from chatgptes.values.http import Limits

BOM = "\ufeff"
NOTICE = (
    "<br />\n<b>Warning</b>:  Undefined variable $x in <b>/srv/a.php</b> on line <b>3</b><br />"
)

JUNK = {
    "bom": BOM,
    "two boms": BOM + BOM,
    "bom, blank": BOM + " ",
    "line ends and a bom": "\r\n\n" + BOM,
    "bom, line ends, bom": BOM + "\n\n" + BOM,
    "blank": " ",
    "tab and nul": "\t\0",
    "br": "<br />",
    "notice": NOTICE,
    "notice and line end": NOTICE + "\n",
    "notice in words": "PHP Deprecated:  Something is old in /srv/b.php on line 7",
    "bom and notice": BOM + NOTICE + BOM,
    "a comment": "<!-- cached: data: {} -->",
    "a comment of several lines": "<!--\ndata: {}\n\ndata: {}\n-->",
    "a script": "<script>var a = {\ndata: {}\n\n};</script>",
    "a script in one line": '<script>a={data: {"b":1}}</script>',
    "a style": "<style>\ndata: {}\n</style>",
    "a field without an object": "data: see the log. ",
    "an unknown event": "Notice: unknown event: foo ",
    "words of a field": "Array ( event: data: data:{ ) ",
    "comment lines": BOM + ": hello\n\n" + BOM + ": again\n\n",
    "another program's file": "<?php/* x */require_once($_SERVER['DOCUMENT_ROOT'].'/x.php');?>",
    "a dump": 'array(2) {\n  ["data"]=>\n  string(3) "abc"\n}\n',
    "headers as a body": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
    "a blank of no width": "\u200b",
    "a page": "<!DOCTYPE html><html><body>Down for a moment</body></html>\n",
    "a page without a line end": "<html><body>Down</body></html>",
    "an object": '{"notice":"debugging is on"}\n',
    "an object without a line end": '{"a":1}',
    "an object of the plugin's form": '{"success":false,"data":{"message":"of another plugin"}}\n',
    "one without a line end": '{"status":"error","msg":"of another plugin"}',
}


def chunk(text: str, **more: Any) -> str:
    data = {"id": "c", "object": "chat.completion.chunk", "model": "m",
            "choices": [{"index": 0, "delta": {"content": text}, **more}]}  # fmt: skip
    return f"data: {json.dumps(data)}\n\n"


def delta(text: str) -> str:
    return f"data: {json.dumps({'delta': text})}\n\n"


START = 'event: message_start\ndata: {"message_id":"m-1"}\n\n'
DONE = 'event: done\ndata: {"finished":true}\n\n'
ERROR = 'event: error\ndata: {"error":"API Error: 500"}\n\n'
WPAICG_BODY = chunk("Hello ") + chunk("world") + "data: [DONE]\n\n"
STREAMS = {
    "wpaicg": (WPAICG, WPAICG_BODY),
    "aipkit": (AIPKIT, START + delta("Hello ") + delta("world") + DONE),
    "aipkit without a start": (AIPKIT, delta("Hello ") + delta("world") + DONE),
}


def cuts_of(data: bytes) -> list[Any]:
    return [(), range(len(data)), range(0, len(data), 7)]


def assert_whole_behind(junk: str) -> None:
    """No dialect loses text of a stream behind `junk`, cut anywhere."""
    for dialect, body in STREAMS.values():
        data = (junk + body).encode()
        for cuts in cuts_of(data):
            out = decode(dialect, data, cuts)
            assert (out.text, out.kind) == ("Hello world", ""), out.said


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("kind", ["text/event-stream", "text/html"])
def test_no_text_is_lost_behind_junk(stream: str, junk: str, kind: str) -> None:
    dialect, body = STREAMS[stream]
    data = (JUNK[junk] + body).encode()
    for cuts in cuts_of(data):
        out = decode(dialect, data, cuts, kind=kind)
        assert (out.text, out.kind, out.streamed) == ("Hello world", "", True), out.said


@pytest.mark.parametrize("junk", JUNK)
def test_junk_makes_no_refusal_of_a_failure_of_the_model(junk: str) -> None:
    """A refusal would be sent again with a fresh nonce, though the model was asked."""
    data = (JUNK[junk] + START + ERROR).encode()
    for cuts in cuts_of(data):
        out = decode(AIPKIT, data, cuts)
        assert (out.text, out.kind) == ("", "UpstreamError"), out.said


@pytest.mark.parametrize("junk", [NOTICE, BOM, " ", "PHP Notice: x in y on line 1"])
def test_junk_between_events_loses_no_text(junk: str) -> None:
    for dialect, first, second, end in (
        (WPAICG, chunk("Hello "), chunk("world"), "data: [DONE]\n\n"),
        (AIPKIT, START + delta("Hello "), delta("world"), DONE),
    ):
        data = (first + junk + second + junk + end).encode()
        for cuts in cuts_of(data):
            out = decode(dialect, data, cuts)
            assert (out.text, out.kind) == ("Hello world", ""), out.said


@pytest.mark.parametrize("junk", ["<br />", BOM, " <!-- x -->", "\0"])
def test_junk_behind_an_object_loses_no_text(junk: str) -> None:
    body = START + delta("Hello").replace("\n\n", f"{junk}\n\n") + DONE
    assert decode(AIPKIT, body).text == "Hello"
    body = chunk("Hello").replace("\n\n", f"{junk}\n\n") + "data: [DONE]\n\n"
    assert decode(WPAICG, body).text == "Hello"


def test_events_without_the_empty_line_between_them_are_events() -> None:
    for dialect, body in STREAMS.values():
        out = decode(dialect, body.replace("}\n\ndata: {", "}\ndata: {"))
        assert out.text == "Hello world", out.said
    body = START + "data: noise\n" + delta("Hello") + DONE
    assert decode(AIPKIT, body).text == "Hello"


OPEN = [
    "<!-- ",
    "<!-- a\n",
    "<script>var a = 1;\n",
    "<html><head><style>\n",
    "<br /><script async>",
]


@pytest.mark.parametrize("junk", OPEN)
def test_what_never_ends_hides_nothing(junk: str) -> None:
    """A notice or a plugin's output broke off: the answer stands behind it all the same."""
    assert_whole_behind(junk)
    for before in (START, delta(""), 'event: status\ndata: {"type":"x"}\n\n'):
        # Never a refusal, after which the message would be sent again.
        assert decode(AIPKIT, junk + before + ERROR).kind == "UpstreamError"
    assert decode(AIPKIT, junk + ERROR).kind == "NonceRefused"


def test_bytes_that_are_no_text_in_a_comment() -> None:
    for dialect, body in STREAMS.values():
        whole = b'<!--\n data: {"a": "\xff"}\n-->\n' + body.encode()
        out = decode(dialect, whole, [])
        assert (out.text, out.kind) == ("Hello world", ""), out.said


@pytest.mark.parametrize(
    "word", ["-->", "</script>", "</style>", "<!-- x -->", "<script>1</script>"]
)
@pytest.mark.parametrize("junk", OPEN)
def test_a_text_ends_no_comment_before_it(junk: str, word: str) -> None:
    text = f"a {word} b"
    stream = START + delta("1 ") + delta(text) + delta(" 2") + DONE
    assert decode(AIPKIT, junk + stream).text == f"1 {text} 2"
    stream = chunk("1 ") + chunk(text) + chunk(" 2") + "data: [DONE]\n\n"
    assert decode(WPAICG, junk + stream).text == f"1 {text} 2"


@pytest.mark.parametrize(
    "word", ["done", "error", "status", "warning", "citations", "message_start", "assistant_error"]
)
def test_the_words_of_a_notice_name_no_event_of_text(word: str) -> None:
    junk = f"Notice: fired event: {word}\n"
    for dialect, pieces in (
        (WPAICG, [chunk("Hello "), chunk("world"), "data: [DONE]\n\n"]),
        (AIPKIT, [delta("Hello "), delta("world"), DONE]),
    ):
        for place in (0, 1):
            body = "".join([*pieces[:place], junk, *pieces[place:]])
            out = decode(dialect, body)
            assert (out.text, out.kind) == ("Hello world", ""), out.said


def test_what_a_page_holds_is_no_event() -> None:
    for body in (
        '<html><script>\ndata: 5\n\n</script><pre>data: {"a":1}</pre>',
        "<!doctype html><p>event: done</p>",
        "<p>data: {nothing}</p>",
    ):
        for dialect in (WPAICG, AIPKIT):
            out = decode(dialect, body, kind="text/html")
            assert (out.kind, out.streamed) == ("UnexpectedFormatError", False)


@given(
    st.lists(
        st.sampled_from([*JUNK.values(), "\n", "é", "{", "<", "data: x ", "event: "]), max_size=4
    ),
    st.lists(st.integers(0, 600), max_size=6),
)
@example(["event: ", "event: ", "\n"], [])
@settings(max_examples=400, deadline=None)
def test_any_junk_is_passed_over_or_an_error_never_a_loss(junk: list[str], cuts: list[int]) -> None:
    for dialect, body in STREAMS.values():
        out = decode(dialect, "".join(junk) + body, cuts)
        assert out.text == "Hello world" or out.kind, (junk, out.text)


def test_junk_counts_for_no_event() -> None:
    limits = Limits(event=2000)
    out = decode(AIPKIT, "<br />\n" * 2000 + START + delta("Hi") + DONE, limits=limits)
    assert (out.text, out.kind) == ("Hi", "")


# -- JSON that is nearly JSON ------------------------------------------------------------------

ANSWERS: dict[str, tuple[Dialect, dict[str, Any]]] = {
    "wpaicg": (WPAICG, {"status": "success", "msg": "x", "data": "line 1\nline\t2", "log": 1}),
    "rest": (REST, {"reply": "line 1\nline\t2", "usage": {"input_tokens": 1}, "model": "m"}),
}
AROUND = {
    "nothing": "@",
    "notice before": NOTICE + "\n@",
    "notice before, no line end": NOTICE + "@",
    "notice behind": "@\n" + NOTICE,
    "comment before": "<!-- {\"status\":\"success\",\"data\":\"no\",\"reply\":\"no\"} -->@",
    "comment behind": "@\n<!-- Cached page, 0.3 s -->",
    "script before": "<script>var x = {\"data\":{\"reply\":\"no\"}};</script>\n@",
    "script with an answer": (
        '<script>y({"status":"success","data":"no","reply":"no"})</script>@'
    ),
    "script behind": "@<script>var x = {\"status\":\"success\",\"data\":\"no\"};</script>",
    "script with fields": "<script>\n$.post({\n  data: {\"a\": 1},\n\n  event: f\n})</script>\n@",
    "comment with fields": "<!--\n\ndata: cached\n\nevent: x\n-->@",
    "style before": "<style>a {@} b { \"c\": 1 }</style>@",
    "other object before": '{"notice":"x"}@',
    "other object behind": "@\n{\"a\":1}",
    "braces before": "Array { [0] => { \"x\" }\n@",
    "boms": BOM + BOM + "\r\n" + BOM + "@",
    "in a page": "<html><body><pre>@</pre></body></html>",
}  # fmt: skip


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("raw", [False, True])
def test_an_object_is_found_whatever_stands_around_it(
    name: str, around: str, indent: int | None, raw: bool
) -> None:
    dialect, data = ANSWERS[name]
    written = json.dumps(data, indent=indent)
    if raw:
        written = written.replace("\\n", "\n").replace("\\t", "\t")
    frame = AROUND[around]
    body = frame.replace("@", written).encode()
    for kind in ("application/json", "text/html"):
        for cuts in cuts_of(body):
            out = decode(dialect, body, cuts, kind=kind)
            assert (out.text, out.kind) == ("line 1\nline\t2", ""), out.said


@pytest.mark.parametrize("around", AROUND)
def test_the_key_of_a_message_is_found_too(around: str) -> None:
    key = '{\n  "success": true,\n  "data": {"cache_key":\t"key_1"}\n}'
    steps = AIPKIT.requests(question_for(AIPKIT))
    next(steps)
    assert "cache_key=key_1" in steps.send(page_of(AROUND[around].replace("@", key))).url
    nonce = AROUND[around].replace("@", '{"success":true,"data":{"nonce":"fresh"}}')
    assert AIPKIT.nonce_from(page_of(nonce)) == "fresh"


def test_an_answer_about_scripts_is_whole() -> None:
    text = '<script>var a = {"status":"success","data":"no"};</script> <!-- {"b":1} -->'
    body = json.dumps({"status": "success", "data": text})
    assert decode(WPAICG, NOTICE + body, kind="text/html").text == text
    assert decode(REST, json.dumps({"reply": text}), kind="text/html").text == text


def test_which_object_is_chosen() -> None:
    def known(data: dict[Any, Any]) -> bool:
        return "good" in data

    assert parse_json('{"a":1} {"good":1} {"good":2}', known) == {"good": 1}
    assert parse_json("<script>{}</script>x", known) is None
    assert parse_json('<script>{"good":1}</script>{"good":2}', known) == {"good": 2}
    assert parse_json('<script>{"good":1}</script>{"a":1}', known) == {"good": 1}
    assert parse_json('{"a":1}{"b":1}', known) == {"a": 1}
    assert parse_json('5 {"good":1}', known) == {"good": 1}
    assert parse_json("<!-- {", known) is None
    assert parse_json('{"cut": {"good":1}', known) == {"good": 1}
    assert parse_json("[1, 2]", known) == [1, 2]


OWN: dict[str, tuple[Dialect, list[dict[str, Any]], dict[str, Any]]] = {
    # Refusals, and objects that look like answers and are none; then the answer.
    "wpaicg": (
        WPAICG,
        [{"status": "error", "msg": "Other"}, {"success": False}, {"success": True, "data": {}},
         {"status": "success"}, {"status": "success", "data": " "}, {"error": "x"}],
        {"status": "success", "data": "Real"},
    ),
    "wpaicg, the model's": (
        WPAICG, [{"status": "success", "data": "Envelope"}, {"msg": "x"}],
        {"choices": [{"message": {"content": "Real"}, "finish_reason": "stop"}]},
    ),
    "rest": (
        REST, [{"code": "x", "message": "Other"}, {"reply": 5}, {"reply": None, "code": "y"}],
        {"reply": "Real"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("between", ["", "\n", NOTICE, "<!-- x -->", "PHP Notice: a {b}\n"])
def test_an_answer_wins_wherever_it_stands(name: str, between: str) -> None:
    dialect, others, answer = OWN[name]
    for other in others:
        for order in ((other, answer), (answer, other), (other, other, answer), (answer, other)):
            body = between.join(map(json.dumps, order))
            out = decode(dialect, body, kind="text/html")
            assert (out.text, out.kind) == ("Real", ""), (order, out.said)
        hidden = f"<script>{json.dumps(answer)}</script>{json.dumps({'odd': 1})}"
        assert decode(dialect, hidden, kind="text/html").text == "Real"


def test_of_two_answers_the_last_is_the_sites() -> None:
    for dialect, key in ((WPAICG, "data"), (REST, "reply")):
        first, last = ({"status": "success", key: text} for text in ("First", "Last"))
        shown = json.dumps(first) + json.dumps(last)
        assert decode(dialect, shown, kind="application/json").text == "Last"
        # One that is shown is meant rather than one in a script.
        for body in (f"<script>{json.dumps(first)}</script>{json.dumps(last)}",
                     f"{json.dumps(last)}<script>{json.dumps(first)}</script>"):  # fmt: skip
            assert decode(dialect, body, kind="text/html").text == "Last"


def test_of_two_refusals_the_first_is_told() -> None:
    body = "".join(json.dumps({"status": "error", "msg": text}) for text in ("First", "Second"))
    assert "First" in decode(WPAICG, body, kind="text/html").said


def test_of_two_envelopes_behind_a_stream_the_answer_counts() -> None:
    answer = json.dumps({"status": "success", "data": "Real"})
    other = json.dumps({"status": "error", "msg": "Other"})
    for lines in ((other, answer), (answer, other), (other, answer, other)):
        out = decode(WPAICG, "data: [DONE]\n\n" + "\n".join(lines) + "\n\n")
        assert (out.text, out.kind) == ("Real", "")


@pytest.mark.parametrize("other", [{"success": True}, {"success": False, "data": {"code": "x"}}])
def test_the_key_of_a_message_wins_over_other_objects(other: dict[str, Any]) -> None:
    for action in ("cache_key", "nonce"):
        good = json.dumps({"success": True, "data": {action: "key_1"}})
        for body in (json.dumps(other) + good, good + json.dumps(other)):
            if action == "nonce":
                assert AIPKIT.nonce_from(page_of(body)) == "key_1"
                continue
            steps = AIPKIT.requests(question_for(AIPKIT))
            next(steps)
            assert "cache_key=key_1" in steps.send(page_of(body)).url


def test_a_good_object_of_the_other_plugin_wins_over_a_bad_one() -> None:
    for order in (1, -1):
        both = [{"success": True, "reply": "Real"}, {"success": False, "message": "Other"}][::order]
        assert json_object("".join(map(json.dumps, both)), rank) == both[::order][0]


EMPTY_COMMENTS = [
    "<!-->",
    "<!--->",
    "<!---->",
    "<!-- x --!>",
    "<!-->\n",
    "<!-- <!-- -->",
    "a<!-->b",
]


@pytest.mark.parametrize("comment", EMPTY_COMMENTS)
def test_an_empty_comment_hides_nothing(comment: str) -> None:
    assert_whole_behind(comment)
    # The model's failure is no refusal: the message would be sent again.
    out = decode(AIPKIT, comment + START + ERROR)
    assert (out.text, out.kind) == ("", "UpstreamError")
    for dialect, known in ANSWERS.values():
        body = f"{comment}{json.dumps(known)}<!-- -->"
        assert decode(dialect, body, kind="text/html").text == "line 1\nline\t2"
    assert "Reason" in excerpt(f"<html>{comment}Reason".encode())


HIDDEN = [
    '<script>\ndata: {"delta":"x"}\n\n</script>\n',
    '<script>\n$.post({\n  data: {"error": "x"}\n\n  event: error\n})</script>',
    '<STYLE>\n\ndata: {"choices":[{"delta":{"content":"x"}}]}\n\n</STYLE><br />',
    '<!--\nevent: error\ndata: {"error":"x"}\n\n-->',
    "<b>Notice</b> <!--\ndata: [DONE]\n\n--> <script>\ndata: {}\n\n</script>",
]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_a_script_or_a_comment_holds_is_no_event(hidden: str) -> None:
    assert_whole_behind(hidden)
    # Behind the first event a mark hides nothing.
    out = decode(AIPKIT, START + delta("Hello <!-- ") + "<!-- x\n" + delta("world") + DONE)
    assert (out.text, out.kind) == ("Hello <!-- world", "")


INVISIBLE = [BOM, "\u200b", "\u2060", " \n", BOM + " " + BOM, "\0", "\xa0"]


@pytest.mark.parametrize("blank", INVISIBLE)
def test_what_nobody_sees_is_no_text(blank: str) -> None:
    assert is_blank(blank)
    assert is_blank("")
    assert not is_blank(f"{blank}x{blank}")
    end = "data: [DONE]\n\n"
    assert decode(WPAICG, chunk(blank) + chunk("", finish_reason="stop") + end).kind == (
        "EmptyReplyError"
    )
    assert decode(AIPKIT, START + delta(blank) + DONE).kind == "EmptyReplyError"
    assert decode(AIPKIT, delta(blank) + DONE).kind == "EmptyReplyError"
    for dialect, known in (
        (WPAICG, {"status": "success", "data": blank}),
        (REST, {"reply": blank}),
    ):
        assert decode(dialect, json.dumps(known), kind="application/json").kind == "EmptyReplyError"
    # With text behind it, it is a part of that.
    out = decode(AIPKIT, START + delta(blank) + delta("Hi") + DONE)
    assert (out.text, out.kind) == (f"{blank}Hi", "")


@pytest.mark.parametrize("before", ["retry: 3000", "id: 5 ", ": x"])
def test_an_ignored_field_without_its_line_end_takes_no_event_along(before: str) -> None:
    chunks = [
        'data: {"id":"c","choices":[{"delta":{"content":"%s"},"finish_reason":null}]}\n\n' % text
        for text in ("Hello ", "world")
    ]
    heard = decode(WPAICG, before + "".join(chunks) + "data: [DONE]\n\n")
    assert heard.text == "Hello world"
    assert heard.error is None


@pytest.mark.parametrize(
    "first",
    [
        'event: citations\ndata: [{"url":"https://a.b/","title":"t"}]\n\n',
        'event: status\ndata: "Searching"\n\n',
        'data: {"delta":"","role":"assistant"}\n\n',
        'event: message_start\ndata: {"message_id":"m\n\n',
        'retry: 1000event: message_start\ndata: {"message_id":"m-1"}\n\n',
    ],
)
def test_an_error_behind_anything_of_the_model_is_the_models(first: str) -> None:
    heard = decode(AIPKIT, first + 'event: error\ndata: {"error":"API Error"}\n\n')
    assert type(heard.error) is UpstreamError


@pytest.mark.parametrize(
    "damaged",
    [
        'data: {"id":"c","choices":[{"delta":{"content":"not \n\n',
        'data: {"id":"c","choices":[{"delta":{"content":"no<br />\n<b>Warning</b>: x\nt "}}]}\n\n',
        'data: {"id":"c","choices":[{"delta":{"content":"wo\\xrld"}}]}\n\n',
    ],
)
def test_a_damaged_event_with_text_is_no_success(damaged: str) -> None:
    chunk = 'data: {"id":"c","choices":[{"delta":{"content":"%s"},"finish_reason":null}]}\n\n'
    heard = decode(WPAICG, chunk % "Hello " + damaged + chunk % "world" + "data: [DONE]\n\n")
    assert heard.text.startswith("Hello ")
    assert type(heard.error) is UpstreamError
    start = 'event: message_start\ndata: {"message_id":"m-1"}\n\n'
    done = 'event: done\ndata: {"finished":true}\n\n'
    heard = decode(AIPKIT, f'{start}data: {{"delta":"Hi"}}\n\ndata: {{"delta":"a\n\n{done}')
    assert heard.text == "Hi"
    assert type(heard.error) is UpstreamError


@pytest.mark.parametrize("junk", ["<br />", BOM + " ", "PHP Notice: x in y on line 1", "x "])
def test_a_field_behind_junk_may_have_no_blank(junk: str) -> None:
    tight = START.replace(": ", ":") + junk + delta("Hello ").replace("data: ", "data:")
    out = decode(AIPKIT, junk + tight + junk + delta("world").replace("data: ", "data:") + DONE)
    assert (out.text, out.kind) == ("Hello world", "")


@pytest.mark.parametrize("element", ["script", "style", "STYLE"])
def test_an_answer_that_is_not_shown_comes_last(element: str) -> None:
    shown, hidden = ({"status": "success", "data": text} for text in ("Shown", "Hidden"))
    body = f"{json.dumps(shown)}<{element}>{json.dumps(hidden)}</{element}>"
    assert decode(WPAICG, body, kind="text/html").text == "Shown"
    assert decode(WPAICG, f"{body}<!--{json.dumps(hidden)}-->", kind="text/html").text == "Shown"


@pytest.mark.parametrize("junk", ["", BOM, NOTICE + "\n", BOM + "\n"])
def test_what_came_of_the_model_is_no_old_nonce_whatever_its_status(junk: str) -> None:
    """A refused nonce is renewed, and the message sent again."""
    answers: list[tuple[Dialect, str]] = [
        (WPAICG, WPAICG_BODY), (WPAICG, chunk("") + 'data: {"error":{"message":"Down"}}\n\n'),
        (WPAICG, '{"status":"success","msg":"","data":"Hello"}'),
        (WPAICG, '{"status":"error","msg":"Down","greeting_message":"x"}'),
        (AIPKIT, START + ERROR), (AIPKIT, delta("Hello") + DONE),
        (AIPKIT, 'event: openai_response_id\ndata: {"id":"r"}\n\n' + ERROR),
    ]  # fmt: skip
    for dialect, answer in answers:
        error = dialect.error_for(page_of(junk + answer, 403))
        assert type(error) is UnexpectedStatusError, (dialect.name, answer)
    for dialect, answer in ((WPAICG, '{"status":"error","msg":"Old"}'), (WPAICG, "Old"),
                            (AIPKIT, '{"success":false,"data":{"message":"Old"}}')):  # fmt: skip
        assert type(dialect.error_for(page_of(junk + answer, 403))).__name__ == "NonceRefused"
