"""Requests out, whole responses in: cookies, redirects, size limits and retries, without I/O."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias
from urllib.parse import urljoin

from ..errors import (
    ChatGptEsError,
    ConnectError,
    Hint,
    ProxyError,
    RateLimitError,
    RequestTimeout,
    ResponseError,
    ResponseTooLargeError,
    TLSError,
    TransportError,
    TurnCancelled,
    UnexpectedStatusError,
)
from ..sites.dialect import BufferedResponse
from ..transport.base import AsyncResponse, Response
from ..values.deadline import Deadline
from ..values.http import Limits, Request
from ..values.text import sanitize_line
from ..values.urls import ascii_url, may_send, origin, redact
from .cookies import Cookies
from .guard import check_address
from .queueing import pause
from .steps import Read, Send, Steps

__all__ = ["AnyResponse", "Sender", "drain", "transport_failed"]

AnyResponse: TypeAlias = Response | AsyncResponse
Classify: TypeAlias = Callable[[BufferedResponse], ChatGptEsError | None]
"""Says which error a response stands for; None when it is the one that was wanted."""
SizeLimit: TypeAlias = Literal["page", "answer"]
"""The field of `Limits` that bounds a response."""

log = logging.getLogger("chatgptes")
log.addHandler(logging.NullHandler())

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 10
BUSY = frozenset({502, 503, 504})
ERROR_BODY = 64 << 10
"""Bytes read of a response that is no answer: enough to tell what it is."""
FIRST_DELAY, LONGEST_DELAY = 0.5, 8.0
"""Seconds before the first retry, doubled for each further one up to the longest."""
LATE = 0.25
"""Seconds at most that a retry comes later than the site asked for."""
DRAIN_SECONDS = 0.05
DRAIN_BYTES = 64 << 10


class Sender:
    """Sends the requests of one client's turns."""

    def __init__(
        self, cookies: Cookies, headers: Mapping[str, str], retries: int, limits: Limits
    ) -> None:
        self.cookies = cookies
        self._headers = headers
        self._retries = retries
        self._limits = limits

    def fetch(
        self, request: Request, deadline: Deadline, classify: Classify, limit: SizeLimit
    ) -> Steps[BufferedResponse]:
        """Send `request` and read its whole response.

        Raises:
            ChatGptEsError: the one that `classify` gives, or a transport's, after the retries.
        """
        attempt = 0
        while True:
            try:
                response = yield from self._follow(request, deadline)
                buffered = yield from self._read(response, limit, deadline)
                error = classify(buffered)
                if error is None:
                    return buffered
            except TransportError as caught:
                error = caught
            yield from self._before_retry(error, request, attempt, deadline)
            attempt += 1

    def open(self, request: Request, deadline: Deadline, classify: Classify) -> Steps[AnyResponse]:
        """Send `request`; its response, whose status is 2xx and whose body is still to be read.

        Raises:
            ChatGptEsError: as `fetch`.
        """
        attempt = 0
        while True:
            try:
                response = yield from self._follow(request, deadline)
                if 200 <= response.status < 300:
                    return response
                buffered = yield from self._read(response, None, deadline)
                error = classify(buffered)
                assert error is not None
            except TransportError as caught:
                error = caught
            yield from self._before_retry(error, request, attempt, deadline)
            attempt += 1

    def _before_retry(
        self, error: ChatGptEsError, request: Request, attempt: int, deadline: Deadline
    ) -> Steps[None]:
        """Wait until `request` may be sent again; raise `error` if it may not be."""
        delay = self._delay(error, request, attempt, deadline)
        if delay is None:
            raise error
        log.debug("%r: %s; again in %.2f s", request, type(error).__name__, delay)
        yield from pause(deadline, delay)

    def _delay(
        self, error: ChatGptEsError, request: Request, attempt: int, deadline: Deadline
    ) -> float | None:
        """Seconds until `request` may be sent again, or None if it may not be."""
        if attempt >= self._retries or not may_retry(error, request):
            return None
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2**attempt)
        delay *= random.uniform(0.5, 1.0)  # noqa: S311
        if isinstance(error, ResponseError):
            wait = error.retry_after
            if wait is not None:
                # A little late rather than early: many clients were told the same moment.
                delay = wait + random.uniform(0.0, LATE)  # noqa: S311
        left = deadline.remaining()
        return None if left is not None and delay >= left else delay

    def _follow(self, request: Request, deadline: Deadline) -> Steps[AnyResponse]:
        """Send; a page's GET follows redirects as far as `may_send` lets it, a POST never does."""
        first = request.url
        url = first
        for _ in range(MAX_REDIRECTS + 1):
            response = yield from self._send(request, url, deadline)
            target = response.headers.get("location")
            if request.mode != "navigate" or response.status not in REDIRECTS or not target:
                return response
            try:
                yield from drain(response, deadline)
            finally:
                response.close()
            url = _redirect_target(url, target, response.status)
        raise UnexpectedStatusError(
            f"{redact(first)} redirects in circles ({MAX_REDIRECTS} times and on).",
            url=redact(first),
            status=response.status,
        )

    def _send(self, request: Request, url: str, deadline: Deadline) -> Steps[AnyResponse]:
        deadline.check()
        check_address(url)
        headers = {**self._headers, **request.headers}
        if cookie := self.cookies.header(url):
            headers["cookie"] = cookie
        sent = replace(request, url=url, headers=headers)
        before = deadline.elapsed
        try:
            response: AnyResponse = yield Send(sent)
        except OSError as error:
            log.debug("%r: %s after %.3f s", sent, type(error).__name__, deadline.elapsed - before)
            if not isinstance(error, ChatGptEsError):
                raise transport_failed(error) from error
            raise
        log.debug("%r: %d after %.3f s", sent, response.status, deadline.elapsed - before)
        self.cookies.store(url, response.headers)
        return response

    def _read(
        self, response: AnyResponse, limit: SizeLimit | None, deadline: Deadline
    ) -> Steps[BufferedResponse]:
        """Read the whole body; of a response that is no success only the beginning is kept."""
        good = limit is not None and 200 <= response.status < 300
        most: int = getattr(self._limits, limit) if limit is not None else ERROR_BODY
        if not good:
            most = min(most, ERROR_BODY)
        pieces: list[bytes] = []
        size = 0
        step = Read(response)
        try:
            while data := (yield step):
                pieces.append(data)
                size += len(data)
                if size > most:
                    if not good:
                        break
                    raise ResponseTooLargeError(
                        f"{redact(response.url)} answered more than {most:,} bytes.",
                        url=redact(response.url),
                        status=response.status,
                        hint=Hint(f"limits.{limit}", purpose="to allow more"),
                    )
        except OSError as error:
            # The status says enough of an error whose text broke off.
            if good or deadline.cancelled:
                if isinstance(error, ChatGptEsError):
                    raise
                raise transport_failed(error) from error
        finally:
            response.close()
        return BufferedResponse(response.url, response.status, response.headers, b"".join(pieces))


def may_retry(error: ChatGptEsError, request: Request) -> bool:
    """Tell whether `request` may be sent again after `error`.

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


def _redirect_target(url: str, location: str, status: int) -> str:
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
            f"{redact(url)} redirects to {sanitize_line(named, 200)}, which is another site or a"
            " step back from https: not followed.",
            url=redact(url),
            status=status,
            hint=Hint("site", purpose="to give that address, if you trust it"),
        )
    return target


def transport_failed(error: OSError) -> TransportError:
    """The error for an OSError that is not ours: a transport of the user's own raised it."""
    return TransportError(f"The transport failed with {type(error).__name__}: {error}.")


def drain(response: AnyResponse, deadline: Deadline) -> Steps[None]:
    """Read the little that follows an answer's end, so that its connection can be kept."""
    size = 0
    step = Read(response)
    try:
        with deadline.within(DRAIN_SECONDS):
            while size <= DRAIN_BYTES and (data := (yield step)):
                size += len(data)
    except (ChatGptEsError, OSError):
        pass  # The connection is then closed instead; the answer is whole all the same.
