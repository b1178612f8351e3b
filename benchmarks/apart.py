"""Run candidates.py: each candidate in a process of its own, in turn, against one server.

So CPU and threads are a candidate's own, and nobody's garbage or threads are in another's way.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fast_server import Running
from measuring import in_turn, median

PROGRAM = Path(__file__).with_name("candidates.py")
LONGEST = 120.0
"""Seconds that a round may take."""


@dataclass
class Measured:
    """One candidate's rounds: seconds of wall and CPU, lateness of the loop's ticks, threads."""

    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)
    worsts: list[float] = field(default_factory=list)
    threads: int = 0

    @property
    def wall(self) -> float:
        return median(self.walls)

    @property
    def cpu(self) -> float:
        return median(self.cpus)

    @property
    def p99(self) -> float:
        """The median of what each round's p99 was."""
        return median(self.p99s)

    def __str__(self) -> str:
        return (
            f"wall {self.wall:.2f} s (least {min(self.walls):.2f}), CPU {self.cpu:.2f} s,"
            f" lag p99 {1000 * self.p99:.1f} ms, worst {1000 * max(self.worsts):.0f} ms"
            + (f", {self.threads} threads" if self.threads else "")
        )


def threads_of(pid: int) -> int:
    """The threads of a process, as the system counts them; 0 where it does not say."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Threads:"))
    except (OSError, StopIteration):
        return 0


class Candidate:
    """The process of one candidate, at work."""

    def __init__(self, name: str, server: Running, streams: int) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), name, server.page(), server.ajax, str(streams)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def _answer(self) -> tuple[str, int]:
        """The next line that it prints, and the most threads seen until then."""
        assert self.process.stdout is not None
        threads = 0
        until = time.monotonic() + LONGEST
        while not select.select([self.process.stdout], [], [], 0.02)[0]:
            threads = max(threads, threads_of(self.process.pid))
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name}: a round takes more than {LONGEST:.0f} s.")
        if not (line := self.process.stdout.readline()):
            raise RuntimeError(f"{self.name}: its process has ended.")
        return line, threads

    def round(self, streams: int, chunks: int, delay: float, into: Measured) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{streams} {chunks} {delay}\n")
        self.process.stdin.flush()
        line, threads = self._answer()
        figures = json.loads(line)
        into.walls.append(figures["wall"])
        into.cpus.append(figures["cpu"])
        into.p99s.append(figures["p99"])
        into.worsts.append(figures["worst"])
        into.threads = max(into.threads, threads)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def candidates(names: Sequence[str], server: Running, streams: int) -> Iterator[list[Candidate]]:
    """The processes of several, for as long as the block runs."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(contextlib.closing(Candidate(name, server, streams)))
            for name in names
        ]


def in_rounds(
    all_: Sequence[Candidate], streams: int, chunks: int, delay: float, rounds: int
) -> dict[str, Measured]:
    """What each measures in `rounds` rounds, taken in turn after one to warm up."""
    results = {each.name: Measured() for each in all_}
    by_name = {each.name: each for each in all_}
    for round_ in range(rounds + 1):
        for name, candidate in in_turn(by_name, round_):
            candidate.round(streams, chunks, delay, results[name] if round_ else Measured())
    return results
