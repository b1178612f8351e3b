"""AsyncConversation: the same as `Conversation`, for asyncio and trio."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from typing import Any, Literal, Protocol, Unpack

from ..conversation import BaseConversation
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

    def running_turn(self, turn: Turn) -> TaskTurn: ...

    async def perform(
        self,
        steps: Callable[[Deadline], Steps[None]],
        timeout: Timeout | float | None = None,
        queue: ConversationQueue | None = None,
    ) -> None: ...


class AsyncConversation(BaseConversation):
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
        super().__init__(client.core, saved, site_id)
        self.client = client

    def __reduce__(self) -> tuple[Any, ...]:
        self._state.load()
        return AsyncConversation, (self.client, self.to_dict())

    def __await__(self) -> Generator[Any, Any, AsyncConversation]:
        return self._loaded().__await__()

    async def _loaded(self) -> AsyncConversation:
        await in_thread(self._state.load)
        if not self._state.is_fetched:
            await self.client.perform(self._state.fetch, queue=self._state.queue)
        return self

    async def chat(self, prompt: Prompt, **options: Unpack[TurnOptions]) -> Reply:
        """Say `prompt` and wait for the whole answer: `Conversation.chat`."""
        return await read_to_end(self.client.running_turn(self._state.turn(prompt, options)))

    def stream(self, prompt: Prompt, **options: Unpack[TurnOptions]) -> AsyncStream:
        """Say `prompt` and read the answer as it comes: `Conversation.stream`.

        Images that are files are read with the stream's first use, off the loop.
        """
        return AsyncStream(self.client.running_turn(self._state.turn(prompt, options)))

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
        await self.client.perform(steps, timeout)

    async def delete(self, *, timeout: Timeout | float | None = None) -> None:
        """Delete the conversation on the site, and begin anew: `Conversation.delete`."""
        await in_thread(self._state.load)
        await self.client.perform(self._state.delete, timeout, self._state.queue)

    async def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file: `Conversation.save`."""
        await in_thread(lambda: self._state.save(path))
