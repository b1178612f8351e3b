"""The pytest plugin, in runs of pytest of its own; tox environment `pytest` adds its company."""

from __future__ import annotations

import pytest
from plugin_runs import INSTALLED, MODULE, Run, assert_all

from chatgptes.sandbox import FAULTS, Site

pytest_plugins = ["pytester"]


# Saying what the bot says.


def test_answers_in_turn(run: Run) -> None:
    result = run(
        """
        def test_kinds(chatgptes_site, chatgptes_client):
            chatgptes_site.answers("one two", ["th", "ree"], str.upper, lambda p: iter([p, "!"]))
            assert list(chatgptes_client.stream("a")) == ["one", " two"]
            assert list(chatgptes_client.stream("b")) == ["th", "ree"]
            assert chatgptes_client.chat("c").text == "C"
            assert chatgptes_client.chat("d").text == "d!"
            assert chatgptes_site.prompts == ["a", "b", "c", "d"]
            assert chatgptes_site.sandbox.requests[0].method == "GET"

        def test_always(chatgptes_site, chatgptes_client):
            chatgptes_site.always(iter(["as", " ever"]))
            chatgptes_site.answers("first")
            said = [chatgptes_client.chat("Hello").text for _ in range(3)]
            assert said == ["first", "as ever", "as ever"]

        def test_by_itself(chatgptes_site, chatgptes_client):
            assert chatgptes_site.prompts == []
            assert "sandbox" in chatgptes_client.chat("Hello").text

        def test_model_errors(chatgptes_site, chatgptes_client):
            def overloaded(prompt):
                raise chatgptes.sandbox.ModelError("Later.", status=429)
            chatgptes_site.answers(chatgptes.sandbox.ModelError("Ouch."), overloaded)
            for said in ("Ouch", "Later"):
                with pytest.raises(chatgptes.UpstreamError, match=said):
                    chatgptes_client.chat("Hello")

        @pytest.mark.parametrize("answer", [5, b"bytes", [None], None])
        def test_no_answer(chatgptes_site, answer):
            for say in (chatgptes_site.answers, chatgptes_site.always):
                with pytest.raises(TypeError, match="answer"):
                    say(answer)
            with pytest.raises(TypeError):
                chatgptes_site.answers()
        """
    )
    assert_all(result, passed=8)


def test_faults_keep_their_place(run: Run) -> None:
    result = run(
        """
        def test_order(chatgptes_site, chatgptes_client):
            chatgptes_site.answers("one")
            chatgptes_site.fails("cache-http-404")
            chatgptes_site.fails("quota")
            chatgptes_site.answers("two")
            assert chatgptes_client.chat("a").text == "one"
            with pytest.raises(chatgptes.UnexpectedStatusError):
                chatgptes_client.chat("b")
            with pytest.raises(chatgptes.QuotaError):
                chatgptes_client.chat("c")
            assert chatgptes_client.chat("d").text == "two"
            assert chatgptes_site.prompts == ["a", "d"]

        def test_times(chatgptes_site, chatgptes_client):
            chatgptes_site.fails("guests", times=2)
            for _ in range(2):
                with pytest.raises(chatgptes.RefusedError):
                    chatgptes_client.chat("a")
            assert "sandbox" in chatgptes_client.chat("a").text

        def test_in_the_middle(chatgptes_site, chatgptes_client):
            for fault in ("cut", "model-drop", "model-error-mid"):
                chatgptes_site.fails(fault, saying="Hello and so on and on")
                with pytest.raises(chatgptes.StreamInterruptedError) as caught:
                    chatgptes_client.chat("a")
                assert caught.value.partial == "Hello and so on and on"
            chatgptes_site.fails("model-length", saying=["Too lo"])
            assert chatgptes_client.chat("a").finish_reason == "max_output_tokens"

        def test_of_the_sandbox_too(chatgptes_site, chatgptes_client):
            chatgptes_site.fails("cut", saying="Hello")
            chatgptes_site.answers("one")
            with pytest.raises(chatgptes.StreamInterruptedError):
                chatgptes_client.chat("a")
            chatgptes_site.sandbox.next("model-length")
            reply = chatgptes_client.chat("a")
            assert (reply.text, reply.finish_reason) == ("one", "max_output_tokens")

        def test_waits_for_its_kind_of_bot(chatgptes_site):
            chatgptes_site.fails("cache-embed")
            chatgptes_site.answers("one")
            page = chatgptes_site.sandbox.page("mixed")
            with chatgptes.Client(page, bot="31") as classic:
                assert classic.chat("a").text == "one"
            with chatgptes.Client(page, bot="5") as aipkit:
                with pytest.raises(chatgptes.RefusedError):
                    aipkit.chat("a")

        def test_typing_error(chatgptes_site):
            with pytest.raises(ValueError, match="no fault 'qouta'"):
                chatgptes_site.fails("qouta")
        """
    )
    assert_all(result, passed=6)


