"""The meaning of an AI Engine site's failures: decided by its shape, never by its words.

All sentences are translated, written by the owner or come from the model's service.  There are two
shapes: WordPress's `{"code", "message", "data": {"status"}}`, and the plugin's `{"success": false,
"message"}` (in a stream: an event of type `error`).  The second stands for a used-up limit, a
banned word, a missing key and a failing model alike (measured on five versions).
"""

from __future__ import annotations

from typing import Any

from ...errors import (
    ChallengeError,
    ChatGptEsError,
    RateLimitError,
    RefusedError,
    ResponseError,
    UnexpectedStatusError,
)
from ..challenge import block_page_error, gate_error, is_gate
from ..dialect import BufferedResponse, NonceRefused
from ..errors import error_for_status, make_error
from ..text import clean_text, parse_json, quote_suffix, site_said
from ..waits import with_wait

__all__ = [
    "FATAL",
    "NO_ROUTE",
    "error_for_object",
    "error_for_response",
    "is_known",
    "json_object",
    "plugin_refusal",
]

NO_ROUTE = "rest_no_route"
FATAL = "internal_server_error"

# Of a request with a dead nonce, and of one without any (2.0 on).
_NONCE_CODES = frozenset({"rest_cookie_invalid_nonce", "rest_forbidden"})


def json_object(body: bytes) -> dict[Any, Any] | None:
    """Return the JSON object of a body, in front of which PHP warnings may stand, or None."""
    data = parse_json(body, is_known, _says_yes)
    return data if isinstance(data, dict) else None


def is_known(data: object) -> bool:
    """Tell whether a JSON value is an object that the plugin or WordPress answers."""
    return isinstance(data, dict) and ("success" in data or "code" in data)


def plugin_refusal(message: object, url: str, status: int) -> RefusedError:
    """Return the error for the plugin's own way to say no.

    It claims nothing about the cause, because the site says nothing: neither that the model was
    asked, nor that it was not.  Only a status of 4xx says that it did not come so far.
    """
    said = clean_text(message)
    if 400 <= status < 500:
        text = f"The site refused the request (status {status}){quote_suffix(said)}"
    else:
        text = (
            f"The bot gave no answer{quote_suffix(said)} Sites of this plugin do not tell whether "
            "a limit, a rule, their settings or the model is the cause."
        )
    return make_error(RefusedError, text, url, status, said)


def error_for_object(data: dict[Any, Any], url: str, status: int) -> ResponseError | None:
    """Return the error that an answer's known keys stand for, or None."""
    if is_gate(data):
        return gate_error(data, url, status)
    code = clean_text(data.get("code"), 100)
    if not code:
        return plugin_refusal(data.get("message"), url, status) if _says_no(data) else None
    said = clean_text(data.get("message"))
    if code == FATAL:
        # Its message is a page's HTML, its data the server's paths and a stack trace.
        message = f"The site's own software failed (status {status}). Try again later."
        return make_error(UnexpectedStatusError, message, url, status, None, code)
    if code == NO_ROUTE:
        message = (
            f"The site has no such route (status {status}): the AI Engine plugin is switched off "
            "there, or older than 1.6.76."
        )
        return make_error(UnexpectedStatusError, message, url, status, said, code)
    if code in _NONCE_CODES and status in (401, 403):
        message = f"The site refused the nonce (status {status}).{site_said(said)}"
        return make_error(NonceRefused, message, url, status, said, code)
    if status in (401, 403):
        message = (
            f"The site takes no messages from its visitors (status {status}, {code}), as where "
            f"only members may use it.{site_said(said)}"
        )
        return make_error(RefusedError, message, url, status, said, code)
    message = f"The site refused the request (status {status}, {code}).{site_said(said)}"
    return make_error(UnexpectedStatusError, message, url, status, said, code)


def error_for_response(response: BufferedResponse) -> ChatGptEsError:
    """Return the error for a response with a status other than 2xx."""
    data = json_object(response.body)
    if data is not None and is_gate(data):
        return with_wait(gate_error(data, response.url, response.status), response.headers)
    known = data is not None and is_known(data)
    error = error_for_status(response, of_site=known)
    if (
        isinstance(error, (ChallengeError, RateLimitError, RefusedError))
        or 300 <= response.status < 400
    ):
        return error
    if data is not None and (refused := error_for_object(data, response.url, response.status)):
        return with_wait(refused, response.headers)
    return block_page_error(response, data) or error


def _says_yes(data: dict[Any, Any]) -> bool:
    return bool(data.get("success"))


def _says_no(data: dict[Any, Any]) -> bool:
    return data.get("success") is False
