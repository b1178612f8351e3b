"""A sandbox whose bots answer as a test has set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

from ...sandbox import ModelError, Site
from ...sandbox.bot import Message, ModelDropped, sandbox_answer, words
from ...sandbox.site import belongs

if TYPE_CHECKING:
    from ...sandbox.exchange import Exchange
    from ...sandbox.spec import BotSpec

__all__ = ["Answer", "ScriptedSite", "Step", "check_answer"]


Answer = str | Iterable[str | Event] | Callable[[str], "str | Iterable[str | Event]"] | Exception
"""An answer of the bot, as `SiteUnderTest.answers` gets it: a text; its chunks, with events between
them; a function that gets the prompt (str) and returns one of these; or an error of the model."""


def check_answer(answer: Any) -> Answer:
    """Return `answer`, iterables as lists, if the bot can give it.

    Raises:
        TypeError: it can't.
    """
    whole = isinstance(answer, (str, Exception)) or callable(answer)
    checked: Answer = answer if whole else list(_chunks(answer))
    return checked


def _chunks(given: Any) -> Iterator[str | Event]:
    if not isinstance(given, Iterable):
        raise TypeError(f"An answer is a str or its chunks, not {type(given).__name__}.")
    for chunk in given:
        if not isinstance(chunk, (str, Event)):
            name = type(chunk).__name__
            raise TypeError(f"A chunk of an answer is a str or an event, not {name}.")
        yield chunk


class Step(NamedTuple):
    """The bot's part in one turn: a fault, an answer (None for the built-in bot's), or both.

    `name` is the call that set it, for reports.
    """

    name: str
    fault: str = ""
    answer: Answer | None = None


class ScriptedSite(Site):
    """A sandbox whose bots follow the steps of one test.

    Attributes:
        broken: errors that the test's own functions raised.
        lasting: the step of every turn for which there is no other, or None.
    """

    def __init__(self, *, strict: bool) -> None:
        super().__init__(answer=self._scripted_answer)
        self.broken: list[BaseException] = []
        self.lasting: Step | None = None
        self._strict = strict
        self._steps: list[Step] = []
        self._has_answers = False
        self._surplus: list[str] = []
        self._awaited: list[Event] = []
        self._stopped = False
        self._steps_lock = threading.Lock()
        self._thread = threading.local()  # `step`: that of the request which it serves.

    def add(self, steps: Sequence[Step]) -> None:
        """Append steps."""
        with self._steps_lock:
            self._steps += steps
            self._has_answers |= any(not step.fault for step in steps)

    def left_over(self) -> list[str]:
        """Return a line for each step that no turn has taken, and each turn without an answer."""
        if not self._strict:
            return []
        with self._steps_lock:
            unused = [f"Unused: {step.name}" for step in self._steps]
            return unused + [f"No answer was left for {text[:80]!r}" for text in self._surplus]

    def stop(self) -> None:
        """End everything, answers that wait for the test included."""
        self._stopped = True
        for event in self._awaited:
            event.set()
        super().stop()

    def _wait_for(self, event: Event) -> None:
        self._awaited.append(event)
        if not self._stopped:  # From here on, `stop` finds the event.
            event.wait()
        if self._stopped:
            raise ModelDropped

    def _handle(self, exchange: Exchange) -> None:
        self._thread.step = None
        try:
            super()._handle(exchange)
        finally:
            step = self._thread.step
            if step is not None and not step.fault:  # The site did not ask the model.
                with self._steps_lock:
                    self._steps.insert(0, step)

    def take_fault(self, bot: BotSpec, where: str, step: int = 2) -> str:  # wording: off
        """Return the fault of this step: the bot's own, that of `next()`, or the script's.

        Request 2 of a turn asks the model: it takes its step here, so that no other turn does.
        """
        if fault := super().take_fault(bot, where, step):
            return fault
        with self._steps_lock:
            for each in self._steps:
                if belongs(each.fault, where, step) if each.fault else step == 2:
                    self._steps.remove(each)
                    self._thread.step = each
                    return each.fault
                if step == 1 and (not each.fault or belongs(each.fault, where, 2)):
                    break
        return ""

    def _next_step(self, prompt: str) -> Step:
        """Return the step of a turn that has taken none: it meets a fault of `Site.next`."""
        with self._steps_lock:
            for step in self._steps:
                if not step.fault:
                    self._steps.remove(step)
                    return step
            if self.lasting is not None:
                return self.lasting
            if not (self._strict and self._has_answers):
                return Step("the built-in bot")
            self._surplus.append(prompt)
        raise ModelError("This test has set no more answers.")

    def _scripted_answer(self, messages: list[Message]) -> Iterator[str]:
        prompt = messages[-1]["content"]
        step, self._thread.step = self._thread.step or self._next_step(prompt), None
        given: Any = step.answer
        if isinstance(given, Exception):
            raise given
        try:
            if given is None:
                given = words(sandbox_answer(messages), 1)
            elif callable(given):
                given = given(prompt)
            if isinstance(given, str):
                # A fault in the middle comes after a few chunks: the whole text goes before it.
                given = [given] if step.fault else words(given, 1)
            for chunk in _chunks(given):
                if isinstance(chunk, Event):
                    self._wait_for(chunk)
                else:
                    yield chunk
        except (ModelError, ModelDropped, GeneratorExit):
            raise
        except BaseException as error:
            # The test's own code: the site reports it as an error of the model.
            self.broken.append(error)
            # `pytest.fail` and similar ones are no Exception, and would end the server's thread.
            raise ModelError(f"{type(error).__name__}: {error}") from error
