"""The public API as a user's type checker sees it; checked by mypy, never run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import assert_type

from langchain_core.messages import AIMessage

import chatgptes
from chatgptes import (
    AsyncClient,
    AsyncConversation,
    Bot,
    ChatGptEs,
    Client,
    Deadline,
    Headers,
    Reply,
    Request,
    SiteConversation,
    Timeout,
    Usage,
    sandbox,
)
from chatgptes.integrations.langchain.model import ChatGptEsChat
from chatgptes.integrations.pytest_plugin import SiteUnderTest


@dataclass(frozen=True)
class MyResponse:
    status: int
    headers: Headers
    url: str

    def __iter__(self) -> Iterator[bytes]:
        yield b""

    def close(self) -> None: ...


class MyTransport:
    def send(self, request: Request, deadline: Deadline) -> MyResponse:
        return MyResponse(200, Headers(), request.url)

    def close(self) -> None: ...


def blocking() -> None:
    assert_type(chatgptes.chat("Hi", site="https://example.org", timeout=5), Reply)
    for chunk in chatgptes.stream([{"role": "user", "content": "Hi"}], bot=5):
        assert_type(chunk, str)
    with Client("https://example.org", transport=MyTransport(), timeout=Timeout(read=5)) as client:
        assert_type(client.bots(), list[Bot])
        talk = client.conversation({"version": 1})
        reply = talk.chat("Hi", timeout=3.5)
        assert_type(reply.usage, Usage | None)
        talk.chat([{"type": "text", "text": "Hi"}], images=["a.png", b"", Path("b.png")])
        assert_type(client.bots()[0].images, bool | None)
        assert_type(client.bots()[0].consent, str | bool)
        assert_type(client.conversations(), list[SiteConversation])
        client.feedback(reply, "up")
        client.conversation(site_id="a").delete(timeout=3)
        with client.stream("Hi", web_search=True) as stream:
            assert_type(next(stream), str)
            assert_type(stream.reply, Reply)
    with sandbox.Site() as site:
        Client(site.url, system=None, bot="5", transport="curl_cffi", verify=False)
    chatgptes.chatt("Hi")  # type: ignore[attr-defined]
    Client(transprot="requests")  # type: ignore[call-arg]
    Client(transport="httpx")  # type: ignore[arg-type]


async def on_a_loop() -> None:
    async with AsyncClient("https://example.org", max_concurrency=9) as client:
        assert_type(await client.chat("Hi"), Reply)
        async with client.stream("Hi") as stream:
            async for chunk in stream:
                assert_type(chunk, str)
        assert_type(await client.conversation("talk.json"), AsyncConversation)
    AsyncClient(retires=3)  # type: ignore[call-arg]


class Mine(ChatGptEs):
    url = "https://example.org"
    SYSTEM_PROMPT = None


async def provider() -> None:
    chunks = Mine.create_async_generator(model="gpt-4o", messages=[], proxy=None, temperature=1)
    async for chunk in chunks:
        assert_type(chunk, str)
    await chunks.aclose()
    assert_type(await Mine.create_async("gpt-4o", []), str)
    for piece in Mine.create_completion("gpt-4o", []):
        assert_type(piece, str)


def langchain() -> None:
    model = ChatGptEsChat(site="https://example.org/", api_key="key", bot=5, timeout=Timeout())
    model = ChatGptEsChat(timeout=30, stop=["END"], headers={"X-Mine": "1"})
    model = ChatGptEsChat("https://example.org/", max_retries=3, model="m", temperature=0)
    assert_type(model.retries, int)
    assert_type(model.invoke("Hello"), AIMessage)
    assert_type(model.batch(["Hello"]), list[AIMessage])
    ChatGptEsChat(stie="https://example.org/")  # type: ignore[call-arg]
    ChatGptEsChat(max_retries="3")  # type: ignore[arg-type]


def in_pytest(chatgptes_site: SiteUnderTest, chatgptes_client: Client) -> None:
    event = threading.Event()
    chatgptes_site.answers("a", ["b", event], str.upper, lambda prompt: [prompt], OSError("c"))
    chatgptes_site.fails("cut", saying=["b"])
    chatgptes_site.answers(5)  # type: ignore[arg-type]
    assert_type(chatgptes_site.prompts, list[str])
    assert_type(chatgptes_site.sandbox, sandbox.Site)
    Client(**chatgptes_site.arguments)
    AsyncClient(**chatgptes_site.arguments)
