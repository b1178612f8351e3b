"""doctor(): every failure is found at the step where it is, with what to do about it."""

from __future__ import annotations

import datetime
import json
import pickle
import socket
import ssl
import time
from typing import Any

import pytest
import trustme
from secure_sites import TlsSite
from servers import Connection, Server, body

import chatgptes
from chatgptes import Diagnosis, Timeout
from chatgptes.diagnosis import STEPS
from chatgptes.diagnosis.page import no_bots, plugin
from chatgptes.sandbox import Site
from chatgptes.sites import find_bots
from chatgptes.sites.dialect import BufferedResponse
from chatgptes.values.http import Headers

GOOD = {
    "front": "aipkit (inline), AI Power (AI Puffer) 2.4.1 or later",
    "aipkit-popup": "aipkit (popup)",
    "aipkit-old": "AI Power (AI Puffer) 2.3 to 2.4.0",
    "classic": "wpaicg (shortcode), AI Power (AI Puffer) up to 1.9.18, or 2.2",
    "classic-widget": "(AI Puffer) 1.9.16 to 1.9.18",
    "classic-plain": "wpaicg (shortcode)",
    "classic-old": "wpaicg (shortcode)",
    "classic-old-plain": "wpaicg (shortcode)",
    "cookie": "aipkit",
    "fronted": "aipkit",
    "moved": "aipkit",
    "broken-then-good": "aipkit",
    "engine": "mwai (inline), AI Engine 2.4.8 or later",
    "engine-window": "mwai (popup), AI Engine 2.4.8 or later",
    "engine-old": "mwai (inline), AI Engine 2.0.1 to 2.4.3",
    "engine-ancient": "mwai (inline), AI Engine up to 2.0.0, or 2.4.4 to 2.4.7",
    "engine-query": "mwai (inline)",
    "plugins": "mwai (inline)",
}

