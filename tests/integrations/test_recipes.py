"""Every recipe runs with the package that it is for (tox's `recipes` has them all)."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

import messengers
from serving import TOKEN, page, serving

from chatgptes.integrations.server import SiteSettings
from chatgptes.sandbox import Site

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "examples" / "recipes"
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "PYTHONIOENCODING": "utf-8",
    "PYTHONUNBUFFERED": "1",
    # Nobody is told of these runs, and no price list is fetched.
    "GRADIO_ANALYTICS_ENABLED": "False",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "DO_NOT_TRACK": "1",
}
TESTED = {
    "openai_sdk.py", "llamaindex_chat.py", "pydantic_ai_agent.py", "litellm_provider.py",
    "mcp_server.py", "gradio_chat.py", "flask_app.py", "fastapi_app.py", "django_app.py",
    "streamlit_chat.py", "smolagents_tool.py", "telegram_bot.py", "discord_bot.py",
}  # fmt: skip


def run(name: str, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, f"examples/recipes/{name}", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=110,
        env=ENVIRONMENT,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_all_are_tested_and_listed() -> None:
    programs = {path.name for path in RECIPES.glob("*.py")}
    assert programs == TESTED
    listed = (RECIPES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+\.py)\)", listed)) == programs


# Through the server.


def test_openai_sdk(site: Site) -> None:
    pytest.importorskip("openai")
    with serving(page(site.url)) as served:
        shown = run("openai_sdk.py", served.url, TOKEN)
    assert "> What is a nonce?" in shown
    assert shown.endswith("[5]\n")


def test_llamaindex(site: Site) -> None:
    pytest.importorskip("llama_index.llms.openai_like")
    with serving(page(site.url)) as served:
        shown = run("llamaindex_chat.py", served.url, TOKEN, "5")
    assert "My name is Ada." in shown
    assert "> What is a cookie?" in shown.split("[whole]")[1]


def test_pydantic_ai(site: Site) -> None:
    pytest.importorskip("pydantic_ai")
    with serving(page(site.url)) as served:
        shown = run("pydantic_ai_agent.py", served.url, TOKEN, "5")
    assert "What is my name?" in shown
    assert "My name is Ada." in shown
    assert "Answer in one word." in site.messages[0][-1]["content"]


# Without it.


def test_litellm(site: Site) -> None:
    pytest.importorskip("litellm")
    shown = run("litellm_provider.py", site.url)
    assert len(site.messages) == 4
    assert shown.count("What is a nonce?") >= 2
    assert re.search(r"\|.*\|", shown)
    assert re.search(r"async: (.|\n)*\+.*\+", shown)


def test_mcp(site: Site) -> None:
    mcp = pytest.importorskip("mcp")
    from mcp.client.stdio import stdio_client

    async def main() -> None:
        program = str(RECIPES / "mcp_server.py")
        start = mcp.StdioServerParameters(
            command=sys.executable, args=[program, site.url], env=ENVIRONMENT
        )
        async with stdio_client(start) as (read, write), mcp.ClientSession(read, write) as session:
            await session.initialize()
            (tool,) = (await session.list_tools()).tools
            assert tool.name == "ask"
            result = await session.call_tool("ask", {"question": "What is a nonce?"})
            assert not result.is_error
            assert "> What is a nonce?" in result.content[0].text

    asyncio.run(main())


@contextmanager
def program(name: str, site: Site) -> Iterator[str]:
    """A recipe that serves, and where."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, f"examples/recipes/{name}", site.url, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        cwd=ROOT,
    )
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def fetch(url: str, body: Any = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("name", "package"), [("flask_app.py", "flask"), ("django_app.py", "django")]
)
def test_web_frameworks(site: Site, name: str, package: str) -> None:
    pytest.importorskip(package)
    with program(name, site) as url:
        status, text = fetch(f"{url}/ask?q=What+is+a+nonce%3F")
        assert (status, "> What is a nonce?" in text) == (200, True)
        assert fetch(f"{url}/ask?q=")[0] == 400
        status, _ = fetch(f"{url}/ask")
        assert status == 400
        site.next("http-500")
        assert fetch(f"{url}/ask?q=Hello")[0] == 502
        site.next("model-error-mid")
        status, text = fetch(f"{url}/ask?q=Hello")
        assert (status, "[broken off: " in text) == (200, True)


def test_fastapi(site: Site) -> None:
    pytest.importorskip("fastapi")
    with program("fastapi_app.py", site) as url:
        status, text = fetch(f"{url}/ask", {"question": "What is a nonce?"})
        assert status == 200
        parts = [json.loads(part) for part in re.findall(r"^data: (\".*)", text, re.MULTILINE)]
        assert "> What is a nonce?" in "".join(parts)
        assert text.endswith("event: done\ndata: {}\n\n")
        assert fetch(f"{url}/ask", {"question": ""})[0] == 422
        site.next("http-500")
        assert fetch(f"{url}/ask", {"question": "Hello"})[0] == 502


def test_gradio(site: Site) -> None:
    pytest.importorskip("gradio")
    client = pytest.importorskip("gradio_client")
    with program("gradio_chat.py", site) as url:
        bot = client.Client(url, verbose=False, analytics_enabled=False)
        job = bot.submit("What is a nonce?", api_name="/chat")
        answer = job.result(timeout=60)
        assert "> What is a nonce?" in str(answer)
        assert len(job.outputs()) > 3  # It came bit by bit.


