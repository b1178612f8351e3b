"""Make small random changes in a copy of the tree, and name those that no test notices.

    python tools/mutate.py --count 60 --seed 1

Each change is made alone: a comparison or `and` turned round, a number one higher or lower, a
`not`, `raise` or `return` value gone, a word of the protocol misspelt.  Then the tests that fit the
file run until one fails.  What survives is printed with its line; the exit status is 1 if that is
more than `--allowed` of all.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("chatgptes", "tests", "docs", "pyproject.toml", "setup.cfg")
"""What the tests of `TESTS` need, documented limits included."""
TESTS = {
    "chatgptes/sites/": [
        "tests/sites", "tests/turn/test_take.py", "tests/turn/test_first_look.py",
        "tests/turn/test_gates.py", "tests/turn/test_limits.py", "tests/turn/test_field.py",
        "tests/client/test_client_wire.py", "tests/client/test_conversation.py",
        "tests/client/test_engine_pages.py", "tests/client/test_extras.py",
    ],
    "chatgptes/turn/": [
        "tests/turn", "tests/client/test_conversation.py", "tests/client/test_client_wire.py",
        "tests/client/test_client.py", "tests/client/test_extras.py",
        "tests/client/test_scenarios.py", "tests/client/test_provider.py",
    ],
}  # fmt: skip
"""By the beginning of a file's path.  Of a folder, the tests named like the file come first."""
SKIPPED = (
    "tests/sites/test_fuzz.py", "tests/turn/test_faults_wire.py", "tests/turn/test_faults.py",
)  # fmt: skip
"""They take longest, and see little that the others don't."""
LARGEST = 100
"""Numbers beyond it are bounds and buffers, for which one more or less is the same."""
SWAPPED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A piece of a file, and what to write in its place."""

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {' '.join(self.old.split())}  ->  {self.new}"


def changes_of(file: str) -> Iterator[Change]:
    """All changes that could be made in a file."""
    source = (ROOT / file).read_text("utf-8")
    encoded = source.encode()
    starts = [0]
    for line in encoded.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, new in _replacements(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        old = encoded[start:end].decode()
        if old != new:
            yield Change(file, node.lineno, start, end, old, new)


def _replacements(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    for node in _changeable(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            other = ast.Compare(node.left, [_swapped(node.ops[0])], node.comparators)
            yield node, f"({ast.unparse(other)})"
        elif isinstance(node, ast.BoolOp):
            yield node, f"({ast.unparse(ast.BoolOp(_swapped(node.op), node.values))})"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, f"bool({ast.unparse(node.operand)})"
        elif isinstance(node, ast.Raise):
            yield node, "pass"
        elif isinstance(node, ast.Return) and node.value is not None:
            if ast.unparse(node.value) != "False":  # None is as false.
                yield node, "return None"
        elif isinstance(node, ast.Constant):
            yield from _other_constants(node)


def _swapped(operator: ast.AST) -> Any:
    return SWAPPED[type(operator)]()


def _other_constants(node: ast.Constant) -> Iterator[tuple[ast.expr, str]]:
    value = node.value
    if isinstance(value, bool):
        yield node, repr(not value)
    elif isinstance(value, (int, float)) and abs(value) <= LARGEST:
        yield node, repr(value + 1)
        yield node, repr(value - 1)
    elif isinstance(value, str) and value and " " not in value and len(value) < 40:
        yield node, repr(value + "x")  # A word of the protocol; sentences may change.


def _changeable(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and all within it, but for what makes no difference: texts, types, `__repr__`."""
    if _is_left_out(node):
        return
    if not isinstance(node, ast.AnnAssign):
        yield node
    for name, child in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for each in child if isinstance(child, list) else [child]:
            if isinstance(each, ast.AST):
                yield from _changeable(each)


def _is_left_out(node: ast.AST) -> bool:
    if isinstance(node, (ast.JoinedStr, ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.FunctionDef):
        return node.name in ("__repr__", "__del__")
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) in ("__all__", "log")
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).partition(".")[0] in ("log", "cast")
    return False


