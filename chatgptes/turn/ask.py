"""One turn's question before its dialect is known, and all that comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..sites.dialect import Decoder, Endpoint
from ..values.messages import Message

__all__ = ["Answer", "Ask", "place_of"]


@dataclass(frozen=True)
class Ask:
    """A turn's question, whatever the dialect turns out to be.

    Attributes:
        messages: the whole conversation, the new user message last.
        system: text put before its first user message, or None.
        visitor: the visitor's id.
        conversation: the conversation's id.
        place: the bot that gave the answers so far ("" for none): see `place_of`.
        state: what the last turn left, for the same place.
        uploaded: see `Question.uploaded`.
    """

    messages: Sequence[Message]
    system: str | None
    visitor: str
    conversation: str
    place: str = ""
    state: Mapping[str, str] = field(default_factory=dict)
    uploaded: dict[int, str] = field(default_factory=dict)


@dataclass
class Answer:
    """A turn's findings, filled in as it goes.

    Attributes:
        endpoint: the bot that was asked.
        decoder: knows all that came beside the text.
        conversation: the id under which it was asked.
        place: see `place_of`.
        accepted: the site has taken a part of the question at `endpoint`, such as its message.
        text: the chunks that were handed on.
    """

    endpoint: Endpoint | None = None
    decoder: Decoder | None = None
    conversation: str = ""
    place: str = ""
    accepted: bool = False
    text: list[str] = field(default_factory=list)


def place_of(endpoint: Endpoint) -> str:
    """Dialect, bot and address: where a site's memory of a conversation is, if it has one.

    The state of the last turn means something only there.
    """
    return f"{endpoint.bot.dialect} {endpoint.bot.id} {endpoint.url}"
