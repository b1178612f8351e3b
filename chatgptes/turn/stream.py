"""Stream: a turn being heard.

Not `stream.py`: the package has a function of that name, which the submodule would hide.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import NoReturn, Protocol

from ..errors import ChatGptEsError, StreamInterruptedError, TurnCancelled
from ..values.deadline import Deadline, Timeout
from ..values.reply import Reply
from .queueing import Slots, Ticket
from .take import LAST, Batch, Outcome

__all__ = ["Plan", "Stream", "drained"]

_CLOSED = "The client was closed in the middle of the turn."


class Plan(Protocol):
    """What a stream will do once it is used."""

    timeout: Timeout

    @property
    def queues(self) -> tuple[Slots, ...]:
        """Where it waits for its place, in this order."""

    def begin(self, stream: Stream) -> None:
        """Called before anything is sent (from an event loop perhaps twice: must not block)."""

    def run(self, deadline: Deadline, outcome: Outcome) -> Iterator[Batch]:
        """The text of the answer, after an empty batch once the site has answered."""

    def finish(self, outcome: Outcome, text: str, elapsed: float) -> Reply:
        """Called once, with the whole text, while the places are still held."""

    def explain(self, error: ChatGptEsError) -> None:
        """Make an error fit for the user's eyes, in place."""


class Stream:
    """The text of one answer, as it arrives: iterate over it for `str` chunks.

    Nothing is sent before the first use (`with`, `iter`'s first step).  While your code is busy
    with a chunk, the turn's clocks stand still.  Leave it early with `close()`, or use `with`.

    Iteration and `with` raise any `ChatGptEsError`; after the first text it is a
    `StreamInterruptedError`, with that text in `.partial`.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._deadline = Deadline(plan.timeout)
        self._deadline.pause()
        self._tickets: list[Ticket] = []
        self._batches: Generator[Batch, None, None] | None = None
        self._ready: deque[str] = deque()  # Has arrived, and was not given yet.
        self._outcome = Outcome()
        self._pieces: list[str] = []
        self._done: list[Reply] = []
        self._error: ChatGptEsError | None = None
        self._closed = False
        self._stepping = threading.Lock()  # Only ever tried, never waited for.

    def __repr__(self) -> str:
        state = "new"
        if self._reply is not None:
            state = "ended"
        elif self._error is not None:
            state = "failed"
        elif self._closed:
            state = "closed"
        elif self._batches is not None:
            state = "running"
        return f"<Stream {state}, {len(self.text)} characters>"

    @property
    def text(self) -> str:
        """The text so far (str)."""
        return "".join(self._pieces)

    @property
    def reply(self) -> Reply:
        """The whole answer, once the stream has ended.

        Raises:
            ChatGptEsError: it has not ended yet, was closed before its end, or failed (then what
                it failed with).
        """
        if self._reply is not None:
            return self._reply
        if self._error is not None:
            raise self._error
        if self._closed:
            raise ChatGptEsError(
                "The stream was closed before its end, so it has no reply; .text has what came."
            )
        raise ChatGptEsError(
            "The stream has not ended yet: iterate over it to its end before asking for its reply."
        )

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while True:
            if self._ready and not self._closed:
                try:
                    chunk = self._ready.popleft()
                except IndexError:
                    continue  # Another thread was faster, and will be told.
                self._pieces.append(chunk)
                return chunk
            self._ready.extend(self._step())

    def _step(self) -> Batch:
        if self._closed or self._reply is not None or self._error is not None:
            raise StopIteration
        if not self._stepping.acquire(blocking=False):
            # Either it is being cut off by another thread at this moment, or two threads read.
            if self._deadline.cancelled:
                self._fail(TurnCancelled(_CLOSED))
            raise ChatGptEsError("Another thread is reading this stream: it has one reader.")
        try:
            return self._stepped()
        finally:
            self._stepping.release()

    def _stepped(self) -> Batch:
        if self._batches is None:
            self._plan.begin(self)
            self._batches = _running(
                self._plan, self._deadline, self._outcome, self._tickets, self._pieces, self._done
            )
        self._deadline.resume()
        try:
            return next(self._batches)
        except StopIteration:
            if self._reply is None and not self._closed:
                # It was cut off between two steps, which must not look like an end.
                self._fail(TurnCancelled(_CLOSED))
            raise
        except ChatGptEsError as error:
            self._fail(error)
        except BaseException as error:
            # Ctrl-C, or a fault of a transport of the user's own: it is not wrapped, but known.
            self._error = ChatGptEsError(f"The stream was ended by {type(error).__name__}.")
            raise
        finally:
            self._deadline.pause()

    @property
    def _reply(self) -> Reply | None:
        return self._done[0] if self._done else None

    def _fail(self, error: ChatGptEsError) -> NoReturn:
        self._error = self._told(error)
        raise self._error from (error.__cause__ if self._error is error else error)

    def _told(self, error: ChatGptEsError) -> ChatGptEsError:
        self._plan.explain(error)
        text = self.text
        if not text:
            return error
        broken = StreamInterruptedError(
            f"The answer broke off after {len(text):,} characters (.partial has them): {error}",
            partial=text,
            url=error.url,
            status=error.status,
            excerpt=error.excerpt,
        )
        broken.code = error.code
        return broken

    def __enter__(self) -> Stream:
        if self._batches is None and not self._closed:
            # Up to the site's response, whose first mark is empty: what fails before it fails here.
            first = self._step()
            assert not first
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the turn if it is still running.  Any thread, any number of times.

        A thread that is waiting for its next chunk gets a `TurnCancelled` (or, after the first
        text, a `StreamInterruptedError`).
        """
        self._closed = True
        self._cut()

    def _cut(self) -> None:
        """End the turn as an error to whoever reads on."""
        self._deadline.cancel()
        # Whoever is inside a step is ended there by the cancel.
        if self._batches is not None and self._stepping.acquire(blocking=False):
            try:
                self._batches.close()
            finally:
                self._stepping.release()


def _running(
    plan: Plan,
    deadline: Deadline,
    outcome: Outcome,
    tickets: list[Ticket],
    pieces: list[str],
    done: list[Reply],
) -> Generator[Batch, None, None]:
    # Not a method: a stream that is dropped half-read must not wait for the garbage collector to
    # give back its places and its connection.
    try:
        for queue in plan.queues[len(tickets) :]:
            tickets.append(queue.acquire(deadline))  # noqa: PERF401 - each is to be released.
        yield from plan.run(deadline, outcome)
        # One more step, in which nothing is waited for: an answer counts as given when whoever
        # reads has come for what follows its last chunk.
        yield LAST
        if deadline.cancelled:
            raise TurnCancelled(_CLOSED)
        done.append(plan.finish(outcome, "".join(pieces), deadline.elapsed))
    finally:
        for ticket in reversed(tickets):
            ticket.release()


def drained(stream: Stream) -> Reply:
    """The reply of a stream that nobody wants to watch."""
    with stream:
        for _ in stream:
            pass
        return stream.reply
