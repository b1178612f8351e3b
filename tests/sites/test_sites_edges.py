"""Edges that no other test stands on: found by `tools/mutate.py`."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from engine import endpoint as engine_endpoint
from engine import final_request, question
from hearing import decode, page_of, question_for

from chatgptes.errors import (
    ChallengeError,
    InvalidConfigError,
    RefusedError,
    UnexpectedFormatError,
    UnexpectedStatusError,
    UpstreamError,
)
from chatgptes.sites import find_bots
from chatgptes.sites.aiengine.decoder import error_for_object
from chatgptes.sites.aiengine.decoder import rank as engine_rank
from chatgptes.sites.aipower import AIPKIT, REST, WPAICG
from chatgptes.sites.aipower.aipkit_decoder import rank as aipkit_rank
from chatgptes.sites.aipower.wpaicg_objects import rank as wpaicg_rank
from chatgptes.sites.challenge import is_gate
from chatgptes.sites.details import usage_from
from chatgptes.sites.dialect import NonceRefused
from chatgptes.sites.html import places
from chatgptes.sites.sse import EventDecoder
from chatgptes.sites.text import quote_suffix
from chatgptes.values.http import Limits
from chatgptes.values.images import Image
from chatgptes.values.reply import Usage


def delta(text: str) -> bytes:
    return f"data: {json.dumps({'delta': text})}\n\n".encode()


@pytest.mark.parametrize(
    ("first", "second"), [(0xD800, 0xDC00), (0xDBFF, 0xDFFF), (0xD83D, 0xDE42)]
)
def test_halves_of_characters_at_the_ends_of_their_range(first: int, second: int) -> None:
    decoder = AIPKIT.decoder(question_for(AIPKIT), page_of(b""), Limits())
    texts = [decoder.feed(delta(text)) for text in (f"a{chr(first)}", chr(second))]
    whole = chr(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    assert texts == [["a"], [whole]]
    assert decoder.end() == []


@pytest.mark.parametrize(("code", "shown"), [(0xDC00, 0xFFFD), (0xD7FF, 0xD7FF)])
def test_what_is_no_first_half_is_not_kept(code: int, shown: int) -> None:
    decoder = AIPKIT.decoder(question_for(AIPKIT), page_of(b""), Limits())
    assert decoder.feed(delta(chr(code))) == [chr(shown)]
    assert decoder.end() == []


def test_of_one_bot_twice_the_first_counts() -> None:
    def element(nonce: str) -> str:
        config = {"botId": 5, "nonce": nonce, "ajaxUrl": "/wp-admin/admin-ajax.php"}
        return (
            f"<div class='aipkit_chat_container' data-config='{html.escape(json.dumps(config))}'>"
            "</div>"
        )

    (found,) = find_bots(page_of(element("first") + element("second")))
    assert found.nonce == "first"


def test_the_words_of_a_refusal_in_place_of_a_stream() -> None:
    said = json.dumps({"success": False, "data": {"message": "Come back later.", "code": "x"}})
    assert "Come back later." in decode(AIPKIT, said, kind="application/json").said


def test_of_two_envelopes_in_a_stream_the_first_counts() -> None:
    lines = [json.dumps({"status": "error", "msg": text}) for text in ("First.", "Second.")]
    outcome = decode(WPAICG, "data: [DONE]\n\n" + "\n".join(lines) + "\n\n")
    assert outcome.error is not None
    assert "First." in outcome.said
    assert "Second." not in outcome.said


@pytest.mark.parametrize(
    ("data", "by"),
    [
        ({"msg": ""}, "w"),
        ({"choices": []}, "w"),
        ({"choices": [], "object": "chat.completion"}, "w"),
        ({"choices": [], "object": "chat.completion.chunk"}, ""),
        ({"choices": {}}, ""),
        ({"status": "success"}, "w"),
        ({"status": "error"}, "w"),
        ({"status": "ok"}, ""),
        ({"tokenLimitReached": True}, "w"),
        ({"tokenLimitReached": False}, ""),
        ({"success": None}, "wae"),
        ({"error": "x"}, "wa"),
        ({"error": ""}, ""),
        ({"code": ""}, "e"),
        ({"code": "any_ts_required"}, "wae"),
        ({"ts_required": 1}, "wa"),
        ({"message": "x"}, ""),
        ({}, ""),
    ],
)
def test_which_objects_a_dialect_knows(data: dict[str, object], by: str) -> None:
    assert (wpaicg_rank(data) > 0) == ("w" in by)
    assert (aipkit_rank(data) > 0) == ("a" in by)
    assert (engine_rank(data) > 0) == ("e" in by)


@pytest.mark.parametrize(
    ("data", "gate"),
    [
        ({"ts_required": True}, True),
        ({"ts_required": False}, False),
        ({"code": "deepseek_ts_required"}, True),
        ({"data": {"code": "x_ts_required"}}, True),
        ({"code": "ts_required_x"}, False),
        ({"code": 7}, False),
        ({"data": ["x_ts_required"]}, False),
    ],
)
def test_which_objects_are_gates(data: dict[str, object], gate: bool) -> None:
    assert is_gate(data) is gate


@pytest.mark.parametrize(
    ("data", "status", "error", "code"),
    [
        ({"code": "internal_server_error"}, 500, UnexpectedStatusError, "internal_server_error"),
        ({"code": "rest_no_route"}, 404, UnexpectedStatusError, "rest_no_route"),
        ({"code": "rest_cookie_invalid_nonce"}, 403, NonceRefused, "rest_cookie_invalid_nonce"),
        ({"code": "rest_forbidden"}, 401, NonceRefused, "rest_forbidden"),
        ({"code": "rest_forbidden"}, 400, UnexpectedStatusError, "rest_forbidden"),
        ({"code": "members_only"}, 401, RefusedError, "members_only"),
        ({"code": "members_only"}, 403, RefusedError, "members_only"),
        ({"code": "members_only"}, 400, UnexpectedStatusError, "members_only"),
        ({"success": False, "message": "No."}, 200, RefusedError, None),
        ({"success": True}, 200, None, None),
        ({"success": 0}, 200, None, None),
        ({"code": "x_ts_required"}, 403, ChallengeError, None),
    ],
)
def test_the_objects_of_ai_engine(
    data: dict[str, object], status: int, error: type | None, code: str | None
) -> None:
    found = error_for_object(data, page_of(b"", status, "https://a.test/"))
    if error is None:
        assert found is None
        return
    assert found is not None
    assert type(found) is error
    assert (found.code, found.status, found.url) == (code, status, "https://a.test/")
    assert str(status) in str(found) or status == 200 or error is ChallengeError


@pytest.mark.parametrize(
    ("status", "words"),
    [(200, "gave no answer"), (400, "refused"), (499, "refused"),
     (500, "gave no answer")],
)  # fmt: skip
def test_what_ai_engine_claims_of_a_refusal(status: int, words: str) -> None:
    found = error_for_object(
        {"success": False, "message": "Sorry."}, page_of(b"", status, "https://a.test/")
    )
    assert words in str(found)
    assert "Sorry." in str(found)


@pytest.mark.parametrize("line", [b"event: caf\xe9\xff", b"<br />event: caf\xe9\xff"])
def test_an_event_with_a_name_that_is_no_text(line: bytes) -> None:
    stream = line + b'\ndata: {"x": 1}\n\n'
    stream += b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\ndata: [DONE]\n\n'
    assert decode(WPAICG, stream).text == "Hello"


@pytest.mark.parametrize(
    "more",
    [
        {"service_tier": "default"}, {"provider": "x"}, {"x_groq": {"id": "y"}},
        {"system_fingerprint": None}, {"obfuscation": "z"}, {"created": 1}, {"unheard_of": 1},
    ],
)  # fmt: skip
def test_a_chunk_is_one_whatever_else_it_says(more: dict[str, object]) -> None:
    chunk = {"id": "c", "choices": [{"delta": {"content": "Hello"}}], **more}
    outcome = decode(WPAICG, f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n")
    assert (outcome.text, outcome.error) == ("Hello", None)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ('class="wpaicg-chat-shortcode"', "shortcode"),
        ('class="wpaicg-chatbox"', "widget"),
        ('class="wpaicg-chatbox" data-type="shortcode"', "shortcode"),
        ('class="wpaicg-chat-shortcode" data-type="widget"', "widget"),
        ('class="wpaicg-chat-shortcode" data-type="else"', "shortcode"),
    ],
)
def test_the_kind_of_a_bot(written: str, kind: str) -> None:
    (found,) = find_bots(page_of(f'<div {written} data-nonce="n0nce" data-bot-id="3"></div>'))
    assert (found.bot.kind, found.bot.id, found.bot.dialect) == (kind, "3", "wpaicg")


def test_no_control_character_is_in_a_history() -> None:
    controls = "".join(chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)))
    asked = question_for(WPAICG, history=(("user", f"a{controls}b"), ("assistant", "c")))
    (request,) = WPAICG.requests(asked)
    (history,) = parse_qs((request.body or b"").decode())["wpaicg_chat_history"]
    assert not set(history) & set(controls)
    assert "b" in history


@pytest.mark.parametrize("size", [19, 20, 21, 30])
def test_an_event_of_just_the_most_bytes(size: int) -> None:
    """However it comes: a line without its end, a line, bytes one by one, or two lines."""
    line = b"data: " + b"x" * (size - 6)
    ways = [
        [line], [line + b"\n"], [bytes([byte]) for byte in line],
        [b"data: xxx\n", b"data: " + b"x" * (size - 15) + b"\n"],
    ]  # fmt: skip
    for pieces in ways:
        decoder = EventDecoder(20)
        for piece in pieces:
            decoder.feed(piece)
        assert (decoder.error is not None) == (size > 20)


@pytest.mark.parametrize(
    ("said", "end"),
    [("", "."), ("a", ": “a”."), ("a.", ": “a.”"), ("a!", ": “a!”"), ("a?", ": “a?”"),
     ("a…", ": “a…”")],
)  # fmt: skip
def test_the_end_of_a_sentence_that_quotes(said: str, end: str) -> None:
    assert quote_suffix(said) == end


@pytest.mark.parametrize("root", ["https://a.test/wp-json", "https://a.test/wp-json/"])
def test_a_slash_at_the_end_of_the_root_of_ai_engine(root: str) -> None:
    request = final_request(question(endpoint=engine_endpoint(restUrl=root)))
    assert request.url == "https://a.test/wp-json/mwai-ui/v1/chats/submit"


def test_the_keys_of_an_object_that_is_no_reply() -> None:
    data = {"b" * 40: 1, "a": 2, **{f"k{number}": 0 for number in range(20)}}
    said = decode(REST, json.dumps(data), kind="application/json").said
    names = sorted(["a", f"{'b' * 29}…", *(f"k{number}" for number in range(20))])
    assert f"(keys: {', '.join(names[:10])})" in said


@pytest.mark.parametrize("key", ["reply", "data"])
def test_an_answer_about_a_bot_check_is_no_gate(key: str) -> None:
    assert not is_gate({key: "Hello", "message": "Imunify360"})
    assert is_gate({"other": "Hello", "message": "IMUNIFY360"})


def assistant(name: str, **data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def content(text: str) -> list[dict[str, object]]:
    return [{"type": "text", "text": {"value": text}}]


def test_the_events_of_assistants() -> None:
    delta = assistant("thread.message.delta", id="m", delta={"content": content("Hel")})
    more = assistant("thread.message.delta", id="n", delta={"content": content("lo")})
    broken = assistant("thread.message.delta", id="m", delta="x")
    created = assistant("thread.message", id="m", status="in_progress", content=content("No"))
    run = assistant("thread.run.completed", id="r", model="gpt", usage={"total_tokens": 0})
    end = "event: done\ndata: [DONE]\n\n"
    outcome = decode(WPAICG, created + delta + broken + more + run + end)
    assert (outcome.text, outcome.error) == ("Hello", None)
    assert outcome.details.model == "gpt"
    assert outcome.details.usage == Usage(total_tokens=0)


@pytest.mark.parametrize("name", ["thread.message.completed", "thread.message"])
def test_a_message_of_an_assistant_that_comes_whole(name: str) -> None:
    whole = assistant(name, id="m", status="completed", content=content("Hello"))
    outcome = decode(WPAICG, whole + "event: done\ndata: [DONE]\n\n")
    assert (outcome.text, outcome.error) == ("Hello", None)


@pytest.mark.parametrize(
    "name", ["thread.run.failed", "thread.run.expired", "thread.run.cancelled"]
)
def test_a_run_of_an_assistant_that_failed(name: str) -> None:
    outcome = decode(WPAICG, assistant(name, id="r", last_error={"message": "Overloaded."}))
    assert isinstance(outcome.error, UpstreamError)
    assert "Overloaded." in outcome.said


@pytest.mark.parametrize("name", ["error", "assistant_error"])
@pytest.mark.parametrize(
    "data", ['{"x": 1, "message": "Overloaded."}', '"Overloaded."', "Overloaded."]
)
def test_events_whose_name_is_an_error(name: str, data: str) -> None:
    outcome = decode(WPAICG, f"event: {name}\ndata: {data}\n\n")
    assert isinstance(outcome.error, UpstreamError)
    assert "Overloaded." in outcome.said


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Usage(0, 0, 0)),
        ({"input_tokens": 1, "output_tokens": 2}, Usage(1, 2, None)),
        ({"input_tokens": -1, "prompt_tokens": 3}, Usage(3, None, None)),
        ({"total_tokens": True}, None),
        ({"total_tokens": "7"}, None),
        ({}, None),
        ([], None),
    ],
)
def test_token_counts(value: object, usage: Usage | None) -> None:
    assert usage_from(value) == usage


@pytest.mark.parametrize(
    ("data", "known"),
    [
        ({"reply": ""}, True),
        ({"code": "x", "message": "y"}, True),
        ({"code": "x"}, False),
        ({"message": "y"}, False),
        ({"code": "a_ts_required"}, True),
        ([], False),
    ],
)
def test_which_objects_the_owners_api_answers(data: object, known: bool) -> None:
    said = decode(REST, f'{{"other": 1}}\n{json.dumps(data)}', kind="application/json").said
    assert ("(keys: other)" not in said) == known


@pytest.mark.parametrize(
    ("body", "error"), [("Sorry, no.", RefusedError), ("a < b", UnexpectedFormatError)]
)
def test_words_in_answer_to_a_picture(body: str, error: type) -> None:
    images = (Image("image/png", b"\x89PNG\r\n\x1a\nred"),)
    assert type(decode(WPAICG, body, kind="text/html", images=images).error) is error
    assert type(decode(WPAICG, body, kind="text/html").error) is UnexpectedFormatError


def test_an_object_with_markup_behind_it_is_one_wherever_it_stands() -> None:
    for behind in ("", " ", "<br />", "\0"):
        event = f'{{"a":1}}{behind}'
        assert EventDecoder().feed(f"Notice data: {event}\n\n".encode()) == [
            (None, "Notice "), ("", event),
        ]  # fmt: skip
    words = 'Notice data: {"a":1} is an example'
    assert EventDecoder().feed(f"{words}\n\n".encode()) == [(None, words)]


def test_the_last_places_are_found() -> None:
    assert places(b"a-a-a-a", b"a", 2) == [4, 6]
    assert places(b"a-a", b"a", 2) == [0, 2]


def test_an_unknown_object_is_named_by_a_few_keys() -> None:
    out = decode(WPAICG, json.dumps({f"key{n:02}{'x' * 50}": n for n in range(20)}), kind="")
    assert out.kind == "UnexpectedFormatError"
    assert out.said.count("key") == 1 + 10
    assert "x" * 20 in out.said
    assert "x" * 40 not in out.said


def test_a_search_that_the_bot_does_not_offer_names_the_argument() -> None:
    with pytest.raises(InvalidConfigError) as caught:
        WPAICG.check(replace(question_for(WPAICG), web_search=True))
    assert caught.value.hint is not None
    assert caught.value.hint.argument == "bot"


def test_an_error_under_the_default_name_is_one() -> None:
    for stream in ('event: message\ndata: {"error":"No"}\n\n', 'data: {"error":"No"}\n\n'):
        out = decode(
            AIPKIT, f'event: message_start\ndata: {{}}\n\n{stream}data: {{"delta":"x"}}\n\n'
        )
        assert (out.text, out.kind) == ("", "UpstreamError")
        assert "“No”" in out.said
