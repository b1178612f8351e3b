"""The commands of `chatgptes chat`: the lines that begin with "/"."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import click

from ..sites.dialect import Bot
from ..values.remembered import SiteConversation
from ..values.text import sanitize_line, sanitize_text
from .talk import Talk

__all__ = ["FILE_COMMANDS", "ChatCommands", "expanded"]

FILE_COMMANDS = ("/image", "/save", "/load")
"""The commands that a file's name follows."""

_HELP = (
    ("/new", "begin a new conversation"),
    ("/retry", "send the last message again"),
    ("/image FILE", "send a picture with the next message"),
    ("/system TEXT", "begin anew, with this text before the first message; alone: show"),
    ("/bot ID", "begin anew with another bot of the page; alone: list them"),
    ("/copy", "copy the last answer to the clipboard"),
    ("/1, /2, …", "send one of the questions that the bot's window offers"),
    ("/good, /bad", "give the last answer a thumb; with a comment: /good TEXT"),
    ("/conversations", "list what the site remembers; with a number: continue that one; with"
     " delete and a number: delete it on the site"),
    ("/save FILE", "save the conversation to a file"),
    ("/load FILE", "continue a saved one"),
    ("/help", "show this list"),
    ("/exit", "leave (so does Ctrl-D)"),
)  # fmt: skip
_KEYS = """\
Ctrl-C stops an answer.  Tab completes; arrow keys bring back what you wrote.  Lines that are pasted
together are one message; Alt-Enter begins a new line.  A line that ends in \\ continues on the next
one; several lines may stand between \"\"\" and \"\"\" (or Ctrl-D).  A message that begins with / is
written with //."""


