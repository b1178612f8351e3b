"""The file that a batch writes: one JSON line a result.

A line is written whole, in one piece, as soon as its turn has ended; so after a kill
at any moment at most the last line is torn, and a torn line was never a reply that was counted.
"""

from __future__ import annotations

import json
import os
import re
import stat
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from ..errors import ChatGptEsError, InvalidConfigError
from ..values.reply import Reply
from .prompts import Item

__all__ = ["BatchResult", "Journal"]

# What every line of ours begins with, in its parts: a torn end of anything else is not ours to cut.
_BEGINNING = b'{"id": '
_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*'  # A string without its end.
_ID = re.compile(rb'\{"id": (?:-?\d+|' + _TEXT + rb'")')
_TORN_ID = re.compile(rb'\{"id": (?:-|' + _TEXT + rb"\\?)")
_INDEX = re.compile(rb', "index": \d+')
_DIGEST = b', "digest": "'
# The same, as other programs may have written it anew.
_OURS = re.compile(
    rb'\s*\{\s*"id"\s*:\s*(?:-?\d+|' + _TEXT + rb'")\s*,\s*"index"\s*:\s*\d+\s*,'
    rb'\s*"digest"\s*:\s*"'
)
_START = 65_536
"""Bytes in which a line of ours shows what it is."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one prompt of a batch: exactly one of `reply` and `error` is there.

    Attributes:
        id: the prompt's id (str or int), or where it has none its index.
        index: its place among the prompts, from 0 (int).
        digest: the beginning of the prompt's SHA-256 (str).
        reply: the answer (`Reply`), or None.
        error: why there is none (`ChatGptEsError`), or None.
    """

    id: str | int
    index: int
    digest: str
    reply: Reply | None = None
    error: ChatGptEsError | None = None

    @property
    def ok(self) -> bool:
        """There is an answer."""
        return self.reply is not None

    def to_dict(self) -> dict[str, Any]:
        """As a line of the file says it: plain JSON values."""
        fields: dict[str, Any] = {
            "id": self.id,
            "index": self.index,
            "digest": self.digest,
            "ok": self.ok,
        }
        if self.reply is not None:
            return fields | asdict(self.reply)
        error = self.error
        assert error is not None
        return fields | {
            "error": type(error).__name__,
            "message": str(error),
            "url": error.url,
            "status": error.status,
            "partial": getattr(error, "partial", None),
        }


def _torn(line: bytes) -> bool:
    """Can this be the beginning of a line of ours?"""
    if len(line) <= len(_BEGINNING):
        return _BEGINNING.startswith(line)
    found = _ID.match(line)
    if found is None:
        return _TORN_ID.fullmatch(line) is not None
    rest = line[found.end() :]
    found = _INDEX.match(rest)
    if found is None:
        return b', "index": '.startswith(rest)
    rest = rest[found.end() :]
    return rest.startswith(_DIGEST) or _DIGEST.startswith(rest)


def _whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _place(site: str) -> tuple[str | None, str]:
    """Where a site is; not its port, which a stand-in on this machine has anew each time."""
    parts = urlsplit(site)
    return parts.hostname, parts.path


class Journal:
    """The file of replies: what was written before, and where further ones go.

    Attributes:
        answered, failed: id -> digest of what the file has; for an id the last line counts.
        asked: the site and bot of the last answer, or None.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.answered: dict[str | int, str] = {}
        self.failed: dict[str | int, str] = {}
        self.asked: tuple[str, str] | None = None
        self._lock = threading.Lock()
        self._broken: OSError | None = None
        # Unbuffered: a line is in the system's hands when write() returns, and outlives a kill.
        self._file: BinaryIO = open(self.path, "a+b", buffering=0)  # noqa: SIM115
        try:
            if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                raise InvalidConfigError(f"{self.path} is no regular file.")
            self._alone()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def _alone(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: nothing of the kind that a kill would undo as surely.
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidConfigError(f"Another batch is writing to {self.path} now.") from None
        except OSError:
            pass  # A file system without locks.

    def _read(self) -> None:
        self._file.seek(0)
        start = self._file.read(_START)
        # Somebody else's file may be one line of many gigabytes, not to be read whole.
        if len(start) == _START and b"\n" not in start and not _OURS.match(start):
            raise self._foreign(1)
        self._file.seek(0)
        good = 0
        line = b""
        number = 0
        with open(self._file.fileno(), "rb", closefd=False) as reader:
            for number, line in enumerate(reader, 1):
                if not line.endswith(b"\n"):
                    break
                self._remember(line, number)
                good += len(line)
            else:
                return
        if _whole(line):
            # Ours, if an editor took its line end; if it is anybody else's, this raises.
            self._remember(line, number)
            self._file.write(b"\n")
            return
        # The last line was torn by a kill: it is cut off, and its prompt asked again.
        if not _torn(line):
            raise self._foreign(number)
        self._file.truncate(good)

    def _remember(self, line: bytes, number: int) -> None:
        try:
            record = json.loads(line)
            name, digest, ok = record["id"], record["digest"], record["ok"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise self._foreign(number) from None
        if not isinstance(name, (str, int)) or not isinstance(digest, str):
            raise self._foreign(number)
        to, other = (self.answered, self.failed) if ok else (self.failed, self.answered)
        other.pop(name, None)
        to[name] = digest
        site, bot = record.get("site"), record.get("bot")
        if ok and isinstance(site, str) and isinstance(bot, str):
            self.asked = site, bot

    def _foreign(self, number: int) -> InvalidConfigError:
        return InvalidConfigError(
            f"{self.path} is not a file of batch replies (line {number}): nothing was written to"
            " it. Give another file."
        )

    def check(self, item: Item) -> None:
        """Is `item` what the file's line with its id has answered?

        Raises:
            InvalidConfigError: it is another prompt.
        """
        known = self.answered.get(item.id) or self.failed.get(item.id)
        if known is not None and known != item.digest:
            raise InvalidConfigError(
                f"{self.path} has a reply to another prompt with the id {item.id!r}: the prompts"
                " were changed since. Give another file, or the prompts as they were; ids of your"
                ' own ({"id": …, "prompt": …}) let you add and move prompts.'
            )

    def check_site(self, site: str, bot: str | None) -> None:
        """Are the file's answers from the site and bot that are to be asked?

        Raises:
            InvalidConfigError: they are another's.
        """
        if self.asked is None:
            return
        if _place(self.asked[0]) != _place(site) or bot not in (None, self.asked[1]):
            raise InvalidConfigError(
                f"{self.path} has replies of {self.asked[0]} (bot {self.asked[1]}): for another"
                " site or bot give another file."
            )

    def write(self, result: BatchResult) -> None:
        """Append one line; any thread.  Once it is closed, nothing: nobody waited for the result.

        Raises:
            OSError: it could not be written.
        """
        # ASCII: it also holds half a character, should a site send one.
        line = json.dumps(result.to_dict()).encode("ascii") + b"\n"
        with self._lock:
            if self._file.closed:
                return
            if self._broken is not None:  # There may be half a line, and nothing goes behind it.
                raise OSError(self._broken.errno, self._broken.strerror, str(self.path))
            try:
                while line:
                    line = line[self._file.write(line) :]
            except OSError as error:
                self._broken = error
                raise OSError(error.errno, error.strerror, str(self.path)) from None

    def close(self) -> None:
        """Close the file, and let another batch have it."""
        with self._lock:
            self._file.close()
