"""batch(): many prompts, one after another and a few at once, with a file to go on from.

Not `batch.py`: the package has a function of that name, which the submodule would hide.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Unpack

from ..client import Client
from ..errors import InvalidConfigError
from ..turn.config import ClientArguments
from ..values.checks import number
from .file import BatchResult
from .prompts import items_of
from .run import BatchProgress, Run, Which

__all__ = ["BatchProgress", "BatchResult", "batch"]


def batch(
    prompts: Iterable[str | Mapping[str, Any]],
    *,
    out: str | os.PathLike[str] | None = None,
    jobs: int = 4,
    retry_failed: bool = False,
    resume_failed: bool = False,
    progress: Callable[[BatchProgress], object] | None = None,
    **arguments: Unpack[ClientArguments],
) -> Iterator[BatchResult]:
    """Ask many prompts, and give each result as it comes (which is seldom the prompts' order).

    With `out`, every result is appended to that file as soon as it is there, and what the file has
    already is not asked again (nor given again: the file has it): run the same call once more
    after a crash or a kill.  Failures are kept there too, and asked again only with
    `retry_failed` or `resume_failed`; of two lines with one id the later counts.  A file is of one
    site and bot; what else is asked with (`system`, say) it does not know.

    Args:
        prompts: strings, or dicts `{"prompt": str}` or `{"messages": [...]}`, which may have an
            "id" (str or int) of their own; else their place is their id.  Anything but a list or
            another sequence is taken one by one, as there is room for them, in a thread of its
            own: one that is slow, or waits for a reply, holds no reply back.
        out: path of the file of results (JSON lines), or None for none.
        jobs: how many turns run at once (int).
        retry_failed: ask those again that failed in an earlier run, and no others.
        resume_failed: ask those again, and also what was not asked yet.
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
        Exception: what the iterable raises, once what was running has ended.
    """
    if isinstance(prompts, (str, bytes, bytearray, Mapping)) or not isinstance(prompts, Iterable):
        raise InvalidConfigError(
            f"prompts must be a list (or another iterable) of prompts, not one"
            f" {type(prompts).__name__}."
        )
    if "max_concurrency" in arguments:
        raise InvalidConfigError("A batch takes jobs= instead of max_concurrency=.")
    arguments["max_concurrency"] = int(number("jobs", jobs, 1, whole=True))
    # Kept here: waiting inside a client's turn would count against the turn's total.
    interval = number("min_interval", arguments.pop("min_interval", 0.0), 0)
    if retry_failed and resume_failed:
        raise InvalidConfigError("retry_failed and resume_failed don't go together: choose one.")
    which: Which = "failed" if retry_failed else "both" if resume_failed else "new"
    if which != "new" and out is None:
        raise InvalidConfigError(
            "retry_failed and resume_failed need out=, the file that knows what failed."
        )
    total = operator.length_hint(prompts, -1)
    items = items_of(prompts)
    # A bad one is said before any is asked.
    checked = list(items) if isinstance(prompts, Sequence) else []
    run = Run(
        Client(**arguments),
        iter(checked) if isinstance(prompts, Sequence) else items,
        out=out,
        jobs=arguments["max_concurrency"],
        interval=interval,
        which=which,
        total=None if total < 0 else total,
        progress=progress,
    )
    return run.results(checked)
