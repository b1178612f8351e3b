"""One turn of `llm`, in our words: what was said before, whom to ask, and what the next turn needs.

`llm` hands over a whole history with each turn, and keeps what a model's plugin puts beside its
answer (`provider_metadata` of a part).  That is where the ids of the site's conversation go, so
that `llm -c` finds them in another process.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import llm
from llm.parts import AttachmentPart, TextPart

from ..config import site_of
from ..errors import InvalidConfigError, InvalidMessageError
from ..http import origin, redact

if TYPE_CHECKING:
    from ..client import Client
    from ..config import ClientArguments

__all__ = ["NAME", "VERSION", "Said", "Target", "read", "target"]

NAME = "chatgptes"
"""Of the model, and of what it puts beside its answers."""
VERSION = 1
"""Of the latter's shape."""

_NO_WORDS = "(an image)"
_STICKY = ("site", "bot", "transport", "proxy")
"""Options that a conversation goes on with when they are not given again."""


class Said(NamedTuple):
    """A history of llm's.

    Attributes:
        system: its system text (str), or "".
        messages: what was said before the prompt, users and assistants by turns.
        prompt: the prompt's text (str), or "".
        attachments: what llm attached to the prompt.
        left: what our last answer left for later turns.
    """

    system: str
    messages: list[dict[str, str]]
    prompt: str
    attachments: list[llm.Attachment]
    left: Mapping[str, Any]

    @property
    def begins_oddly(self) -> bool:
        """The assistant speaks first, which no conversation of a site begins with."""
        return bool(self.messages) and self.messages[0]["role"] == "assistant"

    def written(self) -> list[dict[str, str]]:
        """All of it as messages."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, *self.messages, {"role": "user", "content": self.prompt}]

    def images(self) -> list[bytes]:
        """The attachments.  Reads files, and fetches what has an address.

        Raises:
            InvalidMessageError: one can't be had.
        """
        return [_bytes_of(each) for each in self.attachments]

    def saved(self, client: Client) -> dict[str, Any]:
        """The conversation to go on with, as `Client.conversation` takes it.

        It is the site's own where the history is what the site was told and has answered.
        Otherwise it is a new one, which begins with telling the site the history.
        """
        saved = client.conversation().to_dict()
        if self.system:
            saved["system"] = self.system
        saved["messages"] = self.messages
        left = self.left
        if left.get("site") == client.site:
            saved["visitor"] = left["visitor"]  # The owner's limits hang on it.
            if left["digest"] == self.digest() and _first_to_go_on(left):
                saved.update({name: left[name] for name in ("id", "memory", "state")})
        return saved

    def digest(self, answer: str | None = None) -> str:
        """What tells this history from another; with an `answer`, the one that follows it."""
        texts = [each["content"] for each in self.messages]
        if answer is not None:
            texts += [self.prompt or _NO_WORDS, answer]
        written = json.dumps([self.system, *texts])
        return hashlib.sha256(written.encode("ascii")).hexdigest()


_REMEMBERED = 10_000
_gone_on: OrderedDict[tuple[str, str], None] = OrderedDict()
_lock = threading.Lock()


def _first_to_go_on(left: Mapping[str, Any]) -> bool:
    """Nobody in this process has gone on from there yet.

    A site that keeps the conversation itself would take two branches of it for one.
    """
    if not left["memory"]:
        return True
    point = (left["id"], left["digest"])
    with _lock:
        if point in _gone_on:
            return False
        _gone_on[point] = None
        if len(_gone_on) > _REMEMBERED:
            _gone_on.popitem(last=False)
        return True


def read(chain: Sequence[llm.Message]) -> Said:
    """What the messages of a turn say.

    Of other models' turns only the text stays: sites know nothing of tools and reasoning.

    Raises:
        InvalidMessageError: they don't end in a user's message.
    """
    system: list[str] = []
    said: list[tuple[str, list[str], list[llm.Attachment]]] = []
    for message in chain:
        texts = [part.text for part in message.parts if isinstance(part, TextPart) and part.text]
        attached = [
            part.attachment
            for part in message.parts
            if isinstance(part, AttachmentPart) and part.attachment is not None
        ]
        if message.role == "system":
            system += texts
        elif message.role in ("user", "assistant") and (texts or attached):
            # Two in a row are one to a site, which knows turns only.
            if not said or said[-1][0] != message.role:
                said.append((message.role, [], []))
            said[-1][1].extend(texts)
            said[-1][2].extend(attached)
    if not said or said[-1][0] != "user":
        raise InvalidMessageError("There is no prompt to send.")
    *before, (_, prompt, attachments) = said
    return Said(
        system="\n\n".join(system),
        # An image that was sent earlier is not sent again.
        messages=[
            {"role": role, "content": "\n\n".join(texts) or _NO_WORDS} for role, texts, _ in before
        ],
        prompt="\n\n".join(prompt),
        attachments=attachments,
        left=_left(chain),
    )


def _left(chain: Sequence[llm.Message]) -> Mapping[str, Any]:
    """What our last answer left.  Another model may have answered since: the digest tells."""
    for message in reversed(chain):
        for part in message.parts:
            left = (getattr(part, "provider_metadata", None) or {}).get(NAME)
            if isinstance(left, Mapping) and left.get("version") == VERSION:
                return left
    return {}


def _bytes_of(attachment: Any) -> bytes:  # It has no types of its own.
    where = attachment.path or redact(attachment.url or "") or "The attachment"
    try:
        content = attachment.content_bytes()
    except OSError as error:
        raise InvalidMessageError(f"{where} can't be read: {error.strerror or error}.") from error
    except Exception as error:  # What fetches an address is llm's choice, and so are its errors.
        raise InvalidMessageError(f"{where} can't be had: {type(error).__name__}.") from error
    if not content:
        raise InvalidMessageError(f"{where} is empty.")
    return bytes(content)


class Target(NamedTuple):
    """Whom to ask.

    Attributes:
        arguments: those of the client.
        shown: the options that the conversation goes on with, without passwords.
    """

    arguments: ClientArguments
    shown: dict[str, Any]

    @property
    def rest(self) -> bool:
        """It is the REST API, with the owner's key."""
        return "api_key" in self.arguments


