"""The pytest plugin: a site with a bot for each test, whose answers the test sets.

    def test_greeting(chatgptes_site):
        chatgptes_site.answers("Good morning, Ada.")
        assert my_program(chatgptes_site.url) == "Good morning, Ada."

pytest loads this in every run, so it imports nothing before a fixture is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ...client import Client
    from ...shared import ClientCache
    from ...turn.config import ClientArguments
    from .script import Answer, Gate, Script
    from .site import SiteUnderTest

__all__ = ["Answer", "Gate", "SiteUnderTest"]

PAGE_OF = {"aipkit": "front", "classic": "classic", "plain": "classic-plain", "rest": "front"}
INTERVAL = 0.5
"""Least seconds between the starts of two turns with a real site, which has other visitors."""
_DEFAULTS: dict[str, Any] = {
    "dialect": None, "page": None, "live": None, "strict": True, "allow": (),
}  # fmt: skip
_MARKER = (
    "chatgptes(dialect=None, page=None, live=None, strict=True, allow=()): the kind of"
    f" `chatgptes_site` (dialect: {', '.join(PAGE_OF)}, a list of them, or 'all'; page: a page of"
    " the sandbox); live=False: only with the sandbox, live=True: only with a real site;"
    " strict=False: answers may be unused, or run out; allow: other hosts that may be reached."
)
_SHOWN = 20


def __getattr__(name: str) -> Any:
    if name == "SiteUnderTest":
        from .site import SiteUnderTest

        return SiteUnderTest
    if name in ("Answer", "Gate"):
        from . import script

        return getattr(script, name)
    raise AttributeError(name)


@dataclass
class _Record:
    """The network and the script of one test, looked at when it has ended."""

    stopped: list[str]
    script: Script | None = None
    shown: int = 0

    def check(self) -> None:
        """Fail the test if a request was stopped, or answers are left or were missing.

        Raises:
            BaseException: an error of the test's own answers.
            pytest.fail.Exception: anything else.
        """
        script = self.script
        if script is not None and script.broken:
            raise script.broken[0]
        lines = [f"The test tried to reach {origin}." for origin in self.stopped[self.shown :]]
        self.shown = len(self.stopped)
        if script is not None and script.strict:
            lines += [f"Unused: {name}" for name in script.unused()[:_SHOWN]]
            lines += [f"No answer was left for {text[:80]!r}" for text in script.surplus[:_SHOWN]]
        if lines:
            pytest.fail("chatgptes:\n  " + "\n  ".join(lines), pytrace=False)


_record_key: pytest.StashKey[_Record] = pytest.StashKey()
_live_key: pytest.StashKey[ClientArguments | None] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; each has a default in the environment."""
    group = parser.getgroup("chatgptes", "chat bots of WordPress sites (chatgptes)")
    for name, metavar, text in (
        ("site", "URL", "page of a real site's bot, for `chatgptes_site`"),
        ("bot", "ID", "the bot, when that page shows several"),
    ):
        variable = f"CHATGPTES_TEST_{name.upper()}"
        group.addoption(
            f"--chatgptes-{name}",
            metavar=metavar,
            default=os.environ.get(variable, ""),
            help=f"{text} (in the environment: {variable}).",
        )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and check the options."""
    config.addinivalue_line("markers", _MARKER)
    config.stash[_live_key] = _live_arguments(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the real site, if the tests talk to one."""
    arguments = config.stash[_live_key]
    if arguments is None:
        return None
    from ...values.urls import redact

    return f"chatgptes: tests talk to {redact(arguments['site'])}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each dialect that its marker names; a real site has only its own."""
    if "chatgptes_site" not in metafunc.fixturenames:
        return
    try:
        dialects = _marked(metafunc.definition)["dialect"]
    except pytest.fail.Exception:
        return  # Raised here, it would end the whole file: the test's setup raises it again.
    if dialects == "all":
        dialects = list(PAGE_OF)
    if dialects and isinstance(dialects, list) and metafunc.config.stash[_live_key] is None:
        metafunc.parametrize("chatgptes_site", dialects, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Check a test's record when it has passed, or when one of its answers has raised."""
    record = item.stash.get(_record_key, None)
    try:
        result = yield
    except Exception:
        if record is not None:
            record.shown = len(record.stopped)  # The failure says it already.
            if record.script is not None and record.script.broken:
                raise record.script.broken[0] from None
        raise
    if record is not None:
        record.check()
    return result


@pytest.fixture
def chatgptes_offline(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stop requests of the library to other machines; a test that tries fails.

    `usefixtures = chatgptes_offline` in pytest's configuration puts it around all tests.  With
    `--chatgptes-site`, that site may be reached.
    """
    from .network import guarded, hosts_of

    try:
        allowed = hosts_of(_marked(request.node)["allow"])
    except ValueError as error:
        _refuse(f"{error}.")
    if (arguments := request.config.stash[_live_key]) is not None:
        from ...values.checks import site_of

        host = site_of(arguments["site"]).host.removeprefix("www.")
        allowed |= {host, f"www.{host}"}
    with guarded(allowed) as stopped:
        record = request.node.stash[_record_key] = _Record(stopped)
        yield
        record.script = None
        record.check()


@pytest.fixture
def chatgptes_site(
    request: pytest.FixtureRequest, chatgptes_offline: None
) -> Iterator[SiteUnderTest]:
    """A site with a bot for this test: a sandbox, or the site of `--chatgptes-site`.

    While the test runs, programs that name no site get this one: `chatgptes.chat("Hello")`,
    new clients for chatgpt.es, and the command line, by `CHATGPTES_SITE`.  The library reaches
    nothing else, unless the marker's `allow` names its host.
    """
    from .network import default_is
    from .site import SiteUnderTest

    marked = _marked(request.node)
    arguments = request.config.stash[_live_key]
    if arguments is None:
        if marked["live"]:
            pytest.skip("needs a real site (--chatgptes-site)")
        yield from _sandbox(request, marked)
        return
    if marked["live"] is False or marked["page"] is not None:
        pytest.skip("needs the sandbox; --chatgptes-site names a real site")
    clients = request.getfixturevalue("_chatgptes_live_clients")
    with default_is(arguments, clients, sandbox=False):
        bot = arguments.get("bot")
        yield SiteUnderTest(arguments, None if bot is None else str(bot))


def _sandbox(
    request: pytest.FixtureRequest, marked: dict[str, Any]
) -> Generator[SiteUnderTest, None, None]:
    from ...sandbox.catalogue import PAGES
    from ...shared import ClientCache
    from .network import default_is
    from .script import Script, ScriptedSite
    from .site import SiteUnderTest

    kind, page = getattr(request, "param", None) or marked["dialect"], marked["page"]
    if kind is not None and page is not None:
        _refuse("name a dialect or a page, not both.")
    if page is None:
        kind = "aipkit" if kind is None else kind
        if kind not in list(PAGE_OF):  # It may be anything that a marker can hold.
            _refuse(f"the dialects are {', '.join(PAGE_OF)}, not {kind!r}.")
        page = PAGE_OF[kind]
    elif page not in list(PAGES):
        _refuse(f"the sandbox has no page {page!r} (see chatgptes.sandbox.Site.pages).")
    script = Script(strict=marked["strict"])
    site = ScriptedSite(script)
    with site:
        shows = PAGES[page].shows
        bot = shows[0][0] if shows else None
        arguments: ClientArguments = {"site": site.page(page)}
        if kind == "rest":
            bot = arguments["bot"] = site.rest_bot
            arguments["api_key"] = site.api_key
        request.node.stash[_record_key].script = script
        clients = ClientCache()
        try:
            with default_is(arguments, clients, sandbox=True):
                yield SiteUnderTest(arguments, bot, sandbox=site, kind=kind or "")
        finally:
            clients.close()


@pytest.fixture
def chatgptes_client(
    request: pytest.FixtureRequest, chatgptes_site: SiteUnderTest
) -> Iterator[Client]:
    """A `Client` of `chatgptes_site`.

    With `--chatgptes-site`, all tests share one, which leaves the site time between two turns.
    """
    if chatgptes_site.live:
        from ...shared import cached_client

        yield cached_client({**chatgptes_site.arguments, "min_interval": INTERVAL})
        return
    from ...client import Client

    with Client(**chatgptes_site.arguments) as client:
        yield client


@pytest.fixture(scope="session")
def _chatgptes_live_clients() -> Iterator[ClientCache]:
    """The cached clients of all tests with a real site, which are one visitor to it."""
    from ...shared import ClientCache

    clients = ClientCache()
    yield clients
    clients.close()


def _marked(node: Any) -> dict[str, Any]:
    """Return the arguments of a test's markers; the nearer marker comes first.

    Raises:
        pytest.fail.Exception: a marker has an unknown argument.
    """
    found = dict(_DEFAULTS)
    for marker in reversed(list(node.iter_markers("chatgptes"))):
        unknown = [*map(repr, marker.args), *(set(marker.kwargs) - set(_DEFAULTS))]
        if unknown:
            _refuse(f"no argument {', '.join(unknown)}; it is {_MARKER.partition(':')[0]}.")
        if {"dialect", "page"} & set(marker.kwargs):
            found.update(dialect=None, page=None)  # Either chooses the bot.
        found.update(marker.kwargs)
    return found


def _refuse(why: str) -> Any:
    pytest.fail(f"@pytest.mark.chatgptes: {why}", pytrace=False)


def _live_arguments(config: pytest.Config) -> ClientArguments | None:
    """Return a client's arguments for the real site, if one was named."""
    site, bot = (config.getoption(f"--chatgptes-{name}").strip() for name in ("site", "bot"))
    if not site:
        return None
    from ...errors import InvalidConfigError
    from ...turn.config import ClientArguments, Config

    arguments = ClientArguments(site=site)
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
