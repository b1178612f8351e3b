"""The provider class that this library grew out of, with its interface and without its faults.

Programs written for it go on working:

    async for chunk in ChatGptEs.create_async_generator(model="gpt-4o", messages=[...]):
        ...
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast
from uuid import uuid4

from .aio.client import AsyncClient
from .aio.stream import AsyncStream
from .client import Client
from .errors import InvalidConfigError, InvalidMessageError
from .shared import cached_client
from .turn.blocking import BlockingTurn
from .turn.config import DEFAULT_SITE, LANGUAGE_PROMPT, ClientArguments
from .turn.stream import Stream
from .turn.take import Turn, new_turn

__all__ = ["AsyncGeneratorProvider", "ChatGptEs", "ProviderModelMixin"]

HONOURED = frozenset(
    {"bot", "impersonate", "limits", "max_concurrency", "min_interval", "retries", "transport",
     "trust_env", "verify"}
)  # fmt: skip
"""Keyword arguments that mean here what they mean to `Client`; others are ignored.

`api_key` is among the ignored: what a program holds under that name is meant for another service.
"""

_visitors: dict[str, str] = {}


def _visitor(site: str) -> str:
    """One id per process and site: a fresh one for each call would slip past the owner's limits."""
    return _visitors.setdefault(site, str(uuid4()))  # Atomic, so that it needs no lock.


class AsyncGeneratorProvider:
    """The interface of a provider that answers in chunks."""

    url: str = ""
    working: bool = False
    live: int = 0
    needs_auth: bool = False
    supports_stream: bool = True
    supports_system_message: bool = False
    supports_message_history: bool = False
    use_stream_timeout: bool = True

    @classmethod
    def get_dict(cls) -> dict[str, str | None]:
        """Name, address and label, for lists of providers."""
        return {"name": cls.__name__, "url": cls.url, "label": getattr(cls, "label", None)}

    @classmethod
    def get_parent(cls) -> str:
        """The name under which the provider's settings are kept."""
        return str(getattr(cls, "parent", cls.__name__))

    @classmethod
    def create_async_generator(
        cls, model: str | None, messages: Any, proxy: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[str, None]:
        """The answer's text, chunk by chunk."""
        raise NotImplementedError(f"{cls.__name__} does not say how it answers.")

    @classmethod
    async def create_async(
        cls, model: str | None, messages: Any, proxy: str | None = None, **kwargs: Any
    ) -> str:
        """The whole answer's text.  Arguments and errors as `create_async_generator`."""
        chunks = cls.create_async_generator(model, messages, proxy, **kwargs)
        return "".join([chunk async for chunk in chunks])


class ProviderModelMixin:
    """Names of models that programs may ask for."""

    default_model: str = ""
    models: ClassVar[list[str]] = []
    model_aliases: ClassVar[dict[str, str]] = {}
    last_model: str | None = None

    @classmethod
    def get_models(cls, **kwargs: Any) -> list[str]:
        """The names that are known.  Arguments are ignored."""
        return list(cls.models or filter(None, [cls.default_model]))

    @classmethod
    def get_model(cls, model: str | None, **kwargs: Any) -> str:
        """The name that `model` stands for; empty or None stands for the default.

        Raises:
            InvalidConfigError: it is not known.
        """
        if not model:
            model = cls.default_model
        model = cls.model_aliases.get(model, model)
        known = cls.get_models()
        if model not in known:
            raise InvalidConfigError(
                f"{cls.__name__} knows no model {model!r}; it knows {', '.join(known)}."
            )
        cls.last_model = model
        return model


class ChatGptEs(AsyncGeneratorProvider, ProviderModelMixin):
    """The bot of chatgpt.es, or of the site that a subclass names in `url`.

    The model is the site owner's choice: `models` are the names that programs may ask for, and
    make no difference to the answer.
    """

    url = DEFAULT_SITE
    api_endpoint = "https://chatgpt.es/wp-admin/admin-ajax.php"
    """Where chatgpt.es takes messages.  The page has the last word, for this site and any other."""
    working = True

    default_model = "gpt-4o"
    models: ClassVar[list[str]] = ["gpt-4", "gpt-4o", "gpt-4o-mini"]
    SYSTEM_PROMPT: ClassVar[str | None] = LANGUAGE_PROMPT
    """Put before the first prompt; None for nothing."""

    @classmethod
    async def create_async_generator(
        cls, model: str | None, messages: Any, proxy: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[str, None]:
        """Ask the bot, and give its answer as it arrives.

        Args:
            model: one of `models`; empty or None for the default.
            messages: a list of {"role", "content"}, the user's last; other keys are ignored.
            proxy: URL of a proxy (str), or None.
            **kwargs: `timeout` (a `Timeout`, or seconds for the whole turn), and what `HONOURED`
                names, mean what they mean to `Client`; `stream_timeout` is how long the site may
                be silent, in seconds; all others are accepted and ignored.

        Raises:
            MissingRequirementsError: curl_cffi is not installed.
            ValueError: an unknown model, messages that can't be sent, or a response that is no
                answer.
            TransportError: there was no response.
        """
        client, turn = cls._prepared(model, messages, proxy, kwargs)
        stream = AsyncStream(AsyncClient.over(client.core).running_turn(turn))
        try:
            async for chunk in stream:
                yield chunk
        finally:
            # Not `await stream.aclose()`: this may run in the garbage collector.
            stream.close()

    @classmethod
    def create_completion(
        cls,
        model: str | None,
        messages: Any,
        stream: bool = True,
        proxy: str | None = None,
        **kwargs: Any,
    ) -> Iterator[str]:
        """The same for callers without a loop, or inside one that may be blocked.

        Args:
            stream: give chunks as they arrive (True), or one with the whole answer (False).

        Other arguments and errors as `create_async_generator`.
        """
        client, turn = cls._prepared(model, messages, proxy, kwargs)
        turn.load()
        with Stream(BlockingTurn(turn, client.connect)) as chunks:
            if stream:
                yield from chunks
            else:
                yield "".join(chunks)

    @classmethod
    def _prepared(
        cls, model: str | None, messages: Any, proxy: str | None, kwargs: Mapping[str, Any]
    ) -> tuple[Client, Turn]:
        cls.get_model(model)
        arguments: dict[str, Any] = {
            name: value for name, value in kwargs.items() if name in HONOURED and value is not None
        }
        arguments.setdefault("transport", "curl_cffi")
        arguments.update(site=cls.url, system=cls.SYSTEM_PROMPT or None, proxy=proxy or None)
        client = cached_client(cast("ClientArguments", arguments))
        # Zero is these programs' way to say "none".
        timeout = client.timeout.override(kwargs.get("timeout") or None)
        if silence := kwargs.get("stream_timeout"):
            timeout = replace(timeout, read=silence)
        return client, new_turn(
            client.core,
            _known_keys(messages),
            {"timeout": timeout},
            visitor=_visitor(client.site),
        )


def _known_keys(messages: Any) -> list[dict[str, Any]]:
    """`messages` without the keys that other programs add to them, and without empty ones."""
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    if not isinstance(messages, Sequence) or not messages:
        raise InvalidMessageError("messages must be a list of dicts, the user's last.")
    known = []
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise InvalidMessageError(f"Message {index} is not a dict.")
        role, content = message.get("role"), message.get("content")
        if content not in (None, "", []) or index == len(messages) - 1:
            known.append({"role": "system" if role == "developer" else role, "content": content})
    return known
