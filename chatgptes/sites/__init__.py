"""The ways that sites are talked to: pure functions of text and bytes, no I/O."""

from __future__ import annotations

from collections.abc import Collection
from operator import itemgetter

from ..errors import UnexpectedFormatError
from ..values.http import Request
from . import aiengine, aipower
from .addresses import require_same_site
from .dialect import BufferedResponse, Dialect, Endpoint, FoundBot
from .html import tags
from .owner import KeyDialect
from .text import json_object

__all__ = [
    "DIALECTS", "KEY_DIALECTS", "dialect_named", "find_bots", "key_dialect_for",
    "namespaces_from", "namespaces_request", "plugin_names", "plugin_traces", "shows_container",
]  # fmt: skip

# A new plugin is a folder beside these, and stands here.
_PLUGINS = (aipower, aiengine)

DIALECTS: tuple[Dialect, ...] = tuple(each for plugin in _PLUGINS for each in plugin.DIALECTS)
"""Those whose bots pages show."""

KEY_DIALECTS: tuple[KeyDialect, ...] = tuple(
    each for plugin in _PLUGINS for each in plugin.KEY_DIALECTS
)
"""Those that owners of sites use with a key, without a page; the first is the default."""

_BY_NAME: dict[str, Dialect] = {each.name: each for each in (*DIALECTS, *KEY_DIALECTS)}


def dialect_named(name: str) -> Dialect:
    """Return the dialect called `name` (`Bot.dialect`).

    Raises:
        KeyError: there is none of that name.
    """
    return _BY_NAME[name]


def find_bots(page: BufferedResponse) -> list[Endpoint]:
    """Return the bots that a page shows, over all dialects, in the page's order.

    The same id in the text and in a floating window is one bot, the one in the text.

    Raises:
        UnexpectedFormatError: see `Dialect.find`.
    """
    found: list[FoundBot] = []
    bad: UnexpectedFormatError | None = None
    for each in DIALECTS:
        try:
            found += each.find(page)
        except UnexpectedFormatError as error:
            bad = bad or error
    if bad is not None and not found:
        raise bad
    best: dict[tuple[str, str], FoundBot] = {}
    for each_found in sorted(found, key=itemgetter(0)):
        bot = each_found.endpoint.bot
        known = best.get((bot.dialect, bot.id))
        if known is None or (_floats(known) and not _floats(each_found)):
            # The better kind, at its own place in the page.
            best[bot.dialect, bot.id] = each_found
    return [each_found.endpoint for each_found in sorted(best.values(), key=itemgetter(0))]


def _floats(found: FoundBot) -> bool:
    return found.endpoint.bot.kind in ("widget", "popup")


def plugin_traces(body: bytes) -> list[Dialect]:
    """Return the dialects of which a page without a bot carries traces."""
    return [each for each in DIALECTS if any(trace in body for trace in each.traces)]


def shows_container(body: bytes) -> bool:
    """Tell whether a page has the element of a bot, of which it may still show none."""
    return bool(tags(body, [name for each in DIALECTS for name in each.containers]))


def plugin_names() -> str:
    """Return the names of the plugins that the library knows, as words of a sentence."""
    return " and ".join(dict.fromkeys(each.plugin for each in DIALECTS))


def namespaces_request(site_url: str, root: str) -> Request:
    """Return the request that asks for a site's namespaces.  It carries no key.

    Raises:
        UnexpectedFormatError: the root is not on the site's host.
    """
    address = require_same_site(site_url, root).rstrip("/") + "/"
    return Request(
        "GET",
        f"{address}{'&' if '?' in address else '?'}_fields=namespaces",
        headers={"Accept": "application/json"},
    )


def namespaces_from(response: BufferedResponse) -> list[str]:
    """Return the namespaces in the response to `namespaces_request`; none where it has none."""
    data = json_object(response.body) if 200 <= response.status < 300 else None
    found = data.get("namespaces") if data else None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def key_dialect_for(namespaces: Collection[str], bot_id: str) -> KeyDialect:
    """Return the dialect that takes a key on a site with these namespaces.

    Where several do, or the site hides what it has, the bot's id decides: AI Power's are numbers.
    """
    known = [each for each in KEY_DIALECTS if each.namespace in namespaces] or KEY_DIALECTS
    fitting = [each for each in known if each.is_bot_id(bot_id)]
    return next(iter(fitting or known))
