"""What the pytest plugin holds back, what it lets through, and what it says of that."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_all

from chatgptes.sandbox import Site

pytest_plugins = ["pytester"]


def test_advice_that_fits(run: Run) -> None:
    result = run(
        """
        EARLY = chatgptes.Client()

        def test_early(chatgptes_site):
            with pytest.raises(chatgptes.InvalidConfigError, match="inside the test"):
                EARLY.chat("Hello")

        def test_no_site(chatgptes_offline):
            with pytest.raises(chatgptes.InvalidConfigError, match="is not this test"):
                chatgptes.chat("Hello")

        def test_other(chatgptes_site):
            with pytest.raises(chatgptes.InvalidConfigError, match="Give the program chatgptes_si"):
                chatgptes.chat("Hello", site="https://example.org/")
        """
    )
    assert_all(result, failed=3)
    result.stdout.fnmatch_lines(
        [
            "  The test tried to reach https://chatgpt.es.",
            "  The test tried to reach https://chatgpt.es.",
            "  The test tried to reach https://example.org.",
        ]
    )


def test_hosts_that_are_allowed(run: Run) -> None:
    result = run(
        """
        import socket

        @pytest.mark.chatgptes(allow=["Example.ORG", "a.test"])
        @pytest.mark.parametrize("site", ["http://example.org/", "http://www.a.test/"])
        def test_names(chatgptes_site, monkeypatch, site):
            def nowhere(*_, **__):
                raise socket.gaierror("no such name")
            monkeypatch.setattr(socket, "getaddrinfo", nowhere)
            with pytest.raises(chatgptes.ConnectError):
                chatgptes.chat("Hello", site=site, retries=0, trust_env=False)
        """
    )
    assert_all(result, passed=2)


def test_the_nearer_marker_says_which_bot(run: Run) -> None:
    result = run(
        """
        @pytest.mark.chatgptes(dialect="all", strict=False)
        class TestDialects:
            @pytest.mark.chatgptes(dialect=["classic", "rest"])
            def test_dialect(self, chatgptes_client):
                assert len(chatgptes_client.bots()) == 1

            @pytest.mark.chatgptes()
            def test_default(self, chatgptes_site):
                chatgptes_site.answers("not asked for")

        @pytest.mark.chatgptes(dialect=[])
        def test_none(chatgptes_site): ...
        """
    )
    assert_all(result, passed=2, failed=1, skipped=1)


def test_what_is_held_back_in_the_setup(run: Run) -> None:
    result = run(
        """
        @pytest.fixture
        def early(chatgptes_offline):
            try:
                chatgptes.chat("Hello", site="https://example.org/")
            except chatgptes.InvalidConfigError:
                pass

        def test_setup(early): ...
        """
    )
    assert_all(result, failed=1)


# With a real site.


def test_the_shared_client_leaves_a_real_site_time(run: Run, site: Site) -> None:
    result = run(
        """
        def test_it(chatgptes_client):
            assert chatgptes_client.core.config.min_interval == 0.5
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
            assert "sandbox" in chatgptes_client.chat("Hello").text

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
