"""A turn taken by hand: its steps, answered from a list, without a socket, thread or loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chatgptes import Reply
from chatgptes.turn.config import Config
from chatgptes.turn.core import Core
from chatgptes.turn.steps import Read, Step, Steps, Text, Wait
from chatgptes.turn.take import new_turn
from chatgptes.values.http import Headers, Request

SITE = "http://site.test/chat/"


@dataclass
class Canned:
    """A response: its head, and the pieces of its body; an exception among them is raised."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Sequence[bytes | BaseException] = ()
    url: str = ""
    closed: bool = False

    def close(self) -> None:
        self.closed = True


def handed_on(step: Any) -> list[str]:
    """The text that a step hands on."""
    if isinstance(step, Text):
        return list(step.chunks)
    return list(step.text or ()) if isinstance(step, Read) else []


@dataclass
class ByHand:
    """Performs a turn's steps with canned responses.

    Attributes:
        responses: what the requests get, in order; an exception is raised instead.
        requests: those that were sent.
        waits: the seconds that were waited for.
        texts: what was handed on, step by step.
    """

    responses: list[Canned | BaseException]
    requests: list[Request] = field(default_factory=list)
    waits: list[float | None] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    opened: list[Canned] = field(default_factory=list)

    def take(self, steps: Steps[Reply]) -> Reply:
        """Take all steps; the reply."""
        result: Any = None
        error: BaseException | None = None
        try:
            while True:
                step = steps.send(result) if error is None else steps.throw(error)
                result, error = None, None
                self.texts += handed_on(step)
                try:
                    result = self.perform(step)
                except BaseException as caught:
                    error = caught
        except StopIteration as end:
            reply: Reply = end.value
            return reply

    def perform(self, step: Step) -> Any:
        """The result of a step."""
        if isinstance(step, Text):
            return None
        if isinstance(step, Wait):
            self.waits.append(step.seconds)
            return step.signal is None or step.signal.is_set
        if isinstance(step, Read):
            left = self.bodies[id(step.response)]
            piece = left.pop(0) if left else b""
            if isinstance(piece, BaseException):
                raise piece
            return piece
        self.requests.append(step.request)
        response = self.responses.pop(0)
        if isinstance(response, BaseException):
            raise response
        response.url = response.url or step.request.url
        self.opened.append(response)
        return _with_headers(response)

    @property
    def bodies(self) -> dict[int, list[bytes | BaseException]]:
        """What is left of each body that was opened."""
        if not hasattr(self, "_bodies"):
            self._bodies: dict[int, list[bytes | BaseException]] = {}
        for response in self.opened:
            self._bodies.setdefault(id(response), list(response.body))
        return self._bodies


def _with_headers(response: Canned) -> Canned:
    response.headers = Headers(response.headers)  # type: ignore[assignment]
    return response


def core(**arguments: Any) -> Core:
    """The core of a client of `SITE`."""
    return Core(Config.of({"site": SITE, **arguments}))


def ask(
    responses: Iterable[Canned | BaseException], prompt: Any = "Hello", **arguments: Any
) -> tuple[Reply, ByHand]:
    """Ask `prompt` and give the responses to the requests; the reply, and what went on."""
    hand = ByHand(list(responses))
    turn = new_turn(arguments.pop("core", None) or core(**arguments), prompt, {})
    turn.deadline.resume()
    try:
        reply = hand.take(turn.take("me"))
    finally:
        assert all(response.closed for response in hand.opened)
    return reply, hand


def fields(request: Request) -> dict[str, str]:
    """The form that a request brings."""
    pairs = parse_qs((request.body or b"").decode(), keep_blank_values=True)
    return {name: values[0] for name, values in pairs.items()}


def query(request: Request) -> dict[str, str]:
    """The parameters in a request's address."""
    pairs = parse_qs(urlsplit(request.url).query, keep_blank_values=True)
    return {name: values[0] for name, values in pairs.items()}
