"""The sandbox's AI Engine bots, as any HTTP client sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sandbox_client import (
    Seen,
    ask_engine,
    engine_bot,
    engine_nonce,
    engine_said,
    events,
    fetch,
)

from chatgptes.sandbox import Site
from chatgptes.sandbox.faults import ASIDE

PNG = b"\x89PNG\r\n\x1a\nred"
OLD, ANCIENT = "engine-old", "engine-ancient"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


def whole(site: Site, page: str, message: str, **more: Any) -> Seen:
    return ask_engine(site, page, message, stream=False, **more)


def end(seen: Seen) -> Any:
    """The JSON in a stream's last event."""
    name, data = events(seen.body)[-1]
    assert (name, data["type"]) == ("", "end")
    return json.loads(data["data"])


# A good turn.


@pytest.mark.parametrize("page", ["engine", OLD, ANCIENT, "engine-query", "engine-custom",
                                  "engine-tailored", "plugins"])  # fmt: skip
def test_a_turn(site: Site, page: str) -> None:
    text = 'Привет "q" \\ <b>x</b> < %41 &amp; \x85 \u2028 🙂'
    streamed = ask_engine(site, page, text)
    assert f"> {text}" in end(streamed)["reply"]
    assert engine_said(streamed) == end(streamed)["reply"]
    assert streamed.body.isascii()
    assert whole(site, page, text).json["reply"] == end(streamed)["reply"]
    assert site.messages[-1] == [{"role": "user", "content": text}]


def test_in_a_folder() -> None:
    with Site(folder="/blog") as site:
        assert engine_bot(fetch(site.page("engine")).text)["restUrl"] == f"{site.home}wp-json"
        assert "sandbox" in engine_said(ask_engine(site, "engine", "Hi"))


def test_a_message_is_trimmed_but_for_the_oldest(site: Site) -> None:
    ask_engine(site, "engine", " \n Hi\t ")
    assert site.messages[-1][-1]["content"] == "Hi"
    ask_engine(site, ANCIENT, " \n Hi\t ")
    assert site.messages[-1][-1]["content"] == " \n Hi\t "


def test_the_request_says_if_it_streams(site: Site) -> None:
    for stream in (True, "false", 1):
        assert (
            "event-stream"
            in ask_engine(site, "engine", "Hi", stream=stream).headers["content-type"]
        )
    for stream in (False, None, 0, ""):
        seen = ask_engine(site, "engine", "Hi", stream=stream)
        assert seen.headers["content-type"].startswith("application/json")


# Pages.


def test_pages(site: Site) -> None:
    def bot(name: str, attribute: str = "system") -> dict[str, Any]:
        return engine_bot(fetch(site.page(name)).text, attribute)

    assert (bot("engine")["botId"], bot("engine")["restNonce"]) == ("default", None)
    assert bot("engine-window", "params")["window"] is True
    assert (bot("engine-custom")["botId"], bot("engine-custom")["customId"]) == (None, "my_custom")
    assert bot("engine-tailored")["customId"]
    assert bot("engine-consent")["blocks"][0]["id"].startswith("mwai_gdpr_")
    assert bot("engine-short", "params")["textInputMaxLength"] == 20
    assert bot("engine-images", "params")["maxUploads"] == 3
    assert bot("engine-painter", "params")["mode"] == "images"
    assert bot("engine-query")["restUrl"] == f"{site.home}index.php?rest_route="
    assert isinstance(bot(OLD)["restNonce"], str)
    assert bot(ANCIENT)["restNonce"] is None
    assert "blocks" not in bot(OLD)
    assert bot("foreign-engine")["restUrl"].startswith("https://elsewhere.invalid/")
    for name, count in (("engine-two", 2), ("engine-both", 2), ("engine-discussions", 1),
                        ("engine-nobot", 0), ("plugins", 1), ("engine-saved", 0)):  # fmt: skip
        page = fetch(site.page(name)).text
        assert page.count("'mwai-chatbot-container' data-params='") == count
    assert "mwai-discussions-container" in fetch(site.page("engine-nobot")).text
    assert "data-system" not in fetch(site.page("engine-saved")).text
    old = fetch(site.page(OLD))
    assert old.headers["link"].startswith(f"<{site.home}engine-2.2.95/wp-json/>")


