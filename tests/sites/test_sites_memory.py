"""What an `aipkit` site remembers: its answers, read without a socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hearing import page_of, question_for

from chatgptes.errors import ChallengeError, RefusedError, UnexpectedFormatError
from chatgptes.sites.aipower import AIPKIT
from chatgptes.values.reply import Reply


def good(**data: Any) -> str:
    return json.dumps({"success": True, "data": data})


def test_a_history() -> None:
    told = [
        {"role": "user", "content": "Hi"},
        {"role": "bot", "content": "Hello", "openai_response_id": "r-1"},
        {"role": "bot", "content": " "},
        5,
        {"role": "bot", "content": "Bye", "google_interaction_id": "g-1"},
    ]
    found = AIPKIT.history_from(page_of(good(history=told)))
    assert found.messages == (("user", "Hi"), ("assistant", "Hello"), ("assistant", "Bye"))
    assert found.state == {"google_interaction_id": "g-1"}
    assert AIPKIT.history_from(page_of(good(history=told[:2]))).state == {
        "openai_response_id": "r-1"
    }


def test_a_list() -> None:
    told = [
        {"id": " c-1 ", "title": "One", "timestamp": 0},
        {"id": "", "title": "none"},
        {"id": "c-2", "title": 5, "timestamp": True},
        {"id": "c-3", "timestamp": 1e30},
    ]
    found = AIPKIT.list_from(page_of(good(conversations=told)))
    assert [(each.id, each.title, each.time) for each in found] == [
        ("c-1", "One", datetime(1970, 1, 1, tzinfo=UTC)), ("c-2", "5", None), ("c-3", "", None),
    ]  # fmt: skip


def test_what_is_asked_for() -> None:
    endpoint = question_for(AIPKIT).endpoint
    for request, action in (
        (AIPKIT.list_request(endpoint, "v-1"), "aipkit_get_conversations_list"),
        (AIPKIT.history_request(endpoint, "v-1", "c-1"), "aipkit_get_conversation_history"),
        (AIPKIT.deletion_request(endpoint, "v-1", "c-1"), "aipkit_delete_single_conversation"),
    ):
        sent = (request.body or b"").decode()
        assert sent.startswith(f"action={action}&_ajax_nonce=n0nce&bot_id=5&session_id=v-1")
        assert ("conversation_uuid=c-1" in sent) == ("list" not in action)
    reply = Reply("x", site="s", bot="5", dialect="aipkit", message_id="m-1", conversation_id="c-1")
    for up, word in ((True, "up"), (False, "down")):
        asked = AIPKIT.feedback_request(endpoint, "v-1", reply, up=up, comment="")
        sent = (asked.body or b"").decode()
        assert f"conversation_uuid=c-1&message_id=m-1&feedback_type={word}" in sent


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"success":false,"data":{"message":"No","code":"x"}}', RefusedError),
        ("<title>Just a moment...</title>", ChallengeError),
        ("0", UnexpectedFormatError),
        ("", UnexpectedFormatError),
    ],
)
def test_what_is_none(body: str, kind: type) -> None:
    for read in (AIPKIT.history_from, AIPKIT.list_from, AIPKIT.check_done):
        with pytest.raises(kind):
            read(page_of(body))
    with pytest.raises(UnexpectedFormatError):
        AIPKIT.history_from(page_of(good(history="x")))
    AIPKIT.check_done(page_of(good()))
