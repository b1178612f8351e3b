"""Each size that is bounded has its error, and the error names the field of `Limits`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from servers import Connection, body
from wire import PAGE, STREAM, delta, site, turn

from chatgptes import (
    AsyncClient,
    ChatGptEsError,
    Client,
    InvalidConfigError,
    InvalidMessageError,
    Limits,
    Reply,
    ResponseTooLargeError,
    StreamInterruptedError,
)

SIZE = 50_000
BIG = 200_000
"""Below the defaults, but for headers."""
END = b"data: [DONE]\n\n"

BROKEN = ("event without end", "headers")  # No answer whatever the limits are.
Fault = dict[str, Callable[[Connection], None]]


def sending(data: bytes, *lines: str) -> Callable[[Connection], None]:
    return lambda connection: connection.send(body(data, *lines))


CASES: dict[str, tuple[str, Fault]] = {
    "page": ("page", {"page": sending(PAGE + b" " * BIG)}),
    "answer": (
        "answer",
        {"answer": sending(json.dumps({"status": "success", "data": "x" * BIG}).encode())},
    ),
    "answer under a stream's type": (
        "answer",
        {"answer": sending(json.dumps({"status": "success", "data": "x" * BIG}).encode(), STREAM)},
    ),
    "stream": ("stream", {"answer": sending(delta("Hello") * (BIG // 50) + END, STREAM)}),
    "event": ("event", {"answer": sending(delta("Hello") + delta("x" * BIG) + END, STREAM)}),
    "event without end": ("event", {"answer": sending(b"data: " + b"x" * BIG, STREAM)}),
    "headers": ("headers", {"answer": sending(END, STREAM, "X-Big: " + "x" * 60_000)}),
    "headers of the page": ("headers", {"page": sending(PAGE, *["X-Many: " + "x" * 900] * 90)}),
}


@pytest.mark.parametrize("kind", ["requests", "curl_cffi"])
@pytest.mark.parametrize("case", CASES)
def test_limit(kind: str, case: str) -> None:
    name, faults = CASES[case]
    with site(**faults) as server:
        result, seen = turn(
            "sync", server.url, transport=kind, retries=0, limits=Limits(**{name: SIZE})
        )
        assert isinstance(result, ChatGptEsError)
        cause = result.__cause__ if isinstance(result, StreamInterruptedError) else result
        assert type(cause) is ResponseTooLargeError
        assert f"Limits.{name} " in f"{result} "
        assert bool(seen) == isinstance(result, StreamInterruptedError)
        # The defaults are far above it.
        result, _ = turn("sync", server.url, transport=kind, retries=0)
        assert isinstance(result, Reply) or case in BROKEN


@pytest.mark.parametrize(
    "messages",
    ["x" * 11, [{"role": "user", "content": "x" * 6}, {"role": "assistant", "content": "y" * 4},
                {"role": "user", "content": "z"}]],
)  # fmt: skip
def test_prompt(messages: Any) -> None:
    with site() as server:
        limits = Limits(prompt=10)
        for client in (Client(server.url, limits=limits), AsyncClient(server.url, limits=limits)):
            with pytest.raises(InvalidMessageError, match=r"11 characters.*Limits\.prompt"):
                client.stream(messages)
        with Client(server.url, limits=limits, trust_env=False) as client:
            assert client.chat("x" * 10).text == "Hello world"
        assert server.prompts == 1


def test_a_conversation_counts_each_message() -> None:
    with site() as server, Client(server.url, limits=Limits(prompt=10), trust_env=False) as client:
        talk = client.conversation()
        talk.chat("x" * 10)
        with pytest.raises(InvalidMessageError, match=r"Limits\.prompt"):
            talk.chat("x" * 11)
        assert talk.chat("y" * 10).text


@pytest.mark.parametrize("name", Limits.__slots__)
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "9"])
def test_what_is_no_limit(name: str, value: Any) -> None:
    with pytest.raises(InvalidConfigError, match=f"limits: {name} must be"):
        Limits(**{name: value})
    with pytest.raises(InvalidConfigError, match="limits"):
        Client("http://127.0.0.1/", limits=value or {"page": 5})  # type: ignore[arg-type]


def test_the_total_is_bounded_by_default() -> None:
    timeout = Client("http://127.0.0.1/").timeout
    assert timeout.total is not None
    assert timeout.connect is not None
    assert timeout.read is not None
