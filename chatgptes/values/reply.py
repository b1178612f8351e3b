"""Values that come back from a turn."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .markdown import harmless_markdown

__all__ = ["Citation", "Reply", "Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the site's model counted (int each, None where it does not say)."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A source that the answer names (`aipkit`, from plugin version 2.3.93).

    Attributes:
        url: the source's address (str).
        title: its title (str), or "".
        text: the words of the answer or of the source that it stands for (str), or "".
    """

    url: str
    title: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A bot's answer.  `str(reply)` and `print(reply)` give the text.

    Attributes:
        text: the whole answer (str), as the site sent it.
        site: the page, or with a key the site, that was asked (str).
        bot: the bot's id (str).
        dialect: "wpaicg", "aipkit", "rest", "mwai" or "mwai-rest".
        model: the model's name (str) where the site says it, else None.
        message_id: the site's id of this answer (str), or None; feedback goes by it.
        conversation_id: the id of the conversation it belongs to (str), or None.
        usage: tokens, where the site says them, else None.
        citations: the sources it names (tuple, often empty).
        images: the addresses (str) of pictures that the bot made (`mwai`); the text shows them as
            Markdown.
        finish_reason: why the model stopped (str: "stop", "length", …), where the site says it.
        streamed: True when it came as an event stream, False when it came in one piece.
        elapsed: seconds the turn took, without those that the consumer of a stream took.
    """

    text: str
    site: str = ""
    bot: str = ""
    dialect: str = ""
    model: str | None = None
    message_id: str | None = None
    conversation_id: str | None = None
    usage: Usage | None = None
    citations: tuple[Citation, ...] = ()
    images: tuple[str, ...] = ()
    finish_reason: str | None = None
    streamed: bool = False
    elapsed: float = 0.0

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """The reply as plain JSON values, under the names of its attributes."""
        return asdict(self)

    def _repr_markdown_(self) -> str:
        return harmless_markdown(self.text)
