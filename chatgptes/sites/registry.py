"""The dialects that there are, and which of them takes a site's key: its REST API tells."""

from __future__ import annotations

from collections.abc import Collection

from ..values.http import Request
from . import aiengine, aipower
from .addresses import require_same_site
from .dialect import BufferedResponse, Dialect
from .owner import KeyDialect
from .text import json_object

__all__ = [
    "DIALECTS", "KEY_DIALECTS", "key_dialect_for", "namespaces_from", "namespaces_request",
]  # fmt: skip

# A new plugin is a folder beside these, and stands here.
_PLUGINS = (aipower, aiengine)

DIALECTS: tuple[Dialect, ...] = tuple(each for plugin in _PLUGINS for each in plugin.DIALECTS)
"""Those whose bots pages show."""

KEY_DIALECTS: tuple[KeyDialect, ...] = tuple(
    each for plugin in _PLUGINS for each in plugin.KEY_DIALECTS
)
"""Those that owners of sites use with a key, without a page; the first is the default."""


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
    data = json_object(response.body) if 200 <= response.status < 300 else None
    found = data.get("namespaces") if data else None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def key_dialect_for(namespaces: Collection[str], bot_id: str) -> KeyDialect:
    """Return the dialect that takes a key on a site with these namespaces.

    Where several do, or the site hides what it has, the bot's id decides: AI Power's are numbers.
    """
    known = [each for each in KEY_DIALECTS if each.namespace in namespaces] or KEY_DIALECTS
    fitting = [each for each in known if each.is_bot_id(bot_id)]
    return next(iter(fitting or known))
