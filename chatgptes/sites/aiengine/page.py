"""The bots that a page of an AI Engine site shows.

Each is an empty element with JSON in its attributes (measured on 1.9.99 to 3.6.2).  The plugin's
script fills it in and removes the attributes, so a page saved from a browser has lost them.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..addresses import require_same_site
from ..dialect import Bot, BufferedResponse, Endpoint, FoundBot, ReadBot
from ..text import (
    clean_text,
    identifier,
    json_object,
    listed,
    object_or_empty,
    string_or_empty,
    without_surrogates,
)

__all__ = ["NONCE_IN_PAGE", "SHORTCUTS", "header_nonce", "reader", "with_custom_ids"]

NONCE_IN_PAGE = "nonce_in_page"
"""Key in `Endpoint.extra`: only the page has a nonce (2.0.1 to 2.4.3)."""

SHORTCUTS = "shortcuts"
"""Key in `Endpoint.extra`: JSON, the ids of starters by their labels."""

_CHAT_ROUTE = "/mwai-ui/v1/chats/submit"
_CONSENT = "mwai_gdpr_"
_MOST_STARTERS = 20
_LONGEST_STARTER = 2000  # Characters.
_BUTTON = re.compile(r"<button\b.*?</button\s*>", re.IGNORECASE | re.DOTALL)


def header_nonce(value: object) -> str:
    """Return a nonce that can stand in a header; "" for anything else."""
    text = string_or_empty(value).strip()
    return text if re.fullmatch(r"[!-~]{1,200}", text) else ""


def reader(page: BufferedResponse) -> ReadBot:
    """See `Dialect.reader`."""

    def read(_: object, attributes: dict[str, str]) -> Endpoint | None:
        system = json_object(attributes.get("data-system", "")) or {}
        params = json_object(attributes.get("data-params", "")) or {}
        bot_id, custom_id = identifier(system.get("botId")), identifier(system.get("customId"))
        root = string_or_empty(system.get("restUrl"))
        if not (bot_id or custom_id) or not root:
            return None
        # Sites with plain permalinks have `…/index.php?rest_route=`: a route goes behind that, too.
        root = require_same_site(page.url, root).rstrip("/")
        starters, shortcuts = _starters(system)
        nonce = header_nonce(system.get("restNonce"))
        extra = {
            "root": root,
            "botId": bot_id,
            "customId": custom_id,
            "maxLength": _count(params.get("textInputMaxLength")),
            "maxUploads": _count(params.get("maxUploads")),
            NONCE_IN_PAGE: "yes" if nonce else "",
            SHORTCUTS: json.dumps(shortcuts) if shortcuts else "",
        }
        post_id = identifier(system.get("contextId"))
        uploads = (params.get("imageUpload"), params.get("fileUpload"))
        return Endpoint(
            bot=Bot(
                id=bot_id or custom_id,
                name=clean_text(params.get("aiName"), 100).rstrip(": "),
                dialect="mwai",
                kind="popup" if params.get("window") is True else "inline",
                page=page.url,
                # None where the page does not say (before 3.6.2).
                images=True in uploads or (False if False in uploads else None),
                consent=_consent(system),
                greeting=clean_text(params.get("startSentence"), 2000),
                starters=starters,
            ),
            url=root + _CHAT_ROUTE,
            nonce=nonce,
            post_id=post_id if re.fullmatch("[0-9]{1,18}", post_id) else "",
            page_url=page.url,
            nonce_first=not nonce,
            extra={key: value for key, value in extra.items() if value},
        )

    return read


def with_custom_ids(found: list[FoundBot]) -> list[FoundBot]:
    """Return the same, where a bot that is also shown as customised goes by its customised id."""
    customs: defaultdict[str, set[str]] = defaultdict(set)
    for _, endpoint in found:
        customs[endpoint.bot.id].add(endpoint.extra.get("customId", ""))
    return [
        FoundBot(position, replace(endpoint, bot=replace(endpoint.bot, id=custom_id)))
        if (custom_id := endpoint.extra.get("customId")) and len(customs[endpoint.bot.id]) > 1
        else FoundBot(position, endpoint)
        for position, endpoint in found
    ]


def _starters(system: Mapping[Any, Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The starters, and the ids of those whose message the page does not show, by their labels.

    The shapes were read in the plugin's source: from 2.4.9 on there are shortcuts with a label and
    a message; from 3.3.3 on an id that only the site can read stands where the message was.
    """
    starters: dict[str, str] = {}
    for shortcut in listed(system.get("shortcuts"), _MOST_STARTERS):
        data = object_or_empty(shortcut.get("data"))
        if "message" not in (shortcut.get("type"), data.get("action")):
            continue  # Others run a script of the page.
        label, message, shortcut_id = (
            without_surrogates(string_or_empty(data.get(key))).strip()
            for key in ("label", "message", "shortcutId")
        )
        text = (" ".join(label.split()) if shortcut_id else message)[:_LONGEST_STARTER]
        if text:
            starters.setdefault(text, shortcut_id)
    return tuple(starters), {text: given for text, given in starters.items() if given}


def _consent(system: Mapping[Any, Any]) -> str | bool:
    """The words of the block that asks for consent; True for a block without any."""
    for block in listed(system.get("blocks")):
        if string_or_empty(block.get("id")).startswith(_CONSENT):
            written = string_or_empty(object_or_empty(block.get("data")).get("html"))
            return clean_text(_BUTTON.sub(" ", written), 1000) or True
    return False


def _count(value: object) -> str:
    """A positive number that a page writes as a number or as a string; "" for anything else."""
    text = identifier(value)
    return text if re.fullmatch(r"0*[1-9][0-9]{0,8}", text) else ""
