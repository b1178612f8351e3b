"""The same scenarios for every dialect, over both transports, blocking and on an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from chatgptes import (
    AsyncClient,
    ChallengeError,
    ChatGptEsError,
    Client,
    InvalidMessageError,
    RefusedError,
    StreamInterruptedError,
    UpstreamError,
)
from chatgptes.sandbox import Site

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
    b"\x1f\x15\xc4\x89"
)


@dataclass(frozen=True)
class Speaks:
    """A dialect, and where the sandbox speaks it.

    Attributes:
        name: its name.
        page: the page of a bot; "" where a key is used.
        picture: the page of a bot that takes pictures; "" where none does.
        cut: the page of a bot whose answer breaks off.
        said: whether a cut answer has begun to arrive.
        refusal: a fault that is a refusal, and its error.
    """

    name: str
    page: str = ""
    picture: str = ""
    cut: str = ""
    bot: str | None = None
    refusal: tuple[str, type[ChatGptEsError]] = ("banned-word", RefusedError)


DIALECTS = [
    Speaks("wpaicg", "classic", "classic", "fault-classic-cut"),
    Speaks("aipkit", "front", "aipkit-images", "fault-cut"),
    Speaks("rest", bot="5", cut="5", refusal=("model-429", UpstreamError)),
    Speaks("mwai", "engine", "engine-images", "fault-mwai-cut"),
]


@pytest.fixture(scope="module")
def shared_site() -> Iterator[Site]:
    """One site for all scenarios that leave nothing behind."""
    with Site() as site:
        yield site


@pytest.fixture(params=DIALECTS, ids=lambda each: each.name)
def speaks(request: pytest.FixtureRequest) -> Speaks:
    found: Speaks = request.param
    return found


class Caller:
    """A client of either kind, with a blocking face."""

    def __init__(self, kind: str, site: str, transport: str, **arguments: Any) -> None:
        arguments = {"transport": transport, "impersonate": None, "timeout": 30, **arguments}
        self._runner = asyncio.Runner() if kind == "async" else None
        cls: Any = AsyncClient if self._runner else Client
        self.client = cls(site, **arguments)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._runner is None:
            self.client.close()
        else:
            self._runner.run(self.client.aclose())
            self._runner.close()

    def chat(self, *args: Any, target: Any = None, **options: Any) -> Any:
        """What `chat` of the client, or of a conversation, gives."""
        result = (target or self.client).chat(*args, **options)
        return self._runner.run(result) if self._runner else result

    def stream(self, prompt: str) -> tuple[list[str], Any]:
        """The chunks of a stream, and its reply."""
        stream = self.client.stream(prompt)
        if self._runner is None:
            with stream:
                return list(stream), stream.reply

        async def read() -> tuple[list[str], Any]:
            async with stream:
                return [chunk async for chunk in stream], stream.reply

        return self._runner.run(read())

    def many(self, prompts: list[str]) -> list[str]:
        """The texts of the answers to all prompts, asked at once."""
        if self._runner is not None:

            async def ask() -> list[Any]:
                return await asyncio.gather(*(self.client.chat(each) for each in prompts))

            return [reply.text for reply in self._runner.run(ask())]
        texts = [""] * len(prompts)

        def one(number: int) -> None:
            texts[number] = self.client.chat(prompts[number]).text

        threads = [threading.Thread(target=one, args=(n,)) for n in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return texts


Make = Callable[..., Caller]


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest, transport: str, speaks: Speaks) -> Iterator[Make]:
    """Make a client for a page of the site: the dialect's good one, unless another is named."""
    made: list[Caller] = []

    def caller(site: Site, page: str = "", **arguments: Any) -> Caller:
        if speaks.bot:
            where: dict[str, Any] = {"api_key": site.api_key, "bot": page or speaks.bot}
            url = site.url
        else:
            where, url = {}, site.page(page or speaks.page)
        made.append(Caller(request.param, url, transport, **where, **arguments))
        return made[-1]

    yield caller
    for each in made:
        each.__exit__()


