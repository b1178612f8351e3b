"""The browser's part of the sandbox's pages: a style, a script, and an index of all pages."""

from __future__ import annotations

import html
from importlib.resources import files
from typing import TYPE_CHECKING

from .catalogue import PAGES, PageSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .exchange import Exchange

FOLDER = "sandbox/"
"""The place of the style and the script, under the site's home."""

_KINDS = {
    "window.css": "text/css; charset=UTF-8",
    "window.js": "text/javascript; charset=UTF-8",
    "bots.js": "text/javascript; charset=UTF-8",
    "markdown.js": "text/javascript; charset=UTF-8",
    "wire.js": "text/javascript; charset=UTF-8",
}

_GROUPS = {  # By the first kind of bot that a page shows.
    "inline": "AI Power 2.3 and later",
    "popup": "AI Power 2.3 and later",
    "shortcode": "AI Power 1.8 and 1.9",
    "widget": "AI Power 1.8 and 1.9",
    "engine": "AI Engine",
    "engine-window": "AI Engine",
    "": "Redirects, failures, and pages without a bot",
}
_ODD, _FAULTY = "Odd markup around the bot", "Bots that always fail"


def serve(exchange: Exchange, name: str) -> None:
    """Answer a GET of one of the files that make a page a window."""
    if name not in _KINDS or exchange.request.method not in ("GET", "HEAD"):
        exchange.respond(404, "There is no such file.", "text/plain; charset=UTF-8")
        return
    body = files(__package__).joinpath(name).read_bytes()
    exchange.respond(200, body, _KINDS[name], [("Cache-Control", "no-cache")])


def head(root: str) -> list[str]:
    """Return the lines of a page's head; `root` is the path of the site's home."""
    return [
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',  # Else a browser asks for one.
        f'<link rel="stylesheet" href="{root}{FOLDER}window.css">',
        f'<script type="module" src="{root}{FOLDER}window.js"></script>',
    ]


def top(root: str, page: PageSpec) -> str:
    """Return the line above a page's heading."""
    if page.name == "front":
        return (
            '<p class="cw-top"><span>A sandbox: it plays a site with a chat bot.</span> '
            '<a href="#pages">All pages</a></p>\n'
        )
    name = html.escape(page.name)
    return f'<nav class="cw-top"><a href="{root}">All pages</a> <span>{name}</span></nav>\n'


def index(root: str, *, faults: bool) -> str:
    """Return the list of all pages, those that always fail only with `faults`."""
    groups: dict[str, list[PageSpec]] = {title: [] for title in (*_GROUPS.values(), _ODD, _FAULTY)}
    for page in PAGES.values():
        groups[_group(page)].append(page)
    if not faults:
        del groups[_FAULTY]
    parts = [_section(root, title, pages) for title, pages in groups.items()]
    return (
        '<section class="cw-index" id="pages">\n<h2>Pages</h2>\n' + "".join(parts) + "</section>\n"
    )


def _group(page: PageSpec) -> str:
    if page.name.startswith("fault-"):
        return _FAULTY
    if page.name.startswith("odd-"):
        return _ODD
    return _GROUPS[page.shows[0][1] if page.shows else ""]


def _section(root: str, title: str, pages: Iterable[PageSpec]) -> str:
    items = []
    for page in pages:
        path = root if page.name == "front" else f"{root}{page.name}/"
        about = html.escape(page.about)
        items.append(f'<li><a href="{path}">{page.name}</a> <span>{about}</span></li>\n')
    return f"<h3>{title}</h3>\n<ul>\n{''.join(items)}</ul>\n"
