"""Every recipe runs with the package that it is for (tox's `recipes` has them all)."""

from __future__ import annotations

import asyncio
import json
import os
import re
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
    "streamlit_chat.py", "smolagents_tool.py",
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
