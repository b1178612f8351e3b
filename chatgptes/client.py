"""Client: a site, a bot, a transport, limits."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self, TypeVar, Unpack

from .conversation import Conversation
from .errors import InvalidConfigError
from .sites.dialect import Bot
from .transport import Transport, is_async, select
from .turn.blocking import BlockingTurn, run_steps
from .turn.config import DEFAULT_SITE, ClientArguments, Config, OtherArguments
from .turn.core import Core
from .turn.extras import feedback, list_conversations, with_permits
from .turn.options import TurnOptions
from .turn.queueing import ConversationQueue
from .turn.steps import Steps
from .turn.stream import Stream, read_to_end
from .turn.take import Turn, new_turn
from .values.deadline import Deadline, Timeout
from .values.http import Limits
from .values.messages import Messages
from .values.process import PerProcess
from .values.remembered import SiteConversation
from .values.reply import Reply

__all__ = ["BaseClient", "Client"]

T = TypeVar("T")


class BaseClient:
    """The part of a client that is the same for threads and for event loops."""

    core: Core

    def __init__(self, site: str = DEFAULT_SITE, **arguments: Unpack[OtherArguments]) -> None:
        given: ClientArguments = {"site": site, **arguments}
        self._start(Core(Config.of(given)))

    @classmethod
    def over(cls, core: Core) -> Self:
        """A client of `core`, which others may share; its transport is made with its first turn."""
        client = cls.__new__(cls)
        client._start(core)
        return client

    def _start(self, core: Core) -> None:
        self.core = core

    def __repr__(self) -> str:
        name = type(self).__name__
        if "core" not in self.__dict__:
            return f"<{name}, not made>"
        core = self.core
        bot = "" if core.config.bot is None else f", bot={core.config.bot!r}"
        return f"<{name} {self.site}{bot}{', closed' if core.closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.core.config.arguments), self.core.visitor)

    @property
    def site(self) -> str:
        """The site's URL, without user name and password (str)."""
        return self.core.config.site

    @property
    def visitor(self) -> str:
        """The id this client shows to the site (a UUID); the owner's limits hang on it."""
        return self.core.visitor


def _rebuild(cls: type[BaseClient], arguments: ClientArguments, visitor: str) -> BaseClient:
    return cls.over(Core(Config.of(arguments), visitor))


