"""The commands of `chat` for what a site's own chat window can do beside answering."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

import click

from ..errors import ChatGptEsError
from ..sites.dialect import Bot
from ..values.remembered import SiteConversation
from ..values.text import sanitize_line, sanitize_text
from .talk import Talk

__all__ = ["WindowCommands"]


class Session(Protocol):
    """As much of a `Chat` as its commands need."""

    def send(self, text: str) -> None:
        """Send a message and show its answer."""

    def complain(self, text: str) -> None:
        """Say that a command can't be carried out."""

    def fail(self, error: ChatGptEsError) -> None:
        """Show an error."""

    def show_loaded(self, source: str) -> None:
        """Show the end of the conversation."""

    def forget_files(self) -> None:
        """Note that no file is this conversation's own any more."""


class WindowCommands:
    """Thumbs, starters, and the conversations that the site remembers.

    Args:
        session: the session whose commands they are.
        talk: its conversation.
        quiet: keeps what is typed off the screen while the site is asked (`Lines.quiet`).
    """

    def __init__(
        self, session: Session, talk: Talk, quiet: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._session = session
        self._talk = talk
        self._quiet = quiet
        self._listed: Sequence[SiteConversation] = ()
        self._lister = talk.client

    def commands(self) -> dict[str, Callable[[str], None]]:
        """Return the commands by their names."""
        return {
            "good": lambda comment: self._thumb("up", comment),
            "bad": lambda comment: self._thumb("down", comment),
            "conversations": self._conversations,
        }

    def bot(self) -> Bot | None:
        """Return the bot that is talked to, if the page shows it.

        Raises:
            ChatGptEsError: as `Client.bots`.
        """
        wanted = self._talk.client.core.config.bot
        return next((each for each in self._talk.client.bots() if wanted in (None, each.id)), None)

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

    def send_starter(self, number: int) -> None:
        """Send one of the questions that the bot's window offers."""
        try:
            with self._quiet():
                bot = self.bot()
        except ChatGptEsError as error:
            self._session.fail(error)
            return
        starters = bot.starters if bot is not None else ()
        if not 1 <= number <= len(starters):
            offered = f"it offers /1 to /{len(starters)}" if starters else "it offers none"
            self._session.complain(f"The bot offers no question /{number}: {offered}.")
            return
        starter = starters[number - 1]
        click.echo(f"> {sanitize_line(starter)}")
        self._session.send(starter)

    def _thumb(self, verdict: Literal["up", "down"], comment: str) -> None:
        try:
            with self._quiet():
                given = self._talk.feedback(verdict, comment or None)
        except ChatGptEsError as error:
            self._session.fail(error)
            return
        if given:
            click.echo("Sent: the site has your feedback on the last answer.")
        else:
            self._session.complain("There is no answer of this session to give feedback on.")

    def _conversations(self, words: str) -> None:
        first, _, rest = words.partition(" ")
        try:
            with self._quiet():
                if not words:
                    self._list()
                elif first == "delete" and (chosen := self._chosen(rest.strip())):
                    is_this = chosen.id == self._talk.conversation.id
                    self._talk.delete(chosen.id)
                    self._listed = ()
                    if is_this:
                        self._session.forget_files()
                    anew = " A new conversation begins." if is_this else ""
                    click.echo(f"Deleted on the site.{anew}")
                elif first != "delete" and (chosen := self._chosen(words)):
                    self._talk.go_on(chosen.id)
                    self._session.forget_files()
                    self._session.show_loaded("from the site")
        except ChatGptEsError as error:
            self._session.fail(error)

    def _list(self) -> None:
        self._listed, self._lister = self._talk.remembered(), self._talk.client
        if not self._listed:
            click.echo("The site remembers no conversation of this visitor.")
            return
        for number, each in enumerate(self._listed, 1):
            when = f"{each.time.astimezone():%Y-%m-%d %H:%M}" if each.time else " " * 16
            here = "  (this one)" if each.id == self._talk.conversation.id else ""
            click.echo(f"{number:3}  {when}  {sanitize_line(each.title)}{here}")
        click.echo("/conversations N continues one, /conversations delete N deletes it.")

    def _chosen(self, word: str) -> SiteConversation | None:
        """The conversation of a number in the last list; complains if it is none."""
        number = int(word) if word.isascii() and word.isdigit() and len(word) < 9 else 0
        if not self._listed or self._lister is not self._talk.client:  # Another bot's since /bot.
            self._session.complain("List them first: /conversations")
        elif not 1 <= number <= len(self._listed):
            self._session.complain(f"Which one? A number from 1 to {len(self._listed)}.")
        else:
            return self._listed[number - 1]
        return None
