"""`ChatGptEsChat`: a site's bot as a chat model of LangChain.

    from chatgptes.integrations.langchain import ChatGptEsChat

    model = ChatGptEsChat(site="https://example.org/chat/")
    print(model.invoke("Hello").text)

It needs langchain-core 1.0 or later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

from ...aio.client import AsyncClient
from ...client import Client
from ...errors import Hint, MissingRequirementsError
from ...turn.config import Default
from ...turn.running import RunningTurn
from ...values.reply import Reply

try:
    import langchain_core  # noqa: F401 - only to see that it is installed.
except ImportError as error:
    raise MissingRequirementsError(
        "ChatGptEsChat needs the package langchain-core.",
        hint=Hint(command="pip install 'langchain-core>=1.0'", purpose="to install it"),
    ) from error

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from .fields import ClientFields
from .messages import PROVIDER, check_blocks, chunk_of, client_messages, last_chunk, result_of
from .stop import StopFilter, stop_words

__all__ = ["ChatGptEsChat"]

_OPTIONS = {"timeout", "web_search"}
"""Arguments of a single call beside its messages and `stop`."""
_TOOLS = ("tools", "tool_choice", "functions", "function_call", "response_format")


class ChatGptEsChat(ClientFields):
    """A site's bot as a chat model of LangChain.

    The fields are the arguments of `chatgptes.Client`, with their meanings, defaults and errors;
    `max_retries`, LangChain's name, is `retries`.  `stop` and `streaming` are LangChain's own.

    An argument that can't be used is an `InvalidConfigError`, and an unknown one a `TypeError`, as
    for a `Client`: pydantic's own error would show the values, with a proxy's password among them.
    Both come at once.  The first turn reports what only a transport can notice: its package is
    missing, the file of `verify` can't be read, `curl_cffi` doesn't know the browser of
    `impersonate`.  Errors of a turn are not wrapped, and have `StreamInterruptedError.partial`.

    Models with equal arguments, and copies of a model, share one client: one visitor id, one
    `max_concurrency` and `min_interval`.  It is the client of `chatgptes.chat()` with the same
    arguments.  It lives as long as one of the models that used it, or longer (the last eight of a
    process stay), and there is nothing to close.  A model that is unpickled in another process is
    the same visitor there.

    A cache tells models apart by site, bot, system text and stop sequences, not by who asks.  So a
    model with `api_key`, `cookies`, `headers` or a login in `site` uses LangChain's global cache
    only with `cache=True`.

    `temperature`, `max_tokens` and `model` are accepted with one warning for each model and name:
    programs give them to any model, and no site lets a visitor choose them.  `timeout=` and
    `web_search=` of `Client.chat` may be given to one call (`invoke`, `stream`, …), or bound with
    `bind`.  Images are content blocks in base64.  Sources are annotations of the answer's text.

    Tools and structured output are a `NotImplementedError`: no dialect has a place for them.

    Raises:
        InvalidConfigError: an argument can't be used.
        TypeError: there is no such argument.
    """

    # The methods that LangChain calls.

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
        if turn.stop:
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
        if turn.stop:
            return await agenerate_from_stream(self._astream(messages, stop, **kwargs))
        return result_of(await turn.async_client.chat(turn.messages, **turn.options))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        turn = self._turn(messages, stop, kwargs)
        stopping = StopFilter(turn.stop)
        with turn.client.stream(turn.messages, **turn.options) as stream:
            for piece in stream:
                if text := stopping.take(piece):
                    chunk = chunk_of(text)
                    if run_manager:
                        run_manager.on_llm_new_token(text, chunk=chunk)
                    yield chunk
                if stopping.found is not None:
                    break
            ended = stream.reply if stopping.found is None else known_reply(stream.running)
        last = last_chunk(stopping, ended)
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
        stopping = StopFilter(turn.stop)
        async with turn.async_client.stream(turn.messages, **turn.options) as stream:
            async for piece in stream:
                if text := stopping.take(piece):
                    chunk = chunk_of(text)
                    if run_manager:
                        await run_manager.on_llm_new_token(text, chunk=chunk)
                    yield chunk
                if stopping.found is not None:
                    break
            ended = stream.reply if stopping.found is None else known_reply(stream.running)
        last = last_chunk(stopping, ended)
        if run_manager:
            await run_manager.on_llm_new_token(last.text, chunk=last)
        yield last

    # Features that no site has.

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Not possible.

        Raises:
            NotImplementedError: always.
        """
        _no_tools()

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Not possible; an output parser behind the model can read what the prompt asked for.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "A site's bot has no structured output. Ask for a format in the prompt, and put an"
            " output parser behind the model."
        )

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        prompt = super()._convert_input(model_input)
        # LangChain reads the blocks before it calls the model, and fails with some of them.
        check_blocks(prompt.to_messages())
        return prompt

    # A turn.

    def _turn(self, messages: list[BaseMessage], stop: Any, kwargs: Mapping[str, Any]) -> _Turn:
        """Check a call's arguments before anything is sent."""
        options = self._usable(kwargs)
        options.pop("stream", None)  # LangChain's own, which it does not take out.
        if any(options.pop(name, None) for name in _TOOLS):
            _no_tools()
        if unknown := set(options) - _OPTIONS:
            raise TypeError(f"A call has no argument {', '.join(sorted(unknown))}.")
        options["timeout"] = self._limits_of(options.get("timeout"))
        words = stop_words(self.stop if stop is None else stop)
        return _Turn(self._shared_client(), client_messages(messages), options, words)


class _Turn(NamedTuple):
    client: Client
    messages: list[dict[str, Any]]
    options: dict[str, Any]
    stop: tuple[str, ...]

    @property
    def async_client(self) -> AsyncClient:
        return AsyncClient.over(self.client.core)


def known_reply(running: RunningTurn) -> Reply:
    """Return the reply of an answer that ends at a stop sequence, as far as it is known."""
    turn = running.turn
    return replace(turn.reply("".join(turn.answer.text)), finish_reason="stop")


def _no_tools() -> NoReturn:
    raise NotImplementedError(
        "A site's bot takes no tools and no response format: no dialect has a place for them."
    )
