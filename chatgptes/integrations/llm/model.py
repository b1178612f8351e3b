"""`llm -m chatgptes "Hello"`: a site's bot as one more model of Simon Willison's `llm`.

    llm -m chatgptes -o site https://example.org/chat/ "What can you do?"
    llm -c "Tell me more."

`llm` finds it by way of `llm_plugin.py`; the extra `llm` brings what it needs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any, Literal

import llm
from llm.parts import StreamEvent
from pydantic import Field

from ...errors import ChatGptEsError, StreamInterruptedError
from .errors import TurnError, told
from .target import STICKY, filled_in, target
from .turn import NAME, VERSION, Point, give_back, read, take

if TYPE_CHECKING:
    from ...client import Client
    from ...values.reply import Reply

__all__ = ["AsyncChatGptEsModel", "ChatGptEsModel", "TurnError"]


class ChatGptEsOptions(llm.Model.Options):
    """What `-o` takes."""

    site: str | None = Field(
        default=None,
        repr=False,  # It may hold a password, as that of a proxy.
        description="URL of the page that shows the bot, or the name in llm's key store that such"
        " a URL has. Default: chatgpt.es, or the conversation's",
    )
    bot: str | int | None = Field(
        default=None, description="The bot's id, when the page shows several, or with a key"
    )
    transport: Literal["auto", "requests", "curl_cffi"] | None = Field(
        default=None,
        description="curl_cffi looks like a browser; auto takes it for chatgpt.es only",
    )
    proxy: str | None = Field(
        default=None,
        repr=False,
        description="URL of an http, https, socks5 or socks5h proxy, or the name in llm's key"
        " store that such a URL has",
    )
    timeout: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,  # llm's log is JSON, which has no infinity.
        description="Seconds for the whole turn",
    )
    web_search: bool | None = Field(
        default=None, description="Let the bot search the web, if its owner allows that"
    )


class _Shared:
    """What the model is, blocking and not."""

    model_id = NAME
    can_stream = True
    attachment_types: set[str] | frozenset[str] = frozenset(
        {"image/png", "image/jpeg", "image/webp", "image/gif"}
    )
    key: str | None

    Options = ChatGptEsOptions

    def get_key(self, explicit_key: str | None = None) -> str | None:
        """The key that was given with the prompt, or the stored one of that name.

        Not the one that is stored under the model's name: it would go to any site that is asked.
        """
        return llm.get_key(input=explicit_key) if explicit_key else self.key


class _Turn:
    """One turn: its arguments, checked, and what becomes of its reply."""

    def __init__(self, prompt: llm.Prompt, key: str | None) -> None:
        self._prompt = prompt
        self._key = key
        self._defaults = filled_in(prompt.options)
        self._taken: Point | None = None

    def prepare(self) -> None:
        """What takes a while: keys and attachments are files, or on the network."""
        from ...shared import cached_client

        options: Any = self._prompt.options
        self.said = read(self._prompt.messages)
        self.target = target(options, self._defaults, self.said.left, self._key)
        self.client: Client = cached_client(self.target.arguments)
        self.how: dict[str, Any] = {
            "images": self.said.images(),
            "web_search": bool(options.web_search),
            "timeout": options.timeout,
        }
        self.content: Any = self.said.written() if self.said.begins_oddly else self.said.prompt
        for name in STICKY:
            if getattr(options, name) is not None:
                # llm logs them: without passwords, and as they are used.
                setattr(options, name, self.target.shown.get(name))

    @contextlib.contextmanager
    def told(self, *, shown: bool) -> Iterator[None]:
        """Errors become llm's; a turn that comes to nothing can be taken again.

        Raises:
            TurnError: it failed.
        """
        try:
            yield
        except ChatGptEsError as error:
            raise told(error, shown=shown) from error
        finally:
            if self._taken is not None:
                give_back(self._taken)

    def talk(self, client: Any) -> Any:
        """What takes the turn: the conversation, of either kind of client."""
        if self.said.begins_oddly:
            return client
        point = self.said.point(self.client)
        goes_on = point is not None
        if point is not None and self.said.left["memory"]:
            goes_on = take(point)
            self._taken = point if goes_on else None
        return client.conversation(self.said.saved(self.client, goes_on=goes_on))

    def done(self, response: Any, talk: Any, reply: Reply, chunk: str = "") -> StreamEvent:
        """Tell llm what else the reply says; the last of its chunks, with what comes next in it."""
        self._taken = None  # For good.
        if reply.usage is not None:
            response.set_usage(input=reply.usage.input_tokens, output=reply.usage.output_tokens)
        if reply.model:
            response.set_resolved_model(reply.model)
        response.response_json = {
            "site": reply.site,
            "bot": reply.bot,
            "dialect": reply.dialect,
            "message_id": reply.message_id,
            "conversation_id": reply.conversation_id,
            "finish_reason": reply.finish_reason,
            "citations": [dataclasses.asdict(each) for each in reply.citations],
        }
        left: dict[str, Any] = {
            "version": VERSION,
            "options": self.target.shown,
            "rest": self.target.rest,
        }
        if not self.said.begins_oddly:
            state = talk.to_dict()
            left |= {name: state[name] for name in ("id", "visitor", "memory", "state", "site")}
            left["digest"] = self.said.digest(reply.text)
        return StreamEvent(type="text", chunk=chunk, provider_metadata={NAME: left})


class ChatGptEsModel(_Shared, llm.KeyModel):
    """The blocking model."""

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.Response,
        conversation: llm.Conversation | None,
        key: str | None = None,
    ) -> Iterator[str | StreamEvent]:
        """Say the prompt; see `llm.KeyModel`.

        Raises:
            TurnError: the turn failed.
        """
        turn = _Turn(prompt, key)
        with turn.told(shown=stream):
            turn.prepare()
            talk = turn.talk(turn.client)
            if not stream:
                reply = talk.chat(turn.content, **turn.how)
                yield turn.done(response, talk, reply, reply.text)
                return
            with talk.stream(turn.content, **turn.how) as chunks:
                try:
                    yield from chunks
                except StreamInterruptedError:
                    yield "\n"  # The error is shown on a line of its own.
                    raise
            yield turn.done(response, talk, chunks.reply)


class AsyncChatGptEsModel(_Shared, llm.AsyncKeyModel):
    """The model for event loops."""

    async def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.AsyncResponse,
        conversation: llm.AsyncConversation | None,
        key: str | None = None,
    ) -> AsyncGenerator[str | StreamEvent, None]:
        """Say the prompt; see `llm.AsyncKeyModel`.

        Raises:
            TurnError: the turn failed.
        """
        from ...aio.client import AsyncClient
        from ...aio.threads import in_thread

        turn = _Turn(prompt, key)
        with turn.told(shown=stream):
            await in_thread(turn.prepare)
            talk = turn.talk(AsyncClient.over(turn.client.core))
            if not stream:
                reply = await talk.chat(turn.content, **turn.how)
                yield turn.done(response, talk, reply, reply.text)
                return
            async with talk.stream(turn.content, **turn.how) as chunks:
                try:
                    async for chunk in chunks:
                        yield chunk
                except StreamInterruptedError:
                    yield "\n"
                    raise
            yield turn.done(response, talk, chunks.reply)
