"""Secrets by reference: a configuration file says where a secret is, never what it is.

env:VARIABLE            an environment variable
file:PATH               a file; a relative path begins at the configuration file
keyring:SERVICE/USER    the system's keyring (needs keyring)
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import InvalidConfigError

__all__ = ["REFERENCES", "is_reference", "read_secret", "secret_at"]

REFERENCES = "env:VARIABLE, file:PATH or keyring:SERVICE/USER"
_REFERENCE = re.compile(
    r"env:(?P<variable>[A-Za-z_]\w*)|file:(?P<file>.+)|keyring:(?P<service>.+)/(?P<user>[^/]+)",
    re.DOTALL,
)


def is_reference(text: str) -> bool:
    """Tell whether `text` says where a secret is; nothing is looked up."""
    return _REFERENCE.fullmatch(text) is not None


def secret_at(reference: str, folder: Path) -> str:
    """Return the secret that `reference` stands for.

    Args:
        reference: one of the three forms above.
        folder: where a relative path begins.

    Raises:
        InvalidConfigError: it is no reference, or there is no secret.
        OSError: a file can't be read.
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise InvalidConfigError(f"A reference to a secret is {REFERENCES}.")
    if file := found["file"]:
        return read_secret(folder / os.path.expanduser(file))
    if variable := found["variable"]:
        secret = os.environ.get(variable, "").strip()
        missing = f"The variable {variable}, which should hold a secret, is empty or not set."
    else:
        service, user = found["service"], found["user"]
        secret = _from_keyring(service, user)
        missing = f"The keyring has no such secret: `keyring set {service} {user}` stores it."
    if not secret:
        raise InvalidConfigError(missing)
    return secret


def read_secret(path: Path) -> str:
    """Return the text of a file, without white space around it.

    Raises:
        InvalidConfigError: there is none.
        OSError: it can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except UnicodeError:
        raise InvalidConfigError(f"{path} is no text in UTF-8.") from None
    if not text:
        raise InvalidConfigError(f"{path} is empty.")
    return text


def _from_keyring(service: str, user: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise InvalidConfigError(
            "A secret in the keyring needs keyring (pip install keyring)."
        ) from None
    try:
        return keyring.get_password(service, user) or ""
    except KeyringError as error:
        # Its text is the backend's: it says what is locked or missing.
        raise InvalidConfigError(f"The keyring can't be used: {error}") from None