def target(options: Any, left: Mapping[str, Any], key: str | None) -> Target:
    """Whom to ask, by the options given and those that the conversation had.

    Args:
        options: the model's `Options`.
        left: what the conversation's last answer left.
        key: the owner's key, if one was given with the prompt.

    Raises:
        InvalidConfigError: a key was given, and not whom it is for; or one is missing.
    """
    given = {name: getattr(options, name) for name in _STICKY}
    given = {name: value for name, value in given.items() if value is not None}
    shown, rest = dict(given), False
    if "site" not in given or _page(given["site"]) == left.get("site"):
        shown = {**left.get("options", {}), **given}
        rest = left.get("rest") is True
    arguments: Any = dict(shown)
    for name in {"site", "proxy"} & set(arguments):
        arguments[name] = _address(arguments[name])
    if key is not None and not rest and not {"site", "bot"} <= set(given):
        raise InvalidConfigError(
            "A key is for one bot of one site: name both, with -o site URL and -o bot NUMBER."
            " Nothing was sent."
        )
    key = key or _own_key(arguments)
    if rest and key is None:
        raise InvalidConfigError(
            "This conversation is with the owner's key: give it again, with --key."
        )
    if key is not None:
        arguments["api_key"] = key
    return Target(arguments, {name: _without_login(value) for name, value in shown.items()})


def _own_key(arguments: Mapping[str, Any]) -> str | None:
    """The stored key whose name is the site's address: a key goes nowhere by itself but there."""
    if "site" not in arguments or not str(arguments.get("bot", "")).strip().isdigit():
        return None
    try:
        home = origin(arguments["site"].strip())
    except ValueError:
        return None  # The client says what is wrong with it.
    return llm.get_key(alias=home) or llm.get_key(alias=f"{home}/")


def _address(given: str) -> str:
    """`given`, or the address that is stored under that name: one with a password in it, say."""
    stored = None if "://" in given else llm.get_key(alias=given)
    # What is stored there may be a key, which must not show up in an error about addresses.
    return stored if stored and "://" in stored else given


def _page(given: str) -> str | None:
    try:
        return site_of(_address(given)).url
    except InvalidConfigError:
        return None  # The client says so.


def _without_login(value: Any) -> Any:
    if not isinstance(value, str) or "://" not in value:
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return "(an unreadable URL)"  # The client says what is wrong with it.
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
