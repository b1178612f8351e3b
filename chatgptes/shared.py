"""`chat()` and `stream()`, over clients that are cached for the life of the process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Unpack
from weakref import WeakValueDictionary

from .client import Client
from .turn.config import DEFAULT_SITE, ClientArguments, Config
from .turn.core import Core
from .turn.options import TurnOptions
from .turn.stream import Stream
from .values.messages import Messages
from .values.process import PerProcess
from .values.reply import Reply

__all__ = ["CallArguments", "ClientCache", "cached_client", "chat", "stream", "using_cache"]

CACHED = 8
"""Sets of arguments whose client is cached; the least recently used goes first."""


class ClientCache:
    """Clients by their arguments.

    Attributes:
        clients: those of `recent`, and ones that are still used elsewhere: they are found again.
        recent: the clients that the cache keeps, the most recently used last.
    """

    def __init__(self) -> None:
        self.clients: WeakValueDictionary[Hashable, Client] = WeakValueDictionary()
        # What falls out is not closed: a stream of it may still be running.
        self.recent: deque[Client] = deque(maxlen=CACHED)

    def close(self) -> None:
        """Close every client of the cache."""
        for client in list(self.clients.values()):
            client.close()


_cache = ClientCache()
_lock = PerProcess(threading.RLock)  # Reentrant: a signal handler may chat, too.


@contextmanager
def using_cache(cache: ClientCache) -> Iterator[None]:
    """In this block, `chat()` and `stream()` find their clients in `cache`."""
    global _cache
    before, _cache = _cache, cache
    try:
        yield
    finally:
        _cache = before


class CallArguments(ClientArguments, TurnOptions, total=False):
    """The arguments of a client and of one turn."""


def _key(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return tuple(sorted((str(name), str(item)) for name, item in value.items()))
    try:
        hash(value)
    except TypeError:
        return id(value)
    return (type(value).__name__, value)


def cached_client(arguments: ClientArguments, known: Client | None = None) -> Client:
    """The client for `arguments`, made when it is first wanted; a new one for one that was closed.

    Its transport is made with its first turn, so this may be called on an event loop.

    Args:
        known: a client that becomes the one for `arguments` if there is none yet and it was made
            from them: one that was unpickled, say.

    Raises:
        InvalidConfigError: an argument can't be used.
    """
    arguments = {"site": DEFAULT_SITE, **arguments}
    key = tuple(sorted((name, _key(value)) for name, value in arguments.items()))
    with _lock.get():
        cache = _cache
        client = cache.clients.get(key)
        if client is None or client.core.closed:
            config = Config.of(arguments)
            if known is None or known.core.closed or known.core.config != config:
                known = Client.over(Core(config))
            client = cache.clients[key] = known
        if client in cache.recent:
            cache.recent.remove(client)
        cache.recent.append(client)
    return client


def _split(arguments: CallArguments) -> tuple[Client, TurnOptions]:
    given: Any = dict(arguments)
    options: Any = {name: given.pop(name) for name in TurnOptions.__annotations__ if name in given}
    return cached_client(given), options


def chat(prompt: Messages, **arguments: Unpack[CallArguments]) -> Reply:
    """Ask a site's bot and wait for the whole answer.

    The client that does it is cached, so that a second call with the same arguments costs one
    request less.

    Args:
        prompt: a prompt (str), or a list of messages that ends in a user message.
        **arguments: those of `Client` (site, bot, api_key, transport, …) and of `Client.chat`
            (images, web_search, timeout).

    Raises:
        InvalidMessageError, InvalidConfigError: nothing was sent.
        TransportError: there was no response.
        ResponseError: the response was no answer.
    """
    client, options = _split(arguments)
    return client.chat(prompt, **options)


def stream(prompt: Messages, **arguments: Unpack[CallArguments]) -> Stream:
    """Ask a site's bot and read the answer as it comes.  Arguments and errors as `chat`."""
    client, options = _split(arguments)
    return client.stream(prompt, **options)
