"""Find tags in a page and read their attributes, without parsing the page.

A page has hundreds of kilobytes and the tag that is wanted one or two, so `tags` looks for the
tag's class as bytes and reads that tag alone.  Whether the place really is a tag (and not the
inside of a comment, a script or another tag's attribute) is proved from the few bytes around it;
where that proof fails, the page is tokenised once from its start, as the HTML standard says
(section 13.2.5), which takes some forty times as long.  Time is linear in the bytes.

Not known: raw text in obsolete elements (`xmp`, `plaintext` and the like), scripts nested by
`<!--`, class names written with entities, and encodings other than UTF-8.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from html.entities import html5
from typing import NamedTuple

__all__ = ["Tag", "attributes", "places", "tags", "unescape"]

_S = rb"[\t\n\f\r ]"
_ATTRIBUTE = (
    rb"[^\t\n\f\r />][^\t\n\f\r />=]*+"
    rb"(?:" + _S + rb"*+=" + _S + rb"*+"
    rb"(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\t\n\f\r >\"'][^\t\n\f\r >]*+|(?=>)))?+"
)
_INSIDE = rb"(?P<inside>(?:[\t\n\f\r /]++|" + _ATTRIBUTE + rb")*+)"
_TAG = re.compile(rb"<(?P<name>[A-Za-z][^\t\n\f\r />]*+)" + _INSIDE + rb">")
# Names and values once more, with groups; on the inside of a tag that _TAG has matched.
_PAIR = re.compile(
    rb"([^\t\n\f\r />][^\t\n\f\r />=]*+)"
    rb"(?:" + _S + rb"*+=" + _S + rb"*+"
    rb"(?:\"([^\"]*+)\"|'([^']*+)'|([^\t\n\f\r >\"'][^\t\n\f\r >]*+))?+)?+"
)
_TOKEN = re.compile(
    rb"<(?:"
    rb"!--(?:-?>|.*?(?:--!?>|\Z))|"  # <!--> and <!---> are whole comments.
    rb"(?:[!?]|/(?![A-Za-z]))[^>]*+|"
    rb"(?P<name>/?[A-Za-z][^\t\n\f\r />]*+)" + _INSIDE + rb"(?P<end>>|\Z)"
    rb")",
    re.DOTALL,
)
_RAW = (b"script", b"style", b"textarea", b"title")
_RAW_END = {name: re.compile(rb"</" + name + rb"(?=[\t\n\f\r />])", re.IGNORECASE) for name in _RAW}
_CLASS_BEFORE = re.compile(rb"class" + _S + rb"*=" + _S + rb"*[\"']?\Z", re.IGNORECASE)

_MOST_LOOKS = 64  # Places that are looked at one by one before the page is tokenised instead.
_CLASS_REACH = 4096  # Bytes before a class name in which its `class=` is looked for.


class Tag(NamedTuple):
    """A start tag: its place in the page (bytes), its name, and its attributes' raw bytes."""

    start: int
    name: bytes
    inside: bytes


def tags(page: bytes, classes: Sequence[bytes]) -> list[Tag]:
    """Return the start tags of `page`, in order, that have one of `classes`."""
    found = _quick(page, classes)
    return _tokenise(page, classes) if found is None else found


def _has_class(inside: bytes, classes: Sequence[bytes]) -> bool:
    if not any(name in inside for name in classes):
        return False
    written = attributes(Tag(0, b"", inside)).get("class", "").split()
    return any(name.decode() in written for name in classes)


def places(page: bytes, name: bytes, most: int) -> list[int]:
    """Return where `name` stands in `page`, in order; of more than `most` places the last."""
    found: list[int] = []
    # From the end: CPython's rfind is two to ten times as fast as its find.
    place = page.rfind(name)
    while place >= 0 and len(found) < most:
        found.append(place)
        place = page.rfind(name, 0, place + len(name) - 1)
    return found[::-1]


