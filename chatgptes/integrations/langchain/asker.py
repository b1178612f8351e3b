"""Who asks: so that a cache does not give one visitor's answer to another."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from ...errors import InvalidConfigError
from ...turn.config import DEFAULT_SITE, ClientArguments
from ...values.checks import site_of

__all__ = ["asker"]

_KEY = secrets.token_bytes(32)
"""Of this process: a tag that goes into a trace, or a cache on a disk, must not be guessable."""


def asker(arguments: ClientArguments) -> str | None:
    """A tag (hexadecimal str) of what tells one visitor from another; None where nothing does.

    That is the key, cookies, headers, and a user name in `site`.  The same within a process, and
    nothing can be read from it.
    """
    try:
        login = site_of(arguments.get("site", DEFAULT_SITE)).authorization
    except InvalidConfigError:
        login = None  # The turn will say it.
    told = [login, arguments.get("api_key"), _items(arguments.get("headers")),
            _items(arguments.get("cookies"))]  # fmt: skip
    if not any(told):
        return None
    return hmac.new(_KEY, repr(told).encode("utf-8", "backslashreplace"), "sha256").hexdigest()


def _items(given: Any) -> list[str]:
    """What a mapping or a cookie jar holds at this moment, in one order."""
    if isinstance(given, Mapping):
        return sorted(repr(item) for item in given.items())
    if given is None:
        return []
    try:
        # Turns of other threads may be putting cookies into the jar.
        with getattr(given, "_cookies_lock", nullcontext()):
            return sorted(repr(vars(cookie)) for cookie in given)
    except TypeError:
        return [f"{type(given).__name__} {id(given)}"]
