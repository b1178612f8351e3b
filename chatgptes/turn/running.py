"""A turn under way, whichever driver takes it."""

from __future__ import annotations

import threading

from ..errors import ChatGptEsError, TurnCancelled
from ..values.reply import Reply
from .steps import Steps
from .take import CLOSED, Turn

__all__ = ["RunningTurn"]


class RunningTurn:
    """The state of a turn, and the ways in which it ends from outside.

    Attributes:
        reply: the whole answer, once the turn has ended well.
        error: the error it has ended with.
        closed: `close` was called before either.
        over: one of these is so.
    """

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.reply: Reply | None = None
        self.error: ChatGptEsError | None = None
        self.closed = False
        self.over = False
        # Held by the reader inside of a step; only ever tried, never waited for.
        self.advancing = threading.Lock()
        self._raised = False
        self._steps: Steps[Reply] | None = None

    @property
    def started(self) -> bool:
        """It was asked for text."""
        return self._steps is not None

    @property
    def state(self) -> str:
        """The word for how far it has come."""
        if self.reply is not None:
            return "ended"
        if self.error is not None:
            return "failed"
        if self.closed:
            return "closed"
        return "running" if self.started else "new"

    def raise_or_ended(self) -> bool:
        """Tell whether it gives no more text; where it was ended from outside, raise that once."""
        if self.error is not None and not self.closed and not self._raised:
            self._raised = True
            raise self.error
        return self.over

    def refuse(self) -> None:
        """Answer a reader that comes while somebody else is inside of a step.

        Returns where the turn has ended; else it is being cancelled, or there are two readers.
        """
        if self.turn.deadline.cancelled:
            self._end_cancelled()
            if self.raise_or_ended():
                return
        raise self.busy_error()

    def busy_error(self) -> Exception:
        """The error of a second reader."""
        return ChatGptEsError("Another thread is reading this stream: it has one reader.")

    def begin(self, holder: object) -> Steps[Reply]:
        """The turn's steps, of which none was performed yet."""
        self.turn.core.register(self)
        self._steps = self.turn.take(holder)
        return self._steps

    def succeed(self, reply: Reply) -> None:
        """Note the reply of a turn that ended well."""
        self.reply = reply
        self.over = True

    def fail(self, error: BaseException) -> None:
        """Note the error that ended the turn, and end its steps if they have not ended."""
        if isinstance(error, ChatGptEsError):
            self.error, self._raised = error, True
        elif self.error is None:
            # Ctrl-C, an event loop's cancel, or a bug in a transport of the user's own.
            message = f"The stream was ended by {type(error).__name__}."
            self.error = self.turn.final_error(TurnCancelled(message))
        self.over = True  # Last: another thread must not take the turn for one that ended well.
        if self._steps is not None:
            self.close_steps(self._steps)

    def close_steps(self, steps: Steps[Reply]) -> None:
        """End the turn's steps where they are.  Never blocks."""
        steps.close()

    def _end_cancelled(self) -> None:
        if self.error is None and self.reply is None and not self.closed:
            self.error = self.turn.final_error(TurnCancelled(CLOSED))
            self.over = True

    def cancel(self) -> None:
        """End the turn as an error to its reader.  Any thread; never blocks."""
        self.turn.deadline.cancel()
        # A reader inside of a step is ended there by the cancel.
        if self._steps is not None and self.advancing.acquire(blocking=False):
            try:
                self.close_steps(self._steps)
                self._end_cancelled()
            finally:
                self.advancing.release()

    def close(self) -> None:
        """End the turn if it is still under way.  Any thread, any number of times."""
        if self.reply is None and self.error is None:
            self.closed = self.over = True
        self.cancel()
