"""What a test must not leave behind: answers that nobody asked for, and requests held back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .answers import short

if TYPE_CHECKING:
    from .script import Script

__all__ = ["Watch"]

_SHOWN = 20


class Watch:
    """Looks at a test's script and requests once the test is over.

    Args:
        held: where requests would have gone that were held back -> what to do about it; grows
            while the test runs.

    Attributes:
        script: what its bot was told, or None.
    """

    def __init__(self, held: dict[str, str]) -> None:
        self.script: Script | None = None
        self._held = held
        self._told = 0

    def check(self) -> None:
        """Fail a test that has passed, if something is left.

        Raises:
            BaseException: what an answer of the test raised: the program saw an error of the model.
            pytest.fail.Exception: anything else.
        """
        broken = self.script.broken if self.script is not None else []
        if broken:
            raise broken[0]
        if problems := self._problems():
            pytest.fail("\n".join([*problems, *self._story()]), pytrace=False)

    def tell(self, item: pytest.Item) -> None:
        """Show with a test that has failed what became of its script.

        Raises:
            pytest.skip.Exception, pytest.xfail.Exception: an answer of the test said so, and the
                failure is what came of that.
        """
        broken = self.script.broken if self.script is not None else []
        if broken and isinstance(broken[0], (pytest.skip.Exception, pytest.xfail.Exception)):
            raise broken[0]
        if lines := [*self._problems(), *self._story()]:
            item.add_report_section("call", "chatgptes", "\n".join(lines))

    def check_teardown(self) -> None:
        """Fail the teardown of a test if more was held back in it.

        Raises:
            pytest.fail.Exception: so it was.
        """
        if lines := self._reached():
            pytest.fail("\n".join(lines), pytrace=False)

    def _story(self) -> list[str]:
        told = self.script.told if self.script is not None else []
        return ["What happened:", *(f"  {line}" for line in told[-_SHOWN:])] if told else []

    def _problems(self) -> list[str]:
        lines = self._reached()
        if self.script is not None and self.script.strict:
            lines += _left(self.script)
        return lines

    def _reached(self) -> list[str]:
        """What was held back and has not been told yet."""
        held = list(self._held.items())[self._told :]
        self._told += len(held)
        return [
            line
            for where, advice in held
            for line in (f"The test tried to reach {where}: held back.", f"  {advice}")
        ]


def _left(script: Script) -> list[str]:
    lines = []
    if unused := script.unused():
        lines += ["The bot was not asked for all that it was told to answer; this is left:"]
        lines += [f"  {told}" for told in unused[:_SHOWN]]
    if script.surplus:
        lines += ["The bot was asked more than it was told to answer:"]
        lines += [f"  {short(prompt)}" for prompt in script.surplus[:_SHOWN]]
    if lines:
        lines += ["(@pytest.mark.chatgptes(strict=False) allows both.)"]
    return lines
