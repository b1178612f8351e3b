"""A site's bot as a model of the program `llm`: run by the tox environment `llm`."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from llm_program import (
    ROOT,
    ask,
    asked,
    async_model,
    environment,
    ids,
    llm,
    model,
    run,
    user_path,  # noqa: F401 - A fixture.
)

import chatgptes
from chatgptes import shared
from chatgptes.integrations.llm.model import TurnError
from chatgptes.sandbox import Site

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000000000500017a5eab3f0000000049454e44ae426082"
)


# The program.


def test_the_program_knows_the_model() -> None:
    listed = run("models", "list", "--options", "-q", "chatgptes").stdout
    for name in ("site", "bot", "transport", "proxy", "timeout", "web_search", "async"):
        assert name in listed
    assert run("models", "list", "--async", "-q", "chatgptes").stdout.count("chatgptes") == 1


@pytest.mark.parametrize(
    "further", [(), ("--no-stream",), ("--async",), ("--async", "--no-stream")]
)
def test_the_program_asks(site: Site, further: tuple[str, ...]) -> None:
    answer = ask(site.page("classic"), "What is a nonce?", *further)
    assert "> What is a nonce?" in answer.stdout
    assert answer.stderr == ""


@pytest.mark.parametrize("further", [(), ("--async",)])
def test_text_is_printed_as_it_comes(further: tuple[str, ...]) -> None:
    seen = threading.Event()

    def answer(_: list[dict[str, str]]) -> Iterator[str]:
        yield "first "
        assert seen.wait(30)
        yield "second"

    with Site(answer=answer) as site:
        program = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "llm",
                "-m",
                "chatgptes",
                "-o",
                "site",
                site.url,
                "Hi",
                *further,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environment(),
        )
        assert program.stdout is not None
        assert program.stdout.read(5) == b"first"
        seen.set()
        rest, _ = program.communicate(timeout=30)
    assert rest.strip() == b"second"


@pytest.mark.parametrize("page", ["front", "aipkit-state"])
def test_a_conversation_goes_on_in_another_process(site: Site, page: str) -> None:
    """On a site that keeps it itself: under the same ids, with one prompt at a time."""
    ask(site.page(page), "My name is Ada.")
    run("-c", "What is my name?")
    run("-c", "--async", "And who are you?")
    assert len(set(ids(site))) == 1
    assert len(ids(site)) == 3
    assert [each.param("message") for each in site.requests if each.param("message")] == [
        "My name is Ada.",
        "What is my name?",
        "And who are you?",
    ]
    assert asked(site)[0] == "My name is Ada."
    if page == "aipkit-state":
        assert [bool(each.param("previous_openai_response_id")) for each in site.requests
                if each.param("conversation_uuid")] == [False, True, True]  # fmt: skip


def test_a_conversation_goes_on_where_the_history_is_sent_along(site: Site) -> None:
    ask(site.page("classic"), "My name is Ada.", "-s", "Be brief.")
    run("-c", "What is my name?")
    run("-c", "And who are you?")
    assert asked(site) == ["Be brief. My name is Ada.", "What is my name?", "And who are you?"]
    assert len({each.param("wpaicg_chat_client_id") for each in site.requests} - {""}) == 1


def test_a_conversation_with_another_bot_is_told_what_was_said(site: Site) -> None:
    ask(site.page("front"), "My name is Ada.")
    run("-c", "-o", "site", site.page("classic"), "What is my name?")
    assert asked(site) == ["My name is Ada.", "What is my name?"]
    run("-c", "-o", "site", site.page("aipkit-popup"), "And now?")  # Another site, to a client.
    assert asked(site)[0].startswith("User: My name is Ada.")
    assert asked(site)[0].endswith("User: And now?")
    first, second = ids(site)
    assert first != second


def test_the_programs_own_chat(site: Site) -> None:
    said = run("chat", "-m", "chatgptes", "-o", "site", site.url, text="I am Ada.\nWho?\nquit\n")
    assert "message 2 of our conversation" in said.stdout
    assert len(set(ids(site))) == 1
    run("chat", "-c", text="And now?\nquit\n")
    assert asked(site) == ["I am Ada.", "Who?", "And now?"]
    assert len(set(ids(site))) == 1


def test_failures_are_one_line(site: Site) -> None:
    site.next("quota", 2)
    error = ask(site.url, "Hi", status=1).stderr
    assert re.fullmatch(r"Error: The bot's limit for its visitors is used up\..*\n", error)
    error = run("chat", "-m", "chatgptes", "-o", "site", site.url, text="Hi\n", status=1).stderr
    assert re.fullmatch(r"Error: The bot's limit for its visitors is used up\..*\n", error)
    assert "Did you mean https://nowhere?" in ask("nowhere", "Hi", status=1).stderr


def test_failures_name_what_llm_can_change(site: Site) -> None:
    def failure(*arguments: str) -> str:
        error = ask(site.url, "Hi", *arguments, status=1).stderr
        assert not re.search(r"Client\(|client\.|api_key|Timeout\(|\.partial|\w=", error), error
        return error

    site.next("stall")
    assert "Use -o timeout to allow more." in failure("-o", "timeout", "1")
    site.next("model-drop", 2)
    failure()
    failure("--no-stream")
    site.next("rate-limit-long")
    assert "ask less often and fewer at once." in failure()
    assert "does not offer it." in failure("-o", "web_search", "1")
    wrong = failure("-o", "bot", site.rest_bot, "--key", "wrong")
    assert "Use --key to give the right one." in wrong
    keyed = ("-o", "bot", site.rest_bot, "--key", site.api_key)
    assert "instead, without the key." in failure(*keyed, "-o", "web_search", "1")


@pytest.mark.parametrize("seconds", ["inf", "nan", "0", "-1"])
def test_a_timeout_is_a_positive_number(site: Site, seconds: str) -> None:
    assert "timeout" in ask(site.url, "Hi", "-o", "timeout", seconds, status=1).stderr
    assert site.requests == []


@pytest.mark.parametrize("further", [(), ("--async",)])
def test_text_that_arrived_is_not_lost(site: Site, further: tuple[str, ...]) -> None:
    site.next("model-drop", 2)
    broken = ask(site.url, "Hi", *further, status=1)
    assert broken.stdout.startswith("**I am the")
    assert broken.stdout.endswith("\n")  # The error has a line of its own.
    assert broken.stderr.startswith("Error: The answer broke off")
    broken = ask(site.url, "Hi", "--no-stream", *further, status=1)
    assert "broke off" in broken.stderr.splitlines()[0]
    assert "**I am the" in broken.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("further", [(), ("--async",)])
def test_ctrl_c_ends_the_turn(site: Site, further: tuple[str, ...]) -> None:
    site.next("stall")
    # A shell's background jobs are told to ignore it, and so are theirs.
    program_of_llm = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "runpy.run_module('llm', run_name='__main__')"
    )
    arguments = ["-m", "chatgptes", "-o", "site", site.url, "Hi", *further]
    program = subprocess.Popen(
        [sys.executable, "-c", program_of_llm, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert program.stdout is not None
    program.stdout.read(1)  # The answer has begun, and stalls.
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=30)  # A stall would be 60 s.
    assert program.returncode == 1
    assert len(site.requests) == 3


def test_a_picture(site: Site, tmp_path: Path) -> None:
    picture = tmp_path / "dot.png"
    picture.write_bytes(PNG)
    ask(site.page("aipkit-images"), "What is this?", "-a", str(picture))
    sent = [each.param("image_inputs") for each in site.requests if each.param("image_inputs")]
    assert json.loads(sent[0])[0]["mime_type"] == "image/png"
    run("-c", "Thank you.")  # It goes on, without the picture.
    assert len(set(ids(site))) == 1
    assert len([each for each in site.requests if each.param("image_inputs")]) == 1


# From Python.


def test_conversation(site: Site) -> None:
    talk = model().conversation()
    talk.prompt("My name is Ada.", site=site.url, system="Be brief.").text()
    talk.prompt("What is my name?").text()
    assert len(set(ids(site))) == 1
    assert asked(site) == ["Be brief.\n\nMy name is Ada.", "What is my name?"]


def test_history_that_was_changed_is_told_anew(site: Site) -> None:
    first = model().prompt("My name is Ada.", site=site.url)
    answer = first.messages()
    chain = [llm.user("My name is Eve."), *answer]
    shared._cache.recent.clear()  # As in another process.
    model().prompt("Who am I?", messages=chain).text()
    assert asked(site)[-1].startswith("User: My name is Eve.")
    assert len(set(ids(site))) == 2
    assert len({visitor for visitor, _ in ids(site)}) == 1


def test_a_system_text_that_was_changed_is_told(site: Site) -> None:
    first = model().prompt("My name is Ada.", site=site.url, system="Be brief.")
    answer = first.messages()
    chain = [llm.system("Be kind."), llm.user("My name is Ada."), *answer]
    model().prompt("Who am I?", messages=chain).text()
    assert asked(site)[-1].startswith("User: Be kind.")
    assert len(set(ids(site))) == 2


def test_history_of_another_model(site: Site) -> None:
    chain = [
        llm.system("Be brief."),
        llm.user("What time is it?"),
        llm.assistant(llm.parts.ReasoningPart(text="Hm."), llm.parts.ToolCallPart(name="clock")),
        llm.tool_message(llm.parts.ToolResultPart(name="clock", output="noon")),
        llm.assistant("It is noon."),
        llm.user("Thank you."),
        llm.user("And now?"),
    ]
    response = model().prompt(messages=chain, site=site.page("classic"))
    response.text()
    assert site.messages[-1] == [
        {"role": "user", "content": "Be brief. What time is it?"},
        {"role": "assistant", "content": "It is noon."},
        {"role": "user", "content": "Thank you.\n\nAnd now?"},
    ]
    # Another model answers in between: the conversation's site is asked again, and told all.
    chain += [*response.messages(), llm.user("Sure?"), llm.assistant("Yes.")]
    model().prompt("Really?", messages=chain).text()
    assert asked(site)[-1] == "Really?"
    assert site.messages[-1][-2] == {"role": "assistant", "content": "Yes."}


def test_history_that_begins_with_the_assistant(site: Site) -> None:
    chain = [llm.assistant("I am a bot."), llm.user("Hi"), llm.assistant("Hi.")]
    with pytest.raises(TurnError, match="first message is the assistant's"):
        model().prompt("Are you?", messages=chain, site=site.url).text()
    assert site.requests == []


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [("quota", chatgptes.QuotaError), ("cache-challenge", chatgptes.ChallengeError)],
)
def test_a_failed_turn_can_be_said_again(
    site: Site, fault: str, kind: type[Exception], stream: bool
) -> None:
    """In the same conversation of the site, which has not heard it, or has not answered."""
    talk = model().conversation()
    talk.prompt("My name is Ada.", site=site.url).text()
    site.next(fault)
    with pytest.raises(TurnError) as caught:
        talk.prompt("Who am I?", stream=stream).text()
    assert isinstance(caught.value, llm.ModelError)
    assert isinstance(caught.value.__cause__, kind)
    talk.prompt("Who am I?", stream=stream).text()
    assert asked(site)[-1] == "Who am I?"
    assert "Ada" in str(site.messages[-1])
    assert len(set(ids(site))) == 1


def test_a_turn_that_was_left_can_be_said_again(site: Site) -> None:
    first = model().prompt("My name is Ada.", site=site.url)
    first.text()
    site.next("endless")
    chunks = iter(first.reply("Who am I?"))
    next(chunks)
    chunks.close()
    first.reply("Who am I?").text()
    assert len(ids(site)) == 3
    assert len(set(ids(site))) == 1


def test_what_is_left_early_is_ended(site: Site) -> None:
    site.next("endless")
    chunks = iter(model().prompt("Hi", site=site.url))
    next(chunks)
    chunks.close()
    until_idle(site)


def until_idle(site: Site) -> None:
    """The site has no answer under way; a turn that was not ended would go on for ever."""
    deadline = time.monotonic() + 30
    while site.open_connections and time.monotonic() < deadline:
        time.sleep(0.01)
    assert site.open_connections == 0


def test_async(site: Site) -> None:
    async def main() -> None:
        talk = async_model().conversation()
        chunks = [chunk async for chunk in talk.prompt("My name is Ada.", site=site.url)]
        assert len(chunks) > 5
        response = talk.prompt("What is my name?", stream=False)
        assert "Ada" in await response.text()
        assert (await response.usage()).input is None
        site.next("quota")
        with pytest.raises(TurnError, match="limit"):
            await talk.prompt("And now?").text()

    asyncio.run(main())
    assert len(set(ids(site))) == 1


def test_async_cancelled(site: Site) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def hear() -> None:
            async for _ in async_model().prompt("Hi", site=site.url):
                begun.set()

        site.next("endless")
        task = asyncio.create_task(hear())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    until_idle(site)


def test_attachments(site: Site, tmp_path: Path) -> None:
    picture = tmp_path / "dot.png"
    picture.write_bytes(PNG)
    for attachment in (llm.Attachment(content=PNG), llm.Attachment(path=str(picture))):
        model().prompt("?", attachments=[attachment], site=site.page("classic")).text()
        assert site.requests[-1].files["image"] == ("image/png", PNG)
    talk = model().conversation()
    talk.prompt("", attachments=[attachment], site=site.page("aipkit-images")).text()
    talk.prompt("And?").text()
    assert len(set(ids(site))) == 1
    with pytest.raises(TurnError, match="image"):
        model().prompt("?", attachments=[attachment], site=site.url).text()
    gone = llm.Attachment(type="image/png", path=str(tmp_path / "gone.png"))
    with pytest.raises(TurnError, match="can't be read"):
        model().prompt("?", attachments=[gone], site=site.page("classic")).text()


def test_an_attachment_with_an_address(site: Site) -> None:
    class Pictures(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200 if self.path == "/dot.png" else 404)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(PNG)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(PNG)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_port}"
        attachment = llm.Attachment(url=f"{home}/dot.png")
        model().prompt("?", attachments=[attachment], site=site.page("classic")).text()
        assert site.requests[-1].files["image"] == ("image/png", PNG)
        gone = llm.Attachment(type="image/png", url=f"{home}/gone?key=s3cret")
        with pytest.raises(TurnError, match="can't be downloaded") as caught:
            model().prompt("?", attachments=[gone], site=site.page("classic")).text()
        assert "s3cret" not in str(caught.value)
        server.shutdown()


def test_web_search(site: Site) -> None:
    response = model().prompt("News?", site=site.page("aipkit-state"), web_search=True)
    assert set(response.json()["citations"][0]) == {"url", "title", "text"}
    assert site.requests[-1].param("frontend_web_search_active") == "true"
    with pytest.raises(TurnError, match="search"):
        model().prompt("News?", site=site.url, web_search=True).text()


def test_what_no_site_has_is_refused(site: Site) -> None:
    with pytest.raises(ValueError, match="schemas"):
        model().prompt("Hi", schema={"type": "object"}, site=site.url)
    with pytest.raises(ValueError, match="tools"):
        model().prompt("Hi", tools=[clock], site=site.url)
    with pytest.raises(ValueError, match="attachments of type"):
        model().prompt("Hi", attachments=[llm.Attachment(type="audio/wav", content=b"RIFF")])
    with pytest.raises(TurnError, match="no prompt"):
        model().prompt("", site=site.url).text()
    assert site.requests == []


def clock() -> str:
    return ""


def test_fragments(site: Site) -> None:
    model().prompt("Sum it up.", fragments=["A long text."], site=site.url).text()
    assert asked(site) == ["A long text.\nSum it up."]


def test_the_example() -> None:
    result = subprocess.run(
        [sys.executable, "examples/llm_model.py"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env=environment(),
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    assert "message 2 of our conversation" in result.stdout


def test_importing_the_plugin_imports_no_transport() -> None:
    program = (
        "import sys, llm, chatgptes.integrations.llm;"
        "print([name for name in ('requests', 'curl_cffi') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=environment()
    )
    assert result.stdout.strip() == "[]", result.stderr
