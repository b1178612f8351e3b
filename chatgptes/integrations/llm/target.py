"""The site, bot and key of a turn of `llm`, by its options and by those of the conversation.

Neither a history nor a key goes where nobody sent it: see docs/howto/llm.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import llm
from llm.cli import get_model_options

from ...errors import Hint, InvalidConfigError
from ...values.checks import site_of
from ...values.urls import ascii_url, origin
from .history import NAME

if TYPE_CHECKING:
    from ...turn.config import ClientArguments

__all__ = ["STICKY", "Target", "target"]

STICKY = ("site", "bot", "transport", "proxy", "consent")
"""Options that a conversation keeps when they are not given again."""


class Target(NamedTuple):
    """Whom to ask: the client's arguments, and the options to keep, without passwords."""

    arguments: ClientArguments
    shown: dict[str, Any]


def target(options: Any, left: Mapping[str, Any], key: str | None) -> Target:
    """Return whom to ask, by the options given and those that the conversation had.

    Args:
        options: the model's `Options`.
        left: what the conversation's last answer left in llm's log.
        key: the owner's key, if one was given with the prompt.

    Raises:
        InvalidConfigError: a key was given without its site and bot; or a key is missing.
    """
    values = {name: getattr(options, name) for name in STICKY}
    values = {name: value for name, value in values.items() if value is not None}
    # llm passes what `llm models options set` stored on like options that the user gave; a
    # conversation that has begun keeps its own.
    stored = get_model_options(NAME) if left else {}
    given = {name: value for name, value in values.items() if stored.get(name) != str(value)}
    shown, rest = values, False
    if left and ("site" not in given or _page(given["site"]) == left.get("site")):
        # How to connect may be a default; whom to ask is the conversation's.
        ways: dict[str, Any] = {
            name: values[name] for name in ("transport", "proxy") if name in values
        }
        shown = {**ways, **left.get("options", {}), **given}
        rest = left.get("rest") is True
    arguments: Any = dict(shown)
    for name in {"site", "proxy"} & set(arguments):
        arguments[name] = _address(arguments[name])
    if key is not None and not rest and not {"site", "bot"} <= set(given):
        raise InvalidConfigError(
            "A key is for one bot of one site: name both (site and bot). Nothing was sent.",
            hint=Hint("bot", purpose="to name the bot by its number"),
        )
    key = key or _own_key(arguments)
    if rest and key is None:
        raise InvalidConfigError(
            "This conversation is with the owner's key: give it again.",
            hint=Hint("api_key", purpose="to give it"),
        )
    if key is not None:
        arguments["api_key"] = key
    return Target(arguments, {name: _without_login(value) for name, value in shown.items()})


def _own_key(arguments: Mapping[str, Any]) -> str | None:
    """Return the stored key whose name is the site's address, or the nearest above it.

    No other key is sent without `--key`: one host may have another WordPress in each folder.
    """
    if "site" not in arguments or not str(arguments.get("bot", "")).strip().isdigit():
        return None
    asked = _place(arguments["site"])
    keys: dict[str, str] = llm.load_keys()  # type: ignore[no-untyped-call]
    places = {name: _place(name) for name in keys if "://" in name and "?" not in name}
    above = [name for name, place in places.items() if place and asked[: len(place)] == place]
    return keys[max(above, key=lambda name: len(places[name]))] if above else None


def _place(url: str) -> list[str]:
    """Return the origin of `url` and the segments of its path; nothing if the client refuses it."""
    try:
        ascii_only = ascii_url(url.strip())
    except ValueError:
        return []
    path = urlsplit(ascii_only).path
    return [origin(ascii_only), *(segment for segment in path.split("/") if segment)]


def _address(given: str) -> str:
    """Return `given`, or the address stored under that name, such as one with a password."""
    stored = None if "://" in given else llm.get_key(alias=given)
    # It may be a key instead, which must not show in an error about addresses.
    return stored if stored and "://" in stored else given


def _page(given: str) -> str | None:
    """Return the page's address, or None; the client says what is wrong with one."""
    try:
        return site_of(_address(given)).url
    except InvalidConfigError:
        return None


def _without_login(value: Any) -> Any:
    if not isinstance(value, str) or "://" not in value:
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return "(an unreadable URL)"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
