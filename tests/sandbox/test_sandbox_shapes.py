"""The sandbox's AI Power answers in the form of recorded ones: it may not drift from real sites.

What it says is its own; its statuses, headers, keys, types and events are compared one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from power_shapes import POWER
from sandbox_client import (
    AJAX,
    Seen,
    ask_aipkit,
    ask_classic,
    ask_fault,
    ask_rest,
    cache,
    classic_bot,
    fetch,
    stream,
)
from shapes import Response, problems

from chatgptes.sandbox import Site


def _fault(where: str, name: str) -> Callable[[Site], Seen]:
    return lambda site: ask_fault(site, where, name)


def _refused_image(site: Site) -> Seen:
    bot = classic_bot(fetch(site.page("classic")).text)
    fields = {"_wpnonce": bot["nonce"], "action": "wpaicg_chat_shortcode_message",
              "message": "Hi", "bot_id": bot["bot-id"]}  # fmt: skip
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.append(b'name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nnone')
    body = b"".join(b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return fetch(bot["ajax_url"], body=body + b"--b--\r\n", headers=headers)


PLAYS: dict[str, Callable[[Site], Seen]] = {
    "plain": lambda site: ask_classic(site, "classic-plain", "Hi"),
    "stream": lambda site: ask_classic(site, "classic", "Hi"),
    "plain-dead-nonce": lambda site: ask_classic(site, "classic-plain", "Hi", _wpnonce="bad"),
    "stream-dead-nonce": lambda site: ask_classic(site, "classic", "Hi", _wpnonce="bad"),
    "plain-empty": lambda site: ask_classic(site, "classic-plain", ""),
    "plain-no-api-key": _fault("plain", "no-api-key"),
    "stream-no-api-key": _fault("classic", "no-api-key"),
    "plain-banned-word": _fault("plain", "banned-word"),
    "stream-banned-word": _fault("classic", "banned-word"),
    "plain-quota": _fault("plain", "quota"),
    "stream-quota": _fault("classic", "quota"),
    "plain-429": _fault("plain", "model-429"),
    "plain-drop": _fault("plain", "model-drop"),
    "plain-html": _fault("plain", "model-html"),
    "stream-429": _fault("classic", "model-429"),
    "stream-drop": _fault("classic", "model-drop"),
    "stream-drop-start": _fault("classic", "model-drop-start"),
    "stream-empty": _fault("classic", "model-empty"),
    "stream-error-mid": _fault("classic", "model-error-mid"),
    "stream-no-end": _fault("classic", "model-no-end"),
    "stream-length": _fault("classic", "model-length"),
    "stream-html": _fault("classic", "model-html"),
    "stream-json": _fault("classic", "model-json"),
    "unknown-action": lambda site: fetch(f"{site.home}{AJAX}", {"action": "nope"}),
    "image-refused": _refused_image,
    "nonce": lambda site: fetch(
        f"{site.home}{AJAX}", {"action": "aipkit_get_frontend_chat_nonce", "bot_id": "5"}
    ),
    "cache": lambda site: cache(site, "front", "Hi"),
    "cache-dead-nonce": lambda site: cache(site, "front", "Hi", _ajax_nonce="bad"),
    "cache-empty": lambda site: cache(site, "front", ""),
    "cache-origin": _fault("aipkit", "cache-cors"),
    "cache-unknown-action": _fault("aipkit", "unknown-action"),
    "aipkit": lambda site: ask_aipkit(site, "front", "Hi"),
    "aipkit-search": lambda site: ask_aipkit(
        site, "aipkit-state", "Hi", frontend_web_search_active="true"
    ),
    "aipkit-dead-nonce": lambda site: stream(site, "front", "key", _ajax_nonce="bad"),
    "aipkit-key-used": lambda site: stream(site, "front", "key"),
    "aipkit-moderation": _fault("aipkit", "moderation"),
    "aipkit-quota": _fault("aipkit", "quota"),
    "aipkit-429": _fault("aipkit", "model-429"),
    "aipkit-html": _fault("aipkit", "model-html"),
    "aipkit-empty": _fault("aipkit", "model-empty"),
    "aipkit-drop": _fault("aipkit", "model-drop"),
    "aipkit-drop-start": _fault("aipkit", "model-drop-start"),
    "aipkit-error-mid": _fault("aipkit", "model-error-mid"),
    "aipkit-length": _fault("aipkit", "model-length"),
    "aipkit-no-end": _fault("aipkit", "model-no-end"),
    "rest": lambda site: ask_rest(site, "Hi"),
    "rest-wrong-key": lambda site: ask_rest(site, "Hi", Authorization="Bearer nope"),
    "rest-access-off": _fault("rest", "access-off"),
    "rest-429": _fault("rest", "model-429"),
    "rest-unknown-bot": lambda site: ask_rest(site, "Hi", bot="999999"),
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


def test_every_recorded_form_is_played() -> None:
    assert PLAYS.keys() == POWER.keys()


@pytest.mark.parametrize("name", POWER)
def test_an_answer_has_the_form_of_the_recorded_one(site: Site, name: str) -> None:
    seen = PLAYS[name](site)
    assert problems(Response(seen.status, seen.headers, seen.text), POWER[name]) == []
