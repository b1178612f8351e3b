"""AI Engine's API for the owner.

It is off by default, and from 2.2.1 on takes a key (measured on 2.2.95 to 3.6.2).  It never streams
and ignores `messages`.  Its own memory hangs on a `chatId` and is there only where the owner keeps
discussions; elsewhere some versions (2.6.9, 2.8.4) answer a `chatId` with a fatal error.  So no
`chatId` is sent, and a conversation goes as one message, written out.
"""

from __future__ import annotations

from typing import Any

from ...errors import ResponseError
from ...values.messages import written_out
from ..dialect import BufferedResponse, Question, ReplyDetails
from ..owner import KeyDialect
from ..text import without_surrogates
from .decoder import error_for_object, rank

__all__ = ["MwaiRest"]


class MwaiRest(KeyDialect):
    """AI Engine's API for the owner."""

    name = "mwai-rest"
    plugin = "AI Engine"
    slug = "ai-engine"
    namespace = "mwai/v1"
    access = "the AI Engine plugin's public API"
    since = "2.2.1"

    def is_bot_id(self, bot_id: str) -> bool:
        return bool(bot_id)  # Any word.

    def route(self, bot_id: str) -> str:
        return "mwai/v1/simpleChatbotQuery"

    def body(self, question: Question) -> dict[str, Any]:
        message = written_out((*question.history, ("user", question.prompt)))
        return {"botId": question.endpoint.bot.id, "message": without_surrogates(message)}

    def rank(self, data: dict[Any, Any]) -> int:
        return rank(data)

    def answer(self, data: dict[Any, Any], details: ReplyDetails) -> str | None:
        text = data.get("data")
        return without_surrogates(text) if data.get("success") and isinstance(text, str) else None

    def refusal(self, data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
        return error_for_object(data, response)
