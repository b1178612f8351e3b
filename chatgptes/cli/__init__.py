"""The command line: ask a bot from a terminal, or in a pipe; look at sites; ask many things."""

from __future__ import annotations

from .commands import command

__all__ = ["command"]