class Client(BaseClient):
    """Talks to one bot of one site.  Blocking; usable from many threads at once.

    Args:
        site: URL of the page that shows the bot (str); any page with a bot of the plugin.  With
            `api_key`: any URL of the site.  May hold `user:password@` for a site behind basic
            authentication.
        **arguments: see `OtherArguments`.

    Raises:
        InvalidConfigError: an argument can't be used.
        MissingRequirementsError: the transport's package is not installed.
    """

    def __init__(self, site: str = DEFAULT_SITE, **arguments: Unpack[OtherArguments]) -> None:
        super().__init__(site, **arguments)
        self.connect()  # An argument that the transport can't use is refused here.

    def _start(self, core: Core) -> None:
        transport: Any = core.config.arguments.get("transport", "auto")
        if not isinstance(transport, str) and is_async(transport):
            raise InvalidConfigError(
                "transport is one for event loops: AsyncClient takes it, Client does not."
            )
        super()._start(core)
        self._connecting = PerProcess(threading.RLock)

    @property
    def system(self) -> str | None:
        """The text put before a conversation's first prompt (str), or None."""
        return self.core.config.system

    @property
    def timeout(self) -> Timeout:
        """The limits of a turn."""
        return self.core.config.timeout

    @property
    def limits(self) -> Limits:
        """The limits of sizes."""
        return self.core.config.limits

    def chat(self, prompt: Messages, **options: Unpack[TurnOptions]) -> Reply:
        """Say `prompt` and wait for the whole answer.

        Args:
            prompt: a prompt (str), or a list of messages that ends in a user message.
            **options: `images`, `web_search` and `timeout` of this turn: see `TurnOptions`.

        Raises:
            InvalidMessageError: the prompt, or an image, can't be sent; nothing was.
            InvalidConfigError: the bot does not offer a web search; nothing was sent.
            TransportError: there was no response.
            ResponseError: the response was no answer.
        """
        return read_to_end(self.running_turn(new_turn(self.core, prompt, options)))

    def stream(self, prompt: Messages, **options: Unpack[TurnOptions]) -> Stream:
        """Say `prompt` and read the answer as it comes.

        The arguments are checked here; the turn starts with the stream's first use.  Arguments
        and errors as `chat`.
        """
        return Stream(self.running_turn(new_turn(self.core, prompt, options)))

    def running_turn(self, turn: Turn) -> BlockingTurn:
        """A `BlockingTurn` that takes `turn`, whose files are read here.  Not for users."""
        turn.load()
        return BlockingTurn(turn, self.connect)

    def conversation(
        self,
        saved: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        *,
        site_id: str | None = None,
    ) -> Conversation:
        """A new conversation, or one that goes on.

        Args:
            saved: what `Conversation.to_dict()` gave, or the path of a file that
                `Conversation.save()` wrote.
            site_id: instead, the id of one that the site remembers of this visitor
                (`conversations`); its messages are fetched from the site.

        Raises:
            InvalidConfigError: `saved` is neither, or the site has no such conversation.
            OSError: the file can't be read.
            TransportError, ResponseError: the site did not give the messages.
        """
        return Conversation(self, saved, site_id=site_id)

    def conversations(self, *, timeout: Timeout | float | None = None) -> list[SiteConversation]:
        """The conversations with the bot that the site remembers of this visitor, newest first.

        For `aipkit` sites; give `visitor=` an id that you keep to find yesterday's.

        Raises:
            InvalidConfigError: the site gives visitors no such list, as those of AI Engine.
            TransportError, ResponseError: it did not give the list.
        """
        core = self.core
        return self.perform(lambda deadline: list_conversations(core, deadline), timeout)

    def feedback(
        self,
        reply: Reply,
        verdict: Literal["up", "down"],
        comment: str | None = None,
        *,
        timeout: Timeout | float | None = None,
    ) -> None:
        """Give an answer a thumb, as the chat window does: for `aipkit` and `wpaicg` sites.

        Args:
            reply: the answer, from this client.  One from a conversation that another client
                began: `Conversation.feedback`.
            verdict: "up" or "down".
            comment: what is to be said with it (str), where a site takes that (`wpaicg`).

        Raises:
            InvalidMessageError, InvalidConfigError: it can't be sent; nothing was.
            RefusedError: the site does not know the answer (any more).
            TransportError, ResponseError: the site did not take it.
        """
        self.perform(feedback(self.core, reply, verdict, comment, self.visitor), timeout)

    def perform(
        self,
        steps: Callable[[Deadline], Steps[T]],
        timeout: Timeout | float | None = None,
        queue: ConversationQueue | None = None,
    ) -> T:
        """Perform steps that are no turn.  No part of the public interface."""
        deadline = Deadline(self.timeout.override(timeout))
        self.core.register(deadline)
        holder = threading.get_ident()
        counted = with_permits(self.core, deadline, holder, steps(deadline), queue)
        return run_steps(counted, self.connect(), deadline)

    def bots(self, *, timeout: Timeout | float | None = None) -> list[Bot]:
        """The bots that the page shows (with a key: the one that was named).

        The page is read once; a client that has talked to it knows them already.

        Raises:
            BotNotFoundError: it shows none.
            TransportError, ResponseError: the page could not be read.
        """
        return self.perform(self.core.bots, timeout)

    def close(self) -> None:
        """End what is running and close the connections.  Any thread, any number of times."""
        self.core.close()
        transport: Transport | None = self.core.transports.get("blocking")
        if transport is not None and isinstance(
            self.core.config.arguments.get("transport", "auto"), str
        ):
            transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> Transport:
        """The transport, made when it is first needed.  No part of the public interface."""
        transports = self.core.transports
        with self._connecting.get():
            transport: Transport | None = transports.get("blocking")
            if transport is None:
                transport = select(**self.core.config.transport_options())
                transports["blocking"] = transport
        return transport
