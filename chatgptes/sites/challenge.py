"""Bot checks and firewalls in front of a site, told from its own answers by `gate_marks`.

Nothing here gets past one: it ends the turn, and the message says what a user may do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import ChallengeError, Hint, RefusedError
from ..values.http import Headers
from .gate_marks import HEADER_MARKS, MARKS, Mark
from .html import unescape
from .response import BufferedResponse, make_error, retry_after
from .text import MAX_CHARACTERS, clean_text, excerpt, object_or_empty, parse_json, string_or_empty

__all__ = ["block_page_error", "challenge_error", "gate_error", "has_challenge_header", "is_gate"]

_ADVICE = (
    "The library does not try to get past it. Ask the site's owner for access, or talk to another "
    "site."
)
_OWNERS_API = Hint("api_key", purpose="to go by the owner's REST API")
_BLOCKED_ADVICE = (
    "It may take your network, your proxy or this program for an attacker: ask the site's owner to "
    "let you through, or try another network."
)
_START = 65_536  # Bytes of a body that are looked at.
_SHORT = 4096  # Bytes at most of a body that is a gate's sentence, not markup.

# With these, a mark that a normal page may carry as well tells a gate.
_REFUSING = frozenset({202, 403, 405, 406, 409, 415, 418, 429, 444, 501, 503})
# With these, only what stands before a plugin answers a message with a page, or not at all.
_BLOCKING = frozenset({403, 405, 406, 409, 412, 415, 418, 423, 444, 451, 501})
_LATER = frozenset({429, 503})

_BLANK = b"\xef\xbb\xbf \t\r\n\0"
_JSON = (b"{", b"[")
_EVENT = (b"data:", b"event:", b":")
# Not of a PHP notice (`<br`), behind which anything may come, nor of a sentence (`<p`).
_PAGE = re.compile(
    rb"<(?:[!?]|(?:html|head|body|title|meta|link|style|script|center|div|table|h[1-6])\b)",
    re.IGNORECASE,
)
_HEARD = re.compile(
    rb"<!--.*?(?:-->|\Z)"  # A plugin's remark, of which nothing counts.
    rb"|(?P<script><script\b[^<>]*>)(?P<code>.*?)(?:</script|\Z)"
    rb"|(?P<title><title\b.*?(?:</title\s*>|\Z))"
    rb"|(?P<tag><[a-z][^<>]*>)",
    re.DOTALL,
)
_DATA_SCRIPT = re.compile(rb"\btype\s*=\s*[\"']?[a-z]+/[a-z+]*json")
_TALKING_TAG = re.compile(rb"<(?:a|img|option|button)\b|<meta\b[^<>]*?\b(?:name|property)\s*=")
_TALKING_ATTRIBUTE = re.compile(
    rb"\s(?:data-[\w-]+|aria-[\w-]+|title|alt|placeholder|value)\s*=\s*(?:\"[^\"]*\"|'[^']*')"
)
# A page that does nothing but set a cookie and load itself again: without cookies nobody gets
# further.  Hosts have it under names without end (`humans_21909`, `beget`, …).
_SETS_COOKIE = re.compile(rb"document(?:\.cookie|\[[\"']cookie[\"']\])\s*=")
_LOADS_ITSELF = re.compile(
    rb"location(?:\.href)?\s*=\s*(?:window\.|document\.)?location\b"
    rb"|location\.(?:reload\s*\(|(?:replace|assign)\s*\(\s*(?:window\.|document\.)?location\b)"
)
_COOKIE_TEST, _UNNAMED = Mark("a cookie test", b""), Mark("", b"")
# What only WordPress puts into the head of its pages.
_OF_SITE = re.compile(rb"<(?:link|script)\b[^<>]{0,1000}?(?:/wp-content/themes/|api\.w\.org)")
# The beginning of what web servers and firewalls say in a word or two, in English mostly.
_BLOCK_WORDS = re.compile(
    r"\W*(?:(?:http|error|code|status|:)\s*)*(?:40[36]\b"
    r"|forbidden\b|not acceptable\b|blocked\b|banned\b"
    r"|access\b.{0,60}?\b(?:denied|forbidden|blocked|restricted|limited)\b"
    r"|(?:the|your|this)?\s*(?:request|ip|connection|client|address)\b"
    r".{0,60}?\b(?:blocked|denied|rejected|banned|forbidden)\b"
    r"|you\b.{0,20}?\b(?:blocked|banned)\b)",
    re.IGNORECASE,
)


def has_challenge_header(headers: Headers) -> bool:
    """Tell whether the headers alone say that this is a bot check."""
    return any(
        word.strip().lower() in values
        for name, values in HEADER_MARKS
        for word in re.split("[;,]", headers.get(name))
    )


def challenge_error(
    response: BufferedResponse, *, markup: bool = False, of_site: bool = False
) -> ChallengeError | RefusedError | None:
    """Return the error for a gate in front of the site, or None.

    A bot check gives a `ChallengeError`, a firewall's block page a `RefusedError` that says so.
    JSON and event streams are gates by their shape only, whatever they talk of.

    Args:
        response: the response; 64 KiB of its body are enough.
        markup: look for marks whatever its `Content-Type`.
        of_site: its body is known to be the site's own: look at its headers alone.
    """
    mark: Mark | None = None
    if has_challenge_header(response.headers):
        mark = _UNNAMED
    elif not of_site:
        start = response.body[:_START].lstrip(_BLANK)
        # Behind a PHP notice, too.
        data = None if _PAGE.match(start) else parse_json(start)
        if isinstance(data, dict):
            return gate_error(data, response) or _cloudflare_error(data, response)
        if not start.startswith(_JSON):
            mark = _find_mark(response, start.lower(), markup=markup)
    if mark is None:
        return None
    if mark.firewall:
        message = f"A firewall before the site ({mark.product}) refused the request"
        return _blocked(message, response, response.body)
    product = f" ({mark.product})" if mark.product else ""
    return make_error(
        ChallengeError,
        f"A bot check{product} stands before the site (status {response.status}).",
        response,
        response.body,
        advice=_ADVICE,
        hint=_OWNERS_API,
        quote=False,
    )


def _cloudflare_error(data: Mapping[Any, Any], response: BufferedResponse) -> RefusedError | None:
    """Cloudflare's refusal by a rule, where a program asks for JSON."""
    status = response.status
    if data.get("cloudflare_error") is not True or status not in _REFUSING or status in _LATER:
        return None
    message = "A firewall before the site (Cloudflare) refused the request"
    return _blocked(message, response, data.get("title"))


