"""Hold the wording rules that a machine can hold.

python tools/wording.py              # every finding, as file:line: rule: text
python tools/wording.py --count      # how many by rule, and by file
python tools/wording.py docs README.md

The exit status is 1 if there is a finding. `# wording: off` on a line of Python excuses that line.
"""

from __future__ import annotations

import argparse
import ast
import io
import itertools
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
EVERYTHING = ("chatgptes", "docs", "examples", ".github", "README.md", "CHANGELOG.md",
              "CONTRIBUTING.md", "SECURITY.md")  # fmt: skip
LONGEST_SENTENCE = 40
"""Words in a sentence that a user reads."""

WORDS = {
    r"stand-ins?": "the word is sandbox",
    r"what (?:is|was) taken": "name the thing: size, response, argument",
    r"lest": 'write "so that … not"',
    r"to (?:its|one's) taste": "say which value, and who chooses it",
    r"of its own": 'write "its own …", or leave it out',
    r"foreign": 'write "another site\'s", "from another package"',
    r"bare": 'write "plain" or "without …"',
    r"heard": 'of a message to a site: "received"',
    r"whence|thence|hitherto|thereof|therein|whosoever|whoever": "a word of old books",
    r"gone on (?:with|from)|goes on (?:with|from)": 'write "continued", "continues"',
    r"and (?:its|their) (?:kin|likes?)": 'name them, or write "and similar ones"',
    r"(?:is|are) of no use": 'write "does not help"',
    r"mended|mends?|mending": 'write "fixed", "correct"',
    r"likewise": 'write "also", "in the same way"',
    r"(?:own|one's) affair": 'write "decides", "is not checked"',
    r"say (?:it|that|them) again": 'of a message: "send it again"',
    r"(?:no|nothing) harm": "say what happens",
    r"in (?:the|its|their) place of": 'write "instead of", "where … would be"',
    r"make-believe": 'write "local" or "simulated"',
    r"answers that are none": 'write "invalid responses"',
    r"gather(?:s|ed)? up": 'write "collect"',
    r"simply|obviously|of course": "leave it out",
}
"""Words and phrases that don't stand in any text, each with the reason."""

NAMES = {
    "told": "six meanings so far",
    "heard": "say received, or events",
    "said": "say text, or response",
    "sounded": "nobody knows what it does",
    "bare": "say plain, or stripped",
    "foreign": "say other, or external",
    "meet": "say handle, or resolve",
    "kept": "say cached, or stored",
    "drained": "say read_to_end",
    "speaks": "say supports",
}
"""Functions and classes that don't have these names, each with the reason."""

BOTH_WORLDS = ("integrations/llm/", "ipython", "pytest_plugin", "integrations/testing/")
"""Their users give options as well as arguments."""

_WORDS = {
    re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])", re.IGNORECASE): why
    for pattern, why in WORDS.items()
}
_RIDDLE = re.compile(r"(?:What|Who|Whose|Where|Whether|How)\b")
_PYTHON_IN_CLI = re.compile(
    r"\b(?:Async)?Client\(|`\w+=[^`]*`|\b(?:site|bot|proxy|verify|timeout|transport|api_key)="
)
_OPTION_IN_PYTHON = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_SENTENCE_END = re.compile(r"(?<=[.!?:;])[\"')”»]*\s+(?=[\"'(“«`*\[]*[^\s])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|No)\.$")


@dataclass(frozen=True)
class Finding:
    """One breach of one rule."""

    file: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.text}"


def sentences(text: str) -> Iterator[str]:
    """The sentences of a paragraph; a colon or semicolon also ends one."""
    begun = ""
    for piece in _SENTENCE_END.split(" ".join(text.split())):
        begun = f"{begun} {piece}".strip()
        if not _ABBREVIATION.search(begun):
            yield begun
            begun = ""
    if begun:
        yield begun


def without_code(text: str) -> str:
    """The text with `code` for each piece of code, whose words are not ours to choose."""
    return re.sub(r"`[^`\n]*`", "`code`", text)


def check_words(file: str, line: int, text: str) -> Iterator[Finding]:
    """Banned words; `line` is that of the text's first line."""
    for number, one in enumerate(text.split("\n"), line):
        following = text.split("\n")[number - line + 1 : number - line + 2]
        joined = " ".join([one, *(part.strip() for part in following)])
        for pattern, why in _WORDS.items():
            for found in pattern.finditer(joined):
                if found.start() < len(one):
                    yield Finding(file, number, "word", f"{found[0]!r}: {why}")


def check_length(file: str, line: int, text: str) -> Iterator[Finding]:
    """Sentences that are too long."""
    for sentence in sentences(text):
        count = len(re.findall(r"[^\W_]+(?:['’.-]\w+)*", re.sub(r"`[^`]*`", "code", sentence)))
        if count > LONGEST_SENTENCE:
            yield Finding(file, line, "sentence", f"{count} words: {sentence[:60]}…")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """(line, paragraph) of Markdown; code, tables, and HTML comments are left out."""
    begun: list[str] = []
    first = 0
    fence = ""
    for number, line in enumerate([*text.split("\n"), ""], 1):
        stripped = line.strip()
        if fence:
            if stripped.startswith(fence):
                fence = ""
            continue
        opens = re.match(r"(`{3,}|~{3,})", stripped)
        starts = bool(re.match(r"(?:[-*+]|\d+\.|#+|>)\s", stripped))
        apart = not stripped or opens or stripped.startswith(("|", ":::", "--8<--", "<!--", "!["))
        if begun and (apart or starts):
            yield first, "\n".join(begun)
            begun = []
        if opens:
            fence = opens[1]
        elif not apart:
            first = first if begun else number
            begun.append(re.sub(r"^(?:[-*+]|\d+\.|#+|>)\s+", "", stripped))


