"""The dialects of the plugin AI Power (AI Puffer)."""

from __future__ import annotations

from ..dialect import Dialect
from ..owner import KeyDialect
from .aipkit import Aipkit
from .rest import Rest
from .wpaicg import Wpaicg

__all__ = ["AIPKIT", "DIALECTS", "KEY_DIALECTS", "REST", "WPAICG"]

AIPKIT = Aipkit()
WPAICG = Wpaicg()
REST = Rest()

DIALECTS: tuple[Dialect, ...] = (AIPKIT, WPAICG)
KEY_DIALECTS: tuple[KeyDialect, ...] = (REST,)
