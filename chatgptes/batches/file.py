"""The file that a batch writes: one JSON line for each result.

A line is written in one piece, as soon as its turn has ended.  So after a kill at any moment at
most the last line is cut short, and no result was given for such a line.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from ..errors import ChatGptEsError, InvalidConfigError
from ..values.messages import Messages
from ..values.reply import Reply
from .prompts import Item

__all__ = ["BatchResult", "Journal", "results_of"]

_BEGINNING = b'{"id"'
"""The beginning of every line."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of one prompt of a batch: exactly one of `reply` and `error` is set.

    Attributes:
        id: the prompt's id (str or int), or where it has none its index.
        index: its place among the prompts, from 0 (int).
        digest: the beginning of the prompt's SHA-256 (str).
        reply: the answer (`Reply`), or None.
        error: why there is none (`ChatGptEsError`), or None.
        prompt: what was asked: a str, or a list of messages.
        columns: the prompt's "columns" (a dict).
    """

    id: str | int
    index: int
    digest: str
    reply: Reply | None = None
    error: ChatGptEsError | None = None
    prompt: Messages = ""
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True if there is an answer."""
        return self.reply is not None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as in a line of the file: plain JSON values."""
        fields: dict[str, Any] = {
            "id": self.id,
            "index": self.index,
            "digest": self.digest,
            "ok": self.ok,
            ("prompt" if isinstance(self.prompt, str) else "messages"): self.prompt,
        }
        if self.columns:
            fields["columns"] = dict(self.columns)
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


def _host_and_path(site: str) -> tuple[str | None, str]:
    """Return both, without the port, which is another one each time the sandbox starts."""
    parts = urlsplit(site)
    return parts.hostname, parts.path


def results_of(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the results in a file, in the prompts' order; of two with one id the later.

    Raises:
        OSError: it can't be read.
    """
    found: dict[str | int, dict[str, Any]] = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            fields = json.loads(line)
            found[fields["id"]] = fields
    return sorted(found.values(), key=lambda fields: int(fields["index"]))


class Journal:
    """The file of results: those of earlier runs are read, new ones are appended.

    Attributes:
        answered, failed: id -> digest of the file's lines; of two with one id the last counts.
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
            self._lock_file()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def _lock_file(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows has no lock that a kill releases as surely.
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidConfigError(f"Another batch is writing to {self.path} now.") from None
        except OSError:
            pass  # A file system without locks.

    def _read(self) -> None:
        self._file.seek(0)
        # Another program's file may be one line of many gigabytes: it is not read whole.
        if not _BEGINNING.startswith(self._file.read(len(_BEGINNING))):
            raise self._not_ours(1)
        self._file.seek(0)
        good = 0
        with open(self._file.fileno(), "rb", closefd=False) as reader:
            for number, line in enumerate(reader, 1):
                try:
                    self._remember(line, number)
                except InvalidConfigError:
                    # A kill cut the last line short: it is removed, and its prompt asked again.
                    # Not without proof that it is ours: whole lines before it, or enough of itself.
                    ours = good and _BEGINNING.startswith(line[: len(_BEGINNING)])
                    if line.endswith(b"\n") or not (ours or b'"digest": "' in line):
                        raise
                    self._file.truncate(good)
                    return
                good += len(line)
                if not line.endswith(b"\n"):  # An editor took it.
                    self._file.write(b"\n")

    def _remember(self, line: bytes, number: int) -> None:
        try:
            record = json.loads(line)
            name, digest, ok = record["id"], record["digest"], record["ok"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise self._not_ours(number) from None
        if not isinstance(name, (str, int)) or not isinstance(digest, str):
            raise self._not_ours(number)
        to, other = (self.answered, self.failed) if ok else (self.failed, self.answered)
        other.pop(name, None)
        to[name] = digest
        site, bot = record.get("site"), record.get("bot")
        if ok and isinstance(site, str) and isinstance(bot, str):
            self.asked = site, bot

    def _not_ours(self, number: int) -> InvalidConfigError:
        return InvalidConfigError(
            f"{self.path} is not a file of batch replies (line {number}): nothing was written to"
            " it. Give another file."
        )

    def check(self, item: Item) -> None:
        """Check that `item` is the prompt that the file's line with its id is of.

        Raises:
            InvalidConfigError: it is another prompt.
        """
        known = self.answered.get(item.id) or self.failed.get(item.id)
        if known is not None and known != item.digest:
            raise InvalidConfigError(
                f"{self.path} has a reply to another prompt with the id {item.id!r}: the prompts"
                " have changed since."
                " Give another file, or the prompts as they were; ids of your"
                ' own ({"id": …, "prompt": …}) let you add and move prompts.'
            )

    def check_site(self, site: str, bot: str | None) -> None:
        """Check that the file's answers are from this site and bot.

        Raises:
            InvalidConfigError: they are from another.
        """
        if self.asked is None:
            return
        if _host_and_path(self.asked[0]) != _host_and_path(site) or bot not in (
            None,
            self.asked[1],
        ):
            raise InvalidConfigError(
                f"{self.path} has replies of {self.asked[0]} (bot {self.asked[1]}): for another"
                " site or bot give another file."
            )

    def write(self, result: BatchResult) -> None:
        """Append one line.  From any thread; does nothing once the file is closed.

        Raises:
            OSError: it could not be written.
        """
        # ASCII: it can also hold half a character, should a site send one.
        line = json.dumps(result.to_dict()).encode("ascii") + b"\n"
        with self._lock:
            if self._file.closed:
                return
            if self._broken is not None:  # The file may end in half a line: append nothing to it.
                raise OSError(self._broken.errno, self._broken.strerror, str(self.path))
            try:
                while line:
                    line = line[self._file.write(line) :]
            except OSError as error:
                self._broken = error
                raise OSError(error.errno, error.strerror, str(self.path)) from None

    def close(self) -> None:
        """Close the file and release its lock."""
        with self._lock:
            self._file.close()
