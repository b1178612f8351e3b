"""The command line: ask a bot from a terminal, or in a pipe; look at sites; ask many things."""

from __future__ import annotations

from .commands import command
from .text import harmless

__all__ = ["command", "harmless"]
