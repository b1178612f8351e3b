"""`ChatGptEs`: the interface of the class that this library grew out of."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from proxies import proxy

from chatgptes import (
    ChatGptEs,
    InvalidConfigError,
    InvalidMessageError,
    ProxyError,
    StreamInterruptedError,
    UpstreamError,
)
from chatgptes.provider import AsyncGeneratorProvider, ProviderModelMixin
from chatgptes.sandbox import Site

HELLO = [{"role": "user", "content": "Hello, how are you?"}]


def provider(site: Site, page: str = "front") -> type[ChatGptEs]:
    class Local(ChatGptEs):
        url = site.page(page)

    return Local


async def collect(chunks: Any) -> list[str]:
    return [chunk async for chunk in chunks]


def test_what_programs_read() -> None:
    assert ChatGptEs.url == "https://chatgpt.es"
    assert ChatGptEs.api_endpoint == "https://chatgpt.es/wp-admin/admin-ajax.php"
    assert ChatGptEs.working
    assert ChatGptEs.supports_stream
    assert not ChatGptEs.supports_system_message
    assert not ChatGptEs.supports_message_history
    assert ChatGptEs.default_model == "gpt-4o"
    assert ChatGptEs.models == ["gpt-4", "gpt-4o", "gpt-4o-mini"] == ChatGptEs.get_models()
    assert "English" in ChatGptEs.SYSTEM_PROMPT
    assert issubclass(ChatGptEs, (AsyncGeneratorProvider, ProviderModelMixin))
    assert ChatGptEs.get_dict() == {"name": "ChatGptEs", "url": ChatGptEs.url, "label": None}
    assert ChatGptEs.get_parent() == "ChatGptEs"
    assert not ChatGptEs.needs_auth
    assert ChatGptEs.use_stream_timeout


def test_models() -> None:
    assert ChatGptEs.get_model("") == ChatGptEs.get_model(None) == "gpt-4o"
    assert ChatGptEs.get_model("gpt-4") == "gpt-4"
    with pytest.raises(InvalidConfigError, match="gpt-4o-mini"):
        ChatGptEs.get_model("gpt-9")


@pytest.mark.parametrize("page", ["front", "classic", "classic-plain", "aipkit-old"])
def test_the_old_program_runs(site: Site, page: str) -> None:
    """The program that people had, on a site of any generation."""
    local = provider(site, page)

    async def main() -> str:
        text = ""
        async for response in local.create_async_generator(model="gpt-4o", messages=HELLO):
            text += response
        return text

    answer = asyncio.run(main())
    assert "Hello, how are you?" in answer
    prompt = site.messages[-1][-1]["content"]
    assert " ".join(prompt.split()).startswith(ChatGptEs.SYSTEM_PROMPT)
    assert "Mozilla" in site.requests[-1].headers["user-agent"]


@pytest.mark.filterwarnings("ignore")  # pproxy's own.
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_the_old_program_runs_through_a_proxy(
    site: Site, scheme: str, server_context: ssl.SSLContext
) -> None:
    local = provider(site)
    with proxy(scheme, server_context) as (url, running):

        async def main() -> list[str]:
            return await collect(
                local.create_async_generator(model="gpt-4o", messages=HELLO, proxy=url)
            )

        assert "Hello, how are you?" in "".join(asyncio.run(main()))
        assert running.routes
    # The proxy is gone: nothing goes around it.
    with pytest.raises(ProxyError):
        asyncio.run(main())


def test_messages_of_other_programs(site: Site) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "My name is Ada.", "name": "ada"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": [{"type": "text", "text": "Who am I?"}], "id": 5},
    ]
    asyncio.run(provider(site, "classic").create_async("", messages))
    seen = [each["content"] for each in site.messages[-1] if each["role"] != "system"]
    assert len(seen) == 3
    assert "Be brief. My name is Ada." in seen[0]
    assert seen[-1] == "Who am I?"


@pytest.mark.parametrize("wrong", [[], None, [None], [{"role": "user", "content": ""}]])
def test_messages_that_are_none(site: Site, wrong: Any) -> None:
    with pytest.raises(InvalidMessageError):
        asyncio.run(provider(site).create_async("gpt-4o", wrong))
    assert site.requests == []


def test_ways_to_call_it(site: Site) -> None:
    local = provider(site)
    whole = asyncio.run(local.create_async("gpt-4o", HELLO))
    assert "".join(local.create_completion("gpt-4o", HELLO)) == whole
    assert list(local.create_completion("gpt-4o", HELLO, stream=False)) == [whole]
    assert asyncio.run(local.create_async("gpt-4o", "Hello, how are you?")) == whole


def test_other_arguments_are_accepted(site: Site) -> None:
    local = provider(site)
    asyncio.run(
        local.create_async(
            "gpt-4o", HELLO, temperature=1, api_key="sk-of-another-service", stream=True,
            timeout=0, conversation=None, max_tokens=5, base_url="http://x", cookies={"a": "b"},
        )
    )  # fmt: skip
    sent = repr([(each.headers, each.form, each.query) for each in site.requests])
    assert "sk-of-another-service" not in sent
    with pytest.raises(TimeoutError):
        asyncio.run(_stalled(site, local))
    asyncio.run(local.create_async("gpt-4o", HELLO, transport="requests"))
    assert "chatgptes/" in site.requests[-1].headers["user-agent"]


def test_how_long_the_site_may_be_silent(site: Site) -> None:
    """`stream_timeout`, for every way to call it; and an empty proxy is none."""
    local = provider(site)
    list(local.create_completion("gpt-4o", HELLO, proxy=""))
    for call in (
        lambda: list(local.create_completion("gpt-4o", HELLO, stream_timeout=0.2)),
        lambda: list(local.create_completion("gpt-4o", HELLO, stream=False, stream_timeout=0.2)),
        lambda: asyncio.run(local.create_async("gpt-4o", HELLO, stream_timeout=0.2)),
    ):
        site.next("stall")
        with pytest.raises(StreamInterruptedError, match="silent"):
            call()
        site.release()


async def _stalled(site: Site, local: type[ChatGptEs]) -> None:
    site.next("stall-headers")
    try:
        await local.create_async("gpt-4o", HELLO, timeout=0.2)
    finally:
        site.release()


def test_answers_that_are_none_are_value_errors(site: Site) -> None:
    local = provider(site)
    for fault in ("quota", "model-500", "html", "cut", "challenge"):
        site.next(fault)
        with pytest.raises(ValueError):
            asyncio.run(local.create_async("gpt-4o", HELLO))
    site.next("model-500")
    with pytest.raises(UpstreamError):
        list(local.create_completion("gpt-4o", HELLO))


def test_one_page_and_one_visitor_for_all_calls(site: Site) -> None:
    local = provider(site)
    for _ in range(3):
        asyncio.run(local.create_async("gpt-4o", HELLO))
    asyncio.run(local.create_async("gpt-4o", HELLO, retries=0))
    pages = [each for each in site.requests if "admin-ajax" not in each.path]
    assert len(pages) == 2  # One for each set of settings.
    shown = {each.query["session_id"] for each in site.requests if "session_id" in each.query}
    assert len(shown) == 1


def test_many_at_once_and_steps_in_different_tasks(site: Site) -> None:
    local = provider(site)

    async def stepped() -> str:
        # As `asyncio.wait_for` does it: a task for each step.
        chunks = local.create_async_generator("gpt-4o", HELLO)
        text = ""
        while True:
            try:
                text += await asyncio.create_task(anext(chunks))
            except StopAsyncIteration:
                return text

    async def main() -> list[str]:
        return await asyncio.gather(*(stepped() for _ in range(10)))

    assert len(set(asyncio.run(main()))) == 1


def test_left_early(site: Site) -> None:
    local = provider(site)
    site.next("stall")

    async def main() -> None:
        async for _ in local.create_async_generator("gpt-4o", HELLO):
            break

    asyncio.run(asyncio.wait_for(main(), 10))
    assert asyncio.run(local.create_async("gpt-4o", HELLO))


def test_a_missing_curl_cffi(site: Site) -> None:
    program = textwrap.dedent("""
        import sys, asyncio
        sys.modules["curl_cffi"] = None
        from chatgptes import ChatGptEs, MissingRequirementsError
        ChatGptEs.url = sys.argv[1]
        hello = [{"role": "user", "content": "Hi"}]
        try:
            asyncio.run(ChatGptEs.create_async("gpt-4o", hello))
        except MissingRequirementsError as error:
            print(error)
        print(asyncio.run(ChatGptEs.create_async("gpt-4o", hello, transport="requests")))
    """)
    result = subprocess.run(
        [sys.executable, "-c", program, site.url], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert "pip install" in result.stdout
    assert "sandbox" in result.stdout
