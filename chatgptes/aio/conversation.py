"""AsyncConversation: the same as `Conversation`, for asyncio and trio."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from typing import Any, Literal, Protocol, Unpack

from ..conversation import ConversationState
from ..turn.core import Core
from ..turn.extras import feedback
from ..turn.options import TurnOptions
from ..turn.queueing import ConversationQueue
from ..turn.steps import Steps
from ..turn.take import Turn
from ..values.deadline import Deadline, Timeout
from ..values.messages import Prompt
from ..values.reply import Reply
from .stream import AsyncStream, read_to_end
from .tasks import TaskTurn
from .threads import in_thread

__all__ = ["AsyncConversation"]


class _Client(Protocol):
    """The part of a client that its conversations use; `AsyncClient` imports this module."""

    core: Core

    def run(self, turn: Turn) -> TaskTurn: ...

    async def perform(
        self,
        steps: Callable[[Deadline], Steps[None]],
        timeout: Timeout | float | None = None,
        queue: ConversationQueue | None = None,
    ) -> None: ...


class AsyncConversation:
    """Turns that follow one another.  Made by `AsyncClient.conversation()`.

    The counterpart of `Conversation`.  One that continues from a file reads it with its first turn;
    `await` it to have that done before: `talk = await client.conversation("talk.json")`.
    """

    def __init__(
        self,
        client: _Client,
        saved: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        *,
        site_id: str | None = None,
    ) -> None:
        self._client = client
        self._state = ConversationState(client.core, saved, site_id)

    def __repr__(self) -> str:
        if "_state" not in self.__dict__:
            return "<AsyncConversation, not made>"
        state = self._state
        site = state.core.config.site
        return f"<AsyncConversation of {len(state.messages)} messages with {site}>"

    def __reduce__(self) -> tuple[Any, ...]:
        self._state.load()
        return AsyncConversation, (self._client, self.to_dict())

    def __await__(self) -> Generator[Any, Any, AsyncConversation]:
        return self._loaded().__await__()

    async def _loaded(self) -> AsyncConversation:
        await in_thread(self._state.load)
        if not self._state.is_fetched:
            await self._client.perform(self._state.fetch, queue=self._state.queue)
        return self

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages so far, as `{"role": …, "content": …}` (a copy): `Conversation.messages`."""
        self._state.check_loaded()
        return [message.as_dict() for message in self._state.messages]

    @property
    def id(self) -> str:
        """The conversation's id (a UUID), under which an `aipkit` site remembers it."""
        self._state.check_loaded()
        return self._state.id

    async def chat(self, prompt: Prompt, **options: Unpack[TurnOptions]) -> Reply:
        """Say `prompt` and wait for the whole answer: `Conversation.chat`."""
        return await read_to_end(self._client.run(self._state.turn(prompt, options)))

    def stream(self, prompt: Prompt, **options: Unpack[TurnOptions]) -> AsyncStream:
        """Say `prompt` and read the answer as it comes: `Conversation.stream`.

        Images that are files are read with the stream's first use, off the loop.
        """
        return AsyncStream(self._client.run(self._state.turn(prompt, options)))

    async def feedback(
        self,
        reply: Reply,
        verdict: Literal["up", "down"],
        comment: str | None = None,
        *,
        timeout: Timeout | float | None = None,
    ) -> None:
        """Give an answer of this conversation a thumb: `Conversation.feedback`."""
        await in_thread(self._state.load)
        state = self._state
        steps = feedback(state.core, reply, verdict, comment, state.visitor)
        await self._client.perform(steps, timeout)

    async def delete(self, *, timeout: Timeout | float | None = None) -> None:
        """Delete the conversation on the site, and begin anew: `Conversation.delete`."""
        await in_thread(self._state.load)
        await self._client.perform(self._state.delete, timeout, self._state.queue)

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on: `Conversation.to_dict`."""
        return self._state.to_dict()

    async def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file: `Conversation.save`."""
        await in_thread(lambda: self._state.save(path))
