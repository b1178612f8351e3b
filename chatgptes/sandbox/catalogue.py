"""Which bots the sandbox has, and which pages show them."""

from __future__ import annotations

from dataclasses import dataclass

from .faults import FAULTS
from .spec import BotSpec

NEW, MIDDLE, OLD = "2.4.71", "2.3.93", "2.3.20"
CLASSIC, GLUED, OLDEST = "1.9.18", "1.8.85", "1.8.79"
ENGINE, ENGINE_OLD, ENGINE_OLDEST = "3.6.2", "2.2.95", "1.9.99"


@dataclass(frozen=True, slots=True)
class PageSpec:
    """One page of the sandbox.

    Attributes:
        name: its name, and its path: "/" for "front", else "/NAME/".
        about: one line on what it is there for.
        shows: (bot id, kind) pairs; kinds are "shortcode", "widget", "inline", "popup", and of an
            `mwai` bot "engine" and "engine-window".
        trick: what is special about the page, for `pages` to do; "" for nothing.
    """

    name: str
    about: str
    shows: tuple[tuple[str, str], ...] = ()
    trick: str = ""


_GOOD_BOTS = (
    BotSpec("5", "Sandbox", "aipkit", NEW, starters=("What can you do?", "Who am I?")),
    BotSpec("6", "Second", "aipkit", NEW, thumbs=False),
    BotSpec("7", "Stateful", "aipkit", NEW, state=True),
    BotSpec("8", "Painter", "aipkit", NEW, images=True),
    BotSpec("9", "Careful", "aipkit", NEW, consent=True),
    BotSpec("20", "Veteran", "aipkit", OLD),
    BotSpec("21", "Regular", "aipkit", MIDDLE),
    BotSpec("22", "Doorkeeper", "aipkit", NEW, cookie=True),
    BotSpec(
        "0",
        "Default",
        "wpaicg",
        CLASSIC,
        images=True,
        starters=("What can you do?", 'Is 1 < 2 & "so on"?'),
    ),
    BotSpec("31", "Plain", "wpaicg", CLASSIC, streams=False, images=True),
    BotSpec("32", "Other", "wpaicg", CLASSIC, thumbs=False),
    BotSpec("33", "Glued", "wpaicg", GLUED),
    BotSpec("34", "Oldest", "wpaicg", OLDEST),
    BotSpec("35", "Oldest plain", "wpaicg", OLDEST, streams=False),
    BotSpec("default", "Sandbox", "mwai", ENGINE),
    BotSpec("second", 'Zoë "Q" & <b>', "mwai", ENGINE),
    BotSpec("tailored", "Tailored", "mwai", ENGINE, custom="c0ffee5eed0123456789abcdef012345"),
    BotSpec("my_custom", "Customised", "mwai", ENGINE, custom="my_custom"),
    BotSpec("short", "Terse", "mwai", ENGINE, longest=20),
    BotSpec("looker", "Looker", "mwai", ENGINE, images=True, uploads=3),
    BotSpec("painter", "Painter", "mwai", ENGINE, paints=True),
    BotSpec("careful", "Careful", "mwai", ENGINE, consent=True),
    BotSpec("guide", "Guide", "mwai", ENGINE, starters=("Show me around", "Who am I?")),
    BotSpec("veteran", "Veteran", "mwai", ENGINE_OLD, images=True),
    BotSpec("ancient", "Ancient", "mwai", ENGINE_OLDEST, images=True),
)

