"""`repr()` of an object whose making failed: debuggers and trackers call it on the way up."""

from __future__ import annotations

from typing import Any

import pytest

from chatgptes import (
    AsyncClient,
    AsyncConversation,
    AsyncStream,
    Client,
    Conversation,
    InvalidConfigError,
    Stream,
)
from chatgptes.transport.curl.hub import CurlHub
from chatgptes.transport.curl.transport import CurlTransport
from chatgptes.transport.plain.transport import RequestsTransport

CLASSES = [
    AsyncClient, AsyncConversation, AsyncStream, Client, Conversation, CurlHub, CurlTransport,
    RequestsTransport, Stream,
]  # fmt: skip


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_of_nothing(cls: type) -> None:
    assert repr(cls.__new__(cls)) == f"<{cls.__name__}, not made>"


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Client, {"site": "nowhere"}),
        (Client, {"transport": "requests", "verify": "/no/such/file"}),
        (Client, {"transport": "curl_cffi", "impersonate": "a typewriter"}),
        (AsyncClient, {"retries": -1}),
        (RequestsTransport, {"proxy": "ftp://a"}),
        (CurlTransport, {"proxy": "ftp://a"}),
        (CurlHub, {"impersonate": "a typewriter"}),
    ],
)
def test_of_one_whose_making_failed(cls: type, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        cls(**arguments)
    trace = caught.value.__traceback__
    seen = []
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            repr(value)
            seen.append(type(value))
        trace = trace.tb_next
    assert cls in seen


def test_of_a_conversation_whose_file_is_none(tmp_path: Any) -> None:
    path = tmp_path / "saved.json"
    path.write_text("{")
    client = Client("https://example.org/", transport="requests", trust_env=False)
    with pytest.raises(InvalidConfigError) as caught:
        client.conversation(path)
    trace = caught.value.__traceback__
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            repr(value)
        trace = trace.tb_next