BAD = [
    # page, step, the library's error, what its detail or advice says
    ("nobot", "bots", "BotNotFoundError", "popup"),
    ("plainpage", "bots", "BotNotFoundError", "There is no trace"),
    ("raw-shortcode", "bots", "BotNotFoundError", "[wpaicg_chatgpt] as plain text"),
    ("broken-json", "bots", "BotNotFoundError", "missing or cut off"),
    ("broken-nonce", "bots", "BotNotFoundError", "missing or cut off"),
    ("broken-cut", "bots", "BotNotFoundError", "cut off"),
    ("foreign", "bots", "UnexpectedFormatError", "elsewhere.invalid"),
    ("foreign-engine", "bots", "UnexpectedFormatError", "elsewhere.invalid"),
    ("engine-nobot", "bots", "BotNotFoundError", "traces of the plugin AI Engine"),
    ("engine-saved", "bots", "BotNotFoundError", "missing or cut off"),
    ("foreign-classic", "bots", "UnexpectedFormatError", "settings (General)"),
    ("moved-away", "page", "UnexpectedStatusError", "redirects to http://localhost"),
    ("moved-loop", "page", "UnexpectedStatusError", "in circles"),
    ("moved-nowhere", "page", "UnexpectedStatusError", "nowhere"),
    ("limited", "page", "RateLimitError", "1 s"),
    ("limited-long", "page", "RateLimitError", "3600 s"),
    ("limited-bare", "page", "RateLimitError", "ask less often"),
    ("challenge", "gate", "ChallengeError", "lets browsers in"),
    ("challenge-bare", "gate", "ChallengeError", "lets browsers in"),
    ("challenge-ok", "gate", "ChallengeError", "lets browsers in"),
    ("forbidden", "page", "UnexpectedStatusError", "firewall"),
    ("not-found", "page", "UnexpectedStatusError", "Check the address"),
    ("server-error", "page", "UnexpectedStatusError", "error log"),
    ("maintenance", "page", "UnexpectedStatusError", "maintenance"),
    ("cut", "page", "TransportError", "broke"),
    ("cut-body", "page", "TransportError", "broke"),
    ("endless", "page", "ResponseTooLargeError", "no page of a chat"),
    ("binary", "bots", "BotNotFoundError", "image/png"),
    ("empty", "bots", "BotNotFoundError", "no text at all"),
    ("staging", "page", "UnexpectedStatusError", "https://user:password@host/"),
    ("fault-cache-challenge", "nonce", "ChallengeError", "lets browsers in"),
    ("fault-cache-http-403", "nonce", "RefusedError", "firewall"),
    ("fault-cache-embed", "nonce", "RefusedError", "takes the request for one from another site"),
    ("fault-cache-cors", "nonce", "RefusedError", "takes the request for one from another site"),
    ("fault-cache-no-message", "turn", "RefusedError", "a firewall that takes it out"),
    ("fault-cache-no-key", "turn", "UnexpectedFormatError", "not the chat plugin"),
    ("fault-cache-nonce", "nonce", "RefusedError", "cache"),
    ("fault-cache-rate-limit-bare", "nonce", "RateLimitError", "ask less often"),
    ("fault-unknown-action", "nonce", "UnexpectedStatusError", "switch the plugin on"),
    ("fault-classic-unknown-action", "nonce", "UnexpectedStatusError", "switch the plugin on"),
    ("fault-classic-http-403", "nonce", "RefusedError", "firewall"),
    ("fault-classic-http-500", "nonce", "UnexpectedStatusError", "error log"),
    ("fault-classic-html", "nonce", "UnexpectedFormatError", "not the chat plugin"),
    ("fault-classic-box", "nonce", "ChallengeError", "lets browsers in"),
    ("fault-plain-box-known", "nonce", "ChallengeError", "lets browsers in"),
    ("fault-quota", "turn", "QuotaError", "token limits"),
    ("fault-classic-quota", "turn", "QuotaError", "token limits"),
    ("fault-http-403", "turn", "RefusedError", "firewall"),
    ("fault-banned-ip", "turn", "RefusedError", "banned"),
    ("fault-plain-no-api-key", "turn", "RefusedError", "missing key"),
    ("fault-ts-required", "turn", "ChallengeError", "lets browsers in"),
    ("fault-model-401", "turn", "UpstreamError", "that service's key"),
    ("fault-classic-model-429", "turn", "UpstreamError", "credit"),
    ("fault-plain-model-500", "turn", "UpstreamError", "service of its model"),
    ("fault-old-model-500", "turn", "UpstreamError", "service of its model"),
    ("fault-classic-cut", "turn", "StreamInterruptedError", "time limits"),
    ("fault-model-drop", "turn", "StreamInterruptedError", "service of its model"),
    ("fault-flood", "turn", "StreamInterruptedError", "has no end"),
    ("fault-key-used", "turn", "RefusedError", "forgets between two requests"),
    ("fault-cache-empty", "nonce", "UnexpectedFormatError", "answered nothing at all"),
    ("fault-classic-empty", "nonce", "EmptyReplyError", "PHP has broken off"),
    ("fault-classic-model-empty", "turn", "EmptyReplyError", "said nothing"),
    ("fault-empty", "turn", None, ""),
    ("fault-quota-old", "turn", "RefusedError", "60 messages a minute"),
    ("fault-mwai-nonce", "nonce", "RefusedError", "the fresh one that it gives"),
    ("fault-mwai-no-nonce", "nonce", "RefusedError", "the fresh one that it gives"),
    ("fault-mwai-members-only", "nonce", "RefusedError", "Members only"),
    ("fault-mwai-no-route", "nonce", "UnexpectedStatusError", "switch the plugin on"),
    ("fault-mwai-http-403", "nonce", "RefusedError", "before the REST API (/wp-json/)"),
    ("fault-mwai-http-404", "nonce", "UnexpectedStatusError", "closes the REST API"),
    ("fault-mwai-http-500", "nonce", "UnexpectedStatusError", "error log"),
    ("fault-mwai-html", "nonce", "UnexpectedFormatError", "not the plugin's REST API"),
    ("fault-mwai-challenge", "nonce", "ChallengeError", "or the REST API (/wp-json/), past"),
    ("fault-mwai-redirect", "nonce", "UnexpectedStatusError", "sends visitors elsewhere"),
    ("fault-mwai-empty", "nonce", "EmptyReplyError", "answered nothing at all"),
    ("fault-mwai-fatal", "nonce", "UnexpectedStatusError", "broken just now"),
    ("fault-mwai-quota", "turn", "RefusedError", "does not tell the cause"),
    ("fault-mwai-model-500", "turn", "RefusedError", "does not tell the cause"),
    ("fault-mwai-model-drop", "turn", "StreamInterruptedError", "broke off"),
]


