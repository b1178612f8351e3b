"""The result of `doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

__all__ = ["STEPS", "WORDS", "BotCapabilities", "Diagnosis", "Step", "StepFailed", "StepName"]

StepName = Literal["name", "connection", "TLS", "page", "gate", "bots", "dialect", "nonce", "turn"]
STEPS: tuple[StepName, ...] = get_args(StepName)
WORDS: Mapping[bool | None, str] = {True: "yes", False: "no", None: "not said"}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a turn needs.

    Attributes:
        name: which: "name", "connection", "TLS", "page", "gate", "bots", "dialect", "nonce",
            "turn".
        ok: True, False, or None where it was not looked at.
        detail: what was found (str).
        advice: what it means and who can do what about it (str), or "".
        error: the name of the library's error that a program would get (str), or None.
    """

    name: StepName
    ok: bool | None
    detail: str
    advice: str = ""
    error: str | None = None


class StepFailed(Exception):
    """A step failed, and the walk ends with it.  The arguments are those of `Step` but `ok`."""

    def __init__(self, name: StepName, detail: str, advice: str, error: str | None) -> None:
        super().__init__(detail)
        self.step = Step(name, False, detail, advice, error)


@dataclass(frozen=True, slots=True)
class BotCapabilities:
    """Capabilities of one bot of the page.

    Attributes:
        id: the bot's id (str).
        name: what the page calls it (str), or "".
        dialect: its dialect (str).
        can: by name ("streaming", "images", "feedback", …), True, False, or None where its page
            does not say (mapping of str to bool or None).
    """

    id: str
    name: str
    dialect: str
    can: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings of `doctor`.  `str()` and `print()` give it as text.

    Attributes:
        site: the page's address, without credentials (str).
        steps: what was looked at, in this order (tuple of `Step`).
        bots: what the bots that were found can do (tuple of `BotCapabilities`).
    """

    site: str
    steps: tuple[Step, ...]
    bots: tuple[BotCapabilities, ...] = ()

    @property
    def ok(self) -> bool:
        """No step failed."""
        return self.problem is None

    @property
    def problem(self) -> Step | None:
        """The step that failed, or None."""
        return next((step for step in self.steps if step.ok is False), None)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        fields = asdict(self)
        return {"site": fields.pop("site"), "ok": self.ok, **fields}

    def __str__(self) -> str:
        lines = [self.site]
        for step in self.steps:
            mark = {True: "ok", False: "FAILED", None: "-"}[step.ok]
            lines.append(f"  {step.name:10} {mark:6} {step.detail}")
            if step.advice:
                lines.append(f"  {'':17} {step.advice}")
        for bot in self.bots:
            lines.append(f"  bot {bot.id} ({bot.dialect})")
            for can, word in WORDS.items():
                if names := [name for name, each in bot.can.items() if each is can]:
                    lines.append(f"    {word:8} {', '.join(names)}")
        return "\n".join(lines)
