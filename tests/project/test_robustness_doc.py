"""docs/robustness.md: every test that it names exists, and no fault of the tables is left out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import test_faults_wire as wire_faults

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parent / "docs" / "robustness.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)(?:\[([^\]]+)\])?`", TEXT)))
CASES = {
    "test_fault": wire_faults.ROWS,
    "test_no_connection": wire_faults.NO_CONNECTION,
    "test_http2": wire_faults.HTTP2,
}


@pytest.mark.parametrize(("file", "name", "case"), NAMED)
def test_named_tests_exist(file: str, name: str, case: str) -> None:
    (path,) = TESTS.rglob(file)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, functions)}
    if case:
        assert case in CASES[name]


@pytest.mark.parametrize("name", CASES)
def test_every_fault_is_in_the_table(name: str) -> None:
    assert {case for _, each, case in NAMED if each == name and case} == set(CASES[name])


def test_classes_in_the_tables() -> None:
    """The error in a row is the one that its test expects."""
    rows = re.findall(
        r"^\| .* \| (.*) \| `test_faults_wire\.py::(\w+)\[(.+)\]` \|$", TEXT, re.MULTILINE
    )
    assert len(rows) > 60
    for gets, name, case in rows:
        expected = CASES[name][case]
        error = expected[0] if isinstance(expected, tuple) else expected.error
        assert error.__name__ in gets or (error.__name__ == "Reply" and gets == "the reply")
