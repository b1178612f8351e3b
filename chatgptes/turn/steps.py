"""The four things that a turn asks of its driver.

A turn is a generator without I/O.  It yields a step and is sent the step's result; what goes wrong
is thrown into it at the same place.  `blocking.py` is the driver for threads, `aio/driver.py` has
those for event loops; tests drive turns by hand.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from ..transport.base import AsyncResponse, Response
from ..values.deadline import Signal
from ..values.http import Request

__all__ = ["Read", "Send", "Step", "Steps", "Text", "Wait"]


@dataclass(slots=True)
class Send:
    """Send a request.  The result is its response, whose body is still to be read."""

    request: Request


@dataclass(slots=True)
class Read:
    """Read on in a response's body.  The result is its next bytes, `b""` at its end.

    With `text`, that is handed on to the consumer first, and the reading waits until it comes for
    more: one step does both, since a step costs every chunk of an answer.  An empty text says that
    the site has begun to answer.
    """

    response: Response | AsyncResponse
    text: Sequence[str] | None = None


@dataclass(slots=True)
class Wait:
    """Wait for a signal (None: for none, just let time pass), at most `seconds` (None: no limit).

    The result is whether the signal came.
    """

    signal: Signal | None
    seconds: float | None


@dataclass(slots=True)
class Text:
    """Hand text on to the consumer.  The result is nothing."""

    chunks: Sequence[str]


Step: TypeAlias = Send | Read | Wait | Text

T = TypeVar("T")
Steps: TypeAlias = Generator[Step, Any, T]
"""A generator of steps that returns a `T`."""
