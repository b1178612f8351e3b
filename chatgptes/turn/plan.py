"""A client's turn, as a `Stream` sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import ChatGptEsError
from ..values.deadline import Deadline, Timeout
from ..values.reply import Reply
from .queueing import Slots
from .take import Ask, Batch, Outcome, take_turn

if TYPE_CHECKING:
    from ..client import Client
    from .stream import Stream

__all__ = ["ClientPlan"]


class ClientPlan:
    """One turn of `client`.  Subclasses say what it asks."""

    def __init__(self, client: Client, timeout: Timeout | float | None, *queues: Slots) -> None:
        self.client = client
        self.timeout = client.timeout.override(timeout)
        self._own_queues = queues

    @property
    def queues(self) -> tuple[Slots, ...]:
        """A conversation's first, so that its next turn takes no slot while it waits."""
        return (*self._own_queues, self.client.slots)

    def ask(self) -> Ask:
        """What to say.  Called when all places are held."""
        raise NotImplementedError

    def read_files(self) -> None:
        """Read what it sends from files.  Done by the time of `ask`; may block."""

    def begin(self, stream: Stream) -> None:
        self.client._started(stream)

    def run(self, deadline: Deadline, outcome: Outcome) -> Iterator[Batch]:
        return take_turn(self.client.session, self.ask(), deadline, outcome)

    def finish(self, outcome: Outcome, text: str, elapsed: float) -> Reply:
        endpoint, heard = outcome.endpoint, outcome.heard
        assert endpoint is not None
        return Reply(
            text=text,
            site=self.client.site,
            bot=endpoint.bot.id,
            dialect=endpoint.bot.dialect,
            model=heard.model,
            message_id=heard.message_id,
            conversation_id=outcome.conversation,
            usage=heard.usage,
            citations=tuple(heard.citations),
            finish_reason=heard.finish_reason,
            streamed=outcome.streamed,
            elapsed=elapsed,
        )

    def explain(self, error: ChatGptEsError) -> None:
        self.client._explain(error)
