"""Where a page says its site listens: admin-ajax.php and the REST API's root."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit, urlunsplit

from ..errors import UnexpectedFormatError
from ..values.urls import ascii_url, may_send, origin, redact
from .dialect import Page
from .html import unescape

__all__ = ["ajax_url", "api_root", "checked", "join"]

_AJAX_PATH = "wp-admin/admin-ajax.php"
_MOST_PLACES = 32  # Of one marker that are looked at.
_REACH = 16_384  # Bytes of `wpaicgParams` in which its ajax_url is looked for; it comes first.

_AJAX_URL = re.compile(
    rb'["\']?\bajax_?url["\']?\s*:\s*("(?:[^"\\\n]|\\.){1,2000}")', re.IGNORECASE
)
_LINK = re.compile(r"<([^<>]*)>((?:\s*+;\s*+[\w*-]++\s*+(?:=\s*+(?:\"[^\"]*+\"|[^\s;,\"]*+))?+)*+)")
_REL = re.compile(r";\s*+rel\s*+=\s*+(?:\"([^\"]*)\"|([^\s;,\"]*))", re.IGNORECASE)
_REL_NAME = "https://api.w.org/"
_LINK_TAG = re.compile(rb"<link\b[^<>]{0,2000}>", re.IGNORECASE)
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
_REL_ATTRIBUTE = re.compile(r"\brel\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)


def join(base: str, address: str) -> str:
    """`address` as seen from `base`, as it goes over the wire; "" where that is no address."""
    try:
        return ascii_url(urljoin(base, address.strip()))
    except ValueError:
        return ""


def checked(page_url: str, address: str) -> str:
    """`address`, made absolute, if what is meant for the page may go there.

    Raises:
        UnexpectedFormatError: it is on another host (or a lesser scheme, or another port); the
            message names both.
    """
    target = join(page_url, address)
    if target and may_send(page_url, target):
        return target
    try:
        there = origin(target) if target else redact(address)
    except ValueError:
        there = "an unreadable address"
    raise UnexpectedFormatError(
        f"The page at {origin(page_url)} sends its visitors' messages to {there}. "
        "The library sends them to the page's own host only.",
        url=redact(page_url),
    )


def _places(body: bytes, marker: bytes) -> Iterator[int]:
    at = body.find(marker)
    for _ in range(_MOST_PLACES):
        if at < 0:
            return
        yield at
        at = body.find(marker, at + len(marker))


def _params_url(page: Page) -> str | None:
    """`ajax_url` of the page's `wpaicgParams` (plugin up to 1.9.18, and 2.2), or None."""
    for at in _places(page.body, b"wpaicgParams"):
        match = _AJAX_URL.search(page.body, at, at + _REACH)
        if match:
            try:
                value = json.loads(match[1])
            except ValueError:
                continue
            if isinstance(value, str) and value:
                return value
    return None


def _named_urls(page: Page) -> Iterator[str]:
    """Every quoted address of an admin-ajax.php in the page, as far as it may be used."""
    for at in _places(page.body, b"admin-ajax.php"):
        end = at + len(b"admin-ajax.php")
        before = page.body[max(0, at - 512) : at]
        quote = page.body[end : end + 1]
        if quote not in (b'"', b"'") or quote not in before:
            continue
        written = before[before.rfind(quote) + 1 :].decode("utf-8", "replace") + "admin-ajax.php"
        target = join(page.url, unescape(written).replace("\\/", "/"))
        if target and may_send(page.url, target):
            yield target


def ajax_url(page: Page) -> str:
    """The address of the site's admin-ajax.php, as the page gives it.

    In this order: `wpaicgParams`, any other address of it on the page, the place beside the REST
    API's root, and WordPress's own place on the page's host (a 404 tells if that is wrong).

    Raises:
        UnexpectedFormatError: `wpaicgParams` names one that may not be used.
    """
    written = _params_url(page)
    if written is not None:
        return checked(page.url, written)
    for target in _named_urls(page):
        return target
    root = api_root(page)
    if root and may_send(page.url, root):
        parts = urlsplit(root)
        path = re.sub(r"(?:index\.php/?)?(?:wp-json/?)?$", "", parts.path)
        if path.endswith("/"):
            return urlunsplit((parts.scheme, parts.netloc, path + _AJAX_PATH, "", ""))
    return join(page.url, "/" + _AJAX_PATH)


def _first(match: re.Match[str] | None) -> str:
    return next((group for group in match.groups() if group is not None), "") if match else ""


def api_root(page: Page) -> str | None:
    """The root of the site's REST API as the page's `Link` header or tag gives it, or None.

    It is absolute, and not yet checked for its host.  Sites with plain permalinks have one that
    ends in `?rest_route=/`.
    """
    for value in page.headers.get_all("link"):
        for link in _LINK.finditer(value[:65_536]):
            if _REL_NAME in _first(_REL.search(link[2])).split():
                return join(page.url, link[1]) or None
    if b"api.w.org" in page.body:
        for at in _places(page.body, b"api.w.org"):
            start = page.body.rfind(b"<", max(0, at - 2000), at)
            tag = _LINK_TAG.match(page.body, start) if start >= 0 else None
            if tag is None:
                continue
            text = tag[0].decode("utf-8", "replace")
            if _REL_NAME in unescape(_first(_REL_ATTRIBUTE.search(text))).split():
                return join(page.url, unescape(_first(_HREF.search(text)))) or None
    return None


require_same_site, rest_root = checked, api_root
