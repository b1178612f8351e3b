"""LangChain's messages in the library's shape, and a `Reply` in LangChain's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from ...values.reply import Reply

__all__ = ["PROVIDER", "chunk_of", "client_messages", "last_chunk", "result_of"]

PROVIDER = "chatgptes"
"""The provider's name in `response_metadata["model_provider"]` and traces."""

_ROLES = {"human": "user", "ai": "assistant", "developer": "system"}


def client_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Return `messages` as `Client.chat` takes them, which checks the rest.

    Raises:
        InvalidMessageError: they call tools, or hold content that no bot takes.
    """
    return [
        {"role": _role(message, f"Message {i}"), "content": _content(message, f"Message {i}")}
        for i, message in enumerate(messages)
    ]


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
    try:
        # LangChain's view of any shape: its v0 and v1 blocks, OpenAI's, Anthropic's.
        blocks = message.content_blocks
    except (AttributeError, LookupError, TypeError, ValueError):
        # From None: the error may quote what is in the block.
        raise InvalidMessageError(f"{where} has a content block that can't be read.") from None
    # Another model's reasoning is no part of its answer.
    return [_part(block, where) for block in blocks if block.get("type") != "reasoning"]


def _part(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    kind, url = block.get("type"), block.get("url")
    if kind == "text":
        return {"type": "text", "text": block.get("text")}  # The client checks that it is a str.
    if "base64" in block:
        url = f"data:{block.get('mime_type')};base64,{block['base64']}"
    if kind != "image" or url is None:
        value = block.get("value")
        if kind == "non_standard" and isinstance(value, Mapping):
            kind = value.get("type", kind)
        raise InvalidMessageError(
            f"{where} has content of type {kind!r} that can't be sent: a site's bot takes text, and"
            " some take images, in base64."
        )
    # As OpenAI's, for which no file is read: the messages may come from anybody.
    return {"type": "image_url", "image_url": {"url": url}}


def _fields(reply: Reply, text: str) -> dict[str, Any]:
    """Return `text` as a message's content, and the data of the reply beside it."""
    known = reply.to_dict()
    known["model_name"] = known.pop("model")
    known["citations"] = list(known["citations"])
    for name in ("text", "usage", "elapsed"):
        del known[name]
    content: Any = text
    if reply.citations:  # As LangChain's annotations, too.
        sources = []
        for citation in reply.citations:
            source = {"url": citation.url, "title": citation.title, "cited_text": citation.text}
            filled = {name: value for name, value in source.items() if value}
            sources.append({"type": "citation", **filled})
        content = [{"type": "text", "text": text, "annotations": sources}]
    usage, counts = None, reply.usage
    if counts and counts.input_tokens is not None and counts.output_tokens is not None:
        total = counts.input_tokens + counts.output_tokens
        usage = UsageMetadata(
            input_tokens=counts.input_tokens,
            output_tokens=counts.output_tokens,
            total_tokens=total if counts.total_tokens is None else counts.total_tokens,
        )
    metadata = {name: value for name, value in known.items() if value not in (None, (), [])}
    return {
        "content": content,
        "usage_metadata": usage,
        "response_metadata": {"model_provider": PROVIDER, **metadata},
    }


def result_of(reply: Reply) -> ChatResult:
    """Return a whole answer."""
    message = AIMessage(**_fields(reply, reply.text))
    return ChatResult(generations=[ChatGeneration(message=message)])


def chunk_of(text: str) -> ChatGenerationChunk:
    """Return a chunk in the middle of an answer."""
    return ChatGenerationChunk(
        message=AIMessageChunk(content=text, response_metadata={"model_provider": PROVIDER})
    )


def last_chunk(reply: Reply, rest: str, stop: str | None) -> ChatGenerationChunk:
    """Return the last chunk of an answer: its data, and text that was held back.

    Args:
        stop: the stop sequence that ended the answer, or None.
    """
    fields = _fields(reply, rest)
    if stop is not None:
        fields["response_metadata"]["stop_sequence"] = stop
    return ChatGenerationChunk(message=AIMessageChunk(chunk_position="last", **fields))
