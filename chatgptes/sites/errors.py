"""HTTP statuses that mean no answer, put into errors: what all dialects share."""

from __future__ import annotations

import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urljoin

from ..errors import ChatGptEsError, RateLimitError, UnexpectedStatusError
from ..values.http import Headers
from ..values.urls import redact
from .challenge import challenge
from .dialect import Page
from .text import excerpt, told, words

__all__ = ["failure", "page_fault", "retry_after", "status_fault", "unknown_action"]

Failure = TypeVar("Failure", bound=ChatGptEsError)


def failure(
    cls: type[Failure],
    message: str,
    url: str,
    status: int,
    said: str | None = None,
    code: str | None = None,
) -> Failure:
    """`cls(message)` with where it happened (redacted) and what the site said."""
    error = cls(message, url=redact(url), status=status, excerpt=said or None)
    error.code = code
    return error


def _date(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def retry_after(headers: Headers, now: float | None = None) -> float | None:
    """The seconds that `Retry-After` asks to wait (never negative), or None.

    Args:
        headers: of the response; a date is compared with its own `Date`, so that a wrong clock
            on either side does no harm.
        now: seconds since the epoch, for a response without `Date`; default: this machine's.
    """
    value = headers.get("retry-after").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return float(value)
    until = _date(value) if value else None
    if until is None:
        return None
    since = _date(headers.get("date"))
    if since is None:
        since = time.time() if now is None else now
    return max(0.0, until - since)


def status_fault(page: Page, *, of_page: bool = False) -> ChatGptEsError:
    """The error for a response whose status (not 2xx) alone says what it is.

    Args:
        page: the response.
        of_page: it is for the page whose address the user gave, not for a message.
    """
    url, status = page.url, page.status
    if error := challenge(status, page.headers, page.body, url):
        return error
    said = excerpt(page.body)
    if status == 429:
        wait = retry_after(page.headers)
        how_long = "" if wait is None else f" It asks to wait {wait:.0f} s."
        return RateLimitError(
            f"The site wants fewer requests (status 429).{how_long} Wait, then ask less often "
            "and fewer at once.",
            retry_after=wait,
            url=redact(url),
            status=status,
            excerpt=said or None,
        )
    if 300 <= status < 400:
        return failure(UnexpectedStatusError, _redirected(page, of_page), url, status, said)
    if status == 401:
        message = (
            "The site asks for a user name and password (status 401). They can stand in its "
            "address: https://user:password@host/."
        )
    elif status == 404:
        where = "Check the address." if of_page else "Messages should go there."
        message = f"There is nothing at {redact(url)} (status 404). {where}"
    elif status >= 500:
        message = f"The site itself failed (status {status}).{told(said)} Try again later."
    else:
        message = f"The site refused the request with status {status}.{told(said)}"
    return failure(UnexpectedStatusError, message, url, status, said)


def _redirected(page: Page, of_page: bool) -> str:
    try:
        target = redact(urljoin(page.url, page.headers.get("location")))
    except ValueError:
        target = "(an unreadable URL)"
    if not page.headers.get("location"):
        target = "nowhere"
    if of_page:
        return (
            f"The site redirects to {words(target)} (status {page.status}), where the request may "
            "not follow. Give the address of the page itself as site=."
        )
    return (
        f"The site redirects messages from {redact(page.url)} to {words(target)} (status "
        f"{page.status}), where they do not follow."
    )


def page_fault(page: Page) -> ChatGptEsError | None:
    """The error that the GET of a page stands for, or None if it is a page.

    A challenge is found on any status, since some are served with 200.
    """
    if not 200 <= page.status < 300:
        return status_fault(page, of_page=True)
    return challenge(page.status, page.headers, page.body, page.url)


def unknown_action(page: Page) -> UnexpectedStatusError | None:
    """The error for WordPress's bare `0`: no plugin there knows what was asked for."""
    if page.body.strip() != b"0":
        return None
    return failure(
        UnexpectedStatusError,
        f"WordPress knows no such action there (status {page.status}): the chat plugin is not "
        "active, or is of another generation than the page that was read.",
        page.url,
        page.status,
        "0",
    )


make_error, error_for_status = failure, status_fault
