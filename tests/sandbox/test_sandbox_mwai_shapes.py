"""The sandbox's AI Engine answers in the form of recorded ones: it may not drift from real sites.

What it says is its own; its statuses, headers, keys, types and events are compared one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from engine_shapes import (
    ENGINE,
    NEW_PARAMS,
    NEW_SYSTEM,
    OLD_SYSTEM,
    PARAMS,
)
from sandbox_client import Seen, engine_bot, engine_nonce, fetch
from shapes import Answer, Event, Response, differences, problems

from chatgptes.sandbox import Site

PNG = b"\x89PNG\r\n\x1a\nred"
OLD = "2.2.95"


class Player:
    """Asks one site what the recordings asked a real one."""

    def __init__(self, site: Site, clock: list[float]) -> None:
        self.site = site
        self.clock = clock

    def root(self, plugin: str = "") -> str:
        return f"{self.site.home}engine-{plugin}/wp-json/" if plugin else self.site.api_root

    def nonce(self, plugin: str = "") -> dict[str, str]:
        page = "engine-old" if plugin else "engine"
        return engine_nonce(engine_bot(fetch(self.site.page(page)).text))

    def post(
        self,
        route: str,
        body: object = b"",
        headers: dict[str, str] | None = None,
        plugin: str = "",
    ) -> Seen:
        sent = dict(headers or {})
        if not isinstance(body, bytes):
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        return fetch(self.root(plugin) + route, body=body, headers=sent)

    def session(self, **headers: str) -> Seen:
        return self.post("mwai/v1/start_session", headers=headers)

    def turn(self, bot: str = "default", message: object = "Hi", *, plugin: str = "",
             headers: dict[str, str] | None = None, **more: Any) -> Seen:  # fmt: skip
        body = {"botId": bot, "newMessage": message, "stream": False, **more}
        headers = self.nonce(plugin) if headers is None else headers
        return self.post("mwai-ui/v1/chats/submit", body, headers, plugin)

    def stream(self, bot: str = "default", message: object = "Hi", **more: Any) -> Seen:
        return self.turn(bot, message, stream=True, **more)

    def fault(self, name: str, *, stream: bool = False) -> Seen:
        return self.turn(f"fault-{name}", stream=stream)

    def upload(self, data: bytes = PNG, plugin: str = "", headers: Any = None) -> Seen:
        start = b"--b\r\nContent-Disposition: form-data; "
        parts = [
            b'name="purpose"\r\n\r\nvision',
            b'name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n' + data,
        ]
        body = b"".join(start + part + b"\r\n" for part in parts) + b"--b--\r\n"
        sent = self.nonce(plugin) if headers is None else headers
        sent = {**sent, "Content-Type": "multipart/form-data; boundary=b"}
        return self.post("mwai-ui/v1/files/upload", body, sent, plugin)

    def owner(self, bot: str = "default", key: str = "", plugin: str = "") -> Seen:
        headers = {"Authorization": f"Bearer {key or self.site.api_key}"}
        body = {"botId": bot, "message": "Hi"}
        return self.post("mwai/v1/simpleChatbotQuery", body, headers, plugin)

    def older_tick(self) -> Seen:
        headers = self.nonce()
        self.clock[0] += 1.0
        return self.stream(headers=headers)

    def known_visitor(self) -> Seen:
        cookie = self.turn().headers["set-cookie"].partition(";")[0]
        return self.turn(headers={**self.nonce(), "Cookie": cookie})

    def over_quota(self, *, stream: bool) -> Seen:
        self.site.quota = 0
        return self.turn(stream=stream)

    def raw(self, body: bytes) -> Seen:
        headers = {**self.nonce(), "Content-Type": "application/json"}
        return self.post("mwai-ui/v1/chats/submit", body, headers)

    def old_fault(self, name: str) -> Seen:
        self.site.next(name)
        return self.stream("veteran", plugin=OLD)


PLAYS: dict[str, Any] = {
    "session": lambda p: p.session(),
    "session-dead-nonce": lambda p: p.session(**{"X-WP-Nonce": "0123456789"}),
    "session-get": lambda p: fetch(f"{p.root()}mwai/v1/start_session"),
    "whole": lambda p: p.turn(),
    "stream": lambda p: p.stream(),
    "known-visitor": lambda p: p.known_visitor(),
    "older-tick": lambda p: p.older_tick(),
    "no-nonce": lambda p: p.stream(headers={}),
    "dead-nonce": lambda p: p.stream(headers={"X-WP-Nonce": "0123456789"}),
    "members-only": lambda p: p.fault("members-only"),
    "no-route": lambda p: p.post("mwai-ui/v1/chats/nope", {}, p.nonce()),
    "broken-json": lambda p: p.raw(b'{"botId":'),
    "fatal": lambda p: p.fault("fatal"),
    "empty-message": lambda p: p.stream(message=""),
    "bad-history": lambda p: p.turn(messages=["nope"]),
    "too-long": lambda p: p.turn("short", "x" * 21),
    "too-long-stream": lambda p: p.stream("short", "x" * 21),
    "moderation-stream": lambda p: p.fault("moderation", stream=True),
    "quota": lambda p: p.over_quota(stream=False),
    "quota-stream": lambda p: p.over_quota(stream=True),
    "banned-word-stream": lambda p: p.fault("banned-word", stream=True),
    "no-api-key-stream": lambda p: p.fault("no-api-key", stream=True),
    "model-429": lambda p: p.fault("model-429"),
    "model-429-stream": lambda p: p.fault("model-429", stream=True),
    "model-html": lambda p: p.fault("model-html"),
    "model-html-stream": lambda p: p.fault("model-html", stream=True),
    "model-drop-stream": lambda p: p.fault("model-drop", stream=True),
    "model-drop-start-stream": lambda p: p.fault("model-drop-start", stream=True),
    "model-empty": lambda p: p.fault("model-empty"),
    "model-empty-stream": lambda p: p.fault("model-empty", stream=True),
    "model-json-stream": lambda p: p.fault("model-json", stream=True),
    "model-error-mid-stream": lambda p: p.fault("model-error-mid", stream=True),
    "model-length-stream": lambda p: p.fault("model-length", stream=True),
    "status-events": lambda p: p.fault("status-events", stream=True),
    "notice": lambda p: p.fault("notice"),
    "notice-stream": lambda p: p.fault("notice", stream=True),
    "painter": lambda p: p.turn("painter"),
    "painter-stream": lambda p: p.stream("painter"),
    "upload": lambda p: p.upload(),
    "upload-refused": lambda p: p.upload(b"<?php"),
    "upload-no-nonce": lambda p: p.upload(headers={}),
    "owner": lambda p: p.owner(),
    "owner-429": lambda p: p.owner("fault-model-429"),
    "owner-wrong-key": lambda p: p.owner(key="wrong"),
    "owner-off": lambda p: p.owner("fault-no-route"),
    "namespaces": lambda p: fetch(f"{p.root()}?_fields=namespaces"),
    "old-no-session": lambda p: p.post("mwai/v1/start_session", plugin=OLD),
    "old-whole": lambda p: p.turn("veteran", plugin=OLD),
    "old-stream": lambda p: p.stream("veteran", plugin=OLD),
    "old-unknown-bot": lambda p: p.turn("nope", plugin=OLD),
    "old-unknown-bot-stream": lambda p: p.stream("nope", plugin=OLD),
    "old-empty-message": lambda p: p.stream("veteran", "", plugin=OLD),
    "old-error-mid-stream": lambda p: p.old_fault("model-error-mid"),
    "old-model-html-stream": lambda p: p.old_fault("model-html"),
    "old-lost-file": lambda p: p.stream("veteran", plugin=OLD, newFileId="nope"),
    "old-upload": lambda p: p.upload(plugin=OLD),
    "old-owner": lambda p: p.owner("veteran", plugin=OLD),
    "old-owner-unknown-bot": lambda p: p.owner("nope", plugin=OLD),
}


@pytest.fixture
def player() -> Iterator[Player]:
    clock = [0.5]
    with Site(nonce_lifetime=2.0, clock=lambda: clock[0]) as site:
        yield Player(site, clock)


def test_every_recorded_form_is_played() -> None:
    assert PLAYS.keys() == ENGINE.keys()


@pytest.mark.parametrize("name", ENGINE)
def test_an_answer_has_the_form_of_the_recorded_one(player: Player, name: str) -> None:
    seen = PLAYS[name](player)
    assert problems(Response(seen.status, seen.headers, seen.text), ENGINE[name]) == []


@pytest.mark.parametrize(
    ("page", "params", "system"),
    [
        ("engine", NEW_PARAMS, NEW_SYSTEM),
        ("engine-images", NEW_PARAMS, NEW_SYSTEM),
        ("engine-window", NEW_PARAMS, NEW_SYSTEM),
        ("engine-consent", NEW_PARAMS, NEW_SYSTEM),
        ("engine-query", NEW_PARAMS, NEW_SYSTEM),
        ("engine-custom", {**NEW_PARAMS, "customId": str},
         {**NEW_SYSTEM, "botId": None, "customId": str}),
        ("engine-tailored", NEW_PARAMS, {**NEW_SYSTEM, "customId": str}),
        ("engine-old", {**PARAMS, "imageUpload": True, "fileUpload": True}, OLD_SYSTEM),
    ],
)  # fmt: skip
def test_a_page_has_the_form_of_the_recorded_one(
    player: Player, page: str, params: Any, system: Any
) -> None:
    text = fetch(player.site.page(page)).text
    assert list(differences(engine_bot(text, "params"), params, "params")) == []
    assert list(differences(engine_bot(text), system, "system")) == []
    assert re.search(
        r"\n<div class='mwai-chatbot-container' data-params='[^'\n]*' data-system='[^'\n]*'"
        r" data-theme='[^'\n]*'></div>\n",
        text,
    )


# The comparison itself.

GOOD = Answer("", 200, {"a": "b", "c": None}, {"x": int, "y?": [str], "z": (None, {"k": "v"})})


@pytest.mark.parametrize(
    ("status", "headers", "body", "wrong"),
    [
        (200, {"a": "b"}, '{"x":1,"z":null}', False),
        (200, {"a": "b", "d": "e"}, '{"x":1,"y":["s"],"z":{"k":"v"}}', False),
        (201, {"a": "b"}, '{"x":1,"z":null}', True),
        (200, {"a": "bb"}, '{"x":1,"z":null}', True),
        (200, {}, '{"x":1,"z":null}', True),
        (200, {"a": "b", "c": "d"}, '{"x":1,"z":null}', True),
        (200, {"a": "b"}, '{"x":true,"z":null}', True),
        (200, {"a": "b"}, '{"x":1}', True),
        (200, {"a": "b"}, '{"x":1,"z":null,"more":1}', True),
        (200, {"a": "b"}, '{"x":1,"z":{"k":"w"}}', True),
        (200, {"a": "b"}, '{"x":1,"y":[1],"z":null}', True),
        (200, {"a": "b"}, "{", True),
    ],
)
def test_differences_are_seen(status: int, headers: dict[str, str], body: str, wrong: bool) -> None:
    assert bool(problems(Response(status, headers, body), GOOD)) is wrong


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ('data: {"x":1}\n\ndata: {"x":2}\n\nevent: done\ndata: ok\n\n', False),
        ('data: {"x":1}\n\nevent: done\ndata: ok\n\n', False),
        ('data: {"x":1}\n\nevent: done\ndata: ok', True),
        ("event: done\ndata: ok\n\n", True),
        ('data: {"x":1}\n\n', True),
        ('data: {"x":1}\n\nevent: done\ndata: ok\n\ndata: {"x":1}\n\n', True),
        ('id: 7\ndata: {"x":1}\n\nevent: done\ndata: ok\n\n', True),
        ('data: {"x":"1"}\n\nevent: done\ndata: ok\n\n', True),
    ],
)
def test_differences_of_streams_are_seen(body: str, wrong: bool) -> None:
    events = [Event({"x": int}, often="+"), Event("ok", "done")]
    stream = replace(GOOD, headers={}, body=events)
    assert bool(problems(Response(200, {}, body), stream)) is wrong
