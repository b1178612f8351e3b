"""The objects that an `aipkit` site answers, and how it says no in them."""

from __future__ import annotations

from typing import Any

from ...errors import RefusedError, ResponseError
from ..challenge import gate_error, is_gate
from ..dialect import BufferedResponse, NonceRefused
from ..failures import make_error
from ..text import clean_text

__all__ = ["FOREIGN_CODES", "rank", "refusal"]

FOREIGN_CODES = ("embed_not_available", "cors_denied")
"""The message came from a page of another site."""


def rank(data: dict[Any, Any]) -> int:
    """Tell how well an object fits (see `Rank`): the plugin's, or a gate's before it."""
    if data.get("success") and isinstance(data.get("data"), dict):
        return 2
    return "success" in data or bool(data.get("error")) or is_gate(data)


def refusal(data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
    """Return the error in WordPress's `{"success": false, "data": {…}}`, or None."""
    status = response.status
    if gate := gate_error(data, response):
        return gate
    if data.get("success") is not False or status in (401, 429) or status >= 500:
        return None
    inner = data.get("data")
    inner = inner if isinstance(inner, dict) else {"message": inner}
    code, said = clean_text(inner.get("code")), clean_text(inner.get("message"))
    advice = ""
    cls: type[RefusedError] = RefusedError
    if code in FOREIGN_CODES:
        advice = "It takes messages from its own pages only."
    elif code.startswith("nonce_failure") or status == 403:
        cls = NonceRefused
    message = "The site refused the request:"
    return make_error(cls, message, response, said or code, code, advice=advice)
