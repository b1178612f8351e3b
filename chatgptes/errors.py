"""Every exception of the library, as a tree.

* ChatGptEsError
    + MissingRequirementsError (also ImportError): a needed package is not installed
    + InvalidMessageError (also ValueError): empty, unknown role, wrong type, too long
    + InvalidConfigError (also ValueError): bad URL, proxy, timeout, transport
    + TransportError (also OSError): there was no response, or it broke off
        - ConnectError: no connection; nothing was sent
        - ProxyError: the proxy could not be reached, or refused; nothing was sent
        - TLSError: the certificate or the handshake is bad; nothing was sent
        - RequestTimeout (also TimeoutError): waiting for a slot, connect, read or total
        - TurnCancelled: `close()` or a cancel ended the turn
    + ResponseError (also ValueError): there was a response, and it is no answer
        - UnexpectedStatusError: an HTTP status that means no answer
        - UnexpectedFormatError: a body that no dialect knows, or an address that may not be used
        - EmptyReplyError: an answer without text
        - ResponseTooLargeError: more bytes than `Limits` allow
        - BotNotFoundError: the page shows no bot, or not that one
        - ChallengeError: a bot check stands before the site; never retried, never solved
        - RateLimitError: 429
        - QuotaError: the bot's own limit for visitors
        - RefusedError: the site said no before the model was asked
        - AuthenticationError: the owner's key is wrong, missing or not allowed
        - UpstreamError: the site's model failed
        - StreamInterruptedError: the answer broke after its first text

`except ValueError` catches what a program sent wrongly or a site answered wrongly,
`except OSError` what the network did.  Every one of them pickles.
"""

from __future__ import annotations

from typing import Any, Literal

__all__ = [
    "AuthenticationError",
    "BotNotFoundError",
    "ChallengeError",
    "ChatGptEsError",
    "ConnectError",
    "EmptyReplyError",
    "InvalidConfigError",
    "InvalidMessageError",
    "MissingRequirementsError",
    "ProxyError",
    "QuotaError",
    "RateLimitError",
    "RefusedError",
    "RequestTimeout",
    "ResponseError",
    "ResponseTooLargeError",
    "StreamInterruptedError",
    "TLSError",
    "TransportError",
    "TurnCancelled",
    "UnexpectedFormatError",
    "UnexpectedStatusError",
    "UpstreamError",
]

Phase = Literal["slot", "connect", "read", "total"]


def _rebuild(
    cls: type[ChatGptEsError], args: tuple[Any, ...], state: dict[str, Any]
) -> ChatGptEsError:
    error = cls.__new__(cls)
    error.args = args
    error.__cause__ = state.pop("__cause__", None)
    error.__dict__.update(state)
    return error


class ChatGptEsError(Exception):
    """Base of everything this library raises on purpose.

    `str(error)` is a sentence or two that say what happened and what to do.

    Attributes:
        url: where it happened (str, without credentials or nonces), or None.
        status: the HTTP status (int), or None.
        excerpt: the beginning of what the site said (str, at most 300 characters), or None.
        code: the code of a refusal in WordPress's JSON form (str, "" where it has none), such as
            `cors_denied`; None where the site said nothing in that form.
    """

    url: str | None
    status: int | None
    excerpt: str | None
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        url: str | None = None,
        status: int | None = None,
        excerpt: str | None = None,
    ) -> None:
        super().__init__(message)
        self.url = url
        self.status = status
        self.excerpt = excerpt

    def __reduce__(self) -> tuple[Any, ...]:
        # Not the default: it would call the class with positional arguments only, and would lose
        # the cause.  A cause of another library may not pickle, so only our own travel.
        state = dict(self.__dict__)
        if isinstance(self.__cause__, ChatGptEsError):
            state["__cause__"] = self.__cause__
        return _rebuild, (type(self), self.args, state)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


class MissingRequirementsError(ChatGptEsError, ImportError):
    """A package that this call needs is not installed; the message names the pip command."""


class InvalidMessageError(ChatGptEsError, ValueError):
    """What was to be sent is empty, too long, or not of a known shape.  Nothing was sent."""


class InvalidConfigError(ChatGptEsError, ValueError):
    """An argument (URL, proxy, timeout, transport, …) can't be used.  Nothing was sent."""


class TransportError(ChatGptEsError, OSError):
    """There was no response, or it broke off before it held an answer."""


class ConnectError(TransportError):
    """No connection: refused, unreachable, or the name was not found.  Nothing was sent."""


class ProxyError(TransportError):
    """The proxy could not be reached, or refused to connect.  Nothing was sent."""


class TLSError(TransportError):
    """The certificate or the handshake is bad.  Nothing was sent."""


class RequestTimeout(TransportError, TimeoutError):
    """A limit of `Timeout` passed.

    Attributes:
        phase: "slot" (waiting for a free place among `max_concurrency`), "connect", "read"
            (silence), or "total" (the whole turn).
    """

    phase: Phase

    def __init__(
        self,
        message: str,
        *,
        phase: Phase = "total",
        url: str | None = None,
        status: int | None = None,
        excerpt: str | None = None,
    ) -> None:
        super().__init__(message, url=url, status=status, excerpt=excerpt)
        self.phase = phase


class TurnCancelled(TransportError):
    """The turn was ended from outside: `close()`, or an async cancel."""


class ResponseError(ChatGptEsError, ValueError):
    """There was a response, and it is no answer."""


class UnexpectedStatusError(ResponseError):
    """An HTTP status that means no answer.

    Attributes:
        retry_after: how long the site asks to wait (float, seconds; with a 503), or None.
    """

    retry_after: float | None = None


class UnexpectedFormatError(ResponseError):
    """A body that no dialect knows, or an address in the page that may not be used."""


class EmptyReplyError(ResponseError):
    """The answer ended without any text."""


class ResponseTooLargeError(ResponseError):
    """More bytes than `Limits` allow."""


class BotNotFoundError(ResponseError):
    """The page shows no bot, or not the one that was asked for."""


class ChallengeError(ResponseError):
    """A bot check (Cloudflare, Turnstile, a box to tick) stands before the site.

    It is never retried and never solved, and the transport is never switched because of it.
    """


class RateLimitError(ResponseError):
    """The site answered 429.

    Attributes:
        retry_after: how long the site asks to wait (float, seconds), or None.
    """

    retry_after: float | None

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        url: str | None = None,
        status: int | None = None,
        excerpt: str | None = None,
    ) -> None:
        super().__init__(message, url=url, status=status, excerpt=excerpt)
        self.retry_after = retry_after


class QuotaError(ResponseError):
    """The bot's own limit for its visitors is used up."""


class RefusedError(ResponseError):
    """The site said no before the model was asked; its own words are in the message.

    Attributes:
        blocked: a firewall before the site refuses this address, whatever the message (bool).
        form: the name of the form that the site wants filled in first (str), or None.
    """

    blocked: bool = False
    form: str | None = None


class AuthenticationError(ResponseError):
    """The owner's REST key is wrong, missing, or REST access is off."""


class UpstreamError(ResponseError):
    """The service behind the site's bot (its model) failed."""


class StreamInterruptedError(ResponseError):
    """The answer broke after its first text; `__cause__` is what broke it.

    Attributes:
        partial: the text that had arrived (str).
    """

    partial: str

    def __init__(
        self,
        message: str,
        *,
        partial: str = "",
        url: str | None = None,
        status: int | None = None,
        excerpt: str | None = None,
    ) -> None:
        super().__init__(message, url=url, status=status, excerpt=excerpt)
        self.partial = partial
