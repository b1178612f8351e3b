"""tools/wording.py finds what it is for, and lets good texts pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import wording  # noqa: E402

LONG = " ".join(["word"] * 41)
MODULE = "chatgptes/values/sample.py"
COMMAND = "chatgptes/cli/sample.py"


def rules(found: object) -> list[tuple[int, str]]:
    return [(one.line, one.rule) for one in found]  # type: ignore[attr-defined]


@pytest.mark.parametrize("word", ["What", "Who", "Whose", "Where", "Whether", "How"])
def test_docstrings_that_begin_with_a_question(word: str) -> None:
    text = f'def f():\n    """{word} it is."""\n'
    assert rules(wording.python(MODULE, text)) == [(2, "docstring")]
    assert not rules(wording.python("examples/sample.py", text))
    assert not rules(wording.python(MODULE, text.replace(word, "Whatever")))


@pytest.mark.parametrize(
    "text",
    [
        '"""A stand-in."""\n',
        "# Checked, lest it fail.\n",
        'raise ValueError("A foreign host.")\n',
        'raise ValueError(f"A {1} of its own.")\n',
    ],
)
def test_banned_words_of_programs(text: str) -> None:
    assert rules(wording.python(MODULE, text)) == [(1, "word")]
    excused = text.rstrip("\n") + "  # wording: off\n"
    assert not rules(wording.python(MODULE, excused))
    assert not rules(wording.python(MODULE, text.replace("stand-in", "`stand-in`"))) or (
        "stand-in" not in text
    )


def test_banned_names() -> None:
    text = "def told():\n    pass\n\n\nclass _Heard:\n    pass\n\n\ndef retold():\n    pass\n"
    assert rules(wording.python(MODULE, text)) == [(1, "name"), (5, "name")]


def test_long_messages() -> None:
    text = f'raise ValueError("{LONG}.")\n'
    assert rules(wording.python(MODULE, text)) == [(1, "sentence")]
    half = LONG[: len(LONG) // 2]
    assert not rules(wording.python(MODULE, f'raise ValueError("{half}. And {half}.")\n'))
    assert rules(wording.python(COMMAND, f'option("--x", help="{LONG}.")\n')) == [(1, "sentence")]
    shown = f'@group.command("x")\ndef x():\n    """{LONG}."""\n'
    assert rules(wording.python(COMMAND, shown)) == [(3, "sentence")]


def test_each_world_in_its_own_terms() -> None:
    python = 'raise ValueError("Give Client(site=…), or timeout=60.")\n'
    options = 'raise ValueError("Give --timeout 60.")\n'
    assert rules(wording.python(COMMAND, python)) == [(1, "Python in a command's text")]
    assert rules(wording.python(MODULE, options)) == [(1, "option in a library's text")]
    assert not rules(wording.python(COMMAND, options))
    assert not rules(wording.python(MODULE, python))
    assert not rules(wording.python("chatgptes/integrations/llm/sample.py", options))


def test_markdown() -> None:
    text = "\n".join([
        "# A title", "", "A stand-in, here.", "",            # 3
        "| a stand-in | in a table |", "",                   # 5
        "```python", "stand-in", LONG, "```", "",
        "- an item over", "  two lines of", "  its own", "",  # 12
        f"{LONG}.", "",                                       # 16
        f"| {LONG}. |", "",
        "`stand-in` in code.",
    ])  # fmt: skip
    assert rules(wording.markdown("docs/sample.md", text)) == [
        (3, "word"),
        (13, "word"),
        (16, "sentence"),
        (5, "word"),
    ]
    assert not rules(wording.markdown("docs/sample.md", "<!-- Written by x -->\n" + text))


def test_every_rule_has_its_reason() -> None:
    assert all(wording.WORDS.values())
    assert all(wording.NAMES.values())


def test_the_program(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "tools" / "wording.py"), *arguments]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)

    bad = tmp_path / "bad.md"
    bad.write_text("A stand-in.\n", encoding="utf-8")
    found = run(str(bad))
    assert found.returncode == 1
    assert found.stdout == f"{bad}:1: word: 'stand-in': the word is sandbox\n"
    counted = run("--count", str(bad))
    assert counted.returncode == 1
    assert "     1 word\n" in counted.stdout
    good = tmp_path / "good.md"
    good.write_text("A sandbox.\n", encoding="utf-8")
    assert run(str(good)).returncode == 0


def test_the_documentation() -> None:
    pages = ("docs", "examples", ".github", "README.md", "CHANGELOG.md", "CONTRIBUTING.md",
             "SECURITY.md")  # fmt: skip
    assert [str(one) for one in wording.findings(pages)] == []
