"""The short form of benchmarks/fault_sequences.py: no message arrives twice, no text is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "fault_sequences.py"


def test_random_sequences_of_faults() -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--sequences", "200", "--seed", "4", "--jobs", "1"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    numbers = dict(re.findall(r"^ +([\d,]+)  (.+?)(?:,.*)?$", done.stdout, re.MULTILINE))
    assert numbers["200"] == "sequences"
    assert numbers["0"] == "problems"


def test_it_counts_what_arrives_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    import fault_sequences

    from chatgptes.turn import sending

    for name in ("may_retry", "FIRST_DELAY", "LATE"):  # `run` makes the waits short.
        monkeypatch.setattr(sending, name, getattr(sending, name))
    monkeypatch.setattr(sending, "may_retry", lambda error, request: True)
    _, problems = fault_sequences.run(0, 60, 5)
    assert any("reached the model 2 times" in problem for problem in problems)
