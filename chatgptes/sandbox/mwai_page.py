"""The elements that an AI Engine site puts into its pages."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from .php import escaped, php_json, version

if TYPE_CHECKING:
    from .catalogue import PageSpec
    from .spec import BotSpec
    from .wordpress import WordPress

NONCE = "wp_rest"

_FOREIGN = "https://elsewhere.invalid/wp-json"


def element(site: WordPress, page: PageSpec, bot: BotSpec, kind: str) -> str:
    """The element that the plugin's script makes a chat window of."""
    if page.trick == "saved":
        return "<div class='mwai-chatbot-container'><p>Once a chat window.</p></div>"
    params, system = _params(bot, kind), _system(site, page, bot)
    return _element("mwai-chatbot-container", params, system)


def discussions(site: WordPress) -> str:
    """The element of a list of old chats, which looks much like a bot's."""
    system = {"botId": "default", "customId": None, "restNonce": None, "restUrl": root(site)}
    return _element("mwai-discussions-container", {}, system)


def root(site: WordPress, plugin: str = "") -> str:
    """The REST API's root as pages name it, of the site or of an older one in a sub-folder."""
    return site.home + (f"engine-{plugin}/" if plugin else "") + "wp-json"


def _element(css: str, params: dict[str, Any], system: dict[str, Any]) -> str:
    theme = {"type": "internal", "name": "Plain", "settings": [], "style": ""}
    data = {"data-params": params, "data-system": system, "data-theme": theme}
    written = " ".join(f"{name}='{escaped(php_json(value))}'" for name, value in data.items())
    return f"<div class='{css}' {written}></div>"


def _params(bot: BotSpec, kind: str) -> dict[str, Any]:
    params: dict[str, Any] = {
        "aiName": f"{bot.name}: ",
        "userName": "Visitor: ",
        "guestName": "Guest: ",
        "textSend": "Go",
        "textClear": "Clear",
    }
    if bot.custom == bot.id:
        params = {"customId": bot.custom, **params}
    if version(bot.plugin) >= (3,):
        params |= {
            "imageUpload": bot.images,
            "fileUpload": bot.images,
            "multiUpload": bot.uploads > 1,
            "maxUploads": bot.uploads,
            "mode": "images" if bot.paints else "chat",
        }
    elif bot.images:
        params |= {"imageUpload": True, "fileUpload": True}
    return params | {
        "textInputPlaceholder": "Ask the sandbox",
        "textInputMaxLength": bot.longest,
        "textCompliance": 'All of it is <a href="/made-up">made up</a>.',
        "startSentence": 'I\'m a <b>sandbox</b> & no "model" · ünïcödé',
        "localMemory": True,
        "window": kind == "engine-window",
    }


def _system(site: WordPress, page: PageSpec, bot: BotSpec) -> dict[str, Any]:
    old = version(bot.plugin) < (3,)
    where = root(site, bot.plugin if old else "")
    if page.trick == "rest-query":
        where = f"{site.home}index.php?rest_route="
    in_page = (2, 0, 1) <= version(bot.plugin) < (2, 4, 4)
    system: dict[str, Any] = {
        "botId": None if bot.custom == bot.id else bot.id,
        "customId": bot.custom or None,
        "userData": None,
        "sessionId": "N/A" if old else None,
        "restNonce": site.nonces.shown(NONCE) if in_page else None,
        "contextId": 13,
        "pluginUrl": f"{site.home}wp-content/plugins/ai-engine",
        "restUrl": _FOREIGN if page.trick == "foreign" else where,
        "stream": bot.streams,
        "debugMode": False,
    }
    if not old:
        consent = {"id": "mwai_gdpr_sandbox", "type": "content", "data": {"html": "<p>Agree?</p>"}}
        system |= {"actions": [], "blocks": [consent] if bot.consent else []}
        system["shortcuts"] = [
            {"type": "message", "data": {"label": label, "shortcutId": shortcut_id(bot, label)}}
            for label in bot.starters
        ]
    return system


def shortcut_id(bot: BotSpec, label: str) -> str:
    """The id of a starter, which only the site can read."""
    return hashlib.sha256(f"{bot.id} {label}".encode()).hexdigest()


def shortcut_message(bot: BotSpec, given: str) -> str:
    """The message that belongs to a starter; "" where the bot has none with this id."""
    found = (label for label in bot.starters if shortcut_id(bot, label) == given)
    return next((f"{label}, please, and briefly." for label in found), "")
