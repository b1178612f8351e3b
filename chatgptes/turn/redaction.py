"""Secrets out of what an error says."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..errors import ChatGptEsError

__all__ = ["redact_error"]

_LONGEST = 2_000
"""Characters of an error's text: what a site says is cut where it is quoted, and here for sure."""
_SHORTEST = 4
"""Characters: a shorter beginning of a secret is taken for chance."""


def redact_error(error: ChatGptEsError, secrets: Iterable[str]) -> None:
    """Replace `secrets` by "…" in the texts of `error` and of our errors that led to it.

    Not in hints: those are made of fixed texts.
    """
    forms = [
        form for secret in sorted(secrets, key=len, reverse=True) for form in _written_forms(secret)
    ]
    waiting: list[BaseException | None] = [error]
    done: list[ChatGptEsError] = []
    while waiting:
        each = waiting.pop()
        if not isinstance(each, ChatGptEsError) or each in done:
            continue
        done.append(each)
        waiting += [each.__cause__, each.__context__]
        each.excerpt, each.code = _without(each.excerpt, forms), _without(each.code, forms)
        text = _without(each.message, forms) or ""
        if len(text) > _LONGEST:
            text = text[: _LONGEST - 1] + "…"
        each.args = (text,)


def _written_forms(secret: str) -> Iterable[str]:
    """A secret as it is, and as JSON writes it (PHP's with `\\/`)."""
    written = [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    return dict.fromkeys([secret, *written, *(each.replace("/", "\\/") for each in written)])


def _without(text: str | None, secrets: Iterable[str]) -> str | None:
    if text is None:
        return None
    for secret in secrets:
        text = text.replace(secret, "…")
        # Where an excerpt was cut, the cut may have gone through a secret.
        for length in range(min(len(secret), len(text)), _SHORTEST - 1, -1):
            text = text.replace(f"{secret[:length]}…", "…")
    return text
