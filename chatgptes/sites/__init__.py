"""The ways that sites are talked to: pure functions of text and bytes, no I/O."""

from __future__ import annotations

from functools import partial
from operator import itemgetter

from .dialect import BufferedResponse, Dialect, Endpoint, FoundBot
from .html import tags
from .page import collect
from .registry import DIALECTS, KEY_DIALECTS

__all__ = [
    "DIALECTS", "KEY_DIALECTS", "dialect_named", "find_bots", "plugin_names", "plugin_traces",
    "shows_container",
]  # fmt: skip

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
        UnexpectedFormatError: the page shows bots, and every one of them has an address that may
            not be used.  As long as one is good, those are passed over.
    """
    found = collect(partial(each.find, page) for each in DIALECTS)
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
