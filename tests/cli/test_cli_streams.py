"""The command line where its standard streams are closed, full, gone or poor in characters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chatgptes.sandbox import Site

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("CHATGPTES_", "PYTHON", "LC_", "LANG"))
} | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "0", "CHATGPTES_DATA": ""}
COMMAND = f"{sys.executable} -m chatgptes"

posix = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell's redirections")


def shell(
    command: str, stdout: int = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `command` in a shell in which $C is the command line."""
    result = subprocess.run(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT | {"C": COMMAND} | variables,
        timeout=60,
    )
    for stream in (result.stdout or b"", result.stderr):
        assert b"Traceback" not in stream
        assert b"Exception ignored" not in stream
    return result


@posix
@pytest.mark.parametrize("options", ["hi", "--no-stream hi", "chat"])
def test_characters_that_the_output_lacks(options: str) -> None:
    """They are spelt out, so that nothing is lost; the others are as they are."""
    with Site(answer=lambda _: "Grüße, 世界 😀 – ok") as site:
        site_of = {"CHATGPTES_SITE": site.url}
        poor = shell(f"echo hi | $C {options}", PYTHONIOENCODING="cp1252", **site_of)
        assert poor.returncode == 0, poor.stderr
        assert poor.stdout == "Grüße, \\u4e16\\u754c \\U0001f600 – ok\n".encode("cp1252")
        # What the user has chosen stays.
        own = shell(f"echo hi | $C {options}", PYTHONIOENCODING="cp1252:replace", **site_of)
        assert own.stdout == "Grüße, ?? ? – ok\n".encode("cp1252")
        none = shell(f"echo hi | $C {options}", LC_ALL="C", PYTHONCOERCECLOCALE="0", **site_of)
        assert none.returncode == 0, none.stderr
        assert b"ok\n" in none.stdout


@posix
@pytest.mark.parametrize(
    "words",
    ["hi", "--json hi", "--no-stream hi", "chat", "bots", "doctor", "batch -", "--help",
     "--version", "sandbox --port 0", "batch --help"],
)  # fmt: skip
def test_output_that_takes_nothing(site: Site, words: str) -> None:
    """One line if it is closed or full, none if its reader has gone; status 1 in any case."""
    variables = {"CHATGPTES_SITE": site.url}
    closed = shell(f"echo hi | $C {words} >&-", **variables)
    assert closed.returncode == 1
    lines = closed.stderr.decode().splitlines()
    assert lines[0] == "chatgptes: standard output: It is closed." or words == "batch -", lines
    reader, writer = os.pipe()
    os.close(reader)
    gone = shell(f"echo hi | $C {words}", writer, **variables)
    os.close(writer)
    assert gone.returncode == 1
    assert gone.stderr == b"" or words == "batch -"
    if not os.path.exists("/dev/full"):
        return
    for unbuffered in ("", "1"):
        full = shell(f"echo hi | $C {words} >/dev/full", PYTHONUNBUFFERED=unbuffered, **variables)
        assert full.returncode == 1
        assert full.stderr.endswith(b"No space left on device\n"), full.stderr
        assert full.stderr.count(b"\n") == 1 or words == "batch -"


@posix
def test_the_first_line_is_enough(site: Site) -> None:
    result = shell(f"$C --site {site.url} Hello | head -n 1")
    assert result.stdout.count(b"\n") == 1
    assert result.stderr == b""


@posix
def test_input_that_is_closed(site: Site) -> None:
    variables = {"CHATGPTES_SITE": site.url}
    assert b"> hi" in shell("$C hi <&-", **variables).stdout
    empty = shell("$C <&-", **variables)
    assert (empty.returncode, empty.stderr.count(b"\n")) == (2, 1)
    assert shell("$C chat <&-", **variables).returncode == 0


@posix
def test_errors_that_nobody_hears(site: Site) -> None:
    """What is answered is answered; a failure shows in the status."""
    for errors in ("2>&-", "2>/dev/full"):
        variables = {"CHATGPTES_SITE": site.url}
        assert b"> hi" in (good := shell(f"$C -v hi {errors}", **variables)).stdout
        assert good.returncode == 0
        assert shell(f"$C bots {site.page('nobot')} {errors}").returncode == 1
        assert shell(f"$C --bad {errors}").returncode != 0


@posix
def test_a_batch_needs_no_output(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = shell(f"echo hi | $C batch - -o {out} >&- 2>&-", CHATGPTES_SITE=site.url)
    assert result.returncode == 0
    assert out.read_text().count("\n") == 1
