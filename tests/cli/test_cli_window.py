"""The command line's part of what a chat window can do: visitors, starters, thumbs, memory."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_cli_commands import ENVIRONMENT, chatgptes
from test_cli_terminal import Terminal

from chatgptes import InvalidConfigError, kept
from chatgptes.kept import kept_visitor
from chatgptes.sandbox import Site

NOTICE = "can know you again by an id that is kept in"


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose data is kept."""
    return {"CHATGPTES_DATA": str(tmp_path / "data")}


def files(data: dict[str, str]) -> list[Path]:
    return sorted(Path(data["CHATGPTES_DATA"], "visitors").glob("*"))


def sessions(site: Site) -> list[str]:
    """Each visitor that the site was shown with a question, in order."""
    shown = (each.param("session_id") for each in site.requests if "cache_key" in each.query)
    return list(shown)


class TestVisitors:
    def test_one_for_each_site(self, site: Site, data: dict[str, str]) -> None:
        first = chatgptes("--site", site.url, "Hi", **data)
        assert first.returncode == 0
        assert first.stderr.count("\n") == 1
        assert NOTICE in first.stderr
        assert "--anonymous" in first.stderr
        (path,) = files(data)
        assert str(path) in first.stderr
        again = chatgptes("--site", site.page("aipkit-two"), "--bot", "5", "Hi", **data)
        assert again.stderr == ""
        talked = chatgptes("chat", "--site", site.url, stdin="Hi\n", **data)
        assert talked.stderr == ""
        one, *others = sessions(site)
        assert others == [one, one]
        assert json.loads(path.read_text())["visitor"] == one
        with Site() as elsewhere:
            other = chatgptes("--site", elsewhere.url, "Hi", **data)
            assert NOTICE in other.stderr
            assert one not in sessions(elsewhere)
            assert all(one not in str(each.form) + each.target for each in elsewhere.requests)
        assert len(files(data)) == 2

    @pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
    def test_only_its_owner_reads_it(self, site: Site, data: dict[str, str]) -> None:
        chatgptes("--site", site.url, "Hi", **data)
        (path,) = files(data)
        for each in (path, path.parent, path.parent.parent):
            assert each.stat().st_mode & 0o077 == 0, each

    def test_anonymous(self, site: Site, data: dict[str, str]) -> None:
        for words in (["--site", site.url, "--anonymous", "Hi"],
                      ["chat", "--anonymous", "--site", site.url]):  # fmt: skip
            result = chatgptes(*words, stdin="Hi\n", **data)
            assert (result.returncode, result.stderr) == (0, "")
        assert files(data) == []
        chatgptes("--site", site.url, "Hi", **data)
        chatgptes("--site", site.url, "--anonymous", "Hi", **data)
        assert len(set(sessions(site))) == 4
        assert chatgptes("--site", site.url, "Hi", CHATGPTES_DATA="").stderr == ""

    def test_commands_that_ask_nothing_keep_none(self, site: Site, data: dict[str, str]) -> None:
        assert chatgptes("bots", site.url, **data).returncode == 0
        assert chatgptes("doctor", site.url, **data).returncode == 0
        assert chatgptes("--sandbox", "Hi", **data).stderr == ""
        key = {"CHATGPTES_API_KEY": site.api_key, "CHATGPTES_SITE": site.url}
        assert chatgptes("--bot", "5", "Hi", **data, **key).stderr == ""
        assert chatgptes("--site", "nonsense", "Hi", **data).stderr.count("\n") == 1
        assert files(data) == []

    def test_a_batch(self, site: Site, data: dict[str, str], tmp_path: Path) -> None:
        source = tmp_path / "in.txt"
        source.write_text("one\ntwo\n")
        chatgptes("batch", str(source), "--site", site.url, **data)
        chatgptes("batch", str(source), "--site", site.url, "--anonymous", **data)
        one, two, *others = sessions(site)
        assert one == two
        assert one not in others
        assert json.loads(files(data)[0].read_text())["visitor"] == one

    def test_continued_conversations_keep_theirs(
        self, site: Site, data: dict[str, str], tmp_path: Path
    ) -> None:
        saved = str(tmp_path / "talk.json")
        chatgptes("--site", site.url, "--anonymous", "One", **data)
        assert "message 2 of" in chatgptes("-c", "Two", **data).stdout
        talk = chatgptes("chat", "-c", stdin=f"Three\n/save {saved}\n", **data)
        assert "message 3 of" in talk.stdout
        loaded = chatgptes(
            "chat", "--site", site.url, "--load", saved, "--anonymous", stdin="Four\n", **data
        )
        assert "message 4 of" in loaded.stdout
        assert len(set(sessions(site))) == 1
        # A new one is the kept visitor's again.
        chatgptes("--site", site.url, "Hi", **data)
        assert len(set(sessions(site))) == 2

    def test_a_broken_file(self, site: Site, data: dict[str, str]) -> None:
        chatgptes("--site", site.url, "Hi", **data)
        (path,) = files(data)
        path.write_text("{")
        result = chatgptes("--site", site.url, "Hi", **data)
        assert result.returncode == 0
        assert result.stderr.count("\n") == 1
        assert f"{path} holds no visitor's id" in result.stderr
        assert "new visitor to the site this time" in result.stderr
        assert path.read_text() == "{"
        assert len(set(sessions(site))) == 2

    def test_an_unreadable_one(self, site: Site, data: dict[str, str]) -> None:
        chatgptes("--site", site.url, "Hi", **data)
        (path,) = files(data)
        path.unlink()
        path.mkdir()
        result = chatgptes("--site", site.url, "Hi", **data)
        assert (result.returncode, result.stderr.count("\n")) == (0, 1)
        assert str(path) in result.stderr
        assert "new visitor" in result.stderr
        if sys.platform != "win32":  # A link may need a right there.
            path.rmdir()
            path.symlink_to("nowhere")
            result = chatgptes("--site", site.url, "Hi", **data)
            assert (result.returncode, result.stderr.count("\n")) == (0, 1)
            assert f"{path}: No such file" in result.stderr
        occupied = path.parent.parent / "file"
        occupied.write_text("")
        result = chatgptes("--site", site.url, "Hi", CHATGPTES_DATA=str(occupied))
        assert (result.returncode, result.stderr.count("\n")) == (0, 1)
        assert "new visitor" in result.stderr

    @pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX's")
    def test_a_full_disk(self, site: Site, data: dict[str, str]) -> None:
        result = subprocess.run(
            ["/bin/sh", "-c", 'ulimit -f 0; "$0" -m chatgptes --site "$1" Hi', sys.executable,
             site.url],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            env=ENVIRONMENT | data,
        )  # fmt: skip
        assert (result.returncode, result.stderr.count("\n")) == (0, 1)
        assert "No id can be kept: " in result.stderr
        assert "None" not in result.stderr
        assert files(data) == []

    def test_nobodys_home(self, site: Site, tmp_path: Path) -> None:
        result = subprocess.run(
            [sys.executable, "-m", "chatgptes", "--site", site.url, "Hi"], cwd=tmp_path,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            env=ENVIRONMENT | {"CHATGPTES_DATA": "~nobody-has-this-name/data"},
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert NOTICE in result.stderr

    def test_many_programs_at_once(self, site: Site, data: dict[str, str]) -> None:
        command = [sys.executable, "-m", "chatgptes", "--site", site.url, "Hi"]
        running = [
            subprocess.Popen(
                command, env=ENVIRONMENT | data, stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, encoding="utf-8",
            )
            for _ in range(6)
        ]  # fmt: skip
        said = "".join(each.communicate(timeout=60)[1] for each in running)
        assert [each.returncode for each in running] == [0] * 6
        assert said.count(NOTICE) == 1
        assert said.count("\n") == 1
        assert len(sessions(site)) == 6
        assert len(set(sessions(site))) == 1
        assert len(files(data)) == 1


class TestKept:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        monkeypatch.setenv("CHATGPTES_DATA", str(tmp_path / "data"))
        return iter([tmp_path / "data"])

    def test_sites_are_told_apart_as_in_a_browser(self) -> None:
        same = {
            kept_visitor(url).id  # type: ignore[union-attr]
            for url in ("https://a.test/chat/", "https://A.test:443/?x=1", "https://u:p@a.test/")
        }
        assert len(same) == 1
        others = {
            kept_visitor(url).id  # type: ignore[union-attr]
            for url in ("http://a.test/", "https://a.test:8443/", "https://www.a.test/",
                        "https://b.test/", "https://[::1]/", "https://a_test/", "https://ä.test/")
        }  # fmt: skip
        assert len(others) == 7
        assert not same & others

    @pytest.mark.parametrize("links", [True, False])
    def test_another_program_is_first(self, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
        def link(*_: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        others: list[Any] = []

        def made() -> uuid.UUID:
            if not others:  # Between the look for the file and its making.
                others.append(None)
                others[0] = kept_visitor("https://a.test/")
            return uuid.uuid4()

        if not links:
            monkeypatch.setattr(os, "link", link)
        monkeypatch.setattr(kept, "uuid4", made)
        mine = kept_visitor("https://a.test/")
        assert mine is not None
        assert (mine.id, mine.is_new, others[0].is_new) == (others[0].id, False, True)
        assert len(list(mine.path.parent.iterdir())) == 1

    def test_threads_agree(self) -> None:
        found: list[Any] = []
        start = threading.Barrier(16)

        def look() -> None:
            start.wait()
            found.append(kept_visitor("https://a.test/"))

        threads = [threading.Thread(target=look) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({each.id for each in found}) == 1
        assert sum(each.is_new for each in found) == 1

    @pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
    def test_a_file_system_without_links(
        self, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        def link(*_: object) -> None:
            raise OSError(number, "no links here")

        monkeypatch.setattr(os, "link", link)
        first, second = kept_visitor("https://a.test/"), kept_visitor("https://a.test/")
        assert first is not None
        assert second is not None
        assert (first.id, first.is_new) == (second.id, True)
        assert not second.is_new
        assert [each.suffix for each in first.path.parent.iterdir()] == [".json"]

    @pytest.mark.parametrize("content", ["", "{", "\x00", "[" * 100_000])
    def test_a_damaged_last_conversation(self, content: str, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / "last.json").write_text(content)
        with pytest.raises(InvalidConfigError, match="no saved conversation"):
            kept.last_conversation()
        kept.forget("x")

    def test_a_file_of_another_site_is_not_taken(self) -> None:
        first, second = kept_visitor("https://a.test/"), kept_visitor("https://b.test/")
        assert first is not None
        assert second is not None
        second.path.write_bytes(first.path.read_bytes())
        with pytest.raises(InvalidConfigError, match=r"no visitor's id for https://b\.test"):
            kept_visitor("https://b.test/")

    @pytest.mark.parametrize(
        "content",
        [
            "", "{", "[]", "null", '{"visitor": 5}', '{"site": "https://a.test"}', "\x00",
            '{"site": "https://a.test", "visitor": "x"}', "[" * 100_000,
            '{"site": "https://a.test", "visitor": null}',
        ],
    )  # fmt: skip
    def test_a_broken_file(self, content: str) -> None:
        first = kept_visitor("https://a.test/")
        assert first is not None
        first.path.write_text(content)
        with pytest.raises(InvalidConfigError, match="remove it, and a new one is made"):
            kept_visitor("https://a.test/")
        assert first.path.read_text() == content
        first.path.unlink()
        again = kept_visitor("https://a.test/")
        assert again is not None
        assert again.is_new
        assert again.id != first.id


class TestChat:
    def test_tomorrow(self, site: Site, data: dict[str, str]) -> None:
        today = chatgptes(
            "chat", "--site", site.url, stdin="/1\n/good\n/bad no comment here\n/3\n/0\n", **data
        )
        assert "> What can you do?" in today.stdout
        assert "Sent: the site has your feedback" in today.stdout
        assert "without a comment" in today.stderr
        assert "no question /3: it offers /1 to /2" in today.stderr
        assert today.returncode == 1  # Two commands of the pipe failed.
        thumbs = [each.form["feedback_type"] for each in site.requests if "feedback_type" in
                  each.form]  # fmt: skip
        assert thumbs == ["up"]

        tomorrow = chatgptes(
            "chat", "--site", site.url,
            stdin="/conversations 1\n/conversations\n/conversations 7\n/conversations 1\n"
            "And now?\n/conversations\n/good\n/conversations delete x\n/conversations delete 1\n"
            "/conversations delete 1\n/conversations\n/good\nAnew\n",
            **data,
        )  # fmt: skip
        shown = tomorrow.stdout
        assert "What can you do?" in shown
        assert "Loaded 2 messages from the site." in shown
        assert "message 2 of our" in shown
        assert "(this one)" in shown
        assert "Deleted on the site." in shown
        assert "remembers no conversation" in shown
        assert shown.rstrip().endswith("This is message 1 of our conversation.")
        assert tomorrow.stderr.count("List them first") == 2
        assert tomorrow.stderr.count("A number from 1 to 1") == 2
        assert tomorrow.stderr.count("no answer of this session") == 1
        # It is not the last one, to be continued, either.
        last = json.loads(Path(data["CHATGPTES_DATA"], "last.json").read_text())
        assert [each["content"] for each in last["messages"]][:1] == ["Anew"]

    def test_a_deleted_one_is_not_continued(self, site: Site, data: dict[str, str]) -> None:
        chatgptes("chat", "--site", site.url, stdin="Hello\n/conversations\n"
                  "/conversations delete 1\n", **data)  # fmt: skip
        result = chatgptes("-c", "More", **data)
        assert result.returncode == 2
        assert "no last conversation" in result.stderr

    def test_another_visitor_sees_none(self, site: Site, data: dict[str, str]) -> None:
        chatgptes("--site", site.url, "Hello", **data)
        listed = ("chat", "--site", site.url)
        assert "Hello" in chatgptes(*listed, stdin="/conversations\n", **data).stdout
        other = chatgptes(*listed, "--anonymous", stdin="/conversations\n", **data)
        assert "remembers no conversation" in other.stdout

    def test_the_other_kinds_of_sites(self, site: Site, data: dict[str, str]) -> None:
        engine = chatgptes(
            "chat", "--site", site.page("engine-starters"),
            stdin="/2\n/good\n/conversations\n/conversations delete 1\n", **data,
        )  # fmt: skip
        assert "Who am I?, please" in engine.stdout
        assert "take no feedback; those of the dialects aipkit and wpaicg do" in engine.stderr
        assert "give visitors no list" in engine.stderr
        assert "Use /save and /load to continue one from a file." in engine.stderr
        classic = chatgptes(
            "chat", "--site", site.page("classic"),
            stdin="/good\n/2\n/bad That's wrong, I think\n/conversations\n", **data,
        )  # fmt: skip
        assert '> Is 1 < 2 & "so on"?' in classic.stdout
        assert site.requests[-1].form["feedbackDetails"] == "That's wrong, I think"
        assert classic.stderr.count("\n") == 2  # The first thumb, and the list.

    def test_files_of_other_conversations_are_not_overwritten(
        self, site: Site, data: dict[str, str], tmp_path: Path
    ) -> None:
        chatgptes("--site", site.url, "One", **data)
        saved = tmp_path / "talk.json"
        result = chatgptes(
            "chat", "--site", site.url,
            stdin=f"Two\n/save {saved}\n/conversations\n/conversations 2\n/save {saved}\n", **data,
        )  # fmt: skip
        assert "exists already" in result.stderr
        assert json.loads(saved.read_text())["messages"][0]["content"] == "Two"

    def test_a_list_is_one_bots(self, site: Site, data: dict[str, str]) -> None:
        lines = "Hi\n/conversations\n/bot 5\n/conversations delete 1\n/conversations 1\n"
        talked = chatgptes("chat", "--site", site.page("aipkit-two"), stdin=lines, **data)
        assert talked.stderr.count("List them first: /conversations") == 2
        assert [each.param("action") for each in site.requests if each.method == "POST"] == [
            "aipkit_cache_sse_message", "aipkit_get_conversations_list",
        ]  # fmt: skip

    def test_hostile_texts(self, data: dict[str, str]) -> None:
        with Site(answer=lambda _: "ok") as site:
            chatgptes("--site", site.url, "\x1b[31m\x07red [bold]x[/]", **data)
            shown = chatgptes("chat", "--site", site.url, stdin="/conversations\n", **data).stdout
        assert "red [bold]x[/]" in shown
        assert "\x1b" not in shown
        assert "\x07" not in shown


def test_consent(site: Site, data: dict[str, str]) -> None:
    page = site.page("consent")
    refused = chatgptes("--site", page, "Hi", **data)
    assert refused.returncode == 2
    assert "answered by a program" in refused.stderr
    assert "Use --consent if you agree." in refused.stderr
    assert "consent=" not in refused.stderr
    for words in (["--consent", "Hi"], ["ask", "Hi", "--consent"]):
        assert chatgptes(*words, "--site", page, **data).returncode == 0
    assert chatgptes("doctor", "--ask", "--consent", page).returncode == 0


def test_bots_show_greetings_and_starters(site: Site) -> None:
    lines = [line.split("\t") for line in chatgptes("bots", site.url).stdout.splitlines()]
    assert lines[0][-2:] == ["GREETING", "STARTERS"]
    assert lines[1][-2:] == [
        'Hello! I\'m the sandbox & "no model".', "What can you do? | Who am I?",
    ]  # fmt: skip
    if sys.platform != "win32":
        with Terminal("bots", site.url) as terminal:
            assert terminal.done() == 0
            assert 'Sandbox: Hello! I\'m the sandbox & "no model".' in terminal.text
            assert "Sandbox offers: Who am I?" in terminal.text


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_in_a_terminal(site: Site, data: dict[str, str]) -> None:
    with Terminal("chat", "--site", site.url, **data) as terminal:
        terminal.see("/1  What can you do?\n/2  Who am I?")
        for line, shown in {
            "/2": "> Who am I?",
            "/good": "Sent: the site has your feedback",
            "/conver\t": "Who am I?  (this one)",
        }.items():
            terminal.see("\n>")
            terminal.type(f"{line}\n")
            terminal.see(shown)
        terminal.type("/exit\n")
        assert terminal.done() == 0
    with Terminal("chat", "--site", site.url, **data) as terminal:
        for line, shown in {
            "/conversations": "Who am I?\n",
            "/conversations 1": "Loaded 2 messages from the site.",
            "Hello": "message 2 of",
            "/conversations ": "(this one)",
            "/conversations delete 1": "Deleted on the site.",
            "/1": "message 1 of",
        }.items():
            terminal.see("\n>")
            terminal.type(f"{line}\n")
            terminal.see(shown)
        terminal.type("/exit\n")
        assert terminal.done() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_the_doctors_table(site: Site) -> None:
    with Terminal("doctor", site.page("plugins")) as terminal:
        assert terminal.done() == 0
        assert "Sandbox default, mwai" in terminal.text.replace("\n", " ")
        rows = {line.split("  ")[0].strip(): line.split()[-2:] for line in
                terminal.text.splitlines()}  # fmt: skip
    assert rows["streaming"] == ["yes", "yes"]
    assert rows["feedback"] == ["no", "yes"]
    assert rows["conversation list"] == ["no", "yes"]


def test_a_picture_that_the_bot_does_not_take_spoils_one_message(
    site: Site, tmp_path: Path
) -> None:
    picture = tmp_path / "dot.gif"
    picture.write_bytes(b"GIF89a\x01\0\x01\0\0\0\0;")
    said = chatgptes("chat", "--site", site.url, stdin=f"/image {picture}\nOne\nTwo\n")
    assert "takes no images" in said.stderr
    assert "goes without those images" in said.stderr
    assert "> Two" in said.stdout
    assert "> One" not in said.stdout
