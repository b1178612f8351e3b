"""Sites behind caches, in folders and with cookies: whole turns over real sockets."""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
from servers import Connection, Heard, body, head
from wire import ANSWER, STREAM, ChatServer, turn

from chatgptes import (
    ChallengeError,
    Client,
    RateLimitError,
    RefusedError,
    Reply,
    UnexpectedStatusError,
)

HTML = "Content-Type: text/html; charset=utf-8"
JSON = "Content-Type: application/json"
OLD, NEW = "aaaaaaaaaa", "bbbbbbbbbb"
AJAX = "/wp-admin/admin-ajax.php"
AIPKIT_ANSWER = (
    b'event: message_start\ndata: {"message_id":"m-1"}\n\n'
    b'data: {"delta":"Hello "}\n\ndata: {"delta":"world"}\n\n'
    b'event: done\ndata: {"finished":true}\n\n'
)

MODES = pytest.mark.parametrize("mode", ["sync", "async"])
TRANSPORTS = pytest.mark.parametrize("transport", ["requests", "curl_cffi"])
DIALECTS = pytest.mark.parametrize("dialect", ["wpaicg", "aipkit"])


@dataclass
class WordPress:
    """A site with one bot, seen through whatever stands before it.

    Attributes:
        dialect: the bot's.
        good: whether a request's nonce is taken.
        page: makes the page's response from the request for it.
        ajax: the path at which the site answers; anything else is a 404.
        cookie: set by every answer, or "".
        asked: the requests that reached the model.
        refused: how many had a nonce that was not taken.
    """

    dialect: str = "wpaicg"
    good: Callable[[Heard, str], bool] = lambda heard, nonce: nonce == NEW
    page: Callable[[WordPress, Heard], bytes] = lambda site, heard: site.render(OLD)
    ajax: str = AJAX
    cookie: str = ""
    asked: list[Heard] = field(default_factory=list)
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def render(self, nonce: str, *headers: str, ajax: str | None = AJAX, more: str = "") -> bytes:
        """The page with `nonce`; where `ajax` is None, nothing in it says where messages go."""
        if self.dialect == "aipkit":
            config = {"botId": 5, "nonce": nonce, **({"ajaxUrl": ajax} if ajax else {})}
            text = (
                "<div class='aipkit_chat_container'"
                f" data-config='{html.escape(json.dumps(config))}'></div>"
            )
        else:
            text = (
                f'<div class="wpaicg-chat-shortcode" data-nonce="{nonce}" data-post-id="7"'
                ' data-bot-id="0" data-type="shortcode"></div>'
            )
            if ajax:
                text += f"<script>var wpaicgParams = {json.dumps({'ajax_url': ajax})}</script>"
        return body((more + text).encode(), HTML, *headers)

    def serve(self) -> ChatServer:
        return ChatServer(self._handle)

    def _handle(self, connection: Connection) -> None:
        while heard := connection.hear():
            with self.lock:
                answer = self._answer(heard)
            connection.send(answer)

    def _answer(self, heard: Heard) -> bytes:
        parts = urlsplit(heard.target)
        if "admin-ajax" not in parts.path:
            return self.page(self, heard)
        if parts.path != self.ajax:
            return body(b"<h1>Not found</h1>", HTML, status="404 Not Found")
        fields = parse_qs(heard.body.decode() + "&" + parts.query)
        nonce = (fields.get("_wpnonce") or fields.get("_ajax_nonce") or [""])[0]
        action = fields.get("action", [""])[0]
        cookie = [f"Set-Cookie: {self.cookie}"] if self.cookie else []
        if "nonce" in action:
            return body(b"0", HTML, status="400 Bad Request")  # An older plugin has no such action.
        if not self.good(heard, nonce):
            self.refused += 1
            return body(b"-1", HTML, *cookie, status="403 Forbidden")
        if action == "aipkit_cache_sse_message":
            key = {"success": True, "data": {"cache_key": "k-1"}}
            return body(json.dumps(key).encode(), JSON, *cookie)
        if action in ("aipkit_get_conversations_list", "aipkit_delete_single_conversation"):
            done = {"success": True, "data": {"conversations": [{"id": "c-1", "title": "Hi"}]}}
            return body(json.dumps(done).encode(), JSON, *cookie)
        self.asked.append(heard)
        answer = AIPKIT_ANSWER if self.dialect == "aipkit" else ANSWER
        return head(STREAM, *cookie, length=len(answer)) + answer


