"""Finding bots over all dialects: `sites/__init__.py`."""

from __future__ import annotations

import html
import json

import pytest
from hearing import PAGE, page_of, question_for
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgptes import sites
from chatgptes.errors import InvalidMessageError, UnexpectedFormatError
from chatgptes.sites import DIALECTS, KEY_DIALECTS, dialect_named, find_bots, plugin_traces
from chatgptes.sites.addresses import ajax_urls
from chatgptes.sites.aipower import aipkit, wpaicg
from chatgptes.sites.dialect import Bot, BufferedResponse, Endpoint, FoundBot
from chatgptes.sites.extras import capabilities
from chatgptes.sites.html import Tag, attributes
from chatgptes.values.http import Headers
from chatgptes.values.images import Image

BAD = "https://evil.test/wp-admin/admin-ajax.php"


def old(bot: str, kind: str = "shortcode") -> str:
    cls = "wpaicg-chat-shortcode" if kind == "shortcode" else "wpaicg-chatbox"
    return f'<div class="{cls}" data-nonce="abc" data-bot-id="{bot}" data-type="{kind}"></div>'


def new(bot: str, kind: str = "inline", url: str = "/wp-admin/admin-ajax.php") -> str:
    cls = "aipkit_chat_container" if kind == "inline" else "aipkit_popup_wrapper"
    config = html.escape(json.dumps({"botId": bot, "nonce": "def", "ajaxUrl": url}))
    return f"<div class='{cls}' data-config='{config}'></div>"


def found(body: str) -> list[tuple[str, str, str]]:
    bots = (endpoint.bot for endpoint in find_bots(page_of(body, url=PAGE)))
    return [(bot.dialect, bot.id, bot.kind) for bot in bots]


def test_the_order_is_the_pages() -> None:
    assert found(new("7", "popup") + old("1") + new("5") + old("0", "widget")) == [
        ("aipkit", "7", "popup"),
        ("wpaicg", "1", "shortcode"),
        ("aipkit", "5", "inline"),
        ("wpaicg", "0", "widget"),
    ]


def test_one_bot_in_two_places_is_the_one_in_the_text() -> None:
    assert found(old("3", "widget") + old("4") + old("3") + old("3")) == [
        ("wpaicg", "4", "shortcode"),
        ("wpaicg", "3", "shortcode"),
    ]
    assert found(new("3") + new("3", "popup")) == [("aipkit", "3", "inline")]
    assert found(new("3", "popup") + new("3")) == [("aipkit", "3", "inline")]
    assert len(found(new("3") + old("3"))) == 2


def test_a_bad_bot_hides_no_good_one() -> None:
    assert found(new("3", url=BAD) + old("4")) == [("wpaicg", "4", "shortcode")]
    params = f'<script>var wpaicgParams={{"ajax_url":"{BAD}"}}</script>'
    assert found(params + old("4") + new("3")) == [("aipkit", "3", "inline")]
    with pytest.raises(UnexpectedFormatError, match=r"a\.test.*evil\.test"):
        found(params + old("4") + new("3", url=BAD))


def test_a_page_without_bots() -> None:
    assert found("<p>Nothing</p>") == []
    assert not plugin_traces(b"<p>Nothing</p>")
    assert plugin_traces(b"<script>var wpaicgParams = {}</script>")
    assert plugin_traces(b"<link href='/wp-content/plugins/gpt3-ai-content-generator/x.css'>")


def test_dialects_by_name() -> None:
    assert [speaks.name for speaks in DIALECTS] == ["aipkit", "wpaicg", "mwai"]
    names = ["aipkit", "wpaicg", "rest", "mwai", "mwai-rest"]
    assert [dialect_named(name).name for name in names] == names
    with pytest.raises(KeyError):
        dialect_named("other")


class Third:
    """As little of a dialect as finding its bots takes."""

    name = "third"
    traces = (b"third-plugin",)

    def find(self, page: BufferedResponse) -> list[FoundBot]:
        at = page.body.find(b"<third>")
        bot = Bot("3", "", self.name, "popup", page.url)
        return [FoundBot(at, Endpoint(bot, page.url))] if at >= 0 else []


