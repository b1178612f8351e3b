"""Images that go with a message, over real sockets, as the sandbox receives them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import chatgptes
from chatgptes import (
    AsyncClient,
    Client,
    InvalidConfigError,
    InvalidMessageError,
    Limits,
    RefusedError,
)
from chatgptes.sandbox import Site

GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"
MOVING = b"GIF89a" + b"\x21\xf9\x04 frame" * 2 + b";"
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 5 + b"\xff\xd9"
WEBP = b"RIFF\x16\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00" + bytes(10)


def png(size: int = 0) -> bytes:
    """A PNG of one pixel, with `size` bytes of ballast."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + crc

    head = (1).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    ballast = chunk(b"teXt", os.urandom(size)) if size else b""
    pixel = chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + ballast + pixel + chunk(b"IEND", b"")


PNG = png()


def data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture(params=["requests", "curl_cffi"])
def transport(request: pytest.FixtureRequest) -> Any:
    return request.param


def sent(site: Site) -> list[tuple[str, bytes]]:
    """The pictures that the model was last shown."""
    found: list[tuple[str, bytes]] = site.messages[-1][-1].get("images", [])
    return found


@pytest.mark.parametrize("page", ["classic", "classic-plain", "aipkit-images"])
@pytest.mark.parametrize("size", [0, 3_000_000])
def test_an_image_arrives(site: Site, page: str, size: int, transport: Any) -> None:
    picture = png(size)
    with Client(site.page(page), transport=transport) as client:
        client.chat("What is it, “dear” bot?", images=[picture])
    assert sent(site) == [("image/png", picture)]
    assert site.messages[-1][-1]["content"] == "What is it, “dear” bot?"
    # To quote millions of characters would take long.
    taken = [request for request in site.requests if request.method == "POST"][-1]
    multipart = taken.headers["content-type"].startswith("multipart/form-data")
    assert multipart or (page == "aipkit-images" and size == 0)


@pytest.mark.parametrize(
    ("kind", "data"),
    [("image/png", PNG), ("image/jpeg", JPEG), ("image/webp", WEBP), ("image/gif", GIF)],
)
def test_kinds_are_told_by_their_content(site: Site, kind: str, data: bytes) -> None:
    with Client(site.page("classic")) as client:
        # What a data: URL, or a file's name, says of itself may be wrong.
        client.chat("What is it?", images=[data_url("image/x-wrong", data)])
        assert sent(site) == [(kind, data)]
    with Client(site.page("aipkit-images")) as client:
        if kind == "image/gif":
            with pytest.raises(InvalidMessageError, match=r"no gif images, only jpeg, png, webp"):
                client.chat("What is it?", images=[data])
            return
        client.chat("What is it?", images=[data])
        assert sent(site) == [(kind, data)]


