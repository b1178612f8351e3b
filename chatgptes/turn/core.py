"""Everything that the turns of one client share."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any, Final, Protocol
from uuid import uuid4

from ..errors import (
    ChatGptEsError,
    ConsentRequiredError,
    Hint,
    InvalidConfigError,
    InvalidMessageError,
    ResponseError,
    TransportError,
    TurnCancelled,
)
from ..sites.dialect import Bot
from ..values.deadline import Deadline
from ..values.messages import Message
from ..values.process import PerProcess
from .config import Config
from .cookies import Cookies
from .queueing import Limiter
from .redaction import redact_error
from .sending import Sender
from .session import Session
from .steps import Steps

__all__ = ["ELSEWHERE", "Core", "Running"]

ELSEWHERE: Final = "(chatgpt.es is not ours, and may have changed or be gone.)"
_ELSEWHERE: Final = Hint("site", purpose="to talk to another site with the plugin")


class Running(Protocol):
    """A turn under way, as `Core.close` sees it."""

    def cancel(self) -> None:
        """End it as an error to its reader.  Any thread; never blocks."""


class _State:
    """The part of a core that a forked child makes anew."""

    def __init__(self, config: Config) -> None:
        self.lock = threading.RLock()
        self.running: weakref.WeakSet[Any] = weakref.WeakSet()
        self.limiter = Limiter(config.max_concurrency, config.min_interval)
        cookies = Cookies(config.arguments.get("cookies"), config.site)
        self.session = Session(
            config.site,
            config.bot,
            config.api_key,
            Sender(cookies, config.headers, config.retries, config.limits),
            config.limits,
        )


class Core:
    """A site, a bot, limits, and the turns that are under way.  No transport: drivers have one.

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
        """The bots that the page shows.

        Raises:
            ChatGptEsError: as `Session.endpoints`.
        """
        endpoints = yield from self.session.endpoints(deadline)
        return [endpoint.bot for endpoint in endpoints]

    def check_open(self) -> None:
        """Raise if the client was closed."""
        if self.closed:
            raise ChatGptEsError("This client is closed; make a new one.")

    def check_consent(self, bot: Bot) -> None:
        """Refuse a bot whose page asks for a consent that nobody has given.

        Raises:
            ConsentRequiredError: it does.
        """
        if not bot.consent or self.config.consent:
            return
        asked = bot.consent if isinstance(bot.consent, str) else ""
        quoted = f": “{asked}”" if asked else " (read it there)."
        error = ConsentRequiredError(
            f"The page of the bot {bot.id} asks its visitors to agree first{quoted}",
            hint=Hint("consent", purpose="if you agree"),
        )
        error.asked = asked
        raise error

    def check_offered(self, messages: Sequence[Message], web_search: bool) -> None:
        """Refuse at once what no bot behind a key does.

        Raises:
            InvalidMessageError, InvalidConfigError: it is asked for.
        """
        if not isinstance(web_search, bool):
            raise InvalidConfigError(f"web_search must be True or False, not {web_search!r}.")
        if self.config.api_key is None:
            return
        if any(message.images for message in messages):
            raise InvalidMessageError(
                "The REST API takes no images: talk to the bot's page instead, without the key."
            )
        if web_search:
            raise InvalidConfigError(
                "web_search: the REST API does not offer it: talk to the bot's page instead,"
                " without the key."
            )

    def started(self, running: Running) -> None:
        """Note a turn under way, for `close`.

        Raises:
            ChatGptEsError: the client was closed.
        """
        state = self._state.get()
        with state.lock:
            self.check_open()
            state.running.add(running)

    def close(self) -> None:
        """End the turns under way and take no new ones.  Any thread, any number of times."""
        state = self._state.get()
        with state.lock:
            self.closed = True
            running = list(state.running)
        for each in running:
            each.cancel()

    def finish_error(self, error: ChatGptEsError) -> None:
        """Take secrets out of an error's texts, and offer ways on where the default site fails."""
        redact_error(error, {*self.session.secrets(), *self.config.secrets})
        message = error.message
        if (
            self.config.is_default
            and isinstance(error, (TransportError, ResponseError))
            and not isinstance(error, TurnCancelled)
            and getattr(error, "phase", None) != "slot"
            and ELSEWHERE not in message
        ):
            error.args = (f"{message} {ELSEWHERE}", *error.args[1:])
            error.hint = error.hint or _ELSEWHERE