# Sessions and nonces.


def submit(site: Site, headers: dict[str, str], page: str = "engine") -> Seen:
    return ask_engine(site, page, "Hi", headers={"Content-Type": "application/json", **headers})


def code(seen: Seen) -> tuple[int, str]:
    return seen.status, seen.json["code"]


def test_nonces(site: Site) -> None:
    assert code(submit(site, {})) == (401, "rest_forbidden")
    assert code(submit(site, {"X-WP-Nonce": ""})) == (401, "rest_forbidden")
    assert code(submit(site, {"X-WP-Nonce": "bad"})) == (403, "rest_cookie_invalid_nonce")
    assert code(submit(site, {}, OLD)) == (401, "rest_forbidden")
    assert not submit(site, {}, ANCIENT).text.startswith("{")
    assert code(submit(site, {"X-WP-Nonce": "bad"}, ANCIENT)) == (403, "rest_cookie_invalid_nonce")
    assert site.messages == site.messages[:1]  # Only the oldest asked its model.


def test_a_dead_nonce_starts_no_session(site: Site) -> None:
    url = f"{site.api_root}mwai/v1/start_session"
    assert code(fetch(url, body=b"", headers={"X-WP-Nonce": "bad"}))[0] == 403
    nonce = fetch(url, body=b"").json["restNonce"]
    assert fetch(url, body=b"", headers={"X-WP-Nonce": nonce}).json["restNonce"] == nonce
    assert code(fetch(url)) == (404, "rest_no_route")
    for version in ("2.2.95", "1.9.99"):
        old = f"{site.home}engine-{version}/wp-json/mwai/v1/start_session"
        assert code(fetch(old, body=b"")) == (404, "rest_no_route")


def test_a_nonce_of_the_older_tick_brings_the_current_one() -> None:
    now = 0.5
    with Site(nonce_lifetime=2.0, clock=lambda: now) as site:
        old = engine_nonce(engine_bot(fetch(site.page("engine")).text))
        assert "new_token" not in end(submit(site, old))
        now = 1.5
        seen = submit(site, old)
        fresh = end(seen)["new_token"]
        assert seen.headers["x-wp-nonce"] == fresh != old["X-WP-Nonce"]
        json_only = {"Content-Type": "application/json", **old}
        assert whole(site, "engine", "Hi", headers=json_only).json["new_token"] == fresh
        now = 2.5
        assert submit(site, old).status == 403


def test_a_cached_page_keeps_a_dead_nonce(site: Site) -> None:
    site.cache_pages = True
    site.expire_nonces()
    assert ask_engine(site, OLD, "Hi").status == 403
    assert "sandbox" in engine_said(ask_engine(site, "engine", "Hi"))  # Sessions aren't cached.
    site.purge()
    assert "sandbox" in engine_said(ask_engine(site, OLD, "Hi"))


def test_the_visitor_is_a_cookie() -> None:
    with Site(quota=1) as site:
        seen = ask_engine(site, "engine", "Hi")
        cookie = seen.headers["set-cookie"].partition(";")[0]
        assert cookie.startswith("mwai_session_id=")
        nonce = engine_nonce(engine_bot(fetch(site.page("engine")).text))
        known = {**nonce, "Cookie": cookie}
        again = submit(site, known)
        assert "set-cookie" not in again.headers
        assert events(again.body) == [("", {"type": "error", "data": "That was enough for today."})]
        assert "sandbox" in engine_said(submit(site, nonce))  # Another visitor.


# Memory.


