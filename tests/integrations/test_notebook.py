"""The notebook and its magic, in a real kernel."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ipykernel")
nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

from chatgptes.sandbox import Site  # noqa: E402

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
START: dict[str, Any] = {"cwd": str(ROOT), "env": {**os.environ, "PYTHONPATH": str(ROOT)}}

pytestmark = [
    pytest.mark.filterwarnings("default"),  # The kernel's client has deprecations of its own.
    pytest.mark.skipif(sys.platform == "win32", reason="interrupts are signals here"),
]


class Kernel:
    """A kernel that runs one cell after another; `outputs` are the last one's."""

    def __init__(self, **options: Any) -> None:
        self.book = nbformat.v4.new_notebook()
        self.client = nbclient.NotebookClient(
            self.book, timeout=60, kernel_name="python3", allow_errors=True, **options
        )
        self.outputs: list[Any] = []

    def run(self, source: str) -> list[Any]:
        """Run a cell; its outputs."""
        cell = nbformat.v4.new_code_cell(source)
        self.book.cells.append(cell)
        index = len(self.book.cells) - 1
        self.client.execute_cell(cell, index)
        return list(cell.outputs)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    with kernel.client.setup_kernel(**START):
        kernel.run("%load_ext chatgptes")
        yield kernel


def markdown(outputs: list[Any]) -> str:
    """The Markdown of the only display there is."""
    shown = [
        output for output in outputs if output.output_type in ("display_data", "execute_result")
    ]
    assert len(shown) == 1, outputs
    return str(shown[0].data["text/markdown"])


def error(outputs: list[Any]) -> str:
    """The only line of the only error there is."""
    (failed,) = [output for output in outputs if output.output_type == "error"]
    assert failed.ename != "KeyboardInterrupt", failed
    (line,) = failed.traceback
    assert "\n" not in line
    return str(line)


def printed(outputs: list[Any]) -> str:
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_the_example_runs_and_shows_what_it_says() -> None:
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(book)
    assert all(not cell.outputs and cell.execution_count is None
               for cell in book.cells if cell.cell_type == "code")  # fmt: skip
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3").execute(**START)
    cells = {cell.source.split("\n")[0]: cell.outputs for cell in book.cells
             if cell.cell_type == "code"}  # fmt: skip
    assert "sandbox" in markdown(cells['chatgptes.chat("What can you do?", site=site.url)'])
    first = markdown(cells["%%chat --site {site.url}"])
    assert "My name is *Ada*" in first
    assert "<b>" not in first.replace("<code>", "")
    assert "message 2 of our conversation" in markdown(cells["%%chat"])
    assert "message 1 of our conversation" in markdown(cells["%%chat --new --to reply"])
    assert "characters from aipkit" in printed(
        cells['print(len(reply.text), "characters from", reply.dialect)']
    )
    assert "sandbox" in printed(cells["async with chatgptes.AsyncClient(site.url) as client:"])
    assert "message 2" in markdown(cells["client = chatgptes.AsyncClient(site.url)"])
    assert printed(cells['site.next("quota")']).startswith("QuotaError ")


def test_one_conversation_goes_on_over_cells(kernel: Kernel, site: Site) -> None:
    assert "message 1 of" in markdown(kernel.run(f"%%chat --site {site.url}\nOne"))
    assert "message 2 of" in markdown(kernel.run("%%chat\nTwo {braces} $dollar `code`"))
    assert site.messages[-1][-1]["content"] == "Two {braces} $dollar `code`"
    assert "message 3 of" in markdown(kernel.run("%%chat --timeout=30\nWhat's up?"))
    assert site.messages[-1][-1]["content"] == "What's up?"
    assert "of 6 messages" in printed(kernel.run("%chat"))
    assert "message 1 of" in markdown(kernel.run("%%chat --new\nAnew"))
    other = site.page("classic")
    assert "message 1 of" in markdown(kernel.run(f'%%chat --site "{other}"\nElsewhere'))
    assert site.requests[-1].form["action"].startswith("wpaicg")
    assert "message 2 of" in markdown(kernel.run(f"%%chat --site={other}\nStill there"))


def test_variables_in_a_cell(kernel: Kernel, site: Site) -> None:
    kernel.run("name = 'Ada'\nnumber = 3")
    kernel.run(f"%%chat --new --site {site.url}\n{{name}} has {{number}} {{{{name}}}}")
    assert site.messages[-1][-1]["content"] == "Ada has 3 {name}"
    code = '{"a": {"b": 1}} {unknown} {{}} {0} {{ x }} f"{number!r}"'
    kernel.run(f"%%chat\n{code}")
    assert site.messages[-1][-1]["content"] == code


def test_the_last_conversation_goes_on(kernel: Kernel, site: Site, tmp_path: Path) -> None:
    kernel.run(f"import os\nos.environ['CHATGPTES_DATA'] = {str(tmp_path)!r}")
    try:
        assert "no last conversation" in error(kernel.run("%%chat -c\nHello"))
        page = site.page("aipkit-two")
        assert "message 1 of" in markdown(kernel.run(f"%%chat --site {page} --bot 5\nOne"))
        kernel.run("%unload_ext chatgptes\n%load_ext chatgptes")
        assert "message 2 of" in markdown(kernel.run("%%chat -c --to reply\nTwo"))
        assert printed(kernel.run("print(reply.site, reply.bot)")) == f"{page} 5\n"
        assert "message 3 of" in markdown(kernel.run("%%chat\nThree"))
        for wrong in (f"--site {site.url} -c", "-c --new", "-c --sandbox"):
            assert error(kernel.run(f"%%chat {wrong}\nHello"))
        assert len(site.messages) == 3
    finally:
        kernel.run("os.environ['CHATGPTES_DATA'] = ''")


