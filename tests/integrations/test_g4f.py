"""`ChatGptEs` inside the program it came from: run by the tox environment `g4f`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from chatgptes import ChatGptEs, StreamInterruptedError
from chatgptes.sandbox import Site

g4f_client = pytest.importorskip("g4f.client")

HELLO = [{"role": "user", "content": "Hello, how are you?"}]


@pytest.fixture
def provider() -> Iterator[type[ChatGptEs]]:
    with Site() as site:

        class Local(ChatGptEs):
            url = site.url

        yield Local


def test_whole(provider: type[ChatGptEs]) -> None:
    client = g4f_client.Client(provider=provider)
    answer = client.chat.completions.create(HELLO, model="gpt-4o")
    assert "Hello, how are you?" in answer.choices[0].message.content


def test_default_model(provider: type[ChatGptEs]) -> None:
    client = g4f_client.Client(provider=provider)
    answer = client.chat.completions.create(HELLO)
    assert "sandbox" in answer.choices[0].message.content
    assert client.models.get_all() == ["gpt-4", "gpt-4o", "gpt-4o-mini"]


def test_stream(provider: type[ChatGptEs]) -> None:
    client = g4f_client.Client(provider=provider)
    chunks = [
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(HELLO, model="gpt-4o", stream=True)
    ]
    assert len(chunks) > 5
    assert "Hello, how are you?" in "".join(chunks)


@pytest.mark.parametrize("stream_timeout", [None, 20])
def test_async(provider: type[ChatGptEs], stream_timeout: int | None) -> None:
    async def main() -> None:
        client = g4f_client.AsyncClient(provider=provider)
        answer = await client.chat.completions.create(
            HELLO, model="gpt-4o", stream_timeout=stream_timeout
        )
        assert "Hello, how are you?" in answer.choices[0].message.content
        chunks = [
            chunk.choices[0].delta.content or ""
            async for chunk in client.chat.completions.create(
                HELLO, model="gpt-4o", stream=True, stream_timeout=stream_timeout
            )
        ]
        assert len(chunks) > 5
        assert "Hello, how are you?" in "".join(chunks)

    asyncio.run(main())


def test_stream_timeout_that_passes() -> None:
    with Site() as site:

        class Local(ChatGptEs):
            url = site.url

        async def main() -> None:
            client = g4f_client.AsyncClient(provider=Local)
            site.next("stall")
            async for _ in client.chat.completions.create(
                HELLO, model="gpt-4o", stream=True, stream_timeout=0.3
            ):
                pass

        # Both watch: the program steps, and the provider the site's silence.
        with pytest.raises((TimeoutError, StreamInterruptedError)):
            asyncio.run(main())


def test_stream_timeout_of_a_blocking_client() -> None:
    with Site() as site:

        class Local(ChatGptEs):
            url = site.url

        site.next("stall")
        client = g4f_client.Client(provider=Local)
        with pytest.raises(StreamInterruptedError):
            list(
                client.chat.completions.create(
                    HELLO, model="gpt-4o", stream=True, stream_timeout=0.3
                )
            )


def test_blocking_client_inside_a_running_loop(provider: type[ChatGptEs]) -> None:
    async def main() -> None:
        client = g4f_client.Client(provider=provider)
        answer = client.chat.completions.create(HELLO, model="gpt-4o")
        assert "Hello, how are you?" in answer.choices[0].message.content

    asyncio.run(main())


def test_errors_come_through(provider: type[ChatGptEs]) -> None:
    client = g4f_client.Client(provider=provider)
    with pytest.raises(ValueError, match="gpt-9"):
        client.chat.completions.create(HELLO, model="gpt-9")
