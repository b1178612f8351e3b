"""The history that `llm` passes with each turn, as a site's bot needs it.

`llm` stores what a model's plugin puts beside its answer (`provider_metadata` of a part).  The ids
of the site's conversation go there, so that `llm -c` finds them in another process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import llm
from llm.parts import AttachmentPart, TextPart

from ...errors import InvalidMessageError
from ...values.urls import redact

if TYPE_CHECKING:
    from ...client import Client

__all__ = ["NAME", "VERSION", "History", "read_history"]

NAME = "chatgptes"
"""The name of the model, and of the data it puts beside its answers."""
VERSION = 1
"""The version of that data's format."""

_NO_WORDS = "(an image)"


class History(NamedTuple):
    """The messages of a turn; `messages` are those before the prompt."""

    system: str
    messages: list[dict[str, str]]
    prompt: str
    attachments: list[llm.Attachment]
    left: Mapping[str, Any]
    """The data that our last answer left for later turns."""

    def images(self) -> list[bytes]:
        """Return the attachments.  Reads files, and downloads those that have an address.

        Raises:
            InvalidMessageError: one can't be read.
        """
        return [_bytes_of(each) for each in self.attachments]

    def saved(self, client: Client) -> dict[str, Any]:
        """Return a conversation for `Client.conversation`.

        It is the site's own if that has exactly this history; else a new one, which sends the
        history first.
        """
        saved = client.conversation().to_dict()
        if self.system:
            saved["system"] = self.system
        saved["messages"] = self.messages
        left = self.left
        if left.get("site") == client.site:
            same = left["digest"] == self.digest()
            # The owner's limits hang on the visitor.
            names = ("visitor", "id", "memory", "state") if same else ("visitor",)
            saved |= {name: left[name] for name in names}
        return saved

    def digest(self, answer: str | None = None) -> str:
        """Return a hash of this history; with an `answer`, of the one that follows it."""
        texts = [each["content"] for each in self.messages]
        if answer is not None:
            texts += [self.prompt or _NO_WORDS, answer]
        written = json.dumps([self.system, *texts])
        return hashlib.sha256(written.encode("ascii")).hexdigest()


def read_history(chain: Sequence[llm.Message]) -> History:
    """Read the messages of a turn.

    Of other models' turns only the text stays: sites have no tools and no reasoning.

    Raises:
        InvalidMessageError: they don't begin and end with a user's message.
    """
    system: list[str] = []
    merged: list[tuple[str, list[str], list[llm.Attachment]]] = []
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
            # Two in a row become one: a site has turns only.
            if not merged or merged[-1][0] != message.role:
                merged.append((message.role, [], []))
            merged[-1][1].extend(texts)
            merged[-1][2].extend(attached)
    if not merged or merged[-1][0] != "user":
        raise InvalidMessageError("There is no prompt to send.")
    if merged[0][0] != "user":
        raise InvalidMessageError("The first message is the assistant's: a site's is the user's.")
    *before, (_, prompt, attachments) = merged
    return History(
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
    """Return what our last answer left.  Another model may have answered since: see `digest`."""
    for message in reversed(chain):
        for part in message.parts:
            left = (getattr(part, "provider_metadata", None) or {}).get(NAME)
            if isinstance(left, Mapping) and left.get("version") == VERSION:
                return left
    return {}


def _bytes_of(attachment: Any) -> bytes:  # llm has no types for it.
    where = attachment.path or redact(attachment.url or "") or "The attachment"
    try:
        return bytes(attachment.content_bytes())
    except OSError as error:
        raise InvalidMessageError(f"{where} can't be read: {error.strerror or error}.") from error
    except Exception as error:  # Any error of the HTTP client that llm uses.
        kind = type(error).__name__
        raise InvalidMessageError(f"{where} can't be downloaded: {kind}.") from error
