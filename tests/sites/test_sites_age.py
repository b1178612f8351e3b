"""Small facts of dialects: ages by a page's marks, codes in a stream, bytes that are no UTF-8."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hearing import decode, page_of, question_for

from chatgptes.errors import RefusedError
from chatgptes.sites.aiengine.mwai import Mwai
from chatgptes.sites.aiengine.page import NONCE_IN_PAGE
from chatgptes.sites.aipower import AIPKIT, REST, WPAICG
from chatgptes.sites.sse import EventDecoder


def test_ages() -> None:
    endpoint = question_for(WPAICG).endpoint
    assert WPAICG.age(page_of(""), endpoint) == "up to 1.9.18, or 2.2"
    assert "1.9.16" in WPAICG.age(page_of(""), replace(endpoint, post_id="<15"))
    assert AIPKIT.age(page_of('{"streamEnabled":1}'), endpoint) == "2.3 to 2.4.0"
    assert AIPKIT.age(page_of(""), endpoint) == "2.4.1 or later"
    assert REST.age(page_of(""), endpoint) == "2.3 or later"
    mwai = Mwai()
    for body in ("&quot;blocks&quot;", '"blocks"'):
        assert mwai.age(page_of(body), endpoint) == "2.4.8 or later"
    assert "2.4.4 to 2.4.7" in mwai.age(page_of(""), endpoint)
    in_page = replace(endpoint, extra={NONCE_IN_PAGE: "yes"})
    assert mwai.age(page_of(""), in_page) == "2.0.1 to 2.4.3"


@pytest.mark.parametrize("code", ["cors_denied", "embed_not_available"])
def test_a_code_in_a_stream_wherever_it_stands(code: str) -> None:
    for data in ({"error": "x", "code": code}, {"error": {"message": "x", "code": code}}):
        error = decode(AIPKIT, f"event: error\ndata: {json.dumps(data)}\n\n").error
        assert type(error) is RefusedError
        assert error.code == code


def test_bytes_that_are_no_utf8() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: {}\n\n") == [("", "{}")]
    assert decoder.feed(b'data: {"a":"\xff"}\n\n') == [("", '{"a":"\ufffd"}')]
