"""The pytest plugin: a site with a bot for each test, whose answers the test sets.

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
    from ...client import Client
    from ...shared import ClientCache
    from ...turn.config import ClientArguments
    from .scripted import ScriptedSite
    from .site import Answer, SiteUnderTest

__all__ = ["Answer", "SiteUnderTest"]

_PAGES = {
    "aipkit": "front",
    "classic": "classic",
    "plain": "classic-plain",
    "rest": "front",
    "mwai": "engine",
}
_INTERVAL = 0.5
"""Least seconds between the starts of two turns with a real site, which has other visitors."""
_MARKER = (
    "chatgptes(dialect='aipkit', strict=True, allow=()): the bot of `chatgptes_site`"
    f" ({', '.join(_PAGES)}, a list of them, or 'all');"
    " strict=False: answers may be unused, or run out; allow: other hosts that may be reached."
)
_live_key: pytest.StashKey[ClientArguments | None] = pytest.StashKey()
_stopped_key: pytest.StashKey[list[str]] = pytest.StashKey()
_sandbox_key: pytest.StashKey[ScriptedSite] = pytest.StashKey()


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import site

        return getattr(site, name)
    raise AttributeError(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; each has a default in the environment."""
    group = parser.getgroup("chatgptes", "chat bots of WordPress sites (chatgptes)")
    for name, metavar, text in (
        ("site", "URL", "page of a real site's bot, for `chatgptes_site`"),
        ("bot", "ID", "the bot, when that page shows several"),
    ):
        variable = f"CHATGPTES_TEST_{name.upper()}"
        text += f" (in the environment: {variable})."
        default = os.environ.get(variable, "")
        group.addoption(f"--chatgptes-{name}", metavar=metavar, default=default, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and check the options."""
    config.addinivalue_line("markers", _MARKER)
    config.stash[_live_key] = _live_arguments(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each dialect that its marker names; a real site has only its own."""
    marker = metafunc.definition.get_closest_marker("chatgptes")
    if marker is None or "chatgptes_site" not in metafunc.fixturenames:
        return
    dialects = marker.kwargs.get("dialect")
    if dialects == "all":
        dialects = list(_PAGES)
    if isinstance(dialects, list) and metafunc.config.stash[_live_key] is None:
        metafunc.parametrize("chatgptes_site", dialects, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that has left answers unused, ran out of them, or reached for other hosts.

    An error in one of its answers is raised even if the program took it for the model's.
    """
    sandbox = item.stash.get(_sandbox_key, None)
    broken = sandbox.broken if sandbox else []
    try:
        result = yield
    except Exception:
        if not broken:
            raise
    if broken:
        raise broken[0]
    wrong = [f"The test tried to reach {origin}." for origin in item.stash.get(_stopped_key, [])]
    wrong += sandbox.left_over() if sandbox else []
    if wrong:
        pytest.fail("chatgptes:\n  " + "\n  ".join(wrong), pytrace=False)
    return result


@pytest.fixture
def chatgptes_offline(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stop requests of the library to other machines; a test that tries fails.

    `usefixtures = chatgptes_offline` in pytest's configuration puts it around all tests.  With
    `--chatgptes-site`, that site may be reached.
    """
    from ...values.checks import site_of
    from .site import guarded

    _, _, allowed = _marked(request)
    if (arguments := request.config.stash[_live_key]) is not None:
        allowed.add(site_of(arguments["site"]).host)
    with guarded(allowed) as request.node.stash[_stopped_key]:
        yield


@pytest.fixture
def chatgptes_site(
    request: pytest.FixtureRequest, chatgptes_offline: None
) -> Iterator[SiteUnderTest]:
    """A site with a bot for this test: a sandbox, or the site of `--chatgptes-site`.

    While the test runs, programs that name no site get this one: `chatgptes.chat("Hello")`,
    new clients for chatgpt.es, and the command line, by `CHATGPTES_SITE`.  The library reaches
    nothing else, unless the marker's `allow` names its host.
    """
    from ...sandbox.catalogue import PAGES
    from ...shared import ClientCache
    from .scripted import ScriptedSite
    from .site import SiteUnderTest, default_is

    arguments = request.config.stash[_live_key]
    if arguments is not None:
        with default_is(arguments, request.getfixturevalue("_chatgptes_live_clients")):
            yield SiteUnderTest(arguments, arguments.get("bot"))
        return
    dialect, strict, _ = _marked(request)
    dialect = getattr(request, "param", dialect)
    if dialect not in list(_PAGES):
        known = ", ".join(_PAGES)
        pytest.fail(f"@pytest.mark.chatgptes: the dialects are {known}, not {dialect!r}.", False)
    page = _PAGES[dialect]
    clients = ClientCache()
    sandbox = request.node.stash[_sandbox_key] = ScriptedSite(strict=strict)
    with sandbox:
        arguments = {"site": sandbox.page(page)}
        bot = PAGES[page].shows[0][0]
        if dialect == "rest":
            bot = arguments["bot"] = sandbox.rest_bot
            arguments["api_key"] = sandbox.api_key
        with default_is(arguments, clients):
            yield SiteUnderTest(arguments, bot, sandbox)
            clients.close()


@pytest.fixture
def chatgptes_client(chatgptes_site: SiteUnderTest) -> Client:
    """A `Client` of `chatgptes_site`.

    With `--chatgptes-site`, all tests share one, which leaves the site time between two turns.
    """
    from ...shared import cached_client

    return cached_client(chatgptes_site.arguments)


@pytest.fixture(scope="session")
def _chatgptes_live_clients() -> Iterator[ClientCache]:
    """The cached clients of all tests with a real site, which are one visitor to it."""
    from ...shared import ClientCache

    clients = ClientCache()
    yield clients
    clients.close()


def _marked(request: pytest.FixtureRequest) -> tuple[Any, bool, set[str]]:
    """Return the dialect, `strict` and the allowed hosts of a test's nearest marker."""
    marker = request.node.get_closest_marker("chatgptes")
    given = dict(marker.kwargs) if marker else {}
    dialect, strict = given.pop("dialect", "aipkit"), given.pop("strict", True)
    allow = given.pop("allow", ())
    if given or (marker and marker.args):
        pytest.fail(f"@pytest.mark.chatgptes takes: {_MARKER}", pytrace=False)
    return dialect, strict, {allow} if isinstance(allow, str) else set(allow)


def _live_arguments(config: pytest.Config) -> ClientArguments | None:
    """Return a client's arguments for the real site, if one was named."""
    site, bot = (config.getoption(f"--chatgptes-{name}").strip() for name in ("site", "bot"))
    if not site:
        return None
    from ...errors import InvalidConfigError
    from ...turn.config import ClientArguments, Config

    arguments = ClientArguments(site=site, min_interval=_INTERVAL)
    if bot:
        arguments["bot"] = bot
    # From the environment only: other users of the machine could read it on the command line.
    if key := os.environ.get("CHATGPTES_TEST_API_KEY", "").strip():
        arguments["api_key"] = key
    try:
        Config.of(arguments)
    except InvalidConfigError as error:
        raise pytest.UsageError(f"--chatgptes-site: {error}") from None
    return arguments
