"""The state of a conversation, for either kind of client: nothing of any dialect."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from ..errors import ChatGptEsError, InvalidConfigError
from ..sites import dialect_named
from ..turn.core import Core
from ..turn.extras import check_site_id, delete, history
from ..turn.options import TurnOptions
from ..turn.queueing import ConversationQueue, Limiter
from ..turn.steps import Steps
from ..turn.take import Turn, place_of
from ..values.deadline import Deadline
from ..values.messages import Message, Prompt, check_prompt
from ..values.process import PerProcess
from ..values.urls import may_send
from .saved import VERSION, Source, messages_of, read, temporary_file

__all__ = ["ConversationState"]


class ConversationState:
    """The messages of a conversation so far, and all that the next turn needs.

    Its file, if it continues from one, is read by `load`, which may block.

    Attributes:
        id: its id.
        visitor: the id that the site knows its visitor by.
        system: text put before its first prompt, or None.
        messages: pairs of a user's and an assistant's message.
        place: the bot that gave the answers: see `place_of`.
        state: as `ReplyDetails.state` of the last answer.
    """

    def __init__(self, core: Core, saved: Source | None, site_id: str | None = None) -> None:
        if not (saved is None or isinstance(saved, (Mapping, str, os.PathLike))):
            raise InvalidConfigError(
                "A conversation continues from a dict or the path of a file, not from"
                f" {type(saved).__name__}."
            )
        if saved is not None and site_id is not None:
            raise InvalidConfigError("A conversation continues saved or site_id, not both.")
        self._site_id = None if site_id is None else check_site_id(site_id)
        self.core = core
        self.messages: list[Message] = []
        self.id = str(uuid4())
        self.visitor = core.visitor
        self.system = core.config.system
        self.place = ""
        self.state: dict[str, str] = {}
        self._queue = PerProcess(ConversationQueue)
        self._loading = PerProcess(threading.Lock)
        self._saved = saved
        if isinstance(saved, Mapping):
            self.load()

    @property
    def queue(self) -> ConversationQueue:
        """The queue of its turns; after a fork a turn under way is the parent's."""
        return self._queue.get()

    @property
    def has_file(self) -> bool:
        """There is a file to be read by `load`."""
        return self._saved is not None

    def load(self) -> None:
        """Read its file, if there is one that was not read yet.  Blocks.

        Raises:
            InvalidConfigError: the file holds no conversation.
            OSError: it can't be read.
        """
        with self._loading.get():
            saved = self._saved
            if saved is None:
                return
            fields = saved if isinstance(saved, Mapping) else read(saved)
            self.messages, self.system = messages_of(fields), fields.get("system")
            site = str(fields.get("site") or "")
            # An id that one site knows its visitor by is not shown to another.
            if not site or may_send(site, self.core.config.site):
                self.id, self.visitor = fields["id"], fields["visitor"]
                self.place, self.state = fields["memory"], dict(fields["state"])
            self._saved = None

    @property
    def is_fetched(self) -> bool:
        """Its messages were fetched from the site, if they come from there."""
        return self._site_id is None

    def fetch(self, deadline: Deadline) -> Steps[None]:
        """Fetch its messages from the site, if they come from there and were not fetched yet.

        Raises:
            ChatGptEsError: as `extras.history`.
        """
        if self._site_id is None:
            return
        found, endpoint = yield from history(self.core, self._site_id, deadline)
        for asked, answer in found.pairs():
            self.messages += [Message("user", asked), Message("assistant", answer)]
        self.id, self.state, self.place = self._site_id, dict(found.state), place_of(endpoint)
        self._site_id = None

    def delete(self, deadline: Deadline) -> Steps[None]:
        """Delete it on the site, and begin anew.  Its place in the queue must be held.

        Raises:
            ChatGptEsError: as `extras.delete`; it stays as it was.
        """
        if self._site_id is None and not self.place:
            raise InvalidConfigError(
                "This conversation has no turn yet, so there is nothing to delete."
            )
        yield from delete(self.core, self._site_id or self.id, self.visitor, self.place, deadline)
        self.messages, self.state, self.place = [], {}, ""
        self.id, self._site_id = str(uuid4()), None

    def check_loaded(self) -> None:
        """Raise if its file was not read yet, or its messages not fetched."""
        if self.has_file or not self.is_fetched:
            raise ChatGptEsError(
                "The conversation's messages have not been fetched yet: await the conversation"
                " first (`talk = await client.conversation(…)`), or take a turn."
            )

    def turn(self, prompt: Prompt, options: TurnOptions) -> Turn:
        """The next turn.  Errors as `check_prompt`, and of its options."""
        message = check_prompt(prompt, self.core.config.limits, options.get("images", ()))
        return _NextTurn(self, message, options)

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on, as plain JSON values."""
        self.check_loaded()
        return {
            "version": VERSION,
            "id": self.id,
            "visitor": self.visitor,
            "site": self.core.config.site,
            "system": self.system,
            "messages": [message.as_dict() for message in self.messages],
            "memory": self.place,
            "state": dict(self.state),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` to a file, as a whole or not at all; only its owner may read it.

        Raises:
            OSError: it can't be written.
        """
        self.load()
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1)
        with temporary_file(Path(path), text) as made:
            os.replace(made, path)


class _NextTurn(Turn):
    """The next turn of a conversation: its question is known once the turn before has ended."""

    def __init__(
        self, conversation: ConversationState, message: Message, options: TurnOptions
    ) -> None:
        super().__init__(conversation.core, (message,), options)
        self._conversation = conversation

    @property
    def needs_loading(self) -> bool:
        return super().needs_loading or self._conversation.has_file

    def load(self) -> None:
        super().load()
        self._conversation.load()

    def limiters(self) -> Iterable[Limiter]:
        # The conversation's own first: a turn that waits for the one before takes no permit.
        return (self._conversation.queue, *super().limiters())

    def prepare(self) -> Steps[None]:
        conversation = self._conversation
        yield from conversation.fetch(self.deadline)
        self.history = [*conversation.messages]
        self.system, self.visitor = conversation.system, conversation.visitor
        self.conversation, self.place = conversation.id, conversation.place
        self.state = conversation.state

    def succeeded(self, text: str) -> None:
        conversation, question, decoder = self._conversation, self.question, self.decoder
        assert question is not None
        assert decoder is not None
        place = place_of(question.endpoint)
        kept = conversation.state if conversation.place == place else {}
        conversation.messages += [*self.messages, Message("assistant", text)]
        conversation.id, conversation.place = question.conversation, place
        conversation.state = {**kept, **decoder.details.state}

    def failed(self) -> None:
        # A site that keeps no conversation may still have noted what was asked: what the turn
        # before left goes with a history that it no longer has.
        question = self.question
        if question and not dialect_named(question.endpoint.bot.dialect).remembers:
            self._conversation.state = {}
