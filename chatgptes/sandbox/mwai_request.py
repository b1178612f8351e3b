"""AI Engine's reading of a request, and WordPress's own answers before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .php import php_json, version
from .wordpress import JSON, NO_CACHE, fail, fatal

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


@dataclass(frozen=True)
class Visit:
    """One request to the plugin's routes.

    Attributes:
        session: who asks.
        headers: of its answer, whatever it is.
        cookies: further ones, once the plugin knows the visitor.
    """

    exchange: Exchange
    plugin: str
    session: str
    headers: list[Header]
    cookies: list[Header]


def refuse(visit: Visit, status: int, message: str) -> None:
    """Answer as the plugin does when it has not looked at the bot yet."""
    body = php_json({"success": False, "message": message})
    visit.exchange.respond(status, body, JSON, visit.headers)


def no_route(visit: Visit) -> None:
    """Answer that there is no such route."""
    _fail(visit, 404, "rest_no_route", "There is nothing at this address.")


def forbidden(visit: Visit) -> None:
    """Answer that a nonce or a key is missing."""
    _fail(visit, 401, "rest_forbidden", "That is not for you.")


def bad_nonce(visit: Visit) -> None:
    """Answer that the nonce is dead."""
    code, message = "rest_cookie_invalid_nonce", "Your cookie has gone stale."
    fail(visit.exchange, 403, code, message, [*HEADERS, NO_CACHE])


def members_only(visit: Visit) -> None:
    """Answer as a gate before the whole API."""
    _fail(visit, 401, "rest_not_logged_in", "Members come in here, and nobody else.")


def invalid_json(visit: Visit) -> None:
    """Answer that the body is no JSON."""
    more = {"json_error_code": 4, "json_error_message": "Syntax"}
    _fail(visit, 400, "rest_invalid_json", "That is no JSON.", **more)


def _fail(visit: Visit, status: int, code: str, message: str, **data: object) -> None:
    fail(visit.exchange, status, code, message, visit.headers, **data)


def refused(visit: Visit, fault: str) -> bool:
    """Answer with a fault that WordPress meets before the plugin; False for any other."""
    if fault == "fatal":
        fatal(visit.exchange, visit.headers)
    elif fault in _FAULTS:
        _FAULTS[fault](visit)
    else:
        return False
    return True


_FAULTS = {
    "nonce": bad_nonce,
    "no-nonce": forbidden,
    "members-only": members_only,
    "no-route": no_route,
    "invalid-json": invalid_json,
}


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
    """Tell whether the message counts as empty."""
    if text == "0":
        return version(plugin) <= (2, 8, 4)
    return not text and not (files and version(plugin) >= (2, 6, 9))


def too_long(text: str, bot: BotSpec) -> bool:
    """Tell whether the message is longer than its bot allows."""
    if version(bot.plugin) < (2, 2):
        return len(text.encode()) > _OLDEST_MOST
    return len(text.encode() if version(bot.plugin) < (2, 6, 9) else text) > bot.longest
