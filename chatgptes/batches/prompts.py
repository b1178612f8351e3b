"""The prompts of a batch, numbered and checked, from an iterable or from a file's text."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidMessageError
from .values import BatchResult

__all__ = ["SEPARATORS", "items_of", "prompts_of"]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
"""The separator of columns in a table, by the end of a file's name."""

_ONE_A_LINE = (
    'In JSON lines every line is a prompt of its own: {"prompt": "…"}, {"messages": […]} (both may '
    "have an \"id\"), or a JSON string. (jq -c '.[]' makes them of an array, jq -c . of objects.) "
    'Text that is JSON itself goes into {"prompt": "…"}.'
)
# The beginning of a prompt as an object, or of JSON that is an array or goes over several lines.
_JSON = re.compile(r'\s*(?:\{\s*(?:"(?:prompt|messages|id)"|\Z)|\[\s*(?:["{]|\Z))')


def items_of(prompts: Iterable[str | Mapping[str, Any]]) -> Iterator[BatchResult]:
    """Number and check `prompts`, one by one; the results are without reply or error yet.

    Raises:
        InvalidMessageError: one has a wrong shape, or an id that another has.
    """
    return _checked((f"Prompt {index}", prompt) for index, prompt in enumerate(prompts))


def _checked(prompts: Iterable[tuple[str, Any]]) -> Iterator[BatchResult]:
    """Give the items for (place, prompt) pairs."""
    seen: set[str | int] = set()
    for index, (where, prompt) in enumerate(prompts):
        item = _item(index, prompt, where)
        if item.id in seen:
            raise InvalidMessageError(f"{where}: an earlier prompt has the id {item.id!r} too.")
        seen.add(item.id)
        yield item


def _item(index: int, prompt: Any, where: str) -> BatchResult:
    fields = {"prompt": prompt} if isinstance(prompt, str) else prompt
    if not isinstance(fields, Mapping):
        raise InvalidMessageError(f"{where}: it is neither a string nor a dict.")
    asked = set(fields) - {"id", "columns"}
    if asked not in ({"prompt"}, {"messages"}):
        raise InvalidMessageError(
            f'{where}: it must have either "prompt" or "messages", and may have "id"; it has '
            f"{', '.join(sorted(repr(str(name)) for name in fields)) or 'nothing'}."
        )
    (key,) = asked
    name, columns, messages = fields.get("id", index), fields.get("columns", {}), fields[key]
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        raise InvalidMessageError(f"{where}: its id is neither a string nor a whole number.")
    if not isinstance(columns, Mapping):
        raise InvalidMessageError(f'{where}: "columns" must be an object (a dict).')
    if not isinstance(messages, str if key == "prompt" else list):
        kind = "a string" if key == "prompt" else "a list"
        raise InvalidMessageError(f"{where}: {key!r} must be {kind}.")
    try:
        # ASCII, so that even what can't be sent (half a character) has a digest.
        text = json.dumps(messages, sort_keys=True)
        json.dumps(columns)
    except (TypeError, ValueError, RecursionError):
        raise InvalidMessageError(
            f"{where}: its messages and columns must be plain JSON values."
        ) from None
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return BatchResult(name, index, digest, prompt=messages, columns=columns)


def prompts_of(text: str, name: str) -> list[str | dict[str, Any]]:
    """Return the prompts of a file: JSON lines, a table, or one on each line.

    Blank lines are skipped.  It is a table if its name ends in .csv or .tsv: its column "prompt" is
    asked, "id" is the prompt's id, and the others are its "columns".  It is JSON lines if its name
    ends in .jsonl or .ndjson, or if its first line is a JSON object.  JSON of any other form (an
    array, an object over several lines, objects below plain lines) is refused: its lines would be
    asked as if they were prompts.

    Args:
        text: what the file holds.
        name: what the file is called, for the errors.

    Raises:
        InvalidMessageError: a line is no prompt; the message names it.
    """
    suffix = Path(name).suffix.lower()
    prompts: list[tuple[str, Any]]
    if suffix in SEPARATORS:
        prompts = _prompts_of_table(text, name, SEPARATORS[suffix])
    else:
        # Not splitlines(): a prompt may hold U+2028 and other separators.
        lines = [
            (f"{name}, line {number}", line.removesuffix("\r"))
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]
        prompts = _prompts_of_lines(lines, is_json=suffix in (".jsonl", ".ndjson"))
    for _ in _checked(prompts):  # Here, where the lines' numbers are known.
        pass
    return [prompt for _, prompt in prompts]


def _prompts_of_lines(lines: list[tuple[str, str]], *, is_json: bool) -> list[tuple[str, Any]]:
    if is_json or (lines and _is_json(lines[0][1])):
        return [(where, _value(line, where)) for where, line in lines]
    for where, line in lines:
        # A list may be a part of a prompt.
        if line.lstrip().startswith("{") and _is_json(line.rstrip().removesuffix(",")):
            raise InvalidMessageError(
                f"{where}: this is JSON, but the file's first line is none, so all lines would be "
                f"asked as plain text. {_ONE_A_LINE}"
            )
    return list(lines)


def _is_json(line: str) -> bool:
    """Tell whether a line is a JSON object, or damaged JSON that would be a prompt."""
    if _JSON.match(line):
        return True
    try:
        return line.lstrip().startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _value(line: str, where: str) -> str | dict[str, Any]:
    try:
        value = json.loads(line)
        if isinstance(value, (str, dict)):
            return value
        why = "neither a string nor a dict"
    except json.JSONDecodeError as error:
        why = f"{error.msg}, column {error.colno}"
    except (ValueError, RecursionError):
        why = "a number is too long, or it is nested too deep"
    raise InvalidMessageError(f"{where}: it is no prompt in JSON ({why}). {_ONE_A_LINE}")


def _prompts_of_table(text: str, name: str, separator: str) -> list[tuple[str, dict[str, Any]]]:
    """Return (place, prompt) for each row of a table with a header."""
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
                if "prompt" not in header or len(set(header)) < len(header):
                    raise InvalidMessageError(
                        f'{where}: the header must have a column "prompt", and no name twice; it '
                        f"has {', '.join(map(repr, header))}. Commas separate the columns of .csv, "
                        "tabs those of .tsv."
                    )
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
