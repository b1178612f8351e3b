"""The conversation of one `chat` session: what was asked last, and what goes along next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

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

    Attributes:
        client: the client of the bot that is talked to.
        conversation: the conversation.
        images: the files that go with the next message.
        asked: the last message and its images, or None.
        reply: the last answer of this session with all that came beside it, or None.

    Args:
        client: the client to begin with; its owner closes it.
        saved: a conversation to continue, or None for a new one.
        kept: keep the conversation after each answer, for `-c`.
    """

    def __init__(
        self, client: Client, saved: Mapping[str, Any] | None = None, *, kept: bool = False
    ) -> None:
        self._given = client
        self._kept = kept
        self.client = client
        self.conversation: Conversation = client.conversation(saved)
        self.images: list[Path] = []
        self.asked: tuple[str, list[Path]] | None = None
        self.reply: Reply | None = None
        self._stream: Stream | None = None
        self._before: dict[str, Any] | None = None

    @property
    def system(self) -> str | None:
        """The text put before the first message, or None."""
        system: str | None = self.conversation.to_dict()["system"]
        return system

    @property
    def answer(self) -> str | None:
        """The last answer, or None."""
        messages = self.conversation.messages
        return str(messages[-1]["content"]) if messages else None

    def stream(self, text: str) -> Stream:
        """Ask with the images that are waiting; call `answered` when the answer is whole."""
        before = self.conversation.to_dict()
        stream = self.conversation.stream(text, images=[str(path) for path in self.images])
        self._before, self.asked = before, (text, self.images)
        self._stream, self.reply = stream, None
        return stream

    def answered(self) -> None:
        """Note that the last answer is whole: its images have been sent."""
        self.images = []
        self.reply = self._stream.reply if self._stream is not None else None
        if self._kept:
            keep(self.conversation, self.client.core.config.bot)

    def take_back(self) -> str | None:
        """Forget the last question and its answer; return the question, or None without one."""
        if self.asked is None or self._before is None:
            return None
        text, self.images = self.asked
        self.conversation = self.client.conversation(self._before)
        self.reply = None
        return text

    def begin(self, system: str | None) -> None:
        """Begin a new conversation with this system text."""
        self._continue(self.client.conversation().to_dict() | {"system": system})

    def load(self, path: Path) -> None:
        """Continue a saved conversation.

        Raises:
            InvalidConfigError, OSError: the file can't be used.
        """
        self._continue(path)

    def _continue(self, saved: Mapping[str, Any] | Path | None, site_id: str | None = None) -> None:
        self.conversation = self.client.conversation(saved, site_id=site_id)
        self._forget_question()

    def _forget_question(self) -> None:
        self.asked = self._before = self.reply = self._stream = None
        self.images = []

    # What the site's own window can do, too.

    def feedback(self, verdict: Literal["up", "down"], comment: str | None) -> bool:
        """Give the last answer a thumb; False if there is none in this session.

        Raises:
            ChatGptEsError: as `Client.feedback`.
        """
        if self.reply is None:
            return False
        self.conversation.feedback(self.reply, verdict, comment)
        return True

    def remembered(self) -> list[SiteConversation]:
        """Return the conversations that the site remembers of this visitor.

        Raises:
            ChatGptEsError: as `Client.conversations`.
        """
        return self.client.conversations()

    def go_on(self, site_id: str) -> None:
        """Continue a conversation that the site remembers.

        Raises:
            ChatGptEsError: as `Client.conversation`.
        """
        self._continue(None, site_id)
        if self._kept:
            keep(self.conversation, self.client.core.config.bot)

    def delete(self, site_id: str) -> None:
        """Delete a conversation on the site; if it is this one, begin anew.

        Raises:
            ChatGptEsError: as `Conversation.delete`.
        """
        if site_id == self.conversation.id:
            self.conversation.delete()
            self._forget_question()
        else:
            self.client.conversation(site_id=site_id).delete()
        if self._kept:
            forget(site_id)

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
        self.begin(system)
        if before is not self._given:
            before.close()
        return found[0]

    def close(self) -> None:
        """Close the client, if it is not the one that was given."""
        if self.client is not self._given:
            self.client.close()
