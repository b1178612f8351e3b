"""Secrets by reference: the configuration file says where one is, never what it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import InvalidConfigError

__all__ = ["REFERENCES", "check_reference", "is_reference", "secret_of"]

REFERENCES = "env:VARIABLE, keyring:SERVICE/USER or file:PATH"
_REFERENCE = re.compile(r"(?P<kind>env|keyring|file):(?P<place>.*)", re.DOTALL)
_PLACES = {"env": r"[A-Za-z_]\w*", "keyring": r".+/[^/]+", "file": r".+"}


def is_reference(value: object) -> bool:
    """Tell whether a value names the place of a secret."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def check_reference(value: str) -> None:
    """Check that a reference is written as one; nothing is looked up.

    Raises:
        InvalidConfigError: it is not.
    """
    kind, place = _parts(value)
    if not re.fullmatch(_PLACES[kind], place):
        raise InvalidConfigError(f"A reference is {REFERENCES}.")
    if kind == "file" and not _file(place).is_absolute():
        raise InvalidConfigError("file: needs the whole path, from the root or from ~.")


def secret_of(reference: str) -> str:
    """Return the secret that a reference stands for.

    Raises:
        InvalidConfigError: there is none, or no way to it.
        OSError: its file can't be read.
    """
    check_reference(reference)
    kind, place = _parts(reference)
    if kind == "env":
        secret = os.environ.get(place, "").strip()
        missing = f"The variable {place}, which should hold a secret, is not set."
    elif kind == "file":
        try:
            secret = _file(place).read_text(encoding="utf-8").strip()
        except UnicodeDecodeError:
            secret = ""
        missing = f"There is no secret in {place}."
    else:
        service, _, user = place.rpartition("/")
        secret = _from_keyring(service, user)
        missing = f"The keyring has no such secret: `keyring set {service} {user}` stores it."
    if not secret:
        raise InvalidConfigError(missing)
    return secret


def _parts(reference: str) -> tuple[str, str]:
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise InvalidConfigError(f"A reference is {REFERENCES}.")
    return found["kind"], found["place"]


def _file(place: str) -> Path:
    try:
        return Path(place).expanduser()
    except RuntimeError:  # ~nobody
        return Path(place)


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
