"""All that comes of a turn, beside its error."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..sites.dialect import Decoder, Endpoint

__all__ = ["Answer", "place_of"]


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
