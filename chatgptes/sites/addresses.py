"""Addresses of a site that its pages tell: admin-ajax.php and the REST API's root."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import unquote_to_bytes, urljoin

from ..errors import UnexpectedFormatError
from ..values.text import sanitize_line
from ..values.urls import ascii_url, may_send, origin, redact
from .html import Tag, attributes, places, unescape
from .response import BufferedResponse
from .text import parse_json, string_or_empty

__all__ = ["ajax_urls", "in_params", "join_url", "require_same_site", "rest_root"]

_HTTP_PORT = re.compile(r"\Ahttp://([^/?#]+):80(?=[/?#]|\Z)")  # Written out.
_AJAX_PATH = "wp-admin/admin-ajax.php"
_MOST_FOUND = 32  # Of one marker, from the end, that are looked at.
_MOST_GUESSES = 8  # Addresses; each that is wrong costs a turn one request.
_MOST_TRIED = 1000  # Places of each kind; a page of 16 MiB may have a million.
_MOST_DEFERRED = 1 << 20  # Bytes of deferred scripts.
_REACH = 16_384  # Bytes of `wpaicgParams` that are looked at.

_AJAX_URL = re.compile(
    rb'["\']?\bajax_?url["\']?\s*:\s*("(?:[^"\\\n]|\\.){1,2000}")', re.IGNORECASE
)
_QUOTED = re.compile(rb"([\"'])([^\"'\s<>]{0,512}admin-ajax\.php)\1")
_DATA_SCRIPT = re.compile(
    rb"data:(?:text|application)/(?:x-)?(?:java|ecma)script(?:;\s*[\w-]+=[\w-]+)*(;\s*base64)?,"
    rb"([\w+/=%.~!*()-]+)",
    re.IGNORECASE,
)
_ROOTS = [
    re.compile(rb"(?<![^\"'()<>=,\s])((?:https?:)?\\?/(?:[^\"'()<>=,\s]{0,512}?/)??)" + folder)
    for folder in (b"wp-content", b"wp-includes")
]
_API_FOLDER = re.compile(r"(?:index\.php/?)?(?:wp-json/?)?(?:[?#].*)?\Z")
_LANGUAGE_FOLDER = re.compile(r"/[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?/\Z")
_LINK = re.compile(r"<([^<>]*)>((?:\s*+;\s*+[\w*-]++\s*+(?:=\s*+(?:\"[^\"]*+\"|[^\s;,\"]*+))?+)*+)")
_REL = re.compile(r";\s*+rel\s*+=\s*+(?:\"([^\"]*)\"|([^\s;,\"]*))", re.IGNORECASE)
_REL_NAME = "https://api.w.org/"
_LINK_TAG = re.compile(rb"<link\b([^<>]{0,2000})>", re.IGNORECASE)


def join_url(base: str, address: str) -> str:
    """Return `address` as seen from `base`, as it goes over the wire; "" where it is unreadable.

    An http address of the base's own host becomes https where the base is: sites that moved to
    https often still name the old one.
    """
    try:
        target = ascii_url(urljoin(base, address.strip()))
        if target.startswith("http://") and base.lower().startswith("https://"):
            secure = _HTTP_PORT.sub(r"http://\1", target).replace("http", "https", 1)
            return secure if may_send(base, secure) else target
        return target
    except ValueError:
        return ""


def require_same_site(page_url: str, address: str) -> str:
    """Return `address`, made absolute, if messages meant for the page may go there.

    Raises:
        UnexpectedFormatError: it is on another host (or a lesser scheme, or another port); the
            message names both.
    """
    target = join_url(page_url, address)
    if target and may_send(page_url, target):
        return target
    try:
        there = sanitize_line(origin(target), 300) if target else redact(address)
    except ValueError:
        there = "an unreadable address"
    raise UnexpectedFormatError(
        f"The page at {origin(page_url)} sends its visitors' messages to {there}. "
        "The library sends them to the page's own host only.",
        url=redact(page_url),
    )


def _deferred_scripts(body: bytes) -> bytes:
    """The scripts of a page that a "speed" plugin hid in `data:` addresses."""
    found = []
    size = 0
    for match in _DATA_SCRIPT.finditer(body) if b"data:" in body.lower() else ():
        written = unquote_to_bytes(match[2])
        try:
            script = base64.b64decode(written + b"==") if match[1] else written
        except ValueError:
            continue
        size += len(script)
        if size > _MOST_DEFERRED:
            break
        found.append(script)
    return b"\n".join(found)


def _scripts(body: bytes) -> Iterator[bytes]:
    yield body
    yield _deferred_scripts(body)


def in_params(body: bytes, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """Find a pattern in a page's `wpaicgParams` (plugin up to 1.9.18, and 2.2), once for each.

    They may be in a script that was deferred as a `data:` address, too.
    """
    for text in _scripts(body):
        for at in places(text, b"wpaicgParams", _MOST_FOUND):
            if match := pattern.search(text, at, at + _REACH):
                yield match


def _written(address: bytes) -> str:
    return unescape(address.decode("utf-8", "replace")).replace("\\/", "/")


def _guessed_urls(page: BufferedResponse, page_url: str) -> Iterator[str]:
    """Likely addresses of admin-ajax.php, the likeliest first; unchecked, some repeated."""
    for text in _scripts(page.body):
        for match in islice(_QUOTED.finditer(text), _MOST_TRIED):
            yield _written(match[2])
    for pattern in _ROOTS:
        for match in islice(pattern.finditer(page.body), _MOST_TRIED):
            yield _written(match[1]) + _AJAX_PATH
    if page_url:
        # Deepest first: a wrong one answers 404, where another WordPress above might not.
        yield urljoin(page_url, _AJAX_PATH)
        yield urljoin(page_url, f"../{_AJAX_PATH}")
    root = _API_FOLDER.sub("", rest_root(page) or "")
    if root.endswith("/"):
        yield root + _AJAX_PATH
        yield _LANGUAGE_FOLDER.sub("/", root) + _AJAX_PATH
    yield "/" + _AJAX_PATH


def ajax_urls(page: BufferedResponse, page_url: str = "") -> tuple[str, ...]:
    """Return the addresses at which the site's admin-ajax.php may be, the likeliest first.

    `wpaicgParams` names it: then there is one, not checked yet (see `require_same_site`).  Else it
    is guessed, in this order: any other address of it in the page, the place beside the folders
    `wp-content` and `wp-includes`, the folders of `page_url` (the page's address as the site
    itself writes it, or ""), the place beside the REST API's root with and without a language's
    folder, and the root of the host.  To all of these messages may be sent.
    """
    for match in in_params(page.body, _AJAX_URL):
        if named := string_or_empty(parse_json(match[1])):
            return (join_url(page.url, named) or named,)
    found: dict[str, None] = {}
    for guess in _guessed_urls(page, page_url):
        target = join_url(page.url, guess)
        if target and may_send(page.url, target):
            found[target] = None
            if len(found) >= _MOST_GUESSES:
                break
    return tuple(found)


def rest_root(page: BufferedResponse) -> str | None:
    """Return the root of the site's REST API as the page's `Link` header or tag gives it, or None.

    It is absolute, and not yet checked for its host.
    """
    for value in page.headers.get_all("link"):
        for link in _LINK.finditer(value[:65_536]):
            rel = _REL.search(link[2])
            if rel and _REL_NAME in (rel[1] or rel[2] or "").split():
                return join_url(page.url, link[1]) or None
    for at in places(page.body, b"api.w.org", _MOST_FOUND):
        start = page.body.rfind(b"<", max(0, at - 2000), at)
        tag = _LINK_TAG.match(page.body, start)
        read = attributes(Tag(start, b"link", tag[1])) if tag else {}
        if _REL_NAME in read.get("rel", "").split():
            return join_url(page.url, read.get("href", "")) or None
    return None
