"""Which sites the server takes, several at once, how it ends, its numbers, and its command."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from click.testing import CliRunner
from serving import TOKEN, Served, page, serving, until

from chatgptes import InvalidConfigError, RequestTimeout
from chatgptes.cli.commands import command
from chatgptes.integrations.server import (
    Settings,
    SiteSettings,
    load_settings,
    new_token,
)
from chatgptes.integrations.server.failures import api_error_for
from chatgptes.integrations.server.models import Models, visitor_id
from chatgptes.sandbox import Site

ROOT = Path(__file__).parents[2]
QUESTION = {"model": "5", "messages": [{"role": "user", "content": "Hello"}]}


# Whose sites.


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ({"site": "https://example.org/"}, {}, "my_site"),
        ({"site": "https://example.org/"}, {"my_site": 1}, "my_site"),
        ({}, {"my_site": True}, "no address"),
        ({"site": "https://example.org/", "api_key": "key"}, {}, "`bots`"),
        ({"site": "nonsense"}, {"my_site": True}, "nonsense"),
        ({"site": "https://example.org/", "bot": "5"}, {"my_site": True}, "`bots`"),
        ({"site": "https://example.org/"}, {"my_site": True, "name": "a/b"}, "a/b"),
    ],
)
def test_sites_that_are_not_served(arguments: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidConfigError, match=re.escape(says)):
        SiteSettings(arguments, **options)


@pytest.mark.parametrize("token", ["", "short", "with a space in the middle", "ünïcödé-ünïcödé"])
def test_tokens_that_are_not_taken(token: str) -> None:
    with pytest.raises(InvalidConfigError, match="16 printable"):
        Settings((page("https://example.org/"),), {"a": token})


@pytest.mark.parametrize("value", [0, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["grace", "max_body", "head_timeout", "max_connections"])
def test_limits_that_are_none(name: str, value: float) -> None:
    with pytest.raises(InvalidConfigError, match=name):
        Settings((page("https://example.org/"),), {"a": TOKEN}, **{name: value})


@pytest.mark.parametrize("name", ["", "a.example:8399", "http://a.example", "*", "a/b", "::1"])
def test_host_names_that_would_fit_none(name: str) -> None:
    with pytest.raises(InvalidConfigError, match="host name"):
        Settings((page("https://example.org/"),), {"a": TOKEN}, allow_hosts=(name,))


def test_settings_show_no_secret() -> None:
    site = SiteSettings({"site": "https://example.org/", "api_key": "the-key"}, bots=("5",))
    shown = repr(Settings((site,), {"a": TOKEN}))
    assert "the-key" not in shown
    assert TOKEN not in shown


def test_new_tokens() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) == 43


def test_visitor_ids() -> None:
    ids = [visitor_id(token, user) for token in ("a", "b") for user in ("", "x", "\ud800")]
    assert len(set(ids)) == 6
    assert visitor_id("a", "x") == ids[1]
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in ids)


# The file.


@pytest.fixture
def folder(tmp_path: Path, site: Site) -> Path:
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "short").write_text("x")
    (tmp_path / "anna").write_text("the-token-of-anna-012345")
    (tmp_path / "key").write_text(site.api_key)
    (tmp_path / "serve.toml").write_text(
        f"""
        port = 0
        allow-hosts = ["bots.example.org"]
        max-body = 1000000
        [tokens]
        token = "file:token"
        anna = "file:anna"
        [sites.shop]
        url = "{site.page("aipkit-two")}"
        my-site = true
        max-concurrency = 2
        [sites.blog]
        url = "{site.url}"
        api-key = "file:key"
        bots = [{site.rest_bot}]
        timeout = 30
        """
    )
    return tmp_path


def test_several_sites(folder: Path, site: Site) -> None:
    settings = load_settings(folder / "serve.toml")
    assert settings.allow_hosts == ("bots.example.org",)
    assert settings.max_body == 1_000_000
    assert settings.sites[0].arguments["max_concurrency"] == 2
    with serving(*settings.sites, tokens=settings.tokens) as served:
        for token in (TOKEN, "the-token-of-anna-012345"):
            _, _, listed = served.ask("GET", "/v1/models", token=token)
            names = ["shop/6", "shop/5", "blog/5"]
            assert [model["id"] for model in listed["data"]] == names
            assert [model["owned_by"] for model in listed["data"]] == ["shop", "shop", "blog"]
            for name in (*names, "shop"):
                status, _, answer = served.ask(body={**QUESTION, "model": name}, token=token)
                assert status == 200
                assert answer["model"] == ("shop/6" if name == "shop" else name)
        for name in ("5", "shop/7", "other/5", "blog/6", "/", "shop/5/6"):
            status, _, answer = served.ask(body={**QUESTION, "model": name})
            assert (status, answer["error"]["code"]) == (404, "model_not_found"), name


def test_one_site_that_is_down(site: Site) -> None:
    sites = [
        SiteSettings({"site": "http://127.0.0.1:9/", "retries": 0}, "down", my_site=True),
        SiteSettings({"site": site.url}, "up", my_site=True),
    ]
    with serving(*sites) as served:
        _, _, listed = served.ask("GET", "/v1/models")
        assert [model["id"] for model in listed["data"]] == ["up/5"]
        status, names, answer = served.ask(body={**QUESTION, "model": "down/5"})
        assert (status, answer["error"]["code"]) == (502, "no_connection")
        assert names["x-should-retry"] == "true"
    with serving(sites[0]) as served:
        assert served.ask("GET", "/v1/models")[0] == 502


TOKENS = "tokens.a = 'file:token'\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = ", "no TOML"),
        ("port = 1", "[sites.NAME]"),
        ("[sites.a]\nurl = 'https://example.org/'\nmy-site = true", "no token"),
        ("tokens = 'x'\n[sites.a]\nurl = 'https://e.org/'", "[tokens] must be a table"),
        (
            "tokens.a = 'env:NOT_SET_ANYWHERE'\n[sites.a]\nurl = 'https://e.org/'",
            "NOT_SET_ANYWHERE",
        ),
        ("prot = 1\n[sites.a]\nurl = 'https://e.org/'", "prot"),
        (f"port = '1'\n{TOKENS}[sites.a]\nurl = 'https://e.org/'\nmy-site = true", "port"),
        (f"{TOKENS}[sites.a]\nurl = 'https://e.org/'", "my_site"),
        (f"{TOKENS}[sites.a]\nurl = 'https://e.org/'\nmy-sight = true", "my-sight"),
        (f"{TOKENS}[sites.a]\nmy-site = true", "no address"),
        ("tokens.a = 'file:binary'\n[sites.a]\nurl = 'https://e.org/'", "binary is no text"),
        (f"{TOKENS}[sites.a]\nurl = 'https://e.org/'\nmy-site = 'yes'", "my_site"),
        (f"{TOKENS}[sites.a]\nurl = 'https://e.org/'\nbots = [true]", "bots"),
    ],
)
def test_bad_files(folder: Path, text: str, says: str) -> None:
    (folder / "bad.toml").write_text(text)
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidConfigError, match=re.escape(says)):
        load_settings(folder / "bad.toml")


@pytest.mark.parametrize("secret", ["the-secret-itself-0123", "redis://:the-secret-itself@h", 5])
@pytest.mark.parametrize("setting", ["tokens.a", "redis", "sites.a.api-key"])
def test_secrets_that_stand_in_the_file(folder: Path, setting: str, secret: object) -> None:
    text = f"{setting} = {secret!r}\nsites.a.url = 'https://e.org/'"
    (folder / "bad.toml").write_text(text)
    with pytest.raises(InvalidConfigError, match="env:VARIABLE, file:PATH or") as caught:
        load_settings(folder / "bad.toml")
    assert "the-secret-itself" not in str(caught.value)


def test_secrets_in_variables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAS_TOKEN", f" {TOKEN}\n")
    text = "[tokens]\nada = 'env:ADAS_TOKEN'\n[sites.a]\nurl = 'https://e.org/'\nmy-site = true"
    (folder / "serve.toml").write_text(text)
    assert dict(load_settings(folder / "serve.toml").tokens) == {"ada": TOKEN}


def test_files_as_windows_writes_them(folder: Path) -> None:
    (folder / "token").write_text(f"{TOKEN}\r\n", encoding="utf-8-sig")
    text = """
        tokens.token = 'file:token'
        [sites.a]
        url = 'https://example.org/'
        my-site = true
        bots = [5, "5"]
    """
    (folder / "serve.toml").write_text(text, encoding="utf-8-sig")
    settings = load_settings(folder / "serve.toml")
    assert dict(settings.tokens) == {"token": TOKEN}
    assert settings.sites[0].bots == ("5",)


# Politeness.


def test_the_bots_of_a_site_share_its_places(site: Site) -> None:
    async def main() -> None:
        models = Models([page(site.page("aipkit-two"), max_concurrency=1)])
        one, other = await models.get("5"), await models.get("6")
        assert one.client is not other.client
        turns = [each.turn("Hello", "visitor") for each in (one, other)]
        assert [list(turn.limiters()) for turn in turns] == [[one.limiter]] * 2
        assert one.limiter.count == 1
        await models.aclose()

    asyncio.run(main())


def test_no_place_free() -> None:
    error = api_error_for(RequestTimeout("All places are taken.", phase="slot"))
    assert (error.status, error.code) == (503, "busy")
    assert error.headers["x-should-retry"] == "true"  # Nothing was sent.


def test_one_curl_thread_for_the_bots_of_a_site(site: Site) -> None:
    def ours() -> int:
        names = [each.name for each in threading.enumerate()]
        return len([name for name in names if not name.startswith("sandbox")])

    with serving(page(site.page("aipkit-two"))) as served:
        served.ask(body=QUESTION)
        before = ours()
        served.ask(body={**QUESTION, "model": "6"})
        assert ours() == before


# Its end.


def test_stopping_lets_answers_finish(site: Site) -> None:
    site.next("stall")
    with serving(page(site.url), grace=60) as served:
        with served.connect() as sock:
            sock.sendall(served.request({**QUESTION, "stream": True}))
            until(lambda: site.stalled == 1)
            served.stop()
            until(lambda: refuses(served))
            assert served.thread.is_alive()
            site.release()
            answer = read_all(sock)
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def refuses(served: Served) -> bool:
    try:
        served.connect().close()
    except OSError:
        return True
    return False


def read_all(sock: Any) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_stopping_ends_what_takes_too_long(site: Site) -> None:
    site.next("stall")
    with serving(page(site.url), grace=0.2) as served:
        with served.connect() as sock:
            sock.sendall(served.request({**QUESTION, "stream": True}))
            until(lambda: site.stalled == 1)
            served.stop()
            answer = read_all(sock)
        until(lambda: site.stalled == 0)
    *_, last = [line for line in answer.split(b"\r\n") if line.startswith(b"data: ")]
    error = json.loads(last.removeprefix(b"data: "))["error"]
    assert (error["type"], error["code"]) == ("server_error", "stopping")
    assert b"[DONE]" not in answer


def test_stopping_at_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The second Ctrl-C: clients get an error event, and nobody a traceback."""
    site.next("stall")
    with serving(page(site.url), grace=60) as served, served.connect() as sock:
        sock.sendall(served.request({**QUESTION, "stream": True}))
        until(lambda: site.stalled == 1)
        served.stop()
        until(lambda: refuses(served))
        served.server.force_exit = True
        answer = read_all(sock)
    assert b'"code":"stopping"' in answer
    assert "Traceback" not in caplog.text


