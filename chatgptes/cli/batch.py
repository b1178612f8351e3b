"""`chatgptes batch`: many prompts from a file, with a progress bar."""

from __future__ import annotations

import functools
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
from ..batches.values import BatchProgress, BatchResult
from ..errors import InvalidConfigError
from .errors import one_line_errors, print_note
from .options import arguments_of, talk_options

__all__ = ["batch_command"]

Prompts = list[str | dict[str, Any]]


@click.command("batch")
@click.argument("source", metavar="IN", type=click.Path())
@click.option(
    "-o",
    "--out",
    metavar="OUT",
    type=click.Path(dir_okay=False),
    help="Append the replies to this file (JSON lines), and continue where it ends.  [print them]",
)
@click.option("--jobs", metavar="N", type=int, default=4, show_default=True, help="Turns at once.")
@click.option(
    "--min-interval",
    metavar="SECONDS",
    type=float,
    default=0.0,
    show_default=True,
    help="Least time between the starts of two turns.",
)
@click.option(
    "--retry-failed",
    "--resume-failed",  # Its name in version 1.0.
    is_flag=True,
    help="Ask only those that failed before.",
)
@click.option(
    "--to",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="How replies are printed; csv prints all those of OUT too, at the end.",
)
@talk_options
def batch_command(
    source: str,
    out: str | None,
    jobs: int,
    retry_failed: bool,
    to: str,
    **options: Any,
) -> None:
    """Ask every prompt of a file: lines, JSON lines, or a table.

    \b
    {"id": "a1", "prompt": "…"}          (the id is optional)
    {"messages": [{"role": "user", "content": "…"}]}

    A table (.csv, .tsv) has a header with a column "prompt"; its other columns are kept for the
    replies.

    After a crash, a kill or Ctrl-C, the same command continues where it stopped.  IN may be "-".
    The exit status is 1 if a prompt has failed, in this run or in an earlier one.
    """
    with one_line_errors(), arguments_of(options) as arguments:
        if out is not None and _same(source, out):
            raise InvalidConfigError(f"{out} is the file of prompts: replies need another file.")
        # Version 1.0 took any name: a file that is there is continued.
        if out is not None and Path(out).suffix in SEPARATORS and not os.path.exists(out):
            raise InvalidConfigError(
                f"{out} would hold JSON lines: name it .jsonl. For a table: --to csv."
            )
        prompts = _read(source)
        write = _writer(to, prompts)
        ask = functools.partial(
            batch, prompts, out=out, jobs=jobs, retry_failed=retry_failed, **arguments
        )
        good = _run(ask, len(prompts), write if out is None else None)
        if out is not None and to == "csv":
            for fields in results_of(out):
                write(fields)
        if not good:
            sys.exit(1)


def _run(
    ask: Callable[..., Iterator[BatchResult]],
    count: int,
    write: Callable[[Mapping[str, Any]], object] | None,
) -> bool:
    """Ask `count` prompts with a progress bar, and a summary below it.

    Args:
        ask: `batch` with its arguments but `progress`.
        write: prints a result; None if a file has them.

    Returns:
        False if a prompt has failed, in this run or in an earlier one.
    """
    last: BatchProgress | None = None
    failures: Counter[str] = Counter()
    try:
        # The lines below are printed when the bar has gone.
        with _progress(count, printing=write is not None) as show:

            def note(progress: BatchProgress) -> None:
                nonlocal last
                last = progress
                show(progress)

            for result in ask(progress=note):
                if result.error is not None:
                    failures[type(result.error).__name__] += 1
                if write is not None:
                    write(result.to_dict())
                    sys.stdout.flush()
    except KeyboardInterrupt:
        how = " The same command continues from here." if write is None else ""
        print_note(f"Interrupted.{how}")
        raise
    finally:
        if last is not None:
            print_note(_summary(last, failures, count - last.done))
            if write is None and (last.failed or last.failed_before):
                print_note("--retry-failed asks those again that failed.")
    return last is None or not (last.failed or last.failed_before)


def _writer(to: str, prompts: Prompts) -> Callable[[Mapping[str, Any]], object]:
    """Return a function that prints a result."""
    if to != "csv":
        return lambda fields: click.echo(json.dumps(fields))
    kept = (name for each in prompts if isinstance(each, dict) for name in each.get("columns", {}))
    return table_writer(sys.stdout, kept)


def _summary(last: BatchProgress, failures: Counter[str], left: int) -> str:
    kinds = ", ".join(f"{count} {name}" for name, count in failures.most_common())
    parts = {
        f"failed ({kinds})": last.failed,
        "failed before": last.failed_before,
        "answered before": last.skipped,
        "left": left,
    }
    more = (f"{count} {what}" for what, count in parts.items() if count)
    return ", ".join([f"{last.answered} answered", *more]) + "."


def _same(source: str, out: str) -> bool:
    try:
        found = os.fstat(sys.stdin.fileno()) if source == "-" else os.stat(source)
        return os.path.samestat(found, os.stat(out))
    except (OSError, ValueError):  # One of them is not there, or standard input is no file.
        return False


def _read(source: str) -> Prompts:
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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        *([BarColumn(20)] if console.width >= 70 else []),
        MofNCompleteColumn(),
        "{task.fields[rate]}",
        "{task.fields[failed]} failed",
        "left",
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
            total=total - not_asked,
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
