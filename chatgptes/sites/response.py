"""A response that was read whole, and errors that say what it was and how long to wait."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

from ..errors import Hint, ResponseError
from ..values.http import Headers
from ..values.urls import redact
from .text import clean_text, excerpt, quote_suffix, site_said

__all__ = ["AnyError", "BufferedResponse", "make_error", "retry_after"]

_LONGEST = 1e9
"""Seconds, some thirty years."""
# Proxies join two headers by a comma; a date has one, too, behind its day.
_SECONDS = re.compile(r"([0-9]++(?:\.[0-9]++)?)\s*(?:[,;]|\Z)")

AnyError = TypeVar("AnyError", bound=ResponseError)


@dataclass(frozen=True, slots=True)
class BufferedResponse:
    """A response whose body was read whole (of a failed one, the beginning)."""

    url: str
    status: int
    headers: Headers
    body: bytes = field(repr=False)


def make_error(
    cls: type[AnyError],
    message: str,
    response: BufferedResponse,
    said: object = None,
    code: object = None,
    *,
    advice: str = "",
    hint: Hint | None = None,
    quote: bool = True,
) -> AnyError:
    """Return an error with the response's address (redacted), status and `Retry-After`.

    Args:
        cls: its class.
        message: the beginning of its text; the site's words are quoted behind it.
        response: the response that is no answer.
        said: the site's words: a value of its JSON, or a body (bytes); for `.excerpt`, too.
        code: the code of WordPress's JSON form.
        advice: the end of its text.
        hint: what a user can change.
        quote: quote the words in the text.
    """
    words = excerpt(said) if isinstance(said, bytes) else clean_text(said)
    if quote and message.endswith(":"):
        message = message[:-1] + quote_suffix(words)
    elif quote:
        message += site_said(words)
    wait = retry_after(response.headers)
    waits = "" if wait is None else f"It asks to wait {wait:.0f} s."
    error = cls(
        " ".join(filter(None, (message, advice, waits))),
        url=redact(response.url) if response.url else None,
        status=response.status,
        excerpt=words or None,
        hint=hint,
    )
    error.code = None if code is None else clean_text(code, 100)
    error.retry_after = wait
    return error


def _timestamp(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
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
    if number := _SECONDS.match(value):
        return min(float(number[1]), _LONGEST)
    until = _timestamp(value)
    if until is None:
        return None
    since = _timestamp(headers.get("date"))
    if since is None:
        since = time.time() if now is None else now
    return min(max(0.0, until - since), _LONGEST)
