"""What may be sent, and how it is put into words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgptes import InvalidMessageError
from chatgptes.values.http import Limits
from chatgptes.values.messages import Message, check, with_system, written_out


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "  \n\t",
        None,
        5,
        b"bytes",
        {"role": "user", "content": "Hi"},
        [],
        ["Hi"],
        [{}],
        [{"role": "user"}],
        [{"role": "bot", "content": "Hi"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": 5}],
        [{"role": "user", "content": b"Hi"}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": ["Hi"]}],
        [{"role": "user", "content": [{"type": "text"}]}],
        [{"role": "user", "content": [{"type": "text", "text": 5}]}],
        [{"role": "user", "content": [{"type": "video", "text": "Hi"}]}],
        [{"role": "user", "content": "Hi", "tool_calls": []}],
        [user("Hi"), {"role": "assistant", "content": "Hello"}],
        [{"role": "system", "content": "Hi"}],
        "half a character \ud83d",
        [user("fine"), user("\udc80")],
        "x" * 1001,
        [user("x" * 501), user("y" * 500)],
        iter([user("Hi")]),
    ],
)
def test_what_may_not_be_sent(wrong: Any) -> None:
    with pytest.raises(InvalidMessageError) as caught:
        check(wrong, Limits(prompt=1000))
    assert str(caught.value).endswith(".")


def test_what_may() -> None:
    assert check("Hi", Limits(prompt=2)) == (Message("user", "Hi"),)
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert check((user(parts),), Limits()) == (Message("user", "ab"),)


@given(st.text())
def test_any_text_is_sent_or_refused_in_our_words(text: str) -> None:
    try:
        (message,) = check(text, Limits())
    except InvalidMessageError:
        assert not text.strip() or len(text) > 100 or any("\ud800" <= c <= "\udfff" for c in text)
    else:
        assert message.text == text
        message.text.encode("utf-8")


def test_system_text_goes_before_the_first_user_message() -> None:
    messages = [
        Message("system", "B"),
        Message("assistant", "Hello"),
        Message("user", "one"),
        Message("system", "C"),
        Message("user", "two"),
    ]
    assert with_system(messages, "A") == [
        ("assistant", "Hello"),
        ("user", "A\n\nB\n\nC\n\none"),
        ("user", "two"),
    ]
    assert with_system([Message("user", "Hi")], None) == [("user", "Hi")]


def test_written_out() -> None:
    assert written_out([("user", "Hi")]) == "Hi"
    assert written_out([("user", "a"), ("assistant", "b"), ("user", "c")]) == (
        "User: a\n\nAssistant: b\n\nUser: c"
    )
