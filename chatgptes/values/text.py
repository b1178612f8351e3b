"""Text that others wrote, made safe to show: in a terminal, in an error, on one line."""

from __future__ import annotations

import re

__all__ = ["sanitize_line", "sanitize_text", "without_surrogates"]

_SURROGATE = re.compile("[\ud800-\udfff]")
# Control characters and the marks that turn the direction of what follows; not tab and line end.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Return `text` with lone surrogates replaced by U+FFFD, so that it can be encoded.

    Two halves of a pair become the character that they stand for.
    """
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def sanitize_text(text: str) -> str:
    """Return `text` without anything that steers a terminal: controls are shown as pictures."""
    return _UNSAFE.sub(_picture, text) if not text.isprintable() else text


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return "" if code == 0x0D else chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def sanitize_line(text: str, limit: int | None = None) -> str:
    """Return `text` sanitized, on one line, and cut to `limit` characters (with an ellipsis)."""
    line = " ".join(sanitize_text(text).split())
    if limit is None or len(line) <= limit:
        return line
    return line[: limit - 1].rstrip() + "…"
