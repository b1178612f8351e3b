"""Messages: checked before anything is sent, and written out for sites that take one text.

A message is `{"role": "user" | "assistant" | "system", "content": str | [parts]}`, a part is
`{"type": "text", "text": str}` or `{"type": "image", "image": …}` (a path, bytes, or a `data:` URL;
or as OpenAI writes it, `{"type": "image_url", "image_url": {"url": "data:…"}}`).  A plain string is
one user message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import Hint, InvalidMessageError
from .http import Limits
from .images import Image, ImageSource, Unread, image_of, loaded

__all__ = [
    "Message", "Messages", "Prompt", "check", "check_prompt", "check_text", "images_of",
    "with_files", "with_system", "written_out",
]  # fmt: skip

Messages = str | Sequence[Mapping[str, Any]]
"""The prompt of `chat()` and `stream()`: a text, or a list of messages that ends in the user's."""

Prompt = str | Sequence[Mapping[str, Any]]
"""The prompt of a conversation: the next message as a string, or as a list of parts."""

ROLES = ("user", "assistant", "system")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Message(NamedTuple):
    """A checked message."""

    role: str
    text: str
    images: tuple[Image | Unread, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The message as callers write it; its images, if there are any, as `data:` URLs."""
        if not self.images:
            return {"role": self.role, "content": self.text}
        parts: list[dict[str, str]] = [{"type": "text", "text": self.text}] if self.text else []
        for image in self.images:
            shown = image.url if isinstance(image, Image) else image.source
            parts.append({"type": "image", "image": shown})
        return {"role": self.role, "content": parts}


def check(
    messages: Messages, limits: Limits, images: Sequence[ImageSource] = ()
) -> tuple[Message, ...]:
    """`messages` checked; `images` go with the last.  Files are not read yet: see `with_files`.

    Raises:
        InvalidMessageError: they are empty, too long, of a wrong type or shape, hold text that
            is not Unicode or images that can't be sent, or do not end in a user message.
    """
    prompt = isinstance(messages, str)
    items: Any = [{"role": "user", "content": messages}] if prompt else messages
    if isinstance(items, (bytes, bytearray, Mapping)) or not isinstance(items, Sequence):
        raise InvalidMessageError(
            f"Messages are a string or a list of dicts, not {type(items).__name__}."
        )
    names = ["The prompt"] if prompt else [f"Message {index}" for index in range(len(items))]
    checked = [_message(item, name, limits.image) for item, name in zip(items, names, strict=True)]
    further = _images(images, limits.image)
    if not checked:
        raise InvalidMessageError("The list of messages is empty.")
    checked[-1] = checked[-1]._replace(images=checked[-1].images + further)
    for message, name in zip(checked, names, strict=True):
        if message.text.strip() or not message.images:
            check_text(message.text, name)
    if checked[-1].role != "user":
        raise InvalidMessageError(
            f"The last message must be the user's; this one's role is {checked[-1].role!r}."
        )
    length = sum(len(message.text) for message in checked)
    if length > limits.prompt:
        raise InvalidMessageError(
            f"The messages have {length:,} characters together, more than the {limits.prompt:,}"
            " allowed.",
            hint=Hint("limits.prompt", purpose="to allow more"),
        )
    return tuple(checked)


def check_prompt(prompt: Prompt, limits: Limits, images: Sequence[ImageSource] = ()) -> Message:
    """The next message of a conversation, checked.  Errors as `check`."""
    if isinstance(prompt, str):
        return check(prompt, limits, images)[0]
    parts: Any = prompt
    if (
        not isinstance(parts, Sequence)
        or isinstance(parts, (bytes, bytearray))
        or any(isinstance(part, Mapping) and "role" in part for part in parts)
    ):
        raise InvalidMessageError(
            "A conversation takes one message at a time, as a string or a list of parts. For a list"
            " of messages there is Client.chat()."
        )
    return check([{"role": "user", "content": prompt}], limits, images)[0]


def images_of(messages: Sequence[Message]) -> tuple[Image, ...]:
    """The images of messages whose files have been read, in order."""
    return tuple(each for message in messages for each in message.images if isinstance(each, Image))


def with_files(messages: Sequence[Message], limits: Limits) -> tuple[Message, ...]:
    """`messages` with the images that are files read."""
    return tuple(
        message._replace(images=tuple(loaded(each, limits.image) for each in message.images))
        for message in messages
    )


def _images(images: Any, limit: int) -> tuple[Image | Unread, ...]:
    if isinstance(images, (str, bytes, bytearray)) or not isinstance(images, Sequence):
        raise InvalidMessageError(
            f"images is a list of paths, bytes or data: URLs, not {type(images).__name__}."
        )
    return tuple(image_of(each, f"Image {n}", limit) for n, each in enumerate(images, 1))


def _message(item: Any, where: str, limit: int) -> Message:
    """A message whose text is not checked yet: with images it may be blank."""
    if not isinstance(item, Mapping):
        raise InvalidMessageError(f"{where} is not a dict but {type(item).__name__}.")
    if unknown := set(item) - {"role", "content"}:
        names = ", ".join(sorted(map(repr, unknown)))
        raise InvalidMessageError(f"{where} has unknown keys {names}: only role and content go.")
    role, content = item.get("role"), item.get("content")
    if role not in ROLES:
        raise InvalidMessageError(f"{where} has the role {role!r}: it must be one of {ROLES}.")
    if isinstance(content, str):
        return Message(role, content)
    if not isinstance(content, Sequence) or isinstance(content, (bytes, bytearray)):
        raise InvalidMessageError(
            f"{where} has content of type {type(content).__name__}: a string or a list of parts."
        )
    text, images = _parts(content, where, limit)
    if images and role != "user":
        raise InvalidMessageError(f"{where} has an image, and is not the user's but the {role}'s.")
    return Message(role, text, images)


def _parts(
    content: Sequence[Any], where: str, limit: int
) -> tuple[str, tuple[Image | Unread, ...]]:
    text = ""
    images: list[Image | Unread] = []
    for part in content:
        match dict(part) if isinstance(part, Mapping) else part:
            case {"type": "text", "text": str(words), **more} if not more:
                text += words
                continue
            case {"type": "image", "image": source, **more} if not more:
                pass
            case {"type": "image_url", "image_url": {"url": source} | source, **more} if not more:
                # A path here would be a mistake: the form is OpenAI's, whose servers read no files.
                if not isinstance(source, str) or not re.match(r"(?i)data:|[^:]*://", source):
                    raise InvalidMessageError(f"{where} has an image_url that is no data: URL.")
            case _:
                keys = f" with keys {sorted(map(str, part))}" if isinstance(part, Mapping) else ""
                raise InvalidMessageError(
                    f'{where} has a part that is not {{"type": "text", "text": "…"}} or {{"type":'
                    f' "image", "image": path, bytes or data: URL}}: a {type(part).__name__}{keys}.'
                )
        name = f"The image of {where[0].lower()}{where[1:]}"
        images.append(image_of(source, name, limit))
    return text, tuple(images)


def check_text(text: str, what: str) -> str:
    """`text`, if it can be sent: not blank, and proper Unicode.

    Raises:
        InvalidMessageError: it is not; the message begins with `what`.
    """
    if not text.strip():
        raise InvalidMessageError(f"{what} is empty.")
    if not text.isascii() and (found := _SURROGATE.search(text)):
        raise InvalidMessageError(
            f"{what} holds half a character (U+{ord(found[0]):04X} at {found.start()}), which no"
            " encoding can carry; decode the text it came from properly first."
        )
    return text


def with_system(messages: Sequence[Message], system: str | None) -> list[tuple[str, str]]:
    """The (role, text) pairs to send: all system text goes before the first user message.

    No dialect has a place for it.
    """
    texts = [system] if system else []
    texts += [message.text for message in messages if message.role == "system"]
    pairs = [(message.role, message.text) for message in messages if message.role != "system"]
    if texts:
        first = next(index for index, (role, _) in enumerate(pairs) if role == "user")
        pairs[first] = ("user", "\n\n".join(filter(None, [*texts, pairs[first][1]])))
    return pairs


def written_out(pairs: Sequence[tuple[str, str]]) -> str:
    """A whole conversation as one prompt, for sites that take no history from the client."""
    if len(pairs) == 1:
        return pairs[0][1]
    names = {"user": "User", "assistant": "Assistant"}
    return "\n\n".join(f"{names[role]}: {text}" for role, text in pairs)
