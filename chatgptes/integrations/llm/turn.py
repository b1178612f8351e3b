"""One turn of `llm`, in our words: what was said before, and what the next turn needs.

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

import llm
from llm.parts import AttachmentPart, TextPart

from ...errors import InvalidMessageError
from ...values.urls import redact

if TYPE_CHECKING:
    from ...client import Client

__all__ = ["NAME", "VERSION", "Point", "Said", "give_back", "read", "take"]

NAME = "chatgptes"
"""Of the model, and of what it puts beside its answers."""
VERSION = 1
"""Of the latter's shape."""

_NO_WORDS = "(an image)"

Point = tuple[str, str]
"""A conversation of a site, and how far it had come."""


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

    def point(self, client: Client) -> Point | None:
        """Where the site's conversation is, if it was told this history and has answered."""
        left = self.left
        if left.get("site") != client.site or left["digest"] != self.digest():
            return None
        return left["id"], left["digest"]

    def saved(self, client: Client, *, goes_on: bool) -> dict[str, Any]:
        """A conversation as `Client.conversation` takes it.

        It is the site's own where that `goes_on`.  Otherwise it is a new one, which begins with
        telling the site the history.
        """
        saved = client.conversation().to_dict()
        if self.system:
            saved["system"] = self.system
        saved["messages"] = self.messages
        left = self.left
        if left.get("site") == client.site:
            saved["visitor"] = left["visitor"]  # The owner's limits hang on it.
            if goes_on:
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
_taken: OrderedDict[Point, None] = OrderedDict()
_lock = threading.Lock()


def take(point: Point) -> bool:
    """Go on from `point`, unless another turn of this process has, or does.

    A site that keeps the conversation itself would take two branches of it for one.
    """
    with _lock:
        if point in _taken:
            return False
        _taken[point] = None
        if len(_taken) > _REMEMBERED:
            _taken.popitem(last=False)
        return True


def give_back(point: Point) -> None:
    """The turn that took it came to nothing: the next one may go on from there."""
    with _lock:
        _taken.pop(point, None)


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
