"""`Conversation`: turns that follow one another, for `Client`; and what all conversations share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, Protocol, Unpack

from ..turn.blocking import BlockingTurn
from ..turn.core import Core
from ..turn.extras import feedback
from ..turn.options import TurnOptions
from ..turn.queueing import ConversationQueue
from ..turn.steps import Steps
from ..turn.stream import Stream, read_to_end
from ..turn.take import Turn
from ..values.deadline import Deadline, Timeout
from ..values.messages import Prompt
from ..values.reply import Reply
from .saved import Source
from .state import ConversationState

__all__ = ["BaseConversation", "Conversation"]


class _Client(Protocol):
    """The part of a client that its conversations use; `Client` itself imports this module."""

    core: Core

    def running_turn(self, turn: Turn) -> BlockingTurn: ...

    def perform(
        self,
        steps: Callable[[Deadline], Steps[None]],
        timeout: Timeout | float | None = None,
        queue: ConversationQueue | None = None,
    ) -> None: ...


class BaseConversation:
    """The part of a conversation that is the same for threads and for event loops."""

    def __init__(self, core: Core, saved: Source | None, site_id: str | None) -> None:
        self._state = ConversationState(core, saved, site_id)

    def __repr__(self) -> str:
        name = type(self).__name__
        if "_state" not in self.__dict__:
            return f"<{name}, not made>"
        state = self._state
        return f"<{name} of {len(state.messages)} messages with {state.core.config.site}>"

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages so far, as `{"role": …, "content": …}` (a copy).

        The content is a string, or for a message with images a list of parts, in which they are
        `data:` URLs.
        """
        self._state.check_loaded()
        return [message.as_dict() for message in self._state.messages]

    @property
    def id(self) -> str:
        """The conversation's id (a UUID), under which an `aipkit` site remembers it."""
        self._state.check_loaded()
        return self._state.id

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on, as plain JSON values: see `Client.conversation`."""
        return self._state.to_dict()


class Conversation(BaseConversation):
    """Turns that follow one another.  Made by `Client.conversation()`.

    One turn at a time: a second one from another thread waits for the first.  A turn that failed
    or was left early leaves the conversation as it was (though an `aipkit` site, which keeps the
    conversation itself, may remember what it was asked).
    """

    def __init__(
        self, client: _Client, saved: Source | None = None, *, site_id: str | None = None
    ) -> None:
        super().__init__(client.core, saved, site_id)
        self.client = client
        self._state.load()
        if not self._state.is_fetched:
            client.perform(self._state.fetch, queue=self._state.queue)

    def __reduce__(self) -> tuple[Any, ...]:
        return Conversation, (self.client, self.to_dict())

    def chat(self, prompt: Prompt, **options: Unpack[TurnOptions]) -> Reply:
        """Say `prompt` and wait for the whole answer.

        Args:
            prompt: the next user message (str, or a list of parts).
            **options: `images`, `web_search` and `timeout` of this turn: see `TurnOptions`.  A
                site's bot sees images with this message only: later turns bring the words of
                earlier ones along, not their pictures.

        Raises:
            ChatGptEsError: as `Client.chat`.
        """
        return read_to_end(self.client.running_turn(self._state.turn(prompt, options)))

    def stream(self, prompt: Prompt, **options: Unpack[TurnOptions]) -> Stream:
        """Say `prompt` and read the answer as it comes.  Arguments and errors as `chat`."""
        return Stream(self.client.running_turn(self._state.turn(prompt, options)))

    def feedback(
        self,
        reply: Reply,
        verdict: Literal["up", "down"],
        comment: str | None = None,
        *,
        timeout: Timeout | float | None = None,
    ) -> None:
        """Give an answer of this conversation a thumb: see `Client.feedback`."""
        state = self._state
        steps = feedback(state.core, reply, verdict, comment, state.visitor)
        self.client.perform(steps, timeout)

    def delete(self, *, timeout: Timeout | float | None = None) -> None:
        """Delete the conversation on the site, and begin anew: for `aipkit` sites.

        Raises:
            InvalidConfigError: the site deletes nothing for visitors, or the conversation had no
                turn there yet, or its last one with another bot.
            TransportError, ResponseError: the site did not delete it; it stays as it was.
        """
        self.client.perform(self._state.delete, timeout, self._state.queue)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` to a file, as a whole or not at all; only its owner may read it.

        Raises:
            OSError: it can't be written.
        """
        self._state.save(path)
