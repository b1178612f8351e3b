"""batch(): many prompts, one after another and a few at once, with a file to go on from.

Not `batch.py`: the package has a function of that name, which the submodule would hide.
"""

from __future__ import annotations

import operator
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Unpack

from .batch_file import BatchResult, Item, Journal, items_of
from .client import Client
from .config import ClientArguments, number
from .errors import (
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
    TurnCancelled,
)

__all__ = ["IN_A_ROW", "BatchProgress", "BatchResult", "batch"]

IN_A_ROW = 10
"""So many failures with no answer between them stop a batch: something is wrong with the site."""

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
        skipped: prompts that needed no asking: the file has them.
        answered, failed: prompts of this run.
        running: turns that are under way.
    """

    total: int | None
    skipped: int = 0
    answered: int = 0
    failed: int = 0
    running: int = 0

    @property
    def done(self) -> int:
        """Prompts that are dealt with."""
        return self.skipped + self.answered + self.failed


def batch(
    prompts: Iterable[str | Mapping[str, Any]],
    *,
    out: str | os.PathLike[str] | None = None,
    jobs: int = 4,
    retry_failed: bool = False,
    progress: Callable[[BatchProgress], object] | None = None,
    **arguments: Unpack[ClientArguments],
) -> Iterator[BatchResult]:
    """Ask many prompts, and give each result as it comes (which is seldom the prompts' order).

    With `out`, every result is appended to that file as soon as it is there, and what the file has
    already is not asked again (nor given again: the file has it): run the same call once more
    after a crash or a kill.  Failures are kept there too, and asked again only with
    `retry_failed`; of two lines with one id the later counts.

    Args:
        prompts: strings, or dicts `{"prompt": str}` or `{"messages": [...]}`, which may have an
            "id" (str or int) of their own; else their place is their id.  Taken one by one, as
            there is room for them.
        out: path of the file of results (JSON lines), or None for none.
        jobs: how many turns run at once (int).
        retry_failed: ask those again that failed in an earlier run, and no others.
        progress: called in the caller's thread with a `BatchProgress`, first at the start and
            then whenever something has changed.
        **arguments: those of `Client` (site, bot, api_key, timeout, min_interval, …), but
            max_concurrency, which is `jobs` here.

    Raises:
        InvalidConfigError, InvalidMessageError: an argument, the file or a prompt can't be used.
            (A prompt that is empty or too long is a failure of that prompt instead.)
        ResponseError, TransportError: from the iteration, once what was running has ended, where
            asking on would be of no use: ChallengeError, AuthenticationError, QuotaError,
            RateLimitError, BotNotFoundError, TLSError, ProxyError.  Their prompts are not written
            as failed, so the next run asks them.
        ChatGptEsError: of any class, as the tenth failure in a row.
        OSError: the file can't be read or written.
    """
    if isinstance(prompts, (str, bytes, bytearray, Mapping)):
        raise InvalidConfigError(
            f"prompts must be a list (or another iterable) of prompts, not one"
            f" {type(prompts).__name__}."
        )
    if "max_concurrency" in arguments:
        raise InvalidConfigError("A batch takes jobs= instead of max_concurrency=.")
    arguments["max_concurrency"] = int(number("jobs", jobs, 1, whole=True))
    # Kept here: waiting inside a client's turn would count against the turn's total.
    interval = number("min_interval", arguments.pop("min_interval", 0.0), 0)
    if retry_failed and out is None:
        raise InvalidConfigError("retry_failed needs out=, the file that knows what failed.")
    total = operator.length_hint(prompts, -1)
    items: Iterable[Item] = items_of(prompts)
    if isinstance(prompts, Sequence):
        items = list(items)  # A bad one is said before any is asked.
    run = _Run(
        Client(**arguments),
        out,
        items,
        jobs,
        interval,
        retry_failed,
        progress or (lambda _: None),
        None if total < 0 else total,
    )
    return run.results()


class _Run:
    """One run: the caller's thread hands prompts out, and `jobs` threads ask them."""

    def __init__(
        self,
        client: Client,
        out: str | os.PathLike[str] | None,
        items: Iterable[Item],
        jobs: int,
        interval: float,
        retry_failed: bool,
        progress: Callable[[BatchProgress], object],
        total: int | None,
    ) -> None:
        self._client = client
        self._out = out
        self._journal: Journal | None = None
        self._checked = items
        self._items = iter(items)
        self._jobs = jobs
        self._interval = interval
        self._retry_failed = retry_failed
        self._progress = progress
        self._total = total
        self._skipped = self._answered = self._failed = self._running = self._row = 0
        self._next_start = 0.0
        self._ended: queue.SimpleQueue[BatchResult | Exception] = queue.SimpleQueue()
        self._stop: ChatGptEsError | None = None
        self._leaving = threading.Event()

    def results(self) -> Iterator[BatchResult]:
        """What `batch` gives."""
        threads = ThreadPoolExecutor(self._jobs, thread_name_prefix="chatgptes-batch")
        try:
            self._open()
            self._tell()
            item = self._following()
            while item is not None or self._running:
                if item is not None and self._stop is not None:
                    item = None  # It is not lost: it was not written.
                elif item is not None and self._running < self._jobs and self._due():
                    threads.submit(self._ask, item)
                    self._running += 1
                    item = self._following()
                    self._tell()
                else:
                    result = self._await(item)
                    if result is not None:
                        yield result
            self._tell()
            if self._stop is not None:
                raise self._told(self._stop)
        finally:
            self._leaving.set()
            try:
                self._client.close()  # Ends the turns that still run, if the caller has left.
            finally:
                try:
                    # Once more, if Ctrl-C has cut it short: nobody waits for turns that run on.
                    self._client.close()
                    threads.shutdown(wait=True, cancel_futures=True)
                finally:
                    if self._journal is not None:
                        self._journal.close()

    def _open(self) -> None:
        if self._out is None:
            return
        self._journal = Journal(self._out)
        if isinstance(self._checked, list):
            for item in self._checked:
                self._journal.check(item)

    def _following(self) -> Item | None:
        """The next prompt that is to be asked."""
        journal = self._journal
        for item in self._items:
            if journal is None:
                return item
            journal.check(item)
            if self._retry_failed:
                wanted = item.id in journal.failed
            else:
                wanted = item.id not in journal.answered and item.id not in journal.failed
            if wanted:
                return item
            self._skipped += 1
        return None

    def _due(self) -> bool:
        """May the next turn start now?  Books its start if so."""
        now = time.monotonic()
        if now < self._next_start:
            return False
        self._next_start = now + self._interval
        return True

    def _await(self, item: Item | None) -> BatchResult | None:
        """The next result; None when it is time to start `item`, or the result is no prompt's."""
        patience = None
        if item is not None and self._running < self._jobs:
            patience = max(0.0, self._next_start - time.monotonic())
        try:
            ended = self._ended.get(timeout=patience)
        except queue.Empty:
            return None
        self._running -= 1
        if isinstance(ended, ChatGptEsError):
            self._stop = self._stop or ended
        elif isinstance(ended, Exception):
            raise ended
        else:
            self._count(ended)
        self._tell()
        return ended if isinstance(ended, BatchResult) else None

    def _count(self, result: BatchResult) -> None:
        if result.error is None:
            self._answered += 1
            self._row = 0
            return
        self._failed += 1
        self._row += not isinstance(result.error, _OF_THE_PROMPT)
        if self._row >= IN_A_ROW and self._stop is None:
            self._stop = result.error

    def _ask(self, item: Item) -> None:
        """In a thread of its own: one turn, written as soon as it has ended."""
        try:
            if self._leaving.is_set():
                return
            try:
                reply = self._client.chat(item.messages)
                result = BatchResult(item.id, item.index, item.digest, reply=reply)
            except _STOP as error:
                self._ended.put(error)
                return
            except ChatGptEsError as error:
                cut = isinstance(error, TurnCancelled) or isinstance(error.__cause__, TurnCancelled)
                if cut and self._leaving.is_set():
                    return  # The caller has left: it is to be asked next time.
                result = BatchResult(item.id, item.index, item.digest, error=error)
            if self._journal is not None:
                self._journal.write(result)
            self._ended.put(result)
        except Exception as error:  # noqa: BLE001 - it is raised in the caller's thread.
            self._ended.put(error)

    def _told(self, error: ChatGptEsError) -> ChatGptEsError:
        why = ""
        if self._row >= IN_A_ROW and not isinstance(error, _STOP):
            why = (
                f" These were {self._row} failures in a row (kept as failed: retry_failed=True,"
                " or --retry-failed, asks them again), so"
            )
        rest = "" if self._total is None else f" of {self._total}"
        done = self._skipped + self._answered + self._failed
        how = " the same call with the same file goes on from here" if self._journal else ""
        error.args = (
            f"{error}{why or ' So'} the batch has stopped, with {done}{rest} prompts dealt with"
            f"{';' if how else ''}{how}.",
            *error.args[1:],
        )
        return error

    def _tell(self) -> None:
        self._progress(
            BatchProgress(self._total, self._skipped, self._answered, self._failed, self._running)
        )
