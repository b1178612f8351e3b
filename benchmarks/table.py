"""All benchmarks in one run: prints the table, and writes it and a plot for the documentation.

    python benchmarks/table.py [FOLDER]

Without a folder nothing is written.  It exits with 0 whatever the figures are: a busy machine is no
failure.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bursts
import calls
import cancels
import decoding
import footprint
import growth
import many_streams
import turns
from measuring import Row

PARTS: tuple[tuple[str, Callable[[], Iterator[Row]]], ...] = (
    ("many streams", many_streams.rows),
    ("bursts", bursts.rows),
    ("whole turns", turns.rows),
    ("calls", calls.rows),
    ("cancels", cancels.rows),
    ("import and memory", footprint.rows),
    ("decoding", decoding.rows),
)
PACKAGES = ("requests", "urllib3", "curl_cffi", "anyio", "httpx", "aiohttp", "httpx-sse")


def machine() -> str:
    """What it ran on, in a line."""
    name = ""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model n")]
            name = names[0] if names else ""
    except OSError:
        pass
    versions = ", ".join(f"{each} {importlib.metadata.version(each)}" for each in PACKAGES)
    return (
        f"{os.cpu_count()} cores{f' ({name})' if name else ''}, {platform.system()}"
        f" {platform.machine()}, Python {platform.python_version()}, {versions}"
    )


def markdown(rows: list[Row]) -> Iterator[str]:
    yield "| what | beside | measured | to reach | |"
    yield "|---|---|---|---|---|"
    for row in rows:
        mark = "yes" if row.met else "**no**"
        yield f"| {row.what} | {row.beside} | {row.figure} | {row.target} | {mark} |"


def details(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        yield f"- {row.what}: {row.detail}."


def main() -> None:
    began = time.monotonic()
    rows: list[Row] = []
    for name, part in PARTS:
        print(f"{name} …", file=sys.stderr, flush=True)
        for row in part():
            rows.append(row)
            print(f"  {row.what}: {row.figure}", file=sys.stderr, flush=True)
        print(f"  {time.monotonic() - began:.0f} s so far", file=sys.stderr, flush=True)
    print("growth …", file=sys.stderr, flush=True)
    row, series = growth.all_growth()
    rows.append(row)
    print(f"  {row.what}: {row.figure}", file=sys.stderr, flush=True)
    lines = [machine(), "", *markdown(rows), "", "Medians:", "", *details(rows)]
    for each in series:
        lines += ["", f"**{each.title}**", "", *each.table()]
    text = "\n".join(lines) + "\n"
    print(text)
    print(f"{time.monotonic() - began:.0f} s in all")
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "table.txt").write_text(text, encoding="utf-8")
        growth.plot(series, str(folder / "growth.svg"))


if __name__ == "__main__":
    main()
