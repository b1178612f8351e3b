"""The owner's keys, passwords and defaults in the program `llm`: what goes where."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from llm_program import (
    ask,
    asked,
    ids,
    keys_seen,
    model,
    run,
    store,
    user_path,  # noqa: F401 - A fixture.
)

from chatgptes.integrations.llm import TurnError
from chatgptes.sandbox import Site

# The owner's key.


def test_a_key_that_is_given_goes_to_the_bot_that_is_named(site: Site) -> None:
    answer = ask(site.url, "-o", "bot", site.rest_bot, "--key", site.api_key, "-u", "Hi")
    assert "stand-in" in answer.stdout
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
    assert "stand-in" in model().prompt("Hi", site=site.url).text()
    assert "stand-in" in model().prompt("Hi", site=site.url, bot=site.rest_bot).text()
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


def test_a_key_is_not_taken_for_an_address() -> None:
    store(openai="sk-very-secret")
    for options in ({"site": "openai"}, {"site": "http://127.0.0.1:9/", "proxy": "openai"}):
        with pytest.raises(TurnError) as caught:
            model().prompt("Hi", **options).text()
        assert "secret" not in str(caught.value)


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