def walk(diagnosis: Diagnosis) -> str:
    """A letter a step: + good, - failed, . not looked at."""
    return "".join({True: "+", False: "-", None: "."}[step.ok] for step in diagnosis.steps)


def failed(diagnosis: Diagnosis, step: str) -> str:
    """All that is said of the step that failed."""
    problem = diagnosis.problem
    assert problem is not None
    assert problem.name == step, diagnosis
    assert not diagnosis.ok
    assert problem.detail
    assert problem.advice
    after = diagnosis.steps[diagnosis.steps.index(problem) + 1 :]
    assert all(each.ok is None for each in after)
    return f"{problem.detail} {problem.advice}"


def test_nothing_is_repeated(site: Site) -> None:
    before = len(site.requests)
    assert not chatgptes.doctor(site.page("limited")).ok
    assert len(site.requests) == before + 1


def test_frames_are_read_however_they_are_written_and_quickly(site: Site) -> None:
    page = BufferedResponse(
        site.url, 200, Headers(), b"<html><iframe src=/chatbot-frame/></iframe>"
    )
    assert "/chatbot-frame/" in no_bots(page)[0]
    # Milliseconds; it took half a minute, and more for more.
    started = time.process_time()
    no_bots(BufferedResponse(site.url, 200, Headers(), b"<html>" + b"<iframe " * 200_000))
    assert time.process_time() - started < 10


@pytest.mark.parametrize("page", GOOD)
def test_good_sites(site: Site, page: str) -> None:
    diagnosis = chatgptes.doctor(site.page(page))
    assert diagnosis.ok, diagnosis
    assert walk(diagnosis) == "++.+++++."
    assert site.messages == []
    assert GOOD[page] in diagnosis.steps[6].detail
    asked = chatgptes.doctor(site.page(page), ask=True)
    assert walk(asked) == "++.++++++"
    assert len(site.messages) == 1


@pytest.mark.parametrize(("page", "step", "error", "said"), BAD)
def test_bad_sites(site: Site, page: str, step: str, error: str | None, said: str) -> None:
    diagnosis = chatgptes.doctor(site.page(page), ask=True, timeout=20)
    assert said in failed(diagnosis, step), diagnosis
    assert diagnosis.problem is not None
    if error is not None:
        assert diagnosis.problem.error == error
    if step != "turn":
        assert site.messages == []


@pytest.mark.parametrize("page", ["stalled", "stalled-body"])
def test_silence(site: Site, page: str) -> None:
    diagnosis = chatgptes.doctor(site.page(page), timeout=Timeout(read=0.3))
    said = failed(diagnosis, "page")
    assert "sent no answer" in said or "fell silent" in said
    assert "model" not in said  # None was asked.


def test_time_runs_out(site: Site) -> None:
    late = chatgptes.doctor(site.page("stalled"), timeout=0.3)
    assert "allow more time" in failed(late, "page")
    babbling = chatgptes.doctor(site.page("fault-classic-endless"), timeout=0.5, ask=True)
    assert "allow more time" in failed(babbling, "turn")


# What stands before the plugin, and what should be said of it: at admin-ajax.php, with a key.
BEFORE = {
    "http-403": ("before admin-ajax.php", "as firewalls do"),
    "http-404": ("leads nowhere", "2.3 or later"),
    "http-500": ("error log", "check the bot's id first"),
    "http-502": ("error log", "error log"),
    "maintenance": ("maintenance", "maintenance"),
    "redirect": ("sends visitors elsewhere", "sends visitors elsewhere"),
    "redirect-foreign": ("sends visitors elsewhere", "sends visitors elsewhere"),
    "challenge": ("or admin-ajax.php, past the check", "or the REST API (/wp-json/), past"),
    "html": ("not the chat plugin", "not the plugin's REST API"),
    "rate-limit-bare": ("ask less often", "ask less often"),
    "cut-start": ("broke off", "broke off"),
}


