"""Requests out, whole responses in: cookies, redirects, size limits and retries, without I/O."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NoReturn, TypeAlias, TypeVar
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
from ..values.http import Request
from ..values.text import sanitize_line
from ..values.urls import ascii_url, may_send, origin, redact
from .config import Config
from .cookies import Cookies
from .guard import check_address
from .queueing import pause
from .steps import Read, Send, Steps

__all__ = ["AnyResponse", "Sender", "drain", "raise_transport_error", "unless_success"]

T = TypeVar("T")

AnyResponse: TypeAlias = Response | AsyncResponse
Classify: TypeAlias = Callable[[BufferedResponse], ChatGptEsError | None]
"""Says which error a response stands for; None when it is the one that was wanted."""
ErrorFor: TypeAlias = Callable[[BufferedResponse], ChatGptEsError]
SizeLimit: TypeAlias = Literal["page", "answer"]  # The field of `Limits` that bounds a response.

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


def unless_success(error_for: ErrorFor) -> Classify:
    """Take a response whose status is 2xx for the one that was wanted."""
    return lambda response: None if 200 <= response.status < 300 else error_for(response)


class Sender:
    """Sends the requests of one client's turns."""

    def __init__(self, config: Config) -> None:
        self.cookies = Cookies(config.arguments.get("cookies"), config.site)
        self._config = config

    def fetch(
        self, request: Request, deadline: Deadline, classify: Classify, limit: SizeLimit
    ) -> Steps[BufferedResponse]:
        """Send `request` and read its whole response.

        Raises:
            ChatGptEsError: the one that `classify` gives, or a transport's, after the retries.
        """

        def attempt() -> Steps[BufferedResponse]:
            response = yield from self._follow(request, deadline)
            buffered = yield from self._read(response, limit, deadline)
            if error := classify(buffered):
                raise error
            return buffered

        return self._retrying(attempt, request, deadline)

    def open(self, request: Request, deadline: Deadline, error_for: ErrorFor) -> Steps[AnyResponse]:
        """Send `request`; its response, whose status is 2xx and whose body is still to be read.

        Raises:
            ChatGptEsError: the one that `error_for` gives, or a transport's, after the retries.
        """

        def attempt() -> Steps[AnyResponse]:
            response = yield from self._follow(request, deadline)
            if not 200 <= response.status < 300:
                raise error_for((yield from self._read(response, "answer", deadline)))
            return response

        return self._retrying(attempt, request, deadline)

    def _retrying(
        self, attempt: Callable[[], Steps[T]], request: Request, deadline: Deadline
    ) -> Steps[T]:
        """Repeat `attempt`, which sends `request`, as long as that may be sent again."""
        number = 0
        while True:
            try:
                return (yield from attempt())
            except ChatGptEsError as error:
                delay = self._delay(error, request, number, deadline)
                if delay is None:
                    raise
                log.debug("%r: %s; again in %.2f s", request, type(error).__name__, delay)
            yield from pause(deadline, delay)
            number += 1

    def _delay(
        self, error: ChatGptEsError, request: Request, attempt: int, deadline: Deadline
    ) -> float | None:
        """Seconds until `request` may be sent again, or None if it may not be."""
        if attempt >= self._config.retries or not may_retry(error, request):
            return None
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2**attempt)
        delay *= random.uniform(0.5, 1.0)  # noqa: S311
        if isinstance(error, ResponseError) and error.retry_after is not None:
            # A little late rather than early: many clients were told the same moment.
            delay = error.retry_after + random.uniform(0.0, LATE)  # noqa: S311
        left = deadline.remaining()
        return None if left is not None and delay >= left else delay

    def _follow(self, request: Request, deadline: Deadline) -> Steps[AnyResponse]:
        """Send; a page's GET follows redirects as far as `may_send` lets it, a POST never does."""
        url = request.url
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
            f"{redact(request.url)} redirects in circles ({MAX_REDIRECTS} times and on).",
            url=redact(request.url),
            status=response.status,
        )

    def _send(self, request: Request, url: str, deadline: Deadline) -> Steps[AnyResponse]:
        deadline.check()
        check_address(url)
        headers = {**self._config.headers, **request.headers}
        if cookie := self.cookies.header(url):
            headers["cookie"] = cookie
        sent = replace(request, url=url, headers=headers)
        before = deadline.elapsed
        try:
            response: AnyResponse = yield Send(sent)
        except OSError as error:
            log.debug("%r: %s after %.3f s", sent, type(error).__name__, deadline.elapsed - before)
            raise_transport_error(error)
        log.debug("%r: %d after %.3f s", sent, response.status, deadline.elapsed - before)
        self.cookies.store(url, response.headers)
        return response

    def _read(
        self, response: AnyResponse, limit: SizeLimit, deadline: Deadline
    ) -> Steps[BufferedResponse]:
        """Read the whole body; of a response that is no success only the beginning is kept."""
        good = 200 <= response.status < 300
        most: int = getattr(self._config.limits, limit) if good else ERROR_BODY
        body = bytearray()
        step = Read(response)
        try:
            while len(body) <= most and (data := (yield step)):
                body += data
        except OSError as error:
            # The status says enough of an error whose text broke off.
            if good or deadline.cancelled:
                raise_transport_error(error)
        finally:
            response.close()
        if good and len(body) > most:
            raise ResponseTooLargeError(
                f"{redact(response.url)} answered more than {most:,} bytes.",
                url=redact(response.url),
                status=response.status,
                hint=Hint(f"limits.{limit}", purpose="to allow more"),
            )
        return BufferedResponse(response.url, response.status, response.headers, bytes(body))


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
    except ValueError:
        target = ""
    if not may_send(url, target):
        named = sanitize_line(origin(target), 200) if target else "an unreadable address"
        raise UnexpectedStatusError(
            f"{redact(url)} redirects to {named}, which is another site or a step back from https:"
            " not followed.",
            url=redact(url),
            status=status,
            hint=Hint("site", purpose="to give that address, if you trust it"),
        )
    return target


def raise_transport_error(error: OSError) -> NoReturn:
    """Raise `error`, or ours for it where a transport of the user's own has raised it."""
    if isinstance(error, ChatGptEsError):
        raise error
    raise TransportError(f"The transport failed with {type(error).__name__}: {error}.") from error


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
