"""The sandbox's bots, as any HTTP client sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from sandbox_client import (
    AJAX,
    Seen,
    ask_aipkit,
    ask_classic,
    ask_rest,
    cache,
    classic_bot,
    config,
    events,
    fetch,
    said,
    stream,
)

from chatgptes.sandbox import Site

# A good turn in every dialect.


def test_aipkit_turn(site: Site) -> None:
    seen = ask_aipkit(site, "front", "Привет, мир \x85 \u2028 🙂")
    assert seen.status == 200
    assert seen.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "no-transform" in seen.headers["cache-control"]
    assert seen.body.startswith(b":" + b" " * 4096 + b"\n\n")
    names = [name for name, _ in events(seen.body)]
    assert names[0] == "message_start"
    assert names[-2:] == ["openai_response_id", "done"]
    assert "sandbox" in said(seen)
    assert "> Привет, мир \x85 \u2028 🙂" in said(seen)
    assert "\u2028".encode() in seen.body
    assert "\x85".encode() in seen.body


def test_aipkit_remembers_under_all_three_ids(site: Site) -> None:
    ask_aipkit(site, "front", "My name is Ada.")
    assert "1. My name is Ada." in said(ask_aipkit(site, "front", "What is my name?"))
    assert [message["content"] for message in site.messages[-1]][::2] == [
        "My name is Ada.",
        "What is my name?",
    ]
    for other in ({"session_id": "x"}, {"conversation_uuid": "x"}):
        assert "message 1" in said(ask_aipkit(site, "front", "And now?", **other))
    assert "message 1" in said(ask_aipkit(site, "aipkit-state", "And now?"))


def test_classic_stream(site: Site) -> None:
    seen = ask_classic(site, "classic", "Bonjour, «ça» va?")
    assert seen.headers["content-type"] == "text/event-stream;charset=UTF-8"
    assert seen.body.endswith(b"data: [DONE]\n\n")
    assert "> Bonjour, «ça» va?" in said(seen)
    first = events(seen.body)[0][1]
    assert first["id"]
    assert first["object"] == "chat.completion.chunk"


def test_classic_plain(site: Site) -> None:
    seen = ask_classic(site, "classic-plain", "Hi")
    assert seen.headers["content-type"].startswith("application/json")
    assert seen.json["status"] == "success"
    assert "> Hi" in seen.json["data"]
    assert set(seen.json) == {"status", "msg", "greeting_message", "data", "log"}


@pytest.mark.parametrize("page", ["classic-glued", "classic-old"])
def test_old_versions_glue_the_envelope_behind_the_stream(site: Site, page: str) -> None:
    seen = ask_classic(site, page, "Hi")
    before, _, behind = seen.body.partition(b"data: [DONE]\n\n")
    assert json.loads(behind)["data"] == said(Seen(200, {}, before))


def test_unknown_and_missing_bots_mean_the_default_bot(site: Site) -> None:
    for bot in ("99999", "(none)", "5"):
        assert ask_classic(site, "classic-plain", "Hi", bot_id=bot).body.startswith(b": ")


def test_rest_turn(site: Site) -> None:
    seen = ask_rest(site, "Hëllo")
    assert seen.status == 200
    assert "> Hëllo" in seen.json["reply"]
    assert seen.json["bot_id"] == 5
    assert seen.json["model"] == "sandbox-1"
    usage = seen.json["usage"]
    assert usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"]
    url = f"{site.home}?rest_route=/aipkit/v1/chat/5/message"
    headers = {"Authorization": f"Bearer {site.api_key}"}
    body = b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]}'  # noqa: E501
    assert "message 2" in fetch(url, body=body, headers=headers).json["reply"]


def test_rest_refusals(site: Site) -> None:
    wrong = ask_rest(site, "Hi", Authorization="Bearer nope")
    assert (wrong.status, wrong.json["code"]) == (401, "rest_aipkit_invalid_api_key")
    unknown = ask_rest(site, "Hi", bot="99999")
    assert (unknown.status, unknown.json["code"]) == (500, "internal_server_error")
    url = f"{site.api_root}aipkit/v1/nowhere"
    assert fetch(url).json["code"] == "rest_no_route"
    headers = {"Authorization": f"Bearer {site.api_key}"}
    url = f"{site.api_root}aipkit/v1/chat/5/message"
    for body in (b"", b"[", b"[]", b'{"messages":[]}', b'{"messages":[{"role":"system"}]}'):
        assert fetch(url, body=body, headers=headers).status == 400


def test_plain_turn_of_old_aipkit(site: Site) -> None:
    form = {"action": "aipkit_frontend_chat_message", "session_id": "s", "conversation_uuid": "u",
            "message": "Hi"}  # fmt: skip
    for page, status in (("aipkit-old", 200), ("front", 400)):
        bot = config(fetch(site.page(page)).text)
        sent = {**form, "_ajax_nonce": bot["nonce"], "bot_id": str(bot["botId"])}
        seen = fetch(bot["ajaxUrl"], sent)
        assert seen.status == status
    assert seen.body == b"0"


# What servers do to messages and histories.


@pytest.mark.parametrize(
    ("message", "new", "old"),
    [
        ("  plain  ", "plain", "plain"),
        ("a <b>c</b> d", "a <b>c</b> d", "a c d"),
        ("1 < 2", "1 < 2", "1 &lt; 2"),
        ("one\ntwo", "one\ntwo", "one two"),
        ("100%41 x", "100%41 x", "100 x"),
        ('it\'s "so"', 'it\'s "so"', 'it\\\'s \\"so\\"'),
        ("Zürich", "Zürich", "Zürich"),
    ],
)
def test_message_as_the_model_gets_it(site: Site, message: str, new: str, old: str) -> None:
    ask_classic(site, "classic", message)
    ask_classic(site, "classic-old", message)
    assert [asked[-1]["content"] for asked in site.messages] == [new, old]


def test_old_aipkit_cleans_the_message(site: Site) -> None:
    for page in ("aipkit-old", "front"):
        ask_aipkit(site, page, "a <b>c</b> %41 1 < 2 ")
    assert [asked[-1]["content"] for asked in site.messages] == [
        "a c 1 &lt; 2",
        "a <b>c</b> %41 1 < 2 ",
    ]


@pytest.mark.parametrize("message", ["", "0"])
def test_empty_messages(site: Site, message: str) -> None:
    for page in ("classic", "classic-plain", "classic-old"):
        assert set(ask_classic(site, page, message).json) == {"status", "msg"}
    seen = cache(site, "front", message)
    assert (seen.status, seen.json["data"]["code"]) == (400, "empty_data_to_cache")
    assert not site.messages


def test_almost_empty_messages(site: Site) -> None:
    assert ask_classic(site, "classic-plain", " 0 ").json["status"] == "success"
    assert ask_classic(site, "classic-old", " 0 ").json["status"] == "error"
    assert cache(site, "front", "   ").status == 200


def test_only_old_versions_take_a_turn_by_get(site: Site) -> None:
    for page, taken in (("classic", False), ("classic-old", True)):
        bot = classic_bot(fetch(site.page(page)).text)
        query = {"action": "wpaicg_chat_shortcode_message", "_wpnonce": bot["nonce"],
                 "message": "Hi", "bot_id": bot["bot-id"]}  # fmt: skip
        seen = fetch(f"{bot['ajax_url']}?{urlencode(query)}")
        assert (b"[DONE]" in seen.body) is taken


def turn(text: str) -> str:
    return json.dumps([{"id": "", "text": f"Human: {text}"}], ensure_ascii=False)


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        (turn("hello"), [("user", "hello")]),
        (turn("Привет 🙂"), [("user", "Привет 🙂")]),
        (json.dumps([{"text": "Human: ü"}]), [("user", "u00fc")]),
        (turn('say "hi"'), []),
        (turn("1 < 2"), []),
        (turn("a <b>c</b>"), [("user", "a c")]),
        (turn("1 &lt; 2"), [("user", "1 &lt; 2")]),
        (turn("one\ntwo\tthree\r\x0b"), [("user", "onentwotthreeru000b")]),
        (turn("100%41!"), [("user", "100!")]),
        (turn(r"a\b"), [("user", "ab")]),
        ("not json", []),
        ("", []),
        ('{"text":"Human: x"}', []),
        ('["Human: x","AI: y","z"]', [("user", "x"), ("assistant", "y"), ("assistant", "z")]),
        ('[{"id":"","text":"Human: x"},{"id":7,"text":"AI: y"}]',
         [("user", "x"), ("assistant", "y")]),
        ('["human: x", "Human:x"]', [("assistant", "human: x"), ("assistant", "Human:x")]),
        ('[1, null, {"text": 2}, {}]', []),
        ("[" * 100_000, []),
    ],
)  # fmt: skip
def test_history(site: Site, raw: str, seen: list[tuple[str, str]]) -> None:
    ask_classic(site, "classic", "now", wpaicg_chat_history=raw)
    found = [(message["role"], message["content"]) for message in site.messages[0]]
    assert found == [*seen, ("user", "now")]


def test_history_on_the_oldest_version(site: Site) -> None:
    ask_classic(site, "classic-old", "now", wpaicg_chat_history=turn("ü  🙂"))
    assert site.messages[0][0]["content"] == "u00fc ud83dude42"


# Nonces, keys, quotas, origins.


def test_nonces_are_for_everybody_and_live_two_ticks() -> None:
    now = 1_000_000.0
    with Site(nonce_lifetime=100, clock=lambda: now) as site:
        shown = config(fetch(site.url).text)["nonce"]
        assert shown == config(fetch(site.page("aipkit-two")).text)["nonce"]
        assert shown != classic_bot(fetch(site.page("classic")).text)["nonce"]
        for passed, status in ((0, 200), (50, 200), (50, 403)):
            now += passed
            assert cache(site, "front", "Hi", _ajax_nonce=shown).status == status
        assert cache(site, "front", "Hi").status == 200


def test_dead_nonces_by_dialect(site: Site) -> None:
    dead = config(fetch(site.url).text)["nonce"]
    classic = classic_bot(fetch(site.page("classic")).text)["nonce"]
    site.expire_nonces()
    first = cache(site, "front", "Hi", _ajax_nonce=dead)
    assert (first.status, first.json["data"]["code"]) == (403, "nonce_failure_cache_sse")
    key = cache(site, "front", "Hi").json["data"]["cache_key"]
    seen = stream(site, "front", key, _ajax_nonce=dead)
    assert seen.status == 200
    assert [name for name, _ in events(seen.body)] == ["error", "done"]
    refused = ask_classic(site, "classic", "Hi", _wpnonce=classic)
    assert (refused.status, refused.headers["content-type"][:9]) == (403, "text/html")
    assert ask_classic(site, "classic", "Hi", _wpnonce="(none)").status == 403
    old = ask_classic(site, "classic-old", "Hi", _wpnonce=classic)
    assert (old.status, set(old.json)) == (200, {"status", "msg"})
    assert not site.messages
    assert "sandbox" in said(stream(site, "front", key))


def test_a_cache_keeps_showing_a_dead_nonce(site: Site) -> None:
    site.cache_pages = True
    site.expire_nonces()
    assert cache(site, "front", "Hi").status == 403
    bot = config(fetch(site.url).text)
    fresh = fetch(bot["ajaxUrl"], {"action": "aipkit_get_frontend_chat_nonce"})
    assert fresh.json["data"]["nonce"] != bot["nonce"]
    assert cache(site, "front", "Hi", _ajax_nonce=fresh.json["data"]["nonce"]).status == 200
    site.purge()
    assert cache(site, "front", "Hi").status == 200
    site.expire_nonces()
    site.cache_pages = False
    assert cache(site, "front", "Hi").status == 200


def test_the_nonce_action(site: Site) -> None:
    url = site.home + AJAX
    action = {"action": "aipkit_get_frontend_chat_nonce"}
    good = fetch(url, action).json
    assert good["success"] is True
    assert fetch(f"{url}?{urlencode(action)}").json == good
    old = fetch(url, {**action, "bot_id": "20"})
    assert (old.status, old.body) == (400, b"0")


def test_a_cache_key_works_once_and_for_a_minute() -> None:
    now = 1_000_000.0
    with Site(clock=lambda: now) as site:
        keys = [cache(site, "front", "Hi").json["data"]["cache_key"] for _ in range(2)]
        assert keys[0] != keys[1]
        for key, passed, names in (
            (keys[0], 59, "done"),
            (keys[0], 0, "error"),
            (keys[1], 2, "error"),
        ):
            now += passed
            seen = [name for name, _ in events(stream(site, "front", key).body)]
            assert seen[-1] == "done"
            assert ("error" in seen) is (names == "error")


@pytest.mark.parametrize(
    "more",
    [{"cache_key": "(none)"}, {"cache_key": "no such"}, {"bot_id": "(none)"}, {"bot_id": "12345"},
     {"session_id": "(none)"}, {"session_id": ""}, {"conversation_uuid": "(none)"},
     {"_ajax_nonce": "(none)"}],
)  # fmt: skip
def test_step_two_needs_its_parameters(site: Site, more: dict[str, str]) -> None:
    key = cache(site, "front", "Hi").json["data"]["cache_key"]
    seen = stream(site, "front", more.pop("cache_key", key), **more)
    assert seen.status == 200
    assert [name for name, _ in events(seen.body)] == ["error", "done"]
    assert not site.messages


def test_a_message_with_stream_context_is_refused(site: Site) -> None:
    names = [name for name, _ in events(ask_aipkit(site, "front", '{"stream_context": 1}').body)]
    assert names == ["error", "done"]
    assert "done" in [name for name, _ in events(ask_aipkit(site, "front", '{"a": 1}').body)]


@pytest.mark.parametrize(
    ("origin", "fine"),
    [
        ("", True),
        ("http://127.0.0.1", True),
        ("http://127.0.0.1:1", True),
        ("https://127.0.0.1", False),
        ("http://example.com", False),
        ("null", False),
    ],
)
def test_origin(site: Site, origin: str, fine: bool) -> None:
    bot = config(fetch(site.url).text)
    headers = {"Origin": origin} if origin else {}
    form = {"action": "aipkit_cache_sse_message", "message": "Hi", "bot_id": "5",
            "_ajax_nonce": bot["nonce"]}  # fmt: skip
    seen = fetch(bot["ajaxUrl"], form, headers=headers)
    assert seen.status == (200 if fine else 403)
    if not fine:
        assert seen.json["data"]["code"] == "embed_not_available"
    nonce = fetch(bot["ajaxUrl"], {"action": "aipkit_get_frontend_chat_nonce"}, headers=headers)
    assert nonce.status == (200 if fine else 403)
    assert fetch(bot["ajaxUrl"], {**form, "bot_id": "20"}, headers=headers).status == 200


def test_quota_hangs_on_the_visitor() -> None:
    with Site(quota=1) as site:
        for visitor in ("a", "b"):
            more = {"session_id": visitor}
            assert "sandbox" in said(ask_aipkit(site, "front", "Hi", **more))
            seen = dict(events(ask_aipkit(site, "front", "Hi", **more).body))
            assert seen["error"]["quota_notice"]["message"]
        old = dict(events(ask_aipkit(site, "aipkit-old", "Hi", session_id="a").body))
        assert set(old["error"]) == {"error"}
        for page in ("classic", "classic-plain"):
            visitor = f"{page:10}"[:10]
            site.quota = 1
            assert ask_classic(site, page, "Hi", wpaicg_chat_client_id=visitor).status == 200
            seen = ask_classic(site, page, "Hi", wpaicg_chat_client_id=visitor)
            body = json.loads(seen.body.removeprefix(b"data: "))
            assert set(body) == {"msg", "tokenLimitReached"}


def test_images_are_checked(site: Site) -> None:
    image = {"mime_type": "image/png", "base64_data": "aGk="}
    gif = {"mime_type": "image/gif", "base64_data": "aGk="}
    for images, code in (
        ([image], None),
        ([image] * 5, "too_many_images"),
        ([gif], "invalid_image_type"),
        ([1], "invalid_image_payload"),
    ):
        seen = cache(site, "aipkit-images", "", image_inputs=json.dumps(images))
        assert seen.json["data"].get("code") == code


def test_state_search_and_citations(site: Site) -> None:
    shown = config(fetch(site.page("aipkit-state")).text)
    assert shown["enableOpenAIConversationState"] is True
    seen = events(ask_aipkit(site, "aipkit-state", "Hi", frontend_web_search_active="true").body)
    kinds = [data["type"] for name, data in seen if name == "status"]
    assert "response.web_search_call.searching" in kinds
    assert len(seen[-1][1]["citations"]) == 2


# Your own bot.


def test_answer_as_text_and_as_chunks() -> None:
    asked: list[list[dict[str, str]]] = []

    def answer(messages: list[dict[str, str]]) -> str | Iterator[str]:
        asked.append(messages)
        return "all at once" if len(asked) == 1 else iter(["pi", "e", "ces"])

    with Site(answer=answer, words_per_chunk=2) as site:
        first = ask_aipkit(site, "front", "one")
        assert [d["delta"] for _, d in events(first.body) if d.get("delta")] == [
            "all at",
            " once",
        ]
        second = ask_classic(site, "classic", "two")
        assert said(second) == "pieces"
        assert ask_rest(site, "three").json["reply"] == "pieces"
    assert [messages[-1]["content"] for messages in asked] == ["one", "two", "three"]


def test_what_an_answer_raises_is_an_error_of_the_model() -> None:
    def at_once(messages: list[dict[str, str]]) -> str:
        raise OSError("no bot today")

    def midway(messages: list[dict[str, str]]) -> Iterator[str]:
        yield "so far"
        raise ValueError("and no further")

    with Site(answer=at_once) as site:
        assert "no bot today" in ask_classic(site, "classic-plain", "Hi").json["msg"]
        assert ask_rest(site, "Hi").json["code"] == "api_error"
        names = [name for name, _ in events(ask_aipkit(site, "front", "Hi").body)]
        assert names == ["message_start", "error"]
        assert ask_classic(site, "classic", "Hi").body.startswith(b"event: message\n")
    with Site(answer=midway) as site:
        seen = ask_classic(site, "classic", "Hi")
        assert said(seen) == "so far"
        assert events(seen.body)[-1][1]["error"]["message"] == "and no further"
        # The message and the part of an answer stay in the site's memory.
        ask_aipkit(site, "front", "Hi")
        ask_aipkit(site, "front", "Again")
        assert [m["content"] for m in site.messages[-1]] == ["Hi", "so far", "Again"]