# Its numbers.


def test_metrics(site: Site) -> None:
    pytest.importorskip("prometheus_client")
    with serving(page(site.page("aipkit-two"))) as served:
        served.ask(body=QUESTION)
        served.ask(body={**QUESTION, "stream": True})
        site.next("model-500")
        served.ask(body=QUESTION)
        served.ask(body={**QUESTION, "model": "none"})
        site.next("stall")
        with served.connect() as sock:
            sock.sendall(served.request({**QUESTION, "model": "6"}))
            until(lambda: site.stalled == 1)
            _, _, text = served.ask("GET", "/metrics")
            assert "chatgptes_turns_running 1.0" in text
        until(lambda: "chatgptes_turns_running 0.0" in served.ask("GET", "/metrics")[2])
        _, names, text = served.ask("GET", "/metrics")
        assert names["content-type"].startswith("text/plain")
    for line in [
        'chatgptes_turns_total{model="5",outcome="ok"} 2.0',
        'chatgptes_turns_total{model="5",outcome="failed"} 1.0',
        'chatgptes_turns_total{model="6",outcome="client_gone"} 1.0',
        'chatgptes_failures_total{error="UpstreamError",model="5"} 1.0',
        'chatgptes_first_chunk_seconds_count{model="5"} 2.0',
    ]:
        assert line in text, text
    assert "none" not in text  # Names that clients make up don't become labels.