def test_a_further_dialect_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "DIALECTS", (*DIALECTS, Third()))
    assert found(old("1") + "<third>" + new("5")) == [
        ("wpaicg", "1", "shortcode"),
        ("third", "3", "popup"),
        ("aipkit", "5", "inline"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        '<img src="static/wp-content/a.png">',
        '<img src="/a-wp-content/b.png">',
        '<p>See /x/wp-admin/admin-ajax.php" and so on.</p>',
        '<link rel="https://api.w.org/" href="https://a.test/box">',
    ],
)
def test_what_names_no_address_is_no_guess(body: str) -> None:
    urls = ajax_urls(page_of(body, url="https://a.test/"))
    assert urls == ("https://a.test/wp-admin/admin-ajax.php",)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (["image/png"], ""),
        (["image/png", "image/png"], "takes 1 image a turn; these messages have 2"),
        (["image/bmp"], "takes no bmp images, only gif, jpeg, png, webp"),
    ],
)
def test_the_images_that_a_site_takes(images: list[str], says: str) -> None:
    asked = question_for(
        dialect_named("wpaicg"), images=tuple(Image(kind, b"x") for kind in images)
    )
    if not says:
        dialect_named("wpaicg").check(asked)
        return
    with pytest.raises(InvalidMessageError, match=says):
        dialect_named("wpaicg").check(asked)


def test_attributes_need_no_good_encoding() -> None:
    assert attributes(Tag(0, b"p", b" \xff='a' id='\xff'")) == {"\ufffd": "a", "id": "\ufffd"}


def test_every_dialect_is_whole() -> None:
    names = [each.name for each in (*DIALECTS, *KEY_DIALECTS)]
    assert len(set(names)) == len(names)
    for each in KEY_DIALECTS:
        assert each.namespace
        assert each.find(page_of(new("5"))) == []
    for each in DIALECTS:
        assert all(plugin_traces(b"<p>" + trace) for trace in each.traces)


PIECES = [
    old("1"), new("2"), "<!--", "-->", '"', "'", "<script>", "</script>", "<", ">",
    "&", "\x00", "é",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(max_examples=200, deadline=None)
def test_any_page_gives_bots_or_none(body: str) -> None:
    assert all(bot in ("1", "2") for _, bot, _ in found(body))


@pytest.mark.parametrize(
    "tag",
    [
        b'<x class="wpaicg-chatbox" data-bot-id=1>',
        b'<x class="aipkit_chat_container" data-config=\'{"botId":1,"nonce":"n"}\'>',
    ],
)
def test_the_page_is_searched_once_for_all_its_tags(
    tag: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: a page of thousands of tags would take hours otherwise."""
    looked: list[int] = []
    for module, name in ((wpaicg, "_search_nonce"), (wpaicg, "ajax_urls"), (aipkit, "ajax_urls")):
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, real=real: (looked.append(1), real(*given))[1]
        )
    find_bots(BufferedResponse("https://a.org/", 200, Headers(), tag * 2000))
    assert len(looked) <= 2


@pytest.mark.parametrize("flood", [b" /x%d/wp-content/", b"'/x%d/admin-ajax.php'"])
def test_not_every_address_of_a_flood_is_tried(
    flood: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    monkeypatch.setattr("chatgptes.sites.addresses.join_url", lambda _, to: tried.append(to))
    body = b"".join(flood % number for number in range(20_000))
    assert ajax_urls(BufferedResponse("https://a.org/", 200, Headers(), body)) == ()
    assert len(tried) < 5000


@pytest.mark.parametrize("name", ["data-bot-id", "data-post-id"])
def test_a_classic_bot_without_a_nonce_has_the_pages(name: str) -> None:
    script = '<script>var wpaicgParams = {"search_nonce":"abcdef0123"};</script>'
    tag = '<div class="wpaicg-chat-shortcode" {}="5"></div>'
    (one,) = find_bots(page_of(script + tag.format(name), url=PAGE))
    assert one.nonce == "abcdef0123"
    assert find_bots(page_of(script + tag.format("data-else"), url=PAGE)) == []


def test_the_capabilities_of_a_dialect() -> None:
    """Those that are the plugin's, whatever a page says."""
    names = ("streaming", "memory on the site", "conversation list", "forms", "quota buttons")
    by_page = {"images", "web search", "greeting", "starters", "consent asked"}
    found = {}
    for name in ("wpaicg", "aipkit", "rest", "mwai", "mwai-rest"):
        bot = Bot(id="5", name="", dialect=name, kind="", page=PAGE)
        endpoint = Endpoint(bot=bot, url=PAGE, page_url=PAGE)
        can = capabilities(endpoint, dialect_named(name))
        found[name] = tuple(can[each] for each in names)
        assert can.keys() == {
            *names, *by_page, "feedback", "feedback comment", "conversation deletion"
        }  # fmt: skip
        assert can["feedback"] == (name in ("wpaicg", "aipkit"))
        assert can["feedback comment"] == (name == "wpaicg")
    assert found == {
        "wpaicg": (None, False, False, False, False),
        "aipkit": (True, True, True, True, True),
        "rest": (False, False, False, False, False),
        "mwai": (True, False, False, False, False),
        "mwai-rest": (False, False, False, False, False),
    }
