"""Answers in OpenAI's shapes: a completion, and the chunks of a streamed one."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import uuid4

from ...values.reply import Citation, Reply, Usage
from .failures import ApiError
from .requests import ChatRequest, parse_chat

__all__ = ["Completion", "annotations_of", "finish_reason_of", "usage_of"]

_FINISH = {
    "length": "length", "max_tokens": "length", "max_output_tokens": "length",
    "content_filter": "content_filter", "safety": "content_filter",
}  # fmt: skip


class Completion:
    """One answer on its way to a client; `model` is the model's name.

    Attributes:
        fields: the names that a request of this form has for fields of a completion's.
    """

    parse = staticmethod(parse_chat)
    fields: ClassVar[Mapping[str, str]] = {}

    def __init__(self, model: str, request: ChatRequest) -> None:
        self._head = {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._include_usage = request.include_usage
        # A stream's chunks differ in their text alone: the rest is put into JSON once.
        self._before, self._after = self._event({"content": "\0"}).split(b'"\\u0000"')

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The completion of a request without a stream."""
        message = {
            "role": "assistant",
            "content": reply.text,
            "refusal": None,
            "annotations": annotations_of(reply.citations, reply.text),
        }
        choice = _choice("message", message, finish_reason_of(reply))
        usage = usage_of(reply.usage, "prompt_tokens", "completion_tokens")
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage}

    def first(self) -> bytes:
        """The event that begins a stream: the role."""
        return self._event({"role": "assistant", "content": "", "refusal": None})

    def texts(self, chunks: Sequence[str]) -> bytes:
        """An event for each chunk of text."""
        before, after = self._before, self._after
        return b"".join(b"%b%b%b" % (before, json.dumps(one).encode(), after) for one in chunks)

    def last(self, reply: Reply) -> bytes:
        """The events that end a stream: why it ended, its sources, and the token counts."""
        delta: dict[str, Any] = {}
        if reply.citations:
            delta["annotations"] = annotations_of(reply.citations, reply.text)
        events = self._event(delta, finish_reason_of(reply))
        if self._include_usage:
            usage = usage_of(reply.usage, "prompt_tokens", "completion_tokens")
            events += _event_of({**self._head, "choices": [], "usage": usage})
        return events + b"data: [DONE]\n\n"

    def error(self, error: ApiError) -> bytes:
        """The event that ends a stream which failed."""
        return _event_of(error.body())

    def _event(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        value: dict[str, Any] = {**self._head, "choices": [_choice("delta", delta, finish_reason)]}
        if self._include_usage:
            value["usage"] = None  # Every chunk has the member then.
        return _event_of(value)


def _choice(name: str, value: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, name: value, "logprobs": None, "finish_reason": finish_reason}


def _event_of(value: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(value, separators=(",", ":")).encode()


def finish_reason_of(reply: Reply) -> str:
    """The reply's finish reason in OpenAI's words; "stop" where the site gives none."""
    return _FINISH.get((reply.finish_reason or "").lower(), "stop")


def usage_of(usage: Usage | None, read: str, written: str) -> dict[str, Any] | None:
    """The token counts under these names, or None where the site does not give them."""
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    total = usage.total_tokens
    if total is None:
        total = usage.input_tokens + usage.output_tokens
    return {read: usage.input_tokens, written: usage.output_tokens, "total_tokens": total}


def annotations_of(citations: Sequence[Citation], text: str) -> list[dict[str, Any]]:
    """The sources of an answer.

    Their places are those of the words that a source stands for, where the site says which and the
    answer has them; else 0 and 0.
    """
    annotations = []
    for citation in citations:
        start = text.find(citation.text) if citation.text else -1
        place = {
            "start_index": max(start, 0),
            "end_index": start + len(citation.text) if start >= 0 else 0,
            "title": citation.title,
            "url": citation.url,
        }
        annotations.append({"type": "url_citation", "url_citation": place})
    return annotations
