"""The bots that the elements of a page show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ..errors import UnexpectedFormatError
from .dialect import BufferedResponse, Endpoint, FoundBot
from .html import Tag, attributes, tags

__all__ = ["bots_in_elements", "collect"]


def collect(attempts: Iterable[Callable[[], Iterable[FoundBot]]]) -> list[FoundBot]:
    """Return all that the attempts find; the error of one matters only where none finds any.

    Raises:
        UnexpectedFormatError: nothing was found, and an attempt raised this.
    """
    found: list[FoundBot] = []
    bad: UnexpectedFormatError | None = None
    for attempt in attempts:
        try:
            found += attempt()
        except UnexpectedFormatError as error:
            bad = bad or error
    if bad is not None and not found:
        raise bad
    return found


def bots_in_elements(
    page: BufferedResponse,
    classes: Sequence[bytes],
    endpoint_of: Callable[[Tag, dict[str, str]], Endpoint | None],
) -> list[FoundBot]:
    """Return the bots in those elements of a page that have one of `classes`.

    `endpoint_of` returns the bot that an element with these attributes shows, or None, or raises
    `UnexpectedFormatError`: see `collect`.
    """

    def bots_in(tag: Tag) -> Iterable[FoundBot]:
        endpoint = endpoint_of(tag, attributes(tag))
        return [] if endpoint is None else [FoundBot(tag.start, endpoint)]

    return collect(partial(bots_in, tag) for tag in tags(page.body, classes))
