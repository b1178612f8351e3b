"""LangChain's messages in the library's shape, and a `Reply` in LangChain's."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from ...errors import InvalidMessageError
from ...values.reply import Reply, Usage
from .stop import StopFilter

__all__ = ["PROVIDER", "check_blocks", "chunk_of", "client_messages", "last_chunk", "result_of"]

PROVIDER = "chatgptes"
"""The provider's name in `response_metadata["model_provider"]` and traces."""

_ROLES = {"human": "user", "ai": "assistant", "developer": "system"}


def client_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Return `messages` as `Client.chat` takes them, which checks the rest.

    Raises:
        InvalidMessageError: they call tools, or hold content that no bot takes.
    """
    return [
        {"role": _role(message, where), "content": _content(message, where)}
        for where, message in _placed(messages)
    ]


def _placed(messages: Sequence[BaseMessage]) -> Iterator[tuple[str, BaseMessage]]:
    return ((f"Message {index}", message) for index, message in enumerate(messages))


def _role(message: BaseMessage, where: str) -> str:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, AIMessage):
        if message.tool_calls or message.invalid_tool_calls:
            raise InvalidMessageError(
                f"{where} calls tools: a site's bot has none. Leave out such messages, or write"
                " their gist as text."
            )
        return "assistant"
    if isinstance(message, SystemMessage):
        return "system"
    if isinstance(message, ChatMessage):
        return _ROLES.get(message.role, message.role)
    raise InvalidMessageError(
        f"{where} is a {type(message).__name__}: a site's bot takes user, assistant and system"
        " messages."
    )


def _content(message: BaseMessage, where: str) -> str | list[dict[str, Any]]:
    if isinstance(message.content, str):
        return message.content
    parts = [_part(block, where) for block in _blocks(message, where)]
    return [part for part in parts if part is not None]


def check_blocks(messages: Sequence[BaseMessage]) -> None:
    """Check for content that LangChain itself can't read.

    Raises:
        InvalidMessageError: there is some.
    """
    for where, message in _placed(messages):
        if isinstance(message.content, str):
            continue
        _blocks(message, where)
        for block in message.content:
            if (
                isinstance(block, Mapping)
                and block.get("type") == "image"
                and ("base64" in block or block.get("source_type") == "base64")
                and "mime_type" not in block
            ):
                raise InvalidMessageError(f"{where} has an image in base64 without its mime_type.")


def _blocks(message: BaseMessage, where: str) -> Sequence[Mapping[str, Any]]:
    """Return LangChain's view of any shape: its v0 and v1 blocks, OpenAI's, Anthropic's."""
    try:
        return message.content_blocks
    except (AttributeError, LookupError, TypeError, ValueError):
        # From None: the error may quote what is in the block.
        raise InvalidMessageError(f"{where} has a content block that can't be read.") from None


def _part(block: Mapping[str, Any], where: str) -> dict[str, Any] | None:
    kind = block.get("type")
    if kind == "text":
        return {"type": "text", "text": block.get("text")}  # The client checks that it is a str.
    if kind == "image":
        return _image(block, where)
    if kind == "reasoning":
        return None  # Another model's reasoning is no part of its answer.
    value = block.get("value")
    if kind == "non_standard" and isinstance(value, Mapping):
        kind = value.get("type", kind)
    raise InvalidMessageError(
        f"{where} has content of type {kind!r}: a site's bot takes text, and some take images."
    )


def _image(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    if "base64" in block:
        try:
            data = base64.b64decode("".join(block["base64"].split()), validate=True)
        except (binascii.Error, AttributeError, TypeError, ValueError):
            raise InvalidMessageError(f"{where} has an image whose base64 is damaged.") from None
        return {"type": "image", "image": data}
    if "url" in block:
        # As OpenAI's, for which no file is read: the messages may come from anybody.
        return {"type": "image_url", "image_url": {"url": block["url"]}}
    raise InvalidMessageError(f"{where} has an image without its data: give it as base64.")


def _metadata(reply: Reply) -> dict[str, Any]:
    """Return the known fields of a whole answer for `response_metadata`."""
    known = {
        "model_name": reply.model,
        "site": reply.site,
        "bot": reply.bot,
        "dialect": reply.dialect,
        "finish_reason": reply.finish_reason,
        "message_id": reply.message_id,
        "conversation_id": reply.conversation_id,
        "citations": [asdict(citation) for citation in reply.citations] or None,
        "streamed": reply.streamed,
    }
    return {name: value for name, value in known.items() if value is not None}


def _usage(usage: Usage | None) -> UsageMetadata | None:
    """Return the tokens for LangChain, which wants all three; None where one is not known."""
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    total = usage.total_tokens
    return UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens if total is None else total,
    )


def _cited(text: str, reply: Reply) -> str | list[str | dict[Any, Any]]:
    """Return `text` as content, with the reply's sources as LangChain's annotations."""
    if not reply.citations:
        return text
    sources = []
    for citation in reply.citations:
        known = {"url": citation.url, "title": citation.title, "cited_text": citation.text}
        sources.append({"type": "citation", **{key: each for key, each in known.items() if each}})
    return [{"type": "text", "text": text, "annotations": sources}]


def result_of(reply: Reply) -> ChatResult:
    """Return a whole answer."""
    message = AIMessage(
        content=_cited(reply.text, reply),
        usage_metadata=_usage(reply.usage),
        response_metadata={"model_provider": PROVIDER, **_metadata(reply)},
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def chunk_of(text: str) -> ChatGenerationChunk:
    """Return a chunk in the middle of an answer."""
    return ChatGenerationChunk(
        message=AIMessageChunk(content=text, response_metadata={"model_provider": PROVIDER})
    )


def last_chunk(stopping: StopFilter, reply: Reply) -> ChatGenerationChunk:
    """Return the last chunk of an answer: all its data, and text that was held back."""
    known = {"model_provider": PROVIDER, **_metadata(reply)}
    if stopping.found is not None:
        known["stop_sequence"] = stopping.found
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=_cited(stopping.rest(), reply),
            chunk_position="last",
            usage_metadata=_usage(reply.usage),
            response_metadata=known,
        )
    )
