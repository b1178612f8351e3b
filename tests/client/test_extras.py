"""Beside the turns: consent, greetings, feedback, and the conversations that a site remembers."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import chatgptes
from chatgptes import (
    AsyncClient,
    ChallengeError,
    ChatGptEsError,
    Client,
    ConsentRequiredError,
    InvalidConfigError,
    InvalidMessageError,
    QuotaError,
    RefusedError,
    Reply,
    UnexpectedFormatError,
    UnexpectedStatusError,
)
from chatgptes.sandbox import Site
from chatgptes.sites.aipower import AIPKIT
from chatgptes.sites.aipower.aipkit_decoder import AipkitDecoder
from chatgptes.sites.dialect import BufferedResponse
from chatgptes.values.http import Headers, Limits
from chatgptes.values.remembered import RememberedConversation

VISITOR = "8f14e45f-ceea-467f-9f6b-2d5b8a7c1e90"
ASKED = "All you write is answered by a program, and kept by this site."


@pytest.fixture(params=["requests", "curl_cffi"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Run = Callable[[Any], Any]


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest, transport: str) -> Iterator[Callable[..., Any]]:
    """Make a client of either kind; `.wait` waits for what its methods give."""
    runner = asyncio.Runner() if request.param == "async" else None
    made: list[Any] = []

    def client(site: str, **arguments: Any) -> Any:
        cls: Any = AsyncClient if runner else Client
        found = cls(site, transport=transport, impersonate=None, timeout=30, **arguments)
        found.wait = runner.run if runner else lambda result: result
        made.append(found)
        return found

    yield client
    for each in made:
        if runner:
            runner.run(each.aclose())
        else:
            each.close()
    if runner:
        runner.close()


async def loaded(talk: Any) -> Any:
    return await talk


def actions(site: Site) -> list[str]:
    return [each.param("action") for each in site.requests if each.method == "POST"]


class TestPages:
    def test_greetings_and_starters(self, site: Site) -> None:
        (bot,) = Client(site.url).bots()
        assert bot.greeting == 'Hello! I\'m the sandbox & "no model".'
        assert bot.starters == ("What can you do?", "Who am I?")
        assert bot.consent is False
        (engine,) = Client(site.page("engine")).bots()
        assert engine.greeting == 'I\'m a sandbox & no "model" · ünïcödé'
        assert engine.starters == ()
        assert Client(site.page("engine-starters")).bots()[0].starters == (
            "Show me around", "Who am I?",
        )  # fmt: skip
        for page in ("classic", "classic-widget"):
            (classic,) = Client(site.page(page)).bots()
            assert classic.greeting == bot.greeting
            assert classic.starters == ("What can you do?", 'Is 1 < 2 & "so on"?')
        plain, other = Client(site.page("classic-two")).bots()
        assert plain.starters == other.starters == ()
        assert plain.greeting == other.greeting == bot.greeting

    def test_consent(self, site: Site) -> None:
        assert Client(site.page("consent")).bots()[0].consent == f"One thing first: {ASKED}"
        assert Client(site.page("engine-consent")).bots()[0].consent == "Agree?"


@pytest.mark.parametrize(
    ("page", "asked"), [("consent", f"One thing first: {ASKED}"), ("engine-consent", "Agree?")]
)
def test_consent_comes_first(site: Site, make: Any, page: str, asked: str) -> None:
    client = make(site.page(page))
    with pytest.raises(ConsentRequiredError) as caught:
        client.wait(client.chat("Hello"))
    assert asked in str(caught.value)
    assert caught.value.asked == asked
    assert "consent=True" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).asked == asked
    assert [each.method for each in site.requests] == ["GET"]  # The page alone, no session.
    if page == "consent":
        with pytest.raises(ConsentRequiredError):
            client.wait(client.conversations())
        assert len(site.requests) == 1
    agreed = make(site.page(page), consent=True)
    assert "Hello" in agreed.wait(agreed.chat("Hello")).text


def test_doctor_says_that_consent_is_missing(site: Site) -> None:
    found = chatgptes.doctor(site.page("consent"), ask=True)
    assert found.problem is not None
    assert found.problem.error == "ConsentRequiredError"
    assert "give consent=True" in found.problem.advice
    assert chatgptes.doctor(site.page("consent"), ask=True, consent=True).ok


@pytest.mark.parametrize("bad", [1, "yes", None])
def test_consent_is_yes_or_no(bad: Any) -> None:
    with pytest.raises(InvalidConfigError, match="consent"):
        Client("https://example.org", consent=bad)


class TestFeedback:
    @pytest.mark.parametrize("verdict", ["up", "down"])
    def test_it_arrives(self, site: Site, make: Any, verdict: str) -> None:
        client = make(site.url, visitor=VISITOR)
        reply = client.wait(client.chat("Hello"))
        client.wait(client.feedback(reply, verdict))
        form = site.requests[-1].form
        assert form == {
            "action": "aipkit_store_feedback",
            "_ajax_nonce": site.nonces.current("aipkit"),
            "bot_id": "5",
            "session_id": VISITOR,
            "conversation_uuid": reply.conversation_id,
            "message_id": reply.message_id,
            "feedback_type": verdict,
        }
        client.wait(client.feedback(reply, "up"))  # It can be changed.

    def test_a_dead_nonce(self, site: Site, make: Any) -> None:
        client = make(site.url)
        reply = client.wait(client.chat("Hello"))
        site.expire_nonces()
        client.wait(client.feedback(reply, "up"))
        assert actions(site)[-3:] == [
            "aipkit_store_feedback", "aipkit_get_frontend_chat_nonce", "aipkit_store_feedback",
        ]  # fmt: skip
        before = actions(site).count("aipkit_store_feedback")
        site.next("memory-nonce", times=3)
        with pytest.raises(RefusedError) as caught:
            client.wait(client.feedback(reply, "up"))
        assert type(caught.value) is RefusedError
        # The fresh nonce is the refused one: it is not sent again.
        assert actions(site).count("aipkit_store_feedback") == before + 1

    def test_of_a_conversation_of_another_visitor(self, site: Site, tmp_path: Path) -> None:
        with Client(site.url) as first:
            talk = first.conversation()
            reply = talk.chat("Hello")
            talk.save(tmp_path / "talk.json")
        with Client(site.url) as second:
            again = second.conversation(tmp_path / "talk.json")
            again.feedback(reply, "down")
            with pytest.raises(RefusedError) as caught:
                second.feedback(reply, "down")
        assert caught.value.code == "message_not_found"

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ("memory-http-500", UnexpectedStatusError),
            ("memory-challenge", ChallengeError),
            ("memory-html", UnexpectedFormatError),
            ("memory-refused", UnexpectedStatusError),
        ],
    )
    def test_faults(self, site: Site, make: Any, fault: str, error: Any) -> None:
        client = make(site.url)
        reply = client.wait(client.chat("Hello"))
        for call in (
            lambda: client.feedback(reply, "up"),
            client.conversations,
        ):
            site.next(fault)
            with pytest.raises(error):
                client.wait(call())
        assert client.wait(client.conversations())

    @pytest.mark.parametrize("page", ["classic", "classic-plain", "classic-old", "classic-widget"])
    @pytest.mark.parametrize("comment", [None, 'So "good" & <b>short</b>\n你好'])
    def test_of_the_classic_plugin(self, site: Site, make: Any, page: str, comment: Any) -> None:
        client = make(site.page(page))
        reply = client.wait(client.chat("Hello"))
        assert reply.message_id == site.requests[-1].param("chat_id")
        client.wait(client.feedback(reply, "down", comment))
        form = site.requests[-1].form
        identity = {"classic-widget": "widget", "classic": "shortcode"}.get(page)
        assert form == {
            "action": "wpaicg_submit_feedback",
            "chatId": reply.message_id,
            "feedbackType": "down",
            "feedbackDetails": comment or "",
            "_wpnonce": site.nonces.current("wpaicg"),
            "chatbot_id": identity or f"custom_bot_{reply.bot}",
        }
        site.expire_nonces()
        client.wait(client.feedback(reply, "up"))
        assert [each.form["feedbackType"] for each in site.requests if "chatId" in each.form] == [
            "down", "up", "up",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ("feedback-http-500", UnexpectedStatusError),
            ("feedback-challenge", ChallengeError),
            ("feedback-html", UnexpectedFormatError),
            ("feedback-refused", RefusedError),
        ],
    )
    def test_faults_of_the_classic_plugin(
        self, site: Site, make: Any, fault: str, error: Any
    ) -> None:
        client = make(site.page("classic"))
        reply = client.wait(client.chat("Hello"))
        before = len(site.requests)
        site.next(fault)
        with pytest.raises(error) as caught:
            client.wait(client.feedback(reply, "up"))
        assert "chatId" not in str(caught.value)
        # Each would be noted, so it is not sent again.
        assert len(site.requests) == before + 1
        with pytest.raises(RefusedError, match="the owner decides whether it keeps any"):
            client.wait(client.feedback(dataclasses.replace(reply, message_id="1"), "up"))

    def test_a_nonce_of_the_classic_plugin_that_stays_dead(self, site: Site, make: Any) -> None:
        client = make(site.page("classic"))
        reply = client.wait(client.chat("Hello"))
        site.next("feedback-nonce", times=3)
        with pytest.raises(RefusedError) as caught:
            client.wait(client.feedback(reply, "up"))
        assert type(caught.value) is RefusedError

    @pytest.mark.parametrize("page", ["engine"])
    def test_others_take_none(self, site: Site, make: Any, page: str) -> None:
        client = make(site.page(page))
        reply = client.wait(client.chat("Hello"))
        before = len(site.requests)
        with pytest.raises(
            InvalidConfigError, match="take no feedback; those of the dialects aipkit and wpaicg do"
        ):
            client.wait(client.feedback(reply, "up"))
        assert len(site.requests) == before

    def test_what_can_not_be_sent(self, site: Site) -> None:
        with Client(site.page("classic-lies")) as client:
            reply = client.chat("Hello")
            with pytest.raises(InvalidConfigError, match="no thumbs"):
                client.feedback(reply, "up")
        with Client(site.url) as client, Client(site.page("aipkit-popup")) as other:
            reply = client.chat("Hello")
            quiet = other.chat("Hello")
            with pytest.raises(InvalidMessageError, match="without a comment"):
                client.feedback(reply, "up", "Well said.")
            strange = Reply("", client.site, "6", "aipkit", None, "a", "b")
            before = len(site.requests)
            for wrong in (
                lambda: client.feedback(reply, "good"),  # type: ignore[arg-type]
                lambda: client.feedback("Hello", "up"),  # type: ignore[arg-type]
                lambda: client.feedback(reply, "up", "Well said."),
                lambda: client.feedback(reply, "up", 1),  # type: ignore[arg-type]
                lambda: client.feedback(reply, "up", "x" * 10_001),
                lambda: client.feedback(quiet, "up"),  # Of another page.
                lambda: client.feedback(Reply("", client.site, "5", "aipkit"), "up"),
                lambda: client.feedback(strange, "up"),
            ):
                with pytest.raises(InvalidMessageError):
                    wrong()
            with pytest.raises(InvalidConfigError, match="no thumbs"):
                other.feedback(quiet, "up")
            assert len(site.requests) == before


class TestTheSitesMemory:
    def test_yesterdays_conversation(self, site: Site, make: Any) -> None:
        now = [1_800_000_000.0]
        site.clock = lambda: now[0]
        with Client(site.url, visitor=VISITOR) as yesterday:
            first = yesterday.conversation()
            first.chat("My name is Ada and I live in London.")
            first.chat("Who am I?")
            now[0] += 60
            yesterday.chat("Another matter.")
        with Client(site.url) as other:
            assert other.conversations() == []
        client = make(site.url, visitor=VISITOR)
        found = client.wait(client.conversations())
        assert [(each.title, each.time) for each in found] == [
            ("Another matter.", datetime.fromtimestamp(now[0], UTC)),
            ("My name is Ada and...", datetime.fromtimestamp(now[0] - 60, UTC)),
        ]
        assert found[1].id == first.id
        talk = client.conversation(site_id=found[1].id)
        talk = client.wait(loaded(talk)) if isinstance(client, AsyncClient) else talk
        assert [each["content"] for each in talk.messages if each["role"] == "user"] == [
            "My name is Ada and I live in London.", "Who am I?",
        ]  # fmt: skip
        assert [each["role"] for each in talk.messages] == ["user", "assistant"] * 2
        assert talk.id == first.id
        reply = client.wait(talk.chat("Still there?"))
        assert reply.conversation_id == first.id
        assert "This is message 3 of our conversation" in reply.text
        # The site remembers the rest: it is not sent again.
        assert site.messages[-1][-1]["content"] == "Still there?"
        client.wait(talk.feedback(reply, "up"))
        client.wait(talk.delete())
        assert [each.id for each in client.wait(client.conversations())] == [found[0].id]
        assert talk.messages == []
        assert talk.id != first.id
        assert "This is message 1" in client.wait(talk.chat("Hello again")).text

    def test_an_async_one_is_fetched_with_its_first_turn(self, site: Site) -> None:
        with Client(site.url, visitor=VISITOR) as client:
            talk = client.conversation()
            talk.chat("My name is Ada.")

        async def main() -> None:
            # One place for turns: the fetch must not wait for the turn that it belongs to.
            async with AsyncClient(site.url, visitor=VISITOR, max_concurrency=1) as client:
                again = client.conversation(site_id=talk.id)
                with pytest.raises(ChatGptEsError, match="not been fetched"):
                    _ = again.messages
                reply = await again.chat("Who am I?")
                assert "message 2 of our" in reply.text
                assert len(again.messages) == 4

        asyncio.run(main())

    def test_the_models_own_ids_come_along(self, site: Site) -> None:
        with Client(site.page("aipkit-state"), visitor=VISITOR) as client:
            talk = client.conversation()
            talk.chat("Hello")
            saved = talk.to_dict()
            again = client.conversation(site_id=talk.id)
            assert again.to_dict() == saved

    def test_saved_and_restored(self, site: Site, tmp_path: Path) -> None:
        with Client(site.url, visitor=VISITOR) as client:
            talk = client.conversation()
            talk.chat("Hello")
            again = client.conversation(site_id=talk.id)
            again.save(tmp_path / "talk.json")
            third = client.conversation(tmp_path / "talk.json")
            assert third.messages == talk.messages
            assert "message 2 of our" in third.chat("More").text

    @pytest.mark.parametrize("page", ["classic", "engine"])
    def test_others_keep_none(self, site: Site, make: Any, page: str) -> None:
        client = make(site.page(page))
        talk = client.conversation()
        client.wait(talk.chat("Hello"))
        before = len(site.requests)
        for call in (client.conversations, talk.delete):
            with pytest.raises(InvalidConfigError, match=r"no list.*Conversation\.save"):
                client.wait(call())
        assert len(site.requests) == before
        assert len(talk.messages) == 2

    def test_what_is_not_there(self, site: Site) -> None:
        with Client(site.url, visitor=VISITOR) as client:
            with pytest.raises(InvalidConfigError, match=r"no conversation.*visitor="):
                client.conversation(site_id="f3b0c442-98fc-4c14-9afb-f4c8996fb924")
            for bad in ("", "a b", "x" * 101, 5, "a/b"):
                with pytest.raises(InvalidConfigError, match="site_id"):
                    client.conversation(site_id=bad)  # type: ignore[arg-type]
            with pytest.raises(InvalidConfigError, match="not both"):
                client.conversation({"version": 1}, site_id="a")
            with pytest.raises(InvalidConfigError, match="no turn yet"):
                client.conversation().delete()

    def test_deleting_what_the_site_no_longer_has(self, site: Site) -> None:
        # So answers 2.4.71: nothing was deleted, and nothing is there.
        with Client(site.url) as client:
            talk = client.conversation()
            talk.chat("Hello")
            again = client.conversation(talk.to_dict())
            talk.delete()
            again.delete()
            assert again.messages == []
            assert client.conversations() == []

    def test_a_failed_deletion_leaves_it_as_it_was(self, site: Site) -> None:
        with Client(site.url) as client:
            talk = client.conversation()
            talk.chat("Hello")
            before = talk.to_dict()
            site.next("memory-refused", times=5)
            with pytest.raises(UnexpectedStatusError):
                talk.delete()
            assert talk.to_dict() == before

    @pytest.mark.parametrize("kind", ["bot", "site"])
    def test_another_bots_is_not_deleted(self, site: Site, make: Any, kind: str) -> None:
        # The site would say that it did, and the messages here would be gone with it.
        first = make(site.url, visitor=VISITOR)
        talk = first.conversation()
        first.wait(talk.chat("Hello"))
        with Site() as elsewhere:
            home = elsewhere if kind == "site" else site
            other = make(home.page("aipkit-two"), bot="6", visitor=VISITOR)
            moved = other.conversation(talk.to_dict())
            with pytest.raises(InvalidConfigError, match=r"another bot|no turn yet"):
                other.wait(moved.delete())
            assert moved.messages == talk.messages
            assert "aipkit_delete_single_conversation" not in actions(home)
            other.wait(moved.chat("And now?"))
            other.wait(moved.delete())
            assert moved.messages == []
        assert len(first.wait(first.conversations())) == 1

    def test_an_id_is_not_shown_to_another_site(self, site: Site, make: Any) -> None:
        first = make(site.url, visitor=VISITOR)
        talk = first.conversation()
        reply = first.wait(talk.chat("Hello"))
        with Site() as elsewhere:
            other = make(elsewhere.url)
            moved = other.conversation(talk.to_dict())
            assert "Hello" in other.wait(moved.chat("And now?")).text
            with pytest.raises(InvalidMessageError, match="another site"):
                other.wait(moved.feedback(reply, "up"))
            shown = "".join(each.target + str(each.form) for each in elsewhere.requests)
        assert other.visitor in shown
        assert VISITOR not in shown
        assert talk.id not in shown
        assert moved.to_dict()["visitor"] == other.visitor

    @pytest.mark.parametrize("places", [1, 4])
    def test_a_deletion_waits_for_the_turn_before_it(self, site: Site, places: int) -> None:
        with Client(site.url, max_concurrency=places) as client:
            talk = client.conversation()
            talk.chat("Hello")
            site.next("stall")
            stream = talk.stream("Hello")
            assert next(stream)
            deleting = threading.Thread(target=talk.delete)
            deleting.start()
            deleting.join(0.1)
            assert "aipkit_delete_single_conversation" not in actions(site)
            site.release()
            list(stream)
            deleting.join(10)
            assert actions(site)[-1] == "aipkit_delete_single_conversation"
            assert talk.messages == []

    def test_unpaired_messages(self) -> None:
        messages = (
            ("assistant", "Welcome."), ("user", "a"), ("user", "b"), ("assistant", "c"),
            ("assistant", "d"), ("user", "e"),
        )  # fmt: skip
        assert RememberedConversation(messages).pairs() == [("b", "c\n\nd")]

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"0", b"<html>", b"[]", b'{"success":true}', b'{"success":true,"data":[]}',
            b'{"success":true,"data":{"conversations":5}}',
            b'{"success":false,"data":{"code":"x"}}',
            b'{"success":true,"data":{"history":{"a":1}}}',
        ],
    )  # fmt: skip
    def test_answers_that_are_none(self, body: bytes) -> None:
        response = BufferedResponse("https://example.org/", 200, Headers(), body)
        for read in (AIPKIT.list_from, AIPKIT.history_from):
            with pytest.raises(ChatGptEsError):
                read(response)

    def test_ids_that_can_not_be_asked_for_are_not_listed(self, site: Site, make: Any) -> None:
        client = make(site.url, visitor=VISITOR)
        talk = client.conversation()
        for odd in ("\x1b]0;x\x07", "a/../b", talk.id):
            client.wait(client.conversation(talk.to_dict() | {"id": odd}).chat("Hello"))
        assert [each.id for each in client.wait(client.conversations())] == [talk.id]

    def test_odd_entries(self) -> None:
        listed = [
            5, None, {}, {"id": 7}, {"id": " "}, {"id": "a", "title": "<b>x</b>\n\x1b[31my"},
            {"id": "b", "timestamp": True}, {"id": "c", "timestamp": 1e300}, {"id": "\ud800"},
        ]  # fmt: skip
        body = json.dumps({"success": True, "data": {"conversations": listed}}).encode()
        response = BufferedResponse("https://example.org/", 200, Headers(), body)
        found = AIPKIT.list_from(response)
        assert [(each.id, each.time) for each in found] == [
            ("a", None), ("b", None), ("c", None), ("\ufffd", None),
        ]  # fmt: skip
        assert found[0].title.split() == ["x", "␛[31my"]


@pytest.mark.parametrize("visitor", ["", "short", "a" * 65, "with spaces in it", "----------a", 5])
def test_visitors(visitor: Any) -> None:
    with pytest.raises(InvalidConfigError, match="visitor"):
        Client("https://example.org", visitor=visitor)


def test_a_starter_of_the_other_plugin(site: Site, make: Any) -> None:
    client = make(site.page("engine-starters"))
    starter = client.wait(client.bots())[0].starters[0]
    talk = client.conversation()
    client.wait(talk.chat("Hello"))
    # The page does not show the message behind it; the site knows it.
    assert "> Show me around, please, and briefly." in client.wait(talk.chat(f" {starter} ")).text
    assert len(site.messages[-1]) == 3
    assert [each["content"] for each in talk.messages[2:3]] == [f" {starter} "]
    client.wait(talk.chat(f"{starter}!"))
    assert site.messages[-1][-1]["content"] == f"{starter}!"


def test_a_visitor_is_shown_to_the_site(site: Site, make: Any) -> None:
    client = make(site.page("classic"), visitor=VISITOR)
    assert client.visitor == VISITOR
    client.wait(client.chat("Hello"))
    assert site.requests[-1].form["wpaicg_chat_client_id"] == "8f14e45fce"


def test_the_buttons_of_a_quota_notice(site: Site, make: Any) -> None:
    client = make(site.url)
    site.next("quota")
    with pytest.raises(QuotaError) as caught:
        client.wait(client.chat("Hello"))
    assert caught.value.actions == (("Buy more", f"{site.home}shop/"),)
    assert pickle.loads(pickle.dumps(caught.value)).actions == caught.value.actions


def test_a_form(site: Site, make: Any) -> None:
    client = make(site.url)
    site.next("form")
    with pytest.raises(RefusedError) as caught:
        client.wait(client.chat("Hello"))
    assert "Who are you?" in str(caught.value)
    assert caught.value.form == {
        "title": "Who are you?",
        "fields": [
            {"name": "name", "label": "Name", "type": "text_input"},
            {"name": "email", "label": "E-mail", "type": "text_input"},
        ],
    }
    assert pickle.loads(pickle.dumps(caught.value)).form == caught.value.form


def decoded(event: str, data: object) -> Any:
    """The error that a stream with one event, and its end, makes."""
    headers = Headers({"content-type": "text/event-stream"})
    url = "https://example.org/wp-admin/admin-ajax.php"
    decoder = AipkitDecoder(BufferedResponse(url, 200, headers, b""), Limits())
    body = f'event: {event}\ndata: {json.dumps(data)}\n\nevent: done\ndata: {{"finished":true}}\n\n'
    decoder.feed(body.encode())
    decoder.end()
    return decoder.error


@pytest.mark.parametrize(
    ("given", "actions"),
    [
        (
            [{"label": "Log in", "url": "/login/", "variant": "primary"}],
            (("Log in", "https://example.org/login/"),),
        ),
        (
            [{"label": "<b>Buy</b>", "url": "http://shop.example/"}],
            (("Buy", "http://shop.example/"),),
        ),
        ([{"text": "Not a key", "href": "/a"}, {"title": "x", "link": "/a"}], ()),
        ([{"label": "x", "url": "javascript:alert(1)"}], ()),
        ([{"label": "", "url": "/a"}, {"url": "/a"}, {"label": "x"}, 5, None], ()),
        ({"label": "x"}, ()),
        ("x", ()),
        (None, ()),
    ],
)
def test_other_buttons(given: object, actions: object) -> None:
    notice = {"type": "limit", "message": "Enough.", "actions": given}
    error = decoded("error", {"error": "Enough.", "quota_notice": notice})
    assert type(error) is QuotaError
    assert error.actions == actions


@pytest.mark.parametrize("form", [None, [], {}, {"elements": 5}, {"elements": [5, None, {}]}])
def test_other_forms(form: object) -> None:
    error = decoded("display_form_event", {"form_definition": form})
    assert type(error) is RefusedError
    assert error.form is not None
    assert error.form["title"] == "?"
    for field in error.form["fields"]:
        assert set(field) == {"name", "label", "type"}