_GOOD_PAGES = (
    PageSpec("front", "the newest plugin, a bot that streams", (("5", "inline"),)),
    PageSpec("aipkit-popup", "a bot in a popup", (("6", "popup"),)),
    PageSpec("aipkit-two", "two bots", (("6", "inline"), ("5", "inline"))),
    PageSpec("aipkit-both", "one bot inline and as popup", (("5", "popup"), ("5", "inline"))),
    PageSpec("aipkit-old", "plugin 2.3.20: no nonce action, no Origin check", (("20", "inline"),)),
    PageSpec("aipkit-middle", "plugin 2.3.93: quotas without quota_notice", (("21", "inline"),)),
    PageSpec("aipkit-state", "response ids, web search, citations", (("7", "inline"),)),
    PageSpec("aipkit-images", "a bot that takes images", (("8", "inline"),)),
    PageSpec("consent", "a bot that asks for consent first", (("9", "inline"),)),
    PageSpec("cookie", "a bot that only talks to who has the page's cookie", (("22", "inline"),),
             "cookie"),
    PageSpec("classic", "the classic plugin, a bot that streams", (("0", "shortcode"),)),
    PageSpec("classic-plain", "a classic bot that does not stream", (("31", "shortcode"),)),
    PageSpec("classic-lies", "says that it does not stream, and streams", (("32", "shortcode"),),
             "lies"),
    PageSpec("classic-widget", "a floating widget, post id broken", (("0", "widget"),)),
    PageSpec("classic-two", "two classic bots", (("31", "shortcode"), ("32", "shortcode"))),
    PageSpec("classic-both", "one bot as widget and as shortcode",
             (("32", "widget"), ("32", "shortcode"))),
    PageSpec("classic-glued", "up to 1.8.85: JSON behind the stream", (("33", "shortcode"),)),
    PageSpec("classic-old", "1.8.79 and its habits, streaming", (("34", "shortcode"),)),
    PageSpec("classic-old-plain", "1.8.79 and its habits, not streaming", (("35", "shortcode"),)),
    PageSpec("mixed", "both generations on one page", (("31", "shortcode"), ("5", "inline"))),
    PageSpec("engine", "the other plugin, AI Engine 3.6.2", (("default", "engine"),)),
    PageSpec("engine-window", "a floating bot of it", (("second", "engine-window"),)),
    PageSpec("engine-two", "two bots of it", (("default", "engine"), ("second", "engine"))),
    PageSpec("engine-both", "one in the page, one on every page of the site",
             (("default", "engine"), ("second", "engine-window"))),
    PageSpec("engine-twice", "one bot as window and in the page",
             (("second", "engine-window"), ("second", "engine"))),
    PageSpec("engine-tailored", "a bot customised in its shortcode", (("tailored", "engine"),)),
    PageSpec("engine-custom", "a bot that has no name but its custom one",
             (("my_custom", "engine"),)),
    PageSpec("engine-short", "takes 20 characters", (("short", "engine"),)),
    PageSpec("engine-images", "takes three images", (("looker", "engine"),)),
    PageSpec("engine-painter", "answers with a picture", (("painter", "engine"),)),
    PageSpec("engine-consent", "asks for consent first", (("careful", "engine"),)),
    PageSpec("engine-starters", "offers questions to begin with", (("guide", "engine"),)),
    PageSpec("engine-old", "AI Engine 2.2.95, in a sub-folder: the page has the nonce",
             (("veteran", "engine"),)),
    PageSpec("engine-ancient", "AI Engine 1.9.99, in a sub-folder: no nonces",
             (("ancient", "engine"),)),
    PageSpec("engine-query", "plain permalinks", (("default", "engine"),), "rest-query"),
    PageSpec("engine-discussions", "a list of old chats beside the bot",
             (("default", "engine"),), "discussions"),
    PageSpec("plugins", "bots of both plugins on one page",
             (("default", "engine"), ("5", "inline"))),
    PageSpec("staging", "behind HTTP basic auth (Site.credentials)", (("5", "inline"),), "auth"),
    PageSpec("staging-classic", "the same, classic", (("0", "shortcode"),), "auth"),
    PageSpec("long", "200 KB of text before the bot", (("5", "inline"),), "long"),
    PageSpec("fronted", "a good page that Cloudflare has put its script into",
             (("5", "inline"),), "fronted"),
    PageSpec("rest-tag", "names the API's root in a tag only", (("5", "inline"),), "rest-tag"),
    PageSpec("rest-none", "names no API root", (("5", "inline"),), "rest-none"),
    PageSpec("rest-query", "names the API's root as ?rest_route=/", (("5", "inline"),),
             "rest-query"),
    PageSpec("moved", "a redirect to the front page, absolute", (), "moved"),
    PageSpec("moved-relative", "a redirect to the classic page, relative", (), "moved-relative"),
)  # fmt: skip

_ODD_MARKUP = {
    "odd-order": "attributes in an odd order",
    "odd-quotes": "the other quotes, or none",
    "odd-case": "upper-case names, spaces around `=`, line breaks",
    "odd-entities": "numeric and named entities",
    "odd-comment": "another bot in a comment, a script and a textarea",
    "odd-unclosed": "unclosed tags and stray `<` around the bot",
    "odd-bytes": "bytes that are no UTF-8 around the bot",
    "odd-bom": "a byte order mark first",
}

