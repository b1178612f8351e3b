"""Every example runs as it is, and says what it should."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from chatgptes.sandbox import Site

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXPECTED = {
    "hello.py": "sandbox",
    "streaming.py": r"\d+\.\d+ s, \d+ characters",
    "conversation.py": r"My name is Ada\.(.|\n)*4 messages",
    "bots.py": r"aipkit +inline(.|\n)*aipkit +inline",
    "images.py": r"1 image: image/png, 69 bytes(.|\n)*takes no images",
    "own_site.py": r"sandbox(.|\n)*\d+ tokens",
    "failures.py": r"quota(.|\n)*come back later(.|\n)*(ChallengeError|a gate for browsers)",
    "asyncio_chat.py": r"·tick·(.|\n)*box|box(.|\n)*·tick·",
    "trio_chat.py": r"(?:\? -> \d+ characters(.|\n)*){3}",
    "many_chats.py": r"(?:User\d\d is remembered: True\s*){20}",
    "provider.py": "Hello, how are you",
    "httpx_transport.py": "sandbox|sandbox",
    "batch.py": r"first run(.|\n)*second run(.|\n)*8 replies",
}
LANGCHAIN = {"langchain_chain.py": r"explain things to a child(.|\n)*(?:\n.* -> \d+ characters){3}"}
SERVERS = {"web.py"}
CLUSTERS = {"dask_batch.py"}
# Run by tests/integrations, where the program is installed that they are for.
INTEGRATIONS = {"llm_model.py"}
TESTED = {"test_translator.py"}


def run(*command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    result = subprocess.run(
        [sys.executable, "-W", "error", *command],
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        env=environment,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def test_all_are_here_and_listed() -> None:
    programs = {path.name for path in EXAMPLES.glob("*.py")}
    known = set(EXPECTED) | set(LANGCHAIN) | SERVERS | CLUSTERS | INTEGRATIONS | TESTED
    assert programs == known
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+\.py)\)", table)) == programs


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_as_it_is(name: str) -> None:
    assert re.search(EXPECTED[name], run(f"examples/{name}"))


@pytest.mark.parametrize("name", sorted(LANGCHAIN))
def test_langchain(name: str) -> None:
    pytest.importorskip("langchain_core")
    assert re.search(LANGCHAIN[name], run(f"examples/{name}"))


@pytest.mark.parametrize("name", ["hello.py", "trio_chat.py", "provider.py"])
def test_with_a_site(site: Site, name: str) -> None:
    run(f"examples/{name}", site.page("classic"))
    assert site.messages


@pytest.mark.parametrize("live", [False, True])
def test_with_the_pytest_plugin(site: Site, monkeypatch: pytest.MonkeyPatch, *, live: bool) -> None:
    """As its docstring says, in this checkout, with no other plugin of pytest's."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    plugin = "chatgptes.integrations.pytest_plugin"
    options = ["--chatgptes-site", site.url] if live else []
    options += ["-p", "no:cacheprovider"]
    told = run("-m", "pytest", "-p", plugin, "examples/test_translator.py", *options)
    assert ("1 passed, 3 skipped" if live else "6 passed") in told
    assert bool(site.messages) == live


def test_dask() -> None:
    """Two processes: no more turns at once than their limit, and each reads the page once."""
    pytest.importorskip("distributed")
    lock = threading.Lock()
    now, most = 0, 0

    def answer(_: list[dict[str, str]]) -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1
        return "done"

    with Site(answer=answer) as site:
        result = subprocess.run(
            [sys.executable, "examples/dask_batch.py", site.url],
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("-> 4 characters") == 12
        assert len({request.param("session_id") for request in site.requests} - {""}) == 1
        pages = [request for request in site.requests if request.target == "/"]
    assert 1 < most <= 3
    assert 1 <= len(pages) <= 2


def test_web() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with Site() as site:
        server = subprocess.Popen(
            [sys.executable, "examples/web.py", site.url, str(port)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stderr is not None
            for line in server.stderr:
                if "running on" in line:
                    break
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
                assert b'fetch("/ask?"' in page.read()
            ask = f"http://127.0.0.1:{port}/ask"
            with urllib.request.urlopen(f"{ask}?q=Hello", timeout=30) as answer:
                assert b"sandbox" in answer.read()
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(ask, timeout=30)
            assert caught.value.code == 400
            caught.value.close()
            site.next("http-500")
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{ask}?q=Hello", timeout=30)
            assert caught.value.code == 502
            caught.value.close()
        finally:
            server.terminate()
            server.communicate(timeout=30)
