"""The failures of a site, by name.

`FAULTS[where][name]` is a line that says what the name means.  `where` is the kind of bot:
"aipkit", "classic" (one that streams), "plain" (a classic one that does not), "rest" and "mwai".
The same name means the same cause everywhere; what the client sees of it differs by dialect.
"""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING

from .exchange import http_date

if TYPE_CHECKING:
    from .exchange import Exchange

_MODEL = {
    "model-401": "the model's service refuses the site's key",
    "model-429": "the model's service says the site has no credit left",
    "model-500": "the model's service has an internal error",
    "model-quotes": "a model error whose text holds quotes and a line break",
    "model-html": "the model's service answers HTML",
    "model-drop": "the model's service drops the connection in mid-answer",
    "model-drop-start": "the model's service drops the connection before it says anything",
    "model-error-mid": "the model reports an error in mid-answer",
    "model-empty": "the model says nothing",
    "model-json": "the model's service answers plain JSON where a stream was asked for",
    "model-length": "the answer is cut at the model's token limit",
    "model-no-end": "the model's stream ends without its end mark",
}

_HTTP = {
    "rate-limit": "429 with Retry-After: 1 (seconds)",
    "rate-limit-long": "429 with Retry-After: 3600 (seconds)",
    "rate-limit-date": "429 with Retry-After as an HTTP date two seconds from now",
    "rate-limit-bare": "429 without Retry-After",
    "challenge": "a challenge page: 403 with cf-mitigated: challenge",
    "challenge-bare": "a challenge page: 503, with nothing but its title and markers to tell it",
    "challenge-ok": "a challenge page with status 200",
    "http-403": "403 with a page of a firewall, no challenge",
    "http-404": "404 with an HTML page",
    "http-500": "500 with an HTML page",
    "http-502": "502 of a proxy in front, empty body",
    "maintenance": "503 with a maintenance page and Retry-After",
    "redirect": "302 to another page of the site",
    "redirect-foreign": "302 to another host",
    "html": "200 with an HTML page in place of an answer",
    "empty": "200 with no body at all",
    "cut-start": "the connection is closed before any answer",
    "cut-headers": "the connection is closed in the middle of the headers",
    "stall-headers": "silence before the headers",
}

_STREAM = {
    "cut": "the connection is closed in mid-stream",
    "reset": "the connection is reset in mid-stream",
    "crlf": "a good answer whose lines end in CR LF",
    "no-blank": "a good answer whose last event is not followed by an empty line",
    "stall": "silence in mid-stream",
    "stall-end": "the answer is complete, but its body is not closed",
    "garbage": "data lines that are not JSON between the good ones",
    "html-after": "an HTML fragment of a fatal error behind the answer",
    "endless": "chunks without end",
    "flood": "one event without end",
}

_BEFORE = {
    "nonce": "the nonce is refused",
    "quota": "the visitor's quota is used up",
    "banned-word": "the message holds a word that the owner has banned",
    "banned-ip": "the visitor's address is banned",
    "no-api-key": "the owner has set no key for the model",
}

_WPAICG = {
    "unknown-action": "400 `0`: the plugin does not know this action",
    "message-empty": "the message counts as empty",
    "pinecone": "an error of the owner's knowledge base",
    "moderation": "the message is flagged by the model's moderation",
    "box": 'an add-on wants a box ticked: {"success":false,"data":SENTENCE}',
    "box-known": "an add-on wants a box ticked: the sentence seen on chatgpt.es, in `data`",
}

