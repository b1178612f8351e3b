"""Imports go one way, and nobody uses another module's private names: see docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "chatgptes"

ORDER = (
    {"errors", "_version"},
    {"values"},
    {"sites", "transport"},
    {"turn"},
    {"conversation"},
    {"client"},
    {"aio"},
)
"""Each room may import those before its own line; all others stand above."""


def rank(room: str) -> int:
    """The line of `ORDER` that a room stands in."""
    return next((place for place, rooms in enumerate(ORDER) if room in rooms), len(ORDER))


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


def test_rooms_import_those_below_only() -> None:
    for path, parts in modules():
        for target in imported(path, parts):
            if not target or target[0] == parts[0]:
                continue
            assert parts[0] in {"__init__", "__main__"} or rank(target[0]) <= rank(parts[0]), (
                path,
                target,
            )
            same = rank(target[0]) == rank(parts[0]) < len(ORDER)
            assert not same or target[0] == "_version", (path, target)
            assert target[0] != "cli" or parts[0] == "__main__", path


def test_no_circles() -> None:
    known = {parts if parts[-1] != "__init__" else parts[:-1] for _, parts in modules()}
    edges = {
        parts if parts[-1] != "__init__" else parts[:-1]: {
            target for target in imported(path, parts) if target in known
        }
        for path, parts in modules()
        if parts != ("__init__",)
    }
    done: set[tuple[str, ...]] = set()

    def visit(module: tuple[str, ...], way: tuple[tuple[str, ...], ...]) -> None:
        assert module not in way, " -> ".join(".".join(each) for each in (*way, module))
        if module in done:
            return
        for target in edges.get(module, ()):
            if target and target != module[: len(target)]:
                visit(target, (*way, module))
        done.add(module)

    for module in edges:
        visit(module, ())


def test_the_sandbox_stands_alone() -> None:
    for path, parts in modules():
        if parts[0] == "sandbox":
            assert all(target[0] == "sandbox" for target in imported(path, parts) if target), path
