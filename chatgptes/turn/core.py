"""Everything that the turns of one client share."""

from __future__ import annotations

import threading
import weakref
from typing import Any, Final, Protocol
from uuid import uuid4

from ..errors import ChatGptEsError, Hint, ResponseError, TransportError, TurnCancelled
from ..sites.dialect import Bot
from ..values.deadline import Deadline
from ..values.process import PerProcess
from .config import Config
from .queueing import Limiter
from .redaction import redact_error
from .session import Session
from .steps import Steps

__all__ = ["NOT_OURS", "Cancellable", "Core"]

NOT_OURS: Final = "(chatgpt.es is not ours, and may have changed or be gone.)"
_OTHER_SITE: Final = Hint("site", purpose="to talk to another site with the plugin")


class Cancellable(Protocol):
    """A turn under way, or the deadline of other steps, as `Core.close` sees it."""

    def cancel(self) -> None:
        """End it as an error to those who wait for it.  Any thread; never blocks."""


class _State:
    """The part of a core that a forked child makes anew."""

    def __init__(self, config: Config) -> None:
        self.lock = threading.RLock()
        self.running: weakref.WeakSet[Any] = weakref.WeakSet()
        self.limiter = Limiter(config.max_concurrency, config.min_interval)
        self.session = Session(config)


class Core:
    """A site, a bot, limits, and the turns that are under way.  It makes no transport.

    Attributes:
        config: the client's arguments, checked.
        visitor: the id shown to the site (a UUID); the owner's limits hang on it.
        closed: the client was closed.
        transports: those of the clients over it, by kind: two that share a core share them.
    """

    def __init__(self, config: Config, visitor: str | None = None) -> None:
        self.config = config
        self.visitor = visitor or config.visitor or str(uuid4())
        self.closed = False
        self.transports: dict[str, Any] = {}
        self._state = PerProcess(lambda: _State(config))

    @property
    def session(self) -> Session:
        """The knowledge of the site's page, in this process."""
        return self._state.get().session

    @property
    def limiter(self) -> Limiter:
        """The permits for turns, in this process."""
        return self._state.get().limiter

    def bots(self, deadline: Deadline) -> Steps[list[Bot]]:
        """The bots that the page shows.  Raises as `Session.endpoints`."""
        endpoints = yield from self.session.endpoints(deadline)
        return [endpoint.bot for endpoint in endpoints]

    def register(self, running: Cancellable) -> None:
        """Note what is under way, for `close`.

        Raises:
            ChatGptEsError: the client is closed.
        """
        state = self._state.get()
        with state.lock:
            if self.closed:
                raise ChatGptEsError("This client is closed; make a new one.")
            state.running.add(running)

    def close(self) -> None:
        """End what is under way and take no new turns.  Any thread, any number of times."""
        state = self._state.get()
        with state.lock:
            self.closed = True
            running = list(state.running)
        for each in running:
            each.cancel()

    def finish_error(self, error: ChatGptEsError) -> ChatGptEsError:
        """`error`, without secrets in its texts, and with ways on where the default site fails."""
        redact_error(error, {*self.session.secrets(), *self.config.secrets})
        message = error.message
        if (
            self.config.is_default
            and isinstance(error, (TransportError, ResponseError))
            and not isinstance(error, TurnCancelled)
            and getattr(error, "phase", None) != "slot"
            and NOT_OURS not in message
        ):
            error.args = (f"{message} {NOT_OURS}",)
            error.hint = error.hint or _OTHER_SITE
        return error
