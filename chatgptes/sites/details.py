"""Facts that come with an answer's text."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..values.reply import Citation, Usage

__all__ = ["ReplyDetails", "usage_from"]


@dataclass(slots=True)
class ReplyDetails:
    """Facts that come with an answer's text: see `Reply`, whose fields most of them are.

    Attributes:
        state: what the conversation's next turn must bring along (`Question.state`).
        nonce: a fresher nonce that came with the answer.
    """

    model: str | None = None
    message_id: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    citations: list[Citation] = field(default_factory=list)
    state: dict[str, str] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    nonce: str | None = None


def usage_from(value: object) -> Usage | None:
    """Return token counts as OpenAI's two APIs and the plugins' REST APIs name them."""
    if not isinstance(value, dict):
        return None

    def count(*names: str) -> int | None:
        numbers = (value.get(name) for name in names)
        return next((number for number in numbers if type(number) is int and number >= 0), None)

    usage = Usage(
        count("input_tokens", "prompt_tokens"),
        count("output_tokens", "completion_tokens"),
        count("total_tokens"),
    )
    return None if usage == Usage() else usage
