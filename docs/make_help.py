"""Write docs/reference/command-line.md from the help texts of the commands.

python docs/make_help.py

A test fails when the page differs from what this program writes.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
from pathlib import Path

import click

from chatgptes.cli import command as program

PAGE = Path(__file__).parent / "reference" / "command-line.md"
NAME = "chatgptes"
BEGINNING = """\
<!-- Written by docs/make_help.py. Don't edit this page. -->

# Every command and option

`chatgptes COMMAND --help` shows the same on a terminal.
[Command line](../howto/command-line.md) says how to use it.
"""


def text_of(command: click.Command) -> str:
    """The help text as Markdown: paragraphs, and what click keeps as it is as a block."""
    parts = []
    for part in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        if part.startswith("\b"):
            parts.append("```text\n" + inspect.cleandoc(part[1:].strip("\n")) + "\n```")
        else:
            parts.append(prose(part))
    return "\n\n".join(parts)


def prose(text: str) -> str:
    """The text in one line, in which no bracket begins a link: `[60] [x>=0]` would be one."""
    return re.sub(r"\s+", " ", text).replace("<", "&lt;").replace("[", "\\[").strip()


def cell(text: str) -> str:
    """The text as a cell of a table."""
    return prose(text).replace("|", "\\|")


def options_of(command: click.Command, context: click.Context) -> str:
    """A table of the options; "" if it has none."""
    options = [each for each in command.params if isinstance(each, click.Option)]
    records = [option.get_help_record(context) for option in options]
    rows = [f"| {codes(names)} | {cell(meaning)} |" for names, meaning in filter(None, records)]
    return "\n".join(["| option | meaning |", "|---|---|", *rows]) if rows else ""


def codes(names: str) -> str:
    """An option's spellings and its value, each as code: `[a|b]` is one of several."""
    parts = []
    for part in names.replace(",", "").split():
        choices = part.strip("[]").split("|") if part.startswith("[") else [part]
        parts.append(" or ".join(f"`{choice}`" for choice in choices))
    return " ".join(parts)


def passes_on(command: click.Command) -> bool:
    """Whether it leaves its arguments to another parser, which then has the help."""
    return any(each.type is click.UNPROCESSED for each in command.params)


def printed_help(command: click.Command) -> str:
    """The help as such a command prints it, 80 columns wide and without colours."""
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR")}
    os.environ.update(COLUMNS="80", NO_COLOR="1")
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            command.main(["--help"], prog_name=f"{NAME} {command.name}", standalone_mode=False)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return f"```text\n{printed.getvalue().rstrip()}\n```"


def section(command: click.Command, parent: click.Context | None) -> str:
    """A command's part of the page."""
    name = command.name if parent else NAME
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    title = f"## {context.command_path}"
    if passes_on(command):
        return "\n\n".join([title, printed_help(command)])
    usage = command.get_usage(context).removeprefix("Usage: ")
    parts = [
        title,
        f"```text\n{' '.join(usage.split())}\n```",
        text_of(command),
        options_of(command, context),
    ]
    if isinstance(command, click.Group):
        parts += [
            section(command.commands[name], context) for name in command.list_commands(context)
        ]
    return "\n\n".join(part for part in parts if part)


def page() -> str:
    """The whole page."""
    return f"{BEGINNING}\n{section(program, None)}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
