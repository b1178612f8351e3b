"""Conversations: each dialect's memory, files, and what a failed turn leaves."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from chatgptes import (
    ChatGptEsError,
    Client,
    InvalidConfigError,
    InvalidMessageError,
    RefusedError,
    RequestTimeout,
    StreamInterruptedError,
)
from chatgptes.sandbox import Site


def seen(site: Site) -> list[tuple[str, str]]:
    """What the model saw in the last turn."""
    return [(each["role"], each["content"]) for each in site.messages[-1]]


def arguments(site: Site, page: str) -> dict[str, Any]:
    if page == "rest":
        return {"site": site.url, "api_key": site.api_key, "bot": 5}
    return {"site": site.page(page)}


@pytest.mark.parametrize(
    "page", ["front", "aipkit-old", "aipkit-state", "classic", "classic-plain", "rest"]
)
def test_the_bot_remembers(site: Site, page: str) -> None:
    with Client(**arguments(site, page)) as client:
        talk = client.conversation()
        first = talk.chat("My name is Ada.")
        second = talk.chat("What is my name?")
        assert "My name is Ada." in second.text
        assert "message 2" in second.text
        assert [each["role"] for each in talk.messages] == ["user", "assistant"] * 2
        assert talk.messages[1]["content"] == first.text
        assert first.conversation_id == second.conversation_id == talk.id
        # Another conversation, and a turn on its own, know nothing of it.
        assert "message 1" in client.conversation().chat("Who am I?").text
        assert "message 1" in client.chat("Who am I?").text


def test_history_that_the_old_site_would_garble(site: Site) -> None:
    with Client(site.page("classic"), system='Say "yes"') as client:
        talk = client.conversation()
        talk.chat('a "quoted" \\ back <b>bold</b> 5 < 6\n\nnew line 100%41 é 🙂')
        talk.chat("second")
    roles = [role for role, _ in seen(site)]
    assert [role for role in roles if role != "system"] == ["user", "assistant", "user"]
    first = next(text for role, text in seen(site) if role == "user")
    assert first == ("Say 'yes' a 'quoted' / back &lt;b>bold&lt;/b> 5 &lt; 6 new line 100% 41 é 🙂")


@pytest.mark.parametrize("page", ["front", "classic", "rest"])
def test_system_text_comes_once_before_the_first_message(site: Site, page: str) -> None:
    with Client(**arguments(site, page), system="Be brief.") as client:
        talk = client.conversation()
        talk.chat("one")
        talk.chat("two")
    joined = "\n".join(text for role, text in seen(site) if role == "user")
    assert joined.count("Be brief.") == 1
    assert joined.index("Be brief.") < joined.index("one")
    assert [each["content"] for each in talk.messages if each["role"] == "user"] == ["one", "two"]


@pytest.mark.parametrize("page", ["front", "classic", "rest"])
def test_list_of_messages(site: Site, page: str) -> None:
    messages = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is my name?"},
    ]
    with Client(**arguments(site, page)) as client:
        client.chat(messages)
    told = [text for role, text in seen(site) if role != "system"]
    if page == "front":
        assert told == [
            "User: Be brief.\n\nMy name is Ada.\n\nAssistant: Hello Ada.\n\nUser: What is my name?"
        ]
    else:
        assert [" ".join(text.split()) for text in told] == [
            "Be brief. My name is Ada.",
            "Hello Ada.",
            "What is my name?",
        ]


@pytest.mark.parametrize("page", ["front", "classic", "rest"])
def test_saved_and_gone_on_from(site: Site, page: str, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    with Client(**arguments(site, page), system="Be brief.") as client:
        talk = client.conversation()
        talk.chat("My name is Ada. «ä»")
        talk.save(file)
        visitor = client.visitor
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert "«ä»" in file.read_text(encoding="utf-8")
    for saved in (file, str(file), json.loads(file.read_text(encoding="utf-8")), talk.to_dict()):
        with Client(**arguments(site, page)) as client:
            later = client.conversation(saved)
            assert later.messages == talk.messages
            assert "My name is Ada." in later.chat("And now?").text
            assert later.to_dict()["visitor"] == visitor
            assert later.to_dict()["system"] == "Be brief."


def test_going_on_where_the_site_remembers_nothing(site: Site) -> None:
    """From a classic site to one that keeps conversations itself: it is told what came before."""
    with Client(site.page("classic")) as client:
        talk = client.conversation()
        talk.chat("My name is Ada.")
    with Client(site.page("front")) as client:
        moved = client.conversation(talk.to_dict())
        assert "My name is Ada." in moved.chat("What is my name?").text
        assert seen(site)[-1][1].startswith("User: My name is Ada.")
        moved.chat("And now?")
        assert [text for role, text in seen(site) if role == "user"][-1] == "And now?"
    # And from one such site to another, under an id of its own.
    with Site() as other, Client(other.url) as client:
        again = client.conversation(moved.to_dict())
        again.chat("Still there?")
        assert again.id != moved.id
        assert len(other.messages[-1]) <= 2


@pytest.mark.parametrize("page", ["front", "classic"])
def test_a_turn_that_failed_leaves_it_as_it_was(site: Site, page: str) -> None:
    with Client(site.page(page), retries=0) as client:
        talk = client.conversation()
        talk.chat("one")
        before = talk.to_dict()
        for fault, error in (("banned-word", RefusedError), ("cut", StreamInterruptedError)):
            site.next(fault)
            with pytest.raises(error):
                talk.chat("two")
            assert talk.to_dict() == before
        with talk.stream("three") as stream:
            next(stream)
        assert talk.to_dict() == before
        assert talk.chat("four").text


def test_one_turn_at_a_time() -> None:
    go_on = threading.Event()
    began = threading.Semaphore(0)

    def answer(messages: list[dict[str, str]]) -> Any:
        began.release()
        yield "half"
        assert go_on.wait(30)
        yield " whole"

    with Site(answer=answer) as site, Client(site.page("classic")) as client:
        talk = client.conversation()
        threads = [threading.Thread(target=talk.chat, args=(f"turn {i}",)) for i in range(3)]
        for thread in threads:
            thread.start()
        assert began.acquire(timeout=30)
        assert not began.acquire(timeout=0.2)  # The others wait for the first.
        go_on.set()
        for thread in threads:
            thread.join(30)
        assert len(talk.messages) == 6
        assert [len(messages) for messages in site.messages][-1] >= 5


def test_waiting_for_oneself_is_an_error_at_once(site: Site) -> None:
    with Client(site.page("classic")) as client:
        talk = client.conversation()
        stream = talk.stream("one")
        next(stream)
        with pytest.raises(ChatGptEsError, match="has not ended"):
            talk.chat("two")
        stream.close()
        assert talk.chat("three").text


def test_waiting_for_another_thread_has_an_end(site: Site) -> None:
    with Client(site.page("classic")) as client:
        talk = client.conversation()
        stream = talk.stream("one")
        thread = threading.Thread(target=next, args=(stream,))
        thread.start()
        thread.join()
        with pytest.raises(RequestTimeout) as caught:
            talk.chat("two", timeout=0.2)
        assert caught.value.phase == "slot"
        stream.close()


def test_takes_one_message_at_a_time(site: Site) -> None:
    talk = Client(site.url).conversation()
    for wrong in ([{"role": "user", "content": "Hi"}], None, b"Hi"):
        with pytest.raises(InvalidMessageError, match="one message"):
            talk.chat(wrong)  # type: ignore[arg-type]
    assert site.requests == []


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"id": None},
        {"visitor": ""},
        {"messages": "none"},
        {"messages": [{"role": "user", "content": "alone"}]},
        {"messages": [{"role": "assistant", "content": "first"}] * 2},
        {"messages": [{"role": "user"}, {"role": "assistant"}]},
        {"state": []},
        {"state": {"a": 1}},
        {"system": 5},
        {"memory": None},
    ],
)
def test_damaged_files_are_told(tmp_path: Path, damage: dict[str, Any]) -> None:
    client = Client("https://example.org")
    saved = {**client.conversation().to_dict(), **damage}
    with pytest.raises(InvalidConfigError):
        client.conversation(saved)
    file = tmp_path / "talk.json"
    file.write_text(json.dumps(saved), encoding="utf-8")
    with pytest.raises(InvalidConfigError):
        client.conversation(file)


def test_files_that_are_none(tmp_path: Path) -> None:
    client = Client("https://example.org")
    file = tmp_path / "talk.json"
    for content in (b"", b"nonsense", b"[1]", b"\xff\xfe", b"[" * 100_000):
        file.write_bytes(content)
        with pytest.raises(InvalidConfigError):
            client.conversation(file)
    with pytest.raises(FileNotFoundError):
        client.conversation(tmp_path / "none.json")


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    talk = Client("https://example.org").conversation()
    file = tmp_path / "talk.json"
    talk.save(file)
    with pytest.raises(OSError):
        talk.save(tmp_path / "missing" / "talk.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        talk.save(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "talk.json"]


@pytest.mark.parametrize("transport", ["requests", "curl_cffi"])
@pytest.mark.parametrize("page", ["classic", "classic-old"])
def test_a_long_history_arrives(site: Site, page: str, transport: Any) -> None:
    """What is too long to be quoted goes another way, and means the same."""
    said = [f"{number}: what do they say & why? 100% = {'word ' * 40}" for number in range(200)]
    messages = [
        {"role": ("user", "assistant")[number % 2], "content": text}
        for number, text in enumerate([*said, "And now?"])
    ]
    with Client(site.page(page), transport=transport) as client:
        client.chat(messages)
    assert site.requests[-1].headers["content-type"].startswith("multipart/form-data")
    arrived = site.messages[-1]
    assert [message["content"] for message in arrived] == [
        *(text.strip() for text in said), "And now?",
    ]  # fmt: skip
    assert [message["role"] for message in arrived] == [message["role"] for message in messages]
