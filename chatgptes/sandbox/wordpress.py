"""How WordPress's REST API says no, whichever plugin was asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .php import php_json

if TYPE_CHECKING:
    from .exchange import Exchange, Header

JSON = "application/json; charset=UTF-8"
NO_CACHE = ("Cache-Control", "no-cache, must-revalidate, max-age=0")


def fail(
    exchange: Exchange,
    status: int,
    code: str,
    message: str,
    headers: Iterable[Header] = (),
    **data: object,
) -> None:
    """Answer with an error: `{"code", "message", "data": {"status", …}}`."""
    body = {"code": code, "message": message, "data": {"status": status, **data}}
    exchange.respond(status, php_json(body), JSON, headers)


def fatal(exchange: Exchange, headers: Iterable[Header] = ()) -> None:
    """Answer as a site whose PHP has died, and that shows its owner's debugging to everybody."""
    # A real site tells strangers where its files are.  A client should not pass that on.
    error = {
        "type": 1,
        "message": "A wrong type came back in /srv/sandbox/secret/path/bots.php:28\nStack trace:"
        "\n#0 /srv/sandbox/secret/path/rest.php(7): settings()\n#1 {main}\n  thrown",
        "file": "/srv/sandbox/secret/path/bots.php",
        "line": 28,
    }
    body = {
        "code": "internal_server_error",
        "message": '<p>This site has <b>broken down</b>.</p><p><a href="https://example.com/">'
        "What to do</a></p>",
        "data": {"status": 500, "error": error},
        "additional_errors": [],
    }
    exchange.respond(500, php_json(body), JSON, [*headers, NO_CACHE])
