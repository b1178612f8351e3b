"""WordPress itself: what its plugins ask of it, and how its REST API says no."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from .php import php_json

if TYPE_CHECKING:
    from .bot import Model
    from .exchange import Exchange, Header
    from .nonces import Nonces
    from .spec import BotSpec

JSON = "application/json; charset=UTF-8"
NO_CACHE = ("Cache-Control", "no-cache, must-revalidate, max-age=0")


class WordPress(Protocol):
    """The site, as the plugins in it see it; `Site` is the one there is."""

    api_key: str
    chunk_delay: float
    clock: Callable[[], float]
    default_bot: BotSpec
    lists_faults: bool
    model: Model
    nonces: Nonces

    @property
    def home(self) -> str:
        """Its address, with a slash at its end."""
        ...

    @property
    def api_root(self) -> str:
        """The root of the REST API."""
        ...

    def page(self, name: str) -> str:
        """Return the URL of the page `name`."""
        ...

    def bot(self, bot_id: str, dialect: str) -> BotSpec | None:
        """Return the bot with this id, or None."""
        ...

    def custom_bot(self, custom: str) -> BotSpec | None:
        """Return the `mwai` bot that a page has customised under this name, or None."""
        ...

    def within_quota(self, visitor: str) -> bool:
        """Count a turn of `visitor`; False if that is one too many."""
        ...

    def take_fault(self, bot: BotSpec, where: str, step: int = 2) -> str:
        """Return the fault that this step of a turn meets, or ""."""
        ...

    def meet_aside(self, where: str, step: int) -> str:
        """Return the fault of `Site.next` that this step meets, whichever bot it is for, or ""."""
        ...

    def expects_second_step(self, key: str) -> None:
        """Note that the turn of this thread's request has a second step, which will name `key`."""
        ...


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
