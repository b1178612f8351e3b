"""AI Engine's pages through every interface, and a nonce that dies between image and message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgptes import (
    AsyncClient,
    ChatGptEs,
    Client,
    Deadline,
    RefusedError,
    Request,
    Response,
)
from chatgptes.sandbox import Site
from chatgptes.transport import select
from chatgptes.turn.config import Config

PNG = b"\x89PNG\r\n\x1a\nred"


class Expiring:
    """A transport with which every nonce dies right before the first request that names a path."""

    name = "expiring"

    def __init__(self, site: Site, transport: Any, before: str) -> None:
        arguments: Any = {"transport": transport, "impersonate": None, "trust_env": False}
        self._inner = select(**Config.of({"site": site.url, **arguments}).transport_options())
        self._site, self._before = site, before

    def send(self, request: Request, deadline: Deadline) -> Response:
        if self._before and self._before in request.url:
            self._before = ""
            self._site.expire_nonces()
        return self._inner.send(request, deadline)

    def expire_before(self, path: str) -> None:
        self._before = path

    def close(self) -> None:
        self._inner.close()


async def _async_chat(url: str, prompt: str, transport: Any, images: list[str]) -> str:
    async with AsyncClient(url, transport=transport) as client:
        return (await client.chat(prompt, images=images)).text


def _chat(url: str, prompt: str, transport: Any, images: list[str]) -> str:
    with Client(url, transport=transport) as client:
        return client.chat(prompt, images=images).text


ASKS: list[Callable[..., str]] = [_chat, lambda *given: asyncio.run(_async_chat(*given))]


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "red.png"
    path.write_bytes(PNG)
    return str(path)


def paths(site: Site) -> list[str]:
    """The last part of each request's path, in order."""
    return [each.path.rstrip("/").rpartition("/")[2] for each in site.requests]


@pytest.mark.parametrize("transport", ["requests", "curl_cffi"])
@pytest.mark.parametrize("ask", ASKS, ids=["sync", "async"])
def test_a_nonce_that_dies_between_the_image_and_the_message(
    site: Site, ask: Callable[..., str], transport: str, picture: str
) -> None:
    expiring = Expiring(site, transport, "chats/submit")
    text = ask(site.page("engine-images"), "What is it?", expiring, [picture])
    expiring.close()
    assert "With it came 1 image" in text
    assert len(site.messages) == 1  # The model was asked once.
    # Each upload stays on the site, in public: so there is one.
    assert paths(site) == [
        "engine-images", "start_session", "upload", "submit", "start_session", "submit",
    ]  # fmt: skip


def test_a_nonce_that_stays_dead(site: Site, picture: str) -> None:
    site.next("nonce", times=5)
    with Client(site.page("engine-images"), transport="requests") as client:
        with pytest.raises(RefusedError):
            client.chat("What is it?", images=[picture])
    assert site.messages == []
    assert paths(site).count("upload") == 1
    assert paths(site).count("submit") <= 2


def test_a_nonce_that_dies_before_the_second_image(site: Site, picture: str) -> None:
    expiring = Expiring(site, "requests", "")
    with Client(site.page("engine-images"), transport=expiring) as client:
        client.chat("Hello")
        expiring.expire_before("files/upload")
        answer = client.chat("What is it?", images=[picture, picture]).text
    expiring.close()
    assert "With it came 2 images" in answer
    assert paths(site).count("upload") == 3  # One was refused.
    assert len(site.messages) == 2


@pytest.mark.parametrize("page", ["engine", "engine-old", "engine-ancient", "engine-starters"])
def test_the_provider(site: Site, page: str) -> None:
    class Engine(ChatGptEs):
        url = site.page(page)

    async def main() -> None:
        messages = [
            {"role": "user", "content": "My name is Ada."},
            {"role": "assistant", "content": "Hello, Ada."},
            {"role": "user", "content": "Who am I?"},
        ]
        text = "".join([each async for each in Engine.create_async_generator("", messages)])
        assert "Who am I?" in text
        # The plugin's memory is the client's: the history is there, as it was given.
        first, second = site.messages[-1][:2]
        assert first["content"].endswith("My name is Ada.")
        assert (second["role"], second["content"]) == ("assistant", "Hello, Ada.")

    asyncio.run(main())


def test_the_provider_says_what_the_site_says(site: Site) -> None:
    class Engine(ChatGptEs):
        url = site.page("fault-mwai-quota")

    async def main() -> None:
        with pytest.raises(RefusedError, match="That was enough for today"):
            async for _ in Engine.create_async_generator(
                "", [{"role": "user", "content": "Hello"}]
            ):
                raise AssertionError

    asyncio.run(main())