@pytest.mark.parametrize("fault", BEFORE)
def test_the_same_fault_at_every_step(site: Site, fault: str) -> None:
    """What is said fits what was spoken to: only the page has an address to check."""
    ajax, api = BEFORE[fault]
    for page, step in (
        (f"fault-cache-{fault}", "nonce"),  # The first of a turn's two requests,
        (f"fault-{fault}", "turn"),  # and the second.
        (f"fault-classic-{fault}", "nonce"),
        (f"fault-old-{fault}", "nonce"),
    ):
        said = failed(chatgptes.doctor(site.page(page), timeout=20, ask=True), step)
        assert ajax in said, page
        assert "Check the address" not in said
        assert "address of the page itself" not in said
    bot = site.rest_bots[f"fault-{fault}"]
    found = chatgptes.doctor(site.url, api_key=site.api_key, bot=bot, timeout=20, ask=True)
    said = failed(found, "turn")
    assert api in said
    assert "admin-ajax" not in said
    assert "the page" not in said


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("access-off", "the switch for REST access"),
        ("wrong-key", "check that this is the same key"),
        ("no-key-set", "settings have the switch for REST access, and the key"),
        ("no-route", "2.3 or later"),
        ("unknown-bot", "check the bot's id first"),
        ("no-reply", "a version that is not known yet"),
    ],
)
def test_faults_with_a_key(site: Site, fault: str, said: str) -> None:
    bot = site.rest_bots[f"fault-{fault}"]
    found = chatgptes.doctor(site.url, api_key=site.api_key, bot=bot, ask=True)
    assert said in failed(found, "turn")


AIPKIT_PAGE = (
    b'<div class=\'aipkit_chat_container\' data-config=\'{"botId":5,"nonce":"0123456789"}\'></div>'
    b'<script>var where = "/wp-admin/admin-ajax.php";</script>'
)
CLASSIC_PAGE = b'<div class="wpaicg-chat-shortcode" data-nonce="0123456789" data-bot-id="0"></div>'


@pytest.mark.parametrize(
    ("page", "status", "answer", "said"),
    [
        (AIPKIT_PAGE, "401 Unauthorized", b"<html>Who?", "a password on wp-admin"),
        (CLASSIC_PAGE, "401 Unauthorized", b"<html>Who?", "a password on wp-admin"),
        # Not what the plugin says to a nonce, though it is no page.
        (AIPKIT_PAGE, "403 Forbidden", b"Access denied", "in another way than the plugin does"),
        (AIPKIT_PAGE, "403 Forbidden", b"-1", "refuses the nonce"),
        (AIPKIT_PAGE, "403 Forbidden", b'{"success":false}', "refuses the nonce"),
        (CLASSIC_PAGE, "403 Forbidden", b"It has run out.", "said: “It has run out.”"),
        (CLASSIC_PAGE, "403 Forbidden", b"<html>Rule 0123456789</html>", "said: “Rule …”"),
        (
            CLASSIC_PAGE,
            "405 Not Allowed",
            b"<html>No</html>",
            "in another way than the plugin does",
        ),
        (CLASSIC_PAGE, "410 Gone", b"", "leads nowhere"),
        (CLASSIC_PAGE, "504 Gateway Timeout", b"", "broken just now"),
    ],
)
def test_other_answers(page: bytes, status: str, answer: bytes, said: str) -> None:
    def handler(connection: Connection) -> None:
        while (heard := connection.hear()) is not None:
            if heard.method == "GET":
                connection.send(body(page, "Content-Type: text/html"))
            else:
                connection.send(body(answer, "Content-Type: text/html", status=status))

    with Server(handler) as server:
        found = chatgptes.doctor(server.url, trust_env=False)
    assert said in failed(found, "nonce"), found


