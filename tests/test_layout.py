"""Imports go one way: see CONTRIBUTING.md."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "chatgptes"

VALUES = {
    "errors",
    "caller",
    "images",
    "messages",
    "reply",
    "deadline",
    "http",
    "config",
    "_version",
    "markdown",
}
# What each room may import beside itself and the values above.
MAY = {
    "errors": set(),
    "_version": set(),
    "markdown": set(),
    "reply": {"markdown"},
    "images": {"errors"},
    "messages": {"errors", "http", "images"},
    "deadline": {"errors"},
    "http": {"errors"},
    "caller": {"errors"},
    "config": {"errors", "caller", "deadline", "http", "messages", "transport"},
    "sites": VALUES - {"config", "messages", "deadline"},
    "transport": VALUES - {"config", "messages", "reply"},
    "concurrency": {"errors", "deadline"},
    "cookies": VALUES,
    "sending": VALUES | {"cookies", "sites", "transport"},
    "session": VALUES | {"concurrency", "sending", "sites"},
    "turn": VALUES | {"sending", "session", "sites", "transport"},
    "streaming": VALUES | {"concurrency", "turn"},
    "plan": VALUES | {"concurrency", "turn", "streaming", "client"},
    "conversation": VALUES | {"concurrency", "plan", "streaming", "turn", "client"},
    "batch_prompts": {"errors", "messages"},
    "batch_file": VALUES | {"batch_prompts"},
    "batch_source": {"errors", "batch_prompts"},
    "text": set(),
    "sandbox": set(),
}
# Above these, anything goes but the command line.
ABOVE = {
    "client", "shared", "reader", "aio", "provider", "batch_run", "batching", "diagnosis", "cli",
    "integrations",
    "__init__", "__main__",
}  # fmt: skip


def rooms_imported(path: Path) -> set[str]:
    """The rooms of the package that a file imports; those only for type checking too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = path.relative_to(PACKAGE).parts[:-1]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = list(inside[: len(inside) - node.level + 1])
            if node.module:
                found.add((base + node.module.split("."))[0])
            else:
                found |= {(base or [alias.name])[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chatgptes"):
            raise AssertionError(f"{path.name} imports the package by its name")
    return found


def test_imports_go_one_way() -> None:
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).parts
        room = parts[0].removesuffix(".py")
        imported = rooms_imported(path) - {room}
        if room in ABOVE:
            assert room == "__main__" or "cli" not in imported, path
            continue
        assert room in MAY, f"{room} is a new room: give it its place here and in CONTRIBUTING.md"
        assert imported <= MAY[room], (path, imported - MAY[room])


def test_the_sandbox_stands_alone() -> None:
    for path in (PACKAGE / "sandbox").glob("*.py"):
        assert rooms_imported(path) <= {"sandbox"}, path
