"""Read in a page why it shows no bots, and how old its plugin is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from urllib.parse import urljoin

from ..sites import DIALECTS, dialect_named, plugin_names, plugin_traces
from ..sites.dialect import BufferedResponse, Endpoint
from ..values.urls import may_send, origin, redact

__all__ = ["no_bots", "plugin"]

_SHORTCODE = re.compile(rb"\[(?:wpaicg|aipkit|mwai)_chat\w{0,20}\b[^\]<>]{0,200}\]")
# Also a tag that is cut off, which is none to a browser.
_ELEMENT = re.compile(
    rb"<\w[^<>]{0,4000}?\bclass\s*=\s*[\"'][^\"'<>]{0,500}?\b(?:"
    + b"|".join(name for each in DIALECTS for name in each.containers)
    + rb")(?=[\s\"'])",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    rb"<(iframe|script)\b[^<>]{0,2000}?\b(?:data-(?:\w+-){0,2})?src\s*=\s*"
    rb"(?:\"([^\"]{1,2000})\"|'([^']{1,2000})'|([^\s\"'<>]{1,2000}))",
    re.IGNORECASE,
)
_MOST_SOURCES = 300
# How the common "speed" plugins mark what a script of theirs is to load later.
_LATER = (
    b"rocketlazyload", b"data-rocket", b"data-litespeed", b"litespeed/javascript", b"data-lazy-src",
    b"lazyload", b"perfmatters", b"flying-scripts", b"data-wpmeteor", b"data-no-defer",
)  # fmt: skip
_WORDPRESS = (b"wp-content/", b"wp-includes/", b"wp-json", b"api.w.org")
# A file's time is no version: those of styles, and of some plugins' scripts, are a mere number.
_VERSION = re.compile(
    rb"plugins\\?/([\w-]{1,60})\\?/[^\s\"'<>?]{1,300}\.(js|css)\?ver=(\d+(?:\.\d+)+)(?![\w.-])"
)


def no_bots(page: BufferedResponse) -> tuple[str, str]:
    """Return why a page shows no bot, as far as it tells: what was seen, and what to do."""
    body = page.body
    if not body.strip():
        return (
            f"The site answered with status {page.status} and no text at all.",
            "Something on the site has broken off (PHP's error log tells its owner more), or the "
            "address is no page.",
        )
    kind = page.headers.get("content-type").partition(";")[0].strip().lower()
    if kind and "html" not in kind and not body.lstrip().startswith(b"<"):
        return (
            f"The site answered with {kind}, which is no page.",
            "Give the address of the page that shows the chat window, as your browser shows it.",
        )
    traces = plugin_traces(body)
    if found := _SHORTCODE.search(body):
        return (
            f"The page shows the plugin's shortcode {found[0].decode('utf-8', 'replace')} as plain "
            "text.",
            "Owner: the plugin is not active, or its version has another shortcode (AI Power's "
            "changed with 2.3): put the present one there.",
        )
    if _ELEMENT.search(body):
        return (
            "The page has the plugin's chat element, but what it should say of the bot is missing "
            "or cut off.",
            "Owner: look at the page in a browser. A plugin that shrinks or 'optimises' pages may "
            "spoil the element: exclude it there. If the browser shows no chat either, save the "
            "bot once more in the plugin's settings.",
        )
    if home := _embedded_from(page):
        return (
            f"The page shows no bot of its site, but loads the chat's script from {home}.",
            "The bot is most likely embedded from that site: give the address of a page there "
            "that shows the chat.",
        )
    if frames := _frames(page):
        return (
            f"The page shows no bot itself, but has frames: {', '.join(frames)}.",
            "The chat may be in one of them: give its address instead.",
        )
    if traces:
        lazy = any(mark in body for mark in _LATER)
        later = "; it loads parts of itself later, by a script (lazy loading)" if lazy else ""
        owner = "exclude the chat element from that; " if lazy else ""
        return (
            f"The page has traces of the plugin {traces[0].plugin} but shows no bot{later}.",
            "The chat may be a popup that only some pages show, be meant for members only, or be "
            f"switched off: give the address of a page where you see it. Owner: {owner}or use the "
            "REST API (with its key), which needs no page.",
        )
    if any(mark in body for mark in _WORDPRESS):
        return (
            f"This is a WordPress page, but there is no trace of the plugins {plugin_names()}.",
            "Its chat, if it has one, is another product, or is on another page: give the address "
            "of the page where you see it.",
        )
    return (
        f"There is no trace of WordPress or of the plugins {plugin_names()} on the page.",
        "Check the address. This library talks to the bots of those plugins only.",
    )


def _sources(page: BufferedResponse, tag: bytes) -> Iterator[str]:
    """Give the addresses that the page's frames, or scripts, are loaded from."""
    found = (match for match in _SOURCE.finditer(page.body) if match[1].lower() == tag)
    for match in itertools.islice(found, _MOST_SOURCES):
        written = (match[2] or match[3] or match[4]).decode("utf-8", "replace").strip()
        try:
            yield urljoin(page.url, written)
        except ValueError:
            continue


def _frames(page: BufferedResponse) -> list[str]:
    # Videos, maps and advertisements are frames too.
    shown = (
        redact(target)
        for target in _sources(page, b"iframe")
        if may_send(page.url, target) or re.search(r"chat|bot\b|aipkit|wpaicg", target)
    )
    return list(dict.fromkeys(shown))[:3]


def _embedded_from(page: BufferedResponse) -> str:
    """The other site that a chat's script on the page comes from, or ""."""
    folders = {f"/plugins/{each.slug}/" for each in DIALECTS}
    for target in _sources(page, b"script"):
        if any(folder in target for folder in folders) and not may_send(page.url, target):
            try:
                return origin(target)
            except ValueError:
                continue
    return ""


def plugin(page: BufferedResponse, endpoint: Endpoint) -> str:
    """The plugin behind a bot, and its version as far as the page tells."""
    its_dialect = dialect_named(endpoint.bot.dialect)
    found = _VERSION.findall(page.body)
    for kind, files in ((b"js", "scripts"), (b"css", "styles")):
        for slug, suffix, number in found:
            if suffix == kind and slug == its_dialect.slug.encode():
                return f"{its_dialect.plugin} {number.decode('ascii')}, by its {files}' addresses"
    return f"{its_dialect.plugin} {its_dialect.age(page, endpoint)}"
