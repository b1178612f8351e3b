"""How the site of a test is made, and what ends with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

from ...sandbox.catalogue import PAGES
from ...turn.config import ClientArguments
from ...values.urls import origin
from .defaults import defaults_are
from .guard import ENDED
from .live import Live
from .script import Script, ScriptedSite
from .site import SiteUnderTest

__all__ = ["live_site", "stand_in"]

PAGE_OF = {"aipkit": "front", "classic": "classic", "plain": "classic-plain", "rest": "front"}


@contextmanager
def stand_in(dialect: Any, page: Any, *, strict: bool) -> Iterator[tuple[SiteUnderTest, Script]]:
    """A running stand-in, and its script.

    Args:
        dialect: a kind of bot, as `FAULTS` names them; None for `aipkit`.
        page: a page of the stand-in, in place of a dialect; or None.
        strict: see `Script`.

    Raises:
        pytest.fail.Exception: there is no such dialect or page.
    """
    if dialect is not None and page is not None:
        _refuse("@pytest.mark.chatgptes: name a dialect or a page, not both.")
    kind = "" if page is not None else "aipkit" if dialect is None else dialect
    if page is None and kind not in list(PAGE_OF):  # It may be anything that a marker can hold.
        _refuse(f"@pytest.mark.chatgptes: the dialects are {', '.join(PAGE_OF)}, not {kind!r}.")
    name = PAGE_OF[kind] if page is None else page
    if name not in list(PAGES):
        _refuse(
            f"@pytest.mark.chatgptes: the stand-in has no page {name!r}"
            " (chatgptes.sandbox.Site.pages has them)."
        )
    script = Script(strict=strict)
    site = ScriptedSite(script)
    with site:
        shows = PAGES[name].shows
        bot = shows[0][0] if shows else None
        arguments = ClientArguments(site=site.page(name))
        if kind == "rest":
            bot = arguments["bot"] = site.rest_bot
            arguments["api_key"] = site.api_key
        own = origin(site.home)
        ENDED.discard(own)
        try:
            with defaults_are(arguments):
                yield SiteUnderTest(arguments, bot, stand_in=site, kind=kind), script
        finally:
            ENDED.add(own)


@contextmanager
def live_site(live: Live) -> Iterator[SiteUnderTest]:
    """The run's real site."""
    bot = live.arguments.get("bot")
    with defaults_are(live.arguments, clients=live.clients, alone=False):
        yield SiteUnderTest(live.arguments, None if bot is None else str(bot))


def _refuse(why: str) -> NoReturn:
    pytest.fail(why, pytrace=False)
