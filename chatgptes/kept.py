"""The files that are kept between two runs: history, last conversation, visitors' ids.

They are in the user's data folder, or in that of CHATGPTES_DATA; only their owner may read them.
An empty CHATGPTES_DATA keeps nothing.  A file that can't be written is no failure of a turn.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

from .conversation import Conversation
from .conversation.saved import read, temporary_file
from .errors import InvalidConfigError
from .turn.config import Config
from .values.checks import check_visitor
from .values.urls import origin

__all__ = [
    "DATA_VARIABLE", "KeptVisitor", "forget", "history_file", "keep", "kept_visitor",
    "last_conversation",
]  # fmt: skip

DATA_VARIABLE = "CHATGPTES_DATA"
_LAST, _VISITORS = "last.json", "visitors"


def _folder() -> Path | None:
    """Return the folder, or None if nothing is kept."""
    given = os.environ.get(DATA_VARIABLE)
    if given is not None:
        return Path(os.path.expanduser(given)) if given.strip() else None
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
        _make(folder)
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
    text = json.dumps(conversation.to_dict() | {"bot": bot})
    with contextlib.suppress(OSError):
        _make(folder)
        # A rename, so that a second program finds the one file or the other.
        with temporary_file(folder / _LAST, text) as made:
            os.replace(made, folder / _LAST)


def forget(conversation_id: str) -> None:
    """Remove the last conversation if it is this one, which its user has deleted."""
    folder = _folder()
    with contextlib.suppress(InvalidConfigError, OSError):
        if folder is not None and last_conversation().get("id") == conversation_id:
            (folder / _LAST).unlink()


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def last_conversation(site: str | None = None) -> dict[str, Any]:
    """Return the last conversation: what `Conversation.to_dict()` gave, and its "bot".

    Args:
        site: the address of the page that it must be with, if given.

    Raises:
        InvalidConfigError: there is none, or not with that page.
    """
    folder = _folder()
    if folder is None:
        raise InvalidConfigError(
            "No conversation is kept: that needs platformdirs (pip install platformdirs) or the"
            f" variable {DATA_VARIABLE}, a folder."
        )
    path = folder / _LAST
    try:
        fields = dict(read(path))
    except FileNotFoundError:
        raise InvalidConfigError("There is no last conversation to continue yet.") from None
    home = fields.get("site")
    if not isinstance(home, str):
        raise InvalidConfigError(f"{path} holds no conversation.")
    # The address may have a user name and a password, which are not kept.
    if site is not None and Config.of({"site": site}).site != home:
        raise InvalidConfigError(f"The last conversation is one with {home}.")
    return fields


class KeptVisitor(NamedTuple):
    """The id that a site knows the user by, for `Client(visitor=…)`, and the file that keeps it."""

    id: str
    path: Path
    is_new: bool


def kept_visitor(site: str) -> KeptVisitor | None:
    """Return the user's id for the site of an address; make one if there is none.

    A site is what it is to browsers, in whose storage the plugins' own scripts keep such an id:
    scheme, host and port.  Each has its own file, so that no id can get to another one, and
    programs that run at once need no lock: the file is made once, whole, by the first.

    Returns:
        None where nothing is kept.

    Raises:
        InvalidConfigError: the file holds no id for this site.
        OSError: the file can't be read or written.
    """
    folder = _folder()
    if folder is None:
        return None
    folder, where = folder / _VISITORS, origin(site)
    path = folder / f"{quote(where, safe='')}.json"
    with contextlib.suppress(FileNotFoundError):
        return KeptVisitor(_read_visitor(path, where), path, is_new=False)
    made = str(uuid4())
    _make(folder.parent)
    _make(folder)
    with temporary_file(path, json.dumps({"site": where, "visitor": made})) as file:
        if _publish(file, path):
            return KeptVisitor(made, path, is_new=True)
    return KeptVisitor(_read_visitor(path, where), path, is_new=False)


def _publish(file: Path, path: Path) -> bool:
    """Give a whole file its name, if nothing has it yet; tell whether it got it."""
    try:
        os.link(file, path)
    except OSError:  # Some file systems have no links.  Windows' rename replaces nothing.
        if os.path.lexists(path):
            return False
        os.rename(file, path)
    return True


def _read_visitor(path: Path, site: str) -> str:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["site"] != site or check_visitor(fields["visitor"]) is None:
            raise ValueError
        return str(fields["visitor"])
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InvalidConfigError(
            f"{path} holds no visitor's id for {site}: remove it, and a new one is made."
        ) from None
