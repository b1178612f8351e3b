"""`chatgptes batch`: many prompts from a file, with a progress bar."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from ..batches.batch import batch
from ..batches.file import results_of, table_writer
from ..batches.prompts import SEPARATORS, prompts_of
from ..batches.values import BatchProgress
from ..errors import InvalidConfigError
from ..turn.config import ClientArguments

__all__ = ["run_batch"]


def run_batch(
    source: str,
    out: str | None,
    *,
    jobs: int,
    retry_failed: bool,
    to: str,
    arguments: ClientArguments,
) -> bool:
    """Ask the prompts of a file.

    Args:
        source: path of the prompts, or "-" for standard input.
        out: path of the replies, or None to print them as they come.
        to: "jsonl" or "csv": how replies are printed.  As a table they are printed with `out` too,
            once the run is over: all that the file has.

    Returns:
        False if a prompt has failed, in this run or in an earlier one.
    """
    if out is not None and _same(source, out):
        raise InvalidConfigError(f"{out} is the file of prompts: the replies need another file.")
    if out is not None and Path(out).suffix in SEPARATORS and not _holds_something(out):
        raise InvalidConfigError(
            f"{out} would hold JSON lines, which the next run reads: name it .jsonl. For a table of"
            " the replies: --to csv."
        )
    prompts = _read(source)
    write = _writer(to, prompts) if out is None else None
    last: BatchProgress | None = None
    failures: Counter[str] = Counter()
    try:
        # The lines below are printed when the bar has gone.
        with _progress(len(prompts), printing=write is not None) as show:

            def tell(progress: BatchProgress) -> None:
                nonlocal last
                last = progress
                show(progress)

            for result in batch(
                prompts,
                out=out,
                jobs=jobs,
                retry_failed=retry_failed,
                progress=tell,
                **arguments,
            ):
                if result.error is not None:
                    failures[type(result.error).__name__] += 1
                if write is not None:
                    write(result.to_dict())
                    sys.stdout.flush()
    except KeyboardInterrupt:
        how = " The same command continues from here." if out is not None else ""
        click.echo(f"chatgptes: Interrupted.{how}", err=True)
        raise
    finally:
        if last is not None:
            click.echo(f"chatgptes: {_summary(last, failures)}", err=True)
            if out is not None and (hint := _hint(last)):
                click.echo(f"chatgptes: {hint}", err=True)
    _print_table(out, to, prompts)
    return last is None or not (last.failed or last.failed_before)


def _writer(to: str, prompts: list[str | dict[str, Any]]) -> Callable[[Mapping[str, Any]], object]:
    """Return a function that prints a result."""
    if to != "csv":
        return lambda fields: click.echo(json.dumps(fields))
    kept = (name for each in prompts if isinstance(each, dict) for name in each.get("columns", {}))
    return table_writer(sys.stdout, kept)


def _print_table(out: str | None, to: str, prompts: list[str | dict[str, Any]]) -> None:
    """Print the replies of a file as a table, if that is wanted."""
    if out is not None and to == "csv":
        write = _writer(to, prompts)
        for fields in results_of(out):
            write(fields)


def _summary(last: BatchProgress, failures: Counter[str]) -> str:
    parts = [f"{last.answered} answered"]
    if last.failed:
        kinds = ", ".join(f"{count} {name}" for name, count in failures.most_common())
        parts.append(f"{last.failed} failed ({kinds})")
    if last.failed_before:
        parts.append(f"{last.failed_before} failed before")
    if last.skipped:
        parts.append(f"{last.skipped} answered before")
    if last.total is not None and (left := last.total - last.done) > 0:
        parts.append(f"{left} left")
    return ", ".join(parts) + "."


def _hint(last: BatchProgress) -> str:
    """Return a line on what to run next for the prompts without an answer, or ""."""
    failed = last.failed + last.failed_before
    left = 0 if last.total is None else last.total - last.done
    again = "--retry-failed asks those again that failed." if failed else ""
    rest = "The same command without --retry-failed asks what is left."
    return f"{again} {rest}".strip() if last.unasked or (failed and left) else again


def _same(source: str, out: str) -> bool:
    try:
        found = os.fstat(sys.stdin.fileno()) if source == "-" else os.stat(source)
        return os.path.samestat(found, os.stat(out))
    except (OSError, ValueError):  # One of them is not there, or standard input is no file.
        return False


def _holds_something(path: str) -> bool:
    """Tell whether a file has a first byte; version 1.0 may have written it."""
    try:
        return os.stat(path).st_size > 0
    except OSError:
        return False


def _read(source: str) -> list[str | dict[str, Any]]:
    name = "standard input" if source == "-" else source
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        prompts = prompts_of(data.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        raise InvalidConfigError(f"{name} is not UTF-8 text (byte {error.start}).") from None
    if not prompts:
        raise InvalidConfigError(f"There is no prompt in {name}.")
    return prompts


@contextmanager
def _progress(total: int, *, printing: bool) -> Iterator[Callable[[BatchProgress], None]]:
    """Show a bar on standard error, if that is a terminal on which no replies are printed."""
    if not sys.stderr.isatty() or (printing and sys.stdout.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    bar = Progress(
        *([BarColumn(20)] if console.width >= 70 else []),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[failed]} failed"),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        redirect_stdout=False,
    )
    task = bar.add_task("", total=total, failed=0, rate="")

    def show(progress: BatchProgress) -> None:
        asked = progress.answered + progress.failed
        elapsed = bar.tasks[0].elapsed or 0.0
        # Prompts that are not asked take no time, and would spoil the estimate.
        not_asked = progress.skipped + progress.failed_before + progress.unasked
        bar.update(
            task,
            total=None if progress.total is None else progress.total - not_asked,
            completed=asked,
            failed=progress.failed,
            rate=f"{60 * asked / elapsed:.0f}/min" if asked and elapsed else "",
        )

    try:
        with bar:
            yield show
    finally:
        with suppress(Exception):  # Ctrl-C may have hit its start or its end.
            bar.live.stop()
        console.show_cursor(True)
