"""The owner's REST API (plugin 2.3 and later): any history, and no streaming."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...errors import ResponseError, UnexpectedStatusError
from ..challenge import is_gate
from ..details import usage_from
from ..dialect import BufferedResponse, Question, ReplyDetails
from ..owner import KeyDialect
from ..response import make_error
from ..text import clean_text, role_and_content
from .plugin import AiPower

__all__ = ["Rest"]


class Rest(AiPower, KeyDialect):
    """AI Power's API for the owner."""

    name = "rest"
    namespace = "aipkit/v1"
    access = "the plugin's REST access"
    since = "2.3"

    def is_bot_id(self, bot_id: str) -> bool:
        return bot_id.isascii() and bot_id.isdigit()

    def route(self, bot_id: str) -> str:
        return f"{self.namespace}/chat/{quote(bot_id, safe='')}/message"

    def body(self, question: Question) -> dict[str, Any]:
        return {"messages": role_and_content((*question.history, ("user", question.prompt)))}

    def rank(self, data: dict[Any, Any]) -> int:
        if isinstance(data.get("reply"), str):
            return 2
        return "reply" in data or ("code" in data and "message" in data) or is_gate(data)

    def answer(self, data: dict[Any, Any], details: ReplyDetails) -> str | None:
        if not isinstance(data.get("reply"), str):
            return None
        details.model = clean_text(data.get("model"), 200) or None
        details.usage = usage_from(data.get("usage"))
        return str(data["reply"])

    def refusal(self, data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
        code, said = clean_text(data.get("code")), data.get("message")
        if not code:
            return None
        if response.status >= 500:
            why = f"itself failed (status {response.status}), as it also does for an unknown bot id"
        else:
            why = f"refused the message (status {response.status}, {code})"
        return make_error(UnexpectedStatusError, f"The site {why}.", response, said, code)
