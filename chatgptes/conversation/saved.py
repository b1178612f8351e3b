"""The form in which a conversation is saved: plain JSON values, in a dict or a file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InvalidConfigError, InvalidMessageError
from ..values.http import Limits
from ..values.images import Unread
from ..values.messages import Message, check

__all__ = ["VERSION", "Source", "messages_of", "read", "temporary_file"]

Source = Mapping[str, Any] | str | os.PathLike[str]
"""What a conversation continues from: a dict of `to_dict`, or the path of its file."""

VERSION = 1
_NO_LIMITS = Limits(prompt=1 << 40, image=1 << 40)  # Whatever was sent once is restored.


def messages_of(saved: Mapping[str, Any]) -> list[Message]:
    """Check what `Conversation.to_dict` gave, or somebody else wrote; return its messages.

    Raises:
        InvalidConfigError: it is no saved conversation.
    """
    if saved.get("version") != VERSION:
        raise InvalidConfigError(
            f"This is no saved conversation of version {VERSION}: its version is"
            f" {saved.get('version')!r}."
        )
    texts = [saved.get(name) for name in ("id", "visitor", "memory")]
    state, system, messages = saved.get("state"), saved.get("system"), saved.get("messages")
    if (
        not all(isinstance(text, str) for text in texts)
        or not (texts[0] and texts[1])
        or not isinstance(state, Mapping)
        or not all(isinstance(item, str) for pair in state.items() for item in pair)
        or not (system is None or isinstance(system, str))
        or not isinstance(messages, list)
        or len(messages) % 2
    ):
        raise _damaged("something is missing.")
    try:
        json.dumps([texts, dict(state), system, messages], ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:  # Half a character is a UnicodeEncodeError.
        raise _damaged(f"it can't be written again ({error}).") from None
    return [_message(index, item) for index, item in enumerate(messages)]


def _message(index: int, item: Any) -> Message:
    role = ("user", "assistant")[index % 2]
    if not isinstance(item, Mapping) or item.get("role") != role:
        raise _damaged(f"message {index} is not the {role}'s.")
    content = item.get("content")
    if isinstance(content, str):
        return Message(role, content)
    try:
        (message,) = check([{"role": role, "content": content}], _NO_LIMITS)
    except InvalidMessageError as error:
        raise _damaged(f"message {index}: {error}") from None
    # A file that somebody else wrote must not make us read others.
    if not all(isinstance(each, Unread) and each.is_data for each in message.images):
        raise _damaged(f"message {index} is not as save() writes it.")
    return message


def _damaged(why: str) -> InvalidConfigError:
    return InvalidConfigError(f"The saved conversation is damaged: {why}")


def read(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return what a file holds; `messages_of` checks it.

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


@contextmanager
def temporary_file(target: Path, text: str) -> Iterator[Path]:
    """Write a file beside `target`, which only its owner may read; remove it after the block.

    Raises:
        OSError: it can't be written.
    """
    # mkstemp makes it with mode 0600, in the same folder, so that a rename is atomic.
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:50]}.", dir=target.parent)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
