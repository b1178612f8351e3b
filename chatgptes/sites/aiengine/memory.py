"""Which `chatId` a turn goes by.

The memory is the client's: every turn brings its history.  But where the owner keeps discussions,
2.8.4 continues from what it has stored under the `chatId`, and drops the history that was sent.  So
the id stays only as long as the history is exactly what the turn before left, and is new otherwise:
after a failed turn, for a list of messages, for another bot.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from ..dialect import Question

__all__ = ["chat_id", "state_after"]

_CHAT, _LEFT = "mwai_chat", "mwai_left"


def chat_id(question: Question) -> str:
    """Return the `chatId` of a turn: the same for a question, whenever it is asked for."""
    known = question.state.get(_CHAT)
    if known and question.state.get(_LEFT) == _digest(question, question.history):
        return known
    return question.id


def state_after(question: Question, text: str) -> dict[str, str]:
    """Return what the next turn must bring along, if this one's answer is `text`."""
    history = (*question.history, ("user", question.prompt), ("assistant", text))
    return {_CHAT: chat_id(question), _LEFT: _digest(question, history)}


def _digest(question: Question, history: Sequence[tuple[str, str]]) -> str:
    where = [question.endpoint.url, question.endpoint.bot.id]
    written = json.dumps([where, [list(pair) for pair in history]])
    return hashlib.sha256(written.encode()).hexdigest()