def noticed_by(change: Change, tree: Path, seconds: float) -> str:
    """The test that fails with `change` made in the copy `tree`, "" if none does."""
    path = tree / change.file
    source = path.read_bytes()
    path.write_bytes(source[: change.start] + change.new.encode() + source[change.end :])
    try:
        return failing_test(tests_for(change.file, tree), tree, seconds)
    finally:
        path.write_bytes(source)


def failing_test(tests: list[str], tree: Path, seconds: float, *, changed: bool = True) -> str:
    """The first of `tests` that fails in the copy `tree`, "" if none does.

    Bytecode is written while nothing is changed only: that of a changed file could be taken for
    the unchanged one's, which is often as long and hardly older.
    """
    command = [
        sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--timeout=100",
        "--hypothesis-seed=0", *tests,
    ]  # fmt: skip
    environment = {
        **os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1" if changed else ""
    }  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, timeout=seconds, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        return "the clock, which may be the machine's fault"
    if done.returncode == 0:
        return ""
    printed = done.stdout.decode(errors="replace")
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", printed, re.MULTILINE)
    return failed[1] if failed else f"pytest's exit status {done.returncode}"


def tests_for(file: str, tree: Path) -> list[str]:
    """The files of tests that fit a file of the package, those that are likeliest to fail first."""
    stem, folder = Path(file).stem, Path(file).parent.name
    words = {*stem.split("_"), folder, *(["engine", "aiengine"] if folder == "aiengine" else [])}
    found: list[str] = []
    for beginning, fitting in TESTS.items():
        for test in fitting if file.startswith(beginning) else ():
            inside = sorted((tree / test).glob("test_*.py"), key=lambda path: path.name)
            names = [str(path.relative_to(tree)) for path in inside] or [test]
            names.sort(key=lambda name: not words & set(Path(name).stem.split("_")))
            found += [name for name in names if name not in SKIPPED]
    return found


def main() -> int:
    """Run the program; its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=60, help="changes to make")
    parser.add_argument("--seed", type=int, default=0, help="which changes")
    parser.add_argument("--jobs", type=int, default=2, help="copies of the tree at work at once")
    parser.add_argument("--seconds", type=float, default=600.0, help="for one run of tests")
    parser.add_argument("--allowed", type=float, default=0.05, help="share that may survive")
    parser.add_argument("--verbose", action="store_true", help="print those that were noticed, too")
    parser.add_argument("paths", nargs="*", default=["chatgptes/sites", "chatgptes/turn"])
    options = parser.parse_args()
    files = sorted(
        str(path.relative_to(ROOT))
        for given in options.paths
        for path in ([ROOT / given] if given.endswith(".py") else (ROOT / given).rglob("*.py"))
    )
    possible = [change for file in files for change in changes_of(file)]
    pick = random.Random(options.seed)  # noqa: S311 - nothing secret.
    chosen = pick.sample(possible, min(options.count, len(possible)))
    with tempfile.TemporaryDirectory() as folder:
        trees = [Path(folder, str(job)) for job in range(options.jobs)]
        trees[0].mkdir()
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, trees[0] / name)
        for beginning in TESTS:
            files = [change.file for change in chosen if change.file.startswith(beginning)]
            tests = tests_for(files[0], trees[0]) if files else []
            failed = tests and failing_test(tests, trees[0], options.seconds, changed=False)
            if failed:
                print(f"a test fails before any change: {failed}")
                return 2
        for tree in trees[1:]:
            shutil.copytree(trees[0], tree)

        def work(job: int) -> list[Change]:
            found = []
            for change in chosen[job :: options.jobs]:
                test = noticed_by(change, trees[job], options.seconds)
                if not test:
                    found.append(change)
                    print(f"survived  {change}", flush=True)
                elif options.verbose:
                    print(f"noticed   {change}  by {test}", flush=True)
            return found

        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            survivors = [each for found in pool.map(work, range(options.jobs)) for each in found]
    share = len(survivors) / len(chosen)
    print(f"{len(survivors)} of {len(chosen)} changes survived ({share:.0%}); seed {options.seed}")
    return int(share > options.allowed)


if __name__ == "__main__":
    sys.exit(main())
