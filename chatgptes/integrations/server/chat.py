"""Chat completions: the request, checked, and answers in OpenAI's shapes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

from ...values.reply import Citation, Reply, Usage
from .failures import ApiError, invalid_request, unsupported

__all__ = [
    "ChatRequest", "Completion", "annotations_of", "field_of", "finish_reason_of", "json_object",
    "messages_of", "refuse_format", "request_of", "usage_of",
]  # fmt: skip

T = TypeVar("T")


@dataclass(frozen=True)
class ChatRequest:
    """The request of a client, in plain values.

    Attributes:
        messages: in the library's form.
        user: the client's name for its user, or "".
        include_usage: the stream is to end in a chunk with the token counts.
    """

    model: str
    messages: list[Any] = field(repr=False)
    stream: bool
    web_search: bool
    user: str
    include_usage: bool = False


# Fields that change what an answer means, so that to ignore them would answer another request.
_REFUSED = {
    "tools": "A site's bot has no tools that a client could give it.",
    "functions": "A site's bot has no functions that a client could give it.",
    "audio": "A site's bot answers in text.",
    "prediction": "A site's bot takes no predicted output.",
}
_TEXTS = ("text", "refusal", "input_text", "output_text")
_KINDS = {bool: "true or false", str: "a string", list: "a list", dict: "an object"}
_FINISH = {
    "length": "length", "max_tokens": "length", "max_output_tokens": "length",
    "content_filter": "content_filter", "safety": "content_filter",
}  # fmt: skip


def _parse(body: bytes) -> ChatRequest:
    """Read the body of a request for a completion.  Fields that no site has a use for are ignored.

    Raises:
        ApiError: it is no such body, or asks for what no site can do (400).
    """
    value = json_object(body, _REFUSED)
    if value.get("n", 1) not in (1, None):
        raise invalid_request("A site's bot gives one answer: `n` must be 1.", "n")
    if value.get("modalities") not in (None, ["text"]):
        raise unsupported(_REFUSED["audio"], "modalities")
    refuse_format(field_of(value, "response_format", dict), "response_format")
    field_of(value, "web_search_options", dict)
    return request_of(
        value,
        messages_of(field_of(value, "messages", list), "messages"),
        web_search=value.get("web_search_options") is not None,
        include_usage=field_of(field_of(value, "stream_options", dict), "include_usage", bool),
    )


def request_of(
    value: dict[str, Any], messages: list[Any], *, web_search: bool, include_usage: bool = False
) -> ChatRequest:
    """The request of a body whose messages were read."""
    model = field_of(value, "model", str)
    if not model:
        raise invalid_request("`model` is missing: /v1/models lists the names.", "model")
    names = [field_of(value, name, str) for name in ("safety_identifier", "user")]
    stream = field_of(value, "stream", bool)
    return ChatRequest(model, messages, stream, web_search, names[0] or names[1], include_usage)


def json_object(body: bytes, refused: dict[str, str]) -> dict[str, Any]:
    """The JSON object that a body is; one that has a field of `refused`, not empty, is refused."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid_request("The body is no JSON.", None, "invalid_json") from None
    if not isinstance(value, dict):
        raise invalid_request("The body must be a JSON object.", None, "invalid_type")
    for name, why in refused.items():
        if value.get(name):
            raise unsupported(why, name)
    return value


def field_of(value: dict[str, Any], name: str, kind: type[T]) -> T:
    """The value of a field; an empty one where it is missing or null."""
    found = value.get(name)
    if found is None:
        return kind()
    if not isinstance(found, kind):
        raise invalid_request(f"`{name}` must be {_KINDS[kind]}.", name, "invalid_type")
    return found


def refuse_format(form: dict[str, Any], where: str) -> None:
    """Refuse a wish for an answer that is more than text."""
    if form.get("type", "text") != "text":
        text = "A site's bot can't be held to a format: ask for it in the message."
        raise unsupported(text, where)


def messages_of(items: list[Any], where: str) -> list[Any]:
    """The messages in the library's form, which a turn checks.

    Without empty ones of the system and the bot, as chat windows send them: a system prompt that
    nobody has filled in, and an answer that was stopped before its first word.
    """
    messages = [_message(item, f"{where}[{index}]") for index, item in enumerate(items)]
    return [each for each in messages if not _is_empty(each)]


def _is_empty(message: Any) -> bool:
    if not isinstance(message, dict) or message["role"] not in ("system", "assistant"):
        return False
    content = message["content"] or []
    parts = [{"text": content}] if isinstance(content, str) else content
    return isinstance(parts, list) and not any(part.get("text", "x").strip() for part in parts)


def _message(item: Any, where: str) -> Any:
    if not isinstance(item, dict):
        return item
    role, content = item.get("role"), item.get("content")
    if role in ("tool", "function") or item.get("tool_calls") or item.get("function_call"):
        raise unsupported(f"{where} belongs to a tool, and a site's bot has none.", where)
    if isinstance(content, list):
        content = [_part(part, where) for part in content]
    return {"role": "system" if role == "developer" else role, "content": content}


def _part(part: Any, where: str) -> dict[str, Any]:
    """A part of a message, of either API.

    Only `data:` URLs pass as images: the library also takes the paths of files, which a client of
    the server must not read.
    """
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get("refusal" if kind == "refusal" else "text") if kind in _TEXTS else None
    if isinstance(text, str):
        return {"type": "text", "text": text}
    if kind not in ("image_url", "input_image"):
        raise unsupported(f"{where} has a part that is neither text nor an image.", where)
    inner = part.get("image_url")
    url = inner.get("url") if isinstance(inner, dict) else inner
    if not isinstance(url, str) or url[:5].lower() != "data:":
        raise invalid_request(
            f"{where} has an image that is no data: URL, and the server fetches nothing: send the"
            " picture itself, in base64.",
            where,
            "invalid_image_url",
        )
    return {"type": "image_url", "image_url": {"url": url}}


class Completion:
    """One answer on its way to a client; `model` is the model's name.

    Attributes:
        fields: the names that a request of this form has for fields of a completion's.
    """

    parse = staticmethod(_parse)
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