_AIPKIT = {
    "cache-nonce": "step 1 refuses the nonce with 403",
    "cache-no-message": "step 1 says that the message is empty",
    "cache-embed": "step 1 refuses the Origin: embed_not_available",
    "cache-cors": "step 1 refuses the Origin: cors_denied",
    "cache-no-key": "step 1 succeeds, but names no cache_key",
    "unknown-action": "step 1 answers 400 `0`: the plugin does not know this action",
    "origin": "step 2 refuses the Origin in an error event",
    "unknown-bot": "the bot does not exist, or is a draft",
    "key-missing": "the cached message's key did not arrive",
    "key-used": "the cached message was used before",
    "key-expired": "the cached message is too old",
    "quota-old": "the quota is used up, told as before 2.4.5 (no quota_notice)",
    "guests": "the bot is not for guests",
    "moderation": "the message is flagged by moderation",
    "ts-required": "a gate in front of the bot wants a bot check (ts_required)",
    "no-done": "a whole answer, but no `done` event",
    "unknown-events": "events and fields that nobody has heard of, around a good answer",
    "form": "a trigger of the owner's wants a form filled in, and says nothing else",
}

_REST = {
    "access-off": "403: the owner has not switched the API on",
    "wrong-key": "401: the key is wrong",
    "no-key-set": "403: the owner has set no key (2.3.20)",
    "no-route": "404: there is no such API",
    "unknown-bot": "500: a fatal error of the site, with its file paths",
    "model-429-old": "the model's 429 as 2.3.20 tells it: always 500",
    "no-reply": "200 without a reply in it",
}

_MWAI = {
    "no-nonce": "401: the nonce did not arrive",
    "members-only": "401 of a gate before the whole REST API",
    "no-route": "404: the plugin is gone",
    "invalid-json": "400: the body is no JSON",
    "message-empty": "403: the message counts as empty, or no bot is named",
    "unknown-bot": "no such bot, as versions before 3 tell it",
    "too-long": "the message is too long for the bot",
    "moderation": "the message is flagged by moderation",
    "no-environment": "the owner has chosen no service for the model",
    "fatal": "500: a fatal error of the site, with its file paths",
    "no-end": "a whole answer, but no `end` event",
    "end-longer": "the `end` event has more of the answer than was streamed",
    "end-other": "the `end` event has another answer than was streamed",
    "status-events": "the owner logs events: they come before the text",
    "unknown-events": "events and fields that nobody has heard of, around a good answer",
    "actions": "no text, but an action for the page's script",
    "notice": "PHP warnings in front of a good answer",
    "json-type": "a good stream under the type of JSON",
    "whole": "a good answer in one piece where a stream was asked for",
}

_ASIDE_MWAI = {
    "session-members-only": "no session: 401 of a gate before the whole REST API",
    "session-no-nonce": "a session without a nonce",
    "session-http-500": "no session: 500 with an HTML page",
    "upload-refused": "400: the site does not take the file",
    "upload-nonce": "403: the nonce is refused when the file comes",
    "upload-no-id": "200, but no id for the file",
    "upload-fatal": "500: a fatal error of the site when the file comes",
}

_ASIDE_AIPKIT = {
    "memory-nonce": "403: the nonce is refused, of a list, a history, a deletion or a thumb",
    "memory-http-500": "500 with an HTML page, of the same",
    "memory-challenge": "a challenge page, of the same",
    "memory-html": "200 with an HTML page, of the same",
    "memory-refused": "500: the site's database does not do it",
}

_ASIDE_CLASSIC = {
    "feedback-nonce": "403: the nonce is refused, of a thumb",
    "feedback-http-500": "500 with an HTML page, of the same",
    "feedback-challenge": "a challenge page, of the same",
    "feedback-html": "200 with an HTML page, of the same",
    "feedback-refused": "the site keeps no answers, so it knows none to give a thumb",
}

_CLASSIC_STREAM = {
    "assistant": "a good answer in the events of a bot backed by assistants",
    "assistant-error": "such a bot's assistant_error",
}

