"""The messages that a user types, from an editor with a history on a terminal, else plain lines."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from ..kept import history_file

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

__all__ = ["MessageReader"]

_QUOTES = '"""'


class MessageReader:
    """Reads messages: a line, lines joined by "\\\\" at their ends, or lines within quotes.

    Args:
        commands: names that Tab completes, with their "/".

    Attributes:
        interactive: standard input is a terminal.
    """

    def __init__(self, commands: list[str]) -> None:
        self.interactive = sys.stdin.isatty()
        self._editor: PromptSession[str] | None = None
        if self.interactive and sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb":
            self._editor = _editor(commands)

    def read(self) -> str:
        """Return the next message or command; lines that were pasted are one.

        Raises:
            EOFError: there is none.
            KeyboardInterrupt: Ctrl-C.
        """
        line = self._line("> ")
        quoted = line.lstrip().startswith(_QUOTES)
        lines = [line.lstrip().removeprefix(_QUOTES) if quoted else line]
        try:
            while quoted and not lines[-1].rstrip().endswith(_QUOTES):
                lines.append(self._line("… "))
            while not quoted and lines[-1].endswith("\\"):
                lines[-1] = lines[-1][:-1]
                lines.append(self._line("… "))
        except EOFError:  # The end of the input is the message's end too.
            if self.interactive:
                click.echo()
        if not quoted:
            return "\n".join(lines)
        lines[-1] = lines[-1].rstrip().removesuffix(_QUOTES)
        text = "\n".join(lines).strip("\n")
        # Within quotes a slash is a slash.
        return f"/{text}" if text.startswith("/") else text

    def _line(self, prompt: str) -> str:
        if self._editor is None:
            return input(prompt if self.interactive else "")
        # A signal handler of prompt_toolkit's would outlive a Ctrl-C between two prompts.
        return self._editor.prompt(prompt, handle_sigint=False)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep what is typed within the block off the screen, for the next line.

        Ctrl-C works as before.
        """
        if sys.platform == "win32" or not self.interactive:
            yield
            return
        import termios

        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
        changed = list(before)
        changed[3] &= ~termios.ECHO
        if self._editor is not None:
            # An editor reads single keys: what is typed ahead stays as it was typed.
            changed[3] &= ~termios.ICANON
        try:
            termios.tcsetattr(number, termios.TCSANOW, changed)
            yield
        finally:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(number, termios.TCSANOW, before)


def _editor(commands: list[str]) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion, PathCompleter, WordCompleter
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.shortcuts import CompleteStyle

    names = WordCompleter(commands, sentence=True)
    files = PathCompleter(expanduser=True)

    class Commands(Completer):
        def get_completions(self, document: Document, complete_event: Any) -> Iterable[Completion]:
            name, space, rest = document.text_before_cursor.partition(" ")
            if not space:
                yield from names.get_completions(document, complete_event)
            elif name in commands:
                yield from files.get_completions(Document(rest), complete_event)

    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    # Else the terminal is asked for the cursor's position.  The answer to that can come late, and
    # would stand among what is typed.
    os.environ["PROMPT_TOOLKIT_NO_CPR"] = "1"
    path = history_file()
    return PromptSession(
        history=None if path is None else FileHistory(str(path)),
        completer=Commands(),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        reserve_space_for_menu=0,
        prompt_continuation="… ",
        key_bindings=keys,
    )
