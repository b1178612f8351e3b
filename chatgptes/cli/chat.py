"""`chatgptes chat`: a conversation at a prompt."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import click

from ..client import Client
from ..conversation import Conversation
from ..errors import ChatGptEsError
from ..values.text import sanitize_line, sanitize_text
from .ask import show
from .errors import print_error

__all__ = ["Chat"]

HELP = """\
/save FILE   save the conversation to a file
/load FILE   continue a saved one
/new         begin a new conversation
/help        show this list
/exit        leave (so does Ctrl-D)
Ctrl-C stops an answer.
A line that ends in \\ continues on the next one; several lines may stand between
\"\"\" and \"\"\" (or Ctrl-D).  A message that begins with / is written with //."""

_QUOTES = '"""'
LEAVE = object()


class Chat:
    """One session: reads what the user writes until they leave."""

    def __init__(self, client: Client, *, plain: bool) -> None:
        self._client = client
        self._plain = plain
        self._conversation: Conversation = client.conversation()
        self._own_files: set[Path] = set()
        self._interactive = sys.stdin.isatty()
        self._failed = False
        self._commands: dict[str, Callable[[str], None]] = {
            "save": self._save,
            "load": self._load,
            "new": self._new,
            "help": lambda _: click.echo(HELP),
        }

    def run(self, file: str | None) -> bool:
        """Talk until the user leaves, or the input ends.

        Args:
            file: path of a conversation to continue, or None for a new one.

        Returns:
            False if a turn or a command failed that nobody saw: standard input is no terminal.

        Raises:
            InvalidConfigError, OSError: `file` can't be used.
            KeyboardInterrupt: where standard input is no terminal.
        """
        path = None if file is None else self._expanded(file)
        if path is not None:
            self._load_from(path)
        if self._interactive:
            self._greet()
        if path is not None:
            self._show_loaded(path)
        self._loop()
        return self._interactive or not self._failed

    def _greet(self) -> None:
        # Line editing and a history of this session; not on every system.
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401
        click.echo(
            f"Talking to {sanitize_line(self._client.site)}. /help for help, /exit to leave."
        )

    def _loop(self) -> None:
        while True:
            try:
                text = self._read()
                if self._run_line(text) is LEAVE:
                    return
            except EOFError:
                if self._interactive:
                    click.echo()
                return
            except KeyboardInterrupt:
                if not self._interactive:
                    raise
                # At the prompt it drops the line; a second one after an answer has nothing to drop.
                click.echo("\n(Ctrl-D or /exit leaves.)")
            except UnicodeDecodeError:
                self._complain("That line is not text in the terminal's encoding.")

    def _run_line(self, text: str) -> object:
        """Run a command or send a message; LEAVE if the command is to leave."""
        name, _, rest = text[1:].partition(" ")
        if not text.strip():
            return None
        if text.startswith("//"):
            self._send(text[1:])
        elif not text.startswith("/"):
            self._send(text)
        elif name in ("exit", "quit"):
            return LEAVE
        elif name in self._commands and "\n" not in text:
            self._commands[name](rest.strip())
        else:
            self._complain(f"There is no command /{sanitize_line(name)}; /help lists them.")
        return None

    def _read(self) -> str:
        line = self._line("> ")
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
            return self._line("… ")
        except EOFError:
            if self._interactive:
                click.echo()
            return None

    def _line(self, prompt: str) -> str:
        return input(prompt if self._interactive else "")

    def _send(self, text: str) -> None:
        try:
            show(self._conversation.stream(text), self._plain)
        except KeyboardInterrupt:
            if not self._interactive:
                raise
            self._complain("Stopped; the conversation goes on without this question.")
        except ChatGptEsError as error:
            self._fail(error)
        if self._interactive:
            click.echo()

    def _save(self, name: str) -> None:
        path = self._path(name, "/save FILE")
        if path is None:
            return
        if path not in self._own_files and path.exists():
            self._complain(f"{path} exists already: give another name, or remove it first.")
            return
        try:
            self._conversation.save(path)
        except OSError as error:
            self._complain(f"{path}: {error.strerror or error}")
            return
        self._own_files.add(path)
        count = len(self._conversation.messages)
        click.echo(f"Saved {count} messages to {sanitize_line(str(path))}.")

    def _load(self, name: str) -> None:
        path = self._path(name, "/load FILE")
        if path is None:
            return
        try:
            self._load_from(path)
        except ChatGptEsError as error:
            self._fail(error)
        except OSError as error:
            self._complain(f"{path}: {error.strerror or error}")
        else:
            self._show_loaded(path)

    def _load_from(self, path: Path) -> None:
        self._conversation = self._client.conversation(path)
        self._own_files = {path}  # Only this conversation's own file may be overwritten.

    def _show_loaded(self, path: Path) -> None:
        messages = self._conversation.messages
        click.echo(f"Loaded {len(messages)} messages from {sanitize_line(str(path))}.")
        for message in messages[-2:]:
            who = "You" if message["role"] == "user" else "Bot"
            text = sanitize_line(message["content"])
            click.echo(sanitize_text(f"  {who}: {text[:70]}{'…' if len(text) > 70 else ''}"))

    def _new(self, _: str) -> None:
        self._conversation = self._client.conversation()
        self._own_files = set()
        click.echo("A new conversation.")

    def _path(self, name: str, usage: str) -> Path | None:
        if not name:
            self._complain(f"Which file? {usage}")
            return None
        return self._expanded(name)

    def _expanded(self, name: str) -> Path:
        try:
            return Path(name).expanduser()
        except RuntimeError:  # ~nobody
            return Path(name)

    def _fail(self, error: ChatGptEsError) -> None:
        self._failed = True
        print_error(error)

    def _complain(self, text: str) -> None:
        self._failed = True
        click.echo(f"chatgptes: {sanitize_line(text)}", err=True)
