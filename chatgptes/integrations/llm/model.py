"""`llm -m chatgptes "Hello"`: a site's bot as one more model of Simon Willison's `llm`.

    llm -m chatgptes -o site https://example.org/chat/ "What can you do?"
    llm -c "Tell me more."

`llm` finds it through `plugin.py`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any, Literal

import click
import llm
from llm.parts import StreamEvent
from pydantic import Field

from ...errors import ChatGptEsError, StreamInterruptedError
from ...values.text import sanitize_line, sanitize_text
from .history import NAME, VERSION, read_history
from .target import STICKY, target

if TYPE_CHECKING:
    from ...client import Client
    from ...values.reply import Reply

__all__ = ["AsyncChatGptEsModel", "ChatGptEsModel", "TurnError"]

_HINTS = {
    "api_key": "--key",
    "bot": "-o bot",
    "consent": "-o consent true",
    "proxy": "-o proxy",
    "site": "-o site URL",
    "timeout.total": "-o timeout",
    "verify": "the variable REQUESTS_CA_BUNDLE",
}
"""llm's words for the arguments that hints name; there is no option for others."""


class TurnError(llm.ModelError, click.ClickException):
    """A turn failed: `__cause__` is the library's error, with `.partial` where text had arrived.

    It is click's as well, because `llm chat` shows a traceback for any other error.
    """


class ChatGptEsOptions(llm.Model.Options):
    """The options of `-o`."""

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
        description="curl_cffi looks like a browser; auto uses it for chatgpt.es only",
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
    consent: bool | None = Field(
        default=None, description="You agree to what the bot's page asks its visitors"
    )
    web_search: bool | None = Field(
        default=None, description="Let the bot search the web, if its owner allows that"
    )


class _Model:
    """The parts that both models share."""

    model_id = NAME
    can_stream = True
    attachment_types: set[str] | frozenset[str] = frozenset(
        {"image/png", "image/jpeg", "image/webp", "image/gif"}
    )
    key: str | None

    Options = ChatGptEsOptions

    def get_key(self, explicit_key: str | None = None) -> str | None:
        """Return the key given with the prompt, or the stored one of that name.

        Not the one that is stored under the model's name: it would go to any site.
        """
        return llm.get_key(input=explicit_key) if explicit_key else self.key


@contextlib.contextmanager
def _errors_for_llm(*, shown: bool) -> Iterator[None]:
    """Turn the library's errors into llm's.

    Args:
        shown: the text that had arrived has been shown, so that it is no part of the error.

    Raises:
        TurnError: the turn failed.
    """
    try:
        yield
    except ChatGptEsError as error:
        message = sanitize_line(error.in_words(_HINTS))
        if isinstance(error, StreamInterruptedError) and not shown:
            message = f"{message}\n\n{sanitize_text(error.partial)}"
        raise TurnError(message) from error


class _Turn:
    """One turn: its arguments, and the use of its reply."""

    def __init__(self, prompt: llm.Prompt, key: str | None) -> None:
        """Read keys and attachments, which are files or on the network, and find the client."""
        from ...shared import cached_client

        options: Any = prompt.options
        self.history = read_history(prompt.messages)
        self.target = target(options, self.history.left, key)
        self.client: Client = cached_client(self.target.arguments)
        self.saved = self.history.saved(self.client)
        self.how: dict[str, Any] = {
            "images": self.history.images(),
            "web_search": bool(options.web_search),
            "timeout": options.timeout,
        }
        for name in STICKY:
            if getattr(options, name) is not None:
                # llm logs them: without passwords, and with the values in use.
                setattr(options, name, self.target.shown.get(name))

    def finish(self, response: Any, talk: Any, reply: Reply) -> StreamEvent:
        """Report the reply's data to llm; return an event with the data for later turns."""
        if reply.usage is not None:
            response.set_usage(input=reply.usage.input_tokens, output=reply.usage.output_tokens)
        if reply.model:
            response.set_resolved_model(reply.model)
        response.response_json = reply.to_dict()
        del response.response_json["text"]
        state = talk.to_dict()
        left: dict[str, Any] = {
            "version": VERSION,
            "options": self.target.shown,
            "rest": "api_key" in self.target.arguments,
            "digest": self.history.digest(reply.text),
            **{name: state[name] for name in ("id", "visitor", "memory", "state", "site")},
        }
        return StreamEvent(type="text", chunk="", provider_metadata={NAME: left})


class ChatGptEsModel(_Model, llm.KeyModel):
    """The blocking model."""

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.Response,
        conversation: llm.Conversation | None,
        key: str | None = None,
    ) -> Iterator[str | StreamEvent]:
        """Send the prompt; see `llm.KeyModel`.

        Raises:
            TurnError: the turn failed.
        """
        with _errors_for_llm(shown=stream):
            turn = _Turn(prompt, key)
            talk = turn.client.conversation(turn.saved)
            with talk.stream(turn.history.prompt, **turn.how) as chunks:
                try:
                    yield from chunks
                except StreamInterruptedError:
                    yield "\n"  # The error is shown on the next line.
                    raise
            yield turn.finish(response, talk, chunks.reply)


class AsyncChatGptEsModel(_Model, llm.AsyncKeyModel):
    """The model for event loops."""

    async def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.AsyncResponse,
        conversation: llm.AsyncConversation | None,
        key: str | None = None,
    ) -> AsyncGenerator[str | StreamEvent, None]:
        """Send the prompt; see `llm.AsyncKeyModel`.

        Raises:
            TurnError: the turn failed.
        """
        from ...aio.client import AsyncClient
        from ...aio.threads import in_thread

        with _errors_for_llm(shown=stream):
            turn = await in_thread(functools.partial(_Turn, prompt, key))
            talk = AsyncClient.over(turn.client.core).conversation(turn.saved)
            async with talk.stream(turn.history.prompt, **turn.how) as chunks:
                try:
                    async for chunk in chunks:
                        yield chunk
                except StreamInterruptedError:
                    yield "\n"
                    raise
            yield turn.finish(response, talk, chunks.reply)