def test_only_what_is_sent_is_remembered(site: Site) -> None:
    history = [{"role": "user", "content": "My name is Ada.", "id": "x", "who": "y"},
               {"role": "assistant", "content": "Hello."}]  # fmt: skip
    seen = ask_engine(site, "engine", "And now?", messages=history, chatId="one")
    assert "1. My name is Ada." in engine_said(seen)
    assert [each["content"] for each in site.messages[-1]] == [
        "My name is Ada.", "Hello.", "And now?",
    ]  # fmt: skip
    assert "message 1" in engine_said(ask_engine(site, "engine", "And now?", chatId="one"))


def test_long_histories_lose_their_middle(site: Site) -> None:
    history = [{"role": ("user", "assistant")[n % 2], "content": str(n)} for n in range(40)]
    ask_engine(site, "engine", "Hi", messages=history)
    assert [each["content"] for each in site.messages[-1]] == [
        "0", *map(str, range(25, 40)), "Hi",
    ]  # fmt: skip
    ask_engine(site, ANCIENT, "Hi", messages=history)
    assert [each["content"] for each in site.messages[-1]] == [*map(str, range(26, 40)), "Hi"]
    ask_engine(site, ANCIENT, "Hi", messages=history[:3])
    assert [each["content"] for each in site.messages[-1]] == ["0", "1", "Hi"]


def test_odd_histories(site: Site) -> None:
    assert code(whole(site, "engine", "Hi", messages="nope")) == (500, "internal_server_error")
    assert whole(site, "engine", "Hi", messages=["nope"]).json["success"] is False


# What is refused before the model is asked.


@pytest.mark.parametrize("page", ["engine", OLD])
@pytest.mark.parametrize("message", ["", " \n", None])
def test_empty_messages(site: Site, page: str, message: str | None) -> None:
    for stream in (True, False):
        seen = ask_engine(site, page, message or "", newMessage=message, stream=stream)
        assert (seen.status, seen.json["success"]) == (403, False)


def test_what_is_no_question(site: Site) -> None:
    assert ask_engine(site, "engine", "Hi", botId=None).status == 403
    bot = engine_bot(fetch(site.page("engine")).text)
    url, nonce = f"{bot['restUrl']}/mwai-ui/v1/chats/submit", engine_nonce(bot)
    typed = {**nonce, "Content-Type": "application/json"}
    assert fetch(url, body=b'{"botId":"default","newMessage":"Hi"}', headers=nonce).status == 403
    assert code(fetch(url, body=b'{"botId":', headers=typed)) == (400, "rest_invalid_json")
    assert code(fetch(url, headers=nonce)) == (404, "rest_no_route")
    assert code(whole(site, "engine", "x", newMessage=["a"])) == (500, "internal_server_error")
    assert code(fetch(url.replace("submit", "nope"), body=b"{}", headers=typed))[0] == 404
    assert site.messages == []


def test_unknown_bots(site: Site) -> None:
    assert "sandbox" in engine_said(ask_engine(site, "engine", "Hi", botId="nope"))
    assert "sandbox" in engine_said(ask_engine(site, "engine", "Hi", customId="dead", botId=None))
    seen = ask_engine(site, OLD, "Hi", botId="nope")
    assert seen.headers["content-type"].startswith("application/json")
    assert events(seen.body)[0][1]["type"] == "error"
    assert whole(site, OLD, "Hi", botId="nope").status == 500


def test_limits_of_length(site: Site) -> None:
    assert whole(site, "engine-short", "é" * 20).json["success"]
    assert whole(site, "engine-short", "é" * 21).status == 500
    seen = ask_engine(site, "engine-short", "x" * 21)
    assert seen.headers["content-type"].startswith("application/json")
    assert [data["type"] for _, data in events(seen.body)] == ["error"]
    assert whole(site, OLD, "é" * 300).status == 500  # It counts bytes.
    assert whole(site, ANCIENT, "x" * 5000).json["success"]
    assert whole(site, OLD, "0").status == 403
    assert whole(site, "engine", "0").json["success"]


