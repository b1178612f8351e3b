"""The difference between a browser's request for a page and one of the page's script.

curl_cffi's targets describe a navigation.  These are the few headers that differ for a fetch, set
only where the browser in question sends them; all else, and their order, stays curl_cffi's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from ...values.http import Request
from ...values.urls import origin

__all__ = ["look"]

# Since which version a browser sends a `priority` header, and what it says for a fetch.
_PRIORITY = {"chrome": (124, "u=1, i"), "firefox": (128, "u=4"), "safari": (18, "u=3, i")}
_FETCH_METADATA = {"chrome": 76, "edge": 79, "firefox": 90, "safari": 17, "tor": 102}


def look(request: Request, target: str) -> Mapping[str, str]:
    """Headers (names in lower case) to put over those of `target`; "" takes one away.

    Args:
        request: where its mode is "navigate" there is nothing to change.
        target: a curl_cffi target, resolved ("chrome150", "safari180_ios").
    """
    if request.mode == "navigate":
        return {}
    return _look_of_fetch(request.method, origin(request.url), request.referrer, target)


@functools.lru_cache(maxsize=64)  # The messages of a conversation all look the same.
def _look_of_fetch(method: str, here: str, referrer: str | None, target: str) -> Mapping[str, str]:
    headers = {"accept": "*/*", "upgrade-insecure-requests": "", "sec-fetch-user": ""}
    family, version = _browser(target)
    page = here if referrer is None else origin(referrer)
    if family in _FETCH_METADATA and version >= _FETCH_METADATA[family]:
        headers["sec-fetch-site"] = _site(here, page)
        headers["sec-fetch-mode"] = "cors"
        headers["sec-fetch-dest"] = "empty"
    if family in _PRIORITY and version >= _PRIORITY[family][0]:
        headers["priority"] = _PRIORITY[family][1]
    if referrer is not None and here == page:
        if method == "POST":
            headers["origin"] = page
        headers["referer"] = _plain_url(referrer)
    return headers


def _browser(target: str) -> tuple[str, int]:
    found = re.match(r"([a-z]+)(\d*)", target)
    family, digits = (found[1], found[2]) if found else ("", "")
    if family == "safari":
        digits = digits[:2]  # safari155 is 15.5, safari2601 is 26.0.1
    return family, int(digits or 0)


def _site(here: str, page: str) -> str:
    if here == page:
        return "same-origin"
    # The core lets nothing but `www.` and the step to https differ.
    same = here.partition(":")[0] == page.partition(":")[0]
    return "same-site" if same else "cross-site"


def _plain_url(url: str) -> str:
    """`url` as a `Referer` header has it: no user name, no password, no fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
