"""What every command of `llm` loads, whichever version of it is installed: it needs none here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# As it was before `llm.parts` was in it.
_OLD_LLM = """
def hookimpl(function):
    return function
"""
_PROGRAM = """
from chatgptes.integrations.llm.plugin import register_models
models = []
register_models(lambda *given: models.append(given))
register_models(lambda *given: models.append(given))
print(models)
"""


def test_an_old_llm_goes_on_without_the_model(tmp_path: Path) -> None:
    (tmp_path / "llm.py").write_text(_OLD_LLM)
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )
    assert result.stderr.splitlines() == ["chatgptes needs llm 0.33 or later"]
    assert result.stdout.strip() == "[]"
    assert result.returncode == 0
