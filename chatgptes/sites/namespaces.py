"""Which plugin's API for the owner a site has: its REST API lists what it knows."""

from __future__ import annotations

from collections.abc import Collection

from ..values.http import Request
from .addresses import require_same_site
from .dialect import BufferedResponse
from .owner import KeyDialect
from .registry import KEY_DIALECTS
from .text import parse_json

__all__ = ["key_dialect_for", "namespaces_from", "namespaces_request"]


def namespaces_request(site_url: str, root: str) -> Request:
    """Return the request that asks for a site's namespaces.  It carries no key.

    Raises:
        UnexpectedFormatError: the root is not on the site's host.
    """
    address = require_same_site(site_url, root).rstrip("/") + "/"
    return Request(
        "GET",
        f"{address}{'&' if '?' in address else '?'}_fields=namespaces",
        headers={"Accept": "application/json"},
    )


def namespaces_from(response: BufferedResponse) -> list[str]:
    """Return the namespaces in the response to `namespaces_request`; none where it has none."""
    data = parse_json(response.body) if 200 <= response.status < 300 else None
    found = data.get("namespaces") if isinstance(data, dict) else None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def key_dialect_for(namespaces: Collection[str], bot_id: str) -> KeyDialect:
    """Return the dialect that takes a key on a site with these namespaces.

    Where several do, or the site hides what it has, the bot's id decides: AI Power's are numbers.
    """
    known = [each for each in KEY_DIALECTS if each.namespace in namespaces] or KEY_DIALECTS
    fitting = [each for each in known if each.is_bot_id(bot_id)]
    return next(iter(fitting or known))
