"""What a site said, made fit for an error message; and JSON read without trust."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

__all__ = [
    "Pairs",
    "clean_text",
    "excerpt",
    "parse_event",
    "parse_json",
    "quote_suffix",
    "quoted",
    "read_event",
    "read_json",
    "site_said",
    "sound",
    "string_or_empty",
    "text_of",
    "told",
    "without_surrogates",
    "words",
]

MAX_WORDS = 300
"""Characters of a site's own words in a message or an excerpt."""

_LOOK_AT = 20_000  # Characters: enough to find 300 of text behind a page's head.

_HIDDEN = re.compile(
    r"<(script|style|head|svg|template)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")
_MARKUP = re.compile(r"</[A-Za-z]|<(?:br|p|html|body|!doctype)\b", re.IGNORECASE)
# Control characters, line separators, and the marks that turn the direction of what follows.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
_SPACES = re.compile(r"\s+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TRACE = re.compile(r"\s*(?:Stack trace:|#0 [/A-Z]).*", re.DOTALL)
_SERVER_PATH = re.compile(
    r"(?:\bin )?(?<![\w:/.])(?:[A-Z]:[\\/]|/)(?:[\w.+~-]+[\\/])+[\w.+~-]*"
    r"(?:\(\d+\)|:\d+)?(?: on line \d+)?"
)
# The bot's private system text; the plugin (up to 1.9.18) sends it along with every answer.
_PRIVATE = re.compile(r"[\"']?greeting_message.*", re.DOTALL)

BOM = b"\xef\xbb\xbf"


def sound(text: str) -> str:
    """`text` with lone surrogates replaced by U+FFFD, so that it can always be encoded."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    # Pairs that JSON brought as two halves become the character they mean.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Pairs:
    """Joins surrogate pairs that were cut apart between two pieces of text."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = ""

    def push(self, text: str) -> str:
        """`text` fit to be encoded; half a pair at its end is kept for the next piece."""
        if self._half:
            text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return sound(text)

    def flush(self) -> str:
        """What is left: U+FFFD for a half whose other half never came, else an empty string."""
        half, self._half = self._half, ""
        return "\ufffd" if half else ""


def words(value: object, limit: int = MAX_WORDS) -> str:
    """A site's own words for a message: one line, at most `limit` characters; "" for none.

    Entities are decoded, markup and control characters removed, and paths and stack traces of
    the site's server left out.  Anything but a string or a number has no words.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = value if isinstance(value, str) else repr(value)
    text = text[:_LOOK_AT]
    if _MARKUP.search(text):
        text = _TAG.sub(" ", _HIDDEN.sub(" ", text))
    return _one_line(_unescaped(text), limit)


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # A numeric entity of thousands of digits is more than int() takes.
        return text


def _one_line(text: str, limit: int) -> str:
    text = _SPACES.sub(" ", _UNSEEN.sub(" ", sound(text)))
    text = _SERVER_PATH.sub("", _TRACE.sub("", _PRIVATE.sub("", text)))
    text = _SPACES.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def quoted(said: str) -> str:
    """The end of a sentence: `: “…”` with what was said, or a full stop where nothing was."""
    if not said:
        return "."
    return f": “{said}”" if said.endswith((".", "!", "?", "…")) else f": “{said}”."


def told(said: str) -> str:
    """A sentence that says what was said, with the blank before it; "" where nothing was."""
    return f" It said{quoted(said)}" if said else ""


def excerpt(body: bytes, limit: int = MAX_WORDS) -> str:
    """The beginning of a body as one line of text: no markup, at most `limit` characters."""
    text = body[: _LOOK_AT * 4].removeprefix(BOM).decode("utf-8", "replace")[:_LOOK_AT]
    return _one_line(_unescaped(_TAG.sub(" ", _HIDDEN.sub(" ", text))), limit)


def text_of(value: object) -> str:
    """`value` if it is a string, else ""."""
    return value if isinstance(value, str) else ""


_DECODER = json.JSONDecoder()


def read_event(data: str) -> Any:
    """The JSON value that an event's data is; None where it is none (`null` included)."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def read_json(body: bytes | str) -> Any:
    """The JSON value that a body holds; None where it holds none (`null` included).

    A byte order mark, white space, a few PHP notices in front and anything behind are passed
    over: sites with debugging left on put such things around a good answer.  Values nested too
    deep, and numbers too long, for Python count as none.
    """
    if isinstance(body, bytes):
        body = body.removeprefix(BOM).decode("utf-8", "replace")
    text = body.lstrip(" \t\r\n\ufeff\x00")
    start = 0
    for _ in range(4):
        try:
            return _DECODER.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            start = text.find('{"', start + 1)
            if start < 0:
                return None
    return None


clean_text, site_said, quote_suffix = words, told, quoted
parse_event, string_or_empty, without_surrogates = read_event, text_of, sound


def parse_json(body: bytes | str, known: Callable[[dict[Any, Any]], bool] | None = None) -> Any:
    """As `read_json`, but an object that is `known` is preferred to others."""
    found = read_json(body)
    if known is None or (isinstance(found, dict) and known(found)):
        return found
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    for match in re.finditer(r'\{"', text):
        try:
            value = _DECODER.raw_decode(text, match.start())[0]
        except (ValueError, RecursionError):
            continue
        if known(value):
            return value
    return found
