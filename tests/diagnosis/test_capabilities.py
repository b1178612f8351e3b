"""Capabilities: what `doctor` says of each bot, and the table in the documentation."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest

import chatgptes
from chatgptes.sandbox import Site
from chatgptes.sites import DIALECTS, KEY_DIALECTS
from chatgptes.sites.extras import KeepsConversations, TakesFeedback

TABLE = Path(__file__).parents[2] / "docs" / "howto" / "chat-window.md"

CAN = {
    "front": "streaming greeting starters feedback memory-on-the-site conversation-list"
    " conversation-deletion forms quota-buttons",
    "aipkit-popup": "streaming greeting memory-on-the-site conversation-list"
    " conversation-deletion forms quota-buttons",
    "consent": "streaming greeting consent-asked feedback memory-on-the-site conversation-list"
    " conversation-deletion forms quota-buttons",
    "classic": "greeting starters feedback feedback-comment",
    "classic-lies": "greeting",
    "engine-starters": "streaming greeting starters",
    "engine-images": "streaming images greeting",
}
UNSAID = {"classic": {"streaming", "images"}, "classic-lies": {"streaming", "images"}}


@pytest.mark.parametrize("page", CAN)
def test_of_a_page(site: Site, page: str) -> None:
    found = chatgptes.doctor(site.page(page))
    (bot,) = found.bots
    assert {name for name, can in bot.can.items() if can} == {
        name.replace("-", " ") for name in CAN[page].split()
    }
    assert {name for name, can in bot.can.items() if can is None} == UNSAID.get(page, set())
    written = json.loads(json.dumps(found.to_dict()))["bots"]
    assert written == [
        {"id": bot.id, "name": bot.name, "dialect": bot.dialect, "can": dict(bot.can)}
    ]
    assert f"bot {bot.id} ({bot.dialect})" in str(found)
    assert pickle.loads(pickle.dumps(found)) == found


def test_of_several_bots_and_of_none(site: Site) -> None:
    found = chatgptes.doctor(site.page("plugins"))
    assert [(bot.id, bot.dialect) for bot in found.bots] == [("default", "mwai"), ("5", "aipkit")]
    assert chatgptes.doctor(site.page("nobot")).bots == ()
    # A step after the bots fails: what they can do is known all the same.
    broken = chatgptes.doctor(site.page("fault-cache-nonce"))
    assert not broken.ok
    assert len(broken.bots) == 1


def test_with_the_owners_key(site: Site) -> None:
    found = chatgptes.doctor(site.url, api_key=site.api_key, bot=site.rest_bot)
    (bot,) = found.bots
    assert (bot.dialect, set(bot.can.values())) == ("rest", {False})


def test_the_table_in_the_documentation(site: Site) -> None:
    """A row for each capability; yes and no are what the dialects declare."""
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|",
        TABLE.read_text(encoding="utf-8"),
        re.MULTILINE,
    )[1:]
    table = {name.partition(":")[0]: cells for name, *cells in rows}
    (bot,) = chatgptes.doctor(site.url).bots
    assert list(table) == list(bot.can)
    dialects = {each.name: each for each in (*DIALECTS, *KEY_DIALECTS)}
    for place, name in enumerate(("wpaicg", "aipkit", "mwai", "rest")):
        its_dialect = dialects[name]
        takes = isinstance(its_dialect, TakesFeedback)
        declared = {
            "feedback": takes,
            "feedback comment": isinstance(its_dialect, TakesFeedback)
            and its_dialect.takes_comment,
            "memory on the site": its_dialect.remembers,
            "conversation list": isinstance(its_dialect, KeepsConversations),
            "conversation deletion": isinstance(its_dialect, KeepsConversations),
            "forms": its_dialect.forms,
            "quota buttons": its_dialect.quota_buttons,
        }
        for capability, can in declared.items():
            said = table[capability][place]
            assert (said in ("no", "refused to visitors")) is not can, (capability, name, said)
