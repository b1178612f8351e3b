"""Chromium, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatgptes.sandbox import Site

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Any, site: Site) -> Iterator[Open]:
    """Opens a page of the site by its name; nothing it does may reach another host.

    `console` of a page has what its script complained about.
    """
    contexts, foreign = [], []

    def note(request: Any) -> None:
        # Where a redirect leads is told here even if nobody goes there; that has its own test.
        if not request.redirected_from:
            foreign.append(request.url)

    def show(name: str, width: int = 1000, height: int = 800, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.console = []
        page.on("console", lambda message: page.console.append(message.text))
        page.on("pageerror", lambda error: page.console.append(str(error)))
        page.on("request", note)
        page.goto(site.page(name))
        page.locator(".cw-window, .cw-failed, .cw-note").first.wait_for(state="attached")
        return page

    yield show
    for context in contexts:
        context.close()
    allowed = (site.home, "data:", "blob:")
    assert [url for url in foreign if not url.startswith(allowed)] == []
