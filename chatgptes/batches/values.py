"""The results of a batch, and its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ChatGptEsError
from ..values.messages import Messages
from ..values.reply import Reply

__all__ = ["BatchProgress", "BatchResult"]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of one prompt of a batch: exactly one of `reply` and `error` is set.

    Attributes:
        id: the prompt's id (str or int), or where it has none its index.
        index: its place among the prompts, from 0 (int).
        digest: the beginning of the prompt's SHA-256 (str).
        reply: the answer (`Reply`), or None.
        error: why there is none (`ChatGptEsError`), or None.
        prompt: what was asked: a str, or a list of messages.
        columns: the prompt's "columns" (a dict).
    """

    id: str | int
    index: int
    digest: str
    reply: Reply | None = None
    error: ChatGptEsError | None = None
    prompt: Messages = ""
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True if there is an answer."""
        return self.reply is not None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as in a line of the file: plain JSON values."""
        fields: dict[str, Any] = {
            "id": self.id,
            "index": self.index,
            "digest": self.digest,
            "ok": self.ok,
            ("prompt" if isinstance(self.prompt, str) else "messages"): self.prompt,
        }
        if self.columns:
            fields["columns"] = dict(self.columns)
        if self.reply is not None:
            return fields | self.reply.to_dict()
        error = self.error
        return fields | {
            "error": type(error).__name__,
            "message": str(error),
            **{name: getattr(error, name, None) for name in ("url", "status", "partial")},
        }


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """Progress of a batch (int each).

    Attributes:
        total: how many prompts there are, or None for an iterable that is no sequence.
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
