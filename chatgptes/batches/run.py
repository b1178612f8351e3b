"""One run of a batch: starts turns, counts and gives results, and decides when to stop."""

from __future__ import annotations

import contextvars
import copy
import logging
import os
import queue
import threading
import time
from collections import Counter
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
    """A turn has ended: with a result, and an error if the batch ends with it."""

    result: BatchResult | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _NoMorePrompts:
    error: BaseException | None = None


class Run:
    """See `batch`.

    The caller's thread counts and decides.  One thread reads prompts and starts turns: an iterable
    may be slow, or wait for a reply, and would hold replies back in the caller's.  Each turn has a
    thread.  All report through one queue.  They are daemons: a program that wants to end, with
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
        self._items = items
        self._out = out
        self._jobs = jobs
        self._interval = interval
        self._retry_failed = retry_failed
        self._total = total
        self._progress = progress
        self._journal: Journal | None = None
        self._events: queue.SimpleQueue[_Ended | _NoMorePrompts | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(jobs)  # A result keeps its place until it is used.
        self._lock = threading.Lock()  # Of what follows, up to `_threads`.
        self._over = False  # No more turns will start.
        self._running = 0
        self._next_start = 0.0
        self._threads: list[threading.Thread] = []  # Of turns.
        self._stopping = threading.Event()
        self._leaving = False
        self._error: BaseException | None = None
        self._why: str | None = None  # Joins the error's message to the batch's end.
        self._answered = self._failed = self._row = 0
        self._skipped: Counter[str] = Counter()
        self._last_answer = -MINUTE
        self._final_words: set[str] = set()  # Of refusals that a minute did not change.

    def results(self, checked: list[Item]) -> Iterator[BatchResult]:
        """Run the batch; `checked` prompts are compared with the file before any is asked."""
        try:
            if self._out is not None:
                self._journal = Journal(self._out)
                self._journal.check_site(self._client.site, self._client.core.config.bot)
                for item in checked:
                    self._journal.check(item)
            self._report()
            _start_thread(contextvars.copy_context().run, self._start_turns)
            while self._running or not self._over:
                event = self._events.get()
                if isinstance(event, _Ended):
                    with self._lock:
                        self._running -= 1
                    self._note(event)
                elif event is not None:
                    self._end(event.error)
                self._report()
                if isinstance(event, _Ended):
                    if event.result is not None:
                        yield event.result
                    self._room.release()
            if self._error is not None:
                raise self._error if self._why is None else self._explained(self._error, self._why)
        finally:
            self._shut_down()

    # In the thread that reads prompts.

    def _start_turns(self) -> None:
        try:
            while self._room.acquire() and not self._stopping.is_set():
                item = self._next_item()
                if item is None or not self._wait_for_start():
                    break
                with self._lock:
                    if self._over:
                        break
                    self._threads = [each for each in self._threads if each.is_alive()]
                    self._threads.append(_start_thread(self._ask, item))
                    self._running += 1
                self._events.put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread.
            self._events.put(_NoMorePrompts(error))
        else:
            self._events.put(_NoMorePrompts())

    def _next_item(self) -> Item | None:
        for item in self._items:
            why = self._skip_reason(item)
            if why is None:
                return item
            self._skipped[why] += 1
            if self._stopping.is_set():
                break
        return None

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

    def _wait_for_start(self) -> bool:
        """Wait until a turn may start; False if none may any more."""
        while True:
            with self._lock:
                now = time.monotonic()
                wait = self._next_start - now
                if wait <= 0:
                    self._next_start = now + self._interval
                    return True
            if self._stopping.wait(wait):
                return False

    # In the thread of a turn.

    def _ask(self, item: Item) -> None:
        try:
            ended = self._turn(item)
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread.
            ended = _Ended(error=error)
        self._events.put(ended)

    def _turn(self, item: Item, *, again: bool = False) -> _Ended:
        """Take one turn and write its result."""
        reply: Reply | None = None
        failure: ChatGptEsError | None = None
        try:
            reply = self._client.chat(item.messages)
            self._last_answer = time.monotonic()
        except _STOP as error:
            return _Ended(error=error)
        except ChatGptEsError as error:
            if self._leaving:
                return _Ended()  # It was cancelled; the next run asks it.
            if isinstance(error, RefusedError):
                if error.blocked:
                    return _Ended(error=error)
                if self._is_rate_limit(error, again=again):
                    return self._turn_later(item)
            failure = error
        result = BatchResult(
            item.id, item.index, item.digest, reply, failure, item.messages, item.columns
        )
        try:
            if self._journal is not None:
                self._journal.write(result)
        except OSError as error:
            return _Ended(result, error)
        return _Ended(result)

    def _is_rate_limit(self, error: RefusedError, *, again: bool) -> bool:
        """Tell by the bot's behaviour whether it refuses only for the moment.

        The plugin's own limit (60 messages a minute) looks like any other refusal, without a code.
        """
        words = error.excerpt or error.message
        if again:
            self._final_words.add(words)
            return False
        lately = time.monotonic() - self._last_answer < MINUTE
        return lately and error.code is None and words not in self._final_words

    def _turn_later(self, item: Item) -> _Ended:
        """Start no turn for a minute, then ask `item` again."""
        with self._lock:
            self._next_start = time.monotonic() + MINUTE
        _log.info(
            "The bot answered a moment ago and refuses now: waiting %g s before asking again.",
            MINUTE,
        )
        return self._turn(item, again=True) if self._wait_for_start() else _Ended()

    # In the caller's thread.

    def _note(self, event: _Ended) -> None:
        result = event.result
        if event.error is not None:  # One that could not be written is given, and not counted.
            self._end(event.error, "So")
        elif result is not None and result.error is None:
            self._answered += 1
            self._row = 0
        elif result is not None and result.error is not None:
            self._failed += 1
            # An invalid message says nothing of the site.
            self._row += not isinstance(result.error, InvalidMessageError)
            if self._row >= IN_A_ROW:
                error = copy.copy(result.error)  # The result's own stays as it is.
                if self._journal is not None:
                    error.hint = Hint("retry_failed", purpose="to ask the failed ones again")
                self._end(error, f"These were {self._row} failures in a row, so")

    def _end(self, error: BaseException | None, why: str | None = None) -> None:
        """Start no more turns; the first `error` is raised once those under way have ended."""
        with self._lock:
            self._over = True
        if error is not None:
            self._stopping.set()
            if self._error is None:
                self._error, self._why = error, why

    def _shut_down(self) -> None:
        with self._lock:
            self._over = self._leaving = True
        self._stopping.set()
        self._room.release()
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
        return BatchProgress(
            self._total,
            self._skipped["answered"],
            self._answered,
            self._failed,
            self._running,
            self._skipped["failed"],
            self._skipped["unasked"],
        )

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(self._state())


def _start_thread(work: Callable[..., object], *arguments: object) -> threading.Thread:
    """Call `work(*arguments)` in a daemon thread.

    Raises:
        ChatGptEsError: the system gives no thread.
    """
    thread = threading.Thread(target=work, args=arguments, name="chatgptes-batch", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise ChatGptEsError(
            f"A batch needs threads, and the system gives none: {error}."
        ) from None
    return thread


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