class ChatCommands:
    """The commands, on one conversation.

    A method is given the words behind its command, and returns a message that is to be sent, or
    None.  It raises `click.ClickException` if it can't be carried out, and a `ChatGptEsError` if
    that is the site's or a file's fault.
    """

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._commands: dict[str, Callable[[str], str | None]] = {
            "bad": lambda comment: self._thumb("down", comment),
            "bot": self._bot,
            "conversations": self._conversations,
            "copy": self._copy,
            "good": lambda comment: self._thumb("up", comment),
            "help": self._help,
            "image": self._image,
            "load": self._load,
            "new": self._new,
            "retry": self._retry,
            "save": self._save,
            "system": self._system,
        }

    @property
    def names(self) -> list[str]:
        """The names of the commands, with their "/"."""
        return [f"/{name}" for name in self._commands]

    def run(self, line: str) -> str | None:
        """Run a command, with its words; return a message that is to be sent, or None.

        Raises:
            click.ClickException, ChatGptEsError: as above.
        """
        name, _, words = line[1:].partition(" ")
        if re.fullmatch(r"[0-9]{1,8}", name) and not words:
            return self._starter(int(name))
        if name not in self._commands or "\n" in line:
            raise click.ClickException(f"There is no command /{name}; /help lists them.")
        return self._commands[name](words.strip())

    # The conversation itself.

    def _new(self, _: str) -> None:
        self._talk.begin(self._talk.system)
        click.echo("A new conversation.")

    def _system(self, text: str) -> None:
        if text:
            self._talk.begin(text)
            click.echo("A new conversation, with this system text.")
        else:
            none = "There is no system text. /system TEXT sets one."
            click.echo(sanitize_text(self._talk.system or none))

    def _bot(self, bot_id: str) -> None:
        if not bot_id:
            for bot in self._talk.client.bots():
                click.echo(f"/bot {sanitize_line(bot.id)}   {sanitize_line(bot.name)}")
            return
        bot = self._talk.use(bot_id)
        click.echo(f"A new conversation, with {sanitize_line(bot.name or bot.id)}.")
        self.show_greeting(bot)

    def _retry(self, _: str) -> str:
        text = self._talk.take_back()
        if text is None:
            raise click.ClickException("There is no message to send again.")
        return text

    def _image(self, name: str) -> None:
        path = _path(name, "/image FILE")
        if not path.is_file():
            raise click.ClickException(f"{path}: there is no such file.")
        self._talk.images.append(path)
        names = ", ".join(each.name for each in self._talk.images)
        click.echo(f"{sanitize_line(names)}: sent with your next message.")

    def _copy(self, _: str) -> None:
        messages = self._talk.conversation.messages
        if not messages:
            raise click.ClickException("There is no answer to copy yet.")
        if not sys.stdout.isatty():
            raise click.ClickException("/copy needs a terminal.")
        # OSC 52: the terminal itself puts it there, also through ssh.
        answer = str(messages[-1]["content"]).encode("utf-8", "replace")
        click.echo(f"\x1b]52;c;{base64.b64encode(answer).decode('ascii')}\x07", nl=False)
        click.echo("Copied, if your terminal lets programs do that (OSC 52).")

    def _help(self, _: str) -> None:
        help_text = click.HelpFormatter(width=min(80, shutil.get_terminal_size().columns))
        help_text.write_dl(_HELP, col_spacing=1)
        help_text.write_text(_KEYS)
        click.echo(help_text.getvalue(), nl=False)

    # Files.

    def _save(self, name: str) -> None:
        path = _path(name, "/save FILE")
        if path not in self._talk.own_files and path.exists():
            raise click.ClickException(
                f"{path} exists already: give another name, or remove it first."
            )
        with _file_errors(path):
            self._talk.conversation.save(path)
        self._talk.own_files.add(path)
        count = len(self._talk.conversation.messages)
        click.echo(f"Saved {count} messages to {sanitize_line(str(path))}.")

    def _load(self, name: str) -> None:
        path = _path(name, "/load FILE")
        with _file_errors(path):
            self._talk.load(path)
        self.show_loaded(f" from {path}")

    def show_loaded(self, source: str) -> None:
        """Show the end of the conversation."""
        messages = self._talk.conversation.messages
        click.echo(f"Loaded {len(messages)} messages{sanitize_text(source)}.")
        for message in messages[-2:]:
            who = "You" if message["role"] == "user" else "Bot"
            content = message["content"]
            if not isinstance(content, str):  # A list of parts: there are images.
                content = " ".join(part.get("text", "(image)") for part in content)
            click.echo(f"  {who}: {sanitize_line(content, 71)}")

    # What the site's own window can do, too.

    def show_greeting(self, bot: Bot) -> None:
        """Show what the bot's window says first, and the questions that it offers."""
        if greeting := sanitize_text(bot.greeting).strip():
            click.echo(f"\n{greeting}")
        if bot.starters:
            click.echo()
        for number, starter in enumerate(bot.starters, 1):
            click.echo(f"/{number}  {sanitize_line(starter)}")
        if greeting or bot.starters:
            click.echo()

    def _starter(self, number: int) -> str:
        bot = self._talk.bot()
        starters = bot.starters if bot is not None else ()
        if not 1 <= number <= len(starters):
            offered = f"it offers /1 to /{len(starters)}" if starters else "it offers none"
            raise click.ClickException(f"The bot offers no question /{number}: {offered}.")
        click.echo(f"> {sanitize_line(starters[number - 1])}")
        return starters[number - 1]

    def _thumb(self, verdict: Literal["up", "down"], comment: str) -> None:
        if self._talk.reply is None:
            raise click.ClickException("There is no answer of this session to give feedback on.")
        self._talk.conversation.feedback(self._talk.reply, verdict, comment or None)
        click.echo("Sent: the site has your feedback on the last answer.")

    def _conversations(self, words: str) -> None:
        first, _, rest = words.partition(" ")
        if not words:
            self._list()
        elif first == "delete":
            is_this = self._talk.delete(self._chosen(rest.strip()).id)
            click.echo(f"Deleted on the site.{' A new conversation begins.' if is_this else ''}")
        else:
            self._talk.go_on(self._chosen(words).id)
            self.show_loaded(" from the site")

    def _list(self) -> None:
        self._talk.listed = self._talk.client.conversations()
        if not self._talk.listed:
            click.echo("The site remembers no conversation of this visitor.")
            return
        for number, each in enumerate(self._talk.listed, 1):
            when = f"{each.time.astimezone():%Y-%m-%d %H:%M}" if each.time else " " * 16
            here = "  (this one)" if each.id == self._talk.conversation.id else ""
            click.echo(f"{number:3}  {when}  {sanitize_line(each.title)}{here}")
        click.echo("/conversations N continues one, /conversations delete N deletes it.")

    def _chosen(self, word: str) -> SiteConversation:
        """Return the conversation of a number in the last list."""
        listed = self._talk.listed
        if not listed:
            raise click.ClickException("List them first: /conversations")
        number = int(word) if re.fullmatch(r"[0-9]{1,8}", word) else 0
        if not 1 <= number <= len(listed):
            raise click.ClickException(f"Which one? A number from 1 to {len(listed)}.")
        return listed[number - 1]


def expanded(name: str) -> Path:
    """Return a file's path, with "~" for the home folder."""
    return Path(os.path.expanduser(name))  # Leaves ~nobody as it is, unlike Path.expanduser.


def _path(name: str, usage: str) -> Path:
    if not name:
        raise click.ClickException(f"Which file? {usage}")
    return expanded(name)


@contextlib.contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Make errors of the system in the block one sentence about the file."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
