"""Errors for HTTP responses that are no answer, for all dialects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

from ..errors import (
    ChallengeError,
    Hint,
    RateLimitError,
    RefusedError,
    ResponseError,
    UnexpectedFormatError,
    UnexpectedStatusError,
)
from ..values.urls import redact
from .challenge import block_page_error, challenge_error, gate_error
from .dialect import BufferedResponse, NonceRefused
from .response import make_error
from .text import BOM, Rank, parse_json

__all__ = [
    "elsewhere", "error_for_answer", "error_for_page", "error_for_status", "is_zero",
    "unexpected_error",
]  # fmt: skip

_EVENT = re.compile(rb"(?:\A|\n)[\xef\xbb\xbf \t\0]*(?:data|event):")
_OF_MODEL = re.compile(rb'message_start|"(?:delta|choices)"|(?:response|interaction)_id')
# Never translated.
_THROWN_AWAY = re.compile(rb"POST Content-Length of \d+ bytes exceeds the limit")


def error_for_status(
    response: BufferedResponse, *, of_page: bool = False, of_site: bool = False
) -> ResponseError:
    """Return the error for a response by its status (not 2xx) alone, and by what gates look like.

    Args:
        response: the response.
        of_page: it is the page whose address the user gave, not the answer to a message.
        of_site: see `challenge_error`.
    """
    if error := challenge_error(response, of_site=of_site):
        return error
    status = response.status
    cls: type[ResponseError] = UnexpectedStatusError
    advice = ""
    hint = None
    quote = False
    if status == 429:
        cls = RateLimitError
        message = "The site wants fewer requests (status 429)."
        advice = "Wait, then ask less often and fewer at once."
    elif 300 <= status < 400:
        message = _redirect_message(response, of_page)
        purpose = "to give the address of the page itself"
        hint = Hint("site", purpose=purpose) if of_page else None
    elif status == 401:
        message = (
            "The site asks for a user name and password (status 401). They can stand in its "
            "address: https://user:password@host/."
        )
    elif status == 404:
        where = "Check the address." if of_page else "The plugin should take messages there."
        message = f"There is nothing at {redact(response.url)} (status 404). {where}"
    elif status == 413 and not of_page:
        message = "The message is larger than the site takes at once (status 413)."
    elif status >= 500:
        message = f"The site itself failed (status {status})."
        advice = "Try again later."
        quote = True
    else:
        message = f"The site refused the request with status {status}."
        quote = True
    body = response.body
    return make_error(cls, message, response, body, advice=advice, hint=hint, quote=quote)


def _redirect_message(response: BufferedResponse, of_page: bool) -> str:
    location = response.headers.get("location")
    try:
        target = redact(urljoin(response.url, location)) if location else "nowhere"
    except ValueError:
        target = "(an unreadable URL)"
    where = f"{target} (status {response.status}), where"
    if of_page:
        return f"The site redirects to {where} the request may not follow."
    return f"The site redirects messages from {redact(response.url)} to {where} they do not follow."


def error_for_page(response: BufferedResponse) -> ResponseError | None:
    """Return the error for the response to a page's GET, or None if it is a page.

    A challenge is found on any status, since some are served with 200.
    """
    if not 200 <= response.status < 300:
        return error_for_status(response, of_page=True)
    return challenge_error(response)


def error_for_answer(
    response: BufferedResponse,
    rank: Rank,
    refusal: Callable[[dict[Any, Any], BufferedResponse], ResponseError | None],
    *,
    nonce: bool = False,
) -> ResponseError:
    """Return the error for a response (not 2xx) to a message.

    Args:
        response: the response.
        rank: tells the objects that the plugin, WordPress, or a gate before them answers.
        refusal: returns the error that such an object stands for, or None.
        nonce: a 403 without such an object is how the site refuses a nonce.
    """
    data = parse_json(response.body, rank)
    known = isinstance(data, dict) and rank(data) > 0
    if known and (gate := gate_error(data, response)):
        return gate
    error = error_for_status(response, of_site=known)
    if isinstance(error, (ChallengeError, RefusedError)):
        return error
    status = response.status
    if status == 400 and is_zero(response.body):
        message = (
            f"WordPress knows no such action there (status {status}): the chat plugin is not "
            "active, or is of another generation than the page that was read. Pictures larger than "
            "the site takes at once (PHP's post_max_size) end so, too."
        )
        return make_error(UnexpectedStatusError, message, response, "0", quote=False)
    if known and (refused := refusal(data, response)):
        return refused
    if _EVENT.search(response.body) and _OF_MODEL.search(response.body):
        return error  # Whatever its status says, the message was received: not to be sent again.
    if blocked := block_page_error(response, data):
        return blocked
    if nonce and status == 403:
        said, code = (data.get("msg"), data.get("code", "")) if known else (response.body, None)
        message = (
            "The site refused the request (status 403), as it does when the page's nonce is too "
            "old."
        )
        return make_error(NonceRefused, message, response, said, code)
    return error


def unexpected_error(response: BufferedResponse, message: str) -> ResponseError:
    """Return the error for a response (2xx) in no known form, which may be a gate's."""
    gate = challenge_error(response, markup=True)
    return gate or make_error(UnexpectedFormatError, message, response, response.body)


def is_zero(body: bytes) -> bool:
    """Tell whether a body is WordPress's `0`: no action was asked for that it knows.

    Also where PHP threw the whole request away as too large, and says so before it.
    """
    return body.strip(BOM + b" \t\r\n") == b"0" or _THROWN_AWAY.search(body[:4096]) is not None


def elsewhere(error: UnexpectedStatusError) -> int:
    """Return how surely an answer to a message says that no plugin can have received it there.

    0: it does not say so.  1: nothing is at the address.  2: WordPress is, without the plugin, so
    that this tells a user more than an address that was guessed wrong.

    A 303 is left out: it is how a server answers that has taken a form.
    """
    if error.status == 400 and error.excerpt == "0":
        return 2
    return int(error.status in (301, 302, 307, 308, 404, 410))
