"""What a page tells `doctor` beside its bots: why there are none, and how old the plugin is."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from ..sites import plugin_traces
from ..sites.dialect import BufferedResponse, Endpoint
from ..values.urls import may_send, redact

__all__ = ["age", "no_bots", "not_a_page"]

_SHORTCODE = re.compile(rb"\[(?:wpaicg_chat\w{0,20}|aipkit_chat\w{0,20})\b[^\]<>]{0,200}\]")
_ELEMENT = re.compile(
    rb"<\w[^<>]{0,4000}?\bclass\s*=\s*[\"'][^\"'<>]{0,500}?"
    rb"\b(?:wpaicg-chat-shortcode|wpaicg-chatbox|aipkit_chat_container|aipkit_popup_wrapper)"
    rb"(?=[\s\"'])",
    re.IGNORECASE,
)
_FRAME = re.compile(
    rb"<iframe\b[^<>]{0,2000}?\b(?:data-(?:\w+-){0,2})?src\s*=\s*"
    rb"(?:\"([^\"]{1,2000})\"|'([^']{1,2000})'|([^\s\"'<>]{1,2000}))",
    re.IGNORECASE,
)
# How the common "speed" plugins mark what a script of theirs is to load later.
_LATER = (
    b"rocketlazyload", b"data-rocket", b"data-litespeed", b"litespeed/javascript", b"data-lazy-src",
    b"lazyload", b"perfmatters", b"flying-scripts", b"data-wpmeteor", b"data-no-defer",
)  # fmt: skip
_WORDPRESS = (b"wp-content/", b"wp-includes/", b"wp-json", b"api.w.org")
_VERSION = re.compile(
    rb"/plugins/gpt3-ai-content-generator/[^\s\"'<>]{1,300}[?&]ver=(\d[\w.]{0,15})"
)


def not_a_page(page: BufferedResponse) -> tuple[str, str] | None:
    """What happened and what to do, if a response with a good status is no page; else None."""
    if not page.body.strip():
        return (
            f"The site answered with status {page.status} and no text at all.",
            "Something on the site has broken off (PHP's error log tells its owner more), or the "
            "address is no page.",
        )
    kind = page.headers.get("content-type").partition(";")[0].strip().lower()
    if kind and "html" not in kind and not page.body.lstrip()[:200].lower().startswith(b"<"):
        return (
            f"The site answered with {kind}, which is no page.",
            "Give the address of the page that shows the chat window, as your browser shows it.",
        )
    return None


def no_bots(page: BufferedResponse) -> tuple[str, str]:
    """Why a page shows no bot, as far as it tells: what was seen, and what to do."""
    body = page.body
    if found := _SHORTCODE.search(body):
        said = found[0].decode("utf-8", "replace")
        return (
            f"The page shows the plugin's shortcode {said} as plain text.",
            "Owner: the plugin is not active, or is of a generation that has another shortcode "
            "(it changed with 2.3): put the present one there.",
        )
    if _ELEMENT.search(body):
        return (
            "The page has the plugin's chat element, but what it should say of the bot is missing "
            "or cut off.",
            "Owner: look at the page in a browser. A plugin that shrinks or 'optimises' pages may "
            "spoil the element: exclude it there. If the browser shows no chat either, save the "
            "bot once more in the plugin's settings.",
        )
    traces = plugin_traces(body)
    if frames := _frames(page):
        return (
            f"The page shows no bot itself, but has frames: {', '.join(frames)}.",
            "The chat may be in one of them: give its address instead.",
        )
    if traces and any(mark in body for mark in _LATER):
        return (
            "The plugin is there, but the page shows no bot; it loads parts of itself later, by a "
            "script (lazy loading).",
            "The library runs no scripts. Owner: exclude the chat element from lazy loading. "
            "Others: try another page of the site that shows the chat.",
        )
    if traces:
        return (
            "The page has traces of the plugin but shows no bot.",
            "The chat may be a popup that only some pages show, be meant for members only, or be "
            "switched off: give the address of a page where you see it. Owner: or use the REST "
            "API (with its key), which needs no page.",
        )
    if any(mark in body for mark in _WORDPRESS):
        return (
            "This is a WordPress page, but there is no trace of the plugin AI Power (AI Puffer).",
            "Its chat, if it has one, is another product, or is on another page: give the address "
            "of the page where you see it.",
        )
    return (
        "There is no trace of WordPress or of the plugin AI Power (AI Puffer) on the page.",
        "Check the address. This library talks to that plugin's bots only.",
    )


def _frames(page: BufferedResponse) -> list[str]:
    shown = []
    for match in _FRAME.finditer(page.body):
        written = (match[1] or match[2] or match[3]).decode("utf-8", "replace").strip()
        try:
            target = urljoin(page.url, written)
        except ValueError:
            continue
        # Videos, maps and advertisements are frames too.
        if may_send(page.url, target) or re.search(r"chat|bot\b|aipkit|wpaicg", target):
            shown.append(redact(target))
    return list(dict.fromkeys(shown))[:3]


def age(page: BufferedResponse, endpoint: Endpoint) -> str:
    """What the page tells of the plugin's version (measured on 1.8.79, 1.9.18, 2.3.20, 2.4.71)."""
    if found := _VERSION.search(page.body):
        return f"plugin {found[1].decode('ascii')}, by the addresses of its files"
    if endpoint.bot.dialect == "wpaicg":
        if endpoint.post_id.startswith("<"):
            return "plugin 1.9.16 to 1.9.18, by its widget"
        return "plugin up to 1.9.18, or 2.2"
    if b"streamEnabled" in page.body:
        return "plugin 2.3 to 2.4.0"
    return "plugin 2.4.1 or later, by its settings"
