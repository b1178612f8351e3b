"""The sandbox's "model": what stands where a real site asks OpenAI or another service.

Its failures are here once; how each shows in an answer is the dialects' business.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .pictures import kind_of

Message = dict[str, Any]
"""{"role", "content"}, and of a prompt with pictures "images": [(type, bytes), …]."""
Scripted = Callable[[list[Message]], "str | Iterable[str]"]
"""A user's own bot: gets the messages so far, the prompt last, and gives text or chunks of it."""

_SHOWN = 10


class ModelError(Exception):
    """The service answered with an error.

    Attributes:
        status: its HTTP status (int).
        code: its own name for the error (str).
    """

    def __init__(self, message: str, status: int = 500, code: str = "server_error") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ModelDropped(Exception):
    """The service broke the connection off."""


class ModelSpoke(Exception):
    """The service answered, but not as it was asked to: `body` is what came instead.

    Attributes:
        kind: "empty", "html", or "json" (`body` is the text of a whole completion that came where
            a stream was asked for).
    """

    def __init__(self, kind: str, body: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.body = body


def sandbox_answer(messages: list[Message]) -> str:
    """The built-in bot's answer, in Markdown."""
    asked = [message["content"] for message in messages if message["role"] == "user"]
    prompt, before = asked[-1], asked[:-1]
    lines = ["**I am the sandbox**, not a model: I answer in place of a site's bot.", ""]
    lines += ["You asked:", "", *(f"> {line}" for line in _lines(prompt)), ""]
    if images := messages[-1].get("images"):
        shown = "; ".join(f"{kind}, {len(data)} bytes" for kind, data in images)
        lines += [f"With it came {len(images)} image{'s'[: len(images) - 1]}: {shown}.", ""]
    if before:
        lines += [f"This is message {len(asked)} of our conversation; before, you said:", ""]
        first = max(0, len(before) - _SHOWN)
        lines += [
            f"{number}. {' '.join(said.split())}"
            for number, said in enumerate(before[first:], first + 1)
        ]
    else:
        lines.append("This is message 1 of our conversation.")
    return "\n".join(lines)


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\n|\r", text)


def words(text: str, per_chunk: int) -> Iterator[str]:
    """`text` in chunks of `per_chunk` words, white space kept."""
    pieces = re.findall(r"\s*\S+|\s+\Z", text)
    for at in range(0, len(pieces), per_chunk):
        yield "".join(pieces[at : at + per_chunk])


class Answer:
    """The model's answer to one prompt, chunk by chunk.

    Attributes:
        text: what has been said so far (str).
        finish: why it ended: "stop", "length", or None while it has not, or broke off unmarked.
    """

    def __init__(self, chunks: Iterable[str], finish: str | None = "stop") -> None:
        self.text = ""
        self.finish: str | None = None
        self._chunks = chunks
        self._finish = finish

    def __iter__(self) -> Iterator[str]:
        """The chunks.

        Raises:
            ModelError, ModelDropped, ModelSpoke: as the site meets them.
        """
        for chunk in self._chunks:
            self.text += chunk
            yield chunk
        self.finish = self._finish


class Model:
    """The service that every bot of a site asks.

    Args:
        script: a user's own bot, or None for the built-in one.
        words_per_chunk: how much text a chunk of the built-in bot holds (int, words).
    """

    name = "sandbox-1"

    def __init__(self, script: Scripted | None = None, words_per_chunk: int = 1) -> None:
        self.asked: list[list[Message]] = []
        self._script = script
        self._words = max(1, words_per_chunk)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def number(self) -> int:
        """A number that no other answer has."""
        return next(self._numbers)

    def ask(self, messages: list[Message], fault: str = "") -> Answer:
        """Ask for an answer to `messages`, which may meet a "model-…" fault on the way."""
        with self._lock:
            self.asked.append([dict(message) for message in messages])
        finish = {"model-length": "length", "model-no-end": None}.get(fault, "stop")
        return Answer(self._say(messages, fault), finish)

    def _say(self, messages: list[Message], fault: str) -> Iterator[str]:
        _fail_at_once(fault)
        for kind, data in messages[-1].get("images", ()):
            if kind_of(data) != kind:
                raise ModelError(f"This is no {kind}.", 400, "invalid_image_format")
        if fault == "model-json":
            raise ModelSpoke("json", "".join(self._chunks(messages)))
        chunks = self._chunks(messages)
        if fault not in _MIDWAY:
            yield from chunks
        else:
            yield from itertools.islice(chunks, 3)
            raise _MIDWAY[fault]()

    def _chunks(self, messages: list[Message]) -> Iterator[str]:
        if self._script is None:
            yield from words(sandbox_answer(messages), self._words)
            return
        chunks: Any = None
        try:
            chunks = self._script([dict(message) for message in messages])
            if isinstance(chunks, str):
                yield from words(chunks, self._words)
            else:
                yield from map(str, chunks)
        except GeneratorExit:
            raise
        except ModelError:
            raise
        except Exception as error:  # Whatever a user's script does wrong.
            raise ModelError(str(error) or type(error).__name__) from error
        finally:
            if hasattr(chunks, "close"):
                chunks.close()


_ERRORS = {
    "model-401": (401, "invalid_api_key", "The key this site uses for its model is not valid."),
    "model-429": (429, "insufficient_quota", "The site's account has no credit left for a model."),
    "model-500": (500, "server_error", "The model met a problem of its own. Sorry about that!"),
    "model-quotes": (400, "invalid_value", "No \"blue\" here.\nTry 'red' & <green> instead."),
}

_MIDWAY: dict[str, Callable[[], Exception]] = {
    "model-drop": ModelDropped,
    "model-error-mid": lambda: ModelError("The model gave up in the middle of its answer."),
}


def _fail_at_once(fault: str) -> None:
    if fault in _ERRORS:
        status, code, message = _ERRORS[fault]
        raise ModelError(message, status, code)
    if fault == "model-drop-start":
        raise ModelDropped
    if fault == "model-empty":
        raise ModelSpoke("empty", "")
    if fault == "model-html":
        raise ModelSpoke("html", "<html><body><h1>Out for lunch</h1></body></html>")