FAULTS = MappingProxyType(
    {
        "aipkit": _BEFORE | _AIPKIT | _MODEL | _STREAM | _HTTP
        | {f"cache-{name}": f"step 1: {line}" for name, line in _HTTP.items()},
        "classic": _BEFORE | _WPAICG | _CLASSIC_STREAM | _MODEL | _STREAM | _HTTP,
        "plain": _BEFORE | _WPAICG | _MODEL | _HTTP
        | {
            "notice": "a PHP notice in front of the JSON",
            "cut": "the connection breaks in mid-body",
            "stall": "silence in mid-body",
        },
        "rest": _REST | _MODEL | _HTTP
        | {"cut": "the connection breaks in mid-body", "stall": "silence in mid-body"},
        "mwai": _BEFORE | _MWAI | _MODEL | _STREAM | _HTTP,
    }
)  # fmt: skip
"""Names of faults with a line on their meaning, by the kind of bot.

Each has a bot that always meets it: on the pages "fault-NAME" (aipkit), "fault-classic-NAME",
"fault-plain-NAME" and "fault-old-NAME" (classic 1.8.79), "fault-mwai-NAME", and in
`Site.rest_bots`.
"""

ASIDE = MappingProxyType({"mwai": _ASIDE_MWAI, "aipkit": _ASIDE_AIPKIT, "classic": _ASIDE_CLASSIC})
"""As `FAULTS`, for what is beside the turns, or what only some come by: a client's first one, and
one with an image."""

CHALLENGE = """<!doctype html>
<html lang="en"><head><title>Just a moment...</title></head>
<body><p>Somebody wants to know first whether you are a person.</p>
<div class="cf-turnstile"></div>
<script>window._cf_chl_opt = {cType: "managed"};</script>
</body></html>
"""

_PLAIN_PAGE = """<!doctype html>
<html lang="en"><head><title>{0}</title></head>
<body><h1>{0}</h1><p>{1}</p></body></html>
"""


def message_page(title: str, text: str) -> str:
    """A small HTML page that only says something."""
    return _PLAIN_PAGE.format(title, text)


def http_fault(exchange: Exchange, name: str, home: str) -> bool:
    """Answer with one of the faults that need no dialect; False if `name` is none of them."""
    if name.startswith("rate-limit"):
        after = {
            "rate-limit": "1",
            "rate-limit-long": "3600",
            "rate-limit-date": http_date(time.time() + 2),
        }.get(name)
        headers = [("Retry-After", after)] if after else []
        exchange.respond(429, message_page("Slow down", "Too many questions."), headers=headers)
    elif name in _STATUS:
        status, title, text = _STATUS[name]
        headers = [("Retry-After", "60")] if name == "maintenance" else []
        exchange.respond(status, message_page(title, text), headers=headers)
    elif name.startswith("challenge"):
        status = {"challenge": 403, "challenge-bare": 503}.get(name, 200)
        headers = [("cf-mitigated", "challenge")] if name == "challenge" else []
        exchange.respond(status, CHALLENGE, headers=[*headers, ("Server", "cloudflare")])
    elif name in ("redirect", "redirect-foreign"):
        target = home if name == "redirect" else "http://elsewhere.invalid/"
        exchange.respond(302, "", headers=[("Location", target)])
    else:
        return _broken(exchange, name)
    return True


def _broken(exchange: Exchange, name: str) -> bool:
    if name in ("empty", "http-502"):
        exchange.respond(200 if name == "empty" else 502, "")
    elif name == "cut-start":
        exchange.cut()
    elif name == "cut-headers":
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/ev")
        exchange.cut()
    elif name == "stall-headers":
        exchange.stall()
        return False  # Released: the turn goes on as if nothing had been.
    else:
        return False
    return True


_STATUS = {
    "http-403": (403, "Not here", "A firewall does not like this request."),
    "http-404": (404, "Nothing here", "There is no such place on this site."),
    "http-500": (500, "Broken", "Something on this site has come to an end."),
    "maintenance": (503, "Back soon", "This site is being looked after. Come back in a minute."),
    "html": (200, "Another page", "This is a page, and no answer."),
}
