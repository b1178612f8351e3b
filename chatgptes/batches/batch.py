"""batch(): many prompts, a few at once, with a file from which an interrupted run continues.

Not `batch.py`: the package has a function of that name, which the submodule would hide.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Unpack

from ..client import Client
from ..errors import InvalidConfigError
from ..turn.config import ClientArguments
from ..values.checks import number
from .prompts import items_of
from .run import Run
from .values import BatchProgress, BatchResult

__all__ = ["batch"]


def batch(
    prompts: Iterable[str | Mapping[str, Any]],
    *,
    out: str | os.PathLike[str] | None = None,
    jobs: int = 4,
    retry_failed: bool = False,
    progress: Callable[[BatchProgress], object] | None = None,
    **arguments: Unpack[ClientArguments],
) -> Iterator[BatchResult]:
    """Ask many prompts and give each result when it is ready (seldom in the prompts' order).

    With `out`, every result is appended to that file as soon as it is ready.  Prompts that the
    file has are not asked again, and their results not given again: after a crash or a kill, run
    the same call once more.  Failures are in the file too, and are asked again only with
    `retry_failed`; of two lines with one id the later counts.  A file is for one site and one bot;
    it does not record other arguments, such as `system`.

    A bot that has answered within the last minute and then refuses without a code has most likely
    met its limit of messages per minute.  The batch waits for a minute and asks that prompt again;
    if it is refused again, that is its result.

    Args:
        prompts: strings, or dicts `{"prompt": str}` or `{"messages": [...]}`.  A dict may have an
            "id" (str or int); else the place is the id.  It may have "columns", a dict that is kept
            for its result.  Anything but a sequence is read one by one in a separate thread, so
            that a slow iterable, or one that waits for a reply, holds no reply back.
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
        ResponseError, TransportError: from the iteration, after the running turns have ended,
            where further questions would fail too: ChallengeError, AuthenticationError,
            QuotaError, RateLimitError, BotNotFoundError, TLSError, ProxyError, and a RefusedError
            that is `blocked`.  Their prompts are not written as failed, so the next run asks them.
        ChatGptEsError: of any class, as the tenth failure in a row.
        OSError: the file can't be read or written.
        Exception: any error of the iterable, after the running turns have ended.
    """
    if isinstance(prompts, (str, bytes, bytearray, Mapping)) or not isinstance(prompts, Iterable):
        raise InvalidConfigError(
            f"prompts must be a list (or another iterable) of prompts, not one"
            f" {type(prompts).__name__}."
        )
    if "max_concurrency" in arguments:
        raise InvalidConfigError("max_concurrency: in a batch its name is jobs.")
    arguments["max_concurrency"] = int(number("jobs", jobs, 1, whole=True))
    # Not the client's: a wait inside a turn would count against the turn's total.
    interval = number("min_interval", arguments.pop("min_interval", 0.0), 0)
    if retry_failed and out is None:
        raise InvalidConfigError("retry_failed needs out, the file with the failures.")
    items = items_of(prompts)
    run = Run(
        Client(**arguments),
        list(items) if isinstance(prompts, Sequence) else items,
        out=out,
        jobs=arguments["max_concurrency"],
        interval=interval,
        retry_failed=retry_failed,
        progress=progress,
    )
    return run.results()
