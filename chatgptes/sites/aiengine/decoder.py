"""The answer of an `mwai` bot: the plugin's own event stream, or one JSON object.

The type says nothing: a streamed turn that ends before its model is called has its events under
`application/json`, and PHP warnings can stand in front of either.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ...errors import ChatGptEsError, EmptyReplyError
from ...values.http import Limits
from ..decoder import BodyDecoder, usage_from
from ..dialect import BufferedResponse, Question
from ..text import clean_text, is_blank, parse_event, string_or_empty, without_surrogates
from .page import header_nonce
from .refusals import error_for_object, plugin_refusal, rank

__all__ = ["MwaiDecoder", "chat_id"]

_MOST_IMAGES = 100
_CHAT, _LEFT = "mwai_chat", "mwai_left"
_NOT_IN_MARKDOWN = frozenset(" ()<>")


def chat_id(question: Question) -> str:
    """Return the `chatId` of a turn: the same for a question, whenever it is asked for.

    The memory is the client's: every turn brings its history.  But where the owner keeps
    discussions, 2.8.4 continues from what it has stored under the `chatId`, and drops the history
    that was sent.  So the id stays only as long as the history is exactly what the turn before
    left, and is new otherwise: after a failed turn, for a list of messages, for another bot.
    """
    known = question.state.get(_CHAT)
    if known and question.state.get(_LEFT) == _digest(question, question.history):
        return known
    return question.id


def _state_after(question: Question, text: str) -> dict[str, str]:
    """The state for the next turn, if this one's answer is `text`."""
    history = (*question.history, ("user", question.prompt), ("assistant", text))
    return {_CHAT: chat_id(question), _LEFT: _digest(question, history)}


def _digest(question: Question, history: Sequence[tuple[str, str]]) -> str:
    where = [question.endpoint.url, question.endpoint.bot.id]
    written = json.dumps([where, [list(pair) for pair in history]])
    return hashlib.sha256(written.encode()).hexdigest()


class MwaiDecoder(BodyDecoder):
    """Decodes the answer of one turn.  See `Decoder`.

    The `reply` in the `end` event is the whole text, and decides.  Text that was handed on can't be
    taken back, so where the owner's filters have changed more than the end of it, the answer stays
    as it was streamed.

    A model that fails in mid-answer can't be told from one that has finished: all versions but
    2.2.95 then send a good `end` with the part as `reply`.
    """

    rank = staticmethod(rank)

    def __init__(self, question: Question, head: BufferedResponse, limits: Limits) -> None:
        super().__init__(head, limits)
        self._question = question
        self._live: list[str] = []
        # The current nonce: all versions send it with the answer to a good one.
        self.details.nonce = header_nonce(head.headers.get("x-wp-nonce")) or None

    def _event(self, name: str, value: str) -> str:
        data = self._parse(value)
        kind = data.get("type") if isinstance(data, dict) else None
        text = ""
        if kind == "live":
            # Another subtype is a status, a tool's call, the model's thinking: no text.
            if data.get("subtype") in (None, "content"):
                text = string_or_empty(data.get("data"))
                self._live.append(text)
        elif kind == "end":
            text = self._finish(data.get("data"))
            self.complete = True
        elif kind == "error":
            raise self._failed(data.get("data"))
        return text

    def _failed(self, message: object) -> ChatGptEsError:
        if self._has_text:
            return self._upstream(message)
        return plugin_refusal(message, self._response)

    def _finish(self, written: object) -> str:
        """The text that is missing yet at the `end` event."""
        answer = parse_event(written) if isinstance(written, str) else written
        live = without_surrogates("".join(self._live))
        if not isinstance(answer, dict):
            # A mark without its answer: what was streamed is all there is.
            return self._completed(live, "", {})
        if answer.get("success") is False:
            raise self._failed(answer.get("message"))
        reply = without_surrogates(string_or_empty(answer.get("reply")))
        missing = reply[len(live) :] if reply.startswith(live) else ""
        if is_blank(live) and not missing:
            # Blanks alone are no answer that the whole one could contradict.
            missing = reply
        return self._completed(live, missing, answer)

    def _completed(self, before: str, missing: str, answer: dict[Any, Any]) -> str:
        """Note what an answer says besides its text, and return the text that is missing yet."""
        details = self.details
        details.usage = usage_from(answer.get("usage"))
        details.message_id = clean_text(answer.get("responseId"), 200) or None
        details.nonce = header_nonce(answer.get("new_token")) or details.nonce
        images = answer.get("images")
        for item in images[:_MOST_IMAGES] if isinstance(images, list) else ():
            address = clean_text(item, 2000)
            if not address.startswith(("http://", "https://")):
                continue
            details.images.append(address)
            if address not in before + missing and not _NOT_IN_MARKDOWN & set(address):
                gap = "\n\n" if not is_blank(before + missing) else ""
                missing += f"{gap}![Image]({address})"
        text = before + missing
        if is_blank(text):
            if answer.get("actions"):
                message = "The bot answered with an action for its page's script, and with no text."
                raise self._make_error(EmptyReplyError, message)
            raise self._empty_error()
        details.state = _state_after(self._question, text)
        return missing

    def _ended(self) -> str:
        if self.complete:
            return ""
        raise self._broke_off()

    def _object(self, data: dict[Any, Any]) -> str | None:
        if error := error_for_object(data, self._response):
            raise error
        if data.get("success") and isinstance(data.get("reply"), str):
            return self._completed("", without_surrogates(data["reply"]), data)
        return None
