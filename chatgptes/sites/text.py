"""A site's own words, made fit for an error message, and JSON read without trust."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..values.text import sanitize_line, without_surrogates
from .html import unescape

__all__ = [
    "BOM", "HIDING", "NOT_AS_EXPECTED", "Rank", "clean_text", "excerpt",
    "identifier", "is_blank", "json_object", "listed", "object_end", "object_or_empty",
    "parse_event", "parse_json", "quote_suffix", "role_and_content", "scan_json", "site_said",
    "string_or_empty", "without_surrogates",
]  # fmt: skip

MAX_CHARACTERS = 300
"""Characters of a site's own words in a message or an excerpt."""

BOM = b"\xef\xbb\xbf"

_LOOK_AT = 20_000  # Characters: enough to find 300 of text behind a page's head.

_HIDDEN = re.compile(
    r"<(script|style|head|svg|template)\b.*?(?:</\1\s*>|\Z)|<!--(?:-?>|.*?(?:--!?>|\Z))",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")
_MARKUP = re.compile(r"</[A-Za-z]|<(?:br|p|html|body|!doctype)\b", re.IGNORECASE)
_TRACE = re.compile(r"\s*(?:Stack trace:|#0 [/A-Z]).*", re.DOTALL)
_SERVER_PATH = re.compile(
    r"(?:\bin )?(?<![\w:/.])(?:[A-Z]:[\\/]|/)(?:[\w.+~-]+[\\/])+[\w.+~-]*"
    r"(?:\(\d+\)|:\d+)?(?: on line \d+)?"
)
# The bot's private system text; the plugin (up to 1.9.18) sends it along with every answer.
_PRIVATE = re.compile(r"[\"']?greeting_message.*", re.DOTALL)

_SHOWS_NOTHING = " \t\r\n\xa0\ufeff\u200b\u2060\0"


def is_blank(text: str) -> bool:
    """Tell whether a text shows nothing: it is empty, or of blanks and byte order marks only."""
    return text.isspace() or not text.strip(_SHOWS_NOTHING)


def clean_text(value: object, limit: int = MAX_CHARACTERS) -> str:
    """Return a site's own words for a message: one line, at most `limit` characters.

    Entities are decoded, markup and control characters removed, and paths and stack traces of
    the site's server left out.  Anything but a string or a number gives "".
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = str(value)[:_LOOK_AT]
    return _one_line(_without_markup(text) if _MARKUP.search(text) else text, limit)


def _without_markup(text: str) -> str:
    return _TAG.sub(" ", _HIDDEN.sub(" ", text))


def _one_line(text: str, limit: int) -> str:
    text = sanitize_line(without_surrogates(unescape(text)))
    return sanitize_line(_SERVER_PATH.sub("", _TRACE.sub("", _PRIVATE.sub("", text))), limit)


def quote_suffix(said: str) -> str:
    """Return the end of a sentence: `: “…”` with the words, or a full stop for none."""
    if not said:
        return "."
    return f": “{said}”" if said.endswith((".", "!", "?", "…")) else f": “{said}”."


def site_said(said: str) -> str:
    """Return a sentence that quotes the site, with the blank before it; "" for no words."""
    return f" It said{quote_suffix(said)}" if said else ""


def excerpt(body: bytes, limit: int = MAX_CHARACTERS) -> str:
    """Return the beginning of a body as one line of text, without markup."""
    text = body[: _LOOK_AT * 4].removeprefix(BOM).decode("utf-8", "replace")[:_LOOK_AT]
    return _one_line(_without_markup(text), limit)


def string_or_empty(value: object) -> str:
    """Return `value` if it is a string, else ""."""
    return value if isinstance(value, str) else ""


def object_or_empty(value: object) -> dict[Any, Any]:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def identifier(value: object) -> str:
    """Return an id that a site writes as a number or as a string; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return ""
    return without_surrogates(str(value)).strip()


def listed(value: object, most: int = 1000) -> list[dict[Any, Any]]:
    """Return the objects in a list, among its first `most` items; none of anything else."""
    items = value[:most] if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def role_and_content(messages: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return (role, text) pairs as the plugins' JSON has them."""
    return [
        {"role": "user" if role == "user" else "assistant", "content": without_surrogates(text)}
        for role, text in messages
    ]


# Not strict: minifiers put raw line ends and tabs into strings.
_DECODER = json.JSONDecoder(strict=False)
scan_json: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]
"""Scan a JSON value at an index; gives it and the index of its end.

Half as long as `json.loads`, which calls it.  Raises StopIteration, ValueError or RecursionError
where there is none.
"""

_NO_JSON = (ValueError, StopIteration, RecursionError)
NOT_AS_EXPECTED = (*_NO_JSON, LookupError, TypeError, AttributeError)
"""Errors of `scan_json`, and of reading a value of another shape than expected."""
_BLANKS = " \t\r\n\ufeff\x00"


def object_end(text: str, start: int) -> int:
    """Return the index behind the JSON value that begins at `start`; 0 where none does."""
    try:
        return scan_json(text, start)[1]
    except _NO_JSON:
        return 0


def parse_event(data: str) -> Any:
    """Return the JSON value in an event's data; None where there is none (`null` included).

    Something else may stand behind an object: a notice that was printed before the line ended.
    """
    text = data.lstrip(_BLANKS)
    try:
        value, end = scan_json(text, 0)
    except _NO_JSON:
        return None
    return value if isinstance(value, dict) or not text[end:].strip(_BLANKS) else None


_OBJECT = re.compile(r"\{(?=\s*[\"}])")
# `<!-->` and `<!--->` are whole comments.
HIDING = re.compile(r"(<(?:script|style)\b|<!--(?!-?>))|</(?:script|style)\b|--!?>", re.IGNORECASE)
_MOST_FAILURES = 32  # Places that look like an object and are none, until the search ends.


def _values(text: str) -> Iterator[tuple[Any, bool]]:
    """The JSON value at a text's beginning, the objects behind, and if each is shown.

    Those in scripts and comments are not.
    """
    start = 0
    try:
        value, start = scan_json(text, 0)
    except _NO_JSON:
        pass
    else:
        yield value, True
    failures = 0
    shown = True
    while failures < _MOST_FAILURES and (match := _OBJECT.search(text, start)):
        for mark in HIDING.finditer(text, start, match.start()):
            shown = mark[1] is None
        try:
            value, start = scan_json(text, match.start())
        except _NO_JSON:
            failures += 1
            start = match.end()
        else:
            yield value, shown


Rank = Callable[[dict[Any, Any]], int]
"""Tells how well an object fits: 0 for another shape, 1 for a refusal, more for an answer."""


def parse_json(body: bytes | str, rank: Rank | None = None) -> Any:
    """Return the JSON value that a body holds; None where it holds none (`null` included).

    Sites put things around a good answer: byte order marks, PHP notices, comments of caches,
    scripts, and further objects.  All of that is passed over, and so are raw line ends in
    strings.  Values nested too deep, and numbers too long, for Python count as none.

    Of several objects the last of those that are most surely an answer is chosen, else the first
    refusal, wherever they stand; else the first of all.  The last answer, because what a site
    prints by mistake comes before the answer, which ends the request.  Objects in scripts and
    comments are chosen only if no other fits as well.
    """
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    values = _values(body.lstrip(_BLANKS))
    if rank is None:
        return next((value for value, shown in values if shown), None)
    found = [
        ((rank(value) if isinstance(value, dict) else 0, shown), value) for value, shown in values
    ]
    best = max((fit for fit, _ in found), default=(0, False))
    fitting = [value for fit, value in found if fit == best]
    return None if best == (0, False) else fitting[-1 if best[0] > 1 else 0]


def json_object(body: bytes | str, rank: Rank | None = None) -> dict[Any, Any] | None:
    """Return the JSON object that `parse_json` finds in a body, or None."""
    data = parse_json(body, rank)
    return data if isinstance(data, dict) else None
