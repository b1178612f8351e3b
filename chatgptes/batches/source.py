"""Where the prompts of a batch come from: an iterable, taken in a thread of its own."""

from __future__ import annotations

import contextvars
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import ChatGptEsError
from .prompts import Item

__all__ = ["Source", "Taken", "start_thread"]


@dataclass(frozen=True, slots=True)
class Taken:
    """The next prompt, or None: there is none, or taking it has failed."""

    item: Item | None
    error: BaseException | None = None


class Source:
    """Takes prompts from an iterable in a thread of its own, one whenever it is told to.

    An iterable may be slow, or wait for what the caller makes of a reply: in the caller's thread
    it would hold replies back.
    """

    def __init__(
        self,
        items: Iterator[Item],
        passed_over: Callable[[Item], str | None],
        put: Callable[[Taken], None],
    ) -> None:
        self._items = items
        self._passed_over = passed_over
        self._put = put
        self._wanted = threading.Semaphore(0)
        self._started = self._left = False
        self.passed: Counter[str] = Counter()

    def take(self) -> None:
        """Have the next prompt that is to be asked put into the queue, or the news of none."""
        self._wanted.release()
        if not self._started:
            self._started = True
            try:
                start_thread(contextvars.copy_context().run, self._run)
            except ChatGptEsError as error:
                self._put(Taken(None, error))

    def leave(self) -> None:
        """No more are wanted.  Never blocks."""
        self._left = True
        self._wanted.release()

    def _run(self) -> None:
        while self._wanted.acquire() and not self._left:
            try:
                taken = Taken(self._next())
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread.
                taken = Taken(None, error)
            self._put(taken)

    def _next(self) -> Item | None:
        for item in self._items:
            why = self._passed_over(item)
            if why is None:
                return item
            self.passed[why] += 1
            if self._left:
                break
        return None


def start_thread(work: Callable[..., object], *arguments: Any) -> threading.Thread:
    """Call `work(*arguments)` in a thread that no program waits for at its end.

    Raises:
        ChatGptEsError: the system gives no thread.
    """
    try:
        thread = threading.Thread(target=work, args=arguments, name="chatgptes-batch", daemon=True)
        thread.start()
    except RuntimeError as error:
        raise ChatGptEsError(
            f"A batch needs threads, and the system gives none: {error}."
        ) from None
    return thread
