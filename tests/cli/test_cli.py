"""The command line, as a process of its own; and in a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatgptes.sandbox import Site
from chatgptes.values.text import sanitize_text

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def chatgptes(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chatgptes", *arguments],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env=ENVIRONMENT,
    )


def test_sandbox_answers() -> None:
    result = chatgptes("--sandbox", "Grüße")
    assert result.returncode == 0, result.stderr
    assert "> Grüße" in result.stdout
    assert result.stdout.endswith("\n")
    assert result.stderr == ""


def test_site_and_options(site: Site) -> None:
    for page in ("front", "classic", "classic-plain"):
        result = chatgptes("--site", site.page(page), "Hello", "--timeout", "30")
        assert "> Hello" in result.stdout, result.stderr
    result = chatgptes("--site", site.url, "--no-stream", "--transport", "curl_cffi", "Hello")
    assert "> Hello" in result.stdout
    bot = chatgptes("--site", site.page("aipkit-two"), "--bot", "999", "Hello")
    assert bot.returncode == 1
    assert "BotNotFoundError" in bot.stderr


def test_prompt_from_a_pipe(site: Site) -> None:
    assert "> one" in chatgptes("--site", site.url, stdin="one\n").stdout
    assert "> two" in chatgptes("--site", site.url, "-", stdin="two\n").stdout
    assert site.messages[0][-1]["content"] == "one"


def test_json(site: Site) -> None:
    reply = json.loads(chatgptes("--site", site.url, "--json", "Grüße").stdout)
    assert "> Grüße" in reply["text"]
    assert reply["dialect"] == "aipkit"
    site.next("quota")
    result = chatgptes("--site", site.url, "--json", "Hello")
    assert result.returncode == 1
    assert json.loads(result.stdout)["error"] == "QuotaError"


def test_failures_are_one_line(site: Site) -> None:
    site.next("model-500")
    result = chatgptes("--site", site.url, "Hello")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("chatgptes: UpstreamError: ")
    assert result.stderr.count("\n") == 1
    site.next("cut")
    result = chatgptes("--site", site.url, "Hello")
    assert result.returncode == 1
    assert result.stdout.endswith("\n")
    assert len(result.stdout) > 2
    assert "StreamInterruptedError" in result.stderr
    for wrong in (["--site", "nonsense", "Hi"], ["--site", site.url, " "]):
        result = chatgptes(*wrong)
        assert result.returncode == 2
        assert result.stderr.count("\n") == 1
    assert chatgptes("--sandbox", "--site", site.url, "Hi").returncode == 2


def test_controls_never_reach_a_terminal() -> None:
    evil = "a\x1b[31mred\x1b]0;title\x07 \x9b2J \u202eabc\x08\r\n\tend\x7f"
    shown = sanitize_text(evil)
    assert shown == "a␛[31mred␛]0;title␇ �2J �abc␈\n\tend␡"
    with Site(answer=lambda messages: evil) as site:
        for arguments in ([], ["--no-stream"], ["--json"]):
            result = chatgptes("--site", site.url, *arguments, "Hello")
            assert result.returncode == 0
            assert not set(result.stdout) & {"\x1b", "\x07", "\x9b", "\x08", "\r", "\x7f", "\u202e"}


def test_text_comes_as_it_is_made() -> None:
    """The first words are out while the site still waits."""
    with Site() as site:
        site.next("stall")
        process = subprocess.Popen(
            [sys.executable, "-m", "chatgptes", "--site", site.url, "Hello"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        assert process.stdout is not None
        assert process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 130
        assert b"Traceback" not in stderr


def test_reader_that_goes_away(site: Site) -> None:
    result = subprocess.run(
        f"{sys.executable} -m chatgptes --site {site.url} Hello | head -c 1",
        shell=True,
        capture_output=True,
        env=ENVIRONMENT,
        timeout=60,
    )
    assert len(result.stdout) == 1
    assert b"Traceback" not in result.stderr


def test_without_its_packages() -> None:
    program = "import sys; sys.modules['click'] = None; import chatgptes.__main__ as m; m.main()"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT, timeout=60
    )
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "chatgptes: the command line needs click: pip install click rich prompt_toolkit"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_in_a_real_terminal(site: Site) -> None:
    """On a pseudo-terminal, without a pipe: no prompt is an error, not a wait for input."""
    import pty

    def on_terminal(*arguments: str) -> tuple[str, int]:
        terminal, inside = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "chatgptes", *arguments],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env=ENVIRONMENT,
        )
        os.close(inside)
        shown = b""
        while True:
            try:
                data = os.read(terminal, 4096)
            except OSError:  # Linux's way to say that the other side is closed.
                break
            if not data:
                break
            shown += data
        os.close(terminal)
        return shown.decode(), process.wait(30)

    text, status = on_terminal("--site", site.url, "Hello")
    assert status == 0
    assert "Hello" in text
    text, status = on_terminal("--site", site.url)
    assert status == 2
    assert "Nothing to ask" in text
