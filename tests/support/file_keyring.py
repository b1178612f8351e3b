"""A keyring for tests: the JSON file that FILE_KEYRING names, `{"SERVICE/USER": "password"}`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class Keyring(KeyringBackend):
    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        path = Path(os.environ["FILE_KEYRING"])
        if not path.exists():
            raise KeyringLocked("It is locked.")
        return json.loads(path.read_text("utf-8")).get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        path = Path(os.environ["FILE_KEYRING"])
        known = json.loads(path.read_text("utf-8")) if path.exists() else {}
        path.write_text(json.dumps(known | {f"{service}/{username}": password}), "utf-8")
