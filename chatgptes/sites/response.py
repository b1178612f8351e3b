"""A response whose body was read whole."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..values.http import Headers

__all__ = ["BufferedResponse"]


@dataclass(frozen=True, slots=True)
class BufferedResponse:
    """A response whose body was read whole (of a failed one, the beginning)."""

    url: str
    status: int
    headers: Headers
    body: bytes = field(repr=False)
