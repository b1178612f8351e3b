"""Two servers behind nginx, with its configuration of examples/serve-compose/, and Redis."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai")
httpx = pytest.importorskip("httpx")
for package in ("uvicorn", "limits", "redis", "prometheus_client"):
    pytest.importorskip(package)

from daemons import Redis, free_port, nginx, redis_server  # noqa: E402
from serving import TOKEN, until  # noqa: E402

from chatgptes.integrations.server import load_settings  # noqa: E402
from chatgptes.sandbox import Site  # noqa: E402

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "examples" / "serve-compose"
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
LIMIT = 8


class Worker:
    """A server in a process of its own, and its log."""

    def __init__(self, folder: Path, name: str) -> None:
        self._log = folder / f"{name}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "chatgptes", "serve", "--config", "serve.toml", "--port=0"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PATH": "/usr/bin:/bin"},
            )
        assert self._process.stdout is not None
        found = re.search(r"http://(\S+)/v1", self._process.stdout.readline())
        assert found is not None, self.log
        self.address = found[1]

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def answers(self) -> int:
        lines = [json.loads(line) for line in re.findall(r"\{.*\}", self.log)]
        return len([each for each in lines if each["method"] == "POST" and each["status"] == 200])

    @property
    def running(self) -> int:
        """Turns under way."""
        request = urllib.request.Request(
            f"http://{self.address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            found = re.search(r"turns_running (\d+)", response.read().decode())
        assert found is not None
        return int(found[1])

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Setup:
    def __init__(self, workers: list[Worker], client: Any, redis: Redis) -> None:
        self.workers = workers
        self.client = client
        self.redis = redis

    def busy(self) -> Worker:
        """The server that has a turn under way."""
        (worker,) = [worker for worker in self.workers if worker.running]
        return worker

    def ask(self, stream: bool = False) -> str:
        """The text of an answer, or the code of an error."""
        try:
            answer = self.client.chat.completions.create(
                model="shop", messages=HELLO, stream=stream
            )
            if stream:
                return "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        except openai.RateLimitError as error:
            return str(error.code)
        return str(answer.choices[0].message.content)


@pytest.fixture
def setup(tmp_path: Path, site: Site) -> Iterator[Setup]:
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path))
        (tmp_path / "token").write_text(TOKEN)
        (tmp_path / "redis-url").write_text(redis.url)
        (tmp_path / "serve.toml").write_text(
            f"""
            tokens.tests = "file:token"
            redis = "file:redis-url"
            [sites.shop]
            url = "{site.url}"
            my-site = true
            per-minute = {LIMIT}
            max-concurrency = 2
            """
        )
        workers = [Worker(tmp_path, name) for name in ("one", "two")]
        for worker in workers:
            stack.callback(worker.kill)
        port = free_port()
        variables = {
            "LISTEN": f"127.0.0.1:{port}",
            "WORKER_1": workers[0].address,
            "WORKER_2": workers[1].address,
        }
        stack.enter_context(nginx(tmp_path, COMPOSE / "nginx.conf.template", variables, port))
        client = stack.enter_context(
            openai.OpenAI(base_url=f"http://localhost:{port}/v1", api_key=TOKEN, max_retries=0)
        )
        yield Setup(workers, client, redis)


def test_one_limit(setup: Setup, site: Site) -> None:
    """Both answer, and the limit is that of both; one that is killed takes nothing of it away."""
    assert [model.id for model in setup.client.models.list()] == ["shop/5"]
    texts = [setup.ask(stream=bool(i % 2)) for i in range(LIMIT - 2)]
    assert all("> Hello" in text for text in texts)
    assert [worker.answers for worker in setup.workers] == [LIMIT // 2 - 1] * 2
    setup.workers[0].kill()  # While it does nothing.
    texts = [setup.ask() for _ in range(4)]
    assert all("> Hello" in text for text in texts[:2])
    assert texts[2:] == ["rate_limit_exceeded"] * 2
    assert len(site.messages) == LIMIT


def test_chunks_go_on_at_once(setup: Setup, site: Site) -> None:
    site.next("stall")
    stream = iter(setup.client.chat.completions.create(model="shop", messages=HELLO, stream=True))
    assert next(stream).choices[0].delta.content is not None  # The site has not gone on.
    assert site.stalled == 1
    site.release()
    assert list(stream)[-1].choices[0].finish_reason == "stop"


def test_killed_in_the_middle_of_a_stream(setup: Setup, site: Site) -> None:
    """The client gets an error, not a short answer; the site is not asked again."""
    site.next("stall")
    stream = iter(setup.client.chat.completions.create(model="shop", messages=HELLO, stream=True))
    next(stream)
    until(lambda: site.stalled == 1)
    setup.busy().kill()
    with pytest.raises((openai.APIError, httpx.RemoteProtocolError)):
        list(stream)
    until(lambda: site.stalled == 0)
    assert len(site.messages) == 1
    assert all("> Hello" in setup.ask() for _ in range(LIMIT - 1))
    assert setup.ask() == "rate_limit_exceeded"


def test_killed_before_its_answer(setup: Setup, site: Site) -> None:
    """nginx does not ask the other one: the site has heard the question."""
    site.next("stall-headers")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(setup.ask)
        until(lambda: site.stalled == 1)
        setup.busy().kill()
        with pytest.raises(openai.InternalServerError) as caught:
            answer.result()
    assert caught.value.status_code == 502
    assert not site.messages  # The other one would have got an answer.


def test_a_client_that_goes_away(setup: Setup, site: Site) -> None:
    site.next("stall")
    stream = setup.client.chat.completions.create(model="shop", messages=HELLO, stream=True)
    next(iter(stream))
    until(lambda: site.stalled == 1)
    stream.close()
    until(lambda: site.stalled == 0)
    until(lambda: not any(worker.running for worker in setup.workers))


def test_without_redis(setup: Setup, site: Site) -> None:
    """Each goes on by itself, and says so once; no log has a secret."""
    setup.redis.kill()
    assert all("> Hello" in setup.ask() for _ in range(2 * LIMIT))
    assert setup.ask() == setup.ask() == "rate_limit_exceeded"
    for worker in setup.workers:
        assert worker.log.count("Redis does not answer") == 1
        assert setup.redis.password not in worker.log
        assert TOKEN not in worker.log


def test_names_that_nginx_does_not_know(setup: Setup) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        setup.client.models.list(extra_headers={"Host": "evil.example.org"})
    assert caught.value.status_code == 421


def test_the_configuration(tmp_path: Path) -> None:
    """The file of the example is one that `chatgptes serve` takes, but for the secrets' places."""
    text = (COMPOSE / "serve.toml").read_text()
    (tmp_path / "serve.toml").write_text(text.replace("/run/secrets/", ""))
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "redis-url").write_text("redis://:secret@redis:6379/0")
    settings = load_settings(tmp_path / "serve.toml")
    assert settings.redis == "redis://:secret@redis:6379/0"
    (site,) = settings.sites
    assert (site.per_minute, site.arguments["max_concurrency"]) == (60, 2)
    compose = (COMPOSE / "compose.yaml").read_text()
    files = set(re.findall(r"\./(\S+?)[:}]", compose)) - {"token", "redis-url", "redis.conf"}
    assert files == {"serve.toml", "nginx.conf.template"}
    assert all((COMPOSE / name).is_file() for name in files)


def test_the_image_holds_no_secret() -> None:
    """A layer of an image keeps what was copied into it, also when a later one removes it."""
    ignored = (COMPOSE / "Dockerfile.dockerignore").read_text().splitlines()
    first, *others = [line for line in ignored if not line.startswith("#")]
    assert first == "*"
    copied = {line.removeprefix("!") for line in others if line.startswith("!")}
    assert "chatgptes" in copied
    for name in copied:
        assert (ROOT / name).exists()
        assert not (COMPOSE / "token").is_relative_to(ROOT / name)
