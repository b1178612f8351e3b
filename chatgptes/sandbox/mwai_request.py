"""What AI Engine's server reads of a request, and WordPress's own answers before it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .php import version
from .wordpress import fail

if TYPE_CHECKING:
    from .exchange import Exchange, Header
    from .request import Received
    from .spec import BotSpec

_OLDEST_MOST = 65_536  # Bytes of a message, before bots had limits.

HEADERS: list[Header] = [
    ("X-Robots-Tag", "noindex"),
    ("X-Content-Type-Options", "nosniff"),
    ("Access-Control-Expose-Headers", "X-WP-Total, X-WP-TotalPages, Link"),
    ("Access-Control-Allow-Headers", "Authorization, X-WP-Nonce, Content-Type"),
]


def no_route(exchange: Exchange) -> None:
    """Answer that there is no such route."""
    fail(exchange, 404, "rest_no_route", "There is nothing at this address.", HEADERS)


def bad_nonce(exchange: Exchange) -> None:
    """Answer that the nonce is dead."""
    fail(exchange, 403, "rest_cookie_invalid_nonce", "Your cookie has gone stale.", HEADERS)


def members_only(exchange: Exchange) -> None:
    """Answer as a gate before the whole API."""
    fail(exchange, 401, "rest_not_logged_in", "Members come in here, and nobody else.", HEADERS)


def invalid_json(exchange: Exchange, headers: list[Header]) -> None:
    """Answer that the body is no JSON."""
    more = {"json_error_code": 4, "json_error_message": "Syntax"}
    fail(exchange, 400, "rest_invalid_json", "That is no JSON.", headers, **more)


def json_body(request: Received) -> dict[str, Any]:
    """The fields of a body that says it is JSON; none of any other.

    Raises:
        ValueError: it is none.
    """
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        return {}
    try:
        body = json.loads(request.body or b"{}")
    except RecursionError as error:
        raise ValueError from error
    return body if isinstance(body, dict) else {}


def file_ids(body: dict[str, Any], plugin: str) -> list[str]:
    """The files that a message names, by the keys that the version knows."""
    if version(plugin) < (2, 1, 5):
        found = [body.get("newImageId")]
    else:
        several = body.get("newFileIds") if version(plugin) >= (2, 9, 7) else None
        found = several if isinstance(several, list) else [body.get("newFileId")]
    return [str(each) for each in found if each]


def is_empty(text: str, files: list[str], plugin: str) -> bool:
    """Does the message count as empty?"""
    if text == "0":
        return version(plugin) <= (2, 8, 4)
    return not text and not (files and version(plugin) >= (2, 6, 9))


def too_long(text: str, bot: BotSpec) -> bool:
    """Is the message longer than its bot allows?"""
    if version(bot.plugin) < (2, 2):
        return len(text.encode()) > _OLDEST_MOST
    return len(text.encode() if version(bot.plugin) < (2, 6, 9) else text) > bot.longest
