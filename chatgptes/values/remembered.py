"""Conversations as a site remembers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["RememberedConversation", "SiteConversation"]


@dataclass(frozen=True, slots=True)
class SiteConversation:
    """A conversation in a site's list (`Client.conversations`).

    Attributes:
        id: its id on the site (str), for `Client.conversation(site_id=…)`.
        title: the beginning of its first message, as the site cuts it (str), or "".
        time: the time of its last message (datetime in UTC), or None where the site does not say.
    """

    id: str
    title: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class RememberedConversation:
    """The messages of a conversation that a site remembers.

    Attributes:
        messages: (role, text) pairs, oldest first; roles are "user" and "assistant".
        state: as `ReplyDetails.state` of its last answer.
    """

    messages: tuple[tuple[str, str], ...]
    state: Mapping[str, str] = field(default_factory=dict)

    def pairs(self) -> list[tuple[str, str]]:
        """Return each user's message with its answer; one that was never answered is left out."""
        pairs: list[tuple[str, str]] = []
        asked: str | None = None
        for role, text in self.messages:
            if role == "user":
                asked = text
            elif asked is not None:
                pairs.append((asked, text))
                asked = None
            elif pairs:  # A further message of the same answer.
                question, answer = pairs[-1]
                pairs[-1] = (question, f"{answer}\n\n{text}")
        return pairs
