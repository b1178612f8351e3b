"""What may be sent: messages, checked before anything goes out, and put into words.

A message is `{"role": "user" | "assistant" | "system", "content": str | [parts]}`, a part is
`{"type": "text", "text": str}`.  A plain string is one user message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .errors import InvalidMessageError

__all__ = ["Message", "Messages", "check", "check_text", "with_system", "written_out"]

Messages = str | Sequence[Mapping[str, Any]]
"""What `chat()` and `stream()` take: a prompt, or a list of messages that ends in the user's."""

ROLES = ("user", "assistant", "system")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Message(NamedTuple):
    """A checked message."""

    role: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """The message as callers write it."""
        return {"role": self.role, "content": self.text}


def check(messages: Messages, limit: int) -> tuple[Message, ...]:
    """`messages` checked.

    Args:
        messages: a prompt (str), or a list of messages that ends in a user message.
        limit: how many characters they may have together.

    Raises:
        InvalidMessageError: they are empty, too long, of a wrong type or shape, hold text that
            is not Unicode, or do not end in a user message.
    """
    checked: tuple[Message, ...]
    if isinstance(messages, str):
        checked = (Message("user", check_text(messages, "The prompt")),)
    else:
        if isinstance(messages, (bytes, bytearray, Mapping)) or not isinstance(messages, Sequence):
            raise InvalidMessageError(
                f"Messages are a string or a list of dicts, not {type(messages).__name__}."
            )
        checked = tuple(_message(item, index) for index, item in enumerate(messages))
    if not checked:
        raise InvalidMessageError("The list of messages is empty.")
    if checked[-1].role != "user":
        raise InvalidMessageError(
            f"The last message must be the user's; this one's role is {checked[-1].role!r}."
        )
    length = sum(len(message.text) for message in checked)
    if length > limit:
        raise InvalidMessageError(
            f"The messages have {length:,} characters together, more than the {limit:,} allowed"
            " (Client(limits=Limits(prompt=…)) allows more)."
        )
    return checked


def _message(item: Any, index: int) -> Message:
    where = f"Message {index}"
    if not isinstance(item, Mapping):
        raise InvalidMessageError(f"{where} is not a dict but {type(item).__name__}.")
    if unknown := set(item) - {"role", "content"}:
        names = ", ".join(sorted(map(repr, unknown)))
        raise InvalidMessageError(f"{where} has unknown keys {names}: only role and content go.")
    role = item.get("role")
    if role not in ROLES:
        raise InvalidMessageError(f"{where} has the role {role!r}: it must be one of {ROLES}.")
    content = item.get("content")
    if isinstance(content, str):
        return Message(role, check_text(content, where))
    if not isinstance(content, Sequence) or isinstance(content, (bytes, bytearray)):
        raise InvalidMessageError(
            f"{where} has content of type {type(content).__name__}: a string or a list of parts."
        )
    return Message(role, check_text("".join(_part(part, where) for part in content), where))


def _part(part: Any, where: str) -> str:
    if not isinstance(part, Mapping) or part.get("type") != "text" or set(part) != {"type", "text"}:
        raise InvalidMessageError(
            f'{where} has a part that is not {{"type": "text", "text": "…"}}: {_shape(part)}.'
        )
    if not isinstance(part["text"], str):
        raise InvalidMessageError(f"{where} has a text part whose text is not a string.")
    return part["text"]


def _shape(part: Any) -> str:
    if isinstance(part, Mapping):
        return f"a dict of type {part.get('type')!r} with keys {sorted(map(str, part))}"
    return type(part).__name__


def check_text(text: str, what: str) -> str:
    """`text`, if it can be sent: not blank, and proper Unicode.

    Raises:
        InvalidMessageError: it is not; the message begins with `what`.
    """
    if not text.strip():
        raise InvalidMessageError(f"{what} is empty.")
    if found := _SURROGATE.search(text):
        raise InvalidMessageError(
            f"{what} holds half a character (U+{ord(found[0]):04X} at {found.start()}), which no"
            " encoding can carry; decode the text it came from properly first."
        )
    return text


def with_system(messages: Sequence[Message], system: str | None) -> list[tuple[str, str]]:
    """The (role, text) pairs to send: all system text goes before the first user message.

    No dialect has a place of its own for it.
    """
    texts = [system] if system else []
    texts += [message.text for message in messages if message.role == "system"]
    pairs = [(role, text) for role, text in messages if role != "system"]
    if texts:
        first = next(index for index, (role, _) in enumerate(pairs) if role == "user")
        pairs[first] = ("user", "\n\n".join([*texts, pairs[first][1]]))
    return pairs


def written_out(pairs: Sequence[tuple[str, str]]) -> str:
    """A whole conversation as one prompt, for sites that take no history from the client."""
    if len(pairs) == 1:
        return pairs[0][1]
    names = {"user": "User", "assistant": "Assistant"}
    return "\n\n".join(f"{names[role]}: {text}" for role, text in pairs)
