"""Messages of one or several lines."""

from __future__ import annotations

import click

from .lines import Lines

__all__ = ["MessageReader"]

_QUOTES = '"""'


class MessageReader:
    """Reads messages: a line, lines joined by "\\\\" at their ends, or lines within quotes.

    Args:
        lines: where the lines come from.
        interactive: a person types them, and sees a prompt.
    """

    def __init__(self, lines: Lines, *, interactive: bool) -> None:
        self._lines = lines
        self._interactive = interactive

    def read(self) -> str:
        """Return the next message or command.

        Raises:
            EOFError: there is none.
            KeyboardInterrupt: Ctrl-C.
        """
        line = self._lines.line("> " if self._interactive else "")
        if line.lstrip().startswith(_QUOTES):
            return self._quoted(line.lstrip().removeprefix(_QUOTES))
        lines = [line]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            if (following := self._following()) is None:
                break
            lines.append(following)
        return "\n".join(lines)

    def _quoted(self, line: str) -> str:
        lines = [line]
        while not lines[-1].rstrip().endswith(_QUOTES):
            if (following := self._following()) is None:
                break
            lines.append(following)
        lines[-1] = lines[-1].rstrip().removesuffix(_QUOTES)
        text = "\n".join(lines).strip("\n")
        # Within quotes a slash is a slash.
        return f"/{text}" if text.startswith("/") else text

    def _following(self) -> str | None:
        """The next line of a message, or None if the end of the input is the message's end too."""
        try:
            return self._lines.line("… ")
        except EOFError:
            if self._interactive:
                click.echo()
            return None
