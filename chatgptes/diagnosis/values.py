"""The result of `doctor`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from .capabilities import BotCapabilities

__all__ = ["STEPS", "UNREACHED", "Diagnosis", "Step", "StepName"]

StepName = Literal["name", "connection", "TLS", "page", "gate", "bots", "dialect", "nonce", "turn"]
STEPS: tuple[StepName, ...] = (
    "name", "connection", "TLS", "page", "gate", "bots", "dialect", "nonce", "turn",
)  # fmt: skip
UNREACHED = "not reached"
_MOST_SHOWN = 8  # Bots.


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
        return {
            "site": self.site,
            "ok": self.ok,
            "steps": [asdict(step) for step in self.steps],
            "bots": [asdict(bot) for bot in self.bots],
        }

    def __str__(self) -> str:
        lines = [self.site]
        for step in self.steps:
            mark = {True: "ok", False: "FAILED", None: "-"}[step.ok]
            lines.append(f"  {step.name:10} {mark:6} {step.detail}")
            if step.advice:
                lines.append(f"  {'':17} {step.advice}")
        lines += [line for bot in self.bots[:_MOST_SHOWN] for line in bot.lines()]
        if (more := len(self.bots) - _MOST_SHOWN) > 0:
            lines.append(f"  and {more} more bots")
        return "\n".join(lines)
