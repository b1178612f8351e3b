"""Find what keeps a site from answering: `doctor()` walks what a turn needs, step by step.

Not `doctor`: the package has a function of that name, which a submodule would hide.
"""

from __future__ import annotations

from .capabilities import BotCapabilities
from .values import STEPS, Diagnosis, Step
from .walk import doctor

__all__ = ["STEPS", "BotCapabilities", "Diagnosis", "Step", "doctor"]