_BAD_PAGES = (
    PageSpec("nobot", "no bot, but the plugin's traces", (), "traces"),
    PageSpec("plainpage", "no bot and no trace of the plugin"),
    PageSpec("raw-shortcode", "the plugin's shortcode as literal text", (), "raw-shortcode"),
    PageSpec("broken-json", "a data-config that is no JSON", (("5", "inline"),), "broken-json"),
    PageSpec("broken-then-good", "such a bot, then a good one",
             (("6", "inline"), ("5", "inline")), "broken-first"),
    PageSpec("broken-nonce", "a classic bot without a nonce anywhere", (("0", "shortcode"),),
             "no-nonce"),
    PageSpec("broken-cut", "the page ends inside the bot's tag", (("5", "inline"),), "cut-tag"),
    PageSpec("foreign", "an ajaxUrl on another host", (("5", "inline"),), "foreign"),
    PageSpec("foreign-classic", "an ajax_url on another host", (("0", "shortcode"),), "foreign"),
    PageSpec("foreign-engine", "a restUrl on another host", (("default", "engine"),), "foreign"),
    PageSpec("engine-saved", "saved from a browser: the bot's attributes are gone",
             (("default", "engine"),), "saved"),
    PageSpec("engine-nobot", "AI Engine's list of old chats, and no bot", (), "discussions"),
    PageSpec("moved-away", "a redirect to another host (that would answer)", (), "moved-away"),
    PageSpec("moved-loop", "a redirect to itself", (), "moved-loop"),
    PageSpec("moved-nowhere", "a redirect without a Location", (), "moved-nowhere"),
    PageSpec("limited", "429 with seconds", (), "rate-limit"),
    PageSpec("limited-long", "429 with an hour", (), "rate-limit-long"),
    PageSpec("limited-date", "429 with a date", (), "rate-limit-date"),
    PageSpec("limited-bare", "429 without Retry-After", (), "rate-limit-bare"),
    PageSpec("challenge", "a challenge, told by its header", (), "challenge"),
    PageSpec("challenge-bare", "a challenge, 503, told by its text", (), "challenge-bare"),
    PageSpec("challenge-ok", "a challenge with status 200", (), "challenge-ok"),
    PageSpec("forbidden", "403 of a firewall", (), "http-403"),
    PageSpec("not-found", "404", (), "http-404"),
    PageSpec("server-error", "500", (), "http-500"),
    PageSpec("maintenance", "503, back soon", (), "maintenance"),
    PageSpec("stalled", "never answers", (), "stall-headers"),
    PageSpec("stalled-body", "stops in the middle of the page", (("5", "inline"),), "stall-body"),
    PageSpec("cut", "breaks off before the headers", (), "cut-start"),
    PageSpec("cut-body", "breaks off in the middle of the page", (("5", "inline"),), "cut-body"),
    PageSpec("endless", "a page without end", (), "endless"),
    PageSpec("binary", "a picture, no page", (), "binary"),
    PageSpec("empty", "200 and nothing", (), "empty"),
)  # fmt: skip


def _odd_pages() -> list[PageSpec]:
    pages = []
    for trick, about in _ODD_MARKUP.items():
        pages.append(PageSpec(trick, f"aipkit, {about}", (("5", "inline"),), trick))
        pages.append(
            PageSpec(f"{trick}-classic", f"classic, {about}", (("0", "shortcode"),), trick)
        )
    return pages


_FAULTY = {
    # where: (prefix of page names, dialect, plugin, streams, kind, first bot id)
    "aipkit": ("fault-", "aipkit", NEW, True, "inline", 1000),
    "classic": ("fault-classic-", "wpaicg", CLASSIC, True, "shortcode", 2000),
    "plain": ("fault-plain-", "wpaicg", CLASSIC, False, "shortcode", 3000),
    "old": ("fault-old-", "wpaicg", OLDEST, True, "shortcode", 4000),
    "mwai": ("fault-mwai-", "mwai", ENGINE, True, "engine", 6000),
}


def _faulty() -> tuple[list[BotSpec], list[PageSpec]]:
    bots, pages = [], []
    for where, (prefix, dialect, plugin, streams, kind, first) in _FAULTY.items():
        for number, (name, about) in enumerate(FAULTS.get(where, FAULTS["classic"]).items(), first):
            bot_id = f"fault-{name}" if dialect == "mwai" else str(number)
            bots.append(BotSpec(bot_id, name, dialect, plugin, streams, fault=name))
            shows = ((bot_id, kind),)
            pages.append(PageSpec(prefix + name, f"always: {about}", shows))
    return bots, pages


_FAULTY_BOTS, _FAULTY_PAGES = _faulty()

# Over REST there is no page: these bots are named in `REST_BOTS` only.
_REST_FAULTS = [
    BotSpec(str(number), name, "aipkit", NEW, fault=name)
    for number, name in enumerate(FAULTS["rest"], 5000)
]

BOTS = {(bot.dialect, bot.id): bot for bot in (*_GOOD_BOTS, *_FAULTY_BOTS, *_REST_FAULTS)}
PAGES = {page.name: page for page in (*_GOOD_PAGES, *_odd_pages(), *_BAD_PAGES, *_FAULTY_PAGES)}
REST_BOTS = {"good": "5", **{f"fault-{bot.fault}": bot.id for bot in _REST_FAULTS}}
DEFAULT_BOT = BOTS["wpaicg", "0"]
