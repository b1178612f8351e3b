"""The program `llm` and the model in it, for their tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatgptes.sandbox import Site

llm = pytest.importorskip("llm")

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def user_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where llm keeps its keys and its log, for this test alone."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    return tmp_path


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def run(*arguments: str, text: str = "", status: int = 0) -> subprocess.CompletedProcess[str]:
    """The program itself, in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-m", "llm", *arguments],
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env=environment(),
    )
    assert result.returncode == status, result.stderr
    return result


def ask(site: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    return run("-m", "chatgptes", "-o", "site", site, *arguments, status=status)


def store(**keys: str) -> None:
    path = Path(os.environ["LLM_USER_PATH"]) / "keys.json"
    path.write_text(json.dumps(keys), encoding="utf-8")


def by_default(**options: str) -> None:
    """As after `llm models options set chatgptes` for each of them."""
    path = Path(os.environ["LLM_USER_PATH"]) / "model_options.json"
    path.write_text(json.dumps({"chatgptes": options}), encoding="utf-8")


def model() -> Any:
    return llm.get_model("chatgptes")


def async_model() -> Any:
    return llm.get_async_model("chatgptes")


def ids(site: Site) -> list[tuple[str, str]]:
    """Whose and which conversation each turn was, on a site that keeps it itself."""
    pairs = [(each.param("session_id"), each.param("conversation_uuid")) for each in site.requests]
    return [pair for pair in pairs if pair[1]]


def asked(site: Site) -> list[str]:
    """What the user had said, by the model's last turn."""
    return [each["content"] for each in site.messages[-1] if each["role"] == "user"]


def keys_seen(site: Site) -> set[str]:
    return {each.headers.get("authorization", "") for each in site.requests} - {""}
