"""Tables of prompts and of replies: CSV and TSV with a header."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

from ..errors import InvalidMessageError

__all__ = ["SEPARATORS", "table_prompts", "table_writer"]

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
    header: list[str] = []
    found = []
    try:
        for row in reader:
            where = f"{name}, line {reader.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = [cell.strip() for cell in row]
                _check_header(header, where)
                continue
            if len(row) != len(header):
                raise InvalidMessageError(
                    f"{where}: the header has {len(header)} columns, and this row {len(row)}."
                    " A value with a separator in it stands in double quotes."
                )
            columns = dict(zip(header, row, strict=True))
            prompt: dict[str, Any] = {"prompt": columns.pop("prompt")}
            if given := columns.pop("id", ""):
                prompt["id"] = given
            if columns:
                prompt["columns"] = columns
            found.append((where, prompt))
    except csv.Error as error:
        raise InvalidMessageError(
            f"{name}, line {reader.line_num}: {error}. A value that begins with a double quote ends"
            ' with one, and has each quote in it twice ("").'
        ) from None
    return found


def _check_header(header: list[str], where: str) -> None:
    if "prompt" not in header:
        hint = (
            " Commas separate the columns of .csv, tabs those of .tsv." if header[1:] == [] else ""
        )
        names = ", ".join(map(repr, header))
        raise InvalidMessageError(
            f'{where}: the header has no column "prompt"; it has {names}.{hint}'
        )
    if twice := {cell for cell in header if header.count(cell) > 1}:
        raise InvalidMessageError(f"{where}: the header has {min(twice)!r} twice.")


def table_writer(file: TextIO, kept: Iterable[str]) -> Callable[[Mapping[str, Any]], None]:
    """Write a header as CSV; return a function that writes a result (`BatchResult.to_dict()`).

    Args:
        file: where to.
        kept: the names of the prompts' columns, which stand between our own.
    """
    # A kept column that has the name of one of ours would be there twice.
    names = [name for name in dict.fromkeys(kept) if name not in _OURS]
    header = [*_OURS[:2], *names, *_OURS[2:]]
    writer = csv.DictWriter(file, header, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()

    def write(fields: Mapping[str, Any]) -> None:
        columns = fields.get("columns", {})
        writer.writerow({**fields, **{name: columns.get(name) for name in names}})

    return write
