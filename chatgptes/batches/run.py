"""One run of a batch: starts turns, counts and gives results, and decides when to stop."""

from __future__ import annotations

import copy
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..client import Client
from ..errors import (
    AuthenticationError,
    BotNotFoundError,
    ChallengeError,
    ChatGptEsError,
    Hint,
    InvalidConfigError,
    InvalidMessageError,
    MissingRequirementsError,
    ProxyError,
    QuotaError,
    RateLimitError,
    RefusedError,
    TLSError,
)
from ..values.reply import Reply
from .file import BatchResult, Journal
from .progress import BatchProgress
from .prompts import Item
from .source import Source, Taken, start_thread

__all__ = ["IN_A_ROW", "MINUTE", "Run"]

IN_A_ROW = 10
"""So many failures with no answer between them stop a batch: something is wrong with the site."""
MINUTE = 60.0
"""Seconds in which the plugin counts messages (measured: 60 a minute from one address)."""
SETTLE = 2.0
"""Seconds that the end of a run waits at most for turns that were cancelled."""

# These would only happen again with the next prompt, and to ask on would be rude.
_STOP = (
    AuthenticationError, BotNotFoundError, ChallengeError, InvalidConfigError,
    MissingRequirementsError, ProxyError, QuotaError, RateLimitError, TLSError,
)  # fmt: skip

_log = logging.getLogger("chatgptes")


@dataclass(frozen=True, slots=True)
class _Ended:
    """A turn is over: with a result, an error that ends the batch, or a prompt to ask again."""

    result: BatchResult | None = None
    error: BaseException | None = None
    again: Item | None = None


