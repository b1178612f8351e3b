"""The source of a batch's prompts: an iterable, read in a separate thread."""

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
    """The next prompt; None at the end, or where the iterable failed."""

    item: Item | None
    error: BaseException | None = None


class Source:
    """Reads prompts from an iterable in a separate thread, one for each call of `take`.

    An iterable may be slow, or wait for a reply that the caller handles: read in the caller's
    thread, it would hold replies back.
    """

    def __init__(
        self,
        items: Iterator[Item],
        skip_reason: Callable[[Item], str | None],
        put: Callable[[Taken], None],
    ) -> None:
        self._items = items
        self._skip_reason = skip_reason
        self._put = put
        self._wanted = threading.Semaphore(0)
        self._started = self._stopped = False
        self.skipped: Counter[str] = Counter()

    def take(self) -> None:
        """Have the next prompt to ask put into the queue, or `Taken(None)` at the end."""
        self._wanted.release()
        if not self._started:
            self._started = True
            try:
                start_thread(contextvars.copy_context().run, self._run)
            except ChatGptEsError as error:
                self._put(Taken(None, error))

    def stop(self) -> None:
        """Read no more.  Never blocks."""
        self._stopped = True
        self._wanted.release()

    def _run(self) -> None:
        while self._wanted.acquire() and not self._stopped:
            try:
                taken = Taken(self._next())
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread.
                taken = Taken(None, error)
            self._put(taken)

    def _next(self) -> Item | None:
        for item in self._items:
            why = self._skip_reason(item)
            if why is None:
                return item
            self.skipped[why] += 1
            if self._stopped:
                break
        return None


def start_thread(work: Callable[..., object], *arguments: Any) -> threading.Thread:
    """Call `work(*arguments)` in a daemon thread.

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
