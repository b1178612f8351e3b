"""`/v1/responses`: its request, and answers in its shapes.  Nothing is stored between requests."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import uuid4

from ...values.reply import Reply
from . import chat
from .failures import ApiError, invalid_request, unsupported

__all__ = ["ResponseForm"]

_STORED = "Nothing is stored here: send the whole conversation as `input`."
_REFUSED = {
    "previous_response_id": _STORED,
    "conversation": _STORED,
    "background": "Answers come at once: `background` is not offered.",
    "prompt": "There are no stored prompts here.",
}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _parse(body: bytes) -> chat.ChatRequest:
    value = chat.json_object(body, _REFUSED)
    tools = chat.field_of(value, "tools", list)
    for tool in tools:
        if not isinstance(tool, dict) or not str(tool.get("type")).startswith("web_search"):
            raise unsupported("A site's bot has no tools but a web search.", "tools")
    text = chat.field_of(value, "text", dict)
    chat.refuse_format(chat.field_of(text, "format", dict), "text.format")
    given = value.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not items:
        raise invalid_request("`input` must be a text or a list of messages.", "input")
    instructions = {"role": "system", "content": chat.field_of(value, "instructions", str)}
    messages = chat.messages_of([instructions], "instructions")
    messages += chat.messages_of([_item(item) for item in items], "input")
    return chat.request_of(value, messages, web_search=bool(tools))


def _item(item: Any) -> Any:
    """An item of `input` as a message of a completion; what is none is left as it is."""
    if isinstance(item, dict) and item.get("type", "message") != "message":
        return {"role": "tool"}  # Calls of functions, reasoning, and the like.
    return item


class ResponseForm:
    """One answer on its way to a client; see `Completion`."""

    parse = staticmethod(_parse)
    fields: ClassVar[Mapping[str, str]] = {"messages": "input", "web_search_options": "tools"}

    def __init__(self, model: str, request: chat.ChatRequest) -> None:
        self._response: dict[str, Any] = {
            "id": f"resp_{uuid4().hex}",
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": model,
            "output": [],
            "parallel_tool_calls": False,
            "store": False,
            "temperature": None,
            "text": {"format": {"type": "text"}},
            "tool_choice": "none",
            "tools": [],
            "top_p": None,
            "usage": None,
        }
        item_id = f"msg_{uuid4().hex}"
        self._item: dict[str, Any] = {
            "id": item_id, "type": "message", "status": "in_progress", "role": "assistant",
            "content": [],
        }  # fmt: skip
        self._place = {"item_id": item_id, "output_index": 0, "content_index": 0}
        self._number = 0

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The response of a request without a stream."""
        reason = _INCOMPLETE.get(chat.finish_reason_of(reply))
        status = "incomplete" if reason else "completed"
        citations = [
            {"type": each["type"], **each["url_citation"]}
            for each in chat.annotations_of(reply.citations, reply.text)
        ]
        usage = chat.usage_of(reply.usage, "input_tokens", "output_tokens")
        if usage is not None:
            usage["input_tokens_details"] = {"cached_tokens": 0}
            usage["output_tokens_details"] = {"reasoning_tokens": 0}
        item = {**self._item, "status": status, "content": [_text_part(reply.text, citations)]}
        return {
            **self._response,
            "status": status,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": [item],
            "usage": usage,
        }

    def first(self) -> bytes:
        """The events that begin a stream."""
        return (
            self._event("response.created", response=self._response)
            + self._event("response.in_progress", response=self._response)
            + self._event("response.output_item.added", output_index=0, item=self._item)
            + self._event("response.content_part.added", **self._place, part=_text_part("", []))
        )

    def texts(self, chunks: Sequence[str]) -> bytes:
        """An event for each chunk of text."""
        kind, place = "response.output_text.delta", self._place
        return b"".join(self._event(kind, **place, delta=one, logprobs=[]) for one in chunks)

    def last(self, reply: Reply) -> bytes:
        """The events that end a stream."""
        whole = self.whole(reply)
        (item,) = whole["output"]
        (part,) = item["content"]
        kind, place = "response.output_text.annotation.added", self._place
        events = [
            self._event(kind, **place, annotation_index=index, annotation=each)
            for index, each in enumerate(part["annotations"])
        ]
        events += [
            self._event("response.output_text.done", **place, text=reply.text, logprobs=[]),
            self._event("response.content_part.done", **place, part=part),
            self._event("response.output_item.done", output_index=0, item=item),
            self._event(f"response.{whole['status']}", response=whole),
        ]
        return b"".join(events)

    def error(self, error: ApiError) -> bytes:
        """The event that ends a stream which failed."""
        return self._event("error", code=error.code, message=error.message, param=error.param)

    def _event(self, kind: str, **fields: Any) -> bytes:
        value = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        data = json.dumps(value, separators=(",", ":"))
        return f"event: {kind}\ndata: {data}\n\n".encode()


def _text_part(text: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}
