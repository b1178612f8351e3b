"""Text for a terminal, whoever wrote it: the command line's, and what is printed from Python."""

from __future__ import annotations

import re

__all__ = ["harmless", "one_line"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """`text` without anything that steers a terminal: controls are shown as pictures."""
    return _CONTROL.sub(lambda match: _picture(ord(match[0])), text)


def _picture(code: int) -> str:
    if code < 0x20:
        return "" if code == 0x0D else chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def one_line(text: str) -> str:
    """`text`, harmless and on one line."""
    return " ".join(harmless(text).split())