# Uploads.


def upload(site: Site, page: str, data: bytes = PNG, purpose: str = "vision") -> Seen:
    bot = engine_bot(fetch(site.page(page)).text)
    parts = [f'name="purpose"\r\n\r\n{purpose}'.encode()] if purpose else []
    if data:
        head = b'name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        parts.append(head + data)
    body = b"".join(b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts)
    headers = {"Content-Type": "multipart/form-data; boundary=b", **engine_nonce(bot)}
    url = f"{bot['restUrl']}/mwai-ui/v1/files/upload"
    return fetch(url, body=body + b"--b--\r\n", headers=headers)


@pytest.mark.parametrize(
    ("page", "key"),
    [("engine-images", "newFileId"), (OLD, "newFileId"), (ANCIENT, "newImageId")],
)
def test_an_image(site: Site, page: str, key: str) -> None:
    file = upload(site, page).json["data"]["id"]
    assert "1 image: image/png, 11 bytes" in engine_said(
        ask_engine(site, page, "What is this?", **{key: file})
    )
    other = {"newFileId": "newImageId", "newImageId": "newFileId"}[key]
    assert "image" not in engine_said(ask_engine(site, page, "What is this?", **{other: file}))


def test_several_images(site: Site) -> None:
    files = [upload(site, "engine-images").json["data"]["id"] for _ in range(2)]
    assert "2 images" in engine_said(ask_engine(site, "engine-images", "Hm?", newFileIds=files))
    assert "sandbox" in engine_said(ask_engine(site, "engine-images", "", newFileIds=files))
    assert ask_engine(site, OLD, "", newFileId=files[0]).status == 403


def test_unknown_files(site: Site) -> None:
    assert "sandbox" in engine_said(ask_engine(site, "engine", "Hi", newFileId="nope"))
    assert code(ask_engine(site, OLD, "Hi", newFileId="nope")) == (500, "internal_server_error")


def test_files_that_are_not_taken(site: Site) -> None:
    for seen in (
        upload(site, "engine", purpose=""),
        upload(site, "engine", b""),
        upload(site, "engine", b"<?php"),
    ):
        assert (seen.status, seen.json["success"]) == (400, False)
    assert upload(site, ANCIENT, purpose="").json["success"]


def test_faults_beside_a_turn(site: Site) -> None:
    url, seen = f"{site.api_root}mwai/v1/start_session", {}
    for name in ASIDE["mwai"]:
        site.next(name)
        if name.startswith("session-"):
            seen[name] = fetch(url, body=b"")
            assert fetch(url, body=b"").json["restNonce"]
        else:
            seen[name] = upload(site, "engine")
            assert upload(site, "engine").json["data"]["id"]
    assert {name: each.status for name, each in seen.items()} == {
        "session-members-only": 401, "session-no-nonce": 200, "session-http-500": 500,
        "upload-refused": 400, "upload-nonce": 403, "upload-no-id": 200, "upload-fatal": 500,
    }  # fmt: skip
    assert seen["session-no-nonce"].json["restNonce"] is None
    assert seen["upload-no-id"].json["data"].keys() == {"url"}


# Pictures, failures in one piece, the owner's API.


def test_a_painter(site: Site) -> None:
    seen = ask_engine(site, "engine-painter", "A red square")
    assert seen.headers["content-type"].startswith("application/json")
    assert len(events(seen.body)) == 1
    for answer in (end(seen), whole(site, "engine-painter", "A red square").json):
        assert answer["reply"] == f"![Image]({answer['images'][0]})\n"
    site.next("model-429")
    assert whole(site, "engine-painter", "A red square").status == 500


