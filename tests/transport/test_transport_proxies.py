"""All transports through real proxies: http and https with a password, socks5, socks5h."""

from __future__ import annotations

import pickle
import socket
import ssl
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from proxies import PASSWORD, QUOTED, proxy
from servers import (
    ALL,
    Connection,
    Server,
    answering,
    body,
    get,
    head,
    limits,
    make,
    once,
    post,
)  # fmt: skip

from chatgptes import errors
from chatgptes.transport.settings import Routes
from chatgptes.values.proxy import Proxy

SCHEMES = pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])


@ALL
@SCHEMES
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.filterwarnings("ignore")  # pproxy's own.
def test_through_a_proxy(
    kind: str, scheme: str, secure: bool, server_context: ssl.SSLContext, ca_file: str
) -> None:
    with (
        Server(answering(body()), server_context if secure else None) as server,
        proxy(scheme, server_context) as (url, running),
    ):
        transport = make(kind, proxy=url, verify=ca_file)
        # Where names are resolved here, "localhost" may be ::1 first, where nobody listens.
        name = "127.0.0.1" if scheme == "socks5" else "localhost"
        site = f"{server.url.partition(':')[0]}://{name}:{server.port}/"
        for _ in range(3):
            assert b"".join(transport.send(post(site), limits())) == b"ok"
        # libcurl opens a connection for each request to an http site through an https proxy.
        if secure or kind == "requests" or scheme != "https":
            assert server.accepted == 1
        assert running.routes
        assert [heard.body for heard in server.heard] == [b"hello"] * 3
        assert {heard.header("proxy-authorization") for heard in server.heard} == {None}
        copy = pickle.loads(pickle.dumps(transport))
        assert b"".join(copy.send(post(site), limits())) == b"ok"
        for text in (repr(transport), str(transport)):
            assert PASSWORD not in text
            assert QUOTED not in text
        transport.close()
        copy.close()


@ALL
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("words", ["", "user:wr%6fng@"])
@pytest.mark.filterwarnings("ignore")
def test_a_proxy_wants_a_password(
    kind: str, scheme: str, words: str, server_context: ssl.SSLContext, ca_file: str
) -> None:
    with (
        Server(answering(body()), server_context) as server,
        proxy(scheme, server_context) as (url, _),
    ):
        url = url.replace(f"user:{QUOTED}@", words)
        with pytest.raises(errors.ProxyError, match="user name and password") as caught:
            make(kind, proxy=url, verify=ca_file).send(post(server.url), limits())
        assert "wrong" not in "".join(traceback.format_exception(caught.value))
        assert caught.value.__context__ is None
        assert not server.heard


@ALL
def test_a_forwarding_proxy_wants_a_password(kind: str) -> None:
    refusal = body(b"no", "Proxy-Authenticate: Basic", status="407 Proxy Authentication Required")
    with Server(answering(refusal)) as server, pytest.raises(errors.ProxyError, match="user"):
        make(kind, proxy=server.url).send(get("http://site.invalid/"), limits())
    assert server.heard[0].target == "http://site.invalid/"


@ALL
@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_no_proxy_there(kind: str, scheme: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"{scheme}://me:hidden@127.0.0.1:{unused.getsockname()[1]}"
        for site in ("http://127.0.0.1/", "https://127.0.0.1/"):
            with pytest.raises(errors.ProxyError, match=rf"proxy {scheme}://127") as caught:
                make(kind, proxy=url).send(get(site), limits())
            assert "hidden" not in "".join(traceback.format_exception(caught.value))


@ALL
def test_a_proxy_without_a_name(kind: str) -> None:
    with pytest.raises(errors.ProxyError, match="name was not found"):
        make(kind, proxy="http://proxy.invalid:1").send(get("https://site.invalid/"), limits())


@ALL
@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (body(b"no", status="403 Forbidden"), "403"),
        (body(b"<p>gone", status="502 Bad Gateway"), "502"),
        (b"what?\r\n\r\n", "could not be used"),
        (b"", "could not be used"),
    ],
)
def test_a_proxy_that_does_not_connect(kind: str, answer: bytes, match: str) -> None:
    with Server(once(answer)) as server, pytest.raises(errors.ProxyError, match=match) as caught:
        make(kind, proxy=server.url).send(post("https://site.invalid/"), limits())
    assert caught.value.__context__ is None


def socks(*answers: bytes) -> Callable[[Connection], None]:
    def handler(connection: Connection) -> None:
        for answer in answers:
            connection.sock.recv(1000)
            connection.send(answer)

    return handler