def test_every_way_to_name_one(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "of another kind.txt"
    path.write_bytes(PNG)
    url = data_url("image/png", PNG)
    parts: list[Any] = [
        {"type": "image", "image": str(path)},
        {"type": "image", "image": path},
        {"type": "image", "image": PNG},
        {"type": "image", "image": url},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
        {"type": "image_url", "image_url": url},
    ]
    with Client(site.page("aipkit-images")) as client:
        for part in parts:
            content = [{"type": "text", "text": "What "}, part, {"type": "text", "text": "is it?"}]
            client.chat([{"role": "user", "content": content}])
            assert sent(site) == [("image/png", PNG)], part
            assert site.messages[-1][-1]["content"] == "What is it?"


def test_several(site: Site) -> None:
    with Client(site.page("aipkit-images")) as client:
        client.chat("Which?", images=[PNG, JPEG, WEBP, PNG])
        assert [kind for kind, _ in sent(site)] == [
            "image/png", "image/jpeg", "image/webp", "image/png",
        ]  # fmt: skip
        with pytest.raises(InvalidMessageError, match="takes 4 images a turn"):
            client.chat("Which?", images=[PNG] * 5)
    with (
        Client(site.page("classic")) as client,
        pytest.raises(InvalidMessageError, match=r"1 image a turn; these messages have 2"),
    ):
        client.chat("Which?", images=[PNG] * 2)


def test_images_of_a_whole_list_go_along(site: Site) -> None:
    messages = [
        {"role": "user", "content": [{"type": "image", "image": PNG}]},
        {"role": "assistant", "content": "A dot."},
        {"role": "user", "content": "Which colour?"},
    ]
    for page in ("classic", "aipkit-images"):
        with Client(site.page(page)) as client:
            client.chat(messages)
        assert sent(site) == [("image/png", PNG)]


def test_an_image_without_words(site: Site) -> None:
    with Client(site.page("aipkit-images")) as client:
        nothings: list[Any] = ["", "  ", *([{"role": "user", "content": c}] for c in ("", []))]
        for nothing in nothings:
            client.chat(nothing, images=[PNG])
            assert sent(site) == [("image/png", PNG)]
            assert len(site.messages[-1]) == 1
        with pytest.raises(InvalidMessageError, match="empty"):
            client.chat("")
    before = len(site.messages)
    with (
        Client(site.page("classic")) as client,
        pytest.raises(InvalidMessageError, match="without a word"),
    ):
        client.chat("", images=[PNG])
    assert len(site.messages) == before


def test_a_conversation(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)
    for page in ("classic", "aipkit-images"):
        with Client(site.page(page)) as client:
            talk = client.conversation()
            talk.chat("What is it?", images=[path])
            talk.chat([{"type": "text", "text": "And "}, {"type": "text", "text": "now?"}])
            assert sent(site) == []
            assert talk.messages[0]["content"] == [
                {"type": "text", "text": "What is it?"},
                {"type": "image", "image": data_url("image/png", PNG)},
            ]
            saved = json.loads(json.dumps(talk.to_dict()))
            again = client.conversation(saved)
            assert again.messages == talk.messages
            again.chat("Which colour?")
            asked = [message["content"] for message in site.messages[-1]]
            assert asked[::2] == ["What is it?", "And now?", "Which colour?"]


def test_a_saved_conversation_names_no_files(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(PNG)
    with Client(site.page("classic")) as client:
        talk = client.conversation()
        talk.chat("Hi", images=[PNG])
        saved = talk.to_dict()
        saved["messages"][0]["content"][1]["image"] = str(path)
        with pytest.raises(InvalidConfigError, match="damaged"):
            client.conversation(saved)
        # Nor does a bot show pictures.
        saved = talk.to_dict()
        saved["messages"][1]["content"] = saved["messages"][0]["content"]
        with pytest.raises(InvalidConfigError, match="damaged"):
            client.conversation(saved)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("https://example.com/cat.png", "nothing is fetched"),
        ("no/such/file.png", "can't be read: No such file"),
        (os.devnull, "is not a file"),
        ("nul\0.png", "can't be read"),
        (b"", "is empty"),
        (b"not a picture", "no picture that a site takes"),
        ("data:image/png;base64,@@@", "base64 is damaged"),
        ("data:image/png,%00", "without data in base64"),
        (5, "of type int"),
        (None, "of type NoneType"),
        (PNG + bytes(2000), "more than the 1,000 bytes"),
        (data_url("image/png", PNG + bytes(2000)), "more than the 1,000 bytes"),
    ],
)
def test_what_is_no_image(site: Site, image: Any, says: str) -> None:
    before = len(site.requests)
    with Client(site.page("classic"), limits=Limits(image=1000)) as client:
        with pytest.raises(InvalidMessageError, match=says):
            client.stream("Hi", images=[image])
        content = [{"type": "text", "text": "Hi"}, {"type": "image", "image": image}]
        with pytest.raises(InvalidMessageError, match=says):
            client.chat([{"role": "user", "content": content}])
        with pytest.raises(InvalidMessageError, match=says):
            client.conversation().chat("Hi", images=[image])
    assert len(site.requests) == before


@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "image"}],
        [{"type": "image", "image": PNG, "detail": "high"}],
        [{"type": "image", "url": "data:image/png,"}],
        [{"type": "image_url", "image_url": {}}],
        [{"type": "image_url", "image_url": {"url": "/etc/hostname"}}],
        [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
        [{"type": "video", "video": b""}],
    ],
)
def test_what_is_no_image_part(site: Site, parts: list[Any]) -> None:
    with Client(site.home) as client, pytest.raises(InvalidMessageError):
        client.chat([{"role": "user", "content": parts}])


