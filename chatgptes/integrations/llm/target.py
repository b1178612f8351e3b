"""Whom a turn of `llm` asks, and with which key: by its options, and by what the conversation had.

Neither a history nor a key goes where nobody sent it: see docs/howto/llm.md.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import click
import llm

from ...errors import InvalidConfigError
from ...values.checks import site_of
from ...values.urls import ascii_url, origin
from .turn import NAME

if TYPE_CHECKING:
    from ...turn.config import ClientArguments

__all__ = ["STICKY", "Target", "filled_in", "target"]

STICKY = ("site", "bot", "transport", "proxy")
"""Options that a conversation goes on with when they are not given again."""
_WAYS = ("transport", "proxy")
"""Those of them that say how, not whom."""


class Target(NamedTuple):
    """Whom to ask.

    Attributes:
        arguments: those of the client.
        shown: the options that the conversation goes on with, without passwords.
    """

    arguments: ClientArguments
    shown: dict[str, Any]

    @property
    def rest(self) -> bool:
        """It is the REST API, with the owner's key."""
        return "api_key" in self.arguments


def filled_in(options: Any) -> frozenset[str]:
    """The names of those options that are in no command: `llm models options set` was.

    llm's program hands them over like those that its user wrote.  To be called in its thread.
    """
    command = click.get_current_context(silent=True)
    if command is None:
        return frozenset()  # From Python, llm fills in nothing.
    from llm.cli import get_model_options

    usual = get_model_options(NAME)
    pairs = command.params.get("options")
    written = {pair[0] for pair in pairs} if isinstance(pairs, tuple) else set()
    return frozenset(
        name
        for name in usual.keys() - written
        if str(getattr(options, name, None)) == str(usual[name])  # Else a template's.
    )


def target(
    options: Any, defaults: Container[str], left: Mapping[str, Any], key: str | None
) -> Target:
    """Whom to ask, by the options given and those that the conversation had.

    Args:
        options: the model's `Options`.
        defaults: names of those that nobody gave: the conversation's win over them.
        left: what the conversation's last answer left.
        key: the owner's key, if one was given with the prompt.

    Raises:
        InvalidConfigError: a key was given, and not whom it is for; or one is missing.
    """
    values = {name: getattr(options, name) for name in STICKY}
    values = {name: value for name, value in values.items() if value is not None}
    given = {name: value for name, value in values.items() if name not in defaults}
    shown, rest = values, False
    if left and ("site" not in given or _page(given["site"]) == left.get("site")):
        ways = {name: value for name, value in values.items() if name in _WAYS}
        shown = {**ways, **left.get("options", {}), **given}
        rest = left.get("rest") is True
    arguments: Any = dict(shown)
    for name in {"site", "proxy"} & set(arguments):
        arguments[name] = _address(arguments[name])
    if key is not None and not rest and not {"site", "bot"} <= set(given):
        raise InvalidConfigError(
            "A key is for one bot of one site: name both, with -o site URL and -o bot NUMBER."
            " Nothing was sent."
        )
    key = key or _own_key(arguments)
    if rest and key is None:
        raise InvalidConfigError(
            "This conversation is with the owner's key: give it again, with --key."
        )
    if key is not None:
        arguments["api_key"] = key
    return Target(arguments, {name: _without_login(value) for name, value in shown.items()})


def _own_key(arguments: Mapping[str, Any]) -> str | None:
    """The stored key whose name is the site's address, or the nearest above it.

    A key goes nowhere by itself but there: one host may have another WordPress in each folder.
    """
    if "site" not in arguments or not str(arguments.get("bot", "")).strip().isdigit():
        return None
    asked = _place(arguments["site"])
    keys: dict[str, str] = llm.load_keys()  # type: ignore[no-untyped-call]
    places = {name: _place(name) for name in keys if "://" in name and "?" not in name}
    above = [name for name, place in places.items() if place and asked[: len(place)] == place]
    return keys[max(above, key=lambda name: len(places[name]))] if above else None


def _place(url: str) -> list[str]:
    """The origin of `url` and the segments of its path; nothing if it can't be read."""
    try:
        ascii_only = ascii_url(url.strip())
    except ValueError:
        return []  # The client says what is wrong with it.
    path = urlsplit(ascii_only).path
    return [origin(ascii_only), *(segment for segment in path.split("/") if segment)]


def _address(given: str) -> str:
    """`given`, or the address that is stored under that name: one with a password in it, say."""
    stored = None if "://" in given else llm.get_key(alias=given)
    # What is stored there may be a key, which must not show up in an error about addresses.
    return stored if stored and "://" in stored else given


def _page(given: str) -> str | None:
    try:
        return site_of(_address(given)).url
    except InvalidConfigError:
        return None  # The client says so.


def _without_login(value: Any) -> Any:
    if not isinstance(value, str) or "://" not in value:
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return "(an unreadable URL)"  # The client says what is wrong with it.
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
