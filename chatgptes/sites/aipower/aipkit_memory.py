"""An `aipkit` site's memory of its visitors' conversations, and their feedback.

One form each (recorded on 2.4.71: history, deletion, and a feedback that names no message of the
conversation).  The entries of the list, and the answer to a good feedback, were read in the
plugin's source.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ...values.http import Request
from ...values.remembered import RememberedConversation, SiteConversation
from ...values.reply import Reply
from ..dialect import BufferedResponse, Endpoint
from ..errors import unexpected_error
from ..forms import form_request
from ..text import (
    clean_text,
    json_object,
    listed,
    object_or_empty,
    string_or_empty,
    without_surrogates,
)
from .aipkit_decoder import rank, refusal
from .plugin import AiPower

__all__ = ["AipkitMemory"]

_UNKNOWN = "The site's answer is in no known form."
_STATES = ("openai_response_id", "google_interaction_id")


class AipkitMemory(AiPower):
    """An implementation of `TakesFeedback` and `KeepsConversations`."""

    takes_comment = False

    def feedback_request(
        self, endpoint: Endpoint, visitor: str, reply: Reply, *, up: bool, comment: str
    ) -> Request:
        return _about(
            "aipkit_store_feedback",
            endpoint,
            visitor,
            reply.conversation_id or "",
            message_id=reply.message_id or "",
            feedback_type="up" if up else "down",
        )

    def list_request(self, endpoint: Endpoint, visitor: str) -> Request:
        return _about("aipkit_get_conversations_list", endpoint, visitor)

    def list_from(self, response: BufferedResponse) -> list[SiteConversation]:
        found = []
        for item in _entries(response, "conversations"):
            if conversation := string_or_empty(item.get("id")).strip():
                title = clean_text(item.get("title"), 200)
                when = _time(item.get("timestamp"))
                found.append(SiteConversation(without_surrogates(conversation), title, when))
        return found

    def history_request(self, endpoint: Endpoint, visitor: str, conversation: str) -> Request:
        return _about("aipkit_get_conversation_history", endpoint, visitor, conversation)

    def history_from(self, response: BufferedResponse) -> RememberedConversation:
        messages: list[tuple[str, str]] = []
        state: dict[str, str] = {}
        for item in _entries(response, "history"):
            text = without_surrogates(string_or_empty(item.get("content")))
            role = "user" if item.get("role") == "user" else "assistant"
            if text.strip():
                messages.append((role, text))
            if role == "assistant":
                # Those of an earlier answer do not help once there is a later one.
                given = {name: clean_text(item.get(name), 500) for name in _STATES}
                state = {name: value for name, value in given.items() if value}
        return RememberedConversation(tuple(messages), state)

    def deletion_request(self, endpoint: Endpoint, visitor: str, conversation: str) -> Request:
        return _about("aipkit_delete_single_conversation", endpoint, visitor, conversation)

    def check_done(self, response: BufferedResponse) -> None:
        _data(response)


def _about(
    action: str, endpoint: Endpoint, visitor: str, conversation: str = "", **more: str
) -> Request:
    fields = {
        "action": action,
        "_ajax_nonce": endpoint.nonce,
        "bot_id": endpoint.bot.id,
        "session_id": visitor,
        **({"conversation_uuid": conversation} if conversation else {}),
        **more,
    }
    return form_request(endpoint, fields, repeatable=True)


def _entries(response: BufferedResponse, name: str) -> list[dict[Any, Any]]:
    found = _data(response).get(name)
    if not isinstance(found, list):
        raise unexpected_error(response, _UNKNOWN)
    return listed(found, len(found))


def _data(response: BufferedResponse) -> dict[Any, Any]:
    """The data of a good response; raises what another one is."""
    data = json_object(response.body, rank) or {}
    if data.get("success") is True:
        return object_or_empty(data.get("data"))
    raise refusal(data, response) or unexpected_error(response, _UNKNOWN)


def _time(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