@pytest.mark.parametrize("images", ["cat.png", b"cat", None, {"a": 1}, 5])
def test_images_is_a_list(site: Site, images: Any) -> None:
    with Client(site.home) as client, pytest.raises(InvalidMessageError, match="images is a list"):
        client.chat("Hi", images=images)


def test_only_the_user_shows_images(site: Site) -> None:
    for role in ("assistant", "system"):
        messages = [
            {"role": role, "content": [{"type": "image", "image": PNG}]},
            {"role": "user", "content": "Hi"},
        ]
        with Client(site.home) as client, pytest.raises(InvalidMessageError, match=role):
            client.chat(messages)


def test_a_bot_that_takes_none(site: Site) -> None:
    with (
        Client(site.home) as client,
        pytest.raises(InvalidMessageError, match=r"The bot 5 of this site takes no images"),
    ):
        client.chat("What is it?", images=[PNG])
    assert all("image_inputs" not in request.form for request in site.requests[-2:])


def test_the_owners_api_takes_none(site: Site) -> None:
    before = len(site.requests)
    with Client(site.home, api_key=site.api_key, bot="8") as client:
        with pytest.raises(InvalidMessageError, match="REST API takes no images"):
            client.chat("What is it?", images=[PNG])
        with pytest.raises(InvalidConfigError, match="web_search"):
            client.chat("What is it?", web_search=True)
    assert len(site.requests) == before


def test_what_the_site_refuses(site: Site) -> None:
    with (
        Client(site.page("classic-plain")) as client,
        pytest.raises(RefusedError, match="refused the image"),
    ):
        client.chat("What is it?", images=[MOVING])


def test_bots_say_what_they_take(site: Site) -> None:
    pages = ("classic", "front", "aipkit-images")
    said = []
    for page in pages:
        with Client(site.page(page)) as client:
            said.append(client.bots()[0].images)
    assert said == [None, False, True]


def test_async_reads_files_off_the_loop(site: Site, tmp_path: Path, transport: Any) -> None:
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)

    async def main() -> None:
        async with AsyncClient(site.page("classic"), transport=transport) as client:
            await client.chat("What is it?", images=[path])
            assert sent(site) == [("image/png", PNG)]
            talk = client.conversation()
            await talk.chat("What is it?", images=[path])
            assert sent(site) == [("image/png", PNG)]
            # What takes time is not done on the loop: neither reading nor decoding.
            for wrong, says in (
                (tmp_path / "gone.png", "gone.png') can't be read"),
                ("data:image/png;base64,@@@", "base64 is damaged"),
            ):
                stream = client.stream("What is it?", images=[wrong])
                with pytest.raises(InvalidMessageError, match=re.escape(says)):
                    await anext(stream)

    asyncio.run(main())


def test_search_and_what_it_found(site: Site, transport: Any) -> None:
    with Client(site.page("aipkit-state"), transport=transport) as client:
        assert client.bots()[0].web_search
        reply = client.chat("What is new?", web_search=True)
        assert site.requests[-1].query["frontend_web_search_active"] == "true"
        assert [citation.url for citation in reply.citations] == [
            "https://example.com/a", "https://example.com/b",
        ]  # fmt: skip
        talk = client.conversation()
        talk.chat("What is new?", web_search=True)
        assert "frontend_web_search_active" in site.requests[-1].query
        talk.chat("And else?")
        assert "frontend_web_search_active" not in site.requests[-1].query
        with pytest.raises(InvalidConfigError, match="True or False"):
            client.chat("Hi", web_search="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize("page", ["front", "classic"])
def test_a_bot_that_can_not_search(site: Site, page: str) -> None:
    before = len(site.messages)
    with (
        Client(site.page(page)) as client,
        pytest.raises(InvalidConfigError, match="does not offer it"),
    ):
        client.chat("What is new?", web_search=True)
    assert len(site.messages) == before


def test_the_kept_clients_take_both(site: Site) -> None:
    chatgptes.chat("What is it?", images=[PNG], site=site.page("classic"))
    assert sent(site) == [("image/png", PNG)]
    assert chatgptes.chat("?", web_search=True, site=site.page("aipkit-state")).citations
    text = "".join(chatgptes.stream("What is it?", images=[PNG], site=site.page("aipkit-images")))
    assert f"1 image: image/png, {len(PNG)} bytes" in text