@pytest.fixture(params=["requests", "curl_cffi"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_answer(shared_site: Site, make: Make, speaks: Speaks) -> None:
    caller = make(shared_site)
    prompt = 'Zoë says "1 < 2" & \\o/ — 你好'
    chunks, reply = caller.stream(prompt)
    assert "".join(chunks) == reply.text
    assert "This is message 1 of our conversation." in reply.text
    assert shared_site.messages[-1][-1]["content"] == prompt
    assert reply.dialect == speaks.name
    assert (len(chunks) > 5) is reply.streamed is (speaks.name != "rest")


def test_memory(shared_site: Site, make: Make) -> None:
    caller = make(shared_site)
    talk = caller.client.conversation()
    for number, prompt in enumerate(("My name is Ada.", "Who am I?", "Sure?"), 1):
        reply = caller.chat(prompt, target=talk)
        assert f"This is message {number} of our" in reply.text
    asked = shared_site.messages[-1]
    assert [each["content"] for each in asked if each["role"] == "user"] == [
        "My name is Ada.", "Who am I?", "Sure?",
    ]  # fmt: skip
    assert [each["role"] for each in asked] == ["user", "assistant"] * 2 + ["user"]
    # Another conversation knows nothing of it.
    reply = caller.chat("And I?", target=caller.client.conversation())
    assert "This is message 1 of our" in reply.text


def test_a_list_of_messages(shared_site: Site, make: Make) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "Who am I?"},
    ]
    make(shared_site).chat(messages)
    asked = shared_site.messages[-1]
    assert asked[-1]["role"] == "user"
    told = "\n".join(each["content"] for each in asked)
    places = [told.index(each["content"]) for each in messages]
    assert places == sorted(places)


def test_a_picture(shared_site: Site, make: Make, speaks: Speaks) -> None:
    caller = make(shared_site, speaks.picture)
    if not speaks.picture:
        before = len(shared_site.requests)
        with pytest.raises(InvalidMessageError):
            caller.chat("What is this?", images=[PNG])
        assert len(shared_site.requests) == before
        return
    caller.chat("What is this?", images=[PNG])
    assert shared_site.messages[-1][-1]["images"] == [("image/png", PNG)]


def test_a_dead_nonce(site: Site, make: Make, speaks: Speaks) -> None:
    caller = make(site)
    caller.chat("One")
    site.expire_nonces()
    assert "This is message 1" in caller.chat("Two").text
    asked = [each[-1]["content"] for each in site.messages]
    assert asked == ["One", "Two"]
    before = len(site.requests)
    caller.chat("Three")
    assert len(site.requests) - before == (2 if speaks.name == "aipkit" else 1)


def test_an_answer_that_is_cut(site: Site, make: Make, speaks: Speaks) -> None:
    caller = make(site, speaks.cut)
    if speaks.name == "rest":
        site.next("cut")  # A whole answer is lost with a part of it.
        with pytest.raises(ChatGptEsError):
            caller.chat("Hello")
    else:
        with pytest.raises(StreamInterruptedError) as caught:
            caller.chat("Hello")
        assert caught.value.partial.startswith("**I am")
    assert len(site.messages) == 1  # It is not sent again.


def test_a_refusal(site: Site, make: Make, speaks: Speaks) -> None:
    caller = make(site)
    fault, error = speaks.refusal
    caller.chat("Hello")
    site.next(fault)
    with pytest.raises(error) as caught:
        caller.chat("Hello")
    assert type(caught.value) is error
    assert "This is message 1" in caller.chat("Hello").text


def test_a_challenge(site: Site, make: Make) -> None:
    caller = make(site)
    caller.chat("Hello")
    site.next("challenge")
    before = len(site.messages)
    with pytest.raises(ChallengeError):
        caller.chat("Hello")
    assert len(site.messages) == before
    caller.chat("Hello")


def test_fifty_at_once(shared_site: Site, make: Make) -> None:
    caller = make(shared_site, max_concurrency=50)
    prompts = [f"Prompt number {number}." for number in range(50)]
    before = len(shared_site.messages)
    texts = caller.many(prompts)
    assert len(shared_site.messages) - before == 50
    for prompt, text in zip(prompts, texts, strict=True):
        assert f"> {prompt}\n" in text
        assert "This is message 1 of our" in text