@contextmanager
def bot(*command: str) -> Iterator[None]:
    """A recipe that talks to a messenger."""
    tokens = {"TELEGRAM_TOKEN": messengers.TOKEN, "DISCORD_TOKEN": messengers.TOKEN}
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, **tokens},
        cwd=ROOT,
    )
    try:
        yield
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert messengers.TOKEN not in said
        assert "Traceback" not in said
    except queue.Empty:
        process.kill()
        raise AssertionError(process.communicate()[1]) from None
    finally:
        process.kill()
        process.communicate()


def test_telegram(site: Site) -> None:
    """Against a Bot API server of the tests."""
    pytest.importorskip("telegram")
    with (
        messengers.telegram() as fake,
        bot("examples/recipes/telegram_bot.py", site.url, fake.url),
    ):
        fake.say(5, "My name is Ada.")
        chat, text = fake.answer()
        assert (chat, "> My name is Ada." in text) == ("5", True)
        fake.say(5, "What is my name?")
        assert "message 2 of" in fake.answer()[1]
        fake.say(6, "What is my name?")  # In another chat.
        chat, text = fake.answer()
        assert (chat, "message 1 of" in text) == ("6", True)
        site.next("quota")
        fake.say(6, "Once more")
        assert fake.answer() == ("6", "Sorry, there is no answer at the moment.")
    assert ("sendChatAction", {"chat_id": "5", "action": "typing"}) in fake.calls


DISCORD = """
import runpy, sys, urllib.request, yarl
from discord import Message
from discord.gateway import DiscordWebSocket
from discord.http import Route
Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = sys.argv[2], yarl.URL(sys.argv[3])

async def reply(self, text, send=Message.reply):
    await send(self, text)
    urllib.request.urlopen(sys.argv[4])

Message.reply = reply
runpy.run_path("examples/recipes/discord_bot.py", run_name="__main__")
"""


def test_discord(site: Site) -> None:
    """Against an API and a gateway of the tests, which is where discord.py is pointed to."""
    pytest.importorskip("discord")
    with (
        messengers.discord() as fake,
        bot("-c", DISCORD, site.url, fake.url, fake.gateway, fake.replied),
    ):
        fake.say(5, "My name is Ada.")
        chat, text = fake.answer()
        assert (chat, "> My name is Ada." in text) == ("5", True)
        fake.say(6, "Not for the bot", guild=True)
        fake.say(6, "What is my name?", guild=True, mention=True)
        chat, text = fake.answer()
        assert (chat, "> What is my name?" in text) == ("6", True)
        assert "message 1 of" in text
        fake.say(5, "What is my name?")
        assert "message 2 of" in fake.answer()[1]
        site.next("quota")
        fake.say(5, "Once more")
        assert fake.answer() == ("5", "Sorry, there is no answer at the moment.")
    (first, *_) = [body for call, body in fake.calls if call == "POST /channels/5/messages"]
    assert first["allowed_mentions"]["parse"] == []
    assert len(site.messages) == 3


def test_long_answers() -> None:
    """They go in messages that the messenger takes, and none of it is lost."""
    pytest.importorskip("telegram")
    answer = "".join(f"line {number}\n" for number in range(1000))
    with (
        Site(answer=lambda messages: answer) as site,
        messengers.telegram() as fake,
        bot("examples/recipes/telegram_bot.py", site.url, fake.url),
    ):
        fake.say(5, "Tell me a lot")
        parts = [fake.answer()[1] for _ in range(3)]
    assert max(map(len, parts)) <= 4096
    assert "".join(parts).split() == answer.split()


AGENT = """Thoughts: the site's bot knows that.
<code>
final_answer(ask_site("What is a nonce?"))
</code>"""


def test_smolagents(site: Site) -> None:
    """The agent's model is a scripted bot, through the server, with the token counts it needs."""
    pytest.importorskip("smolagents")
    with Site(answer=lambda messages: AGENT) as model:
        settings = SiteSettings({"site": model.url, "api_key": model.api_key}, bots=("5",))
        with serving(settings) as served:
            shown = run("smolagents_tool.py", site.url, served.url, TOKEN, "5")
    assert "> What is a nonce?" in shown.split("ANSWER:")[1]
    assert len(site.messages) == 1


def test_streamlit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Streamlit's own driver of an app, without a browser."""
    pytest.importorskip("streamlit")
    from streamlit.testing.v1 import AppTest

    monkeypatch.setattr(sys, "argv", ["streamlit_chat.py", site.url])
    app = AppTest.from_file(str(RECIPES / "streamlit_chat.py"), default_timeout=60).run()
    app.chat_input[0].set_value("My name is Ada.").run()
    app.chat_input[0].set_value("What is my name?").run()
    assert not app.exception
    shown = [element.value for message in app.chat_message for element in message.markdown]
    assert len(app.chat_message) == 4
    assert "My name is Ada." in shown[-1]
    site.next("quota")
    app.chat_input[0].set_value("Once more").run()
    assert app.error
