"""`chatgptes chat`: a conversation at a prompt."""

from __future__ import annotations

import re
import sys
from typing import Any

import click

from ..errors import ChatGptEsError, InvalidMessageError
from ..values.text import sanitize_line
from .ask import show
from .chat_commands import FILE_COMMANDS, ChatCommands, expanded
from .errors import one_line_errors, print_error, print_note
from .lines import MessageReader
from .options import client_of, continue_last, continue_option, plain_option, talk_options
from .talk import Talk

__all__ = ["chat_command"]


@click.command("chat")
@talk_options
@plain_option
@click.option(
    "--load", "file", metavar="FILE", type=click.Path(), help="Continue a saved conversation."
)
@continue_option
def chat_command(plain: bool, file: str | None, goes_on: bool, **options: Any) -> None:
    """Have a conversation; /help lists its commands.

    In a pipe each line is a message, and the exit status is 1 if one of them failed.
    """
    if goes_on and file is not None:
        raise click.UsageError("-c and --load don't go together.")
    with one_line_errors():
        saved = continue_last(options) if goes_on else None
        with client_of(options) as client:
            talk = Talk(client, saved, kept=not options["sandbox"])
            try:
                session = _Session(talk, plain)
                session.begin(file, continued=goes_on)
                good = session.run()
            finally:
                talk.close()
            if not good:
                sys.exit(1)


class _Session:
    """One session: reads what the user writes until they leave."""

    def __init__(self, talk: Talk, plain: bool) -> None:
        self._talk = talk
        self._plain = plain
        self._failed = False
        self._commands = ChatCommands(talk)
        self._reader = MessageReader(sorted([*self._commands.names, "/exit"]), FILE_COMMANDS)

    def begin(self, file: str | None, *, continued: bool) -> None:
        """Load a conversation, greet, and show the end of the conversation if it is continued."""
        path = None if file is None else expanded(file)
        if path is not None:
            self._talk.load(path)
        if self._reader.interactive:
            self._greet()
        if path is not None or continued:
            self._commands.show_loaded("" if path is None else f" from {path}")

    def _greet(self) -> None:
        who = site = sanitize_line(self._talk.client.site)
        bot = None
        try:
            with self._reader.quiet():
                bot, count = self._talk.bot(), len(self._talk.client.bots())
        except KeyboardInterrupt:
            pass
        except ChatGptEsError as error:
            print_error(error)
        else:
            if bot is not None and self._talk.client.core.config.bot is None and count > 1:
                click.echo(f"The page shows {count} bots: /bot lists them.")
        if bot is not None and bot.name:
            who = f"{sanitize_line(bot.name)} on {site}"
        click.echo(f"Talking to {who}. /help for help, /exit to leave.")
        if bot is not None and not self._talk.conversation.messages:
            self._commands.show_greeting(bot)

    def run(self) -> bool:
        """Talk until the user leaves, or the input ends.

        Returns:
            False if a turn or a command failed that nobody saw: standard input is no terminal.
        """
        interactive = self._reader.interactive
        while True:
            try:
                text = self._reader.read()
                if re.fullmatch(r"/(?:exit|quit)(?: .*)?", text.rstrip()):
                    break
                self._handle(text)
            except EOFError:
                if interactive:
                    click.echo()
                break
            except KeyboardInterrupt:
                if not interactive:
                    raise
                # At the prompt it drops the line; a second one after an answer has nothing to drop.
                click.echo("\n(Ctrl-D or /exit leaves.)")
            except UnicodeDecodeError:
                self._complain("That line is not text in the terminal's encoding.")
        return interactive or not self._failed

    def _handle(self, text: str) -> None:
        """Run a command or send a message, and show what goes wrong."""
        try:
            with self._reader.quiet():
                message: str | None = text
                if text.startswith("//"):
                    message = text[1:]
                elif text.startswith("/"):
                    message = self._commands.run(text)
                if message is not None and message.strip():
                    self._send(message)
        except ChatGptEsError as error:
            self._failed = True
            print_error(error)
        except click.ClickException as error:
            self._complain(error.message)

    def _send(self, text: str) -> None:
        """Send a message and show its answer; Ctrl-C at a terminal stops that only."""
        try:
            self._talk.ask(text, lambda stream: show(stream, plain=self._plain))
        except KeyboardInterrupt:
            if not self._reader.interactive:
                raise
            self._complain("Stopped; the conversation goes on without this question.")
        except ChatGptEsError as error:
            self._failed = True
            print_error(error)
            if isinstance(error, InvalidMessageError) and self._talk.images:
                self._talk.images = []
                self._complain("The next message goes without those images.")
        if self._reader.interactive:
            click.echo()

    def _complain(self, text: str) -> None:
        self._failed = True
        print_note(text)
