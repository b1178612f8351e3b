"""The seam between a turn and the network.

A `Transport` sends one request and gives back a response whose body is read as it arrives.
It blocks, is used from many threads at once, follows no redirects, keeps no cookies, and retries
nothing: all that is done once, in the core, for every transport.  Twenty lines make one:

    class MyTransport:
        def send(self, request, deadline):
            ...                       # every wait ends at deadline.remaining(), and on its cancel
            return MyResponse(...)
        def close(self): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from ..values.deadline import Deadline
from ..values.http import Headers, Request

__all__ = ["Response", "Transport"]


@runtime_checkable
class Response(Protocol):
    """A response whose headers have arrived and whose body is on its way."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Headers:
        """The response's headers."""

    @property
    def url(self) -> str:
        """The address that was asked."""

    def __iter__(self) -> Iterator[bytes]:
        """The body as it arrives, content encodings undone; pieces of any size but zero.

        Raises:
            TransportError: the body broke off, or its encoding is bad.
            RequestTimeout: silence longer than `Timeout.read`, or the turn's total has passed.
            TurnCancelled: the deadline was cancelled.
        """
        ...

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else end it.

        Any number of times; never blocks, never raises.
        """
        ...


@runtime_checkable
class Transport(Protocol):
    """Blocking HTTP, usable from many threads at once."""

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send `request` as it is and wait for the response's status and headers.

        Raises:
            ConnectError, ProxyError, TLSError: nothing was sent.
            RequestTimeout: with `phase` "connect" (nothing was sent), "read" or "total".
            TurnCancelled: the deadline was cancelled.
            TransportError: the connection broke before the headers had come.
            ResponseTooLargeError: the headers are larger than a transport takes.
        """
        ...

    def close(self) -> None:
        """Close every idle connection.  Any number of times."""
        ...
