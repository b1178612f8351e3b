"""The bots that a page of an AI Engine site shows."""

from __future__ import annotations

import pytest
from engine import PAGE, SUBMIT, element, endpoints, response

from chatgptes.errors import UnexpectedFormatError
from chatgptes.sites.aiengine import MWAI


def test_a_bot() -> None:
    params = {"aiName": "Zoë \"Q\" <b>'s & Co: ", "startSentence": "Say 'hi' & \"go\"",
              "textInputMaxLength": 512, "mode": "chat", "window": False}  # fmt: skip
    (found,) = endpoints("<p>before</p>", element(params))
    assert (found.bot.id, found.bot.dialect, found.bot.kind) == ("default", "mwai", "inline")
    assert found.bot.name == 'Zoë "Q" <b>\'s & Co'
    assert found.bot.page == found.page_url == PAGE
    assert found.url == SUBMIT
    assert found.post_id == "6"
    assert (found.nonce, found.nonce_first) == ("", True)
    assert found.bot.greeting == "Say 'hi' & \"go\""
    assert found.extra["maxLength"] == "512"


def test_positions_are_bytes_of_the_page() -> None:
    page = f"<p>é</p>{element()}"
    assert [found.position for found in MWAI.find(response(page))] == [len("<p>é</p>".encode())]


def test_several_and_floating_ones() -> None:
    found = endpoints(element(), element({"window": True}, botId="second"))
    assert [(each.bot.id, each.bot.kind) for each in found] == [
        ("default", "inline"), ("second", "popup"),
    ]  # fmt: skip


def test_customised_bots() -> None:
    tailored, custom = {"customId": "c0ffee"}, {"botId": None, "customId": "my_custom"}
    assert [each.bot.id for each in endpoints(element(**tailored), element(**custom))] == [
        "default", "my_custom",
    ]  # fmt: skip
    both = endpoints(element(**tailored), element())
    assert [each.bot.id for each in both] == ["c0ffee", "default"]
    assert both[0].extra["botId"] == "default"
    assert "customId" not in both[1].extra


@pytest.mark.parametrize(
    "markup",
    [
        element(css="mwai-discussions-container"),
        "<div class='mwai-chatbot-container' data-system='{\"botId\": '></div>",
        "<div class='mwai-chatbot-container' data-system='[]'></div>",
        "<div class='mwai-chatbot-container'></div>",
        "<p>&lt;div class='mwai-chatbot-container' data-system='{}'&gt;</p>",
        f"<!-- {element()} -->",
        f"<script>let later = `{element()}`;</script>",
        element(botId=None, customId=None),
        element(botId=True),
        element(restUrl=None),
        "[mwai_chatbot_v2]",
    ],
)
def test_what_is_no_bot(markup: str) -> None:
    assert endpoints(markup) == []


def test_a_bot_without_params_is_one() -> None:
    (found,) = endpoints(element("nonsense"))
    assert (found.bot.name, found.bot.images) == ("", None)


@pytest.mark.parametrize(
    ("params", "takes"),
    [
        ({}, None),
        ({"imageUpload": False, "fileUpload": False}, False),
        ({"imageUpload": True}, True),
        ({"imageUpload": False, "fileUpload": True}, True),
    ],
)
def test_images(params: dict[str, object], takes: bool | None) -> None:
    assert endpoints(element(params))[0].bot.images is takes


def test_consent() -> None:
    blocks = [7, {"id": "other"}, {"id": "mwai_gdpr_1234", "type": "content"}]
    assert endpoints(element(blocks=blocks))[0].bot.consent
    for other in (blocks[:2], {}, None):
        assert not endpoints(element(blocks=other))[0].bot.consent


# Addresses.


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://a.test/blog/wp-json", "https://a.test/blog/wp-json/mwai-ui/v1/chats/submit"),
        ("https://a.test/wp-json/", SUBMIT),
        ("/wp-json", SUBMIT),
        ("https://a.test/index.php?rest_route=",
         "https://a.test/index.php?rest_route=/mwai-ui/v1/chats/submit"),
        ("https://a.test/?rest_route=/", "https://a.test/?rest_route=/mwai-ui/v1/chats/submit"),
        ("https://a.test/box//", "https://a.test/box/mwai-ui/v1/chats/submit"),
    ],
)  # fmt: skip
def test_roots(written: str, url: str) -> None:
    (found,) = endpoints(element(restUrl=written))
    assert found.url == url
    request = MWAI.nonce_request(found)
    assert request is not None
    assert request.url == url.replace("mwai-ui/v1/chats/submit", "mwai/v1/start_session")


@pytest.mark.parametrize("root", ["https://b.test/wp-json", "http://a.test:81/wp-json"])
def test_foreign_roots(root: str) -> None:
    with pytest.raises(UnexpectedFormatError, match="own host"):
        endpoints(element(restUrl=root))
    assert len(endpoints(element(restUrl=root), element())) == 1


# Nonces.


def test_a_nonce_in_the_page() -> None:
    (found,) = endpoints(element(restNonce="4d6e9ec537", sessionId="N/A"))
    assert (found.nonce, found.nonce_first) == ("4d6e9ec537", False)
    # These versions have no sessions: only a fresh page heals a dead nonce.
    assert MWAI.nonce_request(found) is None
    assert "4d6e9ec537" not in repr(found)


@pytest.mark.parametrize("nonce", ["", "a\r\nb: c", "ключ", "a b", 7, "x" * 300])
def test_what_can_not_stand_in_a_header_is_no_nonce(nonce: object) -> None:
    assert endpoints(element(restNonce=nonce))[0].nonce == ""


def test_the_plugins_scripts_are_a_trace() -> None:
    assert any(trace in b'<script src="/wp-content/plugins/ai-engine/app/x.js">' for trace in
               MWAI.traces)  # fmt: skip
