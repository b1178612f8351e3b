"""The site that a test talks to: the stand-in with a script, or an owner's real one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest

from ...sandbox import FAULTS, Received, Site
from ...values.urls import redact
from .answers import Answer, Gate, checked, short
from .script import ScriptedSite, Step

if TYPE_CHECKING:
    from ...turn.config import ClientArguments

__all__ = ["SiteUnderTest"]


class SiteUnderTest:
    """A site with a bot, for one test: what the fixture `chatgptes_site` gives.

    It is the stand-in, whose bot does what the test tells it, or with `--chatgptes-site` a real
    site.  A real bot takes no orders and shows nothing of what it was asked: there, every method
    and attribute but `url`, `bot`, `arguments` and `live` skips the test.

    Turns take `answers` and `fails` in the order in which they were given.  Without any, the bot
    answers by itself: it says that it is a stand-in, and repeats the prompt.

    Attributes:
        url: the address of the page that shows the bot, to give to the program (str).
        bot: the bot's id (str), or None where a real site's first bot is meant.
        live: whether it is a real site (bool).
    """

    def __init__(
        self,
        arguments: ClientArguments,
        bot: str | None,
        *,
        stand_in: ScriptedSite | None = None,
        kind: str = "",
    ) -> None:
        self.url: str = arguments["site"]
        self.bot = bot
        self.live = stand_in is None
        self._arguments = arguments
        self._stand_in = stand_in
        self._kind = kind

    def __repr__(self) -> str:
        return f"<SiteUnderTest {redact(self.url)}{', live' if self.live else ''}>"

    @property
    def arguments(self) -> ClientArguments:
        """What a client of this site is made with: `Client(**chatgptes_site.arguments)`.

        The site's URL; for the REST API the bot and the key, too.
        """
        return cast("ClientArguments", _Arguments(self._arguments))

    # What the bot does.

    def answers(self, *answers: Answer) -> None:
        """Let the bot give these answers, one for each turn to come.

        Once a test has said this, a turn for which no answer is left is an error, of the model for
        the program and of the test at its end; so is an answer that nobody asked for.

        Args:
            *answers: each a text (str), streamed word by word; or its chunks (an iterable of str),
                with gates between them; or a function that gets the prompt (str) and gives one of
                these; or an exception that the model shall fail with (`ModelError` chooses the
                status).  What a function raises, but for `ModelError`, fails the test, and so does
                what it gives that is no text; `pytest.skip` skips it.

        Raises:
            TypeError: one can't be an answer.
        """
        __tracebackhide__ = True
        script = self._scripted("answers()").script
        if not answers:
            raise TypeError("answers() wants at least one.")
        script.add(
            [Step(f"answers({short(each)})", answer=checked(each, often=False)) for each in answers]
        )

    def always(self, answer: Answer) -> None:
        """Let the bot give this answer in every turn for which there is no other.

        Raises:
            TypeError: it can't be an answer.
        """
        __tracebackhide__ = True
        script = self._scripted("always()").script
        script.last(Step(f"always({short(answer)})", answer=checked(answer, often=True)))

    def fails(self, fault: str, times: int = 1, *, saying: Answer | None = None) -> None:
        """Let a turn, or `times` turns in a row, meet a fault.

        Args:
            fault: its name; `chatgptes.sandbox.FAULTS` has them for each kind of bot.
            times: how many turns (int).
            saying: the answer that it meets, for faults in the middle of one: a text is said
                whole before it, in one chunk; of chunks, two at least.  Default: what the built-in
                bot says.

        Raises:
            ValueError: this kind of bot has no such fault, or `times` is less than 1.
            TypeError: an argument is of a wrong type, or `saying` can't be an answer.
        """
        __tracebackhide__ = True
        script = self._scripted("fails()").script
        if isinstance(times, bool) or not isinstance(times, int):
            raise TypeError(f"times is a whole number (int), not {type(times).__name__}.")
        if times < 1:
            raise ValueError(f"times is how many turns meet the fault: 1 or more, not {times}.")
        script.add([self._fault("fails", fault, saying)] * times)

    def always_fails(self, fault: str, *, saying: Answer | None = None) -> None:
        """Let every turn for which nothing else was told meet a fault.  As `fails`."""
        __tracebackhide__ = True
        script = self._scripted("always_fails()").script
        script.last(self._fault("always_fails", fault, saying))

    def gate(self) -> Gate:
        """A place in an answer where the bot waits: `answers(["One", gate, " two"])`.

        The bot says what stands before it, and goes on after `gate.open()`.
        """
        __tracebackhide__ = True
        return self._scripted("gate()").script.gate()

    # What it was asked.

    @property
    def prompts(self) -> list[str]:
        """What the bot was asked, in order: the prompt of each turn that reached its model."""
        __tracebackhide__ = True
        site = self._scripted("prompts")
        return [messages[-1]["content"] for messages in list(site.messages)]

    @property
    def turns(self) -> list[list[dict[str, str]]]:
        """The same with what came before: {"role", "content"} messages per turn, prompt last."""
        __tracebackhide__ = True
        return self._scripted("turns").messages

    @property
    def requests(self) -> list[Received]:
        """Every request that the site received, in order."""
        __tracebackhide__ = True
        return self._scripted("requests").requests

    # All else.

    def page(self, name: str) -> str:
        """The URL of another page of the stand-in; `sandbox.Site.pages` has them.

        Raises:
            KeyError: there is no such page.
        """
        __tracebackhide__ = True
        return self._scripted("page()").page(name)

    @property
    def sandbox(self) -> Site:
        """The stand-in itself: its quota, nonces, stalled answers, pages."""
        __tracebackhide__ = True
        return self._scripted("sandbox")

    def _scripted(self, what: str) -> ScriptedSite:
        __tracebackhide__ = True
        if self._stand_in is None:
            _skip(f"chatgptes_site.{what} needs the stand-in; --chatgptes-site names a real site")
        return self._stand_in

    def _fault(self, how: str, fault: str, saying: Answer | None) -> Step:
        __tracebackhide__ = True
        kinds = {self._kind: FAULTS[self._kind]} if self._kind else FAULTS
        if not isinstance(fault, str):
            raise TypeError(f"A fault is a name (str), not {type(fault).__name__}.")
        known = {name for names in kinds.values() for name in names}
        if fault not in known:
            near = get_close_matches(fault, known, 3)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            whose = f"A bot of the kind {self._kind!r}" if self._kind else "The stand-in"
            raise ValueError(
                f"{whose} has no fault {fault!r}{hint} (see chatgptes.sandbox.FAULTS)."
            )
        answer = None if saying is None else checked(saying, often=True)
        return Step(f"{how}({fault!r})", fault, answer)


class _Arguments(dict[str, Any]):
    """As a dict, but for what it shows of itself: tests print their values where they fail."""

    def __repr__(self) -> str:
        shown: dict[str, Any] = {**self, "site": redact(self["site"])}
        if "api_key" in shown:
            shown["api_key"] = "…"
        return repr(shown)


def _skip(why: str) -> NoReturn:
    __tracebackhide__ = True
    pytest.skip(why)