@ALL
@pytest.mark.parametrize(
    ("login", "answers", "match"),
    [
        ("", (b"\x05\xff",), "wants a user name"),
        ("me:hidden@", (b"\x05\xff",), "refused the user name"),
        ("me:hidden@", (b"\x05\x02", b"\x01\x01"), "refused the user name"),
        ("", (b"\x05\x00", b"\x05\x05\x00\x01\0\0\0\0\0\0"), "could not be used"),
        ("", (b"\x05\x00", b"\x05\x02\x00\x01\0\0\0\0\0\0"), "could not be used"),
        ("", (b"HTTP/1.1 400 Bad Request\r\n\r\n",), "could not be used"),
        ("", (b"\x05",), "could not be used"),
    ],
)
def test_a_socks_proxy_says_no(
    kind: str, login: str, answers: tuple[bytes, ...], match: str
) -> None:
    with Server(socks(*answers)) as server:
        transport = make(kind, proxy=f"socks5h://{login}127.0.0.1:{server.port}")
        with pytest.raises(errors.ProxyError, match=match) as caught:
            transport.send(get("http://site.invalid/"), limits())
        assert "hidden" not in "".join(traceback.format_exception(caught.value))


@ALL
def test_who_resolves_the_name(kind: str) -> None:
    with Server(socks(b"\x05\x00")) as server:
        transport = make(kind, proxy=f"socks5://127.0.0.1:{server.port}")
        with pytest.raises(errors.ConnectError, match=r"site\.invalid was not found"):
            transport.send(get("http://site.invalid/"), limits())


@ALL
def test_tls_through_a_proxy_is_checked(kind: str, server_context: ssl.SSLContext) -> None:
    def tunnel(connection: Connection) -> None:
        connection.hear()
        connection.send(head(status="200 Connected"))
        with server_context.wrap_socket(connection.sock, server_side=True) as inner:
            inner.recv(1)

    with Server(tunnel) as server, pytest.raises(errors.TLSError, match="localhost"):
        make(kind, proxy=server.url).send(post("https://localhost/"), limits())


@ALL
def test_the_environment_counts_when_asked(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Server(answering(body(b"proxy"))) as through, Server(answering(body(b"direct"))) as direct:
        monkeypatch.setenv("http_proxy", through.url)
        asked, not_asked = make(kind, trust_env=True), make(kind)
        monkeypatch.setenv("no_proxy", "example.com, 127.0.0.0/8")
        excepted = make(kind, trust_env=True)
        explicit = make(kind, trust_env=True, proxy=through.url)
        said = [
            b"".join(transport.send(get(direct.url), limits()))
            for transport in (asked, not_asked, excepted, explicit)
        ]
    assert said == [b"proxy", b"direct", b"direct", b"proxy"]


@pytest.mark.parametrize(
    "bad",
    ["ftp://host:1", "http://", "http://:8080", "http://host:99999", "http://host:0",
     "http://host:x", "socks4://host:1", "http://ho st:1", 7,
     "socks5://u:" + "x" * 300 + "@host"],
)  # fmt: skip
@ALL
def test_bad_proxies(kind: str, bad: Any) -> None:
    if isinstance(bad, str):
        bad = bad.replace("//h", "//me:hidden@h")
    with pytest.raises(errors.InvalidConfigError, match="proxy must be a URL") as caught:
        make(kind, proxy=bad)
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "http://me:123#4hidden@proxy.test:8080",
        "me:hid#den@proxy.test:8080",
        "socks5h://me:12/hidden@proxy.test",
        "https://me:1?hidden@proxy.test:8080",
        "http://m@e:#hidden@proxy.test:8080",
    ],
)
@ALL
def test_a_login_that_must_be_percent_encoded(kind: str, url: str) -> None:
    with pytest.raises(errors.InvalidConfigError, match="percent-encoded") as caught:
        make(kind, proxy=url)
    shown = "".join(traceback.format_exception(caught.value))
    for word in ("hid", "123", "den", "12/", "m@e", "proxy.test"):
        assert word not in shown.replace("test_transport_proxies", "").partition("Error: ")[2]


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without proxies and certificates of its own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


UNUSABLE = pytest.mark.parametrize(
    ("name", "value"),
    [
        ("all_proxy", "socks://127.0.0.1:1080/"),
        ("ALL_PROXY", "socks4a://me:hidden@127.0.0.1:1"),
        ("http_proxy", "http://me:hidden@127.0.0.1:notaport"),
        ("http_proxy", "http://"),
        ("all_proxy", "http://me:hid#den@127.0.0.1:1"),
    ],
)


@UNUSABLE
@ALL
def test_an_unusable_proxy_of_the_environment_matters_where_it_is_used(
    kind: str, name: str, value: str, bare_environment: pytest.MonkeyPatch
) -> None:
    bare_environment.setenv(name, value)
    with Server(answering(body(b"direct"))) as server:
        used = make(kind, trust_env=True)
        for _ in range(2):
            with pytest.raises(errors.InvalidConfigError, match=name) as caught:
                used.send(get(server.url), limits())
        assert "hid" not in "".join(traceback.format_exception(caught.value))
        bare_environment.setenv("no_proxy", "127.0.0.1")
        excepted = make(kind, trust_env=True)
        assert b"".join(excepted.send(get(server.url), limits())) == b"direct"
        assert len(server.heard) == 1


