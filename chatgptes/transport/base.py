"""The two seams between a turn and the network, one blocking and one for event loops.

A transport sends one request and gives back a response whose body is read as it arrives.  It
follows no redirects, keeps no cookies and retries nothing: a turn does all that, once, for every
transport.  Twenty lines make one; the documentation's page on transports has both kinds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Protocol, runtime_checkable

from ..values.deadline import Deadline
from ..values.http import Headers, Request

__all__ = ["AsyncResponse", "AsyncTransport", "Response", "Transport"]


class ResponseHead(Protocol):
    """The part of a response that has arrived, and its end: the same for both kinds."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Headers:
        """The response's headers."""

    @property
    def url(self) -> str:
        """The address that was asked."""

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else end it.

        Any number of times, from any thread; never blocks, never raises.  A library that closes
        with a coroutine schedules it here, and awaits it in the transport's `aclose()`.
        """
        ...


@runtime_checkable
class Response(ResponseHead, Protocol):
    """A response whose headers have arrived and whose body is on its way."""

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the body as it arrives, content encodings undone, in pieces of any size.

        Called once.

        Raises:
            TransportError: the body broke off, or its encoding is bad.
            RequestTimeout: silence longer than `Timeout.read`, or the turn's total has passed.
            TurnCancelled: the deadline was cancelled.
        """
        ...


@runtime_checkable
class AsyncResponse(ResponseHead, Protocol):
    """The same for an event loop."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """As `Response.__iter__`.  A cancelled step leaves nothing running."""
        ...


@runtime_checkable
class Transport(Protocol):
    """Blocking HTTP, usable from many threads at once."""

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send `request` as it is and wait for the response's status and headers.

        Every wait ends at `deadline.remaining()`, and on the deadline's cancel.

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


@runtime_checkable
class AsyncTransport(Protocol):
    """HTTP on an event loop, usable from many tasks at once; never blocks the loop."""

    async def send(self, request: Request, deadline: Deadline) -> AsyncResponse:
        """Send `request` as it is and wait for the response's status and headers.

        The library cancels what it awaits here, and in the response's body, when the turn is
        cancelled or one of its limits passes.  Errors as `Transport.send`.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection.  Any number of times."""
        ...
