"""The forms that an `aipkit` site takes, and how it says no to them."""

from __future__ import annotations

from typing import Any

from ...errors import RefusedError, ResponseError
from ...values.http import Request
from ..challenge import gate_error, is_gate, wants_token
from ..dialect import BufferedResponse, Endpoint, NonceRefused
from ..errors import make_error
from ..forms import encode_form
from ..text import clean_text, quote_suffix
from ..waits import with_wait

__all__ = ["is_answer", "is_known", "post", "refusal"]


def post(endpoint: Endpoint, fields: dict[str, str], *, repeatable: bool = True) -> Request:
    """Return the request that posts `fields` to a bot's site."""
    kind, body = encode_form(fields)
    return Request(
        "POST",
        endpoint.url,
        headers={**endpoint.headers, "Content-Type": kind},
        body=body,
        referrer=endpoint.bot.page,
        repeatable=repeatable,
    )


def is_known(data: dict[Any, Any]) -> bool:
    """Tell whether an object is one that the plugin, or a gate before it, answers."""
    return "success" in data or is_gate(data)


def is_answer(data: dict[Any, Any]) -> bool:
    """Tell whether a known object is what was asked for, and no refusal."""
    return bool(data.get("success")) and isinstance(data.get("data"), dict)


def refusal(response: BufferedResponse, data: dict[Any, Any]) -> ResponseError | None:
    """Return the error in WordPress's `{"success": false, "data": {…}}`, or None."""
    error = _refusal(response, data)
    return error and with_wait(error, response.headers)


def _refusal(response: BufferedResponse, data: dict[Any, Any]) -> ResponseError | None:
    if is_gate(data):
        return gate_error(data, response.url, response.status)
    inner = data.get("data")
    if data.get("success") is not False or response.status >= 500:
        return None
    inner = inner if isinstance(inner, dict) else {"message": inner}
    if wants_token(inner):
        return gate_error(inner, response.url, response.status)
    code, said = clean_text(inner.get("code"), 100), clean_text(inner.get("message"))
    hint = ""
    cls: type[RefusedError] = RefusedError
    if code in ("embed_not_available", "cors_denied"):
        hint = " It takes messages from its own pages only."
    elif code.startswith("nonce_failure") or response.status == 403:
        cls = NonceRefused
    return make_error(
        cls,
        f"The site refused the request{quote_suffix(said or code)}{hint}",
        response.url,
        response.status,
        said,
        code,
    )
