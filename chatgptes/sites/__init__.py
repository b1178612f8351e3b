"""What sites say and hear: pure functions of text and bytes, no I/O."""

from __future__ import annotations

from ..errors import UnexpectedFormatError
from .aipower.aipkit import Aipkit
from .aipower.rest import Rest
from .aipower.wpaicg import Wpaicg
from .dialect import Dialect, Endpoint, Page

__all__ = ["AIPKIT", "DIALECTS", "REST", "WPAICG", "dialect", "find_bots", "plugin_traces"]

AIPKIT = Aipkit()
WPAICG = Wpaicg()
REST = Rest()

DIALECTS: tuple[Dialect, ...] = (AIPKIT, WPAICG)
"""The dialects that pages show, the newer one first."""

_BY_NAME: dict[str, Dialect] = {"aipkit": AIPKIT, "wpaicg": WPAICG, "rest": REST}

# Names that the plugin leaves in a page even where it shows no bot.
_TRACES = (b"wpaicg", b"aipkit", b"gpt3-ai-content-generator", b"gpt-ai-content-generator")


def dialect(name: str) -> Dialect:
    """The dialect called `name`: "wpaicg", "aipkit" or "rest".

    Raises:
        KeyError: there is none of that name.
    """
    return _BY_NAME[name]


def find_bots(page: Page) -> list[Endpoint]:
    """The bots that a page shows, over all dialects, in the page's order; empty for none.

    The same id as shortcode and widget is one bot, the shortcode; as inline element and popup,
    the inline one.

    Raises:
        UnexpectedFormatError: the page shows bots, and every one of them has an address that may
            not be used.  As long as one is good, those are passed over.
    """
    located: list[tuple[int, Endpoint]] = []
    bad: UnexpectedFormatError | None = None
    for find in (AIPKIT.located, WPAICG.located):
        try:
            located += find(page)
        except UnexpectedFormatError as error:
            bad = bad or error
    if bad is not None and not located:
        raise bad
    best: dict[tuple[str, str], tuple[int, Endpoint]] = {}
    for place, endpoint in sorted(located, key=lambda item: item[0]):
        key = (endpoint.bot.dialect, endpoint.bot.id)
        known = best.get(key)
        if known is None:
            best[key] = place, endpoint
        elif _floats(known[1]) and not _floats(endpoint):
            # The better kind, at its own place in the page.
            best[key] = place, endpoint
    return [endpoint for _, endpoint in sorted(best.values(), key=lambda item: item[0])]


def _floats(endpoint: Endpoint) -> bool:
    return endpoint.bot.kind in ("widget", "popup")


def plugin_traces(body: bytes) -> bool:
    """Does a page without a bot carry traces of the plugin?"""
    return any(trace in body for trace in _TRACES)
