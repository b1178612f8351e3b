"""Find what keeps a site from answering: `doctor()` walks what a turn needs, step by step.

No module is called `doctor`: it would hide the package's function of that name.
"""

from .values import STEPS, BotCapabilities, Diagnosis, Step
from .walk import doctor

__all__ = ["STEPS", "BotCapabilities", "Diagnosis", "Step", "doctor"]