def block_page_error(response: BufferedResponse, data: object = None) -> RefusedError | None:
    """Return the error for a refusal of a message whose sender has left no mark, or None.

    The plugins refuse with their JSON or, with status 403, in a sentence: only something before
    them sends a page, another JSON (`data`), or a web server's own words.
    """
    body = response.body[:_START].strip(_BLANK)
    if isinstance(data, dict):
        foreign = not _REFUSAL_KEYS & data.keys()
    elif body.startswith(_JSON) or _PAGE.match(body):
        foreign = True
    elif body in (b"0", b"-1"):
        foreign = False  # WordPress's own ways to say no.
    else:
        foreign = response.status != 403 or _BLOCK_WORDS.match(excerpt(body)) is not None
    if response.status not in _BLOCKING or not foreign:
        return None
    message = "Something before the plugin refused the request, as firewalls do"
    return _blocked(message, response, response.body)


def _blocked(message: str, response: BufferedResponse, said: object) -> RefusedError:
    message = f"{message} (status {response.status})."
    error = make_error(RefusedError, message, response, said, advice=_BLOCKED_ADVICE)
    error.blocked = True
    return error


def _find_mark(response: BufferedResponse, start: bytes, *, markup: bool) -> Mark | None:
    """The first mark in `start`, which is in lower case."""
    status, headers = response.status, response.headers
    markup = markup or "html" in headers.get("content-type").lower() or bool(_PAGE.match(start))
    short = len(start) <= _SHORT and not start.startswith(_EVENT)
    if not (markup or short) or _OF_SITE.search(start):
        return None
    refusing = status in _REFUSING
    page = start
    if not refusing and markup:
        start = _active_parts(start)
    elif b"&#" in start:
        # Akamai spells its address out as entities.
        start += unescape(start.decode("latin-1")).encode()
    # A page with a form's widget that names a time is down or busy, and opens by itself; the check
    # that a widget is for would say nothing of a time.
    later = status in _LATER and retry_after(headers) is not None
    for mark in MARKS:
        counts = mark.always or (refusing and (mark.firewall or not later))
        if counts and (markup or mark.plain) and mark.text in start:
            return mark
    # A page that only sets a cookie and loads itself again has hardly any words.
    acts = markup and len(page) <= _SHORT and _SETS_COOKIE.search(start)
    if acts and _LOADS_ITSELF.search(start) and len(excerpt(page)) < MAX_CHARACTERS - 1:
        return _COOKIE_TEST
    return None


