"""Stop sequences, which no site supports: found in the text as it arrives."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import InvalidConfigError

__all__ = ["StopFilter", "stop_words"]


def stop_words(stop: object) -> tuple[str, ...]:
    """Return the sequences of `stop` (str, a list of them, or None) as a tuple.

    Raises:
        InvalidConfigError: `stop` is none of those, or a sequence is empty.
    """
    words = (stop,) if isinstance(stop, str) else () if stop is None else stop
    if not isinstance(words, Sequence) or isinstance(words, (bytes, bytearray)):
        raise InvalidConfigError("stop must be a string or a list of strings.")
    if not all(isinstance(word, str) and word for word in words):
        raise InvalidConfigError("stop: each sequence must be a string that is not empty.")
    return tuple(words)


class StopFilter:
    """Pass text on, up to the first of `words`.

    Attributes:
        found: the sequence that ended the text (str), or None while none did.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self.found: str | None = None
        self._held = ""
        self._longest = max(map(len, words), default=1) - 1

    def take(self, piece: str) -> str:
        """Return the text to pass on now; an end in which a sequence may begin is held back."""
        text = self._held + piece
        hits = [(at, word) for word in self.words if (at := text.find(word)) >= 0]
        if hits:
            at, self.found = min(hits)
            self._held = ""
            return text[:at]
        end = max(len(text) - self._longest, 0)
        self._held = text[end:]
        return text[:end]

    def rest(self) -> str:
        """Return the held-back text, at the end of the answer."""
        held, self._held = self._held, ""
        return held
