"""The conversation of one `chat` session: what was asked last, and what goes along next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..client import Client
from ..conversation import Conversation
from ..errors import BotNotFoundError
from ..kept import forget, keep
from ..sites.dialect import Bot
from ..turn.config import Config
from ..turn.core import Core
from ..turn.stream import Stream
from ..values.remembered import SiteConversation
from ..values.reply import Reply

__all__ = ["Talk"]


class Talk:
    """A conversation that can be begun anew, with another bot or system text.

    Its methods raise what those of `Client` and `Conversation` raise.

    Attributes:
        client: the client of the bot that is talked to.
        conversation: the conversation.
        images: the files that go with the next message.
        reply: the last answer of this session with all that came beside it, or None.
        own_files: the files that hold this conversation, and may be overwritten.
        listed: the conversations that the site remembers, as they were listed last.

    Args:
        client: the client to begin with; its owner closes it.
        saved: a conversation to continue, or None for a new one.
        kept: keep the conversation after each answer, for `-c`.
    """

    def __init__(self, client: Client, saved: Mapping[str, Any] | None, *, kept: bool) -> None:
        self._given = client
        self._kept = kept
        self.client = client
        self.listed: list[SiteConversation] = []
        self._continue(client.conversation(saved))

    def _continue(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.images: list[Path] = []
        self.reply: Reply | None = None
        self.own_files: set[Path] = set()
        self._asked: tuple[str, list[Path], dict[str, Any]] | None = None

    @property
    def system(self) -> str | None:
        """The text put before the first message, or None."""
        system: str | None = self.conversation.to_dict()["system"]
        return system

    def bot(self) -> Bot | None:
        """Return the bot that is talked to, if the page shows it."""
        wanted = self.client.core.config.bot
        return next((each for each in self.client.bots() if wanted in (None, each.id)), None)

    def ask(self, text: str, show: Callable[[Stream], None]) -> None:
        """Ask with the images that are waiting, and show the answer."""
        before = self.conversation.to_dict()
        stream = self.conversation.stream(text, images=[str(path) for path in self.images])
        self._asked, self.reply = (text, self.images, before), None
        show(stream)
        self.images, self.reply = [], stream.reply
        self._keep()

    def _keep(self) -> None:
        if self._kept:
            keep(self.conversation, self.client.core.config.bot)

    def take_back(self) -> str | None:
        """Forget the last question and its answer; return the question, or None without one."""
        if self._asked is None:
            return None
        text, self.images, before = self._asked
        self.conversation = self.client.conversation(before)
        self.reply = None
        return text

    def begin(self, system: str | None) -> None:
        """Begin a new conversation with this system text."""
        empty = self.client.conversation().to_dict()
        self._continue(self.client.conversation(empty | {"system": system}))

    def load(self, path: Path) -> None:
        """Continue a saved conversation."""
        self._continue(self.client.conversation(path))
        self.own_files = {path}

    def go_on(self, site_id: str) -> None:
        """Continue a conversation that the site remembers."""
        self._continue(self.client.conversation(site_id=site_id))
        self._keep()

    def delete(self, site_id: str) -> bool:
        """Delete a conversation on the site; if it is this one, begin anew, and return True."""
        is_this = site_id == self.conversation.id
        chosen = self.conversation if is_this else self.client.conversation(site_id=site_id)
        chosen.delete()
        self.listed = []
        if is_this:
            self._continue(chosen)
        if self._kept:
            forget(site_id)
        return is_this

    def use(self, bot_id: str) -> Bot:
        """Begin a new conversation with another bot of the page.

        Raises:
            BotNotFoundError: the page does not show it.
        """
        found = [bot for bot in self.client.bots() if bot.id == bot_id]
        if not found:
            raise BotNotFoundError(f"The page shows no bot {bot_id!r}.")
        system, core = self.system, self.client.core
        arguments: Any = {**core.config.arguments, "bot": bot_id}
        before = self.client
        self.client = Client.over(Core(Config.of(arguments), core.visitor))
        self.listed = []
        self.begin(system)
        if before is not self._given:
            before.close()
        return found[0]

    def close(self) -> None:
        """Close the client, if it is not the one that was given."""
        if self.client is not self._given:
            self.client.close()
