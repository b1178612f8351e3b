"""`chatgptes chat`: a conversation at a prompt."""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from ..client import Client
from ..errors import ChatGptEsError, InvalidMessageError
from ..sites.dialect import Bot
from ..values.text import sanitize_line, sanitize_text
from .ask import show
from .chat_help import help_text
from .errors import print_error
from .lines import Lines, lines_of
from .messages import MessageReader
from .talk import Talk
from .window import WindowCommands

__all__ = ["Chat"]

LEAVE = object()


class Chat:
    """One session: reads what the user writes until they leave.

    Args:
        client: the client to talk with.
        plain: print answers as plain text.
        saved: the last conversation, to continue it, or None.
        kept: keep the conversation for `-c`.
    """

    def __init__(
        self,
        client: Client,
        *,
        plain: bool,
        saved: Mapping[str, Any] | None = None,
        kept: bool = False,
    ) -> None:
        self._plain = plain
        self._talk = Talk(client, saved, kept=kept)
        self._continued = saved is not None
        self._own_files: set[Path] = set()
        self._interactive = sys.stdin.isatty()
        self._failed = False
        self._window = WindowCommands(self, self._talk, lambda: self._lines.quiet())
        self._commands: dict[str, Callable[[str], None]] = {
            **self._window.commands(),
            "new": self._new,
            "retry": self._retry,
            "image": self._image,
            "system": self._system,
            "bot": self._bot,
            "copy": self._copy,
            "save": self._save,
            "load": self._load,
            "help": lambda _: click.echo(help_text(shutil.get_terminal_size().columns)),
        }
        self._lines: Lines = lines_of(
            [f"/{name}" for name in sorted([*self._commands, "exit"])],
            ("/image", "/save", "/load"),
            interactive=self._interactive,
        )
        self._messages = MessageReader(self._lines, interactive=self._interactive)

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
            self.show_loaded(f"from {path}")
        elif self._continued:
            self.show_loaded("")
        try:
            self._loop()
        finally:
            self._talk.close()
        return self._interactive or not self._failed

    def _greet(self) -> None:
        site = sanitize_line(self._talk.client.site)
        bot = None
        try:
            with self._lines.quiet():
                count, bot = len(self._talk.client.bots()), self._window.bot()
        except KeyboardInterrupt:
            pass
        except ChatGptEsError as error:
            self.fail(error)
        else:
            if bot is not None and self._talk.client.core.config.bot is None and count > 1:
                click.echo(f"The page shows {count} bots: /bot lists them.")
        name = _name_of(bot) if bot is not None else ""
        who = f"{name} on {site}" if name else site
        click.echo(f"Talking to {who}. /help for help, /exit to leave.")
        if bot is not None and not self._talk.conversation.messages:
            self._window.show_greeting(bot)

    def _loop(self) -> None:
        while True:
            try:
                text = self._messages.read()
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
                self.complain("That line is not text in the terminal's encoding.")

    def _run_line(self, text: str) -> object:
        """Run a command or send a message; LEAVE if the command is to leave."""
        name, _, rest = text[1:].partition(" ")
        if not text.strip():
            return None
        if text.startswith("//"):
            self.send(text[1:])
        elif not text.startswith("/"):
            self.send(text)
        elif name in ("exit", "quit"):
            return LEAVE
        elif name.isascii() and name.isdigit() and len(name) < 9 and not rest:
            self._window.send_starter(int(name))
        elif name in self._commands and "\n" not in text:
            self._commands[name](rest.strip())
        else:
            self.complain(f"There is no command /{sanitize_line(name)}; /help lists them.")
        return None

    def send(self, text: str) -> None:
        """Send a message and show its answer."""
        try:
            with self._lines.quiet():
                show(self._talk.stream(text), self._plain)
                self._talk.answered()
        except KeyboardInterrupt:
            if not self._interactive:
                raise
            self.complain("Stopped; the conversation goes on without this question.")
        except ChatGptEsError as error:
            self.fail(error)
            if isinstance(error, InvalidMessageError) and self._talk.images:
                self._talk.images = []
                self.complain("The next message goes without those images.")
        if self._interactive:
            click.echo()

    def _retry(self, _: str) -> None:
        text = self._talk.take_back()
        if text is None:
            self.complain("There is no message to send again.")
        else:
            self.send(text)

    def _image(self, name: str) -> None:
        path = self._path(name, "/image FILE")
        if path is None:
            return
        if not path.is_file():
            self.complain(f"{path}: there is no such file.")
            return
        self._talk.images.append(path)
        names = ", ".join(each.name for each in self._talk.images)
        click.echo(f"{sanitize_line(names)}: sent with your next message.")

    def _system(self, text: str) -> None:
        if text:
            self._talk.begin(text)
            self.forget_files()
            click.echo("A new conversation, with this system text.")
        elif system := self._talk.system:
            click.echo(sanitize_text(system))
        else:
            click.echo("There is no system text. /system TEXT sets one.")

    def _bot(self, bot_id: str) -> None:
        try:
            with self._lines.quiet():
                if not bot_id:
                    for bot in self._talk.client.bots():
                        click.echo(f"/bot {sanitize_line(bot.id)}   {sanitize_line(bot.name)}")
                    return
                bot = self._talk.use(bot_id)
        except ChatGptEsError as error:
            self.fail(error)
            return
        self.forget_files()
        click.echo(f"A new conversation, with {_name_of(bot) or sanitize_line(bot.id)}.")
        if self._interactive:
            self._window.show_greeting(bot)

    def _copy(self, _: str) -> None:
        answer = self._talk.answer
        if answer is None:
            self.complain("There is no answer to copy yet.")
        elif not sys.stdout.isatty():
            self.complain("/copy needs a terminal.")
        else:
            # OSC 52: the terminal itself puts it there, also through ssh.
            data = base64.b64encode(answer.encode("utf-8", "replace")).decode("ascii")
            sys.stdout.write(f"\x1b]52;c;{data}\x07")
            sys.stdout.flush()
            click.echo("Copied, if your terminal lets programs do that (OSC 52).")

    def _save(self, name: str) -> None:
        path = self._path(name, "/save FILE")
        if path is None:
            return
        if path not in self._own_files and path.exists():
            self.complain(f"{path} exists already: give another name, or remove it first.")
            return
        try:
            self._talk.conversation.save(path)
        except OSError as error:
            self.complain(f"{path}: {error.strerror or error}")
            return
        self._own_files.add(path)
        count = len(self._talk.conversation.messages)
        click.echo(f"Saved {count} messages to {sanitize_line(str(path))}.")

    def _load(self, name: str) -> None:
        path = self._path(name, "/load FILE")
        if path is None:
            return
        try:
            self._load_from(path)
        except ChatGptEsError as error:
            self.fail(error)
        except OSError as error:
            self.complain(f"{path}: {error.strerror or error}")
        else:
            self.show_loaded(f"from {path}")

    def _load_from(self, path: Path) -> None:
        self._talk.load(path)
        self._own_files = {path}  # Only this conversation's own file may be overwritten.

    def show_loaded(self, source: str) -> None:
        """Show the end of the conversation."""
        messages = self._talk.conversation.messages
        where = f" {sanitize_line(source)}" if source else ""
        click.echo(f"Loaded {len(messages)} messages{where}.")
        for message in messages[-2:]:
            who = "You" if message["role"] == "user" else "Bot"
            content = message["content"]
            if not isinstance(content, str):  # A list of parts: there are images.
                content = " ".join(part.get("text", "(image)") for part in content)
            text = sanitize_line(content)
            click.echo(sanitize_text(f"  {who}: {text[:70]}{'…' if len(text) > 70 else ''}"))

    def _new(self, _: str) -> None:
        self._talk.begin(self._talk.system)
        self.forget_files()
        click.echo("A new conversation.")

    def forget_files(self) -> None:
        """Note that no file is this conversation's own any more, to be overwritten."""
        self._own_files = set()

    def _path(self, name: str, usage: str) -> Path | None:
        if not name:
            self.complain(f"Which file? {usage}")
            return None
        return self._expanded(name)

    def _expanded(self, name: str) -> Path:
        try:
            return Path(name).expanduser()
        except RuntimeError:  # ~nobody
            return Path(name)

    def fail(self, error: ChatGptEsError) -> None:
        """Show an error."""
        self._failed = True
        print_error(error)

    def complain(self, text: str) -> None:
        """Say that a command can't be carried out."""
        self._failed = True
        click.echo(f"chatgptes: {sanitize_line(text)}", err=True)


def _name_of(bot: Bot) -> str:
    return sanitize_line(bot.name)
