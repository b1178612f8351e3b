"""The dialects of the plugin AI Engine (by Meow Apps): its chat window, and its owner's API."""

from __future__ import annotations

from .mwai import Mwai
from .owner import MwaiRest

__all__ = ["DIALECTS", "KEY_DIALECTS", "MWAI", "MWAI_REST"]

MWAI = Mwai()
MWAI_REST = MwaiRest()

DIALECTS = (MWAI,)
KEY_DIALECTS = (MWAI_REST,)
