"""A site's bot as a provider of litellm, without a server between: `chatgptes/BOT`.

pip install litellm
python examples/recipes/litellm_provider.py [URL of a page that shows your bot]
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import litellm
from litellm import CustomLLM, ModelResponse
from litellm.types.utils import GenericStreamingChunk

import chatgptes


class SiteBot(CustomLLM):
    """Talks to one site; `model` is the id of its bot."""

    def __init__(self, site: str) -> None:
        super().__init__()
        self.site = site
        self.clients: dict[str, chatgptes.Client] = {}
        self.async_clients: dict[str, chatgptes.AsyncClient] = {}

    def client(self, bot: str) -> chatgptes.Client:
        if bot not in self.clients:
            self.clients[bot] = chatgptes.Client(self.site, bot=bot)
        return self.clients[bot]

    def async_client(self, bot: str) -> chatgptes.AsyncClient:
        if bot not in self.async_clients:
            self.async_clients[bot] = chatgptes.AsyncClient(self.site, bot=bot)
        return self.async_clients[bot]

    def completion(self, *args: Any, model: str, messages: Any, **rest: Any) -> ModelResponse:
        return response(self.client(model).chat(plain(messages)), model)

    async def acompletion(
        self, *args: Any, model: str, messages: Any, **rest: Any
    ) -> ModelResponse:
        return response(await self.async_client(model).chat(plain(messages)), model)

    def streaming(
        self, *args: Any, model: str, messages: Any, **rest: Any
    ) -> Iterator[GenericStreamingChunk]:
        with self.client(model).stream(plain(messages)) as stream:
            for text in stream:
                yield chunk(text)
        yield chunk("", end=True)

    async def astreaming(
        self, *args: Any, model: str, messages: Any, **rest: Any
    ) -> AsyncIterator[GenericStreamingChunk]:
        async with self.async_client(model).stream(plain(messages)) as stream:
            async for text in stream:
                yield chunk(text)
        yield chunk("", end=True)


def plain(messages: Any) -> list[dict[str, Any]]:
    return [{"role": each["role"], "content": each["content"]} for each in messages]


def response(reply: chatgptes.Reply, model: str) -> ModelResponse:
    message = {"role": "assistant", "content": reply.text}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason or "stop"}
    return ModelResponse(model=model, created=int(time.time()), choices=[choice])


def chunk(text: str, *, end: bool = False) -> GenericStreamingChunk:
    return {
        "text": text,
        "is_finished": end,
        "finish_reason": "stop" if end else "",
        "index": 0,
        "tool_use": None,
        "usage": None,
    }


def main(site: str) -> None:
    bot = chatgptes.Client(site).bots()[0].id
    litellm.custom_provider_map = [{"provider": "chatgptes", "custom_handler": SiteBot(site)}]
    asked: dict[str, Any] = {
        "model": f"chatgptes/{bot}",
        "messages": [{"role": "user", "content": "What is a nonce?"}],
    }
    print(litellm.completion(**asked).choices[0].message.content)
    for part in litellm.completion(**asked, stream=True):
        print(part.choices[0].delta.content or "", end="|")
    print()

    async def later() -> None:
        print("async:", (await litellm.acompletion(**asked)).choices[0].message.content)
        async for part in await litellm.acompletion(**asked, stream=True):
            print(part.choices[0].delta.content or "", end="+")
        print()

    asyncio.run(later())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with chatgptes.sandbox.Site() as local:
            main(local.url)
