"""Draw docs/terminal.svg: what the real command prints in a real terminal, from the sandbox.

    python docs/make_picture.py

The command runs on a pseudo-terminal; a terminal emulator (pyte) keeps its screen, and rich draws
that.  Nothing is written into the picture by hand but the prompts.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "terminal.svg"
WIDTH, HEIGHT = 84, 60
COMMANDS = [
    ["--sandbox", "What is a **nonce**, in one line?"],
    ["doctor", "--sandbox"],
]


def run(arguments: list[str]) -> pyte.Screen:
    """The screen that the command leaves."""
    screen = pyte.Screen(WIDTH, HEIGHT)
    screen.set_mode(pyte.modes.LNM)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color", "COLUMNS": str(WIDTH), "LINES": str(HEIGHT),
                    "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}  # fmt: skip
    command = [sys.executable, "-m", "chatgptes", *arguments]
    with subprocess.Popen(  # noqa: S603 - our own command.
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # What Linux says once the other side is closed.
                break
            if not data:
                break
            stream.feed(data)
        os.close(ours)
    if process.returncode:
        raise SystemExit(f"{arguments}: exit status {process.returncode}\n" + lines(screen))
    return screen


def lines(screen: pyte.Screen) -> str:
    """The screen's text."""
    return "\n".join(line.rstrip() for line in screen.display).rstrip()


def drawn(screen: pyte.Screen) -> Text:
    """The screen's text with its colours."""
    text = Text()
    for number in range(len(lines(screen).split("\n"))):
        line = Text()
        for column in range(WIDTH):
            sign = screen.buffer[number][column]
            style = Style(
                color=colour(sign.fg), bgcolor=colour(sign.bg), bold=sign.bold,
                italic=sign.italics, underline=sign.underscore, reverse=sign.reverse,
            )  # fmt: skip
            line.append(sign.data, style)
        line.rstrip()
        text.append(line).append("\n")
    return text


def colour(name: str) -> str | None:
    """pyte's name for a colour as rich's."""
    if name == "default":
        return None
    if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name):
        return f"#{name}"
    return name.replace("bright", "bright_").replace("brown", "yellow")


def shell(arguments: list[str]) -> str:
    """The command as one would type it."""
    return " ".join(["chatgptes", *(f'"{word}"' if " " in word else word for word in arguments)])


def main() -> None:
    """Run the commands and write the picture."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=WIDTH, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        for arguments in COMMANDS:
            console.print(Text.assemble(("$ ", "green"), (shell(arguments), "bold")))
            console.print(drawn(run(arguments)))
        svg = console.export_svg(title="chatgptes", unique_id="chatgptes")
    # rich asks a server for its font; the reader's own will do.
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", svg)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    PICTURE.write_text("\n".join(map(str.rstrip, svg.split("\n"))), encoding="utf-8")


if __name__ == "__main__":
    main()
