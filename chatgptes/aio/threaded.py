"""The driver for event loops over a blocking transport: a turn has a thread while it waits for
the site.

So this is for tens of streams; thousands need an `AsyncTransport`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

from ..errors import ChatGptEsError
from ..transport.base import Transport
from ..transport.errors import of_parent
from ..turn.blocking import BlockingDriver
from ..turn.queueing import Permit
from ..turn.steps import Steps
from ..turn.take import Turn
from ..values.deadline import Deadline
from ..values.reply import Reply
from .threads import ThreadCall, in_thread, perform_waits, start_thread

__all__ = ["ThreadDriver", "run_steps_in_thread"]

T = TypeVar("T")

_LATE = 0.1
"""Seconds that the thread has to say by itself that the turn's time is over."""


class ThreadDriver:
    """Performs a turn's steps over a blocking transport, in a thread where they do more than wait.

    The thread goes on only as long as the task asks for more: so a slow consumer holds the site
    back.

    Attributes:
        result: the turn's reply, once `advance` gave None.
    """

    result: Reply

    def __init__(self, turn: Turn, steps: Steps[Reply], transport: Transport) -> None:
        self._turn = turn
        self._steps = steps
        self._transport = transport
        self._driver: BlockingDriver[Reply] | None = None
        self._call: ThreadCall[Sequence[str] | None] | None = None
        self._closed = False
        self._pid = os.getpid()
        # Its `put` may be called by a finalizer that interrupts another.
        self._calls: SimpleQueue[ThreadCall[Sequence[str] | None] | None] = SimpleQueue()

    async def advance(self) -> Sequence[str] | None:
        """Go on to the next text; its chunks, or None at the end."""
        deadline = self._turn.deadline
        if self._pid != os.getpid():  # Its thread is not here.
            raise self._turn.final_error(of_parent(self._turn.core.config.site))
        if self._driver is None:
            # It waits for its permit without a thread.
            first, _ = await perform_waits(self._steps, deadline)
            self._driver = BlockingDriver(self._steps, self._transport, deadline, first)
            # The thread knows nothing of this object, so that it can be dropped.
            start_thread(functools.partial(_work, self._calls))
        call = self._call = ThreadCall(self._driver.advance)
        self._calls.put(call)
        try:
            chunks = await call.wait(deadline, _LATE)
        except ChatGptEsError as error:
            if error is call.error:
                raise
            final = self._turn.final_error(error)
            raise final from final.__cause__
        if chunks is None:
            self.result = self._driver.result
            self._calls.put(None)
        return chunks

    def close(self) -> None:
        """End the steps, once the thread is out of them.  By one thread at a time."""
        self._turn.deadline.cancel()
        if self._call is None:
            self._steps.close()
        elif not self._closed:
            self._closed = True  # The thread may be about to close them.
            self._call.done.on_set(self._steps.close)
            self._calls.put(None)
        for permit in self._turn.permits:
            # A name that is being looked up can hold the thread, but nobody else's turn.
            permit.disown()

    def __del__(self) -> None:
        if "_calls" in self.__dict__:
            self._calls.put(None)


def _work(calls: SimpleQueue[ThreadCall[Any] | None]) -> None:
    while (call := calls.get()) is not None:
        call.run()
        del call  # Else it would be kept until the next one comes.


async def run_steps_in_thread(
    steps: Steps[T], transport: Transport, deadline: Deadline, permits: Sequence[Permit]
) -> T:
    """Perform all of `steps` over a blocking transport; the value that they return.

    As with a turn, there is no thread while they wait for `permits`, and a cancel frees those.
    """
    step, result = await perform_waits(steps, deadline)
    if step is None:
        return result  # type: ignore[no-any-return]  # They needed no transport.
    driver = BlockingDriver(steps, transport, deadline, step)

    def rest() -> T:
        while driver.advance() is not None:
            pass
        return driver.result

    try:
        return await in_thread(rest, deadline)
    except BaseException:
        for permit in permits:
            permit.disown()
        raise
