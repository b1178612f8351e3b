"""The file that a batch writes: one JSON line for each result.

A line is written in one piece, as soon as its turn has ended.  So after a kill at any moment at
most the last line is cut short, and no result was given for such a line.
"""

from __future__ import annotations

import csv
import json
import os
import stat
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from urllib.parse import urlsplit

from ..errors import InvalidConfigError
from .values import BatchResult

__all__ = ["Journal", "results_of", "table_writer"]

_BEGINNING = b'{"id"'
"""The beginning of every line."""


def results_of(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the results in a file, in the prompts' order; of two with one id the later.

    Raises:
        OSError: it can't be read.
    """
    with open(path, encoding="utf-8") as file:
        found = {fields["id"]: fields for fields in map(json.loads, file)}
    return sorted(found.values(), key=lambda fields: int(fields["index"]))


def table_writer(file: TextIO, kept: Iterable[str]) -> Callable[[Mapping[str, Any]], None]:
    """Write a header as CSV; return a function that writes a result (`BatchResult.to_dict()`).

    Args:
        file: where to.
        kept: the names of the prompts' columns, which stand between our own.
    """
    before, after = ("id", "prompt"), ("text", "error", "message")
    # A kept column that has the name of one of ours would be there twice.
    names = [name for name in dict.fromkeys(kept) if name not in (*before, *after)]
    header = [*before, *names, *after]
    writer = csv.DictWriter(file, header, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()

    def write(fields: Mapping[str, Any]) -> None:
        columns = fields.get("columns", {})
        writer.writerow({**fields, **{name: columns.get(name) for name in names}})

    return write


class Journal:
    """The file of results: those of earlier runs are read, new ones are appended.

    Attributes:
        known: id -> digest of the prompt, and whether it was answered; of two lines with one id the
            last counts.
        asked: the site and bot of the last answer, or None.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.known: dict[str | int, tuple[str, bool]] = {}
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
        good = 0
        with open(self._file.fileno(), "rb", closefd=False) as reader:
            # Another program's file may be one line of many gigabytes: it is not read whole.
            if not _BEGINNING.startswith(reader.peek()[: len(_BEGINNING)]):
                raise self._not_ours(1)
            for number, line in enumerate(reader, 1):
                try:
                    self._remember(line)
                except (ValueError, TypeError, KeyError, RecursionError):
                    # A kill cut the last line short: it is removed, and its prompt asked again.
                    # Not without proof that it is ours: whole lines before it, or enough of itself.
                    ours = good and _BEGINNING.startswith(line[: len(_BEGINNING)])
                    if line.endswith(b"\n") or not (ours or b'"digest": "' in line):
                        raise self._not_ours(number) from None
                    self._file.truncate(good)
                    return
                good += len(line)
                if not line.endswith(b"\n"):  # An editor took it.
                    self._file.write(b"\n")

    def _remember(self, line: bytes) -> None:
        record = json.loads(line)
        name, digest, ok = record["id"], record["digest"], record["ok"]
        if not isinstance(name, (str, int)) or not isinstance(digest, str):
            raise TypeError
        self.known[name] = digest, bool(ok)
        site, bot = record.get("site"), record.get("bot")
        if ok and isinstance(site, str) and isinstance(bot, str):
            self.asked = site, bot

    def _not_ours(self, number: int) -> InvalidConfigError:
        return InvalidConfigError(
            f"{self.path} is not a file of batch replies (line {number}): nothing was written to"
            " it. Give another file."
        )

    def was_answered(self, item: BatchResult) -> bool | None:
        """Return whether a prompt was answered in an earlier run, or None if it was not asked.

        Raises:
            InvalidConfigError: the file has another prompt with its id.
        """
        digest, ok = self.known.get(item.id, (item.digest, None))
        if digest != item.digest:
            raise InvalidConfigError(
                f"{self.path} has a reply to another prompt with the id {item.id!r}: the prompts"
                " have changed since. Give another file, or the prompts as they were; ids of your"
                ' own ({"id": …, "prompt": …}) let you add and move prompts.'
            )
        return ok

    def check_site(self, site: str, bot: str | None) -> None:
        """Check that the file's answers are from this site and bot.

        Raises:
            InvalidConfigError: they are from another.
        """
        if self.asked is None:
            return
        old, new = urlsplit(self.asked[0]), urlsplit(site)
        # Without the port, which is another one each time the sandbox starts.
        same = (old.hostname, old.path) == (new.hostname, new.path)
        if not same or bot not in (None, self.asked[1]):
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
            try:
                if self._broken is not None:  # The file may end in half a line: append nothing.
                    raise self._broken
                while line:
                    line = line[self._file.write(line) :]
            except OSError as error:
                self._broken = error
                raise OSError(error.errno, error.strerror, str(self.path)) from None

    def close(self) -> None:
        """Close the file and release its lock."""
        with self._lock:
            self._file.close()
