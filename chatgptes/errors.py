"""Every exception of the library, as a tree.

* ChatGptEsError
    + MissingRequirementsError (also ImportError)
    + InvalidMessageError (also ValueError)
    + InvalidConfigError (also ValueError)
        - ConsentRequiredError
    + TransportError (also OSError): there was no response, or it broke off
        - ConnectError, ProxyError, TLSError: nothing was sent
        - RequestTimeout (also TimeoutError), TurnCancelled
    + ResponseError (also ValueError): there was a response, and it is no answer
        - UnexpectedStatusError, UnexpectedFormatError, EmptyReplyError, ResponseTooLargeError
        - BotNotFoundError, ChallengeError, AuthenticationError
        - RateLimitError, QuotaError, RefusedError, UpstreamError
        - StreamInterruptedError: the answer broke after its first text

`except ValueError` catches what a program sent wrongly or a site answered wrongly,
`except OSError` what the network did.  Every one of them pickles.

`error.message` says what happened, `error.hint` what to change, as data.  `str(error)` has both, in
the words of a Python program; the command line and others put the hint into their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict, Unpack

__all__ = [
    "AuthenticationError", "BotNotFoundError", "ChallengeError", "ChatGptEsError", "ConnectError",
    "ConsentRequiredError", "EmptyReplyError", "Hint", "InvalidConfigError", "InvalidMessageError",
    "MissingRequirementsError", "ProxyError", "QuotaError", "RateLimitError", "RefusedError",
    "RequestTimeout", "ResponseError", "ResponseTooLargeError", "StreamInterruptedError",
    "TLSError", "TransportError", "TurnCancelled", "UnexpectedFormatError", "UnexpectedStatusError",
    "UpstreamError",
]  # fmt: skip

Phase = Literal["slot", "connect", "read", "total"]

_PYTHON: Final[Mapping[str, str]] = {
    "consent": "consent=True",
    "impersonate": "impersonate=None",
    "retry_failed": "retry_failed=True",
    "saved": "Conversation.save() and conversation(saved)",
    "timeout.connect": "timeout=Timeout(connect=…)",
    "timeout.read": "timeout=Timeout(read=…)",
    "timeout.total": "timeout=Timeout(total=…)",
}
"""Arguments that are more than `NAME=` in a hint."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Name what a user can change to get past an error.  Holds no value that a user gave.

    Attributes:
        argument: an argument (str), such as "proxy", or a part of one, such as "timeout.total" or
            "limits.prompt"; None where it is none.
        command: a shell command (str), such as "pip install requests", or None.
        purpose: what that is good for (str), such as "to allow more".
    """

    argument: str | None = None
    command: str | None = None
    purpose: str = ""

    def text(self, names: Mapping[str, str]) -> str:
        """Return the hint as a sentence, or "" if `names` has no word for the argument.

        Args:
            names: an interface's words for arguments, such as {"timeout.total": "--timeout"}.
        """
        if self.command is not None:
            return f"Run `{self.command}` {self.purpose}."
        name = names.get(self.argument or "")
        return f"Use {name} {self.purpose}." if name else ""

    def __str__(self) -> str:
        name = self.argument or ""
        if name.startswith("limits."):
            field = name.removeprefix("limits.")
            return self.text({name: f"limits= with a larger Limits.{field}"})
        return self.text({name: _PYTHON.get(name, f"{name}=")} if name else {})


class Details(TypedDict, total=False):
    """Arguments that every error takes: see the attributes of `ChatGptEsError`."""

    url: str | None
    status: int | None
    excerpt: str | None
    hint: Hint | None


class ChatGptEsError(Exception):
    """Base of everything this library raises on purpose.

    `str(error)` is a sentence or two that say what happened and what to do.

    Attributes:
        hint: what to change, as data (`Hint`), or None.
        url: where it happened (str, without credentials or nonces), or None.
        status: the HTTP status (int), or None.
        excerpt: the beginning of what the site said (str, at most 300 characters), or None.
        code: the code of a refusal in WordPress's JSON form (str, "" where it has none), such as
            `cors_denied`; None where the site said nothing in that form.
    """

    url: str | None = None
    status: int | None = None
    excerpt: str | None = None
    code: str | None = None
    hint: Hint | None = None

    def __init__(self, message: str, **details: Unpack[Details]) -> None:
        super().__init__(message)
        for name in Details.__annotations__:
            setattr(self, name, details.get(name))

    def __reduce__(self) -> tuple[Any, ...]:
        # The default loses the cause.  One of another library may not pickle: only our own travel.
        cause = self.__cause__
        ours = {"__cause__": cause} if isinstance(cause, ChatGptEsError) else {}
        return type(self), self.args, self.__dict__ | ours

    @property
    def message(self) -> str:
        """The text without the hint (str): only what happened."""
        return str(self.args[0]) if self.args else type(self).__name__

    def in_words(self, names: Mapping[str, str]) -> str:
        """Return message and hint, in an interface's words for arguments (see `Hint.text`)."""
        return f"{self.message} {self.hint.text(names) if self.hint else ''}".rstrip()

    def __str__(self) -> str:
        return f"{self.message} {self.hint or ''}".rstrip()


