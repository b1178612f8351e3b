"""What the pytest plugin holds back, what it lets through, and what it says of that."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_all

from chatgptes.sandbox import Site

pytest_plugins = ["pytester"]

UNPLUGGED = """
import socket

look_up = socket.getaddrinfo

@pytest.fixture(autouse=True)
def unplugged(monkeypatch):
    def local(host, *rest, **more):
        assert host in ("127.0.0.1", "localhost"), f"LEFT THE MACHINE: {host}"
        return look_up(host, *rest, **more)
    monkeypatch.setattr(socket, "getaddrinfo", local)
"""


def test_advice_that_fits(run: Run) -> None:
    result = run(
        """
        EARLY = chatgptes.Client()

        def test_early(chatgptes_site):
            with pytest.raises(chatgptes.InvalidConfigError, match="made before the test began"):
                EARLY.chat("Hello")

        def test_no_site(chatgptes_offline):
            with pytest.raises(chatgptes.InvalidConfigError, match="with the fixture"):
                chatgptes.chat("Hello")

        def test_other(chatgptes_site):
            with pytest.raises(chatgptes.InvalidConfigError, match="Give the program chatgptes_si"):
                chatgptes.chat("Hello", site="https://example.org/")
        """
    )
    assert_all(result, failed=3)
    result.stdout.fnmatch_lines(
        [
            "The test tried to reach https://chatgpt.es: held back.",
            "  In this test, new clients*made before the test began*",
            "The test tried to reach https://chatgpt.es: held back.",
            "  It is what programs get that name no site*",
            "The test tried to reach https://example.org: held back.",
            "  Give the program chatgptes_site.url, or allow*",
        ]
    )


def test_proxies_elsewhere(run: Run) -> None:
    source = (
        UNPLUGGED
        + """
def fails(chat, **arguments):
    with pytest.raises(chatgptes.InvalidConfigError, match="proxy.test:9 .* a proxy") as caught:
        chat("Hello", **arguments)
    assert "secret-word" not in str(caught.value)

@pytest.mark.parametrize("transport", ["requests", "curl_cffi"])
def test_given(chatgptes_site, transport):
    proxy = "http://user:secret-word@proxy.test:9"
    fails(chatgptes.chat, site=chatgptes_site.url, transport=transport, proxy=proxy)

