"""OpenAI's own package against the server: list, create, stream, errors, a stream left early."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai")
pytest.importorskip("uvicorn")

from serving import TOKEN, Served, page, serving, until  # noqa: E402

from chatgptes.integrations.server import SiteSettings  # noqa: E402
from chatgptes.sandbox import Site  # noqa: E402

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def served(site: Site) -> Iterator[Served]:
    with serving(page(site.page("aipkit-two"))) as served:
        yield served


@pytest.fixture
def client(served: Served) -> Iterator[Any]:
    with openai.OpenAI(base_url=served.url, api_key=TOKEN) as client:
        yield client


def one(site: Site, name: str, **arguments: Any) -> SiteSettings:
    return page(site.page(name), **arguments)


def test_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["6", "5"]
    model = client.models.retrieve("5")
    assert (model.id, model.object, model.owned_by) == ("5", "model", "site")
    with pytest.raises(openai.NotFoundError, match="There is: 6, 5") as caught:
        client.models.retrieve("gpt-4o")
    assert caught.value.code == "model_not_found"


def test_create(client: Any, site: Site) -> None:
    answer = client.chat.completions.create(
        model="5",
        messages=[
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        ],
        temperature=0.1,
        max_tokens=9,
        seed=1,
        tools=[],
        response_format={"type": "text"},
        extra_body={"something_new": {"a": 1}},
    )
    assert answer.id.startswith("chatcmpl-")
    assert abs(answer.created - time.time()) < 60
    assert (answer.object, answer.model) == ("chat.completion", "5")
    (choice,) = answer.choices
    assert (choice.index, choice.finish_reason) == (0, "stop")
    assert choice.message.role == "assistant"
    assert "> Hello" in choice.message.content
    assert site.messages[-1][-1]["content"] == "Be kind.\n\nHello"
    assert answer._request_id.startswith("req_")


def test_stream(client: Any) -> None:
    chunks = list(client.chat.completions.create(model="6", messages=HELLO, stream=True))
    assert len({chunk.id for chunk in chunks}) == 1
    assert {(chunk.object, chunk.model) for chunk in chunks} == {("chat.completion.chunk", "6")}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].delta.role for chunk in chunks[1:]] == [None] * (len(chunks) - 1)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + [
        "stop"
    ]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "> Hello" in text
    assert len(chunks) > 10


def test_usage(site: Site) -> None:
    settings = SiteSettings({"site": site.url, "api_key": site.api_key}, bots=(site.rest_bot,))
    with serving(settings) as served, openai.OpenAI(base_url=served.url, api_key=TOKEN) as client:
        assert [model.id for model in client.models.list()] == [site.rest_bot]
        answer = client.chat.completions.create(model=site.rest_bot, messages=HELLO)
        assert answer.usage.total_tokens > 0
        assert (
            answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        )
        *chunks, last = client.chat.completions.create(
            model=site.rest_bot,
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        )
        assert last.choices == []
        assert last.usage == answer.usage
        assert all(chunk.usage is None for chunk in chunks)


def test_the_streaming_helper(client: Any) -> None:
    with client.chat.completions.stream(model="5", messages=HELLO) as stream:
        kinds = [event.type for event in stream]
    assert kinds[-2:] == ["content.done", "chunk"] or "content.done" in kinds
    assert "> Hello" in stream.get_final_completion().choices[0].message.content


def test_history_and_images(site: Site) -> None:
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
    ]
    messages: list[Any] = [
        {"role": "user", "content": "My name is Ada.", "name": "ada"},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": content},
    ]
    with (
        serving(one(site, "aipkit-images")) as served,
        openai.OpenAI(base_url=served.url, api_key=TOKEN) as client,
    ):
        answer = client.chat.completions.create(model="8", messages=messages)
    text = answer.choices[0].message.content
    assert "1 image: image/png" in text
    assert "My name is Ada." in text


def test_web_search_and_citations(site: Site) -> None:
    with (
        serving(one(site, "aipkit-state")) as served,
        openai.OpenAI(base_url=served.url, api_key=TOKEN) as client,
    ):
        answer = client.chat.completions.create(model="7", messages=HELLO, web_search_options={})
        *_, last = client.chat.completions.create(
            model="7", messages=HELLO, web_search_options={}, stream=True
        )
    message = answer.choices[0].message
    assert message.annotations
    for annotation in message.annotations:
        place = annotation.url_citation
        assert annotation.type == "url_citation"
        assert place.url.startswith("http")
        assert 0 <= place.start_index <= place.end_index <= len(message.content)
    streamed = last.choices[0].delta.annotations
    assert [each["url_citation"]["url"] for each in streamed] == [
        each.url_citation.url for each in message.annotations
    ]


@pytest.mark.parametrize("empty", ["", " \n", [], [{"type": "text", "text": ""}]])
def test_empty_messages_of_chat_windows(site: Site, empty: Any) -> None:
    """A system prompt that nobody has filled in, and an answer that was stopped at once."""
    assistant = {"role": "assistant", "content": empty or None}
    messages = [{"role": "system", "content": empty}, *HELLO, assistant, *HELLO, assistant]
    with serving(page(site.url)) as served:
        status, _, value = served.ask(body={"model": "5", "messages": messages})
    assert status == 200, value
    assert len(site.messages) == 1


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"n": 2}, "n"),
    ({"modalities": ["audio"]}, "modalities"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages[0]"),
    ({"messages": [{"role": "king", "content": "x"}]}, "messages"),
    ({"messages": [{"role": ["user"], "content": "x"}]}, "messages"),
    ({"messages": [{"role": "user", "content": None}]}, "messages"),
    ({"messages": [{"role": "assistant", "content": 5}, *HELLO]}, "messages"),
    ({"messages": [5]}, "messages"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "messages"),
    ({"messages": [{"role": "user", "content": "x" * 1_000_001}]}, "messages"),
    ({"messages": [{"role": "system", "content": ""}]}, "messages"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"extra_body": {"web_search_options": False}}, "web_search_options"),
    ({"extra_body": {"stream": "yes"}}, "stream"),
    ({"extra_body": {"user": 5}}, "user"),
]


@pytest.mark.parametrize(("options", "param"), REFUSED, ids=[str(each)[:40] for each in REFUSED])
def test_bad_requests(client: Any, site: Site, options: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": "5", "messages": HELLO, **options})
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert "=" not in caught.value.body["message"]  # Python's arguments mean nothing to a client.
    assert not site.messages


@pytest.mark.parametrize("kind", ["image_url", "image"])
@pytest.mark.parametrize("scheme", ["", "file://", "http://127.0.0.1:1"])
def test_images_are_never_fetched_or_read(
    site: Site, tmp_path: Path, kind: str, scheme: str
) -> None:
    """The library takes the path of a picture; a client of the server must not name one."""
    picture = tmp_path / "a.png"
    picture.write_bytes(PNG)
    url = f"{scheme}{picture}"
    part = {"type": kind, kind: url if kind == "image" else {"url": url}}
    with serving(one(site, "aipkit-images")) as served:
        question = {"model": "8", "messages": [{"role": "user", "content": [part]}]}
        status, _, value = served.ask(body=question)
    assert (status, value["error"]["param"]) == (400, "messages[0]")
    assert not site.messages


def test_a_wrong_token(served: Served) -> None:
    with (
        openai.OpenAI(base_url=served.url, api_key="wrong") as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.chat.completions.create(model="5", messages=HELLO)
    assert caught.value.code == "invalid_api_key"


# page of the sandbox -> status, code, and whether the SDK asks once more by itself
FAILURES = {
    "fault-rate-limit": (429, "rate_limit_exceeded", True),
    "fault-rate-limit-long": (429, "rate_limit_exceeded", False),
    "fault-rate-limit-bare": (429, "rate_limit_exceeded", False),
    "fault-quota": (429, "insufficient_quota", False),
    "fault-http-500": (502, "unexpected_response", False),
    "fault-maintenance": (503, "maintenance", False),
    "fault-challenge": (503, "bot_check", False),
    "fault-banned-word": (503, "site_refused", False),
    "fault-model-500": (502, "model_failed", False),
    "fault-model-empty": (502, "model_failed", False),
    "fault-empty": (502, "empty_reply", False),
    "fault-cut-start": (502, "no_response", False),
    "nobot": (404, "model_not_found", False),
    "challenge": (503, "bot_check", False),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FAILURES)
def test_failures(site: Site, name: str, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "chatgptes.server")
    status, code, again = FAILURES[name]
    settings = page(site.page(name), retries=0)
    with (
        serving(SiteSettings(settings.arguments, "site", my_site=True)) as served,
        openai.OpenAI(base_url=served.url, api_key=TOKEN, max_retries=1) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.chat.completions.create(model="site", messages=HELLO, stream=stream)
    error = caught.value
    assert (error.status_code, error.code) == (status, code), error.message
    assert error.response.headers["x-should-retry"] == ("true" if again else "false")
    wait = error.response.headers.get("retry-after")
    assert wait == {"fault-rate-limit": "1", "fault-rate-limit-long": "3600",
                    "fault-maintenance": "60"}.get(name)  # fmt: skip
    asked = [line for line in caplog.messages if '"method": "POST"' in line]
    assert len(asked) == (2 if again else 1)  # By the SDK, on its own.


def test_a_timeout(site: Site) -> None:
    with (
        serving(one(site, "fault-stall-headers", timeout=0.3, retries=0)) as served,
        openai.OpenAI(base_url=served.url, api_key=TOKEN) as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.chat.completions.create(model=client.models.list().data[0].id, messages=HELLO)
    assert (caught.value.status_code, caught.value.code) == (504, "timeout")


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_in_mid_answer(site: Site, stream: bool) -> None:
    texts = []
    with (
        serving(one(site, "fault-model-error-mid")) as served,
        openai.OpenAI(base_url=served.url, api_key=TOKEN) as client,
    ):
        model = client.models.list().data[0].id
        with pytest.raises(openai.APIError) as caught:
            answer = client.chat.completions.create(model=model, messages=HELLO, stream=stream)
            texts += [chunk.choices[0].delta.content for chunk in answer]
    error = caught.value
    assert (error.code, error.type) == ("model_failed", "upstream_error")
    if not stream:
        assert error.status_code == 502
        assert error.body["partial"]


def test_a_stream_left_early(site: Site) -> None:
    """The site's answer stalls, so nothing but the client's going can end its connection."""
    site.next("stall")
    with (
        serving(one(site, "front", max_concurrency=1)) as served,
        openai.OpenAI(base_url=served.url, api_key=TOKEN) as client,
    ):
        stream = client.chat.completions.create(model="5", messages=HELLO, stream=True)
        assert next(iter(stream)).choices[0].delta.role == "assistant"
        until(lambda: site.stalled == 1)
        stream.close()
        until(lambda: site.stalled == 0)  # Not released: the server hung up.
        # And its place is free.
        assert client.chat.completions.create(model="5", messages=HELLO).choices


def test_a_whole_answer_that_nobody_waits_for_any_more(site: Site) -> None:
    site.next("stall")
    with serving(one(site, "front", max_concurrency=1)) as served:
        with served.connect() as sock:
            sock.sendall(served.request({"model": "5", "messages": HELLO}))
            until(lambda: site.stalled == 1)
        until(lambda: site.stalled == 0)
        status, _, _ = served.ask(body={"model": "5", "messages": HELLO})
        assert status == 200


def test_async(served: Served) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=served.url, api_key=TOKEN) as client:
            names = [model.id async for model in client.models.list()]
            assert names == ["6", "5"]
            create = client.chat.completions.create
            answers = await asyncio.gather(
                *(create(model=name, messages=HELLO) for name in names * 5)
            )
            assert all("> Hello" in answer.choices[0].message.content for answer in answers)
            stream = await create(model="5", messages=HELLO, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            assert "> Hello" in text
            with pytest.raises(openai.NotFoundError):
                await create(model="none", messages=HELLO)

    asyncio.run(main())


def test_an_async_stream_that_is_cancelled(site: Site) -> None:
    site.next("stall")

    async def main(url: str) -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key=TOKEN) as client:
            begun = asyncio.Event()

            async def read() -> None:
                stream = await client.chat.completions.create(
                    model="5", messages=HELLO, stream=True
                )
                async for _ in stream:
                    begun.set()

            task = asyncio.create_task(read())
            await begun.wait()
            while site.stalled != 1:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while site.stalled != 0:
                await asyncio.sleep(0.005)

    with serving(one(site, "front")) as served:
        asyncio.run(main(served.url))


def test_users_are_visitors(site: Site) -> None:
    site.quota = 1
    other = "another-token-for-tests-987"
    with serving(one(site, "front"), tokens={"a": TOKEN, "b": other}) as served:

        def ask(token: str, user: str) -> int:
            with openai.OpenAI(base_url=served.url, api_key=token) as client:
                try:
                    client.chat.completions.create(model="5", messages=HELLO, user=user)
                except openai.RateLimitError:
                    return 429
            return 200

        first = [ask(TOKEN, "ada"), ask(TOKEN, "bob"), ask(other, "ada")]
        second = [ask(TOKEN, "ada"), ask(TOKEN, "bob"), ask(other, "ada")]
    assert first == [200] * 3
    assert second == [429] * 3
