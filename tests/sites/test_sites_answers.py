"""Answers beside the words of a bot: which object of a body counts, and what is said of others."""

from __future__ import annotations

import html
import json

import pytest
from engine import element
from engine import endpoints as engine_endpoints
from hearing import decode, endpoints, page_of

from chatgptes.errors import ChatGptEsError, QuotaError, RefusedError, UnexpectedFormatError
from chatgptes.sites.aiengine import MWAI, MWAI_REST
from chatgptes.sites.aipower import AIPKIT, REST, WPAICG
from chatgptes.sites.challenge import challenge_error
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


def test_so_has_the_name_of_an_ai_engine_bot() -> None:
    (found,) = engine_endpoints(element({"aiName": "n" * 500}))
    assert len(found.bot.name) == 100


def test_so_has_the_name_of_a_bot_of_ai_power() -> None:
    config = html.escape(json.dumps({"botId": 5, "nonce": "n0nce", "headerName": "n" * 500}))
    page = page_of(f'<div class="aipkit_chat_container" data-config="{config}"></div>')
    (found,) = endpoints(AIPKIT.find(page))
    assert len(found.bot.name) == 100


@pytest.mark.parametrize("number", [999, 1000, 1001])
def test_a_thousand_citations_are_kept(number: int) -> None:
    cited = [{"url": f"https://a.test/{each}", "title": "t"} for each in range(number)]
    said = f"event: citations\ndata: {json.dumps(cited)}\n\n"
    out = decode(AIPKIT, said + 'data: {"delta": "Hi"}\n\nevent: done\ndata: {}\n\n')
    urls = [each.url for each in out.details.citations]
    assert urls == [f"https://a.test/{each}" for each in range(min(number, 1000))]


def test_cloudflares_own_json_names_it() -> None:
    def found(status: int, **data: object) -> ChatGptEsError | None:
        return challenge_error(page_of(json.dumps({"title": "No", **data}), status))

    error = found(403, cloudflare_error=True)
    assert type(error) is RefusedError
    assert error.blocked
    assert "(Cloudflare)" in str(error)
    assert error.excerpt == "No"
    for status in (200, 429, 500, 503):  # A rule says no for good.
        assert found(status, cloudflare_error=True) is None
    for other in (False, "true", 1):
        assert found(403, cloudflare_error=other) is None


def test_a_body_is_in_no_repr() -> None:
    """It can hold what a visitor wrote, and a nonce."""
    assert "n0nce" not in repr(page_of("n0nce", 403))


@pytest.mark.parametrize("first", ['{"delta": "Yes"}', '{"delta": "Yes", "at": 1}'])
@pytest.mark.parametrize("name", ["", "event: message\n"])
def test_a_delta_is_text_with_and_without_a_name(name: str, first: str) -> None:
    said = f'{name}data: {first}\n\n{name}data: {{"delta": " sir"}}\n\n'
    out = decode(AIPKIT, said + "event: done\ndata: {}\n\n")
    assert (out.text, out.error) == ("Yes sir", None)


@pytest.mark.parametrize("reason", [None, "", 5, [], {"a": 1}])
def test_a_reason_to_end_is_a_word(reason: object) -> None:
    choice = {"delta": {"content": "Yes"}, "finish_reason": "length"}
    last = {"delta": {}, "finish_reason": reason}
    said = "".join(f"data: {json.dumps({'choices': [each]})}\n\n" for each in (choice, last))
    out = decode(WPAICG, said + "data: [DONE]\n\n")
    assert (out.text, out.error) == ("Yes", None)
    assert out.details.finish_reason == "length"


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_a_quota_notice_is_one_wherever_it_stands(inside: bool, whole: bool) -> None:
    notice = {"quota_notice": {"message": "Enough for today."}}
    data = {"error": {"message": "No.", **notice}} if inside else {"error": "No.", **notice}
    body = json.dumps(data) if whole else f"event: error\ndata: {json.dumps(data)}\n\n"
    out = decode(AIPKIT, body, kind="")
    assert type(out.error) is QuotaError
    assert "Enough for today." in str(out.error)


@pytest.mark.parametrize("said", ["delta", "message"])
def test_a_models_refusal_is_its_text(said: str) -> None:
    choice = {said: {"content": None, "refusal": "I can't."}, "finish_reason": "stop"}
    out = decode(WPAICG, f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n")
    assert (out.text, out.error) == ("I can't.", None)
