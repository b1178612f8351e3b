"""The limit per minute: of one server, and of several that count together in Redis."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from daemons import Redis, redis_server
from serving import Served, page, serving

from chatgptes import InvalidConfigError, MissingRequirementsError
from chatgptes.integrations.server import Settings, SiteSettings
from chatgptes.integrations.server import minute as minute_module
from chatgptes.integrations.server.minute import MinuteLimiter, MinuteLimitError
from chatgptes.sandbox import Site
from chatgptes.turn.steps import Wait
from chatgptes.values.deadline import Deadline

QUESTION = {"model": "5", "messages": [{"role": "user", "content": "Hello"}]}


def limited(site: Site, per_minute: int, **arguments: Any) -> SiteSettings:
    return SiteSettings({"site": site.url, **arguments}, my_site=True, per_minute=per_minute)


# The limiter, driven by hand.


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def start(limiter: MinuteLimiter, clock: Clock) -> float:
    """Start a turn, and let the time pass that it waits; that time in seconds."""
    steps = limiter.start(Deadline())
    waited = 0.0
    try:
        step = next(steps)
        while True:
            assert isinstance(step, Wait)
            assert step.seconds is not None
            waited += step.seconds
            clock.now += step.seconds
            step = steps.send(False)
    except StopIteration:
        return waited


def test_any_sixty_seconds() -> None:
    clock = Clock()
    limiter = MinuteLimiter(3, clock=clock)
    for at in (0, 1, 55):
        clock.now = 1000.0 + at
        assert start(limiter, clock) == 0
    assert start(limiter, clock) == 5  # When the first is a minute ago.
    assert start(limiter, clock) == 1
    with pytest.raises(MinuteLimitError, match=r"3 messages a minute.* 54 s") as caught:
        start(limiter, clock)
    assert caught.value.retry_after == 54


def test_a_turn_that_has_no_start_takes_none_away() -> None:
    clock = Clock()
    limiter = MinuteLimiter(1, clock=clock)
    start(limiter, clock)
    clock.now += 55
    left = limiter.start(Deadline())
    next(left)
    left.close()  # In the middle of its wait.
    assert start(limiter, clock) == 5


def test_a_queue_is_not_joined_in_vain() -> None:
    clock = Clock()
    limiter = MinuteLimiter(1, clock=clock)
    limiter.check()
    start(limiter, clock)
    limiter.check()  # Nobody has had to wait yet.
    with pytest.raises(MinuteLimitError):
        start(limiter, clock)
    with pytest.raises(MinuteLimitError):
        limiter.check()
    clock.now += 50
    limiter.check()
    assert start(limiter, clock) == 10


def test_no_limit() -> None:
    clock = Clock()
    limiter = MinuteLimiter(0, clock=clock)
    assert [start(limiter, clock) for _ in range(500)] == [0] * 500


@pytest.mark.parametrize("count", [-1, True])
def test_limits_that_are_none(site: Site, count: int) -> None:
    with pytest.raises(InvalidConfigError, match="per_minute"):
        limited(site, count)


# One server.


def refused(answer: tuple[int, dict[str, str], Any]) -> bool:
    """The answer is a 429 that says how long to wait, or (False) a reply."""
    status, headers, value = answer
    if status == 200:
        return False
    assert status == 429
    assert 50 <= int(headers["retry-after"]) <= 60
    assert headers["x-should-retry"] == "true"
    assert value["error"]["type"] == "rate_limit_error"
    assert value["error"]["code"] == "rate_limit_exceeded"
    assert "a minute" in value["error"]["message"]
    return True


@pytest.mark.parametrize("transport", ["curl_cffi", "requests"])
def test_one_server(site: Site, transport: str) -> None:
    """The bots of a site share its limit; streams and answers in one piece are the same to it."""
    settings = SiteSettings(
        {"site": site.page("aipkit-two"), "transport": transport}, my_site=True, per_minute=3
    )
    with serving(settings) as served:
        bodies = [{**QUESTION, "model": str(5 + i % 2), "stream": i > 1} for i in range(6)]
        answers = [served.ask(body=body) for body in bodies]
    assert [refused(answer) for answer in answers] == [False] * 3 + [True] * 3
    assert len(site.messages) == 3


def test_a_site_of_its_own(site: Site) -> None:
    sites = [
        SiteSettings({"site": site.url}, name, my_site=True, per_minute=1) for name in ("a", "b")
    ]
    with serving(*sites) as served:
        answers = [served.ask(body={**QUESTION, "model": name}) for name in ("a", "a", "b", "b")]
    assert [refused(answer) for answer in answers] == [False, True, False, True]


def at_once(count: int, *servers: Served) -> list[bool]:
    """Ask so often at once, one server after the other; which of them were refused."""
    found: list[bool] = []

    def ask(served: Served) -> None:
        found.append(refused(served.ask(body=QUESTION)))

    threads = [threading.Thread(target=ask, args=[servers[i % len(servers)]]) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_many_at_once(site: Site) -> None:
    with serving(limited(site, 5, max_concurrency=20)) as served:
        assert sorted(at_once(20, served)) == [False] * 5 + [True] * 15
    assert len(site.messages) == 5


# Several servers.


def test_without_the_packages(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    monkeypatch.setitem(__import__("sys").modules, "limits.aio", None)
    settings = Settings((page(site.url),), {"a": "x" * 16}, redis="redis://:secret@127.0.0.1:1")
    assert "secret" not in repr(settings)
    from chatgptes.integrations.server import create_app

    with pytest.raises(MissingRequirementsError, match=r"pip install 'limits\[redis\]'"):
        create_app(settings)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    pytest.importorskip("limits")
    pytest.importorskip("redis")
    with redis_server(tmp_path) as server:
        yield server


@pytest.mark.parametrize(
    "url", ["secret-word", "http://:secret-word@h", "redis://:secret-word@h:port", "redis://h?a=secret-word"]
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    pytest.importorskip("limits")
    pytest.importorskip("redis")
    with pytest.raises(InvalidConfigError, match="redis://") as caught:
        minute_module.SharedCount(url)
    assert "secret-word" not in f"{caught.value}{caught.value!r}"


def test_two_servers(site: Site, redis: Redis) -> None:
    settings = limited(site, 7, max_concurrency=20)
    with serving(settings, redis=redis.url) as a, serving(settings, redis=redis.url) as b:
        assert sorted(at_once(20, a, b)) == [False] * 7 + [True] * 13
    assert len(site.messages) == 7


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert "the-password" not in caplog.text
    return [message for message in caplog.messages if message.startswith("Redis")]


@pytest.mark.parametrize("way", ["kill", "hang"])
def test_redis_goes(site: Site, redis: Redis, way: str, caplog: pytest.LogCaptureFixture) -> None:
    """The server goes on with its own count, in which its turns of before are; it says so once."""
    caplog.set_level(logging.DEBUG)
    with serving(limited(site, 3), redis=redis.url) as served:
        assert not refused(served.ask(body=QUESTION))
        getattr(redis, way)()
        answers = [served.ask(body=QUESTION) for _ in range(4)]
    assert [refused(answer) for answer in answers] == [False, False, True, True]
    (warning,) = warnings(caplog)
    assert "by itself" in warning
    assert ("(TimeoutError)" in warning) == (way == "hang")


def test_redis_comes_back(
    site: Site, redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minute_module, "_PAUSE", 0.0)
    caplog.set_level(logging.DEBUG)
    redis.kill()  # Before the server starts: it starts all the same.
    with serving(limited(site, 3), redis=redis.url) as a:
        assert not refused(a.ask(body=QUESTION))
        assert not refused(a.ask(body=QUESTION))
        redis.start()
        with serving(limited(site, 3), redis=redis.url) as b:
            answers = [served.ask(body=QUESTION) for served in (a, b, a, b, a)]
    # Its new count is empty.
    assert [refused(answer) for answer in answers] == [False, False, False, True, True]
    lost, found = warnings(caplog)
    assert "by itself" in lost
    assert "answers again" in found


def test_a_wrong_password(site: Site, redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(limited(site, 1), redis=redis.url.replace("the-pass", "the-password-x")) as served:
        assert [refused(served.ask(body=QUESTION)) for _ in range(2)] == [False, True]
    (warning,) = warnings(caplog)
    assert "Authentication" in warning
