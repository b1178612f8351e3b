"""The time that a site asks to wait: its `Retry-After`, on whatever error it comes with."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from ..errors import ResponseError
from ..values.http import Headers

__all__ = ["retry_after", "wait_words", "with_wait"]

_LONGEST = 1e9
"""Seconds, some thirty years."""
# Proxies join two headers by a comma; a date has one, too, behind its day.
_NUMBER = re.compile(
    r"[\"']?([0-9]++(?:\.[0-9]++)?)[\"']?\s*(?:s(?:ec(?:ond)?s?)?)?\s*(?:[,;]|\Z)",
    re.IGNORECASE,
)

AnyResponseError = TypeVar("AnyResponseError", bound=ResponseError)


def _timestamp(value: str) -> float | None:
    try:
        iso = value[4:5] == "-"  # Not a header's form, but written in it all the same.
        moment = datetime.fromisoformat(value) if iso else parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def retry_after(headers: Headers, now: float | None = None) -> float | None:
    """Return the seconds that `Retry-After` asks to wait (never negative), or None.

    Args:
        headers: of the response; a date is compared with its own `Date`, so that a wrong clock
            on either side changes nothing.
        now: seconds since the epoch, for a response without `Date`; default: this machine's.
    """
    value = headers.get("retry-after").strip()
    number = _NUMBER.match(value)
    if number is not None and (seconds := float(number[1])) < _LONGEST:
        return seconds
    # More than a lifetime is a moment, in seconds since the epoch, or means never.
    until = seconds if number is not None else _timestamp(value) if value else None
    if until is None:
        return None
    since = _timestamp(headers.get("date"))
    if since is None:
        since = time.time() if now is None else now
    return min(max(0.0, until - since), _LONGEST)


def wait_words(wait: float | None) -> str:
    """Return the sentence that says how long, with the blank before it; "" for None."""
    return "" if wait is None else f" It asks to wait {wait:.0f} s."


def with_wait(error: AnyResponseError, headers: Headers) -> AnyResponseError:
    """Return `error`, which says how long its site asks to wait, if the response says so."""
    wait = retry_after(headers)
    if wait is not None and error.retry_after is None:
        error.retry_after = wait
        error.args = (f"{error.message}{wait_words(wait)}", *error.args[1:])
    return error
