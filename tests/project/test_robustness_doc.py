"""docs/robustness.md: every test that it names exists, and no fault of the tables is left out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import test_faults as sandbox_faults
import test_faults_wire as wire_faults

from chatgptes.sandbox import FAULTS
from chatgptes.sandbox.faults import ASIDE

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


def test_the_other_plugins_faults() -> None:
    """Each has its row; the class in a row is the one that the turns with it end in."""
    section = TEXT.partition("## What AI Engine sites answer")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| .+? \| (`.+?) \| (.+) \|$", section, re.MULTILINE)
    named = [(name, gets) for names, gets in rows for name in re.findall(r"`([\w-]+)`", names)]
    # What every kind of site does alike is in the other tables.
    alike = set(sandbox_faults.COMMON) | set(sandbox_faults.STREAM) - {
        "model-drop",
        "model-error-mid",
    }
    assert sorted(name for name, _ in named) == sorted(
        (set(FAULTS["mwai"]) - alike) | set(ASIDE["mwai"])
    )
    for name, gets in named:
        if name in FAULTS["mwai"]:
            error = sandbox_faults.EXPECTED["mwai"][name]
            assert isinstance(error, type)
            assert f"`{error.__name__}`" in gets, name
