"""The same library for event loops: asyncio and trio, over the blocking core.

One thread reads one stream and hands what it reads to the loop.  An `AsyncStream` is an object, not
a generator around a task group, so its steps may come from different tasks, and it may be dropped
anywhere.  Leaving it in any way cancels the turn's `Deadline`, which ends the thread within
milliseconds; nobody waits for that.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from types import TracebackType
from typing import Any, Unpack

import anyio
import anyio.lowlevel
from anyio.lowlevel import RunVar

from ..client import Client
from ..conversation import Conversation
from ..errors import ChatGptEsError
from ..sites.dialect import Bot
from ..turn.config import DEFAULT_SITE, ClientArguments, Config, OtherArguments
from ..turn.queueing import Slots, Ticket
from ..turn.stream import Plan, Stream
from ..values.deadline import Deadline, Timeout
from ..values.images import ImageSource
from ..values.messages import Messages, Prompt
from ..values.reply import Reply
from .threads import Bell, Reader, in_thread

__all__ = ["AsyncClient", "AsyncConversation", "AsyncStream"]

FAIR = 32
"""Chunks given in a row before other tasks are let in."""


_locks: RunVar[anyio.Lock] = RunVar("chatgptes.starting")


def _starting() -> anyio.Lock:
    """Of one loop's threads, one starts in each round of the loop.

    A running thread keeps the interpreter to itself for up to sys.getswitchinterval() (5 ms), and
    whose turn is next is anybody's guess: many new ones at once would keep the loop waiting for
    each of them.
    """
    try:
        return _locks.get()
    except LookupError:
        lock = anyio.Lock()
        _locks.set(lock)
        return lock


async def _admitted(queue: Slots, deadline: Deadline, tickets: list[Ticket]) -> None:
    """As `Slots.acquire`, with no thread waiting; the ticket is in `tickets` from the start."""
    bell = Bell()
    # The task's coroutine itself, which unlike its id is nobody else's later.
    owner = anyio.get_current_task().coro
    with deadline.on_cancel(bell.ring), anyio.move_on_after(deadline.remaining()):
        ticket = queue.request(bell.ring, owner)
        tickets.append(ticket)
        await bell.wait(lambda: ticket.granted or deadline.cancelled)
        deadline.check()
        if delay := queue.start_delay():
            with anyio.move_on_after(delay):
                await bell.wait(lambda: deadline.cancelled)
            deadline.check()
        return
    raise deadline.overrun() if ticket.granted else queue.timed_out(deadline.timeout.total)


class AsyncStream:
    """The text of one answer, as it arrives: `async for` over it for `str` chunks.

    The counterpart of `Stream`, with its meanings and errors.  It may be left at any point, by
    `break`, a cancel, a timeout, `aclose()`, or by dropping it: that ends the turn at once.
    """

    def __init__(self, plan: Plan) -> None:
        self._stream = Stream(plan)
        self._plan = plan
        self._reader: Reader | None = None
        self._pieces: list[str] = []
        self._busy = False
        self._over = False

    def __repr__(self) -> str:
        return f"<Async{repr(self._stream)[1:]}"

    @property
    def text(self) -> str:
        """The text given so far (str)."""
        return "".join(self._pieces)

    @property
    def reply(self) -> Reply:
        """The whole answer, once the stream has ended.

        Raises:
            ChatGptEsError: as `Stream.reply`.
        """
        return self._stream.reply

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        if self._over:
            raise StopAsyncIteration
        reader = self._reader or await self._begin(hand_over=True)
        if reader.chunks and len(self._pieces) % FAIR == FAIR - 1:
            await self._undisturbed(anyio.lowlevel.checkpoint)
        if not reader.chunks:  # Looked at again: another task may have been here meanwhile.
            await self._wait(reader, lambda: reader.chunks or reader.ended)
        if reader.chunks:
            chunk = reader.take()
            self._pieces.append(chunk)
            return chunk
        self._over = True
        reader.check()
        raise StopAsyncIteration

    async def _begin(self, *, hand_over: bool) -> Reader:
        """Wait for a place, without a thread; then start the one that reads."""
        if self._reader is not None:
            return self._reader
        stream = self._stream
        deadline = stream._deadline
        if self._busy:
            raise anyio.BusyResourceError("reading")
        self._busy = True
        try:
            self._plan.begin(stream)
            deadline.resume()
            try:
                for queue in self._plan.queues:
                    await _admitted(queue, deadline, stream._tickets)
            except ChatGptEsError as error:
                stream._fail(error)
            finally:
                deadline.pause()
            async with _starting():
                self._reader = Reader(stream, hand_over)
                self._reader.start()
            return self._reader
        except BaseException:
            self._leave()
            raise
        finally:
            self._busy = False

    async def _wait(self, reader: Reader, ready: Any) -> None:
        if self._busy:
            raise anyio.BusyResourceError("reading")
        self._busy = True
        try:
            await reader.bell.wait(ready)
        except BaseException:
            self._leave()
            raise
        finally:
            self._busy = False

    async def _undisturbed(self, pause: Any) -> None:
        try:
            await pause()
        except BaseException:
            self._leave()
            raise

    async def _drained(self) -> Reply:
        """The reply, when nobody wants to watch."""
        reader = await self._begin(hand_over=False)
        await self._wait(reader, lambda: reader.ended)
        self._over = True
        reader.check()
        return self._stream.reply

    async def __aenter__(self) -> AsyncStream:
        if not self._over:
            reader = await self._begin(hand_over=True)
            await self._wait(reader, lambda: reader.opened or reader.ended)
            if not reader.opened:
                self._over = True
                reader.check()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    async def aclose(self) -> None:
        """End the turn if it is still running.  Any number of times; waits for nothing."""
        self._leave()

    def _leave(self) -> None:
        self._over = True
        if self._reader is not None:
            self._reader.leave()
            for ticket in self._stream._tickets:
                # A name that is being looked up can hold the thread, but nobody else's turn; only
                # a conversation waits for it, since a turn of it may be about to be noted down.
                ticket.disown()
        else:
            self._stream.close()
            for ticket in self._stream._tickets:
                ticket.release()

    def __del__(self) -> None:
        # Of a half-made object, `__init__` may have failed.
        if getattr(self, "_over", True) is False:
            self._leave()


class AsyncConversation:
    """Turns that follow one another.  Made by `AsyncClient.conversation()`.

    The counterpart of `Conversation`.  One that goes on from a file reads it with its first turn;
    `await` it to have that done before: `talk = await client.conversation("talk.json")`.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def __repr__(self) -> str:
        return f"<Async{repr(self._conversation)[1:]}"

    def __await__(self) -> Generator[Any, Any, AsyncConversation]:
        return self._loaded().__await__()

    async def _loaded(self) -> AsyncConversation:
        await in_thread(self._conversation._load)
        return self

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages so far, as `{"role": …, "content": …}` (a copy): `Conversation.messages`."""
        return self._conversation.messages

    @property
    def id(self) -> str:
        """The conversation's id (a UUID), under which an `aipkit` site remembers it."""
        return self._conversation.id

    async def chat(
        self,
        prompt: Prompt,
        *,
        images: Sequence[ImageSource] = (),
        web_search: bool = False,
        timeout: Timeout | float | None = None,
    ) -> Reply:
        """Say `prompt` and wait for the whole answer: `Conversation.chat`."""
        plan = self._conversation._plan(prompt, images, web_search, timeout)
        return await AsyncStream(plan)._drained()

    def stream(
        self,
        prompt: Prompt,
        *,
        images: Sequence[ImageSource] = (),
        web_search: bool = False,
        timeout: Timeout | float | None = None,
    ) -> AsyncStream:
        """Say `prompt` and hear the answer as it comes: `Conversation.stream`.

        Images that are files are read with the stream's first use, off the loop.
        """
        return AsyncStream(self._conversation._plan(prompt, images, web_search, timeout))

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on: `Conversation.to_dict`."""
        return self._conversation.to_dict()

    async def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file: `Conversation.save`."""
        await in_thread(lambda: self._conversation.save(path))


