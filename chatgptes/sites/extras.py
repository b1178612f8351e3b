"""Things that a dialect may offer beside its turns: feedback, and the site's own memory.

As with turns, a dialect makes requests and reads responses; `turn/extras.py` sends them.
`capabilities` says which of all that a bot has.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ..values.http import Request
from ..values.remembered import RememberedConversation, SiteConversation
from ..values.reply import Reply
from .dialect import BufferedResponse, Dialect, Endpoint

__all__ = ["KeepsConversations", "TakesFeedback", "capabilities"]

# Each `check_done` and `…_from` raises a `ResponseError` for a response (2xx) that says no.


@runtime_checkable
class TakesFeedback(Protocol):
    """A dialect whose sites take a thumb for an answer.

    Attributes:
        takes_comment: and a comment with it.
    """

    takes_comment: bool

    def feedback_request(
        self, endpoint: Endpoint, visitor: str, reply: Reply, *, up: bool, comment: str
    ) -> Request:
        """Return the request that gives feedback on `reply`."""
        ...

    def check_done(self, response: BufferedResponse) -> None:
        """Check the response to a feedback, or to a deletion."""
        ...


@runtime_checkable
class KeepsConversations(Protocol):
    """A dialect whose sites remember a visitor's conversations, and give them out."""

    def list_request(self, endpoint: Endpoint, visitor: str) -> Request:
        """Return the request for the list of a visitor's conversations."""
        ...

    def list_from(self, response: BufferedResponse) -> list[SiteConversation]:
        """Return the conversations in the response to `list_request`."""
        ...

    def history_request(self, endpoint: Endpoint, visitor: str, conversation: str) -> Request:
        """Return the request for the messages of a conversation."""
        ...

    def history_from(self, response: BufferedResponse) -> RememberedConversation:
        """Return the messages in the response to `history_request`."""
        ...

    def deletion_request(self, endpoint: Endpoint, visitor: str, conversation: str) -> Request:
        """Return the request that deletes a conversation."""
        ...

    def check_done(self, response: BufferedResponse) -> None:
        """See `TakesFeedback.check_done`."""
        ...


def capabilities(endpoint: Endpoint, its_dialect: Dialect) -> dict[str, bool | None]:
    """Return what a bot can do, by name; None where its page does not say."""
    bot = endpoint.bot
    keeps = isinstance(its_dialect, KeepsConversations)
    thumbs = its_dialect if isinstance(its_dialect, TakesFeedback) and endpoint.thumbs else None
    return {
        "streaming": its_dialect.streams,
        "images": bot.images,
        "web search": bot.web_search,
        "greeting": bool(bot.greeting),
        "starters": bool(bot.starters),
        "consent asked": bool(bot.consent),
        "feedback": thumbs is not None,
        "feedback comment": thumbs is not None and thumbs.takes_comment,
        "memory on the site": its_dialect.remembers,
        "conversation list": keeps,
        "conversation deletion": keeps,
        "forms": its_dialect.forms,
        "quota buttons": its_dialect.quota_buttons,
    }
