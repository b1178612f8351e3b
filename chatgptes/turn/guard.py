"""Hooks for tools that keep a test from reaching the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

__all__ = ["Check", "check_address", "default_site", "guarded_by", "site_for_default"]

Check: TypeAlias = Callable[[str], None]
"""Gets the address (URL) of a request; raises to keep it from being sent."""

_checks: list[Check] = []
_default_sites: list[str] = []


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


@contextmanager
def default_site(url: str) -> Iterator[None]:
    """In this block, new clients without a site, or of the default one, talk to `url` instead."""
    _default_sites.append(url)
    try:
        yield
    finally:
        _default_sites.remove(url)


def site_for_default() -> str | None:
    """Return the URL that new clients use instead of the default site's, or None."""
    return _default_sites[-1] if _default_sites else None
