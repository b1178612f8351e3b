"""Lines that a user types: from an editor with a history on a terminal, else plain ones."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ..kept import history_file

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

__all__ = ["EditedLines", "Lines", "PlainLines", "lines_of"]


class Lines(Protocol):
    """A source of lines."""

    def line(self, prompt: str) -> str:
        """Return the next line; one that was pasted may have several.

        Raises:
            EOFError: there is none.
            KeyboardInterrupt: Ctrl-C.
        """
        ...

    def quiet(self) -> contextlib.AbstractContextManager[None]:
        """Keep what is typed within the block off the screen, for the next line."""
        ...


class PlainLines:
    """Lines of `input()`."""

    def __init__(self, *, interactive: bool) -> None:
        self._interactive = interactive
        if interactive:
            # Line editing and a history of this session; not on every system.
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401

    def line(self, prompt: str) -> str:
        return input(prompt if self._interactive else "")

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        with _without_echo(whole_lines=True):
            yield


class EditedLines:
    """Lines of prompt_toolkit: a paste is one message, and the history outlives the program."""

    def __init__(self, commands: Iterable[str], file_commands: Iterable[str]) -> None:
        self._session = _session(list(commands), tuple(file_commands))

    def line(self, prompt: str) -> str:
        # A signal handler of prompt_toolkit's would outlive a Ctrl-C between two prompts.
        return self._session.prompt(prompt, handle_sigint=False)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        with _without_echo(whole_lines=False):
            yield


def lines_of(commands: Iterable[str], file_commands: Iterable[str], *, interactive: bool) -> Lines:
    """Return the best source of lines that there is.

    Args:
        commands: names that Tab completes, with their "/".
        file_commands: those of them that a file's name follows.
        interactive: standard input is a terminal.
    """
    editing = interactive and sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb"
    if editing:
        try:
            return EditedLines(commands, file_commands)
        except ImportError:
            pass
    return PlainLines(interactive=interactive)


def _session(commands: list[str], file_commands: tuple[str, ...]) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion, PathCompleter
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.shortcuts import CompleteStyle

    class Commands(Completer):
        def get_completions(self, document: Document, complete_event: Any) -> Iterable[Completion]:
            text = document.text_before_cursor
            name, space, rest = text.partition(" ")
            if "\n" in text or not text.startswith("/"):
                return
            if not space:
                for each in commands:
                    if each.startswith(name):
                        yield Completion(each, start_position=-len(name))
            elif name in file_commands:
                files = PathCompleter(expanduser=True)
                yield from files.get_completions(Document(rest), complete_event)

    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    path = history_file()
    history: History = InMemoryHistory() if path is None else FileHistory(str(path))
    return PromptSession(
        history=history,
        completer=Commands(),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        reserve_space_for_menu=0,
        prompt_continuation="… ",
        key_bindings=keys,
        output=_output(),
    )


def _output() -> Any:
    """Return an output that never asks the terminal for the cursor's position.

    The answer to that can come late, and would stand among what is typed.
    """
    if sys.platform == "win32":
        return None
    from prompt_toolkit.output.vt100 import Vt100_Output

    output = Vt100_Output.from_pty(sys.stdout, term=os.environ.get("TERM"))
    output.enable_cpr = False
    return output


@contextlib.contextmanager
def _without_echo(*, whole_lines: bool) -> Iterator[None]:
    """Turn the terminal's echo off for the block; Ctrl-C works as before."""
    try:
        import termios

        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
    except (ImportError, ValueError, OSError, termios.error):
        yield
        return
    changed = list(before)
    changed[3] &= ~termios.ECHO
    if not whole_lines:
        # An editor reads single keys: what is typed ahead stays as it was typed.
        changed[3] &= ~termios.ICANON
    try:
        termios.tcsetattr(number, termios.TCSANOW, changed)
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(number, termios.TCSANOW, before)
