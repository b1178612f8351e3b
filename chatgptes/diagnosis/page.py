"""Read in a page why it shows no bots, and how old its plugin is."""

from __future__ import annotations

import itertools
import re
from urllib.parse import urljoin

from ..sites import DIALECTS, dialect_named, plugin_names, plugin_traces, shows_container
from ..sites.dialect import BufferedResponse, Endpoint
from ..values.urls import may_send, origin, redact

__all__ = ["no_bots", "plugin"]

_SHORTCODE = re.compile(rb"\[(?:wpaicg|aipkit|mwai)_chat\w{0,20}\b[^\]<>]{0,200}\]")
_SOURCE = re.compile(
    rb"<(iframe|script)\b[^<>]{0,2000}?\b(?:data-(?:\w+-){0,2})?src\s*=\s*"
    rb"(?:\"([^\"]{1,2000})\"|'([^']{1,2000})'|([^\s\"'<>]{1,2000}))",
    re.IGNORECASE,
)
_MOST_SOURCES = 1000
# A file's time is no version: those of styles, and of some plugins' scripts, are a mere number.
_VERSION = re.compile(
    rb"plugins\\?/([\w-]{1,60})\\?/[^\s\"'<>?]{1,300}\.(js|css)\?ver=(\d+(?:\.\d+)+)(?![\w.-])"
)


def no_bots(page: BufferedResponse) -> tuple[str, str]:
    """Return why a page shows no bot, as far as it tells: what was seen, and what to do."""
    body = page.body
    kind = page.headers.get("content-type").partition(";")[0].strip().lower()
    if not body.strip():
        kind = "no text at all"
    if kind and "html" not in kind and not body.lstrip().startswith(b"<"):
        return (
            f"The site answered with {kind}, which is no page.",
            "Give the address of the page that shows the chat window, as your browser shows it. If "
            "it is that, something on the site has broken off: PHP's error log tells its owner "
            "more.",
        )
    traces = plugin_traces(body)
    if found := _SHORTCODE.search(body):
        return (
            f"The page shows the plugin's shortcode {found[0].decode('utf-8', 'replace')} as plain "
            "text.",
            "Owner: the plugin is not active, or its version has another shortcode (AI Power's "
            "changed with 2.3): put the present one there.",
        )
    if shows_container(body):
        return (
            "The page has the plugin's chat element, but what it should say of the bot is missing "
            "or cut off.",
            "Owner: look at the page in a browser. A plugin that shrinks or 'optimises' pages may "
            "spoil the element: exclude it there. If the browser shows no chat either, save the "
            "bot once more in the plugin's settings.",
        )
    homes, frames = _loaded_from(page)
    if homes:
        return (
            f"The page shows no bot of its site, but loads the chat's script from {homes[0]}.",
            "The bot is most likely embedded from that site: give the address of a page there "
            "that shows the chat.",
        )
    if frames:
        return (
            f"The page shows no bot itself, but has frames: {', '.join(frames[:3])}.",
            "The chat may be in one of them: give its address instead.",
        )
    if traces:
        return (
            f"The page has traces of the plugin {traces[0].plugin} but shows no bot.",
            "The chat may be a popup that only some pages show, be meant for members only, be cut "
            "off or switched off: give the address of a page where you see it. Owner: a plugin "
            "that loads parts of a page later, by a script, must leave the chat element out; or "
            "use the REST API (with its key), which needs no page.",
        )
    return (
        f"There is no trace of the plugins {plugin_names()} on the page.",
        "Check the address: give that of the page where you see the chat. This library talks to "
        "the bots of those plugins only.",
    )


def _loaded_from(page: BufferedResponse) -> tuple[list[str], list[str]]:
    """Return the other sites that chats' scripts come from, and the addresses of frames."""
    folders = {f"/plugins/{each.slug}/" for each in DIALECTS}
    homes, frames = [], []
    for tag, *values in itertools.islice(_SOURCE.findall(page.body), _MOST_SOURCES):
        try:
            target = urljoin(page.url, b"".join(values).decode("utf-8", "replace").strip())
            is_near = may_send(page.url, target)
            if tag.lower() == b"iframe":
                # Videos, maps and advertisements are frames too.
                if is_near or re.search(r"chat|bot\b|aipkit|wpaicg", target):
                    frames.append(redact(target))
            elif not is_near and any(folder in target for folder in folders):
                homes.append(origin(target))
        except ValueError:
            continue
    return homes, list(dict.fromkeys(frames))


def plugin(page: BufferedResponse, endpoint: Endpoint) -> str:
    """The plugin behind a bot, and its version as far as the page tells."""
    its_dialect = dialect_named(endpoint.bot.dialect)
    # Scripts before styles, whose versions themes change.
    for kind, files in ((b"js", "scripts"), (b"css", "styles")):
        for slug, suffix, number in _VERSION.findall(page.body):
            if (slug.decode(), suffix) == (its_dialect.slug, kind):
                return f"{its_dialect.plugin} {number.decode()}, by its {files}' addresses"
    return f"{its_dialect.plugin} {its_dialect.age(page, endpoint)}"
