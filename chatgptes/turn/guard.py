"""Hooks for tools that keep a test from reaching the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias, TypeVar

__all__ = ["Check", "check_address", "default_site", "guarded_by", "site_for_default"]

T = TypeVar("T")

Check: TypeAlias = Callable[[str], None]
"""Gets the address (URL) of a request; raises to keep it from being sent."""

_checks: list[Check] = []
_default_sites: list[str] = []


@contextmanager
def _added(item: T, to: list[T]) -> Iterator[None]:
    to.append(item)
    try:
        yield
    finally:
        to.remove(item)


def guarded_by(check: Check) -> AbstractContextManager[None]:
    """In this block, `check` sees every request of every client before it is sent."""
    return _added(check, _checks)


def check_address(url: str) -> None:
    """Let the checks see a request for `url` that is about to be sent."""
    for check in _checks:
        check(url)


def default_site(url: str) -> AbstractContextManager[None]:
    """In this block, new clients without a site, or of the default one, talk to `url` instead."""
    return _added(url, _default_sites)


def site_for_default() -> str | None:
    """Return the URL that new clients use instead of the default site's, or None."""
    return _default_sites[-1] if _default_sites else None
