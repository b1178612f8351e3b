"""The README's snippets run, and its commands are the ones that are run elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from chatgptes.sandbox import Site

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) >= 7


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippet(site: Site, number: int, tmp_path: Path) -> None:
    """In a process of its own, with the sandbox where example.org stands."""
    program = SNIPPETS[number]
    program = program.replace("https://example.org/chat/", site.url)
    program = program.replace("https://example.org/", site.url)
    program = program.replace("YOUR-KEY", site.api_key)
    assert "example.org" not in program
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
    assert result.stderr == ""


def command(section: str) -> str:
    after = README.split(f"## {section}\n", 1)[1]
    found = re.search(r"^```sh\n(.*?)^```", after, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1].strip()


def test_the_two_commands_are_one_line_each() -> None:
    for section in ("Quick start", "Tests"):
        assert "\n" not in command(section)
        assert command(section).startswith("python3 -m venv .venv && ")