class Run:
    """See `batch`.

    The caller's thread decides and counts.  A thread reads prompts (`Source`), and each turn has
    one; all of them report through one queue.  They are daemons: a program that wants to end, with
    Ctrl-C for example, waits for none of them.
    """

    def __init__(
        self,
        client: Client,
        items: Iterator[Item],
        *,
        out: str | os.PathLike[str] | None,
        jobs: int,
        interval: float,
        retry_failed: bool,
        total: int | None,
        progress: Callable[[BatchProgress], object] | None,
    ) -> None:
        self._client = client
        self._out = out
        self._jobs = jobs
        self._interval = interval
        self._retry_failed = retry_failed
        self._total = total
        self._progress = progress
        self._journal: Journal | None = None
        self._events: queue.SimpleQueue[Taken | _Ended] = queue.SimpleQueue()
        self._source = Source(items, self._skip_reason, self._events.put)
        self._taking = False
        self._ready: deque[Item] = deque()  # Taken, and not started yet.
        self._over = False  # No more prompts will come.
        self._stop: BaseException | None = None
        self._why: str | None = None  # Joins the error's message to the batch's end.
        self._next_start = 0.0
        self._answered = self._failed = self._running = self._row = 0
        self._last_answer = -MINUTE
        self._asked_again: set[str | int] = set()  # Ids.
        self._final_words: set[str] = set()  # Of refusals that a minute did not change.
        self._leaving = threading.Event()
        self._threads: list[threading.Thread] = []  # Of turns.

    def results(self, checked: list[Item]) -> Iterator[BatchResult]:
        """Run the batch; `checked` prompts are compared with the file before any is asked."""
        try:
            if self._out is not None:
                self._journal = Journal(self._out)
                self._journal.check_site(self._client.site, self._client.core.config.bot)
                for item in checked:
                    self._journal.check(item)
            self._report()
            while self._running or not self._over or self._ready:
                result = self._next_event(self._start())
                if result is not None:
                    yield result
            self._report()
            if self._stop is not None:
                raise self._stop if self._why is None else self._explained(self._stop, self._why)
        finally:
            self._shut_down()

    def _skip_reason(self, item: Item) -> str | None:
        """Return why `item` is not asked in this run, or None."""
        if self._journal is None:
            return None
        self._journal.check(item)
        if item.id in self._journal.answered:
            return "answered"
        if item.id in self._journal.failed:
            return None if self._retry_failed else "failed"
        return "unasked" if self._retry_failed else None

    def _start(self) -> float | None:
        """Start turns; return the seconds to wait for an event, or None for no limit."""
        while self._running < self._jobs:
            if not self._ready:
                if not (self._over or self._taking):
                    self._taking = True
                    self._source.take()
                return None
            now = time.monotonic()
            if now < self._next_start:
                return self._next_start - now
            self._next_start = now + self._interval
            item = self._ready.popleft()
            self._running += 1
            try:
                if len(self._threads) >= 2 * self._jobs:
                    self._threads = [each for each in self._threads if each.is_alive()]
                self._threads.append(start_thread(self._ask, item))
            except ChatGptEsError as error:
                self._events.put(_Ended(error=error))
            self._report()
        return None

    def _next_event(self, patience: float | None) -> BatchResult | None:
        try:
            event = self._events.get(timeout=patience)
        except queue.Empty:
            return None
        if isinstance(event, Taken):
            self._taking = False
            if event.error is not None:
                self._end(event.error)
            if event.item is None:
                self._over = True
            elif self._stop is None:
                self._ready.append(event.item)
            return None
        self._running -= 1
        if event.error is not None:
            self._end(event.error, "So")
        elif event.result is not None:
            self._count(event.result)  # One that could not be written is given, and not counted.
        elif event.again is not None and self._stop is None:
            self._ask_later(event.again)
        self._report()
        return event.result

    def _ask_later(self, item: Item) -> None:
        """Put `item` first, and start nothing for a minute."""
        self._asked_again.add(item.id)
        self._ready.appendleft(item)
        self._next_start = time.monotonic() + MINUTE
        _log.info(
            "The bot answered a moment ago and refuses now: waiting %g s before asking again.",
            MINUTE,
        )

    def _count(self, result: BatchResult) -> None:
        if result.error is None:
            self._answered += 1
            self._row = 0
            return
        self._failed += 1
        # An invalid message says nothing of the site.
        self._row += not isinstance(result.error, InvalidMessageError)
        if self._row >= IN_A_ROW:
            error = copy.copy(result.error)  # The result's own stays as it is.
            if self._journal is not None:
                error.hint = Hint("retry_failed", purpose="to ask the failed ones again")
            self._end(error, f"These were {self._row} failures in a row, so")

    def _end(self, error: BaseException, why: str | None = None) -> None:
        """Start no more turns; `error` is raised once those under way have ended."""
        if self._stop is None:
            self._stop, self._why = error, why
        self._over = True
        self._ready.clear()  # They are not lost: nothing was written of them.

    def _ask(self, item: Item) -> None:
        """Take one turn and write its result; runs in a separate thread."""
        try:
            ended = self._turn(item)
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread.
            ended = _Ended(error=error)
        self._events.put(ended)

    def _turn(self, item: Item) -> _Ended:
        try:
            reply = self._client.chat(item.messages)
            self._last_answer = time.monotonic()
            result = _result(item, reply=reply)
        except _STOP as error:
            return _Ended(error=error)
        except ChatGptEsError as error:
            if self._leaving.is_set():
                return _Ended()  # It was cancelled; the next run asks it.
            if isinstance(error, RefusedError):
                if error.blocked:
                    return _Ended(error=error)
                if self._is_rate_limit(item, error):
                    return _Ended(again=item)
            result = _result(item, error=error)
        try:
            if self._journal is not None:
                self._journal.write(result)
        except OSError as error:
            return _Ended(result, error)
        return _Ended(result)

    def _is_rate_limit(self, item: Item, error: RefusedError) -> bool:
        """Tell by the bot's behaviour whether it refuses only for the moment.

        The plugin's own limit (60 messages a minute) looks like any other refusal, without a code.
        """
        words = error.excerpt or error.message
        if item.id in self._asked_again:
            self._final_words.add(words)
            return False
        lately = time.monotonic() - self._last_answer < MINUTE
        return lately and error.code is None and words not in self._final_words

    def _shut_down(self) -> None:
        self._leaving.set()
        self._source.stop()
        # The first close cancels the turns that still run, if the caller has left.  Twice, since
        # Ctrl-C may interrupt it.
        _call_all(self._client.close, self._client.close, self._settle, self._close_journal)

    def _settle(self) -> None:
        """Wait for cancelled turns: one may be writing its reply."""
        end = time.monotonic() + SETTLE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _explained(self, error: BaseException, why: str) -> BaseException:
        """Return `error` with how far the batch is in its message."""
        if isinstance(error, ChatGptEsError):
            rest = "" if self._total is None else f" of {self._total}"
            how = "; the same call with the same file continues from here" if self._journal else ""
            error.args = (
                f"{error.message} {why} the batch has stopped, with {self._state().done}{rest}"
                f" prompts done{how}.",
                *error.args[1:],
            )
        return error

    def _state(self) -> BatchProgress:
        skipped = self._source.skipped
        return BatchProgress(
            self._total,
            skipped["answered"],
            self._answered,
            self._failed,
            self._running,
            skipped["failed"],
            skipped["unasked"],
        )

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(self._state())


def _result(
    item: Item, *, reply: Reply | None = None, error: ChatGptEsError | None = None
) -> BatchResult:
    return BatchResult(item.id, item.index, item.digest, reply, error, item.messages, item.columns)


def _call_all(*steps: Callable[[], object]) -> None:
    """Call all of `steps`, even if one is interrupted (Ctrl-C); then raise that error."""
    interrupt: BaseException | None = None
    for step in steps:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - it is raised below.
            interrupt = interrupt or error
    if interrupt is not None:
        raise interrupt
