"""One run of a batch: starts turns, counts and gives results, and decides when to stop."""

from __future__ import annotations

import contextlib
import contextvars
import copy
import logging
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from .. import errors
from ..client import Client
from ..errors import ChatGptEsError, Hint, InvalidMessageError, RefusedError
from ..transport.errors import no_thread
from ..values.reply import Reply
from .file import Journal
from .values import BatchProgress, BatchResult

__all__ = ["IN_A_ROW", "MINUTE", "Run"]

IN_A_ROW = 10
"""So many failures with no answer between them stop a batch: something is wrong with the site."""
MINUTE = 60.0
"""Seconds in which the plugin counts messages (measured: 60 a minute from one address)."""
SETTLE = 2.0
"""Seconds that the end of a run waits at most for turns that were cancelled."""

# These would only happen again with the next prompt, and to ask on would be rude.
_STOP = (
    errors.AuthenticationError, errors.BotNotFoundError, errors.ChallengeError,
    errors.InvalidConfigError, errors.MissingRequirementsError, errors.ProxyError,
    errors.QuotaError, errors.RateLimitError, errors.TLSError,
)  # fmt: skip

# Counts of prompts that are not asked, by whether an earlier run had an answer (None: never asked).
_NOT_ASKED = {True: "skipped", False: "failed_before", None: "unasked"}

_log = logging.getLogger("chatgptes")


@dataclass(frozen=True, slots=True)
class _Ended:
    """A turn has ended: with a result, and an error if the batch ends with it."""

    result: BatchResult | None = None
    error: BaseException | None = None


