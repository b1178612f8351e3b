"""What a test can let the bot say."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

from ...sandbox.bot import ModelDropped

__all__ = ["Answer", "Gate", "Pieces", "checked", "piece_of", "said", "short"]

SHOWN = 80
"""Characters of a text that a report shows."""


class Gate:
    """A place in an answer where the bot waits until the test lets it go on.

    `SiteUnderTest.gate` makes one; it stands between an answer's chunks, as often as you like.
    """

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()
        self._over = False

    def __repr__(self) -> str:
        return f"<Gate, {'open' if self._opened.is_set() else 'shut'}>"

    def open(self) -> None:
        """Let the bot go on; an open gate stays open.  Any thread, any number of times."""
        self._opened.set()

    def wait(self, timeout: float = 10.0) -> None:
        """Wait until the bot has come to this gate, at most `timeout` seconds.

        Raises:
            AssertionError: it has not.
        """
        __tracebackhide__ = True
        if not self._reached.wait(timeout):
            raise AssertionError(f"The bot has not come to this gate within {timeout:g} s.")

    def _pass(self) -> None:
        self._reached.set()
        self._opened.wait()
        if self._over:
            raise ModelDropped

    def _end(self) -> None:
        self._over = not self._opened.is_set()
        self._opened.set()


Pieces = Iterable[str | Gate]
Answer = str | Pieces | Callable[[str], str | Pieces] | Exception
"""An answer of the bot: a text, which is streamed word by word; its chunks, with gates between
them; a function that gets the prompt (str) and gives one of these; or an error of the model."""


def checked(answer: Any, *, often: bool) -> Answer:
    """`answer`, if a bot can give it; `often` if it must be able to more than once.

    Raises:
        TypeError: it can't.
    """
    if isinstance(answer, type) and issubclass(answer, BaseException):
        raise TypeError(f"An answer is an exception, not its class: {answer.__name__}(…).")
    if inspect.iscoroutinefunction(answer) or inspect.isasyncgenfunction(answer):
        name = getattr(answer, "__name__", repr(answer))
        raise TypeError(f"The bot calls no coroutine functions such as {name}: use a plain one.")
    if isinstance(answer, Exception) or callable(answer):
        given: Answer = answer
        return given
    pieces = said(answer, "An answer is a str, an iterable of str and gates, a function of the"
                  " prompt, or an Exception")  # fmt: skip
    if often and not isinstance(pieces, str):
        pieces = list(pieces)
    if isinstance(pieces, Sequence) and not isinstance(pieces, str):
        for piece in pieces:
            piece_of(piece)
    return pieces


def said(value: Any, wanted: str) -> str | Pieces:
    """`value`, if it is a text or may hold the pieces of one; `wanted` begins the error.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, str):
        return value
    # To go through them would give numbers, keys, or an order by luck.
    no_text = isinstance(value, (bytes, bytearray, memoryview, Mapping, Set))
    if no_text or not isinstance(value, Iterable):
        raise TypeError(f"{wanted}, not {type(value).__name__}.")
    return value


def piece_of(value: Any) -> str | Gate:
    """`value`, if an answer can hold it.

    Raises:
        TypeError: it can't.
    """
    if isinstance(value, (str, Gate)):
        return value
    raise TypeError(f"A piece of an answer is a str or a gate, not {type(value).__name__}.")


def short(value: object) -> str:
    """`value` for a report: its repr, cut where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
