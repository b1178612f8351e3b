"""The form of an answer: status, headers, keys and types of its JSON, events and their order.

A form is written with Python's types: `{"success": bool, "data": {"id": str}}`.  A key that ends in
"?" may be missing; `None` is null; a tuple is a choice; a list's only item is the form of each;
`Json(form)` is a string with JSON in it.  Any other value stands for itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Json:
    """A string that holds JSON of a form."""

    form: Any


@dataclass(frozen=True)
class Event:
    """One event of a stream.

    Attributes:
        data: the form of its JSON, or its text.
        name: its `event` field, or "".
        often: "1", "?" for none or one, or "+" for one and more.
        fields: which other fields and comments it has.
    """

    data: Any
    name: str = ""
    often: str = "1"
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The form of a whole answer.

    Attributes:
        recorded: the exchange that it was seen in: a version, and a name there.
        headers: header -> pattern of its whole value; None for one that is not there.
        body: the form of its JSON, or its events, or the text that it has.
        before: patterns of the lines in front of it.
    """

    recorded: str
    status: int
    headers: Mapping[str, str | None]
    body: Any
    before: str = ""


@dataclass
class Response:
    """What is compared: from the sandbox, or from a recording."""

    status: int
    headers: Mapping[str, str]
    body: str = field(repr=False)


def problems(response: Response, expected: Answer) -> list[str]:
    """What is other than expected; empty if nothing is."""
    found = [] if response.status == expected.status else [f"status {response.status}"]
    for name, pattern in expected.headers.items():
        value = response.headers.get(name)
        if pattern is None or value is None:
            if value is not pattern:
                found.append(f"{name}: {value!r}")
        elif not re.fullmatch(pattern, value, re.DOTALL):
            found.append(f"{name}: {value!r} is not {pattern!r}")
    body = response.body
    if expected.before:
        match = re.match(expected.before, body, re.DOTALL)
        if match is None:
            return [*found, f"{body[:60]!r} does not begin with {expected.before!r}"]
        body = body[match.end() :]
    if isinstance(expected.body, str):
        return found if re.fullmatch(expected.body, body, re.DOTALL) else [*found, repr(body[:200])]
    if isinstance(expected.body, (list, tuple)):
        return found + _stream(body, expected.body)
    try:
        return found + list(differences(json.loads(body), expected.body, "body"))
    except ValueError as error:
        return [*found, f"{error}: {body[:100]!r}"]


_LINE = re.compile(r"([a-z]*):(.*)")


def _events(body: str) -> list[tuple[str, tuple[str, ...], str]]:
    events = []
    for block in body.split("\n\n"):
        name, others, data = "", [], []
        for line in block.split("\n") if block else ():
            match = _LINE.fullmatch(line)
            kind = match[1] if match else line
            value = match[2].removeprefix(" ") if match else ""
            if kind == "event":
                name = value
            elif kind == "data":
                data.append(value)
            else:
                others.append(kind or ":")
        if block:
            events.append((name, tuple(others), "\n".join(data)))
    return events


def _stream(body: str, expected: Sequence[Event]) -> list[str]:
    found = [] if not body or body.endswith("\n\n") else ["the last event is not ended"]
    events = _events(body)
    at = 0
    for event in expected:
        count = 0
        wrong = ["it is missing"]
        while at < len(events) and (count == 0 or event.often == "+"):
            wrong = _event(events[at], event)
            if wrong:
                break
            at, count = at + 1, count + 1
        if not count and event.often != "?":
            return [*found, f"event {at}: {'; '.join(wrong)}"]
    if at < len(events):
        found.append(f"event {at} too many: {events[at]}")
    return found


def _event(event: tuple[str, tuple[str, ...], str], expected: Event) -> list[str]:
    name, fields, data = event
    if (name, fields) != (expected.name, expected.fields):
        return [f"{name!r} with {fields}"]
    if isinstance(expected.data, str):
        return [] if data == expected.data else [repr(data)]
    try:
        return list(differences(json.loads(data), expected.data, "data"))
    except ValueError:
        return [f"no JSON: {data[:60]!r}"]


def differences(  # noqa: C901 - one branch for each kind of form.
    value: Any, form: Any, where: str
) -> Iterator[str]:
    """Yield how a JSON value differs from a form."""
    if isinstance(form, tuple):
        if all(list(differences(value, each, where)) for each in form):
            yield f"{where} is none of {form}: {value!r}"
    elif isinstance(form, Json):
        try:
            inner = json.loads(value)
        except (ValueError, TypeError):
            yield f"{where} holds no JSON: {value!r}"
        else:
            yield from differences(inner, form.form, f"{where} (JSON)")
    elif isinstance(form, (dict, list)):
        if type(value) is not type(form):
            yield f"{where} is {value!r}"
        elif isinstance(form, dict):
            yield from _of_object(value, form, where)
        else:
            for number, item in enumerate(value):
                yield from differences(item, form[0], f"{where}[{number}]")
    elif isinstance(form, type):
        if form is not object and type(value) is not form:
            yield f"{where} is {value!r}"
    elif value != form:
        yield f"{where} is {value!r}, not {form!r}"


def _of_object(value: dict[str, Any], form: dict[str, Any], where: str) -> Iterator[str]:
    known = {name.removesuffix("?"): each for name, each in form.items()}
    yield from (f"{where} has {name!r}" for name in value.keys() - known.keys())
    for name, each in known.items():
        if name in value:
            yield from differences(value[name], each, f"{where}.{name}")
        elif f"{name}?" not in form:
            yield f"{where} has no {name!r}"
