"""What the pytest plugin's fixtures give; imported with the first of them, not before."""

from __future__ import annotations

from .answers import Answer, Gate
from .site import SiteUnderTest

__all__ = ["Answer", "Gate", "SiteUnderTest"]
