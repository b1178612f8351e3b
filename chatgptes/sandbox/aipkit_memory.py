"""An aipkit site's memory of its visitors' conversations, as 2.4.71 gives it out."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .bot import Message
from .faults import http_fault
from .php import php_json
from .wordpress import JSON, NO_CACHE

if TYPE_CHECKING:
    from .exchange import Exchange
    from .spec import BotSpec
    from .wordpress import WordPress

LIST, HISTORY = "aipkit_get_conversations_list", "aipkit_get_conversation_history"
DELETE, FEEDBACK = "aipkit_delete_single_conversation", "aipkit_store_feedback"
ACTIONS = frozenset({LIST, HISTORY, DELETE, FEEDBACK})

_MOST = 200  # Messages of a conversation.
_TITLE_WORDS = 5

Key = tuple[str, str, str]
"""Session id, bot id, conversation uuid."""


@dataclass
class StoredMessage:
    """A message that the site remembers.

    Attributes:
        role: "user" or "assistant".
        content: its text.
        message_id: its id.
        time: when it came (seconds since the epoch).
        feedback: "up", "down", or "".
    """

    role: str
    content: str
    message_id: str = ""
    time: float = 0.0
    feedback: str = ""


class AipkitMemory:
    """The conversations of one site."""

    def __init__(self, site: WordPress, nonce: str) -> None:
        self._site = site
        self._nonce = nonce
        self._kept: dict[Key, list[StoredMessage]] = {}
        self._lock = threading.Lock()

    def add(self, key: Key, message: StoredMessage) -> list[Message]:
        """Remember a message; the conversation with it, for a model."""
        message.time = self._site.clock()
        with self._lock:
            kept = self._kept.setdefault(key, [])
            kept.append(message)
            del kept[:-_MOST]
            return [{"role": each.role, "content": each.content} for each in kept]

    def handle(self, exchange: Exchange, bot: BotSpec) -> None:
        """Answer one of `ACTIONS`."""
        form = exchange.request.form
        if not self._site.nonces.holds(form.get("_ajax_nonce", ""), self._nonce):
            fail(exchange, 403, "nonce_failure", "This page has been open for too long.")
            return
        fault = self._site.meet_aside("aipkit", step=3).removeprefix("memory-")
        if fault == "nonce":
            fail(exchange, 403, "nonce_failure", "This page has been open for too long.")
            return
        if fault == "refused":
            fail(exchange, 500, "db_error", "The drawer with the conversations is stuck.")
            return
        if fault and http_fault(exchange, fault, self._site.home):
            return
        action, session = form.get("action", ""), form.get("session_id", "")
        conversation = form.get("conversation_uuid", "")
        if not session or (action != LIST and not conversation):
            fail(exchange, 400, "", "Who, and which conversation?")
            return
        with self._lock:
            self._answer(exchange, action, (session, bot.id, conversation))

    def _answer(self, exchange: Exchange, action: str, key: Key) -> None:
        if action == LIST:
            succeed(exchange, {"conversations": self._list(key)})
        elif action == HISTORY:
            succeed(exchange, {"history": [_entry(each) for each in self._kept.get(key, ())]})
        elif action == DELETE:
            self._kept.pop(key, None)
            succeed(exchange, {"message": "It is forgotten."})
        else:
            form = exchange.request.form
            for each in self._kept.get(key, ()):
                if each.message_id and each.message_id == form.get("message_id"):
                    each.feedback = form.get("feedback_type", "")
                    data: dict[str, object] = {"message": "Noted.", "feedback": each.feedback}
                    succeed(exchange, data)
                    return
            fail(exchange, 404, "message_not_found", "There is no such message here.")

    def _list(self, key: Key) -> list[dict[str, object]]:
        found = [
            (kept[-1].time, conversation, kept[0].content)
            for (session, bot, conversation), kept in self._kept.items()
            if (session, bot) == key[:2]
        ]
        return [
            {"id": conversation, "title": _title(text), "timestamp": int(time)}
            for time, conversation, text in reversed(found)
        ]


def _title(text: str) -> str:
    words = text.split()
    return " ".join(words[:_TITLE_WORDS]) + ("..." if len(words) > _TITLE_WORDS else "")


def _entry(kept: StoredMessage) -> dict[str, object]:
    entry: dict[str, object] = {
        "message_id": kept.message_id,
        "role": "user" if kept.role == "user" else "bot",
        "content": kept.content,
        "timestamp": int(kept.time),
    }
    if kept.role != "user":
        number = kept.message_id.rpartition("-")[2]
        entry |= {"provider": "OpenAI", "openai_response_id": f"resp_sandbox_{number}"}
    return entry | ({"feedback": kept.feedback} if kept.feedback else {})


def succeed(exchange: Exchange, data: dict[str, object]) -> None:
    """Answer with `{"success": true, "data": …}`."""
    exchange.respond(200, php_json({"success": True, "data": data}), JSON, [NO_CACHE])


def fail(exchange: Exchange, status: int, code: str, message: str) -> None:
    """Answer with `{"success": false, "data": {"message", "code"}}`."""
    data = {"message": message, "code": code}
    exchange.respond(status, php_json({"success": False, "data": data}), JSON, [NO_CACHE])
