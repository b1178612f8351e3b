"""The iterator that a user holds while a bot answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from ..errors import ChatGptEsError
from ..values.reply import Reply
from .blocking import BlockingTurn
from .running import RunningTurn

__all__ = ["BaseStream", "Stream", "read_to_end", "reply_of"]

AnyTurn = TypeVar("AnyTurn", bound=RunningTurn)


class BaseStream(Generic[AnyTurn]):
    """The part of a stream that is the same for threads and for event loops."""

    def __init__(self, running: AnyTurn) -> None:
        self.running = running
        self._ready: deque[str] = deque()  # Has arrived, and was not given yet.
        self._given: list[str] = []

    def __repr__(self) -> str:
        if "_given" not in self.__dict__:
            return f"<{type(self).__name__}, not made>"
        return f"<{type(self).__name__} {self.running.state}, {len(self.text)} characters>"

    @property
    def text(self) -> str:
        """The text so far (str)."""
        return "".join(self._given)

    @property
    def reply(self) -> Reply:
        """The whole answer, once the stream has ended.

        Raises:
            ChatGptEsError: it has not ended yet, was closed before its end, or failed (then the
                error it failed with).
        """
        return reply_of(self.running)


class Stream(BaseStream[BlockingTurn]):
    """The text of one answer, as it arrives: iterate over it for `str` chunks.

    Nothing is sent before the first use (`with`, `iter`'s first step).  While your code is busy
    with a chunk, the turn's clocks stand still.  Leave it early with `close()`, or use `with`.

    Iteration and `with` raise any `ChatGptEsError`; after the first text it is a
    `StreamInterruptedError`, with that text in `.partial`.
    """

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while True:
            if self._ready and not self.running.closed:
                try:
                    chunk = self._ready.popleft()
                except IndexError:
                    continue  # Another thread was faster; `advance` says that one reads at a time.
                self._given.append(chunk)
                return chunk
            chunks = self.running.advance()
            if chunks is None:
                raise StopIteration
            self._ready += chunks

    def __enter__(self) -> Stream:
        # As far as the site's response, so that an error before it is raised here.
        if not self.running.started and (chunks := self.running.advance()):
            self._ready += chunks
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the turn if it is still running.  Any thread, any number of times.

        A thread that is waiting for its next chunk gets a `TurnCancelled` (or, after the first
        text, a `StreamInterruptedError`).
        """
        self.running.close()


def reply_of(turn: RunningTurn) -> Reply:
    """A stream's reply, or the error that says why there is none."""
    if turn.reply is not None:
        return turn.reply
    if turn.error is not None:
        raise turn.error
    if turn.closed:
        raise ChatGptEsError(
            "The stream was closed before its end, so it has no reply; .text has what came."
        )
    raise ChatGptEsError(
        "The stream has not ended yet: iterate over it to its end before asking for its reply."
    )


def read_to_end(turn: BlockingTurn) -> Reply:
    """The reply of a turn whose text nobody wants to watch."""
    try:
        while turn.advance() is not None:
            pass
        return reply_of(turn)
    finally:
        turn.close()
