"""The blocking core against the sandbox site, over real sockets, through both transports."""

from __future__ import annotations

import gc
import json
import pickle
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from secure_sites import H2Site, TlsSite
from servers import Connection, Server, body

import chatgptes
from chatgptes import (
    AsyncClient,
    BotNotFoundError,
    ChallengeError,
    ChatGptEsError,
    Client,
    InvalidConfigError,
    InvalidMessageError,
    MissingRequirementsError,
    RateLimitError,
    RefusedError,
    RequestTimeout,
    StreamInterruptedError,
    Timeout,
    TransportError,
    TurnCancelled,
    UnexpectedFormatError,
    UnexpectedStatusError,
    shared,
)
from chatgptes.sandbox import Site

DIALECT_PAGES = (
    "front",
    "aipkit-old",
    "aipkit-popup",
    "classic",
    "classic-plain",
    "classic-widget",
)


@pytest.fixture(params=["requests", "curl_cffi"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ajax(site: Site) -> list[Any]:
    return [received for received in site.requests if "admin-ajax" in received.path]


def pages(site: Site) -> list[Any]:
    return [received for received in site.requests if "admin-ajax" not in received.path]


@pytest.mark.parametrize("page", DIALECT_PAGES)
def test_one_call_whatever_the_generation(site: Site, transport: str, page: str) -> None:
    with Client(site.page(page), transport=transport) as client:
        reply = client.chat('Grüße, "Welt" 🙂 </b> & more')
    assert str(reply) == reply.text
    assert "sandbox" in reply.text
    assert site.messages[-1][-1]["content"].startswith("Grüße")
    assert reply.site == site.page(page)
    assert reply.dialect == ("wpaicg" if page.startswith("classic") else "aipkit")
    assert reply.streamed is (page != "classic-plain")
    assert reply.elapsed > 0


def test_rest_with_the_owners_key(site: Site, transport: str) -> None:
    with Client(site.url, api_key=site.api_key, bot=5, transport=transport) as client:
        reply = client.chat(
            [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "One"},
                {"role": "assistant", "content": "Two"},
                {"role": "user", "content": [{"type": "text", "text": "Three"}]},
            ]
        )
    assert reply.dialect == "rest"
    assert reply.model
    assert reply.usage is not None
    assert reply.usage.total_tokens
    assert reply.streamed is False
    assert [(each["role"], each["content"]) for each in site.messages[-1]][-3:] == [
        ("user", "Be brief.\n\nOne"),
        ("assistant", "Two"),
        ("user", "Three"),
    ]


@pytest.mark.parametrize("page", ["front", "rest-tag", "rest-none", "rest-query", "plainpage"])
def test_rest_is_found_from_any_page(site: Site, page: str) -> None:
    with Client(site.page(page), api_key=site.api_key, bot=5) as client:
        assert "sandbox" in client.chat("Hello").text


def test_rest_root_given_directly_reads_no_page(site: Site) -> None:
    with Client(site.api_root, api_key=site.api_key, bot=5) as client:
        client.chat("Hello")
    which, message = site.requests
    assert "namespaces" in which.target
    assert "authorization" not in which.headers
    assert message.method == "POST"


def test_a_site_in_a_folder() -> None:
    with Site(folder="/blog") as site:
        assert "/blog" in site.url
        for arguments in ({}, {"api_key": site.api_key, "bot": 5}):
            with Client(site.url, **arguments) as client:
                assert "sandbox" in client.chat("Hello").text


def test_chunks_come_as_they_are_made(transport: str) -> None:
    told = threading.Event()

    def answer(messages: list[dict[str, str]]) -> Iterator[str]:
        yield "first "
        # The site goes on only when the client has shown what came so far.
        assert told.wait(30)
        yield "second"

    for page in ("classic", "front"):
        told.clear()
        with (
            Site(answer=answer) as site,
            Client(site.page(page), transport=transport) as client,
            client.stream("Hi") as stream,
        ):
            assert next(stream).strip() == "first"
            assert stream.text.strip() == "first"
            with pytest.raises(ChatGptEsError, match="not ended"):
                _ = stream.reply
            told.set()
            assert "".join(stream).strip() == "second"
            assert stream.reply.text == "first second"
            assert stream.reply.streamed


def test_stream_sends_on_first_use_only(site: Site) -> None:
    with Client(site.url) as client:
        stream = client.stream("Hello")
        assert site.requests == []
        with pytest.raises(InvalidMessageError):
            client.stream("")
        with stream:
            assert len(ajax(site)) == 2


def test_thirty_streamed_turns_use_one_connection(site: Site, transport: str) -> None:
    with Client(site.page("classic"), transport=transport) as client:
        for number in range(30):
            with client.stream(f"Hello {number}") as stream:
                assert "".join(stream)
    assert len(ajax(site)) == 30
    assert site.chat_connections == 1


def test_thirty_streamed_turns_over_tls(tls_site: TlsSite, transport: str) -> None:
    with Client(tls_site.url, transport=transport, verify=tls_site.ca_file) as client:
        for number in range(30):
            client.chat(f"Hello {number}")
    assert len(ajax(tls_site)) == 60
    assert tls_site.chat_connections == 1


def test_http2(h2_site: H2Site) -> None:
    with Client(h2_site.url, transport="curl_cffi", verify=h2_site.ca_file) as client:
        for _ in range(5):
            assert client.chat("Hello").text
    assert h2_site.proxy.versions == {"2"}
    assert len(h2_site.proxy.clients) == 1


def test_page_is_read_once_by_many_threads(site: Site, transport: str) -> None:
    with (
        Client(site.page("classic"), transport=transport, max_concurrency=32) as client,
        ThreadPoolExecutor(32) as pool,
    ):
        replies = list(pool.map(client.chat, [f"number {i}" for i in range(32)]))
    assert len(pages(site)) == 1
    for number, reply in enumerate(replies):
        assert f"number {number}\n" in reply.text


def test_a_failed_page_is_everybodys_failure(site: Site) -> None:
    with (
        Client(site.page("challenge"), max_concurrency=8) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        errors = list(
            pool.map(lambda _: pytest.raises(ChallengeError, client.chat, "Hi"), range(8))
        )
    assert len(errors) == 8
    assert len({id(error.value) for error in errors}) == 8
    # Those that came while it was being read share one request; nobody retries a challenge.
    assert len(site.requests) <= 8


@pytest.mark.parametrize(
    "page", ["front", "aipkit-old", "classic", "classic-old", "classic-old-plain"]
)
def test_expired_nonce_is_renewed_once(site: Site, page: str) -> None:
    with Client(site.page(page)) as client:
        client.chat("one")
        site.expire_nonces()
        before = len(site.requests)
        assert "two" in client.chat("two").text
        renewals = [
            received
            for received in site.requests[before:]
            if "admin-ajax" not in received.path
            or received.param("action") == "aipkit_get_frontend_chat_nonce"
        ]
        # The old generation answers 400 to the action, so the page is read as well.
        assert len(renewals) == (2 if page == "aipkit-old" else 1)
        before = len(site.requests)
        client.chat("three")
        assert len(site.requests) - before == (1 if page.startswith("classic") else 2)
    asked = [messages[-1]["content"] for messages in site.messages]
    assert asked == ["one", "two", "three"]


def test_dead_nonce_in_a_cached_page(site: Site) -> None:
    site.cache_pages = True
    with Client(site.page("classic")) as client:
        client.chat("one")
        site.expire_nonces()
        with pytest.raises(RefusedError):
            client.chat("two")
        assert len(ajax(site)) == 2  # The same nonce again would only be refused again.
        site.purge()
        assert "three" in client.chat("three").text


def test_cached_page_of_the_new_generation_asks_for_a_nonce(site: Site) -> None:
    site.cache_pages = True
    site.expire_nonces()
    with Client(site.url) as client:
        assert "one" in client.chat("one").text


def test_many_threads_renew_a_nonce_once(site: Site) -> None:
    with Client(site.url, max_concurrency=16) as client, ThreadPoolExecutor(16) as pool:
        client.chat("warm")
        site.expire_nonces()
        before = len(site.requests)
        list(pool.map(client.chat, [f"hello {i}" for i in range(16)]))
    renewals = [
        received
        for received in site.requests[before:]
        if received.param("action") == "aipkit_get_frontend_chat_nonce"
    ]
    assert 1 <= len(renewals) <= 2


def test_visitor_is_the_clients_not_the_calls(site: Site) -> None:
    with Client(site.page("classic")) as client:
        client.chat("a")
        client.conversation().chat("b")
        shown = {received.param("wpaicg_chat_client_id") for received in ajax(site)}
        assert len(shown) == 1
        assert len(shown.pop()) == 10
    with Client(site.url) as one, Client(site.url) as other:
        one.chat("a")
        one.chat("b")
        other.chat("c")
    sessions = [received.param("session_id") for received in ajax(site)]
    assert len(set(filter(None, sessions))) == 2


def test_bots_of_a_page(site: Site) -> None:
    with Client(site.page("aipkit-two")) as client:
        bots = client.bots()
        assert len(bots) == 2
        assert bots[0].dialect == "aipkit"
        assert bots[0].kind == "inline"
        assert client.chat("Hi").bot == bots[0].id
        assert len(pages(site)) == 1
    with Client(site.page("aipkit-two"), bot=int(bots[1].id)) as client:
        assert client.chat("Hi").bot == bots[1].id
    with Client(site.page("classic-both")) as client:
        assert [bot.kind for bot in client.bots()] == ["shortcode"]
    with Client(site.page("classic-two"), bot="999") as client:
        with pytest.raises(BotNotFoundError, match="999") as caught:
            client.chat("Hi")
        assert repr(Client(site.page("classic-two")).bots()[1].id) in str(caught.value)


def test_page_without_a_bot(site: Site) -> None:
    with pytest.raises(BotNotFoundError, match="traces"):
        Client(site.page("nobot")).chat("Hi")
    with pytest.raises(BotNotFoundError, match="it knows AI Power"):
        Client(site.page("plainpage")).bots()
    assert ajax(site) == []


def test_prompts_go_to_no_other_host(site: Site) -> None:
    with pytest.raises(UnexpectedFormatError) as caught:
        Client(site.page("foreign")).chat("secret")
    assert "127.0.0.1" in str(caught.value)
    assert ".invalid" in str(caught.value)
    assert ajax(site) == []


@pytest.mark.parametrize("page", ["moved", "moved-relative"])
def test_page_redirects_are_followed(site: Site, transport: str, page: str) -> None:
    with Client(site.page(page), transport=transport) as client:
        assert client.chat("Hi").text


def test_page_redirects_that_are_not_followed(site: Site, transport: str) -> None:
    with Client(site.page("moved-away"), transport=transport) as client:
        with pytest.raises(UnexpectedStatusError, match="another site"):
            client.chat("Hi")
    with Client(site.page("moved-loop"), transport=transport) as client:
        with pytest.raises(UnexpectedStatusError, match="circles"):
            client.chat("Hi")


def test_basic_authentication_from_the_url(site: Site, transport: str) -> None:
    user, password = site.credentials
    url = site.page("staging").replace("://", f"://{user}:{password.replace(' ', '%20')}@")
    with Client(url, transport=transport) as client:
        assert client.chat("Hi").text
        assert password not in repr(client) + client.site
    with Client(site.page("staging"), transport=transport) as client:
        with pytest.raises(UnexpectedStatusError, match="user:password@"):
            client.chat("Hi")


def test_cookies_are_kept_and_given(site: Site, transport: str) -> None:
    with Client(site.page("cookie"), transport=transport, cookies={"mine": "1"}) as client:
        client.chat("Hi")
    first, *later = [received.headers.get("cookie", "") for received in site.requests]
    assert first == "mine=1"
    assert all("mine=1" in cookie and len(cookie.split("; ")) == 2 for cookie in later)


def test_headers(site: Site) -> None:
    with Client(site.url, headers={"X-Test": "yes"}) as client:
        client.chat("Hi")
    assert {received.headers["x-test"] for received in site.requests} == {"yes"}
    assert {received.headers["user-agent"] for received in site.requests} == {
        f"chatgptes/{chatgptes.__version__}"
    }
    assert not any("origin" in received.headers for received in site.requests)
    with Client(site.url, transport="curl_cffi") as client:
        client.chat("Hi")
    assert "Mozilla" in site.requests[-1].headers["user-agent"]
    with Client(site.url, transport="curl_cffi", headers={"User-Agent": "me"}) as client:
        client.chat("Hi")
    assert site.requests[-1].headers["user-agent"] == "me"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"site": ""}, "site"),
        ({"site": "example.org/chat"}, "https://example.org/chat"),
        ({"site": "ftp://example.org"}, "http"),
        ({"site": "https://exa mple.org"}, "white space"),
        ({"site": "https://example.org:99999"}, "port"),
        ({"site": 5}, "site"),
        ({"bot": 1.5}, "bot"),
        ({"api_key": "k"}, "bot="),
        ({"api_key": "k\n", "bot": "5", "site": "https://u:p@example.org"}, "don't go together"),
        ({"system": 5}, "system"),
        ({"system": "half \ud83d"}, "U\\+D83D"),
        ({"transport": "httpx"}, "transport"),
        ({"transport": object()}, "transport"),
        ({"transport": "curl_cffi", "impersonate": "lynx"}, "lynx"),
        ({"transport": "requests", "impersonate": 5}, "impersonate"),
        ({"proxy": "gopher://x"}, "proxy"),
        ({"proxy": 5}, "proxy"),
        ({"verify": 5}, "verify"),
        ({"verify": "/no/such/file.pem"}, "file"),
        ({"headers": {"a b": "c"}}, "header"),
        ({"headers": {"a": "b\r\nc: d"}}, "header"),
        ({"headers": {"Host": "x"}}, "own"),
        ({"cookies": {"a": "b;c"}}, "cookie"),
        ({"cookies": "a=b"}, "cookies"),
        ({"cookies": {"a": 5}}, "cookies"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": "5"}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"retries": -1}, "retries must"),
        ({"retries": 1.5}, "retries must"),
        ({"max_concurrency": 0}, "max_concurrency must"),
        ({"max_concurrency": 1.5}, "max_concurrency must"),
        ({"min_interval": float("inf")}, "min_interval must"),
        ({"limits": 5}, "limits"),
        ({"trust_env": "no"}, "trust_env"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfigError, match=words):
        Client(**arguments)
    if words not in ("lynx", "file"):  # These need a browser list, and a look at the disk.
        with pytest.raises(InvalidConfigError, match=words):
            AsyncClient(**arguments)


def test_arguments_of_a_transport_of_ones_own_are_its_affair() -> None:
    class Mine:
        def send(self, request: Any, deadline: Any) -> Any: ...

        def close(self) -> None: ...

    Client("https://example.org", transport=Mine(), proxy="mine://x", verify="mine", impersonate="")


def test_checking_arguments_imports_nothing_slow() -> None:
    program = (
        "import sys\n"
        "from chatgptes.turn.config import Config\n"
        "Config.of({'proxy': 'http://u:p@x', 'verify': '/nowhere', 'cookies': {'a': 'b'},"
        " 'transport': 'curl_cffi'})\n"
        "slow = {'ssl', 'urllib.request', 'http.cookiejar', 'requests', 'curl_cffi', 'anyio'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_secrets_do_not_show_in_config_errors() -> None:
    with pytest.raises(InvalidConfigError) as caught:
        Client("https://u:hunter22@:bad/")
    assert "hunter22" not in str(caught.value)
    with pytest.raises(InvalidConfigError) as caught:
        Client("https://example.org", proxy="gopher://u:hunter22@x")
    assert "hunter22" not in str(caught.value)


def test_time_limits(site: Site, transport: str) -> None:
    with Client(site.page("classic"), transport=transport, retries=0) as client:
        client.chat("warm")
        site.next("stall-headers")
        with pytest.raises(RequestTimeout) as caught:
            client.chat("Hi", timeout=Timeout(connect=5, read=0.2, total=20))
        assert caught.value.phase == "read"
        site.release()
        site.next("stall-headers")
        with pytest.raises(RequestTimeout) as caught:
            client.chat("Hi", timeout=0.2)
        assert caught.value.phase == "total"
        site.release()
        site.next("stall")
        with pytest.raises(StreamInterruptedError) as interrupted:
            client.chat("Hi", timeout=0.3)
        assert interrupted.value.partial
        assert isinstance(interrupted.value.__cause__, RequestTimeout)


def test_clocks_stand_still_while_the_consumer_is_busy() -> None:
    with (
        Site(answer=lambda messages: ("word " for _ in range(50))) as site,
        Client(site.page("classic"), timeout=Timeout(5, 0.5, 0.5)) as client,
    ):
        client.chat("warm")
        with client.stream("Hi") as stream:
            next(stream)
            # Not a wait for something to happen: time that must not count.
            threading.Event().wait(0.7)
            assert len(list(stream)) == 49
        assert stream.reply.elapsed < 0.5


def test_waiting_for_a_slot_counts(site: Site) -> None:
    with Client(site.page("classic"), max_concurrency=1) as client:
        with client.stream("Hi"):
            with pytest.raises(RequestTimeout, match="max_concurrency") as caught:
                client.chat("Hello", timeout=0.1)
            assert caught.value.phase == "slot"
        assert client.chat("Hello").text


def test_rate_limit_is_waited_for(site: Site) -> None:
    with Client(site.page("classic")) as client:
        client.chat("warm")
        site.next("rate-limit")
        assert client.chat("Hello").text
        sent = [received.time for received in ajax(site)]
        assert sent[-1] - sent[-2] >= 1.0  # What Retry-After asked for.
        assert [messages[-1]["content"] for messages in site.messages] == ["warm", "Hello"]


def test_rate_limit_beyond_the_total_says_how_long(site: Site) -> None:
    with Client(site.page("classic"), timeout=5) as client:
        site.next("rate-limit-long")
        with pytest.raises(RateLimitError) as caught:
            client.chat("Hello")
    assert caught.value.retry_after == 3600
    assert len(ajax(site)) == 1


@pytest.mark.parametrize("fault", ["cut-start", "http-502", "maintenance", "stall-headers"])
def test_what_may_have_been_heard_is_not_sent_again(site: Site, transport: str, fault: str) -> None:
    quick = Timeout(5, 0.3, 10)
    for page in ("classic", "front"):
        with Client(site.page(page), transport=transport, retries=5, timeout=quick) as client:
            client.chat("warm")
            before = len(ajax(site))
            site.next(fault)
            with pytest.raises((TransportError, UnexpectedStatusError)):
                client.chat("Hello")
            assert len(ajax(site)) - before == (1 if page == "classic" else 2)
            site.release()


@pytest.mark.parametrize("fault", ["cache-http-502", "cache-cut-start"])
def test_what_does_no_harm_is_repeated(site: Site, transport: str, fault: str) -> None:
    with Client(site.url, transport=transport) as client:
        client.chat("warm")
        site.next(fault)
        assert client.chat("Hello").text
    assert [messages[-1]["content"] for messages in site.messages] == ["warm", "Hello"]


def test_refused_connections_are_tried_again_for_anything(transport: str) -> None:
    site = Site().start()
    url, port = site.page("classic"), site.port
    with Client(url, transport=transport, retries=5) as client:
        client.chat("warm")
        site.stop()
        again = Site(port=port)
        timer = threading.Timer(0.4, again.start)
        timer.start()
        try:
            # The new site's nonce is another: that costs a page, not the turn.
            assert client.chat("Hello").text
        finally:
            timer.join()
            again.stop()


def test_close_ends_what_is_running(site: Site, transport: str) -> None:
    client = Client(site.page("classic"), transport=transport)
    client.chat("warm")
    site.next("stall")
    stream = client.stream("Hi")
    next(stream)
    ended: list[BaseException] = []

    def read() -> None:
        try:
            list(stream)
        except ChatGptEsError as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    client.close()
    thread.join(10)
    assert not thread.is_alive()
    if ended:  # Unless the thread had not begun to wait yet.
        assert isinstance(ended[0], StreamInterruptedError)
        assert isinstance(ended[0].__cause__, TurnCancelled)
    client.close()
    with pytest.raises(ChatGptEsError, match="closed"):
        client.chat("Hello")


def test_leaving_a_stream_early_frees_its_place(site: Site, transport: str) -> None:
    with Client(site.page("classic"), transport=transport, max_concurrency=1) as client:
        for _ in range(3):
            with client.stream("Hi") as stream:
                next(stream)
            assert list(stream) == []
            with pytest.raises(ChatGptEsError, match="closed before its end"):
                _ = stream.reply
        for _chunk in client.stream("Hi"):
            break
        assert client.chat("Hello", timeout=10).text


def test_a_transport_of_ones_own(site: Site) -> None:
    class Counting:
        """Hands everything to another transport, as a logger or a cache would."""

        def __init__(self) -> None:
            from chatgptes.transport.plain.transport import RequestsTransport

            self.inner = RequestsTransport(trust_env=False)
            self.urls: list[str] = []
            self.closed = False

        def send(
            self, request: chatgptes.Request, deadline: chatgptes.Deadline
        ) -> chatgptes.Response:
            self.urls.append(request.url)
            return self.inner.send(request, deadline)

        def close(self) -> None:
            self.closed = True

    mine = Counting()
    with Client(site.page("moved"), transport=mine) as client:
        assert client.chat("Hi").text
    assert len(mine.urls) == 4  # Redirect, page, and the two steps of a turn.
    assert not mine.closed  # It was made by somebody else, who may still want it.
    mine.inner.close()


def test_pickled_client_goes_on(site: Site, transport: str) -> None:
    with Client(site.page("classic"), transport=transport, timeout=30) as client:
        client.chat("warm")
        copy = pickle.loads(pickle.dumps(client))
        assert copy.visitor == client.visitor
        assert copy.timeout.total == 30
        reply = copy.chat("Hello")
        assert pickle.loads(pickle.dumps(reply)) == reply
        copy.close()
        talk = client.conversation()
        talk.chat("one")
        other = pickle.loads(pickle.dumps(talk))
        assert "message 2" in other.chat("two").text


def test_chat_and_stream_keep_their_client(site: Site) -> None:
    url = site.page("classic")
    assert "sandbox" in str(chatgptes.chat("one", site=url))
    assert "sandbox" in "".join(chatgptes.stream("two", site=url, timeout=30))
    assert len(pages(site)) == 1
    assert len(site.requests) == 3
    with pytest.raises(TypeError, match="modle"):
        chatgptes.chat("one", site=url, modle="gpt-4o")  # type: ignore[call-arg]


def test_a_kept_client_that_was_closed_is_replaced(site: Site) -> None:
    first = shared.cached_client({"site": site.url})
    assert shared.cached_client({"site": site.url}) is first
    first.close()
    assert "sandbox" in chatgptes.chat("Hello", site=site.url).text


def test_a_kept_client_is_found_while_it_lives(site: Site) -> None:
    first = shared.cached_client({"site": site.url})
    found = weakref.ref(shared.cached_client({"site": site.home, "retries": 1}))
    for retries in range(2, 2 + shared.CACHED):
        shared.cached_client({"site": site.home, "retries": retries})
    assert shared.cached_client({"site": site.url}) is first
    gc.collect()
    assert found() is None


def test_the_default_site_offers_other_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def send(self, request: Any, deadline: Any) -> Any:
            raise chatgptes.ConnectError("chatgpt.es can't be reached.")

        def close(self) -> None: ...

    client = Client(transport=Gone(), retries=0)
    assert client.site == "https://chatgpt.es/"
    assert client.system is not None
    with pytest.raises(chatgptes.ConnectError) as caught:
        client.chat("Hello")
    assert "not ours" in str(caught.value)
    assert caught.value.hint is not None
    assert caught.value.hint.argument == "site"
    assert Client("https://example.org").system is None


def test_a_missing_package(site: Site) -> None:
    """In a process of its own, where curl_cffi can't be imported."""
    program = textwrap.dedent("""
        import sys
        sys.modules["curl_cffi"] = None
        import chatgptes
        site = sys.argv[1]
        try:
            chatgptes.Client(site, transport="curl_cffi")
        except chatgptes.MissingRequirementsError as error:
            assert isinstance(error, ImportError)
            print(error)
        print(chatgptes.chat("Hello", site=site, transport="requests"))
    """)
    result = subprocess.run(
        [sys.executable, "-c", program, site.url], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert "pip install" in result.stdout
    assert "sandbox" in result.stdout
    assert issubclass(MissingRequirementsError, ImportError)


def test_import_is_light() -> None:
    program = textwrap.dedent("""
        import sys
        before = set(sys.modules)
        import chatgptes
        heavy = {"requests", "urllib3", "curl_cffi", "anyio", "asyncio", "click", "rich", "ssl"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        chatgptes.Client, chatgptes.Timeout, chatgptes.errors
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        chatgptes.Client("https://example.org")
        assert "curl_cffi" not in sys.modules
        print(len(set(sys.modules) - before))
    """)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_public_names_are_all_there() -> None:
    listed = json.dumps(sorted(chatgptes.__all__))
    for name in chatgptes.__all__:
        assert getattr(chatgptes, name) is not None, listed
    # IPython asks for these two by their names; nobody else does.
    for_ipython = {"load_ipython_extension", "unload_ipython_extension"}
    assert set(chatgptes._WHERE) - for_ipython <= set(chatgptes.__all__)
    assert callable(chatgptes.stream)
    with pytest.raises(AttributeError):
        _ = chatgptes.nonsense


def test_a_stream_shows_how_far_it_has_come(site: Site) -> None:
    with Client(site.page("classic"), retries=0) as client:
        stream, closed = client.stream("Hi"), client.stream("Hi")
        assert repr(stream) == "<Stream new, 0 characters>"
        text = next(stream)
        assert repr(stream) == f"<Stream running, {len(text)} characters>"
        stream.running.advancing.acquire()
        with pytest.raises(ChatGptEsError, match="one reader"):
            for _ in stream:  # What has arrived already is given first.
                pass
        stream.running.advancing.release()
        assert list(stream)
        assert repr(stream) == f"<Stream ended, {len(stream.text)} characters>"
        closed.close()
        assert repr(closed) == "<Stream closed, 0 characters>"
    with Client(site.page("nobot"), retries=0) as client:
        failed = client.stream("Hi")
        with pytest.raises(ChatGptEsError):
            next(failed)
        assert repr(failed) == "<Stream failed, 0 characters>"
        assert list(failed) == []


def test_chunks_that_came_together_are_given_one_by_one(site: Site) -> None:
    """Whoever leaves between two of them has heard the first ones, and no more."""
    with Client(site.page("classic-plain")) as client, client.stream("Hi") as stream:
        assert "".join(stream) == stream.text == stream.reply.text
    with Server(_all_at_once) as server, Client(server.url) as client:
        with client.stream("Hi") as stream:
            assert [next(stream), next(stream)] == ["one ", "two "]
            assert stream.text == "one two "
        assert list(stream) == []
        assert stream.text == "one two "
        assert list(client.stream("Hi")) == ["one ", "two ", "three"]


def _all_at_once(connection: Connection) -> None:
    while (heard := connection.hear()) is not None:
        if heard.method == "GET":
            ajax = "/wp-admin/admin-ajax.php"
            page = (
                '<div class="wpaicg-chat-shortcode" data-nonce="0123456789" data-bot-id="0"></div>'
                f'<script>var wpaicgParams = {{"ajax_url":"{ajax}"}};</script>'
            )
            connection.send(body(page.encode(), "Content-Type: text/html"))
            continue
        frames = "".join(
            f'data: {{"id":"1","choices":[{{"delta":{{"content":"{text}"}}}}]}}\n\n'
            for text in ("one ", "two ", "three")
        )
        stream = (frames + "data: [DONE]\n\n").encode()
        connection.send(body(stream, "Content-Type: text/event-stream"))
