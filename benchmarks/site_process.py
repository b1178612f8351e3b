"""The stand-in site in a process of its own, so that it does not share the measured one's time."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

PROGRAM = """
import sys
from chatgptes.sandbox import Site
words, delay = int(sys.argv[1]), float(sys.argv[2])
with Site(answer=lambda messages: (f"word{n} " for n in range(words)), chunk_delay=delay) as site:
    print(site.page("classic"), flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def site_process(words: int, delay: float) -> Iterator[str]:
    """The address of a page whose bot answers `words` chunks, `delay` seconds apart."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(words), str(delay)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(10)