def test_an_uncaught_error_is_short(kernel: Kernel, site: Site) -> None:
    kernel.run("import chatgptes\ndef ask(url):\n    return chatgptes.chat('Hi', site=url)")
    for cell in (f"ask({site.url!r})", f"await chatgptes.AsyncClient({site.url!r}).chat('Hi')"):
        site.next("model-500")
        (failed,) = [each for each in kernel.run(cell) if each.output_type == "error"]
        text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(failed.traceback))
        assert failed.ename == "UpstreamError"
        assert cell in text
        assert ("chatgptes.chat('Hi', site=url)" in text) == cell.startswith("ask")
        assert "UpstreamError: " in text.splitlines()[-1]
        assert str(ROOT / "chatgptes") not in text
        assert "The above exception" not in text
        assert len(text.splitlines()) < 25
    # All of it is still there for a debugger.
    site.next("model-500")
    kernel.run(f"ask({site.url!r})")
    frames = "import sys, traceback\nprint(len(traceback.extract_tb(sys.last_traceback)))"
    assert int(printed(kernel.run(frames))) > 4
    # Other errors are as they were.
    (failed,) = [each for each in kernel.run("1/0") if each.output_type == "error"]
    assert failed.ename == "ZeroDivisionError"


def test_clients_and_conversations_of_ones_own(kernel: Kernel, site: Site) -> None:
    kernel.run(
        f"import chatgptes\nmine = chatgptes.Client({site.url!r}, api_key={site.api_key!r}, bot=5)"
    )
    kernel.run("%%chat --with mine --to answer\nHello")
    assert printed(kernel.run("print(answer.dialect)")) == "rest\n"
    assert "message 2 of" in markdown(kernel.run("%%chat\nAgain"))
    kernel.run("talk = mine.conversation()")
    kernel.run("%%chat --with talk\nHello")
    assert printed(kernel.run("print(len(talk.messages))")) == "2\n"
    assert "no Client" in error(kernel.run("%%chat --with nothing\nHello"))


def test_errors_are_one_line(kernel: Kernel, site: Site) -> None:
    kernel.run(f"%%chat --site {site.url}\nOne")
    site.next("quota")
    assert error(kernel.run("%%chat\nTwo")).startswith("QuotaError: ")
    assert "message 2 of" in markdown(kernel.run("%%chat\nTwo"))  # As if it had not been.
    site.next("cut")
    outputs = kernel.run("%%chat\nThree")
    assert error(outputs).startswith("StreamInterruptedError: ")
    assert markdown([output for output in outputs if output.output_type != "error"])
    turns = len(site.messages)
    for wrong in ("--sight x", "--new=1", "--site", "--timeout soon", "--sandbox --site x",
                  "--transport pigeon", "Hello there", "--to 1x", "--to class",
                  "--to a.b"):  # fmt: skip
        assert error(kernel.run(f"%%chat {wrong}\nHello")).startswith(
            ("Unrecognized", "--", "Argument", "Invalid")
        )
    assert len(site.messages) == turns
    assert "--sandbox" in printed(kernel.run("%chat --help"))


def test_the_sandbox_and_the_loop(kernel: Kernel) -> None:
    """A blocking turn while the loop runs, and the loop is the kernel's own, unchanged."""
    before = printed(
        kernel.run("import asyncio\nprint(type(asyncio.get_running_loop()).run_forever)")
    )
    assert "sandbox" in markdown(kernel.run("%%chat --sandbox\nHello"))
    after = printed(kernel.run("print(type(asyncio.get_running_loop()).run_forever)"))
    assert before == after != ""


def test_an_interrupt_keeps_what_came() -> None:
    """The text is there, the conversation as before, the site let go; the next cell works."""
    kernel = Kernel()
    with Site() as site, kernel.client.setup_kernel(**START):
        kernel.run("%load_ext chatgptes")
        kernel.run(f"%%chat --site {site.url}\nOne")
        site.next("stall")
        thread = threading.Thread(target=interrupt, args=(kernel, site))
        thread.start()
        outputs = kernel.run("%%chat\nTwo")
        thread.join()
        (failed,) = [output for output in outputs if output.output_type == "error"]
        assert failed.traceback == ["Interrupted. The conversation is as it was before."]
        assert markdown([output for output in outputs if output.output_type != "error"])
        assert until(lambda: site.stalled == 0)
        assert "of 2 messages" in printed(kernel.run("%chat"))
        assert "sandbox" in markdown(kernel.run("%%chat\nThree"))


def interrupt(kernel: Kernel, site: Site) -> None:
    """Once the site is silent, and something of its answer is in the cell."""
    assert until(lambda: site.stalled == 1 and bool(kernel.book.cells[-1].outputs))
    asyncio.run(kernel.client.km._async_interrupt_kernel())


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_the_example_is_listed() -> None:
    table = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert re.search(r"\]\(notebook\.ipynb\)", table)
