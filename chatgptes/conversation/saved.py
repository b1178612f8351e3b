"""The form in which a conversation is saved: plain JSON values, in a dict or a file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InvalidConfigError, InvalidMessageError
from ..values.http import Limits
from ..values.images import Unread
from ..values.messages import Message, check

__all__ = ["SavedConversation", "Source", "read", "write"]

Source = Mapping[str, Any] | str | os.PathLike[str]
"""What a conversation continues from: a dict of `to_dict`, or the path of its file."""

_VERSION = 1
_NO_LIMITS = Limits(prompt=1 << 40, image=1 << 40)  # Whatever was sent once is restored.


@dataclass(frozen=True, slots=True)
class SavedConversation:
    """All that is needed to go on with a conversation.

    Attributes:
        id: its id.
        visitor: the id that the site knows its visitor by.
        site: the page that it is with; `id`, `visitor`, `place` and `state` are for its site alone.
        system: text put before its first prompt, or None.
        messages: pairs of a user's and an assistant's message.
        place: the bot that gave the answers: see `place_of`.
        state: as `ReplyDetails.state` of the last answer.
    """

    id: str
    visitor: str
    site: str
    system: str | None
    messages: list[Message]
    place: str = ""
    state: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, of which `parse` makes the same again."""
        return {
            "version": _VERSION,
            "id": self.id,
            "visitor": self.visitor,
            "site": self.site,
            "system": self.system,
            "messages": [message.as_dict() for message in self.messages],
            "memory": self.place,
            "state": dict(self.state),
        }

    @classmethod
    def parse(cls, saved: Mapping[str, Any]) -> SavedConversation:
        """Check what `to_dict` gave, or somebody else wrote.

        Raises:
            InvalidConfigError: it is no saved conversation.
        """
        if saved.get("version") != _VERSION:
            raise InvalidConfigError(
                f"This is no saved conversation of version {_VERSION}: its version is"
                f" {saved.get('version')!r}."
            )
        texts = {name: saved.get(name) for name in ("id", "visitor", "memory")}
        state, system, messages = saved.get("state"), saved.get("system"), saved.get("messages")
        if (
            not all(isinstance(text, str) for text in texts.values())
            or not (texts["id"] and texts["visitor"])
            or not isinstance(state, Mapping)
            or not all(isinstance(item, str) for pair in state.items() for item in pair)
            or not (system is None or isinstance(system, str))
            or not isinstance(messages, list)
        ):
            raise InvalidConfigError("The saved conversation is damaged: a field is missing.")
        try:
            json.dumps([texts, dict(state), system, messages], ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:  # Half a character is a UnicodeEncodeError.
            raise InvalidConfigError(
                f"The saved conversation is damaged: it can't be written again ({error})."
            ) from None
        return cls(
            id=str(texts["id"]),
            visitor=str(texts["visitor"]),
            site=str(saved.get("site") or ""),
            system=system,
            messages=_messages_of(messages),
            place=str(texts["memory"]),
            state=dict(state),
        )


def read(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return what a file holds; `SavedConversation.parse` checks it.

    Raises:
        InvalidConfigError: it holds no JSON object.
        OSError: it can't be read.
    """
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidConfigError(f"{path} is no saved conversation: {error}.") from None
    if not isinstance(saved, Mapping):
        raise InvalidConfigError(f"{path} is no saved conversation.")
    return saved


def write(path: str | os.PathLike[str], fields: Mapping[str, Any]) -> None:
    """Write a file, as a whole or not at all; only its owner may read it.

    Raises:
        OSError: it can't be written.
    """
    target = Path(path)
    text = json.dumps(fields, ensure_ascii=False, indent=1)
    # mkstemp makes it with mode 0600, in the same folder, so that the rename is atomic.
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _messages_of(messages: list[Any]) -> list[Message]:
    """Pairs of a user's and an assistant's message: what `to_dict` gives."""
    restored = []
    for index, item in enumerate(messages):
        role = ("user", "assistant")[index % 2]
        if not isinstance(item, Mapping) or item.get("role") != role:
            raise InvalidConfigError(
                f"The saved conversation is damaged: message {index} is not the {role}'s."
            )
        content = item.get("content")
        if isinstance(content, str):
            restored.append(Message(role, content))
            continue
        try:
            restored.append(check([{"role": "user", "content": content}], _NO_LIMITS)[0])
        except InvalidMessageError as error:
            raise InvalidConfigError(f"The saved conversation is damaged: {error}") from None
        images = restored[-1].images
        if role != "user" or not all(isinstance(each, Unread) and each.is_data for each in images):
            # A file that somebody else wrote must not make us read others.
            raise InvalidConfigError(
                f"The saved conversation is damaged: message {index} is not as save() writes it."
            )
    if len(restored) % 2:
        raise InvalidConfigError("The saved conversation is damaged: its last answer is missing.")
    return restored
