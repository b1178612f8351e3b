"""`chatgptes chat`: a conversation at a prompt."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from typing import Any

import click

from ..errors import ChatGptEsError, InvalidMessageError
from ..values.text import sanitize_line
from .chat_commands import ChatCommands
from .errors import one_line_errors, print_error, print_note
from .lines import MessageReader
from .options import client_of, continue_last, continue_option, plain_option, talk_options

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
    with one_line_errors(), ExitStack() as clients:
        saved = continue_last(options) if goes_on else None
        client = clients.enter_context(client_of(options))
        talk = ChatCommands(client, saved, kept=not options["sandbox"], clients=clients)
        if file is not None:
            talk.load(file)
        session = _Session(talk, plain)
        session.greet()
        if goes_on:
            talk.show_loaded("")
        if not session.run():
            sys.exit(1)


class _Session:
    """One session: reads what the user writes until they leave."""

    def __init__(self, talk: ChatCommands, plain: bool) -> None:
        self._talk = talk
        self._plain = plain
        self._failed = False
        self._reader = MessageReader(sorted([*talk.names, "/exit"]))

    def greet(self) -> None:
        """Show on a terminal who is talked to, and what the bot's window says first."""
        if not self._reader.interactive:
            return
        client = self._talk.client
        bot, count = None, 0
        try:
            with self._reader.quiet():
                bot, count = self._talk.bot(), len(client.bots())
        except ChatGptEsError as error:
            print_error(error)
        if bot is not None and client.core.config.bot is None and count > 1:
            click.echo(f"The page shows {count} bots: /bot lists them.")
        who = f"{bot.name} on {client.site}" if bot is not None and bot.name else client.site
        click.echo(f"Talking to {sanitize_line(who)}. /help for help, /exit to leave.")
        if bot is not None and not self._talk.conversation.messages:
            self._talk.show_greeting(bot)

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
        """Run a command or send a message, and show what goes wrong.

        Ctrl-C at a terminal stops an answer only.
        """
        is_command = text.startswith("/") and not text.startswith("//")
        asks = False
        with self._reader.quiet():
            try:
                message = self._talk.run(text) if is_command else text.removeprefix("/")
                if message is not None and message.strip():
                    asks = True
                    self._talk.ask(message, plain=self._plain)
            except KeyboardInterrupt:
                if not asks or not self._reader.interactive:
                    raise
                self._complain("Stopped; the conversation goes on without this question.")
            except ChatGptEsError as error:
                self._failed = True
                print_error(error)
                if asks and isinstance(error, InvalidMessageError) and self._talk.images:
                    self._talk.images = []
                    self._complain("The next message goes without those images.")
            except click.ClickException as error:
                self._complain(error.message)
            if asks and self._reader.interactive:
                click.echo()

    def _complain(self, text: str) -> None:
        self._failed = True
        print_note(text)
