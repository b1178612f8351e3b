"""Capabilities of the bots of a page, by the declarations of their dialects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..sites import dialect
from ..sites.dialect import Endpoint
from ..sites.extras import capabilities
from ..values.text import sanitize_line

__all__ = ["WORDS", "BotCapabilities", "capabilities_of"]

WORDS: Mapping[bool | None, str] = {True: "yes", False: "no", None: "not said"}


@dataclass(frozen=True, slots=True)
class BotCapabilities:
    """Capabilities of one bot of the page.

    Attributes:
        id: the bot's id (str).
        name: what the page calls it (str), or "".
        dialect: its dialect (str).
        can: by name ("streaming", "images", "feedback", …), True, False, or None where its page
            does not say (mapping of str to bool or None).
    """

    id: str
    name: str
    dialect: str
    can: Mapping[str, bool | None] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Give it as lines of text."""
        yield f"  bot {self.id} ({self.dialect})"
        for can, word in WORDS.items():
            names = [name for name, each in self.can.items() if each is can]
            if names:
                yield f"    {word:8} {', '.join(names)}"


def capabilities_of(endpoints: Iterable[Endpoint]) -> tuple[BotCapabilities, ...]:
    """Return what bots can do; their ids and names made fit for a terminal."""
    return tuple(
        BotCapabilities(
            sanitize_line(each.bot.id),
            sanitize_line(each.bot.name),
            each.bot.dialect,
            capabilities(each, dialect(each.bot.dialect)),
        )
        for each in endpoints
    )