def pages(server: ChatServer) -> list[Heard]:
    return [heard for heard in server.heard if "admin-ajax" not in heard.target]


def paths(server: ChatServer) -> list[str]:
    """The paths that messages were sent to, one of each run."""
    found: list[str] = []
    for heard in server.heard:
        path = urlsplit(heard.target).path
        if "admin-ajax" in path and found[-1:] != [path]:
            found.append(path)
    return found


# A dead nonce in a cached page.


def stale_unless(fresh: Callable[[Heard], bool]) -> Callable[[WordPress, Heard], bytes]:
    """A cache that gives its old copy, but for requests that are `fresh`."""
    return lambda site, heard: site.render(NEW if fresh(heard) else OLD)


def new_query(heard: Heard) -> bool:
    return "chatgptes_fresh=" in heard.target


def no_cache(heard: Heard) -> bool:
    return heard.header("cache-control") == "no-cache"


CACHES = {
    "one that obeys request headers": (no_cache, 2),
    "one that obeys Pragma only": (lambda heard: heard.header("pragma") == "no-cache", 2),
    "one that ignores request headers, but not the query": (new_query, 3),
    "one that wants both": (lambda heard: new_query(heard) and no_cache(heard), 3),
}


@MODES
@TRANSPORTS
@DIALECTS
@pytest.mark.parametrize("name", CACHES)
def test_a_dead_nonce_in_a_cached_page(mode: str, transport: str, dialect: str, name: str) -> None:
    fresh, looks = CACHES[name]
    site = WordPress(dialect, page=stale_unless(fresh))
    with site.serve() as server:
        reply, text = turn(mode, server.url, transport=transport)
    assert isinstance(reply, Reply)
    assert (text, len(site.asked), site.refused) == ("Hello world", 1, 1)
    assert len(pages(server)) == looks


@MODES
@DIALECTS
def test_a_cache_that_nothing_passes(mode: str, dialect: str) -> None:
    site = WordPress(dialect)
    with site.serve() as server:
        error, text = turn(mode, server.url, transport="requests")
    assert type(error) is RefusedError
    assert (text, site.asked, site.refused) == ("", [], 1)
    assert len(pages(server)) == 3  # The first look, and two past caches.


def test_a_page_with_a_query_of_its_own() -> None:
    site = WordPress(page=stale_unless(new_query))
    with site.serve() as server:
        reply, _ = turn("sync", f"{server.url}?page_id=7&lang=es", transport="requests")
    assert isinstance(reply, Reply)
    targets = [heard.target for heard in pages(server)]
    assert targets[:2] == ["/?page_id=7&lang=es"] * 2
    assert targets[2].startswith("/?page_id=7&lang=es&chatgptes_fresh=")
    assert "chatgptes_fresh" not in (site.asked[0].header("referer") or "")


def test_a_cache_that_redirects_to_the_address_without_the_query() -> None:
    def page(site: WordPress, heard: Heard) -> bytes:
        if new_query(heard):
            return body(b"", "Location: /", status="301 Moved Permanently")
        return site.render(OLD)

    site = WordPress(page=page)
    with site.serve() as server:
        error, _ = turn("sync", server.url, transport="requests")
    assert type(error) is RefusedError
    assert len(pages(server)) == 4


def test_the_next_turn_has_the_fresh_nonce() -> None:
    site = WordPress(page=stale_unless(new_query))
    with site.serve() as server, Client(server.url, trust_env=False) as client:
        for _ in range(3):
            assert client.chat("Hi").text == "Hello world"
    assert (site.refused, len(site.asked), len(pages(server))) == (1, 3, 3)


