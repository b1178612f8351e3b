"""The progress of a batch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BatchProgress"]


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """Progress of a batch (int each).

    Attributes:
        total: how many prompts there are, or None where the iterable does not say.
        skipped: prompts that were not asked, because the file has their answers.
        answered, failed: prompts of this run.
        running: turns under way.
        failed_before: prompts that failed in an earlier run, and are not asked again.
        unasked: prompts that no run has asked, nor does this one (`retry_failed`).
    """

    total: int | None
    skipped: int = 0
    answered: int = 0
    failed: int = 0
    running: int = 0
    failed_before: int = 0
    unasked: int = 0

    @property
    def done(self) -> int:
        """Prompts that have a result, of this run or an earlier one."""
        return self.skipped + self.failed_before + self.answered + self.failed