def test_without_prometheus(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with serving(page(site.url)) as served:
        assert served.ask(body=QUESTION)[0] == 200
        assert served.ask("GET", "/metrics")[0] == 404


# The command.


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Which site?"),
        (["--site", "https://example.org/"], "--my-site"),
        (["--site", "https://example.org/", "--api-key-file", "token"], "--bot must name"),
        (["--site", "https://e.org/", "--my-site", "--token-file", "short"], "16 printable"),
        (["--config", "serve.toml", "--site", "https://e.org/"], "--site is a setting"),
        (["--config", "serve.toml", "--timeout", "5"], "--timeout is a setting"),
        (["--config", "serve.toml", "--token-file", "token"], "--token-file is a setting"),
        (["--config", "serve.toml", "--per-minute", "5"], "--per-minute is a setting"),
    ],
)
def test_commands_that_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(folder)
    for name in ("CHATGPTES_SITE", "CHATGPTES_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(command, ["serve", *arguments])
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    running = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "chatgptes", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PATH": "/usr/bin:/bin"}
            | environment,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str], name: str) -> str:
    assert process.stdout is not None
    found = process.stdout.readline()
    assert found.startswith(name), found + (process.stderr.read() if process.stderr else "")
    return found.removeprefix(name).strip()


def get(url: str, token: str) -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


