"""The meaning of an AI Engine site's failures: decided by its shape, never by its words.

All sentences are translated, written by the owner or come from the model's service.  There are two
shapes: WordPress's `{"code", "message", "data": {"status"}}`, and the plugin's `{"success": false,
"message"}` (in a stream: an event of type `error`).  The second stands for a used-up limit, a
banned word, a missing key and a failing model alike (measured on five versions).
"""

from __future__ import annotations

from typing import Any

from ...errors import RefusedError, ResponseError, UnexpectedStatusError
from ..challenge import gate_error
from ..dialect import BufferedResponse, NonceRefused
from ..failures import make_error
from ..text import clean_text

__all__ = ["NO_ROUTE", "error_for_object", "plugin_refusal", "rank"]

NO_ROUTE = "rest_no_route"
_FATAL = "internal_server_error"

# Of a request with a dead nonce, and of one without any (2.0 on).
_NONCE_CODES = frozenset({"rest_cookie_invalid_nonce", "rest_forbidden"})


def rank(data: dict[Any, Any]) -> int:
    """Tell how well an object fits (see `Rank`): the plugin's, or WordPress's."""
    return 2 if data.get("success") else "success" in data or "code" in data


def plugin_refusal(message: object, response: BufferedResponse) -> RefusedError:
    """Return the error for the plugin's own way to say no.

    It claims nothing about the cause, because the site says nothing: neither that the model was
    asked, nor that it was not.  Only a status of 4xx says that it did not come so far.
    """
    if 400 <= response.status < 500:
        text = f"The site refused the request (status {response.status}):"
        return make_error(RefusedError, text, response, message)
    advice = (
        "Sites of this plugin do not tell whether a limit, a rule, their settings or the model is "
        "the cause."
    )
    return make_error(RefusedError, "The bot gave no answer:", response, message, advice=advice)


def error_for_object(data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
    """Return the error that an answer's known keys stand for, or None."""
    status = response.status
    if gate := gate_error(data, response):
        return gate
    if status == 429 or 300 <= status < 400:
        return None
    code = clean_text(data.get("code"))
    if not code:
        refused = data.get("success") is False
        return plugin_refusal(data.get("message"), response) if refused else None
    said: object = data.get("message")
    cls: type[ResponseError] = UnexpectedStatusError
    message = f"The site refused the request (status {status}, {code})."
    if code == _FATAL:
        # Its message is a page's HTML, its data the server's paths and a stack trace.
        said = None
        message = f"The site's own software failed (status {status}). Try again later."
    elif code == NO_ROUTE:
        message = (
            f"The site has no such route (status {status}): the AI Engine plugin is switched off "
            "there, or older than 1.6.76."
        )
    elif code in _NONCE_CODES and status in (401, 403):
        cls = NonceRefused
        message = f"The site refused the nonce (status {status})."
    elif status in (401, 403):
        cls = RefusedError
        message = (
            f"The site takes no messages from its visitors (status {status}, {code}), as where "
            "only members may use it."
        )
    return make_error(cls, message, response, said, code)
