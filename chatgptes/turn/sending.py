"""Requests out, whole responses in: cookies, redirects, bounds and retries, for any transport."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import urljoin

from ..errors import (
    ChatGptEsError,
    ConnectError,
    ProxyError,
    RateLimitError,
    RequestTimeout,
    ResponseTooLargeError,
    TLSError,
    TransportError,
    TurnCancelled,
    UnexpectedStatusError,
)
from ..sites.dialect import BufferedResponse as Page
from ..transport.base import Response, Transport
from ..values.deadline import Deadline
from ..values.http import Limits, Request
from ..values.urls import ascii_url, may_send, origin, redact
from .cookies import Cookies

__all__ = ["Fault", "Sender"]

Fault = Callable[[Page], ChatGptEsError | None]
"""What a response stands for: an error, or None when it is what was wanted."""

Kind = Literal["page", "answer"]

log = logging.getLogger("chatgptes")
log.addHandler(logging.NullHandler())

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 10
BUSY = frozenset({502, 503, 504})
FAULT_BODY = 64 << 10
"""Bytes read of a response that is no answer: enough to tell what it is."""
FIRST_DELAY, LONGEST_DELAY = 0.5, 8.0
"""Seconds before the first repetition, doubled for each further one up to the longest."""
LATE = 0.25
"""Seconds at most that a repetition comes later than the site asked for."""
DRAIN_SECONDS = 0.05
DRAIN_BYTES = 64 << 10


class Sender:
    """Sends the requests of one client's turns."""

    def __init__(
        self,
        transport: Transport,
        cookies: Cookies,
        headers: Mapping[str, str],
        retries: int,
        limits: Limits,
    ) -> None:
        self.transport = transport
        self._cookies = cookies
        self._headers = headers
        self._retries = retries
        self._limits = limits

    def secrets(self) -> list[str]:
        """What must not show in an error: the cookies."""
        return self._cookies.values()

    def page(self, request: Request, deadline: Deadline, fault: Fault, kind: Kind) -> Page:
        """The whole response to `request`; `kind` names the field of `Limits` that bounds it.

        Raises:
            ChatGptEsError: what `fault` says, or a transport's error, after the retries.
        """
        result = self._attempts(request, deadline, fault, kind)
        assert isinstance(result, Page)
        return result

    def open(self, request: Request, deadline: Deadline, fault: Fault) -> Response:
        """The response to `request`, if its status is 2xx, its body still to be read.

        Raises:
            ChatGptEsError: as `page`.
        """
        result = self._attempts(request, deadline, fault, None)
        assert not isinstance(result, Page)
        return result

    def _attempts(
        self, request: Request, deadline: Deadline, fault: Fault, kind: Kind | None
    ) -> Page | Response:
        attempt = 0
        while True:
            error: ChatGptEsError
            try:
                response = self._follow(request, deadline)
                if kind is None and 200 <= response.status < 300:
                    return response
                page = _read(response, kind, self._limits, deadline)
                found = fault(page)
                if found is None:
                    return page
                error = found
            except TransportError as caught:
                error = caught
            delay = self._delay(error, request, attempt, deadline)
            if delay is None:
                raise error
            attempt += 1
            log.debug("%r: %s; again in %.2f s", request, type(error).__name__, delay)
            deadline.sleep(delay)

    def _delay(
        self, error: ChatGptEsError, request: Request, attempt: int, deadline: Deadline
    ) -> float | None:
        """Seconds until `request` may be sent again, or None if it may not be."""
        if attempt >= self._retries or not may_repeat(error, request):
            return None
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2**attempt)
        delay *= random.uniform(0.5, 1.0)  # noqa: S311
        if (
            isinstance(error, RateLimitError | UnexpectedStatusError)
            and error.retry_after is not None
        ):
            # A little late rather than early: many clients were told the same moment.
            delay = error.retry_after + random.uniform(0.0, LATE)  # noqa: S311
        left = deadline.remaining()
        return None if left is not None and delay >= left else delay

    def _follow(self, request: Request, deadline: Deadline) -> Response:
        """Send; a page's GET follows redirects as far as `may_send` lets it, a POST never does."""
        first = request.url
        url = first
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(request, url, deadline)
            target = response.headers.get("location")
            if request.mode != "navigate" or response.status not in REDIRECTS or not target:
                return response
            drain(response, deadline)
            response.close()
            url = _target(url, target, response.status)
        raise UnexpectedStatusError(
            f"{redact(first)} redirects in circles ({MAX_REDIRECTS} times and on).",
            url=redact(first),
            status=response.status,
        )

    def _send(self, request: Request, url: str, deadline: Deadline) -> Response:
        deadline.check()
        headers = {**self._headers, **request.headers}
        if cookie := self._cookies.header(url):
            headers["cookie"] = cookie
        sent = Request(
            method=request.method,
            url=url,
            headers=headers,
            body=request.body,
            mode=request.mode,
            referrer=request.referrer,
            repeatable=request.repeatable,
            final=request.final,
        )
        before = deadline.elapsed
        try:
            response = self.transport.send(sent, deadline)
        except OSError as error:
            if not isinstance(error, ChatGptEsError):
                raise foreign(error) from error
            log.debug("%r: %s after %.3f s", sent, type(error).__name__, deadline.elapsed - before)
            raise
        log.debug("%r: %d after %.3f s", sent, response.status, deadline.elapsed - before)
        self._cookies.store(url, response.headers)
        return response


