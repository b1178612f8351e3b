"""A value that a forked child makes anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["PerProcess"]

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Holds what `make()` gives, once for each process.

    After a fork, locks may be held by threads that the child does not have, and connections are
    the parent's: the child drops its copy and makes its own.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: tuple[int, T] = (os.getpid(), make())

    def get(self) -> T:
        """The value of this process."""
        pid, value = self._made
        if pid != os.getpid():
            value = self._make()
            self._made = (os.getpid(), value)
        return value
