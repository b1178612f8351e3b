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


@runtime_checkable
class TakesFeedback(Protocol):
    """A dialect whose sites take a thumb for an answer.

    Attributes:
        takes_comment: and a comment with it.
    """

    takes_comment: bool

    def offers_feedback(self, endpoint: Endpoint) -> bool:
        """Tell whether the bot's window has thumbs."""
        ...

    def feedback_request(
        self, endpoint: Endpoint, visitor: str, reply: Reply, *, up: bool, comment: str
    ) -> Request:
        """Return the request that gives feedback on `reply`."""
        ...

    def check_done(self, response: BufferedResponse) -> None:
        """Raise if a response (2xx) to a feedback, or a deletion, says that it failed.

        Raises:
            ResponseError: it does.
        """
        ...


@runtime_checkable
class KeepsConversations(Protocol):
    """A dialect whose sites remember a visitor's conversations, and give them out."""

    def list_request(self, endpoint: Endpoint, visitor: str) -> Request:
        """Return the request for the list of a visitor's conversations."""
        ...

    def list_from(self, response: BufferedResponse) -> list[SiteConversation]:
        """Return the conversations in the response (2xx) to `list_request`.

        Raises:
            ResponseError: it holds no list.
        """
        ...

    def history_request(self, endpoint: Endpoint, visitor: str, conversation: str) -> Request:
        """Return the request for the messages of a conversation."""
        ...

    def history_from(self, response: BufferedResponse) -> RememberedConversation:
        """Return the messages in the response (2xx) to `history_request`.

        Raises:
            ResponseError: it holds none.
        """
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
    thumbs = isinstance(its_dialect, TakesFeedback) and its_dialect.offers_feedback(endpoint)
    return {
        "streaming": its_dialect.streams,
        "images": bot.images,
        "web search": bot.web_search,
        "greeting": bool(bot.greeting),
        "starters": bool(bot.starters),
        "consent asked": bool(bot.consent),
        "feedback": thumbs,
        "feedback comment": isinstance(its_dialect, TakesFeedback)
        and thumbs
        and its_dialect.takes_comment,
        "memory on the site": its_dialect.remembers,
        "conversation list": keeps,
        "conversation deletion": keeps,
        "forms": its_dialect.forms,
        "quota buttons": its_dialect.quota_buttons,
    }