def test_of_the_environment(chatgptes_offline, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret-word@proxy.test:9")
    monkeypatch.setenv("http_proxy", "http://user:secret-word@proxy.test:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with chatgptes.sandbox.Site() as site, chatgptes.Client(site.url) as client:
        fails(client.chat)

def nowhere(*_, **__):
    raise socket.gaierror("no such name")

@pytest.mark.parametrize("transport", ["requests"])
@pytest.mark.chatgptes(allow=["PROXY.test"])
def test_allowed(chatgptes_site, monkeypatch, transport):
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises((chatgptes.ConnectError, chatgptes.ProxyError)):
        chatgptes.chat("Hello", site=chatgptes_site.url, transport=transport,
            proxy="http://proxy.test:9", retries=0)

@pytest.mark.chatgptes(allow=["wordpress.test"])
def test_on_the_way_to_an_allowed_host(chatgptes_site, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises((chatgptes.ConnectError, chatgptes.ProxyError)):
        chatgptes.chat("Hello", site="http://wordpress.test/", retries=0,
            proxy="http://proxy.test:9")

def test_of_this_machine(chatgptes_site):
    with pytest.raises((chatgptes.ConnectError, chatgptes.ProxyError)):
        chatgptes.chat("Hello", site=chatgptes_site.url, proxy="http://127.0.0.1:9", retries=0)
"""
    )
    result = run(source)
    assert_all(result, failed=3, passed=3)
    result.stdout.no_fnmatch_line("*LEFT THE MACHINE*")
    result.stdout.no_fnmatch_line("*user:secret-word@proxy.test:9*is not its site*")
    result.stdout.fnmatch_lines(["The test tried to reach http://proxy.test:9: held back."])


def test_hosts_that_are_allowed(run: Run) -> None:
    source = (
        UNPLUGGED
        + """
def reach(site, monkeypatch):
    def nowhere(*_, **__):
        raise socket.gaierror("no such name")
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(chatgptes.ConnectError):
        chatgptes.chat("Hello", site=site, retries=0, trust_env=False)

@pytest.mark.chatgptes(allow=["Example.ORG", "b\\u00fccher.test"])
def test_names(chatgptes_site, monkeypatch):
    reach("http://example.org/", monkeypatch)
    reach("http://b\\u00fccher.test/", monkeypatch)

def refused(value):
    return pytest.param(value, marks=pytest.mark.chatgptes(allow=value), id=repr(value))

WRONG = ["https://example.org/", ["a.test:80"], "", ["a b"], [""], None, [None], 5, {"a": "b"}]

@pytest.mark.parametrize("value", [refused(each) for each in WRONG])
def test_no_hosts(chatgptes_offline, value):
    assert False
"""
    )
    result = run(source)
    assert_all(result, passed=1, errors=9)
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.chatgptes: allow names hosts, *not 'https://example.org/'.",
            "@pytest.mark.chatgptes: allow is a host or a list of hosts, not None.",
        ]
    )


def test_the_nearer_marker_says_which_bot(run: Run) -> None:
    result = run(
        """
        @pytest.mark.chatgptes(dialect="all", strict=False)
        class TestDialects:
            @pytest.mark.chatgptes(page="aipkit-two")
            def test_page(self, chatgptes_site, chatgptes_client):
                chatgptes_site.answers("not asked for")
                assert len(chatgptes_client.bots()) == 2

        @pytest.mark.chatgptes(page="aipkit-two")
        class TestPages:
            @pytest.mark.chatgptes(dialect=["classic", "rest"])
            def test_dialect(self, chatgptes_client):
                assert len(chatgptes_client.bots()) == 1

        @pytest.mark.chatgptes(dialect=[])
        def test_none(chatgptes_site): ...
        """
    )
    assert_all(result, passed=3, errors=1)
    result.stdout.fnmatch_lines(["*the dialects are aipkit, classic, plain, rest, not [[][]].*"])


def test_what_is_held_back_in_the_teardown(run: Run) -> None:
    result = run(
        """
        def swallow():
            try:
                chatgptes.chat("Hello", site="https://example.org/")
            except chatgptes.InvalidConfigError:
                pass

        @pytest.mark.parametrize("when", ["setup", "call", "teardown"])
        def test_it(chatgptes_site, request, when):
            if when == "call":
                swallow()
            request.addfinalizer({"teardown": swallow}.get(when, lambda: None))

        @pytest.fixture
        def early(chatgptes_offline):
            swallow()

        def test_setup(early): ...
        """
    )
    # Each is told once.
    assert_all(result, passed=2, failed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_it[[]teardown[]]*",
            "The test tried to reach https://example.org: held back.",
        ]
    )


def test_what_is_kept_from_an_earlier_test(run: Run) -> None:
    result = run(
        """
        import asyncio
        kept = []

        def test_one(chatgptes_site, chatgptes_client):
            kept.extend([chatgptes_client, chatgptes.AsyncClient(chatgptes_site.url)])
            chatgptes_client.chat("Hello")
            asyncio.run(kept[1].chat("Hello"))

        @pytest.mark.parametrize("number", range(2))
        def test_two(chatgptes_site, number):
            async def ask():
                await kept[1].chat("Hello")
            for use in (lambda: kept[0].chat("Hello"), kept[0].bots, lambda: asyncio.run(ask())):
                with pytest.raises(chatgptes.InvalidConfigError, match="of an earlier test"):
                    use()

        def test_closed_in_this_one(chatgptes_site):
            client = chatgptes.Client(chatgptes_site.url)
            client.close()
            with pytest.raises(chatgptes.ChatGptEsError, match="This client is closed"):
                client.chat("Hello")

        def test_last():
            with pytest.raises(chatgptes.ChatGptEsError, match="This client is closed"):
                kept[0].chat("Hello")
        """
    )
    assert_all(result, passed=5)


def test_a_port_that_was_an_earlier_tests(run: Run) -> None:
    result = run(
        """
        @pytest.fixture
        def every_port_was():
            from chatgptes.integrations.testing.guard import ENDED
            ENDED.update(f"http://127.0.0.1:{port}" for port in range(1 << 16))

        def test_it(every_port_was, chatgptes_site):
            chatgptes_site.sandbox.stop()
            with pytest.raises(chatgptes.ConnectError):
                chatgptes.chat("Hello", site=chatgptes_site.url, retries=0)
        """
    )
    assert_all(result, passed=1)


# With a real site.


def test_the_shared_client_leaves_a_real_site_time(run: Run, site: Site) -> None:
    result = run(
        """
        def test_it(chatgptes_client):
            assert chatgptes_client._config.min_interval == 0.5
            assert chatgptes_client.slots.interval == 0.5
        """,
        "--chatgptes-site",
        site.url,
    )
    assert_all(result, passed=1)


@pytest.mark.parametrize(("given", "own"), [("", "www."), ("www.", "")])
def test_a_real_site_that_moves_to_its_other_name(
    run: Run, pytester: pytest.Pytester, site: Site, given: str, own: str
) -> None:
    pytester.makeconftest(
        """
        import socket

        look_up = socket.getaddrinfo

        def known(host, *rest, **more):
            name = host.decode() if isinstance(host, bytes) else host
            return look_up("127.0.0.1" if name.endswith("shop.test") else name, *rest, **more)

        socket.getaddrinfo = known
        """
    )
    site.origin = f"http://{own}shop.test:{site.port}"
    result = run(
        """
        def test_it(chatgptes_client):
            assert "stand-in" in chatgptes_client.chat("Hello").text

        def test_others(chatgptes_site):
            with pytest.raises(chatgptes.InvalidConfigError):
                chatgptes.chat("Hello", site="http://other.shop.test/")
        """,
        "--chatgptes-site",
        # Without its slash, a page is not where WordPress has it.
        f"http://{given}shop.test:{site.port}/classic",
        env=dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), ""),
    )
    assert_all(result, passed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_others*"])
