"""What a test tells the stand-in's bot to do, turn by turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ...sandbox import ModelError, Site
from ...sandbox.bot import Message, ModelDropped, stand_in
from ...sandbox.site import belongs
from ...sandbox.spec import BotSpec

__all__ = ["Answer", "Gate", "Script", "ScriptedSite", "Step", "short"]

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


class Script:
    """The steps of one test, and what became of them.

    Attributes:
        strict: once answers were scripted, a turn for which none is left is an error.
        told: what happened, a line for each turn (list of str).
        surplus: prompts for which no answer was left (list of str).
        broken: what functions of the test raised (list of exceptions).
    """

    def __init__(self, *, strict: bool = True) -> None:
        self.strict = strict
        self.told: list[str] = []
        self.surplus: list[str] = []
        self.broken: list[Exception] = []
        self._steps: deque[Step] = deque()
        self._lasting: Step | None = None
        self._answering = False
        self._gates: list[Gate] = []
        self._lock = threading.Lock()
        self._here = threading.local()  # One thread serves one request from beginning to end.

    def add(self, steps: Iterable[Step]) -> None:
        """Put `steps` behind those that there are."""
        with self._lock:
            for step in steps:
                self._steps.append(step)
                self._answering = self._answering or not step.fault

    def last(self, step: Step) -> None:
        """Let `step` stand for every turn behind the others."""
        with self._lock:
            self._lasting = step

    def gate(self) -> Gate:
        """A gate that ends with the test."""
        gate = Gate()
        self._gates.append(gate)
        return gate

    def end(self) -> None:
        """Free whoever still waits at a gate."""
        for gate in self._gates:
            gate._end()

    def unused(self) -> list[str]:
        """The steps that no turn has come to."""
        with self._lock:
            return [step.told for step in self._steps]

    def begin(self) -> None:
        """This thread's request is another one than that before."""
        self._here.step = None

    def meet(self, where: str, at: int) -> str:
        """The fault that step `at` (1 or 2) of a turn of a bot of the kind `where` meets, or ""."""
        with self._lock:
            step = self._steps[0] if self._steps else self._lasting
            if step is None or not belongs(step.fault, where, at):
                return ""
            if self._steps:
                self._steps.popleft()
            self._here.step = step
            self.told.append(f"a turn met {step.fault!r}")
            return step.fault

    def answer(self, messages: list[Message]) -> str | Iterable[str]:
        """What the bot says: the stand-in's model."""
        prompt = messages[-1]["content"]
        step = getattr(self._here, "step", None) or self._next(prompt)
        self._here.step = None
        with self._lock:
            self.told.append(f"asked {short(prompt)}: {step.told}")
        said = step.answer
        if said is None:
            return stand_in(messages)
        if isinstance(said, Exception):
            raise said
        if callable(said):
            said = self._called(said, prompt)
        if isinstance(said, str):
            # A fault in the middle comes after a few chunks: in one, all of the text is before it.
            return [said] if step.fault else said
        return self._pieces(said)

    def _next(self, prompt: str) -> Step:
        with self._lock:
            # A fault at the head is not for this turn: it was asked at another kind of bot.
            for step in self._steps:
                if not step.fault:
                    self._steps.remove(step)
                    return step
            if self._lasting is not None and not self._lasting.fault:
                return self._lasting
            if not (self.strict and self._answering):
                return Step("the built-in bot answered")
            self.surplus.append(prompt)
            self.told.append(f"asked {short(prompt)}: nothing was left to say")
        raise ModelError("This test's script has no answer left.")

    def _called(self, function: Callable[[str], str | Pieces], prompt: str) -> str | Pieces:
        try:
            return function(prompt)
        except Exception as error:
            self._note(error)
            raise

    def _pieces(self, pieces: Pieces) -> Iterator[str]:
        try:
            for piece in pieces:
                if isinstance(piece, Gate):
                    piece._pass()
                else:
                    yield piece
        except Exception as error:
            self._note(error)
            raise

    def _note(self, error: Exception) -> None:
        """Keep what is no failure of the model but one of the test."""
        if not isinstance(error, (ModelError, ModelDropped)):
            with self._lock:
                self.broken.append(error)
                self.told.append(f"the test's function raised {type(error).__name__}")


class ScriptedSite(Site):
    """A stand-in whose bots follow a script."""

    def __init__(self, script: Script) -> None:
        super().__init__(answer=script.answer)
        self.script = script

    def meet(self, bot: BotSpec, where: str, step: int = 2) -> str:
        """The fault that this step of a turn meets: its bot's own, of `next()`, or the script's."""
        self.script.begin()
        return super().meet(bot, where, step) or self.script.meet(where, step)

    def stop(self) -> None:
        """End everything, gates included."""
        self.script.end()
        super().stop()


def checked(answer: Any, *, often: bool) -> Answer:
    """`answer`, if a bot can give it; `often` if it must be able to more than once.

    Raises:
        TypeError: it can't.
    """
    given: Answer = answer
    if isinstance(answer, (str, Exception)) or callable(answer):
        return given
    if isinstance(answer, (bytes, dict)) or not isinstance(answer, Iterable):
        raise TypeError(
            "An answer is a str, an iterable of str and gates, a function of the prompt, or an"
            f" Exception, not {type(answer).__name__}."
        )
    return list(answer) if often else given


def short(value: object) -> str:
    """`value` for a report: its repr, cut where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
