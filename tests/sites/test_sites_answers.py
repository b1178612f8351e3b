"""Answers beside the words of a bot: which object of a body counts, and what is said of others."""

from __future__ import annotations

import json

import pytest
from engine import element
from engine import endpoints as engine_endpoints
from hearing import decode, page_of

from chatgptes.errors import UnexpectedFormatError
from chatgptes.sites.aiengine import MWAI, MWAI_REST
from chatgptes.sites.aipower import AIPKIT, REST, WPAICG
from chatgptes.sites.dialect import Dialect, NonceRefused


@pytest.mark.parametrize("notice", ['{"a": 1}', "5", '["success"]', ""])
def test_a_thumb_is_answered_by_the_object_that_says_so(notice: str) -> None:
    WPAICG.check_done(page_of(f'{notice}{{"success": true}}'))
    with pytest.raises(NonceRefused, match="too old"):
        WPAICG.check_done(page_of(f'{notice}{{"msg": "too old"}}'))
    with pytest.raises(UnexpectedFormatError):
        WPAICG.check_done(page_of(f'{notice}{{"status": "success"}}'))


def test_an_object_that_is_not_the_plugins_is_quoted_whole() -> None:
    """A firewall answers JSON, too; its `message` is no word of the plugin's."""
    error = WPAICG.error_for(page_of('{"rule": 7, "code": "waf"}', 403))
    assert type(error) is NonceRefused
    assert '"rule": 7' in str(error)
    assert error.code is None


@pytest.mark.parametrize(
    ("dialect", "status", "answer"),
    [
        (WPAICG, 403, {"msg": "No.", "code": "{}"}),
        (AIPKIT, 403, {"success": False, "data": {"code": "{}", "message": "No."}}),
        (REST, 401, {"code": "{}", "message": "No."}),
        (REST, 400, {"code": "{}", "message": "No."}),
        (MWAI, 401, {"code": "{}", "message": "No."}),
        (MWAI_REST, 401, {"code": "{}", "message": "No."}),
    ],
)
def test_a_code_has_a_hundred_characters_at_most(
    dialect: Dialect, status: int, answer: object
) -> None:
    for length in (99, 100, 101, 500):
        body = json.dumps(answer).replace("{}", "c" * length)
        code = dialect.error_for(page_of(body, status)).code or ""
        assert len(code) == min(length, 100), length
        assert code.startswith("c" * 99)


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        (WPAICG, {"success": False, "data": {"code": "{}", "message": "No."}}),
        (AIPKIT, {"success": False, "data": {"code": "nonce_failure{}", "message": "No."}}),
        (REST, {"code": "{}", "message": "No."}),
    ],
)
def test_so_has_the_code_of_an_answer(dialect: Dialect, answer: object) -> None:
    out = decode(dialect, json.dumps(answer).replace("{}", "c" * 500), kind="")
    assert out.error is not None
    assert len(out.error.code or "") == 100


def test_so_has_the_name_of_a_bot() -> None:
    (found,) = engine_endpoints(element({"aiName": "n" * 500}))
    assert len(found.bot.name) == 100