# Where admin-ajax.php is.


FOLDERS = {
    # name: (what the page has beside the bot, where the site answers, how many are tried)
    "a language's folder, scripts beside it": (
        '<link rel="https://api.w.org/" href="/de/wp-json/">'
        '<script src="/wp-includes/js/jquery.js"></script>',
        "/wp-admin/admin-ajax.php", 1,
    ),
    "a language's folder, no scripts in the page": (
        '<link rel="https://api.w.org/" href="/de/wp-json/">', "/wp-admin/admin-ajax.php", 2,
    ),
    "WordPress in a folder of its own": (
        '<img src="/cms/wp-content/uploads/a.png">', "/cms/wp-admin/admin-ajax.php", 1,
    ),
    "the scripts are another installation's": (
        '<script src="/shop/wp-content/a.js"></script>'
        '<link rel="https://api.w.org/" href="/blog/wp-json/">',
        "/blog/wp-admin/admin-ajax.php", 2,
    ),
    "the root, after two that are wrong": (
        '<script src="/static/wp-content/a.js"></script>'
        '<link rel="https://api.w.org/" href="/pt-br/wp-json/">',
        "/wp-admin/admin-ajax.php", 3,
    ),
}  # fmt: skip


@MODES
@TRANSPORTS
@pytest.mark.parametrize("name", FOLDERS)
def test_where_messages_go(mode: str, transport: str, name: str) -> None:
    more, ajax, tried = FOLDERS[name]
    site = WordPress(
        good=lambda heard, nonce: nonce == OLD,
        page=lambda site, heard: site.render(OLD, ajax=None, more=more),
        ajax=ajax,
    )
    with site.serve() as server:
        reply, text = turn(mode, server.url, transport=transport)
    assert isinstance(reply, Reply)
    assert (text, len(site.asked)) == ("Hello world", 1)
    assert len(paths(server)) == tried
    assert paths(server)[-1] == ajax


def test_the_right_address_is_remembered() -> None:
    more, ajax, _ = FOLDERS["the root, after two that are wrong"]
    site = WordPress(
        good=lambda heard, nonce: nonce == OLD,
        page=lambda site, heard: site.render(OLD, ajax=None, more=more),
        ajax=ajax,
    )
    with site.serve() as server, Client(server.url, trust_env=False) as client:
        for _ in range(3):
            client.chat("Hi")
        assert len([heard for heard in server.heard if heard.method == "POST"]) == 5
        assert paths(server)[-1] == ajax


@pytest.mark.parametrize("name", FOLDERS)
def test_where_conversations_are_asked_for(name: str) -> None:
    """Before any turn, and the next day: the place of a conversation is one of the addresses."""
    more, ajax, tried = FOLDERS[name]
    site = WordPress(
        "aipkit",
        good=lambda heard, nonce: nonce == OLD,
        page=lambda site, heard: site.render(OLD, ajax=None, more=more),
        ajax=ajax,
    )
    with site.serve() as server:
        with Client(server.url, trust_env=False) as client:
            assert [each.id for each in client.conversations()] == ["c-1"]
            assert len(paths(server)) == tried
            talk = client.conversation()
            talk.chat("Hi")
            assert len(paths(server)) == tried
        with Client(server.url, trust_env=False) as client:
            client.conversation(talk.to_dict()).delete()
        assert paths(server)[-1] == ajax


@MODES
def test_none_of_the_addresses_is_right(mode: str) -> None:
    site = WordPress(
        page=lambda site, heard: site.render(OLD, ajax=None, more=FOLDERS[next(iter(FOLDERS))][0]),
        ajax="/elsewhere/admin-ajax.php",
    )
    with site.serve() as server:
        error, _ = turn(mode, server.url, transport="requests")
    assert isinstance(error, UnexpectedStatusError)
    assert error.status == 404
    sent = paths(server)
    assert len(sent) == len(set(sent)) >= 2