def test_every_fault_can_be_told(run: Run) -> None:
    """Each is met by the first turn, and none is left: `strict` would say so."""
    quick = {
        where: [name for name in names if not {"stall", "endless", "flood"} & {*name.split("-")}]
        for where, names in FAULTS.items()
    }
    result = run(
        f"""
        FAULTS = {quick}

        @pytest.mark.chatgptes(dialect="all")
        def test_it(chatgptes_site, request):
            arguments = {{**chatgptes_site.arguments, "retries": 0}}
            with chatgptes.Client(**arguments) as client:
                for fault in FAULTS[request.node.callspec.params["chatgptes_site"]]:
                    chatgptes_site.fails(fault)
                    try:
                        client.chat("Hello")
                    except chatgptes.ChatGptEsError:
                        pass
        """
    )
    assert_all(result, passed=5)


def test_waiting_for_the_test(run: Run) -> None:
    result = run(
        """
        import threading

        def test_streaming(chatgptes_site, chatgptes_client):
            seen = threading.Event()
            chatgptes_site.answers(["One", seen, " two"])
            with chatgptes_client.stream("Hello") as stream:
                assert next(stream) == "One"
                seen.set()
                assert next(stream) == " two"

        def test_left_waiting(chatgptes_site, chatgptes_client):
            chatgptes_site.answers(["One", threading.Event(), " two"])
            with chatgptes_client.stream("Hello") as stream:
                assert next(stream) == "One"

        def test_timeout(chatgptes_site, chatgptes_client):
            chatgptes_site.answers([threading.Event(), "One"])
            with pytest.raises(chatgptes.RequestTimeout):
                chatgptes_client.chat("Hello", timeout=0.3)

        def test_no_thread_is_left():
            names = [thread.name for thread in threading.enumerate()]
            assert not [name for name in names if name.startswith("sandbox")]
        """
    )
    assert_all(result, passed=4)


# What fails a test.


def test_what_is_left_fails_it(run: Run) -> None:
    result = run(
        """
        def test_unused(chatgptes_site):
            chatgptes_site.answers("one", "two")
            chatgptes_site.fails("quota")
            chatgptes.chat("Hello")

        def test_surplus(chatgptes_site):
            chatgptes_site.answers("one")
            chatgptes.chat("Hello")
            with pytest.raises(chatgptes.UpstreamError):
                chatgptes.chat("How are you?")

        def test_function(chatgptes_site):
            def answer(prompt):
                assert prompt == "Good bye"
            chatgptes_site.answers(answer)
            with pytest.raises(chatgptes.UpstreamError):
                chatgptes.chat("Hello")

        def test_generator(chatgptes_site):
            chatgptes_site.answers(lambda prompt: (number + 1 for number in prompt))
            with pytest.raises(chatgptes.UpstreamError):
                chatgptes.chat("Hello")

        def test_fails_anyway(chatgptes_site):
            chatgptes_site.answers("one", "two")
            assert chatgptes.chat("Hello").text == "two"

        @pytest.mark.xfail(strict=True)
        def test_xfail(chatgptes_site):
            chatgptes_site.answers("one")

        @pytest.mark.chatgptes(strict=False)
        def test_opted_out(chatgptes_site):
            chatgptes_site.answers("one", "two", "three")
            assert chatgptes.chat("Hello").text == "one"

        @pytest.mark.chatgptes(strict=False)
        def test_opted_out_of_running_out(chatgptes_site):
            chatgptes_site.answers("one")
            assert chatgptes.chat("Hello").text == "one"
            assert "sandbox" in chatgptes.chat("Hello").text
        """
    )
    assert_all(result, failed=5, passed=2, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            "  Unused: answers('two')",
            "  Unused: fails('quota')",
            "  No answer was left for 'How are you?'",
            "E       AssertionError: assert 'Hello' == 'Good bye'",
            "E*TypeError: can only concatenate str*",
        ],
    )