@ALL
def test_an_unusable_proxy_for_other_schemes_does_not_matter(
    kind: str, bare_environment: pytest.MonkeyPatch
) -> None:
    with Server(answering(body(b"proxy"))) as through:
        bare_environment.setenv("all_proxy", "socks://127.0.0.1:1080/")
        bare_environment.setenv("https_proxy", "ftp://127.0.0.1:1")
        bare_environment.setenv("http_proxy", through.url)
        transport = make(kind, trust_env=True)
        assert b"".join(transport.send(get("http://site.invalid/"), limits())) == b"proxy"
        with pytest.raises(errors.InvalidConfigError, match="https_proxy"):
            transport.send(get("https://site.invalid/"), limits())


@ALL
@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_ca_variable_without_a_file_is_named_where_a_certificate_fails(
    kind: str, name: str, server_context: ssl.SSLContext, bare_environment: pytest.MonkeyPatch
) -> None:
    bare_environment.setenv(name, "/no/such/ca.pem")
    with Server(answering(body()), server_context) as server, Server(answering(body())) as plain:
        transport = make(kind, trust_env=True)
        assert b"".join(transport.send(get(plain.url), limits())) == b"ok"
        with pytest.raises(errors.TLSError) as caught:
            transport.send(get(server.url), limits())
        assert str(caught.value).count(f"{name} names a file that does not exist") == 1
        with pytest.raises(errors.TLSError) as caught:
            make(kind).send(get(server.url), limits())
        assert name not in str(caught.value)


@ALL
def test_a_ca_variable_that_names_no_certificates(
    kind: str, bare_environment: pytest.MonkeyPatch
) -> None:
    bare_environment.setenv("SSL_CERT_FILE", __file__)
    with pytest.raises(errors.InvalidConfigError, match="SSL_CERT_FILE: no certificates"):
        make(kind, trust_env=True)
    make(kind).close()


def test_proxy_urls() -> None:
    assert Proxy.parse("proxy:3128") == Proxy("http", "proxy", 3128)
    assert Proxy.parse("https://[::1]") == Proxy("https", "::1", 443)
    assert Proxy.parse("socks5h://h").address == "socks5h://h:1080"
    full = Proxy.parse(f"http://user:{QUOTED}@host:1")
    assert (full.username, full.password) == ("user", PASSWORD)
    assert Proxy.parse(full.url) == full
    assert PASSWORD not in repr(full) + full.address


@pytest.mark.parametrize(
    ("rule", "url", "direct"),
    [
        ("*", "http://a/", True),
        ("a.org", "http://a.org/", True),
        ("a.org", "http://A.ORG./", True),
        ("a.org", "http://sub.a.org/", True),
        (".a.org", "http://sub.a.org/", True),
        ("*.a.org", "http://sub.a.org/", True),
        ("a.org", "http://aa.org/", False),
        ("a.org:81", "http://a.org:81/", True),
        ("a.org:81", "http://a.org/", False),
        ("a.org:80", "http://a.org/", True),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.1.2.3", "http://10.1.2.3/", True),
        ("10.1.2.3:80", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("::1", "http://[::1]/", True),
        ("[::1]", "http://[::1]/", True),
        ("[::1]:81", "http://[::1]:81/", True),
        ("[::1]:81", "http://[::1]/", False),
        ("10.0.0.0/255.0.0.0", "http://10.1.2.3/", True),
        ("2.3", "http://10.1.2.3/", False),
        ("b, ,a.org", "http://a.org/", True),
        ("b ,\ta.org", "http://a.org/", True),
        ("b a.org", "http://a.org/", True),
        ("b.org 10.0.0.0/8, 192.168.0.0/16", "http://192.168.4.5/", True),
        ("b, *", "http://a.org/", True),
        ("..a.org", "http://a.org/", True),
        ("b.org;a.org", "http://a.org/", True),
        ("\udcff.org", "http://a.org/", False),
        ("a.org.", "http://a.org/", True),
        ("/", "http://a.org/", False),
        (".", "http://a.org/", False),
        (":80", "http://a.org/", False),
        ("", "http://a.org/", False),
    ],
)
def test_no_proxy(rule: str, url: str, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("all_proxy", "socks5h://proxy")
    monkeypatch.setenv("no_proxy", rule)
    routes = Routes.read(None, True)
    assert (routes.route(url) is None) == direct
    assert Routes.read(None, False).route(url) is None
