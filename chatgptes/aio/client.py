"""AsyncClient: the same as `Client`, for asyncio and trio."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Unpack

from ..client import BaseClient
from ..sites.dialect import Bot
from ..transport import AsyncTransport, Transport, is_async, select_async
from ..turn.config import Config
from ..turn.core import Core
from ..turn.extras import feedback, list_conversations, with_permits
from ..turn.options import TurnOptions
from ..turn.queueing import ConversationQueue, Permit
from ..turn.steps import Steps
from ..turn.take import Turn, new_turn
from ..values.deadline import Deadline, Timeout
from ..values.messages import Messages
from ..values.remembered import SiteConversation
from ..values.reply import Reply
from .conversation import AsyncConversation
from .driver import driver_for
from .stream import AsyncStream, read_to_end
from .tasks import TaskTurn, current_holder
from .threads import MadeOnce, in_thread

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient(BaseClient):
    """Talks to one bot of one site, from asyncio or trio.

    The counterpart of `Client`: the same arguments, results and errors.  It may be used from
    several event loops in several threads.  The transport is made with the first turn, off the
    loop, so the errors that only it can find are raised then: that its package is missing, that
    the file of `verify` can't be read, that `curl_cffi` doesn't know the browser of
    `impersonate`, or that a proxy of the environment can't be used.

    Thousands of streams at once are fine over curl_cffi, the default, which has one thread for
    all of them.  `transport="requests"`, and a blocking transport of your own, take a thread each
    and are for tens.
    """

    def _start(self, core: Core) -> None:
        super()._start(core)
        config = core.config  # Not the core itself, which would then keep itself alive.
        self._transport: MadeOnce[AsyncTransport | Transport] = core.transports.setdefault(
            "async", MadeOnce(lambda: _make_transport(config))
        )

    async def chat(self, prompt: Messages, **options: Unpack[TurnOptions]) -> Reply:
        """Say `prompt` and wait for the whole answer: `Client.chat`."""
        return await read_to_end(self.running_turn(new_turn(self.core, prompt, options)))

    def stream(self, prompt: Messages, **options: Unpack[TurnOptions]) -> AsyncStream:
        """Say `prompt` and read the answer as it comes: `Client.stream`.

        Images that are files are read with the stream's first use, off the loop.
        """
        return AsyncStream(self.running_turn(new_turn(self.core, prompt, options)))

    def conversation(
        self,
        saved: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        *,
        site_id: str | None = None,
    ) -> AsyncConversation:
        """A new conversation, or one that goes on: `Client.conversation`.

        With a path, the file is read with the first turn, and with `site_id` the messages are
        fetched then; or await what this returns.
        """
        return AsyncConversation(self, saved, site_id=site_id)

    async def conversations(
        self, *, timeout: Timeout | float | None = None
    ) -> list[SiteConversation]:
        """The conversations that the site remembers of this visitor: `Client.conversations`."""
        core = self.core
        return await self.perform(lambda deadline: list_conversations(core, deadline), timeout)

    async def feedback(
        self,
        reply: Reply,
        verdict: Literal["up", "down"],
        comment: str | None = None,
        *,
        timeout: Timeout | float | None = None,
    ) -> None:
        """Give an answer a thumb: `Client.feedback`."""
        await self.perform(feedback(self.core, reply, verdict, comment, self.visitor), timeout)

    async def bots(self, *, timeout: Timeout | float | None = None) -> list[Bot]:
        """The bots that the page shows: `Client.bots`."""
        return await self.perform(self.core.bots, timeout)

    async def perform(
        self,
        steps: Callable[[Deadline], Steps[T]],
        timeout: Timeout | float | None = None,
        queue: ConversationQueue | None = None,
    ) -> T:
        """Perform steps that are no turn.  No part of the public interface."""
        deadline = Deadline(self.core.config.timeout.override(timeout))
        self.core.register(deadline)
        transport = await self._transport.get(deadline)
        permits: list[Permit] = []
        counted = with_permits(
            self.core, deadline, current_holder(), steps(deadline), queue, permits
        )
        driver = driver_for(counted, transport, deadline, permits, self.core.finish_error)
        try:
            while await driver.advance() is not None:
                pass
        except BaseException:
            driver.close()
            raise
        return driver.result

    async def aclose(self) -> None:
        """End what is running and close the connections.  Any number of times."""
        self.core.close()
        transport = self._transport.made
        if transport is None or transport is self.core.config.arguments.get("transport"):
            return  # There is none, or it is the user's to close.
        if is_async(transport):
            await transport.aclose()
        else:
            await in_thread(transport.close)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def running_turn(self, turn: Turn) -> TaskTurn:
        """A `TaskTurn` that takes `turn`.  Not for users."""
        return TaskTurn(turn, self._transport.get)


def _make_transport(config: Config) -> AsyncTransport | Transport:
    return select_async(**config.transport_options())
