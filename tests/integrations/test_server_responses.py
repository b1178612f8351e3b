"""`/v1/responses`, by OpenAI's own package."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import pytest

openai = pytest.importorskip("openai")
pytest.importorskip("uvicorn")

from serving import TOKEN, Served, page, serving  # noqa: E402

from chatgptes.integrations.server import SiteSettings  # noqa: E402
from chatgptes.sandbox import Site  # noqa: E402

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def served(site: Site) -> Iterator[Served]:
    with serving(page(site.page("aipkit-two"))) as served:
        yield served


@pytest.fixture
def client(served: Served) -> Iterator[Any]:
    with openai.OpenAI(base_url=served.url, api_key=TOKEN) as client:
        yield client


def test_create(client: Any, site: Site) -> None:
    answer = client.responses.create(
        model="5", input="Hello", instructions="Be kind.", temperature=0, store=False, metadata={}
    )
    assert (answer.object, answer.status, answer.model) == ("response", "completed", "5")
    assert answer.id.startswith("resp_")
    assert abs(answer.created_at - time.time()) < 60
    assert "> Hello" in answer.output_text
    assert answer.usage is None
    assert site.messages[-1][-1]["content"] == "Be kind.\n\nHello"


def test_a_conversation_and_an_image(site: Site) -> None:
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    with (
        serving(page(site.page("aipkit-images"))) as served,
        openai.OpenAI(base_url=served.url, api_key=TOKEN) as client,
    ):
        first = client.responses.create(model="8", input="My name is Ada.")
        parts = [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": url, "detail": "auto"},
        ]
        answer = client.responses.create(
            model="8",
            input=[
                {"role": "user", "content": "My name is Ada."},
                *first.output,
                {"role": "user", "content": parts},
            ],
        )
    assert "My name is Ada." in answer.output_text
    assert "1 image: image/png" in answer.output_text


def test_stream(client: Any) -> None:
    events = list(client.responses.create(model="6", input="Hello", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events if event.type != "response.output_text.delta"]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 5
    assert "".join(deltas) == events[-1].response.output_text


def test_the_streaming_helper(client: Any) -> None:
    """It puts the events together itself, and raises where they don't fit."""
    with client.responses.stream(model="5", input="Hello") as stream:
        for _ in stream:
            pass
        assert "> Hello" in stream.get_final_response().output_text


def test_usage(site: Site) -> None:
    settings = SiteSettings({"site": site.url, "api_key": site.api_key}, bots=(site.rest_bot,))
    with serving(settings) as served, openai.OpenAI(base_url=served.url, api_key=TOKEN) as client:
        usage = client.responses.create(model=site.rest_bot, input="Hello").usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0


def test_web_search(site: Site) -> None:
    search: list[Any] = [{"type": "web_search"}]
    with (
        serving(page(site.page("aipkit-state"))) as served,
        openai.OpenAI(base_url=served.url, api_key=TOKEN) as client,
    ):
        answer = client.responses.create(model="7", input="Hello", tools=search)
        with client.responses.stream(model="7", input="Hello", tools=search) as stream:
            added = [
                event for event in stream if event.type == "response.output_text.annotation.added"
            ]
    annotations = answer.output[0].content[0].annotations
    assert [each.type for each in annotations] == ["url_citation"] * len(added)
    assert annotations


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "function", "name": "f", "parameters": {}}]}, "tools"),
    ({"tools": [{"type": "web_search"}]}, "tools"),
    ({"text": {"format": {"type": "json_object"}}}, "text.format"),
    ({"tools": 5}, "tools"),
    ({"instructions": ["x"]}, "instructions"),
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"background": True}, "background"),
    ({"input": ""}, "input"),
    ({"input": []}, "input"),
    ({"input": [{"type": "function_call_output", "call_id": "1", "output": "x"}]}, "input[0]"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        "input[0]",
    ),
    ({"input": [5]}, "input"),
    ({"input": [{"role": "user", "content": [{"type": []}]}]}, "input[0]"),
    (
        {"input": [{"role": "user", "content": [{"type": "image", "image": "/etc/passwd"}]}]},
        "input[0]",
    ),
]


@pytest.mark.parametrize(("options", "param"), REFUSED, ids=[str(each)[:40] for each in REFUSED])
def test_bad_requests(client: Any, site: Site, options: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": "5", "input": "Hello", **options})
    assert caught.value.param == param
    assert not site.messages


def test_errors(client: Any, site: Site) -> None:
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="none", input="Hello")
    site.next("quota")
    with pytest.raises(openai.RateLimitError):
        client.responses.create(model="5", input="Hello", stream=True)
    site.next("model-error-mid")
    *events, last = client.responses.create(model="5", input="Hello", stream=True)
    assert events[-1].type == "response.output_text.delta"
    assert (last.type, last.code) == ("error", "model_failed")


def test_async_and_left_early(site: Site, served: Served) -> None:
    import asyncio

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=served.url, api_key=TOKEN) as client:
            answer = await client.responses.create(model="5", input="Hello")
            assert "> Hello" in answer.output_text
            site.next("stall")
            stream = await client.responses.create(model="5", input="Hello", stream=True)
            while site.stalled != 1:
                await asyncio.sleep(0.005)
            await stream.close()
            while site.stalled != 0:  # Not released: the server hung up.
                await asyncio.sleep(0.005)

    asyncio.run(main())
