"""Answers in OpenAI's shapes: a completion, and the chunks of a streamed one."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from ...values.reply import Citation, Reply, Usage
from .failures import ApiError
from .requests import ChatRequest

__all__ = ["DONE", "Completion", "annotations_of", "finish_reason_of", "usage_of"]

DONE = b"data: [DONE]\n\n"

_FINISH = {
    "length": "length", "max_tokens": "length", "max_output_tokens": "length",
    "content_filter": "content_filter", "safety": "content_filter",
}  # fmt: skip


class Completion:
    """One answer on its way to a client.

    Args:
        model: the model's name, as the client knows it.
        request: what was asked; with `include_usage` a stream's chunks have a member `usage`.
    """

    def __init__(self, model: str, request: ChatRequest) -> None:
        self.id = f"chatcmpl-{uuid4().hex}"
        self.created = int(time.time())
        self._model = model
        self._include_usage = request.include_usage
        # A stream's chunks differ in their text alone: the rest is put into JSON once.
        before, after = self._event({"content": "\0"}).split(b'"\\u0000"')
        self._before, self._after = before, after

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The completion of a request without a stream."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": reply.text,
            "refusal": None,
            "annotations": annotations_of(reply.citations, reply.text),
        }
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self._model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": finish_reason_of(reply),
                }
            ],
            "usage": usage_of(reply.usage),
        }

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
            events += event_of({**self._head(), "choices": [], "usage": usage_of(reply.usage)})
        return events + DONE

    def error(self, error: ApiError) -> bytes:
        """The event that ends a stream which failed."""
        return event_of(error.body())

    def _head(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self._model,
        }

    def _event(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        value = {**self._head(), "choices": [choice]}
        if self._include_usage:
            value["usage"] = None
        return event_of(value)


def event_of(value: Any) -> bytes:
    """A server-sent event that holds `value` as JSON."""
    return b"data: %b\n\n" % json.dumps(value, separators=(",", ":")).encode()


def finish_reason_of(reply: Reply) -> str:
    """The reply's finish reason in OpenAI's words; "stop" where the site gives none."""
    return _FINISH.get((reply.finish_reason or "").lower(), "stop")


def usage_of(usage: Usage | None) -> dict[str, int] | None:
    """The token counts, or None where the site does not give them all."""
    if usage is None:
        return None
    asked, said, both = usage.input_tokens, usage.output_tokens, usage.total_tokens
    if both is None and asked is not None and said is not None:
        both = asked + said
    elif both is not None and asked is not None and said is None:
        said = both - asked
    elif both is not None and said is not None and asked is None:
        asked = both - said
    if asked is None or said is None or both is None:
        return None
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": both}


def annotations_of(citations: Sequence[Citation], text: str) -> list[dict[str, Any]]:
    """The sources of an answer.

    Their places are those of the words that a source stands for, where the site says which and the
    answer has them; else 0 and 0.
    """
    annotations = []
    for citation in citations:
        start = text.find(citation.text) if citation.text else -1
        end = start + len(citation.text) if start >= 0 else 0
        place = {
            "start_index": max(start, 0),
            "end_index": end,
            "title": citation.title,
            "url": citation.url,
        }
        annotations.append({"type": "url_citation", "url_citation": place})
    return annotations
