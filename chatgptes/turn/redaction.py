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
    forms = [_written_forms(secret) for secret in sorted(secrets, key=len, reverse=True)]
    for each in _chain(error):
        each.excerpt = _without(each.excerpt, forms)
        each.code = _without(each.code, forms)
        text = _without(each.message, forms) or ""
        if len(text) > _LONGEST:
            text = text[: _LONGEST - 1] + "…"
        each.args = (text, *each.args[1:])


def _written_forms(secret: str) -> list[str]:
    """A secret as it is, and as JSON writes it (PHP's with `\\/`)."""
    written = [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    return list(dict.fromkeys([secret, *written, *(each.replace("/", "\\/") for each in written)]))


def _chain(error: ChatGptEsError) -> list[ChatGptEsError]:
    """`error`, and those of ours that led to it."""
    found: list[ChatGptEsError] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ChatGptEsError) and each not in found:
            found.append(each)
            waiting += [each.__cause__, each.__context__]
    return found


def _without(text: str | None, secrets: list[list[str]]) -> str | None:
    if text is None:
        return None
    for forms in secrets:
        for form in forms:
            text = text.replace(form, "…")
            # Where an excerpt was cut, the cut may have gone through a secret.
            for length in range(min(len(form), len(text)) - 1, _SHORTEST - 1, -1):
                text = text.replace(f"{form[:length]}…", "…")
    return text
