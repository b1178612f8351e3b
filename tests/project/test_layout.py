"""Imports go one way: see CONTRIBUTING.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "chatgptes"


def modules() -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Every file of the package, and its parts without the suffix."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, path.relative_to(PACKAGE).with_suffix("").parts


def imported(path: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The modules of the package that a file imports, those for type checking included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        assert not (node.module or "").startswith("chatgptes"), f"{path}: by the package's name"
        if not node.level:
            continue
        base = parts[: len(parts) - node.level]
        module = tuple(node.module.split(".")) if node.module else ()
        for alias in node.names:
            target = PACKAGE.joinpath(*base, *module, alias.name)
            inside = target.is_dir() or target.with_suffix(".py").exists()
            yield (*base, *module, alias.name) if inside else (*base, *module)


def test_the_sandbox_stands_alone() -> None:
    for path, parts in modules():
        if parts[0] == "sandbox":
            assert all(target[0] == "sandbox" for target in imported(path, parts) if target), path
