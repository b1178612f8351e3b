"""The keyword arguments of one turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from ..errors import InvalidConfigError
from ..values.deadline import Timeout
from ..values.images import ImageSource

__all__ = ["TurnOptions", "check_names"]


class TurnOptions(TypedDict, total=False):
    """The keyword arguments of one turn.

    Attributes:
        images: pictures that go with the prompt: paths, bytes, or `data:` URLs.  A `wpaicg` site
            takes one (jpeg, png, webp, gif), an `aipkit` bot that takes any up to four (jpeg,
            png, webp), an `mwai` bot as many as its page says (mostly one), the REST APIs none.
        web_search: ask the bot to search the web, where it offers that (`Bot.web_search`).
        timeout: limits of this turn: a `Timeout`, or seconds for the whole of it.
    """

    images: Sequence[ImageSource]
    web_search: bool
    timeout: Timeout | float | None


def check_names(arguments: Mapping[str, object], known: type, whose: str) -> None:
    """Refuse keyword arguments that the TypedDict `known` does not have."""
    if "model" in arguments:
        raise InvalidConfigError(
            "model: the site's owner chooses the model of a bot, nobody else can; Reply.model tells"
            " it where the site does."
        )
    if unknown := set(arguments) - set(known.__annotations__):
        raise TypeError(f"{whose} has no argument {', '.join(sorted(unknown))}.")