def _active_parts(page: bytes) -> bytes:
    """A page without its words, and without tags that link or describe: what acts in it."""
    parts = []
    for found in _HEARD.finditer(page):
        if found["script"]:
            parts.append(found["script"])
            if not _DATA_SCRIPT.search(found["script"]):
                parts.append(found["code"])
        elif found["title"]:
            parts.append(found["title"])
        elif found["tag"] and not _TALKING_TAG.match(found["tag"]):
            parts.append(_TALKING_ATTRIBUTE.sub(b"", found["tag"]))
    return b"\n".join(parts)


# Seen on chatgpt.es (plugin of the `wpaicg` generation) as the `data` of an answer.
_BOX_TO_TICK = frozenset({"Du musst das Kästchen anklicken!"})
_REFUSAL_KEYS = frozenset({"choices", "code", "msg", "reply", "success"})
"""One of these is in what a plugin, or WordPress, refuses with."""
_ANSWER_KEYS = _REFUSAL_KEYS | {"data", "error", "status", "type"}
"""Objects with one of these are a plugin's or WordPress's: what they say may be about anything."""


def _parts(data: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    """An object, and what of it may be the answer of an add-on before the bot."""
    return [each for each in (data, data.get("data"), data.get("error")) if isinstance(each, dict)]


def is_gate(data: Mapping[Any, Any], *, plain: bool = False) -> bool:
    """Tell whether a JSON object is the answer of a bot check (an add-on's, 200 all the same).

    `plain` says that it is a whole answer of a `wpaicg` bot: there only an add-on before the bot
    answers in the shape of WordPress's own refusal, `{"success": false, "data": "…"}`.
    """
    wants_token = any(
        each.get("ts_required")
        or string_or_empty(each.get("code")).lower().endswith("_ts_required")
        for each in _parts(data)
    )
    # CleanTalk refuses so in a plugin's place.
    if wants_token or object_or_empty(data.get("apbct")).get("blocked"):
        return True
    if not _ANSWER_KEYS & data.keys():
        return "imunify360" in string_or_empty(data.get("message"))[:1000].lower()
    said = data.get("data")
    refuses = plain and data.get("success") is False
    return isinstance(said, str) and (refuses or said.strip() in _BOX_TO_TICK)


def gate_error(
    data: Mapping[Any, Any], response: BufferedResponse, *, plain: bool = False
) -> ChallengeError | None:
    """Return the error for an object that `is_gate`, with the site's own words; None for others."""
    if not is_gate(data, plain=plain):
        return None
    comment = object_or_empty(data.get("apbct")).get("comment")
    words = [comment, data.get("data"), data.get("error")]
    words += [each.get("message") for each in _parts(data)]
    said = next(filter(None, map(clean_text, words)), "")
    message = "The site wants its visitors to pass a bot check first."
    return make_error(ChallengeError, message, response, said, advice=_ADVICE, hint=_OWNERS_API)