def test_an_address_that_the_page_names_is_the_only_one() -> None:
    site = WordPress(
        page=lambda site, heard: site.render(OLD, ajax="/named/admin-ajax.php"),
        ajax="/wp-admin/admin-ajax.php",
    )
    with site.serve() as server:
        error, _ = turn("sync", server.url, transport="requests")
    assert isinstance(error, UnexpectedStatusError)
    assert paths(server) == ["/named/admin-ajax.php"]


# A site's cookie that changes the nonce.


def without_cookie(name: str) -> Callable[[Heard, str], bool]:
    return lambda heard, nonce: nonce == OLD and name not in (heard.header("cookie") or "")


@MODES
@TRANSPORTS
@DIALECTS
@pytest.mark.parametrize(
    "cookie",
    ["shop_session=1; Path=/", "PHPSESSID=abc; Path=/; HttpOnly", "wp_shop=%7C%7C; Max-Age=9000"],
)
def test_a_cookie_of_the_page_that_makes_the_nonce_wrong(
    mode: str, transport: str, dialect: str, cookie: str
) -> None:
    name = cookie.partition("=")[0]
    site = WordPress(
        dialect,
        good=without_cookie(name),
        page=lambda site, heard: site.render(OLD, f"Set-Cookie: {cookie}"),
    )
    with site.serve() as server:
        reply, text = turn(mode, server.url, transport=transport)
    assert isinstance(reply, Reply)
    assert (text, len(site.asked), site.refused) == ("Hello world", 1, 1)


def test_a_cookie_that_makes_the_nonce_of_a_list_wrong() -> None:
    site = WordPress(
        "aipkit",
        good=without_cookie("shop"),
        page=lambda site, heard: site.render(OLD, "Set-Cookie: shop=1; Path=/"),
    )
    with site.serve() as server, Client(server.url, trust_env=False) as client:
        for _ in range(2):
            assert [each.id for each in client.conversations()] == ["c-1"]
    assert site.refused == 1


@DIALECTS
def test_a_cookie_that_comes_with_the_first_answer(dialect: str) -> None:
    site = WordPress(dialect, good=without_cookie("cart"), cookie="cart=1; Path=/")
    with site.serve() as server, Client(server.url, trust_env=False) as client:
        for _ in range(4):
            assert client.chat("Hi").text == "Hello world"
    # aipkit's first step sets it, so that its second is refused once.
    assert (len(site.asked), site.refused) == (4, 1)


def test_the_users_own_cookies_stay() -> None:
    site = WordPress(
        good=without_cookie("shop"),
        page=lambda site, heard: site.render(OLD, "Set-Cookie: shop=1; Path=/"),
    )
    with site.serve() as server:
        reply, _ = turn("sync", server.url, transport="requests", cookies={"preview": "yes"})
    assert isinstance(reply, Reply)
    assert site.asked[0].header("cookie") == "preview=yes"
    assert all("preview=yes" in (heard.header("cookie") or "") for heard in server.heard)


def test_the_users_cookie_that_the_site_changed_comes_back() -> None:
    site = WordPress(
        good=lambda heard, nonce: nonce == OLD and heard.header("cookie") == "sess=mine",
        page=lambda site, heard: site.render(OLD, "Set-Cookie: sess=theirs; Path=/"),
    )
    with site.serve() as server:
        reply, _ = turn("sync", server.url, transport="requests", cookies={"sess": "mine"})
    assert isinstance(reply, Reply)
    assert site.refused == 1


@DIALECTS
def test_a_try_without_cookies_that_changed_nothing_is_no_rule(dialect: str) -> None:
    """The cached page was old, and the nonce of the new one needs the cookie."""
    fresh = False

    def page(site: WordPress, heard: Heard) -> bytes:
        return site.render(NEW if fresh else OLD, "Set-Cookie: seen=1; Path=/")

    site = WordPress(
        dialect,
        good=lambda heard, nonce: nonce == NEW and heard.header("cookie") == "seen=1",
        page=page,
    )
    with site.serve() as server, Client(server.url, trust_env=False) as client:
        with pytest.raises(RefusedError):
            client.chat("Hi")
        assert site.refused == 2
        fresh = True
        assert client.chat("Hi").text == "Hello world"
        assert client.chat("Hi").text == "Hello world"
    assert (len(site.asked), site.refused) == (2, 3)


