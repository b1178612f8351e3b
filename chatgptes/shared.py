"""`chat()` and `stream()` over clients that are kept for the life of the process."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Unpack
from weakref import WeakValueDictionary

from .client import Client
from .turn.config import DEFAULT_SITE, ClientArguments, Config
from .turn.stream import Stream
from .values.images import ImageSource
from .values.messages import Messages
from .values.reply import Reply

__all__ = ["chat", "kept", "stream"]

KEPT = 8
"""Sets of arguments whose client is kept; the one that was not used for longest goes first."""

_clients: OrderedDict[Hashable, Client] = OrderedDict()
_live: WeakValueDictionary[Hashable, Client] = WeakValueDictionary()
"""Those, and the ones that went but are held elsewhere: they are found again."""
_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # A thread that does not exist here may have held the old one.


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _key(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return tuple(sorted((str(name), str(item)) for name, item in value.items()))
    try:
        hash(value)
    except TypeError:
        return id(value)
    return (type(value).__name__, value)


def kept(arguments: ClientArguments, known: Client | None = None) -> Client:
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
    with _lock:
        client = _clients.get(key) or _live.get(key)
        if client is None or client._closed:
            config = Config.of(arguments)
            if known is None or known._closed or known._config != config:
                known = Client._deferred(config)
            client = known
        _clients[key] = _live[key] = client
        _clients.move_to_end(key)
        if len(_clients) > KEPT:
            # Not closed: a stream of it may still be running, and ends the last reference.
            _clients.popitem(last=False)
    return client


def chat(
    prompt: Messages,
    *,
    images: Sequence[ImageSource] = (),
    web_search: bool = False,
    **arguments: Unpack[ClientArguments],
) -> Reply:
    """Ask a site's bot and wait for the whole answer.

    The client that does it is kept, so that a second call with the same arguments costs one
    request less.

    Args:
        prompt: what to say (str), or a list of messages that ends in a user message.
        images: pictures that go with it (paths, bytes, `data:` URLs): see `Client.chat`.
        web_search: ask the bot to search the web, where it offers that.
        **arguments: those of `Client` (site, bot, api_key, transport, timeout, …).

    Raises:
        InvalidMessageError, InvalidConfigError: nothing was sent.
        TransportError: there was no response.
        ResponseError: the response was no answer.
    """
    timeout = arguments.pop("timeout", None)
    return kept(arguments).chat(prompt, images=images, web_search=web_search, timeout=timeout)


def stream(
    prompt: Messages,
    *,
    images: Sequence[ImageSource] = (),
    web_search: bool = False,
    **arguments: Unpack[ClientArguments],
) -> Stream:
    """Ask a site's bot and hear the answer as it comes.  Arguments and errors as `chat`."""
    timeout = arguments.pop("timeout", None)
    return kept(arguments).stream(prompt, images=images, web_search=web_search, timeout=timeout)
