"""The files that are kept between two runs: the history of `chat`, and the last conversation.

They are in the user's data folder, or in that of CHATGPTES_DATA; only their owner may read them.
An empty CHATGPTES_DATA keeps nothing.  A file that can't be written is no failure of a turn.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from .conversation import Conversation, write_json
from .errors import InvalidConfigError

__all__ = ["DATA_VARIABLE", "history_file", "keep", "last_conversation"]

DATA_VARIABLE = "CHATGPTES_DATA"
_LAST = "last.json"


def _folder() -> Path | None:
    """Return the folder, or None if nothing is kept."""
    given = os.environ.get(DATA_VARIABLE)
    if given is not None:
        return Path(given).expanduser() if given.strip() else None
    try:
        from platformdirs import user_data_path
    except ImportError:
        return None
    return user_data_path("chatgptes", appauthor=False)


def history_file() -> Path | None:
    """Return the file of the messages written in `chat`, or None if it can't be kept."""
    folder = _folder()
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "history"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        return None
    return path


def keep(conversation: Conversation, bot: str | None) -> None:
    """Keep a conversation with a bot as the last one, for `-c`."""
    folder = _folder()
    if folder is None:
        return
    fields = conversation.to_dict() | {"bot": bot}
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(folder / _LAST, fields)


def last_conversation() -> dict[str, Any]:
    """Return the last conversation: what `Conversation.to_dict()` gave, and its "bot".

    Raises:
        InvalidConfigError: there is none.
    """
    folder = _folder()
    if folder is None:
        raise InvalidConfigError(
            "No conversation is kept: that needs platformdirs (pip install platformdirs) or the"
            f" variable {DATA_VARIABLE}, a folder."
        )
    path = folder / _LAST
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidConfigError("There is no last conversation to continue yet.") from None
    except ValueError as error:
        raise InvalidConfigError(f"{path} is damaged: {error}.") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("site"), str):
        raise InvalidConfigError(f"{path} holds no conversation.")
    return fields