def test_nothing_else_is_reached(run: Run) -> None:
    """Not even where the program swallows the error, or looks below HTTP."""
    result = run(
        """
        import socket

        @pytest.fixture(autouse=True)
        def unplugged(monkeypatch):
            look_up = socket.getaddrinfo
            def local(host, *rest, **more):
                assert host in ("127.0.0.1", "localhost"), f"LEFT THE MACHINE: {host}"
                return look_up(host, *rest, **more)
            monkeypatch.setattr(socket, "getaddrinfo", local)

        def swallow(function, *arguments, **options):
            try:
                function(*arguments, **options)
            except chatgptes.InvalidConfigError as error:
                assert "example.org" in str(error) or "chatgpt.es" in str(error)

        def test_chat(chatgptes_site):
            swallow(chatgptes.chat, "Hello", site="https://example.org/chat/")

        def test_doctor(chatgptes_site):
            swallow(chatgptes.doctor, "https://user:secret-word@example.org/chat/")

        early = chatgptes.Client()

        def test_a_client_from_before(chatgptes_site):
            swallow(early.chat, "Hello")

        def test_without_a_site(chatgptes_offline):
            swallow(chatgptes.chat, "Hello")

        def test_local_ones_are_fine(chatgptes_offline):
            with chatgptes.sandbox.Site() as site:
                chatgptes.chat("Hello", site=site.url)

        @pytest.mark.chatgptes(allow="wordpress.invalid")
        def test_allowed(chatgptes_site, monkeypatch):
            def nowhere(*_, **__):
                raise socket.gaierror("no such name")
            monkeypatch.setattr(socket, "getaddrinfo", nowhere)
            with pytest.raises(chatgptes.ConnectError):
                chatgptes.chat("Hello", site="http://wordpress.invalid/", retries=0)
        """
    )
    assert_all(result, failed=4, passed=2)
    result.stdout.no_fnmatch_line("*LEFT THE MACHINE*")
    result.stdout.no_fnmatch_line("*secret-word*")
    result.stdout.fnmatch_lines(["  The test tried to reach https://example.org."])


# Programs that know nothing of tests.


