"""One hook before every request, for tools that keep a test from reaching the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

__all__ = ["Check", "check_address", "guarded_by"]

Check: TypeAlias = Callable[[str], None]
"""Gets the address (URL) of a request; raises to keep it from being sent."""

_checks: list[Check] = []


@contextmanager
def guarded_by(check: Check) -> Iterator[None]:
    """In this block, `check` sees every request of every client before it is sent."""
    _checks.append(check)
    try:
        yield
    finally:
        _checks.remove(check)


def check_address(url: str) -> None:
    """Let the checks see a request for `url` that is about to be sent."""
    for check in _checks:
        check(url)
