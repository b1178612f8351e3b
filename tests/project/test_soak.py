"""The short form of benchmarks/soak.py: after all sorts of turns and faults, nothing is left."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_nothing_grows() -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--seconds", "5", "--every", "1"],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    # Its exit status says whether descriptors, threads and memory came back to where they were.
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    turns = [
        int(line.split()[1]) for line in done.stdout.splitlines() if re.match(r" +\d+ +\d+ ", line)
    ]
    assert len(turns) >= 2  # Fewer than five, where the machine is busy.
    assert turns[-1] > 50
    errors = re.findall(r"^ +\d+ (\w+)$", done.stdout, re.MULTILINE)
    assert len(errors) >= 5
