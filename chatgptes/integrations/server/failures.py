"""Errors in OpenAI's shape: a status, and `{"error": {message, type, code, param}}`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ... import errors
from ...errors import ChatGptEsError

__all__ = ["ApiError", "api_error_for", "invalid_request", "unsupported"]


@dataclass(eq=False)
class ApiError(Exception):
    """An error as a client of the server gets it.

    Attributes:
        kind: `error.type`.
        param: the request's field that is wrong, or None.
        failure: the class of the library's error, for log and metrics.
        partial: the text of an answer that broke off, or "".
    """

    status: int
    message: str
    code: str
    kind: str = "invalid_request_error"
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    partial: str = ""

    def body(self) -> dict[str, Any]:
        """The JSON value of the response, or of the event that ends a stream."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": {**error, "partial": self.partial} if self.partial else error}


def invalid_request(message: str, param: str | None, code: str = "invalid_value") -> ApiError:
    """The error of a request that can't be answered as it is (400)."""
    return ApiError(400, message, code, param=param)


def unsupported(message: str, param: str) -> ApiError:
    """The error of a request for what no bot of the site can do (400)."""
    return invalid_request(message, param, "unsupported_value")


# The first class that fits counts.  OpenAI's SDKs send a request again after 408, 409, 429 and 5xx
# on their own; `x-should-retry` says to them whether that is right: a message that the site may
# have received must not be sent twice.
_SHAPES: tuple[tuple[type[ChatGptEsError], int, str, str], ...] = (
    (errors.InvalidMessageError, 400, "invalid_request_error", "invalid_message"),
    (errors.BotNotFoundError, 404, "invalid_request_error", "model_not_found"),
    (errors.RateLimitError, 429, "rate_limit_error", "rate_limit_exceeded"),
    (errors.QuotaError, 429, "insufficient_quota", "insufficient_quota"),
    (errors.AuthenticationError, 502, "upstream_error", "site_refused_key"),
    (errors.ChallengeError, 503, "upstream_error", "bot_check"),
    (errors.RefusedError, 503, "upstream_error", "site_refused"),
    (errors.RequestTimeout, 504, "timeout", "timeout"),
    (errors.TurnCancelled, 503, "server_error", "stopping"),
    (errors.StreamInterruptedError, 502, "upstream_error", "stream_interrupted"),
    (errors.EmptyReplyError, 502, "upstream_error", "empty_reply"),
    (errors.ResponseTooLargeError, 502, "upstream_error", "too_large"),
    (errors.UpstreamError, 502, "upstream_error", "model_failed"),
    (errors.ConnectError, 502, "upstream_error", "no_connection"),
    (errors.ResponseError, 502, "upstream_error", "unexpected_response"),
    (errors.TransportError, 502, "upstream_error", "no_response"),
    (errors.ChatGptEsError, 500, "server_error", "misconfigured"),
)
_PARAMS = {"invalid_message": "messages", "model_not_found": "model"}
_NAMES = {"bot": "`model`"}
"""Clients' names for the library's arguments; other hints are for whoever runs the server."""
_LONGEST_RETRY = 60.0
"""Seconds up to which a client may wait and ask again on its own."""


def api_error_for(error: ChatGptEsError | ApiError, *, web_search: bool = False) -> ApiError:
    """The error of a turn, which may search the web, in OpenAI's shape.

    Of an answer that broke off it is that of what broke it, with the text so far as `partial`.
    """
    if isinstance(error, ApiError):
        return error
    text = error.in_words(_NAMES)
    if web_search and isinstance(error, errors.InvalidConfigError):
        return unsupported(text, "web_search_options")  # The only argument that a client gives.
    partial = getattr(error, "partial", "")
    cause = error
    if partial and isinstance(error.__cause__, ChatGptEsError):
        cause = error.__cause__
    _, status, kind, code = next(shape for shape in _SHAPES if isinstance(cause, shape[0]))
    wait: float | None = getattr(cause, "retry_after", None)
    again = isinstance(cause, errors.ConnectError)
    if isinstance(cause, errors.RequestTimeout) and cause.phase == "slot":
        status, kind, code, again = 503, "server_error", "busy", True
    elif isinstance(cause, errors.UnexpectedStatusError) and wait is not None:
        status, code = 503, "maintenance"
    elif isinstance(cause, errors.RateLimitError):
        again = wait is not None and wait <= _LONGEST_RETRY
    headers = {"x-should-retry": "true" if again and not partial else "false"}
    if wait is not None:
        headers["retry-after"] = str(math.ceil(wait))
    name = type(cause).__name__
    return ApiError(status, text, code, kind, _PARAMS.get(code), headers, name, partial)