def may_repeat(error: ChatGptEsError, request: Request) -> bool:
    """May `request` be sent again after `error`?

    Where nothing was sent, or the site said "later", any may.  Else only those that make no model
    speak: a message must not arrive twice.
    """
    if isinstance(error, (ConnectError, RateLimitError)):
        return True
    if isinstance(error, RequestTimeout):
        return error.phase == "connect"
    if isinstance(error, (TurnCancelled, TLSError, ProxyError)):
        return False
    if isinstance(error, UnexpectedStatusError):
        return request.repeatable and error.status in BUSY
    return request.repeatable and isinstance(error, TransportError)


def _target(url: str, location: str, status: int) -> str:
    try:
        # Header bytes reach us as Latin-1; what is not ASCII in them is UTF-8 in practice.
        location = location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        pass
    try:
        target = ascii_url(urljoin(url, location))
        allowed = may_send(url, target)
        named = origin(target)
    except ValueError:
        allowed, named, target = False, "an unreadable address", ""
    if not allowed:
        raise UnexpectedStatusError(
            f"{redact(url)} redirects to {named}, which is another site or a step back from https:"
            " not followed. If you trust it, give that address as site=.",
            url=redact(url),
            status=status,
        )
    return target


def _read(response: Response, kind: Kind | None, limits: Limits, deadline: Deadline) -> Page:
    """The whole body; of a response that is no success only the beginning is kept."""
    good = kind is not None and 200 <= response.status < 300
    limit = getattr(limits, kind) if kind is not None else FAULT_BODY
    if not good:
        limit = min(limit, FAULT_BODY)
    pieces: list[bytes] = []
    size = 0
    try:
        for data in response:
            pieces.append(data)
            size += len(data)
            if size > limit:
                if not good:
                    break
                raise ResponseTooLargeError(
                    f"{redact(response.url)} answered more than {limit:,} bytes (Limits.{kind}).",
                    url=redact(response.url),
                    status=response.status,
                )
    except OSError as error:
        # The status says enough of a failure whose text broke off.
        if good or deadline.cancelled:
            if isinstance(error, ChatGptEsError):
                raise
            raise foreign(error) from error
    finally:
        response.close()
    return Page(response.url, response.status, response.headers, b"".join(pieces))


def foreign(error: OSError) -> TransportError:
    """What a user's own transport raised, in our words."""
    return TransportError(f"The transport failed with {type(error).__name__}: {error}.")


def drain(response: Response, deadline: Deadline) -> None:
    """Read what little follows an answer's end, so that its connection can be kept."""
    size = 0
    try:
        with deadline.within(DRAIN_SECONDS):
            for data in response:
                size += len(data)
                if size > DRAIN_BYTES:
                    break
    except (ChatGptEsError, OSError):
        pass  # The connection is then closed instead; the answer is whole all the same.