def test_an_api_on_another_host() -> None:
    link = 'Link: <https://elsewhere.invalid/wp-json/>; rel="https://api.w.org/"'

    def handler(connection: Connection) -> None:
        while connection.hear() is not None:
            connection.send(body(b"<html></html>", "Content-Type: text/html", link))

    with Server(handler) as server:
        found = chatgptes.doctor(server.url, api_key="sandbox-key", bot=5, trust_env=False)
    said = failed(found, "page")
    assert "elsewhere.invalid" in said
    assert "settings (General)" in said


def test_what_can_be_read(site: Site) -> None:
    diagnosis = chatgptes.doctor(site.page("nobot"))
    assert [step.name for step in diagnosis.steps] == list(STEPS)
    text = str(diagnosis)
    assert text.startswith(site.page("nobot"))
    assert "bots       FAILED The page has traces" in text
    fields = json.loads(json.dumps(diagnosis.to_dict()))
    assert fields["ok"] is False
    assert fields["steps"][5]["name"] == "bots"
    assert fields["steps"][5]["ok"] is False
    assert pickle.loads(pickle.dumps(diagnosis)) == diagnosis


def test_names() -> None:
    diagnosis = chatgptes.doctor("http://no-such-site.invalid/", trust_env=False)
    assert "name" in failed(diagnosis, "name")
    assert walk(diagnosis).startswith("-.")


