"""The pytest plugin: a site with a bot for each test, which is told what to say.

    def test_greeting(chatgptes_site):
        chatgptes_site.answers("Good morning, Ada.")
        assert my_program(chatgptes_site.url) == "Good morning, Ada."

pytest loads this in every run, so it imports nothing before a fixture is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..client import Client
    from ..turn.config import ClientArguments
    from .testing import SiteUnderTest
    from .testing.live import Live
    from .testing.watch import Watch

__all__: list[str] = []

DIALECTS = ("aipkit", "classic", "plain", "rest")
_DEFAULTS: dict[str, Any] = {
    "dialect": None, "page": None, "live": None, "strict": True, "allow": (),
}  # fmt: skip
_MARKER = (
    "chatgptes(dialect=None, page=None, live=None, strict=True, allow=()): what `chatgptes_site` is"
    f" (dialect: {', '.join(DIALECTS)}, a list of them, or 'all'; page: a page of the stand-in);"
    " live=False: only with the stand-in, live=True: only with a real site; strict=False: answers"
    " may be left, or run out; allow: hosts that may be reached besides."
)

watch_key: pytest.StashKey[Watch] = pytest.StashKey()
live_key: pytest.StashKey[ClientArguments | None] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, each also in the configuration file and the environment."""
    group = parser.getgroup("chatgptes", "chat bots of WordPress sites (chatgptes)")
    for name, metavar, text in (
        ("site", "URL", "page of a real site's bot, which `chatgptes_site` then is"),
        ("bot", "ID", "the bot, when that page shows several"),
    ):
        group.addoption(f"--chatgptes-{name}", metavar=metavar, help=f"{text}.")
        parser.addini(
            f"chatgptes_{name}",
            f"{text} (--chatgptes-{name} and CHATGPTES_TEST_{name.upper()} come first).",
        )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and look at the options."""
    config.addinivalue_line("markers", _MARKER)
    config.stash[live_key] = _live_arguments(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say so, when the tests talk to a real site."""
    arguments = config.stash[live_key]
    if arguments is None:
        return None
    from ..values.urls import redact

    return f"chatgptes: tests talk to {redact(arguments['site'])}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each dialect that its marker names; a real site has only its own."""
    if "chatgptes_site" not in metafunc.fixturenames:
        return
    try:
        dialects = _wanted(metafunc.definition)["dialect"]
    except pytest.fail.Exception:
        return  # Raised here, it would end the whole file: the test's own setup raises it again.
    if dialects == "all":
        dialects = DIALECTS
    if dialects and isinstance(dialects, (list, tuple)) and metafunc.config.stash[live_key] is None:
        metafunc.parametrize("chatgptes_site", dialects, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """After a test that passed, see whether its bot was asked what it was told to answer."""
    try:
        result = yield
    except (Exception, pytest.fail.Exception):
        if (watch := item.stash.get(watch_key, None)) is not None:
            watch.tell(item)
        raise
    if (watch := item.stash.get(watch_key, None)) is not None:
        watch.check()
    return result


@pytest.fixture
def chatgptes_offline(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the library reach nothing but this machine; a test that tries fails.

    `usefixtures = chatgptes_offline` in pytest's configuration puts it around all tests.  With
    `--chatgptes-site`, that site may be reached.
    """
    from .testing.guard import guarded, hosts
    from .testing.watch import Watch

    try:
        allowed = hosts(_wanted(request.node)["allow"])
    except (TypeError, ValueError) as error:
        pytest.fail(f"@pytest.mark.chatgptes: {error}.", pytrace=False)
    if request.config.stash[live_key] is not None:
        allowed |= request.getfixturevalue("_chatgptes_live").hosts
    with guarded(allowed) as held:
        watch = request.node.stash[watch_key] = Watch(held)
        yield
    watch.check_teardown()


@pytest.fixture
def chatgptes_site(
    request: pytest.FixtureRequest, chatgptes_offline: None
) -> Iterator[SiteUnderTest]:
    """A site with a bot for this test: the stand-in, or what `--chatgptes-site` names.

    While the test runs, programs that name no site get this one: `chatgptes.chat("Hello")`,
    new clients for chatgpt.es, and the command line, by `CHATGPTES_SITE`.  The library reaches
    nothing else, unless the marker's `allow` names its host.
    """
    from .testing.made import live_site, stand_in
    from .testing.watch import Watch

    wanted = _wanted(request.node)
    arguments = request.config.stash[live_key]
    if wanted["live"] is (arguments is None):
        pytest.skip(
            "needs a real site (--chatgptes-site)"
            if wanted["live"]
            else "needs the stand-in; --chatgptes-site names a real site"
        )
    if arguments is not None:
        if wanted["page"] is not None:
            pytest.skip("needs a page of the stand-in; --chatgptes-site names a real site")
        with live_site(request.getfixturevalue("_chatgptes_live")) as site:
            yield site
        return
    dialect = getattr(request, "param", None) or wanted["dialect"]
    with stand_in(dialect, wanted["page"], strict=wanted["strict"]) as (site, script):
        request.node.stash.setdefault(watch_key, Watch({})).script = script
        yield site


@pytest.fixture
def chatgptes_client(
    request: pytest.FixtureRequest, chatgptes_site: SiteUnderTest
) -> Iterator[Client]:
    """A `Client` of `chatgptes_site`.

    With `--chatgptes-site`, all tests share one, which leaves the site time between two turns.
    """
    if chatgptes_site.live:
        yield request.getfixturevalue("_chatgptes_live").client()
        return
    from ..client import Client

    with Client(**chatgptes_site.arguments) as client:
        yield client


@pytest.fixture(scope="session")
def _chatgptes_live(pytestconfig: pytest.Config) -> Iterator[Live]:
    from .testing.live import Live

    arguments = pytestconfig.stash[live_key]
    assert arguments is not None
    live = Live(arguments)
    yield live
    live.close()


def _wanted(node: Any) -> dict[str, Any]:
    """What the markers of a test say; of two that say the same thing, the nearer one.

    Raises:
        pytest.fail.Exception: one has an argument that there is not.
    """
    wanted = dict(_DEFAULTS)
    for marker in reversed(list(node.iter_markers("chatgptes"))):
        unknown = [*map(repr, marker.args), *(set(marker.kwargs) - set(_DEFAULTS))]
        if unknown:
            pytest.fail(
                f"@pytest.mark.chatgptes has no argument {', '.join(unknown)}; it is"
                f" {_MARKER.partition(':')[0]}.",
                pytrace=False,
            )
        if {"dialect", "page"} & set(marker.kwargs):
            wanted.update(dialect=None, page=None)  # Either says which bot.
        wanted.update(marker.kwargs)
    return wanted


def _live_arguments(config: pytest.Config) -> ClientArguments | None:
    """How the real site is reached, if one was named."""
    site, bot = _option(config, "site"), _option(config, "bot")
    if not site:
        return None
    # From the environment only: others on the machine could read it on the command line.
    key = os.environ.get("CHATGPTES_TEST_API_KEY", "").strip()
    from ..errors import InvalidConfigError
    from ..turn.config import ClientArguments, Config

    arguments = ClientArguments(site=site)
    if bot:
        arguments["bot"] = bot
    if key:
        arguments["api_key"] = key
    try:
        Config.of(arguments)
    except InvalidConfigError as error:
        raise pytest.UsageError(f"--chatgptes-site: {error}") from None
    return arguments


def _option(config: pytest.Config, name: str) -> str:
    given: str | None = config.getoption(f"--chatgptes-{name}")
    if given is None:
        given = os.environ.get(f"CHATGPTES_TEST_{name.upper()}") or config.getini(
            f"chatgptes_{name}"
        )
    return (given or "").strip()
