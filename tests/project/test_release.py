"""tools/release.py: the README as a package index shows it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import release  # noqa: E402


def test_the_readme_has_absolute_addresses() -> None:
    """Every link and the picture, each of a file that is there; all else is as it was."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    address = "https://example.org/owner/name"
    shown = release.readme_for_index(readme, address)
    place = rf"{address}/(?:raw|blob)/v{re.escape(release.version())}/"
    assert f"]({address}/raw/v{release.version()}/docs/terminal.svg)" in shown
    files = re.findall(rf"\]\({place}([^)#]+)", shown)
    assert len(files) > 20
    assert [name for name in files if not (ROOT / name).exists()] == []
    assert re.findall(r"\]\((?!https?://|#)[^)]*\)", shown) == []
    assert re.sub(place, "", shown) == readme


def test_the_address_is_what_continuous_integration_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert release.repository() is None
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://example.org")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    assert release.repository() == "https://example.org/owner/name"
