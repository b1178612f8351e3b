"""The models of a server: the bots of its sites, each with its client."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ...aio.client import AsyncClient
from ...errors import ChatGptEsError
from ...turn.config import Config
from ...turn.core import Core
from ...turn.options import TurnOptions
from ...turn.queueing import Limiter
from ...turn.steps import Steps
from ...turn.take import Turn
from ...values.messages import check
from .failures import ApiError
from .minute import MinuteLimiter, SharedCount
from .settings import SiteSettings

__all__ = ["Model", "Models", "visitor_id"]


class _SiteTurn(Turn):
    """A turn that waits in its site's queue, which the site's bots share."""

    model: Model

    def limiters(self) -> Iterable[Limiter]:
        return (self.model.limiter,)

    def prepare(self) -> Steps[None]:
        return self.model.minute.start(self.deadline)


@dataclass(frozen=True)
class Model:
    """A bot as clients see it, with the queue and the limit per minute of its site."""

    id: str
    client: AsyncClient
    limiter: Limiter
    minute: MinuteLimiter

    def turn(self, messages: Any, visitor: str, *, web_search: bool = False) -> Turn:
        """A turn of `visitor`.

        Raises:
            InvalidMessageError, InvalidConfigError: the bot can't be asked that.
            MinuteLimitError: the site has had all messages of the minute.
        """
        self.minute.check()
        core = self.client.core
        options: TurnOptions = {"web_search": web_search}
        turn = _SiteTurn(core, check(messages, core.config.limits), options, visitor)
        turn.model = self
        return turn


class _Site:
    """A site, with a client for its page and for each of its bots that was asked for."""

    def __init__(self, settings: SiteSettings, shared: SharedCount | None) -> None:
        self._settings = settings
        self._prefix = f"{settings.name}/" if settings.name else ""
        self.clients: dict[str | None, AsyncClient] = {}
        self._page = self._client(settings.bots[0] if settings.bots else None)
        self._minute = MinuteLimiter(settings.per_minute, self._page.site, shared)

    def _client(self, bot: str | None) -> AsyncClient:
        if bot not in self.clients:
            core = Core(Config.of({**self._settings.arguments, "bot": bot}))
            if self.clients:
                core.transports = self._page.core.transports  # One curl thread for the whole site.
            self.clients[bot] = AsyncClient.over(core)
        return self.clients[bot]

    async def names(self) -> list[str]:
        """The names of the models."""
        return [self._prefix + bot for bot in await self._bots()]

    async def _bots(self) -> list[str]:
        """The ids of the bots, from the settings or else from the page, which is read once."""
        if self._settings.bots:
            return list(self._settings.bots)
        return list(dict.fromkeys(bot.id for bot in await self._page.bots()))

    async def model(self, bot: str) -> Model | None:
        """The bot of this id ("": the first), or None."""
        if bot not in self.clients:
            bots = await self._bots()
            bot = bot or bots[0]
            if bot not in bots:
                return None
        limiter = self._page.core.limiter
        return Model(self._prefix + bot, self._client(bot), limiter, self._minute)


class Models:
    """All models of a server.  Sites are not asked before somebody wants to know."""

    def __init__(self, sites: Iterable[SiteSettings], redis: str | None = None) -> None:
        self._shared = None if redis is None else SharedCount(redis)
        self._sites = {site.name: _Site(site, self._shared) for site in sites}

    async def names(self) -> list[str]:
        """The names of all models.  A site that can't be read is left out, if another can."""
        names: list[str] = []
        failed: ChatGptEsError | None = None
        for site in self._sites.values():
            try:
                names += await site.names()
            except ChatGptEsError as error:
                failed = error
        if not names and failed is not None:
            raise failed
        return names

    async def get(self, name: str) -> Model:
        """The model of this name; a site's name alone is its first bot.

        Raises:
            ApiError: there is none (404).
            ChatGptEsError: the page that could tell can't be read.
        """
        site_name, bot = "", name
        if "" not in self._sites:
            site_name, _, bot = name.partition("/")
        site = self._sites.get(site_name)
        if site is not None and (model := await site.model(bot)) is not None:
            return model
        known = ", ".join(await self.names())
        text = f"There is no model of that name here. There is: {known}."
        raise ApiError(404, text, "model_not_found", param="model")

    def _clients(self) -> Iterator[AsyncClient]:
        return (client for site in self._sites.values() for client in site.clients.values())

    def end_turns(self) -> None:
        """End the turns under way and take no new ones.  Waits for nothing."""
        for client in self._clients():
            client.core.close()

    async def aclose(self) -> None:
        """Close every client, and the connections to Redis."""
        for client in self._clients():
            await client.aclose()
        if self._shared is not None:
            await self._shared.aclose()


def visitor_id(token: str, user: str) -> str:
    """The visitor id (a UUID) of a client's user: always the same, and telling nothing of either.

    The owner's limits for visitors hang on it, so it outlives a restart as the token does.
    """
    digest = hmac.new(token.encode(), user.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return str(UUID(bytes=digest.digest()[:16], version=4))
