"""The text of `/help` in `chatgptes chat`."""

from __future__ import annotations

import textwrap

__all__ = ["help_text"]

_HELP = """\
/new           begin a new conversation
/retry         send the last message again
/image FILE    send a picture with the next message
/system TEXT   begin anew, with this text before the first message; alone: show
/bot ID        begin anew with another bot of the page; alone: list them
/copy          copy the last answer to the clipboard
/1, /2, …      send one of the questions that the bot's window offers
/good, /bad    give the last answer a thumb; with a comment: /good TEXT
/conversations list what the site remembers; with a number: continue that one;
               with delete and a number: delete it on the site
/save FILE     save the conversation to a file
/load FILE     continue a saved one
/help          show this list
/exit          leave (so does Ctrl-D)
Ctrl-C stops an answer.  Tab completes; arrow keys bring back what you wrote.
Lines that are pasted together are one message; Alt-Enter begins a new line.
A line that ends in \\ continues on the next one; several lines may stand between
\"\"\" and \"\"\" (or Ctrl-D).  A message that begins with / is written with //."""

_WIDTH = 80
_INDENT = 15
"""Columns of the commands, in front of what they do."""


def help_text(columns: int) -> str:
    """Return the text for a terminal of this width; a narrow one breaks lines between words."""
    if columns >= _WIDTH:
        return _HELP
    lines = []
    for line in _HELP.splitlines():
        indent = " " * _INDENT if line.startswith(("/", " ")) else ""
        width = max(columns - 1, _INDENT + 10)
        lines += textwrap.wrap(line, width, subsequent_indent=indent)
    return "\n".join(lines)