def markdown(file: str, text: str) -> Iterator[Finding]:
    """Findings in a page of documentation; a generated one is checked where its texts are."""
    if text.startswith("<!-- Written by"):
        return
    for line, paragraph in prose(text):
        plain = re.sub(r"\]\([^)]*\)", "]", paragraph)
        yield from check_words(file, line, without_code(plain))
        yield from check_length(file, line, plain)
    for number, row in enumerate(text.split("\n"), 1):  # Tables: words only.
        if row.lstrip().startswith("|"):
            yield from check_words(file, number, without_code(row))


def literal(node: ast.AST | None) -> str:
    """The text of a string or f-string, `{}` for what is filled in; "" for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(literal(value) or "{}" for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return literal(left) + literal(right)
        case ast.IfExp(body=body, orelse=orelse):
            return max(literal(body), literal(orelse), key=len)
    return ""


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of every docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.body[0].lineno, text


def user_texts(tree: ast.Module, *, commands: bool) -> Iterator[tuple[int, str]]:
    """(line, text) of messages raised, of `help=`, and of the docstrings of commands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for argument in node.exc.args:
                if text := literal(argument):
                    yield node.lineno, text
        elif isinstance(node, ast.keyword) and node.arg in ("help", "epilog", "short_help"):
            if text := literal(node.value):
                yield node.value.lineno, text
        elif commands and isinstance(node, ast.FunctionDef):
            decorated = any("command" in ast.unparse(one) for one in node.decorator_list)
            shown = ast.get_docstring(node) if decorated else None
            if shown:
                yield from ((node.body[0].lineno, part) for part in re.split(r"\n\s*\n", shown))


def python(file: str, text: str) -> Iterator[Finding]:
    """Findings in a module of the package, or in another program."""
    excused = {n for n, line in enumerate(text.split("\n"), 1) if "# wording: off" in line}
    tree = ast.parse(text)
    found = itertools.chain(
        check_docstrings(file, tree),
        check_comments(file, text),
        check_names(file, tree),
        check_messages(file, tree),
    )
    yield from (each for each in found if each.line not in excused)


def check_docstrings(file: str, tree: ast.Module) -> Iterator[Finding]:
    """Words of docstrings, and in the package the way they begin."""
    for line, docstring in docstrings(tree):
        yield from check_words(file, line, without_code(docstring))
        if file.startswith("chatgptes/") and _RIDDLE.match(docstring):
            yield Finding(file, line, "docstring", f"begins with {docstring.split()[0]!r}")


def check_comments(file: str, text: str) -> Iterator[Finding]:
    """Words of comments."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield from check_words(file, token.start[0], without_code(token.string.lstrip("# ")))


def check_names(file: str, tree: ast.Module) -> Iterator[Finding]:
    """Names of functions and classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            why = NAMES.get(node.name.strip("_").lower())
            if why:
                yield Finding(file, node.lineno, "name", f"{node.name!r}: {why}")


def check_messages(file: str, tree: ast.Module) -> Iterator[Finding]:
    """Texts that a user of the package reads: their words, length, and terms."""
    command_line = file.startswith("chatgptes/cli/") or file.endswith("__main__.py")
    both = any(part in file for part in BOTH_WORLDS)
    for line, message in user_texts(tree, commands=file.startswith("chatgptes/cli/")):
        yield from check_words(file, line, without_code(message))
        yield from check_length(file, line, message)
        if not file.startswith("chatgptes/") or both:
            continue
        wrong, rule = (
            (_PYTHON_IN_CLI, "Python in a command's text")
            if command_line
            else (_OPTION_IN_PYTHON, "option in a library's text")
        )
        if found := wrong.search(message):
            yield Finding(file, line, rule, repr(found[0]))


def files(paths: Iterable[str]) -> Iterator[Path]:
    """The files to look at, in order."""
    for name in paths:
        path = ROOT / name
        if path.is_dir():
            yield from sorted([*path.rglob("*.py"), *path.rglob("*.md")])
        else:
            yield path


def findings(paths: Iterable[str] = EVERYTHING) -> Iterator[Finding]:
    """Every finding in these files and folders, by paths from the root of the repository."""
    for path in files(paths):
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
        text = path.read_text(encoding="utf-8")
        yield from python(name, text) if path.suffix == ".py" else markdown(name, text)


def main(arguments: list[str] | None = None) -> int:
    """Print the findings; 1 if there are any."""
    parser = argparse.ArgumentParser(description="Check the wording rules (see CONTRIBUTING.md).")
    parser.add_argument("paths", nargs="*", default=EVERYTHING, help="files and folders")
    parser.add_argument("--count", action="store_true", help="numbers by rule and by file only")
    options = parser.parse_args(arguments)
    found = list(findings(options.paths))
    if options.count:
        for title, counts in {
            "rule": Counter(one.rule for one in found),
            "file": Counter(one.file for one in found),
        }.items():
            print(f"by {title}:")
            for name, count in counts.most_common():
                print(f"{count:6} {name}")
    else:
        for one in found:
            print(one)
    print(f"{len(found)} findings", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
