"""What the README and the documentation show runs, and what they name exists."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from proxies import RealProxy

import chatgptes
from chatgptes.sandbox import Site

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
# What a page is about that not every environment has: tox runs it in one of its own.
NEEDS = {"docs/howto/llm.md": "llm"}
# Broad on purpose: a block that the tests don't know must not pass for one that runs.
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(kind: str) -> list[tuple[str, str]]:
    """(page and number, text) of every block of this kind."""
    return [
        (f"{page.relative_to(ROOT)}:{number}", text)
        for page in PAGES
        for number, (found, text) in enumerate(_BLOCK.findall(page.read_text(encoding="utf-8")))
        if found == kind
    ]


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, without this one's environment."""
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        cwd=folder,
        env={
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            "PATH": "/usr/bin:/bin",
            "LLM_USER_PATH": str(folder),
            "CHATGPTES_DATA": str(folder / "data"),
            "CHATGPTES_CONFIG": str(folder / "config.toml"),
            **environment,
        },
    )


def check_needs(where: str) -> None:
    """Skip a block whose page is about a program that is not here."""
    needed = NEEDS.get(where.partition(":")[0])
    if needed is not None:
        pytest.importorskip(needed)


def here(text: str, site: Site, proxy: str = "") -> str:
    """`text` with local things where it names others."""
    user, password = site.credentials
    staging = urlsplit(site.page("staging"))
    for name, value in {
        "https://user:password@staging.example.org/": f"http://{user}:{quote(password)}@"
        f"{staging.netloc}{staging.path}",
        "https://example.org/chat/": site.url,
        "https://example.org/": site.url,
        "http://proxy.example.net:3128": proxy,
        "YOUR-KEY": site.api_key,
    }.items():
        text = text.replace(name, value)
    assert not re.search(r"example\.(org|net|com)", text)
    assert "chatgptes.chat(" not in text or "site=" in text  # Never the real site.
    return text


@pytest.fixture(scope="module")
def proxy() -> Iterator[str]:
    with RealProxy("http") as running:
        yield f"http://127.0.0.1:{running.port}"


def test_no_block_is_of_an_unknown_kind() -> None:
    kinds = {kind for page in PAGES for kind, _ in _BLOCK.findall(page.read_text(encoding="utf-8"))}
    assert kinds <= {"python", "ipython", "sh", "text"}


def is_test(program: str) -> bool:
    """It is a test file, for the pytest plugin."""
    return "chatgptes_site" in program


@pytest.mark.parametrize(
    ("where", "program"), [found for found in blocks("python") if is_test(found[1])]
)
def test_tests(tmp_path: Path, where: str, program: str) -> None:
    (tmp_path / "test_page.py").write_text(program, encoding="utf-8")
    plugin = "chatgptes.integrations.pytest_plugin"
    command = [sys.executable, "-m", "pytest", "-W", "error", "--strict-markers", "-p", plugin]
    result = run(command, tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert result.returncode == 0, result.stdout
    assert f"{program.count('def test_')} passed" in result.stdout or "dialect=" in program


@pytest.mark.parametrize(
    ("where", "program"), [found for found in blocks("python") if not is_test(found[1])]
)
def test_python(site: Site, proxy: str, tmp_path: Path, where: str, program: str) -> None:
    check_needs(where)
    if "integrations.langchain" in program:
        pytest.importorskip("langchain_core")  # tox's `langchain` has it.
    result = run([sys.executable, "-W", "error", "-c", here(program, site, proxy)], tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() or "print" not in program
    assert result.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
@pytest.mark.parametrize(
    ("where", "lines"),
    # Those that make an environment are tried in one, by continuous integration.
    [found for found in blocks("sh") if ".venv" not in found[1]],
)
def test_shell(site: Site, tmp_path: Path, where: str, lines: str) -> None:
    """The commands are this checkout's and this environment's."""
    check_needs("docs/howto/llm.md:" if "llm " in lines else where)
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Hello"}\n')
    lines = lines.replace("chatgptes sandbox ", "true ")  # It ends when it is stopped.
    functions = [
        f'{name}() {{ "{sys.executable}" -m {name} "$@"; }}' for name in ("chatgptes", "llm")
    ]
    program = "\n".join([*functions, here(lines, site)])
    result = run(["sh", "-e", "-c", program], tmp_path, CHATGPTES_SITE=site.url)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() or list(tmp_path.iterdir())


def test_cells(site: Site) -> None:
    """Those of the page on notebooks, in one kernel."""
    pytest.importorskip("ipykernel")
    from test_notebook import START, Kernel

    kernel = Kernel()
    with kernel.client.setup_kernel(**START):
        shown = ""
        for where, cell in blocks("ipython"):
            outputs = kernel.run(here(cell, site).rstrip())
            assert not [output for output in outputs if output.output_type == "error"], where
            shown += str(outputs)
    assert "message 2 of our conversation" in shown


def command(section: str) -> str:
    after = README.read_text(encoding="utf-8").split(f"## {section}\n", 1)[1]
    found = re.search(r"^```sh\n(.*?)^```", after, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1].strip()


def test_the_two_commands_are_one_line_each() -> None:
    for section in ("Quick start", "Tests"):
        assert "\n" not in command(section)
        assert command(section).startswith("python3 -m venv .venv && ")


def test_the_site_opens_with_the_same_command() -> None:
    assert command("Quick start") in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


def test_nothing_is_installed_from_an_index_that_does_not_have_it() -> None:
    texts = [*PAGES, *(ROOT / "chatgptes").rglob("*.py"), *(ROOT / "examples").rglob("*.*")]
    from_index = re.compile(r"pip install [^\n]*?(?<![/.\w])chatgptes\b(?!\S* @ )")
    for text in (each for each in texts if each.suffix != ".pyc"):
        found = from_index.search(text.read_text(encoding="utf-8"))
        assert found is None, (text, found)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text):
            if "://" not in target:
                assert (page.parent / target).exists(), (page.name, target)


def test_the_reference_has_every_public_name() -> None:
    pages = (ROOT / "docs" / "reference").glob("*.md")
    reference = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"^::: chatgptes\.(\w+)$", reference, re.MULTILINE))
    errors = set(chatgptes.errors.__all__)
    told = {
        "DEFAULT",
        "ImageSource",
        "__version__",
        "sandbox",
    }  # In the text, not as an object of their own.
    assert named == set(chatgptes.__all__) - errors - told
    assert "`DEFAULT`" in reference
    assert "`ImageSource`" in reference
    sandbox = set(re.findall(r"^::: chatgptes\.sandbox\.\w+\.(\w+)$", reference, re.MULTILINE))
    assert sandbox == set(chatgptes.sandbox.__all__) - {"FAULTS"}


def test_every_error_has_its_advice() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    general = {"ChatGptEsError", "TransportError", "ResponseError"}
    assert set(chatgptes.errors.__all__) - general <= set(re.findall(r"`(\w+)`", text))


def test_nothing_is_fetched_from_elsewhere() -> None:
    for picture in (ROOT / "docs").glob("*.svg"):
        text = picture.read_text(encoding="utf-8")
        assert not re.search(r"url\(\"?http|@import|<script|xlink:href=\"http", text)
    for page in PAGES:
        for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", page.read_text(encoding="utf-8")):
            assert "://" not in target, page.name
