"""The asynchronous iterator that a user holds while a bot answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio.lowlevel

from ..turn.stream import BaseStream, reply_of
from ..values.reply import Reply
from .tasks import TaskTurn

__all__ = ["AsyncStream", "read_to_end"]

FAIR = 32
"""Chunks given in a row before other tasks are let in."""


class AsyncStream(BaseStream[TaskTurn]):
    """The text of one answer, as it arrives: `async for` over it for `str` chunks.

    The counterpart of `Stream`, with its meanings and errors.  It may be left at any point, by
    `break`, a cancel, a timeout, `aclose()`, or by dropping it: that ends the turn at once.  After
    a cancel or a timeout of one step the next step raises `TurnCancelled`.
    """

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        ready = self._ready
        if ready and len(self._given) % FAIR == FAIR - 1:
            await self._checkpoint()
        while not ready:
            chunks = await self.running.advance()
            if chunks is None:
                raise StopAsyncIteration
            ready += chunks
        if self.running.closed:
            raise StopAsyncIteration
        chunk = ready.popleft()
        self._given.append(chunk)
        return chunk

    async def _checkpoint(self) -> None:
        try:
            await anyio.lowlevel.checkpoint()
        except BaseException:
            self._ready.clear()
            self.running.cancel()
            raise

    async def __aenter__(self) -> AsyncStream:
        # As far as the site's response, so that an error before it is raised here.
        if not self.running.started and (chunks := await self.running.advance()):
            self._ready += chunks
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def aclose(self) -> None:
        """End the turn if it is still running.  Any number of times; waits for nothing."""
        self.close()

    def close(self) -> None:
        """As `aclose`, for where nothing can be awaited."""
        self.running.close()


async def read_to_end(turn: TaskTurn) -> Reply:
    """The reply of a turn whose text nobody wants to watch."""
    try:
        while await turn.advance() is not None:
            pass
        return reply_of(turn)
    finally:
        turn.close()
