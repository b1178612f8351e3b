"""The event decoder: `sites/sse.py`."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgptes.errors import ResponseTooLargeError
from chatgptes.sites.sse import EventDecoder

Pairs = list[tuple[str | None, str]]


def decode(body: bytes, cuts: tuple[int, ...] = (), max_event: int = 1 << 20) -> Pairs:
    decoder = EventDecoder(max_event)
    ends = [*sorted(cut for cut in cuts if cut <= len(body)), len(body)]
    pairs: Pairs = []
    for start, end in zip([0, *ends], ends, strict=False):
        pairs += decoder.feed(body[start:end])
    pairs += decoder.end()
    if decoder.error is not None:
        raise decoder.error
    return pairs


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (b"data: a\n\n", [("", "a")]),
        (b"data:a\n\ndata:  b\n\n", [("", "a"), ("", " b")]),
        (b"event: e\ndata: a\n\ndata: b\n\n", [("e", "a"), ("", "b")]),
        (b"data: a\nevent: e\n\n", [("e", "a")]),
        (b"event: e\nevent: f\ndata: a\n\n", [("f", "a")]),
        (b"data: a\ndata: b\ndata\n\n", [("", "a\nb\n")]),
        (b"data\n\n", [("", "")]),
        (b"event: e\n\ndata: a\n\n", [("", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("", "a"), ("", "b")]),
        (b": comment\n:" + b" " * 4096 + b"\n\ndata: a\n\n", [("", "a")]),
        (b"id: 1\nretry: 5\nid\ndata: a\n\n", [("", "a")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [("", "a"), ("", "b"), ("", "c")]),
        ("data: a\u0085b\u2028c\x0bd\n\n".encode(), [("", "a\u0085b\u2028c\x0bd")]),
        (b"data: a", [("", "a")]),
        (b"data: a\ndata: b", [("", "a\nb")]),
        (b"data: \xff\n\n", [("", "\ufffd")]),
        (b"data: \xff\ndata: b\n\n", [("", "\ufffd\nb")]),
        (b"event:e\ndata:a\n\n", [("e", "a")]),
        (b"event:!e\ndata: a\n\n", [(None, "event:!e"), ("", "a")]),
        (b" event:!e\ndata: a\n\n", [(None, " event:!e"), ("", "a")]),
        (b"event: \xff\ndata: a\n\n", [(None, "event: \ufffd"), ("", "a")]),
        (
            b'{"msg":"\xff\xff\xff"} data: {"a":1}\n\n',
            [(None, '{"msg":"\ufffd\ufffd\ufffd"} '), ("", '{"a":1}')],
        ),
        (b'notice data: {"a":"\xff"}\n\n', [(None, "notice "), ("", '{"a":"\ufffd"}')]),
        (b'data: <b>x</b>\ndata: {"a":1}\n\n', [("", '{"a":1}')]),
        (b'data:data: {"a":1}\n\n', [("", '{"a":1}')]),
        (b'data: 5\ndata: {"a":1}\n\n', [("", '{"a":1}')]),
        (b'data: {x\ndata: {"a":1}\n\n', [("", '{"a":1}')]),
        (b'{"msg":"data: {}<br>"}\n\n', [(None, '{"msg":"data: {}<br>"}')]),
        (b'data: a\n\n{"status":1}', [("", "a"), (None, '{"status":1}')]),
        (
            b"<p>x</p>\ndata: a\nrest: of it\n\n",
            [(None, "<p>x</p>"), ("", "a"), (None, "rest: of it")],
        ),
        (b" data: a\n\n", [("", "a")]),
        (b"", []),
    ],
)
def test_events_however_they_are_cut(body: bytes, pairs: Pairs) -> None:
    assert decode(body) == pairs
    assert decode(body, tuple(range(len(body)))) == pairs
    for cuts in itertools.combinations(range(min(len(body), 40) + 1), 2):
        assert decode(body, cuts) == pairs


LINES = st.lists(
    st.sampled_from(
        [
            b"data: x",
            b"data:\xc3\xa9",
            b"data",
            b"event: e",
            b"event",
            b": c",
            b"",
            b"",
            b"id: 3",
            b"stray",
            b"\xef\xbb\xbfdata: b",
            b"data: \xf0\x9f\x99\x82",
        ]
    ),
    max_size=12,
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(LINES, st.data())
@settings(max_examples=300, deadline=None)
def test_the_ends_of_lines_and_the_cuts_change_nothing(
    lines: list[bytes], data: st.DataObject
) -> None:
    plain = b"".join(line + b"\n" for line in lines)
    body = b"".join(line + data.draw(ENDS) for line in lines)
    if b"\r\n" not in body.replace(b"\r\n", b""):
        cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8).map(tuple))
        # "\r" and "\n" of two lines next to each other would be one end of a line.
        if body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") == plain:
            assert decode(body, cuts) == decode(plain)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8).map(tuple))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_decoded_the_same_however_cut(body: bytes, cuts: tuple[int, ...]) -> None:
    assert decode(body, cuts) == decode(body)


def test_an_event_comes_with_the_byte_that_ends_it() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: a\r\n") == []
    assert decoder.feed(b"\r") == [("", "a")]
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"data: b\n\n") == [("", "b")]


@pytest.mark.parametrize("pad", [b"", b"\n"])
def test_an_event_too_large_raises_behind_the_ones_before(pad: bytes) -> None:
    body = b"data: a\n\n" + b"data: " + b"x" * 2000 + pad
    for step in (1, 7, len(body)):
        decoder, pairs = EventDecoder(1000), []
        for start in range(0, len(body), step):
            pairs += decoder.feed(body[start : start + step])
        assert isinstance(decoder.error, ResponseTooLargeError)
        assert "1000 bytes" in str(decoder.error)
        assert pairs == [("", "a")]
        assert decoder.feed(b"data: b\n\n") == decoder.end() == []


def test_many_lines_of_one_event_are_counted_together_and_comments_are_not() -> None:
    with pytest.raises(ResponseTooLargeError):
        decode(b"data: 0123456789\n" * 100, max_event=1000)
    assert decode(b": 0123456789\n" * 1000 + b"data: a\n\n", max_event=1000) == [("", "a")]


@pytest.mark.parametrize(
    "flood",
    [
        b"data: ", b"\xef\xbb\xbfdata:", b" event:", b"<!---->", b"<!-- ", b"{", b"data: {", b"{}",
        b"<script></script>", b"event: a data: {} x", b"data: [DONE]", b"\xef\xbb\xbf", b"\n{",
        b"data: {\n", b"data: {}\n", b"x data: {}\n", b"<script>\n", b" :",
    ],
)  # fmt: skip
def test_no_flood_takes_long_or_deep(flood: bytes) -> None:
    body = flood * (1_000_000 // len(flood))
    started = time.process_time()
    for step in (65_536, len(body)):
        decoder = EventDecoder(1 << 30, ["a"])
        for start in range(0, len(body), step):
            decoder.feed(body[start : start + step])
        decoder.end()
    assert time.process_time() - started < 20  # A quadratic way takes many minutes.


def test_time_is_linear_in_the_bytes() -> None:
    burst = b'data: {"delta":" some"}\n\n' * 100_000
    started = time.process_time()
    assert len(decode(burst)) == 100_000
    line = b"data: " + b"x" * 500_000 + b"\n\n"
    assert len(decode(line, tuple(range(len(line))))) == 1
    assert len(decode(b"data\n" * 300_000 + b"\n", max_event=1 << 30)) == 1
    assert time.process_time() - started < 20  # A quadratic way takes minutes.


@pytest.mark.parametrize("marks", [b"", b" ", b"\xef\xbb\xbf", b"\0 \t\xef\xbb\xbf\xef\xbb\xbf"])
def test_a_notice_right_before_a_field_keeps_its_blanks(marks: bytes) -> None:
    notice = "<b>Not a</b> good\ttime to "
    pairs = [(None, notice), ("", '{"x":1}')]
    assert decode(marks + notice.encode() + b'data: {"x":1}\n\n') == pairs


def test_nothing_comes_behind_an_event_too_large() -> None:
    decoder = EventDecoder(30)
    assert decoder.feed(b'data: {"x":1}\n\n') == [("", '{"x":1}')]
    assert decoder.feed(b"data: " + b"x" * 30 + b"\n\n") == []
    assert decoder.error is not None
    assert decoder.feed(b'data: {"x":1}\n\n') == decoder.feed(b"\n\n") == decoder.end() == []