@pytest.mark.parametrize(
    ("fault", "status"),
    [("quota", 500), ("moderation", 500), ("model-429", 500), ("model-html", 500),
     ("model-drop", 500), ("model-empty", 200), ("model-json", 200), ("too-long", 500)],
)  # fmt: skip
def test_failures_in_one_piece(site: Site, fault: str, status: int) -> None:
    seen = whole(site, f"fault-mwai-{fault}", "Hi")
    assert (seen.status, seen.json["success"]) == (status, status == 200)


def test_an_error_in_mid_answer_shows_on_old_versions(site: Site) -> None:
    site.next("model-error-mid")
    kinds = [data["type"] for _, data in events(ask_engine(site, OLD, "Hi").body)]
    assert kinds == ["live"] * 3 + ["error"]


def query(site: Site, key: str | None = None, root: str = "", **body: Any) -> Seen:
    url = f"{root or site.api_root}mwai/v1/simpleChatbotQuery"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key or site.api_key}"}
    return fetch(url, body=json.dumps(body).encode(), headers=headers)


def test_the_owners_api(site: Site) -> None:
    seen = query(site, botId="default", message="Hi", messages=[{"role": "user", "content": "x"}])
    assert "> Hi" in seen.json["data"]
    assert len(site.messages[-1]) == 1
    old = f"{site.home}engine-2.2.95/wp-json/"
    assert query(site, root=old, botId="veteran", message="Hi").json.keys() == {"success", "data"}
    assert "sandbox" in query(site, botId="nope", message="Hi").json["data"]
    assert query(site, root=old, botId="nope", message="Hi").status == 500
    assert code(query(site, "wrong", botId="default", message="Hi")) == (401, "rest_forbidden")
    assert query(site, botId="default").status == query(site, message="Hi").status == 500
    for name, status in (("model-429", 500), ("no-route", 404), ("fatal", 500), ("quota", 500)):
        assert query(site, botId=f"fault-{name}", message="Hi").status == status


def test_namespaces(site: Site) -> None:
    def names(root: str) -> Any:
        return fetch(f"{root}{'&' if '?' in root else '?'}_fields=namespaces").json

    assert {"aipkit/v1", "mwai/v1"} <= {*names(site.api_root)["namespaces"]}
    alone = names(f"{site.home}engine-3.6.2/wp-json/")
    assert alone.keys() == {"namespaces"}
    assert "aipkit/v1" not in alone["namespaces"]
    assert "mwai/v1" in names(f"{site.home}?rest_route=/")["namespaces"]


def test_old_chats_are_not_for_visitors(site: Site) -> None:
    nonce = fetch(f"{site.api_root}mwai/v1/start_session", body=b"").json["restNonce"]
    for sent, status in (({"X-WP-Nonce": nonce}, 200), ({}, 401), ({"X-WP-Nonce": "bad"}, 403)):
        headers = {"Content-Type": "application/json", **sent}
        seen = fetch(
            f"{site.api_root}mwai-ui/v1/discussions/list", body=b'{"botId":"default"}',
            headers=headers,
        )  # fmt: skip
        assert seen.status == status
        assert seen.json.get("success") is (False if status == 200 else None)


def test_a_starter_is_known_by_its_id(site: Site) -> None:
    system = engine_bot(fetch(site.page("engine-starters")).text)
    nonce = fetch(f"{site.api_root}mwai/v1/start_session", body=b"").json["restNonce"]
    headers = {"Content-Type": "application/json", "X-WP-Nonce": nonce}
    (first, _) = system["shortcuts"]
    assert "message" not in first["data"]

    def ask(shortcut: str) -> Any:
        body = {"botId": "guide", "newMessage": "", "shortcutId": shortcut}
        url = f"{site.api_root}mwai-ui/v1/chats/submit"
        return fetch(url, body=json.dumps(body).encode(), headers=headers)

    assert "Show me around, please" in ask(first["data"]["shortcutId"]).json["reply"]
    seen = ask("0" * 64)
    assert (seen.status, seen.json["success"]) == (400, False)
