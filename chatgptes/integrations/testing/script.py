"""What a test tells the stand-in's bot to do, turn by turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...sandbox import ModelError, Site
from ...sandbox.bot import Message, ModelDropped, stand_in
from ...sandbox.site import belongs
from .answers import Answer, Gate, Pieces, piece_of, said, short

if TYPE_CHECKING:
    from ...sandbox.exchange import Exchange
    from ...sandbox.spec import BotSpec

__all__ = ["Script", "ScriptedSite", "Step"]


@dataclass(frozen=True)
class Step:
    """What the bot does in one turn.

    Attributes:
        told: how the test said it (str).
        fault: the name of a fault, or "".
        answer: what the bot says; None for what the built-in bot would.
    """

    told: str
    fault: str = ""
    answer: Answer | None = None


class _Here(threading.local):
    """What the request has that this thread serves: one, from its beginning to its end.

    Attributes:
        claim: the step that its turn will take, and no other turn can.
        met: the step whose fault it has met.
    """

    claim: Step | None = None
    met: Step | None = None


class Script:
    """The steps of one test, and what became of them.

    A turn claims its step when it begins, so that turns side by side don't take each other's.

    Attributes:
        strict: once answers were scripted, a turn for which none is left is an error.
        told: what happened, a line for each turn (list of str).
        surplus: prompts for which no answer was left (list of str).
        broken: what the test's own functions raised, `pytest.fail` and its like too.
    """

    def __init__(self, *, strict: bool = True) -> None:
        self.strict = strict
        self.told: list[str] = []
        self.surplus: list[str] = []
        self.broken: list[BaseException] = []
        self._steps: deque[Step] = deque()
        self._lasting: Step | None = None
        self._answering = False
        self._gates: list[Gate] = []
        self._lock = threading.Lock()
        self._here = _Here()
        self._between: dict[str, Step] = {}  # Claims of turns whose second request is to come.

    def add(self, steps: Iterable[Step]) -> None:
        """Put `steps` behind those that there are."""
        with self._lock:
            for step in steps:
                self._steps.append(step)
                self._answering = self._answering or not step.fault

    def last(self, step: Step) -> None:
        """Let every turn for which there is no other step take this one."""
        with self._lock:
            self._lasting = step

    def gate(self) -> Gate:
        """A new gate, which opens at the latest when the script ends."""
        gate = Gate()
        with self._lock:
            self._gates.append(gate)
        return gate

    def end(self) -> None:
        """Free whoever still waits at a gate."""
        for gate in self._gates:
            gate._end()

    def unused(self) -> list[str]:
        """The steps that no turn has come to."""
        with self._lock:
            return [step.told for step in [*self._between.values(), *self._steps]]

    @contextmanager
    def request(self, key: str) -> Iterator[None]:
        """While this thread serves a request, perhaps the second one of the turn named `key`."""
        with self._lock:
            self._here.claim = self._between.pop(key, None)
        try:
            yield
        finally:
            with self._lock:
                if self._here.claim is not None:
                    # The site refused the turn by itself: the step is for the next one.
                    self._steps.appendleft(self._here.claim)
                self._here.claim = self._here.met = None

    def goes_on(self, key: str) -> None:
        """Keep this turn's claim for its second request, which names `key`."""
        with self._lock:
            claim, self._here.claim = self._here.claim, None
            if claim is not None:
                self._between[key] = claim

    def meet(self, where: str, at: int) -> str:
        """The fault that step `at` (1 or 2) of a turn of a bot of the kind `where` meets, or ""."""
        with self._lock:
            claim = self._here.claim or self._take(where, at)
            step = claim or self._lasting
            if step is None or not belongs(step.fault, where, at):
                self._here.claim = claim
                return ""
            self._here.claim, self._here.met = None, step
            self.told.append(f"a turn met {step.fault!r}")
            return step.fault

    def _take(self, where: str, at: int) -> Step | None:
        """The first step that the rest of such a turn can take; others are for another bot."""
        for step in self._steps:
            if not step.fault or any(belongs(step.fault, where, n) for n in range(at, 3)):
                self._steps.remove(step)
                return step
        return None

    def answer(self, messages: list[Message]) -> str | Iterable[str]:
        """What the bot says: the stand-in's model."""
        prompt = messages[-1]["content"]
        step = self._step(prompt)
        given = step.answer
        if given is None:
            return stand_in(messages)
        if isinstance(given, Exception):
            raise given
        if callable(given):
            with self._noted():
                given = said(given(prompt), "The bot's function must give a str, or an iterable of"
                             " str and gates")  # fmt: skip
        if isinstance(given, str):
            # A fault in the middle comes after a few chunks: in one, all of the text is before it.
            return [given] if step.fault else given
        return self._pieces(given)

    def _step(self, prompt: str) -> Step:
        here = self._here
        with self._lock:
            step, here.met = here.met, None
            if step is None and here.claim is not None and not here.claim.fault:
                step, here.claim = here.claim, None
            step = step or self._next()
            if step is not None:
                self.told.append(f"asked {short(prompt)}: {step.told}")
                return step
            self.surplus.append(prompt)
            self.told.append(f"asked {short(prompt)}: nothing was left to say")
        raise ModelError("This test's script has no answer left.")

    def _next(self) -> Step | None:
        """For a turn without a step, or that meets a fault of `Site.next` in place of its own."""
        for step in self._steps:
            if not step.fault:
                self._steps.remove(step)
                return step
        if self._lasting is not None and not self._lasting.fault:
            return self._lasting
        return None if self.strict and self._answering else Step("the built-in bot answered")

    def _pieces(self, pieces: Pieces) -> Iterator[str]:
        with self._noted():
            for each in pieces:
                piece = piece_of(each)
                if isinstance(piece, Gate):
                    piece._pass()
                else:
                    yield piece

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Keep what is raised here and is no failure of the model but one of the test."""
        try:
            yield
        except (ModelError, ModelDropped, GeneratorExit):
            raise
        except BaseException as error:
            with self._lock:
                self.broken.append(error)
                self.told.append(f"the test's answer raised {type(error).__name__}")
            if isinstance(error, Exception):
                raise
            # `pytest.fail` and its like would end the server's thread, and no more.
            raise ModelError(f"{type(error).__name__}: {error}") from error


class ScriptedSite(Site):
    """A stand-in whose bots follow a script."""

    def __init__(self, script: Script) -> None:
        super().__init__(answer=script.answer)
        self.script = script

    def meet(self, bot: BotSpec, where: str, step: int = 2) -> str:
        """The fault that this step of a turn meets: its bot's own, of `next()`, or the script's."""
        return super().meet(bot, where, step) or self.script.meet(where, step)

    def goes_on(self, key: str) -> None:
        """This thread's turn has a second step."""
        self.script.goes_on(key)

    def stop(self) -> None:
        """End everything, gates included."""
        self.script.end()
        super().stop()

    def _handle(self, exchange: Exchange) -> None:
        with self.script.request(exchange.request.query.get("cache_key", "")):
            super()._handle(exchange)
