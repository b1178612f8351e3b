"""The blocking driver: a turn in the thread that waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ..transport.base import Transport
from ..values.deadline import Deadline, Signal
from ..values.reply import Reply
from .running import RunningTurn
from .steps import Read, Send, Step, Steps, Text
from .take import Turn

__all__ = ["BlockingDriver", "BlockingTurn", "run_steps"]

T = TypeVar("T")


class BlockingDriver(Generic[T]):
    """Performs steps one after the other over a blocking transport.

    Attributes:
        result: the value that the steps have returned, once `advance` gave None.
    """

    result: T

    def __init__(
        self, steps: Steps[T], transport: Transport, deadline: Deadline, pending: Step | None = None
    ) -> None:
        """Take over `steps`, which wait at `pending` if another driver has started them."""
        self._steps = steps
        self._transport = transport
        self._deadline = deadline
        self._pending = pending
        self._response: object = None
        self._body: Iterator[bytes] = iter(())

    def advance(self) -> Sequence[str] | None:  # noqa: C901 - each call less counts, once a chunk.
        """Go on to the next text; its chunks, or None at the end."""
        steps = self._steps
        result: Any = None
        error: BaseException | None = None
        step: Any  # mypy can't follow `kind`.
        step, self._pending = self._pending, None
        try:
            while True:
                if step is None:
                    step = steps.send(result) if error is None else steps.throw(error)
                kind = type(step)
                if kind is Read and (text := step.text) is not None:
                    step.text = None
                    self._pending = step
                    return text  # type: ignore[no-any-return]
                if kind is Text:
                    return step.chunks  # type: ignore[no-any-return]
                error = None
                try:
                    if kind is Read:
                        if step.response is not self._response:
                            self._response, self._body = step.response, iter(step.response)
                        while not (result := next(self._body, None)) and result is not None:
                            self._deadline.check()  # An empty piece is not the end.
                        result = result or b""
                    elif kind is Send:
                        result = self._transport.send(step.request, self._deadline)
                    else:
                        result = self._deadline.wait(step.signal or Signal(), step.seconds)
                except BaseException as caught:  # noqa: BLE001 - the steps get any of them.
                    error = caught
                step = None
        except StopIteration as end:
            self.result = end.value
            return None
        finally:
            error = None  # Else its traceback and this frame would keep each other alive.


def run_steps(steps: Steps[T], transport: Transport, deadline: Deadline) -> T:
    """Perform all of `steps`; the value that they return."""
    driver = BlockingDriver(steps, transport, deadline)
    while driver.advance() is not None:
        pass
    return driver.result


class BlockingTurn(RunningTurn):
    """A turn in whatever thread asks for its text, one thread at a time."""

    def __init__(self, turn: Turn, connect: Callable[[], Transport]) -> None:
        """Have `turn` ready; nothing is sent before the first `advance`, which `connect`s."""
        super().__init__(turn)
        self._connect = connect
        self._driver: BlockingDriver[Reply] | None = None

    def advance(self) -> Sequence[str] | None:
        """Wait for the next text; its chunks, or None at the end.

        Raises:
            ChatGptEsError: the turn failed, or another thread is at it.
        """
        if self.over and self.raise_or_ended():
            return None
        if not self.advancing.acquire(blocking=False):
            self.refuse()
            return None
        try:
            driver = self._driver
            if driver is None:
                steps = self.begin(threading.get_ident())
                driver = BlockingDriver(steps, self._connect(), self.turn.deadline)
                self._driver = driver
            self.turn.deadline.resume()
            if (chunks := driver.advance()) is None:
                self.succeed(driver.result)
            return chunks
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self.turn.deadline.pause()
            self.advancing.release()
