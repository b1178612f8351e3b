"""The dialects of the plugin AI Engine (by Meow Apps): its chat window, and its owner's API."""

from __future__ import annotations

from ..dialect import Dialect
from ..owner import KeyDialect
from .mwai import Mwai
from .owner import MwaiRest

__all__ = ["DIALECTS", "KEY_DIALECTS", "MWAI", "MWAI_REST"]

MWAI = Mwai()
MWAI_REST = MwaiRest()

DIALECTS: tuple[Dialect, ...] = (MWAI,)
KEY_DIALECTS: tuple[KeyDialect, ...] = (MWAI_REST,)
