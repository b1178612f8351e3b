"""The site that a test talks to: a sandbox with a script, or an owner's real site.

In the test it is the default site, and no other site is reached.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import pytest

from ...errors import InvalidConfigError
from ...sandbox import FAULTS, Site
from ...shared import ClientCache, using_cache
from ...turn.guard import default_site, guarded_by
from ...values.urls import origin, redact
from .scripted import Answer, ScriptedSite, Step, check_answer

if TYPE_CHECKING:
    from ...turn.config import ClientArguments

__all__ = ["Answer", "SiteUnderTest", "default_is", "guarded"]

_LOCAL = ("127.0.0.1", "localhost", "::1")


class SiteUnderTest:
    """A site with a bot, for one test: the fixture `chatgptes_site`.

    It is a sandbox, whose bot follows the test, or with `--chatgptes-site` a real site.  A real
    bot takes no orders and does not show its prompts: there, every method and attribute but these
    skips the test.  Turns take `answers` and `fails` in the order in which they were set.  Without
    any, the bot repeats the prompt.

    Attributes:
        url: the address of the page that shows the bot, to give to the program (str).
        bot: the bot's id (str), or None for the first bot of a real site.
        live: True if it is a real site.
        arguments: arguments for a client of this site, `Client(**chatgptes_site.arguments)`.
    """

    def __init__(
        self, arguments: ClientArguments, bot: Any, sandbox: ScriptedSite | None = None
    ) -> None:
        self.url: str = arguments["site"]
        self.bot = bot
        self.live = sandbox is None
        self.arguments = cast("ClientArguments", _Arguments(arguments))
        self._sandbox = sandbox

    def __repr__(self) -> str:
        return f"<SiteUnderTest {redact(self.url)}{', live' if self.live else ''}>"

    def answers(self, *answers: Answer) -> None:
        """Set the answers of the next turns, one for each.

        From then on, a turn for which no answer is left is an error, of the model for the program
        and of the test at its end.  So is an unused answer.

        Args:
            *answers: each a text (str), streamed word by word; or its chunks (an iterable of str),
                where at a `threading.Event` the bot waits until it is set; or a function that gets
                the prompt (str) and returns one of these; or an exception that the model fails
                with.  Errors in a function, other than a `ModelError`, fail the test.

        Raises:
            TypeError: one can't be an answer.
        """
        if not answers:
            raise TypeError("answers() needs at least one.")
        steps = [Step(f"answers({each!r:.80})", answer=check_answer(each)) for each in answers]
        self._scripted.add(steps)

    def always(self, answer: Answer) -> None:
        """Set the answer of every turn for which there is no other.

        Raises:
            TypeError: it can't be an answer.
        """
        self._scripted.lasting = Step("always()", answer=check_answer(answer))

    def fails(self, fault: str, times: int = 1, *, saying: Answer | None = None) -> None:
        """Let the next turn, or the next `times`, fail.

        Args:
            fault: the fault's name; `chatgptes.sandbox.FAULTS` has them for each kind of bot.
            times: the number of turns (int).
            saying: the answer that breaks off, for faults in the middle of one.  A text is sent
                whole before the fault; of chunks, at least two.  Default: the built-in bot's.

        Raises:
            ValueError: there is no such fault, or `times` is less than 1.
            TypeError: `saying` can't be an answer.
        """
        if times < 1:
            raise ValueError(f"times must be 1 or more, not {times}.")
        if not any(fault in names for names in FAULTS.values()):
            raise ValueError(f"There is no fault {fault!r} (see chatgptes.sandbox.FAULTS).")
        answer = None if saying is None else check_answer(saying)
        self._scripted.add([Step(f"fails({fault!r})", fault, answer)] * times)

    @property
    def prompts(self) -> list[str]:
        """The prompt of each turn that reached the bot's model, in order (list of str)."""
        return [messages[-1]["content"] for messages in list(self.sandbox.messages)]

    @property
    def sandbox(self) -> Site:
        """The sandbox itself: its requests, messages, quota, nonces, pages."""
        return self._scripted

    @property
    def _scripted(self) -> ScriptedSite:
        if self._sandbox is None:
            pytest.skip("needs the sandbox; --chatgptes-site names a real site")
        return self._sandbox


class _Arguments(dict[str, Any]):
    """A dict whose repr hides the key and passwords: tests print their values where they fail."""

    def __repr__(self) -> str:
        hidden = {"api_key": "…"} if "api_key" in self else {}
        return repr({**self, "site": redact(self["site"]), **hidden})


@contextmanager
def guarded(allowed: Iterable[str]) -> Iterator[list[str]]:
    """Stop requests to hosts other than this machine and `allowed`, with `www.` or without.

    Gives the origins of stopped requests; the list grows, as programs may swallow the error.
    """
    hosts = {host.lower().removeprefix("www.") for host in (*_LOCAL, *allowed)}
    stopped: list[str] = []

    def check(url: str) -> None:
        host = urlsplit(url).hostname or ""
        if host.removeprefix("www.") in hosts or host.endswith(".localhost"):
            return
        stopped.append(origin(url))
        raise InvalidConfigError(
            f"{origin(url)} is not this test's site: chatgptes' pytest plugin stopped the request."
            " Give the program chatgptes_site.url; or make its client inside the test; or allow"
            " the host: @pytest.mark.chatgptes(allow=[…])."
        )

    with guarded_by(check):
        yield stopped


@contextmanager
def default_is(arguments: ClientArguments, clients: ClientCache) -> Iterator[None]:
    """In this block, programs that name no site, or chatgpt.es, get that of `arguments`.

    `chatgptes.chat()` takes its clients from `clients`.  The command line gets the site, the bot
    and the key by its environment, no setting of the user, and no proxy to this machine.  It keeps
    nothing: the user's own last conversation stays.
    """
    environment = pytest.MonkeyPatch.context()
    with default_site(arguments["site"]), using_cache(clients), environment as patch:
        for name in list(os.environ):
            if name.startswith("CHATGPTES_") and not name.startswith("CHATGPTES_TEST_"):
                patch.delenv(name)
        patch.setenv("CHATGPTES_DATA", "")
        for name in ("site", "bot", "api_key"):
            if (value := arguments.get(name)) is not None:
                patch.setenv(f"CHATGPTES_{name.upper()}", str(value))
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, ",".join(_LOCAL), prepend=",")
        yield
