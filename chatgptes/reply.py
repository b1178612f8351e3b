"""Values that come back from a turn."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

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


_RAW_HTML = re.compile(r"<(?=[A-Za-z/!?])")
_MARKDOWN_LINK_SCHEME = re.compile(
    r"(\]\(\s*<?\s*|^\s*\[[^\]]+\]:\s*<?\s*)([a-z][a-z0-9+.\-]*):", re.IGNORECASE | re.MULTILINE
)
_SAFE_SCHEMES = frozenset({"http", "https", "mailto"})


def harmless_markdown(text: str) -> str:
    """`text` as Markdown in which raw HTML and script links do nothing."""
    text = _RAW_HTML.sub("&lt;", text)
    return _MARKDOWN_LINK_SCHEME.sub(
        lambda m: m[0] if m[2].lower() in _SAFE_SCHEMES else f"{m[1]}unsafe-{m[2]}:", text
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """What the bot said.  `str(reply)` and `print(reply)` give the text.

    Attributes:
        text: the whole answer (str), as the site sent it.
        site: the page, or with a key the site, that was asked (str).
        bot: the bot's id (str).
        dialect: "wpaicg", "aipkit" or "rest".
        model: the model's name (str) where the site says it, else None.
        message_id: the site's id of this answer (str), or None.
        conversation_id: the id of the conversation it belongs to (str), or None.
        usage: tokens, where the site says them, else None.
        citations: the sources it names (tuple, often empty).
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
    citations: tuple[Citation, ...] = field(default=())
    finish_reason: str | None = None
    streamed: bool = False
    elapsed: float = 0.0

    def __str__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return harmless_markdown(self.text)
