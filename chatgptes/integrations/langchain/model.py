"""`ChatGptEsChat`: a site's bot as a chat model of LangChain.

    from chatgptes.integrations.langchain import ChatGptEsChat

    model = ChatGptEsChat(site="https://example.org/chat/")
    print(model.invoke("Hello").text)

It needs langchain-core 1.0 or later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...aio.client import AsyncClient
from ...aio.stream import AsyncStream
from ...client import Client
from ...errors import Hint, MissingRequirementsError
from ...turn.config import Default
from ...turn.stream import Stream

try:
    import langchain_core  # noqa: F401 - only to see that it is installed.
except ImportError as error:
    raise MissingRequirementsError(
        "ChatGptEsChat needs the package langchain-core.",
        hint=Hint(command="pip install 'langchain-core>=1.0'", purpose="to install it"),
    ) from error

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from .fields import IGNORED, ClientFields
from .messages import PROVIDER, chunk_of, client_messages, last_chunk, result_of
from .stop import StopFilter, stop_words

__all__ = ["ChatGptEsChat"]

_OPTIONS = {"timeout", "web_search"}
"""Arguments of a single call beside its messages and `stop`."""


class ChatGptEsChat(ClientFields):
    """A site's bot as a chat model of LangChain.

    The fields are the arguments of `chatgptes.Client`, with their meanings, defaults and errors;
    `max_retries`, LangChain's name, is `retries`.  `stop` and `streaming` are LangChain's own.

    `temperature`, `max_tokens` and `model` are accepted with a warning: programs give them to any
    model, and no site lets a visitor choose them.  `timeout=` and `web_search=` of `Client.chat`
    may be given to one call (`invoke`, `stream`, …), or bound with `bind`.

    Errors of a turn are not wrapped, and have `StreamInterruptedError.partial`.  Models with equal
    arguments, and copies of a model, share one client: there is nothing to close.  A model with
    `api_key`, `cookies`, `headers` or a login in `site` uses LangChain's global cache only with
    `cache=True`, since a cache does not know who asks.

    Raises:
        InvalidConfigError: an argument can't be used.
        TypeError: there is no such argument.
    """

    @property
    def _llm_type(self) -> str:
        return PROVIDER

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """The arguments that an answer depends on, for traces and as a cache's key; no secrets."""
        system = self.system
        return {
            "site": self._shown_site,
            "bot": None if self.bot is None else str(self.bot),
            "system": None if isinstance(system, Default) else system,
            "default_system": isinstance(system, Default),
            "rest": self.api_key is not None,
            "default_stop": list(stop_words(self.stop)),  # LangChain's "stop" is a call's own.
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or list(stop_words(self.stop)) or None)
        params["ls_provider"] = PROVIDER
        # A call's `model` has no effect on the answer; LangChain wants its traces to name it.
        params["ls_model_name"] = kwargs.get("model") or self._name
        return params

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn = self._turn(messages, stop, kwargs)
        if turn.stopping.words:
            return generate_from_stream(self._stream(messages, stop, **kwargs))
        return result_of(turn.client.chat(turn.messages, **turn.options))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn = self._turn(messages, stop, kwargs)
        if turn.stopping.words:
            return await agenerate_from_stream(self._astream(messages, stop, **kwargs))
        client = AsyncClient.over(turn.client.core)
        return result_of(await client.chat(turn.messages, **turn.options))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        turn = self._turn(messages, stop, kwargs)
        with turn.client.stream(turn.messages, **turn.options) as stream:
            for piece in stream:
                if text := turn.stopping.take(piece):
                    chunk = chunk_of(text)
                    if run_manager:  # `stream_events(version="v3")` leaves that to the model.
                        run_manager.on_llm_new_token(text, chunk=chunk)
                    yield chunk
                if turn.stopping.found is not None:
                    break
            last = turn.last_chunk(stream)
        if run_manager:
            run_manager.on_llm_new_token(last.text, chunk=last)
        yield last

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        turn = self._turn(messages, stop, kwargs)
        client = AsyncClient.over(turn.client.core)
        async with client.stream(turn.messages, **turn.options) as stream:
            async for piece in stream:
                if text := turn.stopping.take(piece):
                    chunk = chunk_of(text)
                    if run_manager:
                        await run_manager.on_llm_new_token(text, chunk=chunk)
                    yield chunk
                if turn.stopping.found is not None:
                    break
            last = turn.last_chunk(stream)
        if run_manager:
            await run_manager.on_llm_new_token(last.text, chunk=last)
        yield last

    def _turn(self, messages: list[BaseMessage], stop: Any, kwargs: Mapping[str, Any]) -> _Turn:
        """Check a call's arguments before anything is sent."""
        self._warn_of(kwargs, stacklevel=2)
        known = {*IGNORED, "stream"}  # LangChain does not take out its own `stream`.
        options = {name: value for name, value in kwargs.items() if name not in known}
        if unknown := set(options) - _OPTIONS:
            raise TypeError(f"A call has no argument {', '.join(sorted(unknown))}.")
        options["timeout"] = self._limits_of(options.get("timeout"))
        stopping = StopFilter(stop_words(self.stop if stop is None else stop))
        return _Turn(self._shared_client(), client_messages(messages), options, stopping)


@dataclass(frozen=True)
class _Turn:
    client: Client
    messages: list[dict[str, Any]]
    options: dict[str, Any]
    stopping: StopFilter

    def last_chunk(self, stream: Stream | AsyncStream) -> ChatGenerationChunk:
        """Return the chunk that ends `stream`, which a stop sequence may have cut."""
        if self.stopping.found is None:
            return last_chunk(stream.reply, self.stopping.rest(), None)
        turn = stream.running.turn
        reply = replace(turn.reply(), finish_reason="stop")
        return last_chunk(reply, "", self.stopping.found)