def test_the_command(started: Callable[..., subprocess.Popen[str]]) -> None:
    """A token is made and printed once, and shows nowhere else; Ctrl-C ends it."""
    process = started("--sandbox")
    url, token = line(process, "base URL"), line(process, "API key")
    assert url.startswith("http://127.0.0.1:")
    assert [model["id"] for model in get(f"{url}/models", token)["data"]] == ["5"]
    process.send_signal(signal.SIGINT)
    out, log = process.communicate(timeout=60)
    assert process.returncode == 130
    assert token not in out + log
    assert '"status": 200' in log
    assert "Traceback" not in log


def test_the_command_with_a_file(
    started: Callable[..., subprocess.Popen[str]], folder: Path
) -> None:
    process = started("--config", str(folder / "serve.toml"))
    url = line(process, "base URL")
    names = [model["id"] for model in get(f"{url}/models", TOKEN)["data"]]
    assert names == ["shop/6", "shop/5", "blog/5"]
    process.send_signal(signal.SIGTERM)
    out, log = process.communicate(timeout=60)
    assert TOKEN not in out + log


def test_the_command_with_a_key(
    started: Callable[..., subprocess.Popen[str]], folder: Path, site: Site
) -> None:
    process = started(
        "--site", site.url, "--api-key-file", str(folder / "key"), "--bot", site.rest_bot,
        CHATGPTES_SERVE_TOKEN=TOKEN,
    )  # fmt: skip
    url = line(process, "base URL")
    assert [model["id"] for model in get(f"{url}/models", TOKEN)["data"]] == ["5"]
    process.terminate()
    out, log = process.communicate(timeout=60)
    assert TOKEN not in out + log