def _quick(page: bytes, classes: Sequence[bytes]) -> list[Tag] | None:
    """As `_tokenise`, from the surroundings of the class names only; None where unsure."""
    found: list[Tag] = []
    sure = 0  # Up to here the page is read: text, outside of any tag, follows.
    lower = b""
    looks = sorted(each for name in classes for each in places(page, name, _MOST_LOOKS + 1))
    if len(looks) > _MOST_LOOKS:
        return None
    for place in looks:
        if place < sure:
            continue
        in_class = _in_class(page, max(sure, place - _CLASS_REACH), place)
        start = page.rfind(b"<", sure, place)
        match = _TAG.match(page, start) if start >= 0 else None
        if match is None or match.end() <= place:
            # Not in the tag that begins nearest before it.  It could be in one that holds that
            # "<" in an attribute, if it stands where a class stands.
            unfinished = match is None and start >= 0 and page[start + 1 : start + 2].isalpha()
            if in_class or unfinished:
                return None
            continue
        wanted = _has_class(match["inside"], classes)
        if not wanted and not in_class:
            continue
        lower = lower or page.lower()
        if match["name"].lower() in _RAW_END or not _is_text(page, lower, sure, start):
            return None
        sure = match.end()
        if wanted:
            found.append(Tag(start, match["name"].lower(), match["inside"]))
    return found


def _in_class(page: bytes, low: int, place: int) -> bool:
    """Tell whether `place` seems to be inside of a class's value, looking back to `low`."""
    value = 1 + max(page.rfind(mark, low, place) for mark in (b'"', b"'", b"<", b">", b"="))
    value = max(value, low)
    return _CLASS_BEFORE.search(page, max(low, value - 64), value) is not None


def _is_text(page: bytes, lower: bytes, sure: int, start: int) -> bool:
    """Tell whether `start` is certainly outside of tags, comments and raw text, as `sure` is.

    What could have been opened was closed again; no attribute's value is open; and between the
    last ">" and `start` is nothing that another tag could be made of.
    """
    opened = lower.rfind(b"<!--", sure, start)
    if opened >= 0 and lower.find(b"-->", opened + 2, start) < 0:
        return False
    for name in _RAW:
        opened = lower.rfind(b"<" + name, sure, start)
        if opened < 0:
            continue
        # Its own attributes may hold what looks like its end.
        tag = _TAG.match(page, opened)
        if tag is None or not _RAW_END[name].search(page, tag.end(), start):
            return False
    for quote in (b'"', b"'"):
        at = page.rfind(quote, sure, start)
        if at >= 0 and page[max(sure, at - 64) : at].rstrip(b"\t\n\f\r ")[-1:] in (b"=", b""):
            return False
    closed = page.rfind(b">", sure, start)
    between = page[max(sure, closed) : start]
    return not any(mark in between for mark in (b"<", b'"', b"'"))


def _tokenise(page: bytes, classes: Sequence[bytes]) -> list[Tag]:
    """The standard's tokeniser, as far as it takes to know which tags are tags."""
    found: list[Tag] = []
    last = max(page.rfind(name) for name in classes)
    at = 0
    while at <= last and (token := _TOKEN.search(page, at)):
        at = token.end()
        # A tag that the end of the page cuts off is none.
        name = token["name"].lower() if token["end"] else b"/"
        if not name.startswith(b"/") and _has_class(token["inside"], classes):
            found.append(Tag(token.start(), name, token["inside"]))
        if name in _RAW_END:
            end = _RAW_END[name].search(page, at)
            at = end.start() if end else len(page)
    return found


_ENTITY = re.compile(r"&(?:#(?:[0-9]+|[xX][0-9a-fA-F]+);?|([A-Za-z][A-Za-z0-9]*)(;?)(=?))")


def _entity(match: re.Match[str]) -> str:
    name, semicolon, equals = match[1], match[2], match[3]
    if name is None:
        # Longer numbers are beyond Unicode whatever their digits: U+FFFD.
        return html.unescape(match[0]) if len(match[0]) < 20 else "\ufffd"
    if semicolon:
        return html5.get(f"{name};", f"&{name};") + equals
    if equals or name not in html5:
        # In an attribute "&copy=1" and "&copyright" are text, as in the query of an address.
        return match[0]
    return html5[name]


def unescape(value: str) -> str:
    """Return `value` with its character references decoded as HTML decodes them in an attribute."""
    return _ENTITY.sub(_entity, value) if "&" in value else value


def attributes(tag: Tag) -> dict[str, str]:
    """Return a tag's attributes: names in lower case, values decoded; the first one wins."""
    read: dict[str, str] = {}
    for pair in _PAIR.finditer(tag.inside):
        name = pair[1].decode("utf-8", "replace").lower()
        if name not in read:
            value = next((group for group in pair.groups()[1:] if group is not None), b"")
            text = value.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
            read[name] = unescape(text)
    return read
