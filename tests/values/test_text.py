"""The one sanitizer of text that others wrote: `values/text.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgptes.values.text import sanitize_line, sanitize_text, without_surrogates
from chatgptes.values.urls import redact

CONTROLS = {*map(chr, [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F)])}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, é, 中, 🙂", "plain, é, 中, 🙂"),
        ("a\x1b[31mb", "a␛[31mb"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("\x00\x7f\x9b", "␀␡\ufffd"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("a\ud800", "a\ufffd"),
    ],
)
def test_what_steers_a_terminal_is_shown_as_a_picture(text: str, shown: str) -> None:
    assert sanitize_text(text) == shown


@given(st.text(st.characters()))
def test_no_text_steers_and_every_one_can_be_written(text: str) -> None:
    safe = sanitize_text(text)
    safe.encode()
    assert not CONTROLS - {"\n", "\t"} & {*safe}
    line = sanitize_line(text, 20)
    line.encode()
    assert len(line) <= 20
    assert not CONTROLS & {*line}
    assert sanitize_text(safe) == safe


@pytest.mark.parametrize(
    ("text", "limit", "line"),
    [
        (" a \n\t b ", None, "a b"),
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abc def", 5, "abc…"),
        ("", 5, ""),
    ],
)
def test_a_line_is_cut(text: str, limit: int | None, line: str) -> None:
    assert sanitize_line(text, limit) == line


def test_halves_of_a_pair_become_its_character() -> None:
    assert without_surrogates("a\ud83d\ude42b\ude42") == "a🙂b\ufffd"


def test_an_address_is_shown_safe_and_short() -> None:
    shown = redact("https://a.test/\u202e\x1b" + "x" * 1000 + "?nonce=secret")
    assert len(shown) <= 300
    assert not CONTROLS & {*shown}
    assert redact("https://u:p@a.test/b?p=1&nonce=secret#c") == "https://a.test/b?p=1&…"
