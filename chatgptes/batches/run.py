"""One run of a batch: who takes prompts, who asks them, who is told."""

from __future__ import annotations

import copy
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..client import Client
from ..errors import (
    AuthenticationError,
    BotNotFoundError,
    ChallengeError,
    ChatGptEsError,
    InvalidConfigError,
    InvalidMessageError,
    MissingRequirementsError,
    ProxyError,
    QuotaError,
    RateLimitError,
    TLSError,
)
from .file import BatchResult, Journal
from .prompts import Item
from .source import Source, Taken, start_thread

__all__ = ["IN_A_ROW", "BatchProgress", "Run", "Which"]

IN_A_ROW = 10
"""So many failures with no answer between them stop a batch: something is wrong with the site."""
SETTLE = 2.0
"""Seconds at most that who leaves waits for turns that were told to end."""

Which = Literal["new", "failed", "both"]
"""Which prompts are asked: those not asked yet, those that failed, or both."""

# What would only happen again with the next prompt, and asking on would be rude.
_STOP = (
    AuthenticationError, BotNotFoundError, ChallengeError, InvalidConfigError,
    MissingRequirementsError, ProxyError, QuotaError, RateLimitError, TLSError,
)  # fmt: skip
# What says something of the prompt, and nothing of the site.
_OF_THE_PROMPT = (InvalidMessageError,)


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is (int each).

    Attributes:
        total: how many prompts there are, or None where the iterable does not say.
        skipped: prompts that needed no asking: the file has their answers.
        answered, failed: prompts of this run.
        running: turns that are under way.
        failed_before: prompts that failed in an earlier run, and are not asked again.
        unasked: prompts that no run has asked, nor does this one (`retry_failed`).
    """

    total: int | None
    skipped: int = 0
    answered: int = 0
    failed: int = 0
    running: int = 0
    failed_before: int = 0
    unasked: int = 0

    @property
    def done(self) -> int:
        """Prompts that are dealt with, by this run or an earlier one."""
        return self.skipped + self.failed_before + self.answered + self.failed


@dataclass(frozen=True, slots=True)
class _Ended:
    """A turn is over: its result, and what ends the batch."""

    result: BatchResult | None = None
    error: BaseException | None = None


class Run:
    """See `batch`.

    The caller's thread decides and counts.  Prompts are taken by a thread (`Source`), and each
    turn has one; all they have to say goes through one queue.  They are daemons: a program that
    wants to end, with Ctrl-C say, waits for none of them.
    """

    def __init__(
        self,
        client: Client,
        items: Iterator[Item],
        *,
        out: str | os.PathLike[str] | None,
        jobs: int,
        interval: float,
        which: Which,
        total: int | None,
        progress: Callable[[BatchProgress], object] | None,
    ) -> None:
        self._client = client
        self._out = out
        self._jobs = jobs
        self._interval = interval
        self._which = which
        self._total = total
        self._progress = progress
        self._journal: Journal | None = None
        self._events: queue.SimpleQueue[Taken | _Ended] = queue.SimpleQueue()
        self._source = Source(items, self._passed_over, self._events.put)
        self._taking = False
        self._item: Item | None = None  # Taken, and not started yet.
        self._over = False  # No more prompts will come.
        self._stop: BaseException | None = None
        self._why: str | None = None  # What joins the error that a turn ended with to its end.
        self._next_start = 0.0
        self._answered = self._failed = self._running = self._row = 0
        self._leaving = threading.Event()
        self._threads: list[threading.Thread] = []  # Of turns.

    def results(self, checked: list[Item]) -> Iterator[BatchResult]:
        """What `batch` gives; `checked` prompts are compared with the file before any is asked."""
        try:
            if self._out is not None:
                self._journal = Journal(self._out)
                self._journal.check_site(self._client.site, self._client.core.config.bot)
                for item in checked:
                    self._journal.check(item)
            self._tell()
            while self._running or not self._over or self._item is not None:
                result = self._next_event(self._start())
                if result is not None:
                    yield result
            self._tell()
            if self._stop is not None:
                raise self._stop if self._why is None else self._told(self._stop, self._why)
        finally:
            self._leave()

    def _passed_over(self, item: Item) -> str | None:
        """Why `item` is not to be asked in this run, or None."""
        if self._journal is None:
            return None
        self._journal.check(item)
        if item.id in self._journal.answered:
            return "answered"
        if item.id in self._journal.failed:
            return "failed" if self._which == "new" else None
        return "unasked" if self._which == "failed" else None

    def _start(self) -> float | None:
        """Start what may start; the seconds to wait for news, or None for as long as it takes."""
        while self._running < self._jobs:
            if self._item is None:
                if not (self._over or self._taking):
                    self._taking = True
                    self._source.take()
                return None
            now = time.monotonic()
            if now < self._next_start:
                return self._next_start - now
            self._next_start = now + self._interval
            item, self._item = self._item, None
            self._running += 1
            try:
                if len(self._threads) >= 2 * self._jobs:
                    self._threads = [each for each in self._threads if each.is_alive()]
                self._threads.append(start_thread(self._ask, item))
            except ChatGptEsError as error:
                self._events.put(_Ended(None, error))
            self._tell()
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
            elif not self._over:
                self._item = event.item
            return None
        self._running -= 1
        if event.error is not None:
            self._end(event.error, "So")
        elif event.result is not None:
            self._count(event.result)  # What could not be written is given, and not counted.
        self._tell()
        return event.result

    def _count(self, result: BatchResult) -> None:
        if result.error is None:
            self._answered += 1
            self._row = 0
            return
        self._failed += 1
        self._row += not isinstance(result.error, _OF_THE_PROMPT)
        if self._row >= IN_A_ROW:
            why = (
                f"These were {self._row} failures in a row (kept as failed: retry_failed=True, or"
                " --retry-failed, asks them again), so"
            )
            self._end(copy.copy(result.error), why)  # What is added to it is not the result's.

    def _end(self, error: BaseException, why: str | None = None) -> None:
        """Start no more turns; `error` is raised once those under way have ended."""
        if self._stop is None:
            self._stop, self._why = error, why
        self._over = True
        self._item = None  # It is not lost: it was not written.

    def _ask(self, item: Item) -> None:
        """In a thread of its own: one turn, written as soon as it has ended."""
        try:
            ended = self._turn(item)
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread.
            ended = _Ended(None, error)
        self._events.put(ended)

    def _turn(self, item: Item) -> _Ended:
        try:
            reply = self._client.chat(item.messages)
            result = BatchResult(item.id, item.index, item.digest, reply=reply)
        except _STOP as error:
            return _Ended(None, error)
        except ChatGptEsError as error:
            if self._leaving.is_set():
                return _Ended()  # It was cut off; the next run asks it.
            result = BatchResult(item.id, item.index, item.digest, error=error)
        try:
            if self._journal is not None:
                self._journal.write(result)
        except OSError as error:
            return _Ended(result, error)
        return _Ended(result)

    def _leave(self) -> None:
        self._leaving.set()
        self._source.leave()
        # The first ends the turns that still run, if the caller has left; twice, since Ctrl-C may
        # cut it short.
        _each(self._client.close, self._client.close, self._settle, self._close_journal)

    def _settle(self) -> None:
        """Let turns that were told to end do so: one may be writing its reply."""
        end = time.monotonic() + SETTLE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _told(self, error: BaseException, why: str) -> BaseException:
        """`error`, with how far the batch is."""
        if isinstance(error, ChatGptEsError):
            rest = "" if self._total is None else f" of {self._total}"
            how = "; the same call with the same file goes on from here" if self._journal else ""
            error.args = (
                f"{error} {why} the batch has stopped, with {self._state().done}{rest} prompts"
                f" dealt with{how}.",
                *error.args[1:],
            )
        return error

    def _state(self) -> BatchProgress:
        passed = self._source.passed
        return BatchProgress(
            self._total,
            passed["answered"],
            self._answered,
            self._failed,
            self._running,
            passed["failed"],
            passed["unasked"],
        )

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._state())


def _each(*steps: Callable[[], object]) -> None:
    """All steps: what interrupts one (Ctrl-C) must not keep the others from being done."""
    interrupt: BaseException | None = None
    for step in steps:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - it is raised below.
            interrupt = interrupt or error
    if interrupt is not None:
        raise interrupt