def test_the_name_of_the_default_site(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    diagnosis = chatgptes.doctor(transport="requests", trust_env=False)
    assert "is not ours" in failed(diagnosis, "name")


def test_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    diagnosis = chatgptes.doctor(f"http://127.0.0.1:{port}/")
    assert "refused" in failed(diagnosis, "connection")
    assert walk(diagnosis).startswith("+-")


def test_proxies(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    diagnosis = chatgptes.doctor(site.url, proxy=f"http://user:secret@127.0.0.1:{port}")
    said = failed(diagnosis, "connection")
    assert "proxy" in said
    assert "secret" not in str(diagnosis)
    assert walk(diagnosis).startswith(".-")
    # The site is the proxy here, and refuses other hosts: nobody knows if there is such a name.
    diagnosis = chatgptes.doctor("http://name.test/", proxy=site.url)
    assert "status 421" in failed(diagnosis, "page")
    assert diagnosis.steps[0].detail == "left to the proxy"
    assert walk(diagnosis).startswith("...-")


def test_an_unusable_proxy_of_the_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("all_proxy", "socks://proxy.test:1")
    diagnosis = chatgptes.doctor(site.url)
    assert "all_proxy" in failed(diagnosis, "page")
    assert walk(diagnosis).startswith("...-")  # Nothing was sent.


def test_a_transport_of_ones_own(site: Site) -> None:
    from chatgptes.transport.plain.transport import RequestsTransport

    transport = RequestsTransport(proxy=None, verify=True, trust_env=False, max_headers=1 << 16)
    diagnosis = chatgptes.doctor(site.url, transport=transport)
    assert walk(diagnosis) == "...+++++."
    assert diagnosis.steps[0].detail == "left to your own transport"
    transport.close()


class TestTls:
    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.delenv(name, raising=False)

    @pytest.mark.parametrize("transport", ["requests", "curl_cffi"])
    def test_good(self, tls_site: TlsSite, transport: Any) -> None:
        diagnosis = chatgptes.doctor(tls_site.url, verify=tls_site.ca_file, transport=transport)
        assert walk(diagnosis) == "++++++++.", diagnosis
        assert diagnosis.steps[2].detail == "the certificate was accepted"
        unchecked = chatgptes.doctor(tls_site.url, verify=False)
        assert "not checked" in unchecked.steps[2].detail

    def test_unknown_authority(self, tls_site: TlsSite) -> None:
        said = failed(chatgptes.doctor(tls_site.url), "TLS")
        assert "is not trusted" in said
        assert "verify=" in said
        assert tls_site.requests == []

    @pytest.mark.parametrize(
        ("names", "until", "said"),
        [
            (["other.example"], None, "IP address mismatch"),
            (["127.0.0.1"], datetime.datetime(2001, 1, 1), "expired"),
        ],
    )
    def test_bad_certificates(
        self, authority: trustme.CA, ca_file: str, names: list[str], until: Any, said: str
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names, not_after=until).configure_cert(context)
        with Site(tls=context) as site:
            diagnosis = chatgptes.doctor(site.url, verify=ca_file)
        assert said in failed(diagnosis, "TLS")

    def test_wrong_name(self, authority: trustme.CA, ca_file: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("other.example").configure_cert(context)
        with Site(tls=context) as site:
            diagnosis = chatgptes.doctor(f"https://localhost:{site.port}/", verify=ca_file)
        assert "ostname mismatch" in failed(diagnosis, "TLS")

    def test_no_tls_there(self, site: Site) -> None:
        diagnosis = chatgptes.doctor(site.url.replace("http:", "https:"))
        assert "https or http" in failed(diagnosis, "TLS")

    def test_no_handshake(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
            diagnosis = chatgptes.doctor(url, timeout=Timeout(connect=0.3))
            late = chatgptes.doctor(url, timeout=0.3)
        assert "within 0.3 s" in failed(diagnosis, "connection")
        assert "total of 0.3 s" in failed(late, "page")
        assert walk(late).startswith("...-")  # Nobody knows how far it got.


@pytest.mark.parametrize("page", ["classic", "classic-old", "classic-plain", "aipkit-old"])
def test_a_dead_nonce_in_a_cached_page(site: Site, page: str) -> None:
    site.cache_pages = True
    site.expire_nonces()
    said = failed(chatgptes.doctor(site.page(page), ask=True), "nonce")
    assert "cache" in said
    assert site.messages == []
    site.purge()
    assert chatgptes.doctor(site.page(page)).ok


def test_a_dead_nonce_that_can_be_replaced(site: Site) -> None:
    site.cache_pages = True
    site.expire_nonces()
    diagnosis = chatgptes.doctor(site.url, ask=True)
    assert diagnosis.ok, diagnosis
    assert "a fresh one" in diagnosis.steps[7].detail
    assert "half a day" in diagnosis.steps[7].advice


def test_bots(site: Site) -> None:
    two = chatgptes.doctor(site.page("aipkit-two"))
    assert two.steps[5].detail == "2 bots: 6 (Second), 5 (Sandbox); bot 6 is asked"
    other = chatgptes.doctor(site.page("aipkit-two"), bot=5)
    assert "bot 5 is asked" in other.steps[5].detail
    none = chatgptes.doctor(site.page("aipkit-two"), bot=999)
    assert "shows no bot '999'" in failed(none, "bots")
    consent = chatgptes.doctor(site.page("consent"))
    assert "consent" in consent.steps[6].advice


def test_secrets_do_not_show(site: Site) -> None:
    host = f"127.0.0.1:{site.port}/staging/"
    wrong = chatgptes.doctor(f"http://someone:wr0ng-pass@{host}")
    failed(wrong, "page")
    right = chatgptes.doctor(f"http://visitor:s3cret%20pass@{host}", ask=True)
    assert right.ok, right
    for diagnosis in (wrong, right):
        text = json.dumps(diagnosis.to_dict()) + str(diagnosis) + repr(diagnosis)
        for secret in ("wr0ng-pass", "s3cret", site.nonces.current("aipkit")):
            assert secret not in text


def test_nonces_and_sessions(site: Site) -> None:
    for page, said in (
        ("engine", "a session was started, and the site takes its nonce"),
        ("engine-old", "the site takes the one in the page"),
        ("engine-ancient", "none is needed: the site starts no sessions"),
    ):
        assert said in chatgptes.doctor(site.page(page)).steps[7].detail
    site.expire_nonces()
    site.next("session-no-nonce")
    assert "neither its page nor a new session has one" in failed(
        chatgptes.doctor(site.page("engine")), "nonce"
    )


def test_only_classic_sites_get_a_wrong_nonce(site: Site) -> None:
    pages = ["front", "aipkit-old", "engine", "engine-old", "engine-ancient", "fault-mwai-nonce"]
    for page in [*pages, "fault-nonce", "fault-cache-nonce", "fault-mwai-html"]:
        chatgptes.doctor(site.page(page), ask=True)

    def wrong() -> bool:
        return any(
            "0" * 10 in (each.param("_wpnonce"), each.param("_ajax_nonce"))
            or each.headers.get("x-wp-nonce") == "0" * 10
            for each in site.requests
        )

    assert not wrong()
    chatgptes.doctor(site.page("classic-old"))
    assert wrong()


def test_a_refusal_with_a_good_status_gets_no_wrong_nonce_either() -> None:
    said: list[bytes] = []

    def handler(connection: Connection) -> None:
        while (heard := connection.hear()) is not None:
            if heard.method == "GET":
                connection.send(body(AIPKIT_PAGE, "Content-Type: text/html"))
            else:
                said.append(heard.body)
                answer = b'{"success":false,"data":{"code":"nonce_failure_x"}}'
                connection.send(body(answer, "Content-Type: application/json"))

    with Server(handler) as server:
        found = chatgptes.doctor(server.url, trust_env=False)
    assert "refuses the nonce" in failed(found, "nonce")
    assert said
    assert not any(b"0000000000" in each for each in said)


SCRIPTS = {
    "/wp-content/plugins/gpt3-ai-content-generator/js/main.js?ver=2.4.71": "2.4.71, by its sc",
    "/wp-content/plugins/gpt3-ai-content-generator/js/main.js?ver=1732312345": "2.4.1 or later",
    "/wp-content/plugins/gpt3-ai-content-generator/a.css?ver=2.4.70": "2.4.70, by its styles'",
    "/wp-content/plugins/gpt3-ai-content-generator/a.js?ver=2.4-beta": "2.4.1 or later",
    "/wp-content/plugins/another-plugin/main.js?ver=9.9.9": "2.4.1 or later",
    "https:\\/\\/a.example\\/wp-content\\/plugins\\/gpt3-ai-content-generator\\/b.js?ver=2.4.97":
    "2.4.97, by its scripts'",
}  # fmt: skip


@pytest.mark.parametrize("address", SCRIPTS)
@pytest.mark.parametrize("style_first", [True, False])
def test_the_plugins_version(address: str, style_first: bool) -> None:
    element = (
        "<div class='aipkit_chat_container' data-config='"
        '{"botId":5,"nonce":"0123456789","ajaxUrl":"/wp-admin/admin-ajax.php"}\'></div>'
    )
    style = '<link href="/wp-content/plugins/gpt3-ai-content-generator/a.css?ver=1795727460">'
    text = f'{style if style_first else ""}<script src="{address}"></script>{element}'
    page = BufferedResponse("https://example.org/", 200, Headers(), text.encode())
    (endpoint,) = find_bots(page)
    assert SCRIPTS[address] in plugin(page, endpoint)


def test_a_key_is_not_good_before_it_was_tested(site: Site) -> None:
    found = chatgptes.doctor(site.url, api_key="sandbox-wrong-key", bot=5)
    assert "the key is not tested" in found.steps[7].detail
    assert found.steps[7].ok is None
    assert "aipkit/v1, mwai/v1" in found.steps[6].detail
    assert "rest (with your key), AI Power" in found.steps[6].detail
    other = chatgptes.doctor(site.url, api_key=site.api_key, bot="default", ask=True)
    assert "mwai-rest (with your key), AI Engine" in other.steps[6].detail
    assert walk(other) == "++.++.+.+"
    alone = chatgptes.doctor(f"{site.home}engine-3.6.2/wp-json/", api_key=site.api_key, bot=5)
    assert "the REST API has mwai/v1" in alone.steps[6].detail


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (b'{"namespaces":["oembed/1.0","wp/v2"]}', "none of the namespaces that take a key"),
        (b"<html>Nothing here</html>", "no list of its REST API's namespaces"),
        (b'{"namespaces":[]}', "no list of its REST API's namespaces"),
    ],
)
def test_a_site_without_the_api(index: bytes, said: str) -> None:
    def handler(connection: Connection) -> None:
        while (heard := connection.hear()) is not None:
            if heard.target.startswith("/wp-json/?"):
                connection.send(body(index, "Content-Type: application/json"))
            elif heard.method == "GET":
                connection.send(body(b"<html></html>", "Content-Type: text/html"))
            else:
                connection.send(body(b"", status="404 Not Found"))

    with Server(handler) as server:
        found = chatgptes.doctor(server.url, api_key="sandbox-key", bot=5, trust_env=False)
        assert said in failed(found, "dialect")
        asked = chatgptes.doctor(
            server.url, api_key="sandbox-key", bot=5, ask=True, trust_env=False
        )
    assert said in asked.steps[6].detail
    assert asked.problem is not None
    assert asked.problem.name == "turn"


def test_the_owners_key(site: Site) -> None:
    good = chatgptes.doctor(site.url, api_key=site.api_key, bot=5, ask=True)
    assert walk(good) == "++.++.+.+", good
    assert walk(chatgptes.doctor(site.url, api_key=site.api_key, bot=5)) == "++.++.+.."
    wrong = chatgptes.doctor(site.url, api_key="sandbox-wrong-key", bot=5, ask=True)
    assert "REST access" in failed(wrong, "turn")
    assert "sandbox-wrong-key" not in str(wrong)


def test_wrong_arguments() -> None:
    with pytest.raises(chatgptes.InvalidConfigError):
        chatgptes.doctor("nonsense")
    with pytest.raises(TypeError):
        chatgptes.doctor("https://example.org", sight=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<p>aipkit</p><iframe src="/chat-frame/?token=s3cret"></iframe>', "/chat-frame/?…"),
        ("<iframe data-lazy-src='https://example.org/embed/'></iframe>", "example.org/embed/"),
        ('<iframe src="https://chat.example.net/x"></iframe>', "chat.example.net"),
        (
            '<script type="rocketlazyloadscript" src="/wp-content/plugins/aipkit/a.js"></script>',
            "later, by a script",
        ),
        ('<link href="/wp-content/plugins/gpt3-ai-content-generator/a.css">', "popup"),
        ('<link href="/wp-content/themes/a.css">', "no trace of the plugins"),
        (
            '<iframe src="https://video.example/1"></iframe><i>nothing</i>',
            "no trace of the plugins",
        ),
        ("<style>.wpaicg-chatbox {color: red}</style>", "popup"),
        ("<p>[aipkit_chatbot id=7]</p>", "[aipkit_chatbot id=7]"),
        ("<p>[mwai_chatbot_v2]</p>", "[mwai_chatbot_v2]"),
        (
            '<script src="https://home.example/wp-content/plugins/ai-engine/app/chatbot.js"></script>',
            "embedded from that site",
        ),
        (
            "<script async src=//home.example:8443/w/plugins/gpt3-ai-content-generator/e.js?k>",
            "script from https://home.example:8443",
        ),
        ('<script src="/wp-content/plugins/ai-engine/app/chatbot.js"></script>', "AI Engine"),
        ('<div id=x class="wide wpaicg-chat-shortcode">', "missing or cut off"),
    ],
)
def test_why_a_page_shows_no_bot(body: str, said: str) -> None:
    page = BufferedResponse(
        "https://example.org/a/", 200, Headers(), f"<html><body>{body}".encode()
    )
    detail, advice = no_bots(page)
    assert said in f"{detail} {advice}"
    assert "s3cret" not in detail


@pytest.mark.parametrize("fault", ["cache-html", "cache-empty", "cache-challenge-ok"])
def test_a_good_status_alone_is_no_good_nonce(site: Site, fault: str) -> None:
    """An empty message is all that is sent: a healthy site says that it is empty."""
    found = chatgptes.doctor(site.page(f"fault-{fault}"), timeout=10)
    assert not found.ok
    assert found.problem is not None
    assert found.problem.name == "nonce"