@dataclass(eq=False)
class Run:
    """See `batch`.  A list of items is compared with the file before any is asked.

    The caller's thread counts and decides.  One thread reads prompts and starts turns: an iterable
    may be slow, or wait for a reply, and would hold replies back in the caller's.  Each turn has a
    thread.  All report through one queue.  They are daemons: a program that wants to end, with
    Ctrl-C for example, waits for none of them.
    """

    client: Client
    items: Iterable[BatchResult]
    out: str | os.PathLike[str] | None
    jobs: int
    interval: float
    retry_failed: bool
    progress: Callable[[BatchProgress], object] | None

    def __post_init__(self) -> None:
        self._journal: Journal | None = None
        self._remaining = iter(self.items)
        self._total = len(self.items) if isinstance(self.items, list) else None
        # A turn that has ended, or None for any other change.
        self._events: queue.SimpleQueue[_Ended | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(self.jobs)  # A result keeps its place until it is used.
        self._counts: Counter[str] = Counter()  # Under the names of `BatchProgress`.
        self._lock = threading.Lock()  # Of what follows, up to `_next_start`, and of "running".
        self._over = False  # No more turns will start.
        self._next_start = 0.0
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._row = 0  # Failures since the last answer.
        self._last_answer = -MINUTE
        self._final_words: set[str] = set()  # Of refusals that a minute did not change.

    def results(self) -> Iterator[BatchResult]:
        """Run the batch."""
        with contextlib.ExitStack() as ending:  # Which does all of it, even if Ctrl-C hits a part.
            ending.callback(self.client.close)
            if self.out is not None:
                self._journal = Journal(self.out)
                ending.callback(self._journal.close)
                self._journal.check_site(self.client.site, self.client.core.config.bot)
                for item in self.items if isinstance(self.items, list) else ():
                    self._journal.was_answered(item)  # Or it has changed.
            ending.callback(self._settle)
            # Cancels the turns that still run, if the caller has left.  Once more at the end, since
            # Ctrl-C may interrupt it.
            ending.callback(self.client.close)
            ending.callback(self._stop)
            self._report()
            _start_thread(contextvars.copy_context().run, self._start_turns)
            while self._counts["running"] or not self._over:
                ended = self._events.get()
                if ended is not None:
                    self._note(ended)
                self._report()
                if ended is not None:
                    if ended.result is not None:
                        yield ended.result
                    self._room.release()
            self._report()
            if self._error is not None:
                raise self._explained(self._error)

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
                    _start_thread(self._ask, item)
                    self._counts["running"] += 1
                self._events.put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread.
            self._stop(error)
        self._over = True
        self._events.put(None)

    def _next_item(self) -> BatchResult | None:
        wanted = False if self.retry_failed else None
        for item in self._remaining:
            before = None if self._journal is None else self._journal.was_answered(item)
            if before is wanted:
                return item
            self._counts[_NOT_ASKED[before]] += 1
            if self._stopping.is_set():
                break
        return None

    def _wait_for_start(self) -> bool:
        """Wait until a turn may start; False if none may any more."""
        while True:
            with self._lock:
                now = time.monotonic()
                wait = self._next_start - now
                if wait <= 0:
                    self._next_start = now + self.interval
                    return True
            if self._stopping.wait(wait):
                return False

    # In the thread of a turn.

    def _ask(self, item: BatchResult) -> None:
        try:
            ended = self._turn(item)
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread.
            ended = _Ended(error=error)
        self._events.put(ended)

    def _turn(self, item: BatchResult) -> _Ended:
        """Take one turn and write its result.

        Raises:
            ChatGptEsError: the batch ends with it.
        """
        reply, failure = self._chat(item)
        if failure is not None and self._is_rate_limit(failure):
            with self._lock:
                self._next_start = time.monotonic() + MINUTE
            _log.info(
                "The bot answered a moment ago and refuses now: waiting %g s before asking again.",
                MINUTE,
            )
            if not self._wait_for_start():
                return _Ended()
            reply, failure = self._chat(item)
            if failure is not None:
                self._final_words.add(failure.excerpt or failure.message)
        if failure is not None and self.client.core.closed:
            return _Ended()  # It was cancelled; the next run asks it.
        result = replace(item, reply=reply, error=failure)
        try:
            if self._journal is not None:
                self._journal.write(result)
        except OSError as error:
            return _Ended(result, error)
        return _Ended(result)

    def _chat(self, item: BatchResult) -> tuple[Reply | None, ChatGptEsError | None]:
        """Return the reply, or the failure that is the prompt's own."""
        try:
            reply = self.client.chat(item.prompt)
        except ChatGptEsError as error:
            if isinstance(error, _STOP) or getattr(error, "blocked", False):
                raise
            return None, error
        self._last_answer = time.monotonic()
        return reply, None

    def _is_rate_limit(self, error: ChatGptEsError) -> bool:
        """Tell by the bot's behaviour whether it refuses only for the moment.

        The plugin's own limit (60 messages a minute) looks like any other refusal, without a code.
        """
        lately = time.monotonic() - self._last_answer < MINUTE
        known = (error.excerpt or error.message) in self._final_words
        return isinstance(error, RefusedError) and error.code is None and lately and not known

    # In the caller's thread.

    def _note(self, ended: _Ended) -> None:
        result, error = ended.result, ended.error
        with self._lock:
            self._counts["running"] -= 1
        if error is not None:  # A result that could not be written is given, and not counted.
            self._stop(error)
        elif result is not None and result.error is None:
            self._counts["answered"] += 1
            self._row = 0
        elif result is not None and result.error is not None:
            self._counts["failed"] += 1
            # An invalid message says nothing of the site.
            self._row += not isinstance(result.error, InvalidMessageError)
            if self._row >= IN_A_ROW:
                last = copy.copy(result.error)  # The result's own stays as it is.
                last.args = (f"{last.message} These were {self._row} failures in a row.",)
                if self._journal is not None:
                    last.hint = Hint("retry_failed", purpose="to ask the failed ones again")
                self._stop(last)

    def _stop(self, error: BaseException | None = None) -> None:
        """Start no more turns; the first `error` is raised once those under way have ended."""
        with self._lock:
            self._over = True
            if self._error is None:
                self._error = error
        self._stopping.set()
        self._room.release()  # So that the thread that reads prompts sees it.

    def _settle(self) -> None:
        """Wait for cancelled turns: one may be writing its reply."""
        end = time.monotonic() + SETTLE
        with contextlib.suppress(queue.Empty):
            while self._counts["running"]:
                ended = self._events.get(timeout=max(0.0, end - time.monotonic()))
                self._counts["running"] -= ended is not None

    def _explained(self, error: BaseException) -> BaseException:
        """Return `error`, if it is a turn's, with how far the batch is in its message."""
        if isinstance(error, (errors.ResponseError, errors.TransportError)):
            of = "" if self._total is None else f" of {self._total}"
            how = "; the same call with the same file continues from here" if self._journal else ""
            done = f"{self._state().done}{of} prompts done{how}."
            error.args = (f"{error.message} So the batch has stopped, with {done}",)
        return error

    def _state(self) -> BatchProgress:
        return BatchProgress(self._total, **self._counts)

    def _report(self) -> None:
        if self.progress is not None:
            self.progress(self._state())


def _start_thread(work: Callable[..., object], *arguments: object) -> None:
    """Call `work(*arguments)` in a daemon thread."""
    thread = threading.Thread(target=work, args=arguments, name="chatgptes-batch", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise no_thread(str(error)) from None