class MissingRequirementsError(ChatGptEsError, ImportError):
    """A package that this call needs is not installed; the hint has the pip command."""


class InvalidMessageError(ChatGptEsError, ValueError):
    """The message is empty, too long, or not of a known shape.  Nothing was sent."""


class InvalidConfigError(ChatGptEsError, ValueError):
    """An argument (URL, proxy, timeout, transport, …) can't be used.  Nothing was sent."""


class ConsentRequiredError(InvalidConfigError):
    """The bot's page asks its visitors to agree to something, and nobody has.  Nothing was sent.

    Attributes:
        asked: what the page asks, in its own words (str); "" where it does not say it in text.
    """

    asked: str = ""


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

    def __init__(self, message: str, *, phase: Phase = "total", **details: Unpack[Details]) -> None:
        super().__init__(message, **details)
        self.phase = phase


class TurnCancelled(TransportError):
    """The turn was ended from outside: `close()`, or an async cancel."""


class ResponseError(ChatGptEsError, ValueError):
    """There was a response, and it is no answer.

    Attributes:
        retry_after: how long the site asks to wait (float, seconds; with a 429, a 503 or a bot
            check), or None.
    """

    retry_after: float | None = None


class UnexpectedStatusError(ResponseError):
    """An HTTP status that means no answer."""


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
    """The site answered 429."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, **details: Unpack[Details]
    ) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after


class QuotaError(ResponseError):
    """The bot's own limit for its visitors is used up.

    Attributes:
        actions: the buttons that the site's notice has, as (text, URL) pairs (tuple of tuples of
            two str; `aipkit`, from plugin version 2.4.5).
    """

    actions: tuple[tuple[str, str], ...] = ()


class RefusedError(ResponseError):
    """The site said no; its own words are in the message.

    Sites with AI Power say so before the model is asked.  Those with AI Engine (`mwai`) answer a
    used-up limit, a banned word, a missing key and a failing model in one and the same form, so
    there it may be any of these.

    Attributes:
        blocked: a firewall before the site refuses this address, whatever the message (bool).
        form: a form that the site wants filled in first, as {"title": str, "fields": [{"name",
            "label", "type"}, …]} with texts only, or None (`aipkit`, from plugin version 2.4).
    """

    blocked: bool = False
    form: dict[str, Any] | None = None


class AuthenticationError(ResponseError):
    """The owner's REST key is wrong, missing, or REST access is off."""


class UpstreamError(ResponseError):
    """The service behind the site's bot (its model) failed."""


class StreamInterruptedError(ResponseError):
    """The answer broke after its first text; `__cause__` is what broke it.

    Attributes:
        partial: the text that had arrived (str).
    """

    def __init__(self, message: str, *, partial: str = "", **details: Unpack[Details]) -> None:
        super().__init__(message, **details)
        self.partial = partial
