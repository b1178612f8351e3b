"""Where other programs meet the library; each file needs its program, and nothing else needs it."""

from __future__ import annotations
