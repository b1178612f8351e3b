"""What all benchmarks share: interleaved repetitions, medians, and rows of the table."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = [
    "Row", "in_turn", "interleaved", "interleaved_fresh", "median", "milliseconds", "percentile",
    "raise_descriptor_limit",
]  # fmt: skip

median = statistics.median


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: what was measured.
        beside: beside what.
        figure: what came out, as text.
        target: what it was to reach, as text.
        met: whether it did.
        detail: the medians behind the figure.
    """

    what: str
    beside: str
    figure: str
    target: str
    met: bool
    detail: str


T = TypeVar("T")


def in_turn(candidates: Mapping[str, T], round_: int) -> list[tuple[str, T]]:
    """Forwards and backwards by turns: what one leaves behind must not always meet the same."""
    items = list(candidates.items())
    return items if round_ % 2 else items[::-1]


def interleaved(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median seconds of each candidate, run in turn `rounds` times after one round to warm up.

    In turn, so that what else the machine does meets all of them alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    gc.collect()
    for round_ in range(rounds + 1):
        for name, run in in_turn(candidates, round_):
            started = clock()
            run()
            if round_:
                taken[name].append(clock() - started)
    return {name: median(times) for name, times in taken.items()}


def interleaved_fresh(
    candidates: Mapping[str, tuple[Callable[[], Any], Callable[[Any], object]]], rounds: int
) -> dict[str, float]:
    """As `interleaved`, each on an object of its own: (make it, what is timed); then closed."""
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    gc.collect()
    for round_ in range(rounds + 1):
        for name, (make, run) in in_turn(candidates, round_):
            made = make()
            started = time.perf_counter()
            run(made)
            if round_:
                taken[name].append(time.perf_counter() - started)
            made.close()
    return {name: median(times) for name, times in taken.items()}


def percentile(values: list[float], part: float) -> float:
    """The value below which `part` (0 to 1) of `values` lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def milliseconds(seconds: float) -> str:
    """`seconds` for people."""
    return f"{seconds * 1000:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def raise_descriptor_limit() -> None:
    """Let this process open as many files and sockets as the system lets it."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
