"""Errors for HTTP responses that are no answer, for all dialects."""

from __future__ import annotations

import re
from typing import TypeVar
from urllib.parse import urljoin

from ..errors import (
    ChatGptEsError,
    Hint,
    RateLimitError,
    ResponseError,
    UnexpectedStatusError,
)
from ..values.urls import redact
from .challenge import challenge_error
from .dialect import BufferedResponse
from .text import BOM, excerpt, site_said
from .waits import retry_after, wait_words

__all__ = [
    "AnyError", "elsewhere", "error_for_page", "error_for_status",
    "holds_events_of_model", "is_zero", "make_error", "retry_after", "unknown_action_error",
]  # fmt: skip

_PAGE_ITSELF = Hint("site", purpose="to give the address of the page itself")

_EVENT = re.compile(rb"(?:\A|\n)[\xef\xbb\xbf \t\0]*(?:data|event):")
_OF_MODEL = re.compile(rb'message_start|"(?:delta|choices)"|(?:response|interaction)_id')
# Never translated.
_THROWN_AWAY = re.compile(rb"POST Content-Length of \d+ bytes exceeds the limit")

AnyError = TypeVar("AnyError", bound=ChatGptEsError)


def make_error(
    cls: type[AnyError],
    message: str,
    url: str,
    status: int,
    said: str | None = None,
    code: str | None = None,
    hint: Hint | None = None,
) -> AnyError:
    """Return `cls(message)` with where it happened (redacted) and what the site said."""
    error = cls(message, url=redact(url), status=status, excerpt=said or None, hint=hint)
    error.code = code
    return error


def error_for_status(
    response: BufferedResponse, *, of_page: bool = False, of_site: bool = False
) -> ResponseError:
    """Return the error for a response by its status (not 2xx) alone, and by what gates look like.

    Args:
        response: the response.
        of_page: it is the page whose address the user gave, not the answer to a message.
        of_site: its body is of the site's plugin itself: no gate, whatever it talks of.
    """
    url, status = response.url, response.status
    body = b"" if of_site else response.body
    if error := challenge_error(status, response.headers, body, url):
        return error
    said = excerpt(response.body)
    wait = retry_after(response.headers) if status in (429, 502, 503, 504) else None
    how_long = wait_words(wait)
    if status == 429:
        return RateLimitError(
            f"The site wants fewer requests (status 429).{how_long} Wait, then ask less often "
            "and fewer at once.",
            retry_after=wait,
            url=redact(url),
            status=status,
            excerpt=said or None,
        )
    if 300 <= status < 400:
        message = _redirect_message(response, of_page)
    elif status == 401:
        message = (
            "The site asks for a user name and password (status 401). They can stand in its "
            "address: https://user:password@host/."
        )
    elif status == 404:
        where = "Check the address." if of_page else "The plugin should take messages there."
        message = f"There is nothing at {redact(url)} (status 404). {where}"
    elif status == 413 and not of_page:
        message = "The message is larger than the site takes at once (status 413)."
    elif status >= 500:
        message = f"The site itself failed (status {status}).{site_said(said)}{how_long}"
        message += "" if how_long else " Try again later."
    else:
        message = f"The site refused the request with status {status}.{site_said(said)}"
    hint = _PAGE_ITSELF if of_page and 300 <= status < 400 else None
    failed = make_error(UnexpectedStatusError, message, url, status, said, hint=hint)
    failed.retry_after = wait
    return failed


def _redirect_message(response: BufferedResponse, of_page: bool) -> str:
    try:
        target = redact(urljoin(response.url, response.headers.get("location")))
    except ValueError:
        target = "(an unreadable URL)"
    if not response.headers.get("location"):
        target = "nowhere"
    if of_page:
        return (
            f"The site redirects to {target} (status {response.status}), where the request may "
            "not follow."
        )
    return (
        f"The site redirects messages from {redact(response.url)} to {target} (status "
        f"{response.status}), where they do not follow."
    )


def error_for_page(response: BufferedResponse) -> ResponseError | None:
    """Return the error for the response to a page's GET, or None if it is a page.

    A challenge is found on any status, since some are served with 200.
    """
    if not 200 <= response.status < 300:
        return error_for_status(response, of_page=True)
    return challenge_error(response.status, response.headers, response.body, response.url)


def is_zero(body: bytes) -> bool:
    """Tell whether a body is WordPress's `0`: no action was asked for that it knows.

    Also where PHP threw the whole request away as too large, and says so before it.
    """
    return body.strip(BOM + b" \t\r\n") == b"0" or _THROWN_AWAY.search(body[:4096]) is not None


def holds_events_of_model(body: bytes) -> bool:
    """Tell whether a body is an event stream with anything of the model in it.

    Whatever its status says, the message was received: it is not to be sent again.
    """
    return _EVENT.search(body) is not None and _OF_MODEL.search(body) is not None


def unknown_action_error(response: BufferedResponse) -> UnexpectedStatusError | None:
    """Return the error for WordPress's `0` without more: no plugin there knows the action."""
    if not is_zero(response.body):
        return None
    return make_error(
        UnexpectedStatusError,
        f"WordPress knows no such action there (status {response.status}): the chat plugin is not "
        "active, or is of another generation than the page that was read. Pictures larger than the "
        "site takes at once (PHP's post_max_size) end so, too.",
        response.url,
        response.status,
        "0",
    )


def elsewhere(error: UnexpectedStatusError) -> int:
    """Return how surely an answer to a message says that no plugin can have received it there.

    0: it does not say so.  1: nothing is at the address.  2: WordPress is, without the plugin, so
    that this tells a user more than an address that was guessed wrong.

    A 303 is left out: it is how a server answers that has taken a form.
    """
    if error.status == 400 and error.excerpt == "0":
        return 2
    return int(error.status in (301, 302, 307, 308, 404, 410))