class AsyncClient:
    """Talks to one bot of one site, from asyncio or trio.

    The counterpart of `Client`: the same arguments, results and errors.  It may be used from
    several event loops in several threads.  The transport is made with the first turn, off the
    loop, so what only it can tell is said then: that its package is missing, that the file of
    `verify` can't be read, that `curl_cffi` doesn't know the browser of `impersonate`, or that a
    proxy of the environment can't be used.

    Up to about a hundred streams at once cost little (each has a thread); beyond two hundred,
    threads fall behind.
    """

    def __init__(self, site: str = DEFAULT_SITE, **arguments: Unpack[OtherArguments]) -> None:
        given: ClientArguments = {"site": site, **arguments}
        self._client = Client._deferred(Config.of(given))

    @classmethod
    def _over(cls, client: Client) -> AsyncClient:
        self = cls.__new__(cls)
        self._client = client
        return self

    def __repr__(self) -> str:
        return f"<Async{repr(self._client)[1:]}"

    def __reduce__(self) -> tuple[Any, ...]:
        return AsyncClient._over, (self._client,)

    @property
    def site(self) -> str:
        """The site's URL, without user name and password (str)."""
        return self._client.site

    @property
    def visitor(self) -> str:
        """The id this client shows to the site (a UUID)."""
        return self._client.visitor

    async def chat(
        self,
        prompt: Messages,
        *,
        images: Sequence[ImageSource] = (),
        web_search: bool = False,
        timeout: Timeout | float | None = None,
    ) -> Reply:
        """Say `prompt` and wait for the whole answer: `Client.chat`."""
        plan = self._client._plan(prompt, images, web_search, timeout)
        return await AsyncStream(plan)._drained()

    def stream(
        self,
        prompt: Messages,
        *,
        images: Sequence[ImageSource] = (),
        web_search: bool = False,
        timeout: Timeout | float | None = None,
    ) -> AsyncStream:
        """Say `prompt` and hear the answer as it comes: `Client.stream`.

        Images that are files are read with the stream's first use, off the loop.
        """
        return AsyncStream(self._client._plan(prompt, images, web_search, timeout))

    def conversation(
        self, saved: Mapping[str, Any] | str | os.PathLike[str] | None = None
    ) -> AsyncConversation:
        """A new conversation, or one that goes on: `Client.conversation`.

        With a path, the file is read with the first turn; or await what this returns.
        """
        return AsyncConversation(Conversation._deferred(self._client, saved))

    async def bots(self, *, timeout: Timeout | float | None = None) -> list[Bot]:
        """The bots that the page shows: `Client.bots`."""
        client = self._client
        client._check_open()
        deadline = Deadline(client.timeout.override(timeout))
        tickets: list[Ticket] = []
        try:
            await _admitted(client.slots, deadline, tickets)
            with client._cuttable(deadline):
                return await in_thread(lambda: client._bots(deadline), deadline)
        finally:
            for ticket in tickets:
                ticket.release()

    async def aclose(self) -> None:
        """End what is running and close the connections.  Any number of times."""
        await in_thread(self._client.close)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
