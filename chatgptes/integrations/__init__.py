"""Integrations into other programs; each folder needs its program, and nothing else does."""

from __future__ import annotations
