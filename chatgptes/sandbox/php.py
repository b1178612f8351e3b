"""PHP's and WordPress's ways with text, and the order of the plugin's versions."""

from __future__ import annotations

import html
import json
import re


def version(text: str) -> tuple[int, ...]:
    """A plugin version as numbers that compare."""
    return tuple(int(part) for part in text.split("."))


def php_json(value: object, *, ascii_only: bool = True) -> str:
    """JSON as PHP writes it: slashes escaped, no spaces."""
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
    return text.replace("/", "\\/")


def escaped(text: str) -> str:
    """`text` with HTML's special characters escaped as WordPress does it."""
    return html.escape(text).replace("&#x27;", "&#039;")


def clean(text: str) -> str:
    """A field as old versions change it: lone `<` escaped, tags and `%41` gone, one line."""
    text = strip_tags(text)
    text = re.sub(r"[\r\n\t ]+", " ", text)
    text = re.sub(r"%[0-9a-fA-F]{2}", "", text)
    return re.sub(r" +", " ", text).strip()


def strip_tags(text: str) -> str:
    """`text` without its tags, as WordPress takes them out."""
    # A `<` that no `>` follows is escaped first, with everything up to the next `<` or the end,
    # quotes included: that is how it takes a whole JSON history with it.
    text = re.sub(r"<[^<>]*(>?)", lambda m: m[0] if m[1] else escaped(m[0]), text)
    return re.sub(r"<[^\s>][^>]*>", "", text)