@MODES
@DIALECTS
def test_a_nonce_that_is_wrong_with_and_without_the_cookie(mode: str, dialect: str) -> None:
    site = WordPress(
        dialect,
        good=lambda heard, nonce: False,
        page=lambda site, heard: site.render(OLD, "Set-Cookie: shop=1; Path=/"),
    )
    with site.serve() as server:
        error, _ = turn(mode, server.url, transport="requests")
    assert type(error) is RefusedError
    assert (site.asked, site.refused) == ([], 2)


def test_a_cookie_that_the_nonce_needs_is_kept() -> None:
    """A refusal has another cause: the fresh nonce is found, and the cookie goes with it."""

    def page(site: WordPress, heard: Heard) -> bytes:
        return site.render(NEW if no_cache(heard) else OLD, "Set-Cookie: seen=1; Path=/")

    site = WordPress(
        good=lambda heard, nonce: nonce == NEW and heard.header("cookie") == "seen=1", page=page
    )
    with site.serve() as server:
        reply, _ = turn("sync", server.url, transport="requests")
    assert isinstance(reply, Reply)
    assert site.refused == 1


# What a site's API says of itself, in a moment when all fails.


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (body(b"down", HTML, status="502 Bad Gateway"), UnexpectedStatusError),
        (body(b"down", HTML, status="503 Service Unavailable"), UnexpectedStatusError),
        (
            body(b"<p>Your access to this site has been limited", HTML, status="403 Forbidden"),
            RefusedError,
        ),
        (body(b"{}", "SG-Captcha: challenge", status="202 Accepted"), ChallengeError),
        (body(b"later", "Retry-After: 0", status="429 Too Many Requests"), RateLimitError),
    ],
    ids=["502", "503", "a firewall", "a bot check", "429"],
)
def test_no_dialect_is_chosen_by_a_failure(index: bytes, error: type) -> None:
    failing = True

    def handler(connection: Connection) -> None:
        while heard := connection.hear():
            if "_fields=namespaces" in heard.target:
                known = body(b'{"namespaces":["wp/v2","mwai/v1"]}', JSON)
                connection.send(index if failing else known)
            elif heard.method == "GET":
                connection.send(body(b"A page.", HTML))
            else:
                answer = {"success": True, "data": "Hello"}
                connection.send(body(json.dumps(answer).encode(), JSON))

    with (
        ChatServer(handler) as server,
        Client(
            server.url, api_key="secret-key", bot="default", trust_env=False, retries=0
        ) as client,
    ):
        with pytest.raises(error):
            client.chat("Hi")
        assert server.prompts == 0
        failing = False
        assert client.chat("Hi").dialect == "mwai-rest"
        assert server.heard[-1].target.endswith("/mwai/v1/simpleChatbotQuery")


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found"])
@pytest.mark.parametrize(("bot", "dialect"), [("5", "rest"), ("default", "mwai-rest")])
def test_a_site_that_hides_its_index(status: str, bot: str, dialect: str) -> None:
    def handler(connection: Connection) -> None:
        while heard := connection.hear():
            if heard.method == "GET":
                hidden = {"code": "rest_forbidden", "message": "No.", "data": {"status": 401}}
                connection.send(body(json.dumps(hidden).encode(), JSON, status=status))
            else:
                answer = {"success": True, "data": "Hello", "reply": "Hello"}
                connection.send(body(json.dumps(answer).encode(), JSON))

    with ChatServer(handler) as server:
        reply, _ = turn("sync", f"{server.url}wp-json/", api_key="secret-key", bot=bot)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.dialect) == ("Hello", dialect)
