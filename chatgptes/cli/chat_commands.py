"""The conversation of `chatgptes chat`, and its commands: the lines that begin with "/"."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import click

from ..client import Client
from ..conversation import Conversation
from ..errors import BotNotFoundError
from ..kept import forget, keep
from ..sites.dialect import Bot
from ..turn.config import Config
from ..turn.core import Core
from ..values.remembered import SiteConversation
from ..values.reply import Reply
from ..values.text import sanitize_line, sanitize_text
from .ask import show

__all__ = ["ChatCommands"]

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
    """One conversation that can be begun anew, also with another bot, and the commands on it.

    A command is given the words behind its name, and returns a message that is to be sent, or
    None.  It raises `click.ClickException` if it can't be carried out, and a `ChatGptEsError` if
    that is the site's or a file's fault.

    Attributes:
        client: the client of the bot that is talked to.
        conversation: the conversation.
        images: the files that go with the next message.
        names: the names of the commands, with their "/".

    Args:
        client: the client to begin with.
        saved: a conversation to continue, or None for a new one.
        kept: keep the conversation after each answer, for `-c`.
        clients: closes the clients of other bots.
    """

    def __init__(
        self,
        client: Client,
        saved: Mapping[str, Any] | None,
        *,
        kept: bool,
        clients: contextlib.ExitStack,
    ) -> None:
        self.client = client
        self._clients = clients
        self._kept = kept
        self._listed: list[SiteConversation] = []
        self._begin(client.conversation(saved))
        self._commands: dict[str, Callable[[str], str | None]] = {
            "bad": lambda comment: self._thumb("down", comment),
            "bot": self._bot,
            "conversations": self._conversations,
            "copy": self._copy,
            "good": lambda comment: self._thumb("up", comment),
            "help": self._help,
            "image": self._image,
            "load": self.load,
            "new": self._new,
            "retry": self._retry,
            "save": self._save,
            "system": self._system,
        }
        self.names = [f"/{name}" for name in self._commands]

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

    def _begin(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.images: list[Path] = []
        self._reply: Reply | None = None
        self._asked: tuple[str, list[Path], dict[str, Any]] | None = None
        self._own_files: set[Path] = set()  # They hold this conversation, and may be overwritten.

    def _begin_anew(self, system: str | None) -> None:
        empty = self.client.conversation().to_dict()
        self._begin(self.client.conversation(empty | {"system": system}))

    def ask(self, text: str, *, plain: bool) -> None:
        """Ask with the images that are waiting, and show the answer."""
        before = self.conversation.to_dict()
        stream = self.conversation.stream(text, images=[str(path) for path in self.images])
        self._asked, self._reply = (text, self.images, before), None
        show(stream, plain=plain)
        self.images, self._reply = [], stream.reply
        self._keep()

    def _keep(self) -> None:
        if self._kept:
            keep(self.conversation, self.client.core.config.bot)

    def _new(self, _: str) -> None:
        self._begin_anew(self.conversation.to_dict()["system"])
        click.echo("A new conversation.")

    def _system(self, text: str) -> None:
        if text:
            self._begin_anew(text)
            click.echo("A new conversation, with this system text.")
        else:
            none = "There is no system text. /system TEXT sets one."
            click.echo(sanitize_text(self.conversation.to_dict()["system"] or none))

    def bot(self) -> Bot | None:
        """Return the bot that is talked to, if the page shows it."""
        wanted = self.client.core.config.bot
        return next((each for each in self.client.bots() if wanted in (None, each.id)), None)

    def _bot(self, bot_id: str) -> None:
        bots = {bot.id: bot for bot in self.client.bots()}
        if not bot_id:
            for each in bots.values():
                click.echo(f"/bot {sanitize_line(each.id)}   {sanitize_line(each.name)}")
            return
        if bot_id not in bots:
            raise BotNotFoundError(f"The page shows no bot {bot_id!r}.")
        system, core = self.conversation.to_dict()["system"], self.client.core
        arguments: Any = {**core.config.arguments, "bot": bot_id}
        client = Client.over(Core(Config.of(arguments), core.visitor))
        self.client = self._clients.enter_context(client)
        self._listed = []
        self._begin_anew(system)
        bot = bots[bot_id]
        click.echo(f"A new conversation, with {sanitize_line(bot.name or bot.id)}.")
        self.show_greeting(bot)

    def _retry(self, _: str) -> str:
        if self._asked is None:
            raise click.ClickException("There is no message to send again.")
        text, self.images, before = self._asked
        self.conversation = self.client.conversation(before)
        self._reply = None
        return text

    def _image(self, name: str) -> None:
        path = _path(name, "/image FILE")
        if not path.is_file():
            raise click.ClickException(f"{path}: there is no such file.")
        self.images.append(path)
        names = ", ".join(each.name for each in self.images)
        click.echo(f"{sanitize_line(names)}: sent with your next message.")

    def _copy(self, _: str) -> None:
        messages = self.conversation.messages
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
        if path not in self._own_files and path.exists():
            raise click.ClickException(
                f"{path} exists already: give another name, or remove it first."
            )
        with _file_errors(path):
            self.conversation.save(path)
        self._own_files.add(path)
        count = len(self.conversation.messages)
        click.echo(f"Saved {count} messages to {sanitize_line(str(path))}.")

    def load(self, name: str) -> None:
        """Continue a saved conversation, and show its end."""
        path = _path(name, "/load FILE")
        with _file_errors(path):
            self._begin(self.client.conversation(path))
        self._own_files = {path}
        self.show_loaded(f" from {path}")

    def show_loaded(self, source: str) -> None:
        """Show the end of the conversation."""
        messages = self.conversation.messages
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
        bot = self.bot()
        starters = bot.starters if bot is not None else ()
        if not 1 <= number <= len(starters):
            offered = f"it offers /1 to /{len(starters)}" if starters else "it offers none"
            raise click.ClickException(f"The bot offers no question /{number}: {offered}.")
        click.echo(f"> {sanitize_line(starters[number - 1])}")
        return starters[number - 1]

    def _thumb(self, verdict: Literal["up", "down"], comment: str) -> None:
        if self._reply is None:
            raise click.ClickException("There is no answer of this session to give feedback on.")
        self.conversation.feedback(self._reply, verdict, comment or None)
        click.echo("Sent: the site has your feedback on the last answer.")

    def _conversations(self, words: str) -> None:
        if not words:
            self._list()
            return
        first, _, rest = words.partition(" ")
        site_id = self._chosen(rest.strip() if first == "delete" else words)
        is_this = site_id == self.conversation.id
        if first != "delete":
            self._begin(self.client.conversation(site_id=site_id))
            self._keep()
            self.show_loaded(" from the site")
            return
        chosen = self.conversation if is_this else self.client.conversation(site_id=site_id)
        chosen.delete()
        self._listed = []
        if is_this:
            self._begin(chosen)
        if self._kept:
            forget(site_id)
        click.echo(f"Deleted on the site.{' A new conversation begins.' if is_this else ''}")

    def _list(self) -> None:
        self._listed = self.client.conversations()
        if not self._listed:
            click.echo("The site remembers no conversation of this visitor.")
            return
        for number, each in enumerate(self._listed, 1):
            when = f"{each.time.astimezone():%Y-%m-%d %H:%M}" if each.time else " " * 16
            here = "  (this one)" if each.id == self.conversation.id else ""
            click.echo(f"{number:3}  {when}  {sanitize_line(each.title)}{here}")
        click.echo("/conversations N continues one, /conversations delete N deletes it.")

    def _chosen(self, word: str) -> str:
        """Return the id of the conversation with a number in the last list."""
        if not self._listed:
            raise click.ClickException("List them first: /conversations")
        number = int(word) if re.fullmatch(r"[0-9]{1,8}", word) else 0
        if not 1 <= number <= len(self._listed):
            raise click.ClickException(f"Which one? A number from 1 to {len(self._listed)}.")
        return self._listed[number - 1].id


def _path(name: str, usage: str) -> Path:
    if not name:
        raise click.ClickException(f"Which file? {usage}")
    return Path(os.path.expanduser(name))  # Leaves ~nobody as it is, unlike Path.expanduser.


@contextlib.contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Make errors of the system in the block one sentence about the file."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