def test_whoever_names_no_site_gets_this_one(run: Run) -> None:
    result = run(
        """
        import asyncio, os, subprocess, sys

        async def provider():
            messages = [{"role": "user", "content": "Hello"}]
            generator = chatgptes.ChatGptEs.create_async_generator(
                None, messages, transport="requests")
            return "".join([chunk async for chunk in generator])

        async def client():
            async with chatgptes.AsyncClient() as client:
                return (await client.chat("Hello")).text

        @pytest.mark.chatgptes(dialect="all")
        def test_library(chatgptes_site):
            chatgptes_site.answers(*"abcdefg")
            assert chatgptes.chat("Hello").text == "a"
            assert "".join(chatgptes.stream("Hello", site="https://www.chatgpt.es/some/")) == "b"
            assert asyncio.run(client()) == "c"
            assert asyncio.run(provider()) == "d"
            with chatgptes.Client() as own:
                assert own.chat("Hello").text == "e"
            assert [result.reply.text for result in chatgptes.batch(["Hello"])] == ["f"]
            assert chatgptes.doctor(ask=True).ok
            assert chatgptes_site.prompts[0] == "Hello"

        @pytest.mark.chatgptes(dialect="all")
        def test_command_line(chatgptes_site):
            assert "CHATGPTES_SYSTEM" not in os.environ
            chatgptes_site.answers("Good morning.")
            told = subprocess.run(
                [sys.executable, "-m", "chatgptes", "Hello"], capture_output=True, text=True)
            assert told.stdout == "Good morning.\\n", told.stderr
            assert told.stderr == ""  # No id is kept, and no last conversation.
            assert chatgptes_site.prompts == ["Hello"]

        clients = []

        def test_kept_clients(chatgptes_site):
            chatgptes.chat("Hello")
            clients.extend(chatgptes.shared._cache.recent)

        def test_afterwards():
            assert [client.core.closed for client in clients] == [True]
            assert os.environ["CHATGPTES_SITE"] == "https://example.org/mine/"
            assert os.environ["CHATGPTES_SYSTEM"] == "Be brief."
            assert chatgptes.Client().site == "https://chatgpt.es/"
            assert not chatgptes.shared._cache.recent
        """,
        env={
            "CHATGPTES_SITE": "https://example.org/mine/",
            "CHATGPTES_SYSTEM": "Be brief.",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
        },
    )
    assert_all(result, passed=12)


# Which bot.


def test_dialects_and_pages(run: Run) -> None:
    result = run(
        """
        NAMES = {"aipkit": "aipkit", "classic": "wpaicg", "plain": "wpaicg", "rest": "rest",
                 "mwai": "mwai"}

        @pytest.mark.chatgptes(dialect="all")
        def test_all(chatgptes_site, chatgptes_client, request):
            kind = request.node.callspec.params["chatgptes_site"]
            chatgptes_site.answers("one two")
            reply = chatgptes_client.chat("Hello")
            assert (reply.text, reply.dialect, reply.bot) == (
                "one two", NAMES[kind], chatgptes_site.bot)
            assert reply.streamed == (kind in ("aipkit", "classic", "mwai"))
            assert "sandbox-" not in repr(chatgptes_site.arguments)

        @pytest.mark.chatgptes(dialect=["plain", "rest"])
        def test_some(chatgptes_client):
            assert chatgptes_client.chat("Hello").dialect in ("wpaicg", "rest")

        @pytest.mark.parametrize("chatgptes_site", ["classic"], indirect=True)
        def test_indirect(chatgptes_client):
            assert chatgptes_client.chat("Hello").dialect == "wpaicg"

        @pytest.mark.chatgptes(dialect="classic")
        class TestClass:
            def test_one(self, chatgptes_client):
                assert chatgptes_client.chat("Hello").dialect == "wpaicg"

            @pytest.mark.chatgptes(dialect="rest")
            def test_other(self, chatgptes_client):
                assert chatgptes_client.chat("Hello").dialect == "rest"

        def test_page(chatgptes_site):
            chatgptes_site.answers("Good morning.")
            with chatgptes.Client(chatgptes_site.sandbox.page("aipkit-two")) as client:
                assert [bot.id for bot in client.bots()] == ["6", "5"]
                assert client.chat("Hello").text == "Good morning."

        def test_each_test_has_its_own(chatgptes_site):
            assert chatgptes_site.sandbox.requests == []
            assert "127.0.0.1" in repr(chatgptes_site)
        """
    )
    assert_all(result, passed=12)


