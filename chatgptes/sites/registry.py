"""The dialects that there are.  A new plugin is a folder beside these and a line here."""

from __future__ import annotations

from . import aiengine, aipower
from .dialect import Dialect
from .owner import KeyDialect

__all__ = ["DIALECTS", "KEY_DIALECTS"]

_PLUGINS = (aipower, aiengine)

DIALECTS: tuple[Dialect, ...] = tuple(each for plugin in _PLUGINS for each in plugin.DIALECTS)
"""Those whose bots pages show."""

KEY_DIALECTS: tuple[KeyDialect, ...] = tuple(
    each for plugin in _PLUGINS for each in plugin.KEY_DIALECTS
)
"""Those that owners of sites use with a key, without a page; the first is the default."""
