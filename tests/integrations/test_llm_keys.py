"""The owner's keys, passwords and defaults in the program `llm`: what goes where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from llm_program import (
    ask,
    asked,
    by_default,
    ids,
    keys_seen,
    model,
    run,
    store,
    user_path,  # noqa: F401 - A fixture.
)

from chatgptes.integrations.llm.model import TurnError
from chatgptes.integrations.llm.target import target
from chatgptes.sandbox import Site

# The owner's key.


def test_a_key_that_is_given_goes_to_the_bot_that_is_named(site: Site) -> None:
    answer = ask(site.url, "-o", "bot", site.rest_bot, "--key", site.api_key, "-u", "Hi")
    assert "sandbox" in answer.stdout
    assert re.search(r"Token usage: \d+ input, \d+ output", answer.stderr)
    assert keys_seen(site) == {f"Bearer {site.api_key}"}
    logged = json.loads(run("logs", "-n", "1", "--json").stdout)[0]
    assert logged["resolved_model"] == "sandbox-1"
    assert logged["response_json"]["dialect"] == "rest"
    assert site.api_key not in json.dumps(logged)
    assert "give it again" in run("-c", "And?", status=1).stderr
    run("-c", "--key", site.api_key, "And?")
    assert asked(site) == ["Hi", "And?"]


@pytest.mark.parametrize("options", [{}, {"site": "URL"}, {"bot": "5"}])
def test_a_key_without_whom_it_is_for_is_sent_nowhere(site: Site, options: dict[str, str]) -> None:
    given = {name: value.replace("URL", site.url) for name, value in options.items()}
    with pytest.raises(TurnError, match="name both"):
        model().prompt("Hi", key=site.api_key, **given).text()
    assert site.requests == []


def test_a_stored_key_goes_nowhere_by_itself(site: Site) -> None:
    store(chatgptes=site.api_key)
    assert "sandbox" in model().prompt("Hi", site=site.url).text()
    assert "sandbox" in model().prompt("Hi", site=site.url, bot=site.rest_bot).text()
    assert keys_seen(site) == set()
    named = model().prompt("Hi", site=site.url, bot=site.rest_bot, key="chatgptes")
    assert named.json() is not None
    assert keys_seen(site) == {f"Bearer {site.api_key}"}


@pytest.mark.parametrize("end", ["", "/"])
def test_a_key_stored_under_a_sites_address_goes_there_only(site: Site, end: str) -> None:
    with Site() as other:
        store(**{site.url.rstrip("/") + end: site.api_key})
        model().prompt("Hi", site=other.url, bot=other.rest_bot).text()
        model().prompt("Hi", site=site.url).text()
        assert keys_seen(site) == keys_seen(other) == set()
        first = model().prompt("Hi", site=site.page("mixed"), bot=site.rest_bot)
        assert first.json()["dialect"] == "rest"
        assert first.reply("Again").json()["dialect"] == "rest"
        # Its history goes on to the other site, the key does not.
        chain = [*first.prompt.messages, *first.messages()]
        model().prompt("Hi", messages=chain, site=other.url, bot=other.rest_bot).text()
        assert keys_seen(other) == set()


@pytest.mark.parametrize(
    ("stored", "asked", "expected"),
    [
        ({"https://x.org/": "root"}, "https://x.org/any/page/", "root"),
        ({"https://x.org/blog/": "blog"}, "https://x.org/blog/chat/", "blog"),
        ({"https://x.org/blog": "blog"}, "https://x.org/blog?page_id=5", "blog"),
        ({"https://x.org/blog/": "blog", "https://x.org": "root"}, "https://x.org/blog/", "blog"),
        ({"https://x.org/blog/": "blog", "https://x.org": "root"}, "https://x.org/shop/", "root"),
        ({"https://x.org/blog/": "blog"}, "https://x.org/shop/", None),
        ({"https://x.org/blog/": "blog"}, "https://x.org/blogs/", None),
        ({"https://x.org/blog/": "blog"}, "https://x.org/", None),
        ({"https://x.org/blog/": "blog"}, "http://x.org/blog/", None),
        ({"https://x.org/?page_id=5": "page"}, "https://x.org/blog/", None),
        ({"https://X.org:443/": "root", "x.org": "name"}, "https://x.org/blog/", "root"),
    ],
)
def test_a_stored_key_is_for_what_is_below_its_address(
    stored: dict[str, str], asked: str, expected: str | None
) -> None:
    store(**stored)
    options = model().Options(site=asked, bot=5)
    assert target(options, {}, None).arguments.get("api_key") == expected


def test_a_key_is_not_taken_for_an_address() -> None:
    store(openai="sk-very-secret")
    for options in ({"site": "openai"}, {"site": "http://127.0.0.1:9/", "proxy": "openai"}):
        with pytest.raises(TurnError) as caught:
            model().prompt("Hi", **options).text()
        assert "secret" not in str(caught.value)


# Defaults, which llm hands over like options that were given.


@pytest.fixture
def other() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.mark.parametrize("further", [(), ("--async",)])
def test_a_default_takes_over_no_conversation(
    site: Site, other: Site, further: tuple[str, ...]
) -> None:
    by_default(site=other.url, bot="6")
    ask(site.page("classic"), "For classic only.", "-o", "bot", "0", *further)
    run("-c", "Go on.", *further)
    run("chat", "-c", text="And on.\nquit\n")
    assert other.requests == []
    assert asked(site) == ["For classic only.", "Go on.", "And on."]
    logged = json.loads(run("logs", "-n", "2", "--json").stdout)[0]
    assert logged["options_json"] == {"site": site.page("classic"), "bot": "0"}
    run("-c", "-o", "site", other.page("aipkit-two"), "-o", "bot", "5", "And there?")
    assert "For classic only." in str(other.messages[-1])


def test_a_default_takes_no_key(site: Site, other: Site) -> None:
    by_default(site=other.url, bot=other.rest_bot)
    ask(site.url, "-o", "bot", site.rest_bot, "--key", site.api_key, "One")
    run("-c", "--key", site.api_key, "Two")
    assert asked(site) == ["One", "Two"]
    assert other.requests == []
    ask(site.url, "Without a key")
    assert "name both" in run("-c", "--key", site.api_key, "Hi", status=1).stderr
    assert other.requests == []


def test_what_is_named_counts_even_if_it_is_the_default(site: Site) -> None:
    by_default(site=site.url, bot=site.rest_bot)
    ask(site.url, "-o", "bot", site.rest_bot, "--key", site.api_key, "Hi")
    assert keys_seen(site) == {f"Bearer {site.api_key}"}
    with Site() as other:
        by_default(site=other.url, bot=other.rest_bot)
        run("-m", "chatgptes", "--key", other.api_key, "Hi")  # The user has named both before.
        assert keys_seen(other) == {f"Bearer {other.api_key}"}


def test_from_python_all_is_given(site: Site) -> None:
    by_default(site=site.url, bot=site.rest_bot)
    asked = model().prompt("Hi", site=site.url, bot=site.rest_bot, key=site.api_key)
    assert asked.json()["dialect"] == "rest"


def test_a_default_way_is_taken_where_the_conversation_had_none() -> None:
    by_default(site="https://y.org/", proxy="http://p.org:1")
    options = model().Options(site="https://y.org/", proxy="http://p.org:1")
    left = {"site": "https://x.org/", "options": {"site": "https://x.org/"}}
    shown = target(options, left, None).shown
    assert shown == {"site": "https://x.org/", "proxy": "http://p.org:1"}


# Passwords.


def test_llm_logs_no_password(site: Site, tmp_path: Path) -> None:
    login = ":".join(map(quote, site.credentials))
    address = site.page("staging").replace("://", f"://{login}@")
    ask(address, "Hi")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert quote(site.credentials[1]).encode() not in stored
    assert site.page("staging").encode() in stored
    run("-c", "-o", "site", address, "More")  # The same page, so it is the same conversation.
    assert len(set(ids(site))) == 1


def test_an_address_by_its_name_in_the_key_store(site: Site) -> None:
    login = ":".join(map(quote, site.credentials))
    store(staging=site.page("staging").replace("://", f"://{login}@"))
    ask("staging", "Hi")
    run("-c", "More")
    assert len(set(ids(site))) == 1
    assert asked(site) == ["Hi", "More"]


def test_options_show_no_password() -> None:
    options = model().Options(site="https://u:hidden@x.org/", proxy="http://u:hidden@x.org:1")
    assert "hidden" not in repr(options)