def test_markers_that_mean_nothing(run: Run) -> None:
    result = run(
        """
        @pytest.mark.chatgptes(dialect="klingon")
        def test_dialect(chatgptes_site): ...

        @pytest.mark.chatgptes(dialect=["plain"])
        def test_too_late(request):
            request.getfixturevalue("chatgptes_site")
        """
    )
    assert_all(result, errors=1, failed=1)
    result.stdout.fnmatch_lines(["*the dialects are aipkit, classic, *, not 'klingon'*"])
    result = run(
        """
        @pytest.mark.chatgptes(colour='red')
        def test_it(chatgptes_site): ...

        def test_its_neighbour(chatgptes_site): ...
        """
    )
    assert_all(result, errors=1, passed=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_it*"])
    result.stdout.fnmatch_lines(["*chatgptes takes: chatgptes(dialect='aipkit',*"])


# A real site: here, another process's sandbox.

LIVE = """
@pytest.mark.parametrize("number", range(2))
@pytest.mark.chatgptes(dialect="all")
def test_talks(chatgptes_site, chatgptes_client, number):
    assert chatgptes_site.live
    assert "sandbox" in chatgptes_client.chat("Hello").text
    if number:
        chatgptes_client.close()

def test_bare(chatgptes_site):
    assert "sandbox" in chatgptes.chat("Hello").text
    with chatgptes.Client(**chatgptes_site.arguments) as client:
        assert chatgptes_site.bot in (None, client.chat("Hello").bot)

def test_scripts(chatgptes_site):
    chatgptes_site.answers("one")
    assert False

def test_looks(chatgptes_site):
    assert chatgptes_site.prompts == []

def test_elsewhere(chatgptes_site):
    chatgptes.chat("Hello", site="https://example.org/")
"""


def test_live(run: Run, site: Site) -> None:
    result = run(LIVE, "--chatgptes-site", site.url)
    assert_all(result, passed=3, skipped=2, failed=1)
    result.stdout.fnmatch_lines(["*needs the sandbox; --chatgptes-site names a real site*"])
    # One visitor for the shared client, one for the
    # bare calls, one for a client that the test made.
    pages = [request for request in site.requests if request.method == "GET" and not request.query]
    assert len(pages) == 3


def test_live_without_a_script_reads_the_page_once(run: Run, site: Site) -> None:
    source = """
    @pytest.mark.parametrize("number", range(3))
    def test_it(chatgptes_client, number):
        assert chatgptes_client.chat("Hello")
    """
    result = run(source, env={"CHATGPTES_TEST_SITE": site.url})
    assert_all(result, passed=3)
    assert [request.target for request in site.requests].count("/") == 1
    assert len({request.param("session_id") for request in site.requests} - {""}) == 1
    assert site.accepted == 1


def test_live_over_rest(run: Run, site: Site) -> None:
    result = run(
        LIVE,
        "-l",
        "--chatgptes-site",
        site.url,
        "--chatgptes-bot",
        site.rest_bot,
        env={"CHATGPTES_TEST_API_KEY": site.api_key},
    )
    assert_all(result, passed=3, skipped=2, failed=1)
    assert site.api_key not in result.stdout.str()
    assert [request for request in site.requests if "wp-json" in request.path]


def test_live_from_the_environment(run: Run, site: Site) -> None:
    staging = site.page("staging").replace("://", "://visitor:s3cret%20pass@")
    result = run(
        """
        def test_it(chatgptes_site):
            assert chatgptes_site.live
            assert chatgptes.chat("Hello")
            assert str(chatgptes_site) == str(chatgptes_site.arguments)
        """,
        env={"CHATGPTES_TEST_SITE": staging},
    )
    assert_all(result, failed=1)
    assert "staging" in result.stdout.str()
    assert "s3cret" not in result.stdout.str()
    result = run("def test_it(chatgptes_site): assert not chatgptes_site.live", "--chatgptes-site=")
    assert_all(result, passed=1)


def test_live_must_be_a_url(run: Run) -> None:
    result = run("def test_it(): ...", "--chatgptes-site", "example.org")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --chatgptes-site: site must be a URL*"])


# In company.


ASYNC = """
import threading
import chatgptes
from chatgptes import AsyncClient

{mark}
async def test_async(chatgptes_site):
    seen = threading.Event()
    chatgptes_site.answers(["One", seen, " two"])
    async with AsyncClient(chatgptes_site.url) as client:
        said = []
        async for chunk in client.stream("Hello"):
            said.append(chunk)
            seen.set()
    assert said == ["One", " two"]

{mark}
async def test_left(chatgptes_site):
    chatgptes_site.answers("One")
"""


def test_with_anyio(run: Run) -> None:
    """Once for asyncio, once for trio."""
    result = run(ASYNC.format(mark="@pytest.mark.anyio"), "-p", "anyio")
    assert_all(result, passed=2, failed=2)


def test_with_asyncio(run: Run) -> None:
    pytest.importorskip("pytest_asyncio")
    scope = "asyncio_default_fixture_loop_scope=function"
    source = ASYNC.format(mark="@pytest.mark.asyncio")
    assert_all(run(source, "-p", "asyncio", "-o", scope), passed=1, failed=1)


def test_with_xdist(run: Run, site: Site) -> None:
    pytest.importorskip("xdist")
    source = """
    @pytest.mark.chatgptes(dialect="all")
    @pytest.mark.parametrize("number", range(3))
    def test_it(chatgptes_site, chatgptes_client, number):
        if not chatgptes_site.live:
            chatgptes_site.answers(f"number {number}")
        reply = chatgptes_client.chat("Hello")
        assert chatgptes_site.live or reply.text == f"number {number}"
    """
    assert_all(run(source, "-p", "xdist", "-n2"), passed=15)
    assert_all(run(source, "-p", "xdist", "-n2", "--chatgptes-site", site.url), passed=3)
    assert len(site.messages) == 3


def test_with_unittest(run: Run) -> None:
    result = run(
        """
        import unittest

        class Tests(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _site(self, chatgptes_site):
                self.site = chatgptes_site

            def test_good(self):
                self.site.answers("one")
                self.assertEqual(chatgptes.chat("Hello").text, "one")

            def test_left(self):
                self.site.answers("one")
        """
    )
    assert_all(result, passed=1, failed=1)


# What it costs whoever does not use it.

TELL = """
import sys

def pytest_unconfigure():
    print("MODULES", *sorted(sys.modules))
"""


def modules(run: Run, pytester: pytest.Pytester, **options: bool) -> set[str]:
    pytester.makeconftest(TELL)
    source = "del chatgptes\n@pytest.mark.parametrize('letter', 'ab')\ndef test_it(letter): ...\n"
    if options["plugin"]:
        source += "@pytest.mark.chatgptes(dialect='all')\ndef test_other(chatgptes_client): ..."
    result = run(source, "--collect-only", **options)
    (line,) = (line for line in result.outlines if line.startswith("MODULES"))
    return set(line.split()[1:])


def test_nothing_is_imported_before_it_is_used(run: Run, pytester: pytest.Pytester) -> None:
    without = modules(run, pytester, plugin=False)
    assert {"pytest", "chatgptes", "chatgptes._version"} <= without
    added = modules(run, pytester, plugin=True) - without
    assert added == {"chatgptes.integrations", MODULE}


@pytest.mark.skipif(not INSTALLED, reason="the package is not installed with its entry points")
def test_it_can_be_switched_off(run: Run) -> None:
    source = "def test_it(chatgptes_site): ..."
    assert_all(run(source, company=True), passed=1)
    result = run(source, "-p", "no:chatgptes", company=True)
    assert_all(result, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'chatgptes_site' not found*"])


def test_it_says_what_there_is(run: Run, pytester: pytest.Pytester) -> None:
    result = run("", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.chatgptes(dialect='aipkit',*"])
    result = run("", "--help")
    result.stdout.fnmatch_lines(["*--chatgptes-site=URL*"])
    result = run("", "--fixtures")
    for name in ("chatgptes_site", "chatgptes_client", "chatgptes_offline"):
        result.stdout.fnmatch_lines([f"{name}*"])
    assert "no docstring available" not in result.stdout.str().split("chatgptes_")[1]
