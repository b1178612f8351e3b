"""Tables of prompts and of replies: CSV and TSV with a header."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from ..errors import InvalidMessageError

__all__ = ["SEPARATORS", "TableWriter", "table_prompts"]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
"""The separator of columns, by the end of a file's name."""
_OURS = ("id", "prompt", "text", "error", "message")
"""Columns of a table of replies, around those that are kept."""


def table_prompts(text: str, name: str, separator: str) -> list[tuple[str, dict[str, Any]]]:
    """Return (place, prompt) for each row of a table.

    The column "prompt" is asked, "id" is the prompt's id, and the others are its "columns".

    Args:
        text: the table, with a header.
        name: what the file is called, for the errors.
        separator: what stands between two columns.

    Raises:
        InvalidMessageError: there is no column "prompt", or a row does not fit the header.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    found = []
    try:
        for row in reader:
            where = f"{name}, line {reader.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = _header(row, where)
                continue
            if len(row) != len(header):
                raise InvalidMessageError(
                    f"{where}: the header has {len(header)} columns, and this row {len(row)}."
                    " A value with a separator in it stands in double quotes."
                )
            found.append((where, _prompt(dict(zip(header, row, strict=True)))))
    except csv.Error as error:
        raise InvalidMessageError(
            f"{name}, line {reader.line_num}: {error}. A value that begins with a double quote ends"
            ' with one, and has each quote in it twice ("").'
        ) from None
    return found


def _header(row: list[str], where: str) -> list[str]:
    header = [cell.strip() for cell in row]
    if "prompt" not in header:
        hint = (
            "" if len(header) > 1 else " Commas separate the columns of .csv, tabs those of .tsv."
        )
        names = ", ".join(map(repr, header))
        raise InvalidMessageError(
            f'{where}: the header has no column "prompt"; it has {names}.{hint}'
        )
    twice = {cell for cell in header if header.count(cell) > 1}
    if twice:
        raise InvalidMessageError(f"{where}: the header has {min(twice)!r} twice.")
    return header


def _prompt(fields: dict[str, str]) -> dict[str, Any]:
    prompt: dict[str, Any] = {"prompt": fields.pop("prompt")}
    if name := fields.pop("id", ""):
        prompt["id"] = name
    return prompt | {"columns": fields} if fields else prompt


class TableWriter:
    """Writes replies as CSV: id, prompt, the kept columns, text, error, message.

    Args:
        file: where to.
        kept: the names of the kept columns.
    """

    def __init__(self, file: TextIO, kept: Iterable[str]) -> None:
        # A kept column that has the name of one of ours would be there twice.
        self._kept = [name for name in dict.fromkeys(kept) if name not in _OURS]
        header = [*_OURS[:2], *self._kept, *_OURS[2:]]
        self._writer = csv.DictWriter(file, header, extrasaction="ignore", lineterminator="\n")
        self._writer.writeheader()

    def write(self, fields: Mapping[str, Any]) -> None:
        """Write one result, given as `BatchResult.to_dict()` gives it."""
        columns = fields.get("columns", {})
        self._writer.writerow({**fields, **{name: columns.get(name) for name in self._kept}})
