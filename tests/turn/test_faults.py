"""Every failure that the sandbox can play ends in its own error, through both transports."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

import chatgptes
from chatgptes import (
    AuthenticationError,
    ChallengeError,
    ChatGptEsError,
    Client,
    EmptyReplyError,
    Limits,
    QuotaError,
    RateLimitError,
    RefusedError,
    Reply,
    RequestTimeout,
    ResponseTooLargeError,
    StreamInterruptedError,
    Timeout,
    TransportError,
    UnexpectedFormatError,
    UnexpectedStatusError,
    UpstreamError,
)
from chatgptes.sandbox import FAULTS, Site

TRANSPORTS = ("requests", "curl_cffi")
Interrupted = StreamInterruptedError

# What is the same wherever it happens.
COMMON = {
    "rate-limit": RateLimitError,
    "rate-limit-long": RateLimitError,
    "rate-limit-date": RateLimitError,
    "rate-limit-bare": RateLimitError,
    "challenge": ChallengeError,
    "challenge-bare": ChallengeError,
    "challenge-ok": ChallengeError,
    "http-403": RefusedError,
    "http-404": UnexpectedStatusError,
    "http-500": UnexpectedStatusError,
    "http-502": UnexpectedStatusError,
    "maintenance": UnexpectedStatusError,
    "redirect": UnexpectedStatusError,
    "redirect-foreign": UnexpectedStatusError,
    "html": UnexpectedFormatError,
    "empty": EmptyReplyError,
    "cut-start": TransportError,
    "cut-headers": TransportError,
    "stall-headers": RequestTimeout,
}
BEFORE = {
    "nonce": RefusedError,
    "quota": QuotaError,
    "banned-word": RefusedError,
    "banned-ip": RefusedError,
    "no-api-key": RefusedError,
}
MODEL = {
    "model-401": UpstreamError,
    "model-429": UpstreamError,
    "model-500": UpstreamError,
    "model-quotes": UpstreamError,
    "model-html": UpstreamError,
    "model-drop": UpstreamError,
    "model-drop-start": UpstreamError,
    "model-error-mid": UpstreamError,
    "model-empty": EmptyReplyError,
    "model-json": Reply,
    "model-length": Reply,
    "model-no-end": Reply,
}
STREAM = {
    "model-drop": Interrupted,
    "model-error-mid": Interrupted,
    "cut": Interrupted,
    "stall": Interrupted,
    "stall-end": Reply,
    "garbage": Reply,
    "html-after": Reply,
    "no-blank": Reply,
    "crlf": Reply,
    # A reset may throw away what the client has not read yet, the first text included.
    "reset": (Interrupted, TransportError),
    "endless": Interrupted,
    "flood": Interrupted,
}
WPAICG = {
    "unknown-action": UnexpectedStatusError,
    "message-empty": RefusedError,
    "pinecone": RefusedError,
    "moderation": RefusedError,
    "box": ChallengeError,
    "box-known": ChallengeError,
}
AIPKIT = {
    "cache-nonce": RefusedError,
    "cache-no-message": RefusedError,
    "cache-embed": RefusedError,
    "cache-cors": RefusedError,
    "cache-no-key": UnexpectedFormatError,
    "unknown-action": UnexpectedStatusError,
    "origin": RefusedError,
    "unknown-bot": RefusedError,
    "key-missing": RefusedError,
    "key-used": RefusedError,
    "key-expired": RefusedError,
    "quota-old": RefusedError,
    "guests": RefusedError,
    "moderation": RefusedError,
    "ts-required": ChallengeError,
    "no-done": Interrupted,
    "unknown-events": Reply,
    "form": RefusedError,
    "model-empty": UpstreamError,
    "model-json": UpstreamError,
}
REST = {
    "access-off": AuthenticationError,
    "wrong-key": AuthenticationError,
    "no-key-set": AuthenticationError,
    "no-route": UnexpectedStatusError,
    "unknown-bot": UnexpectedStatusError,
    "model-429-old": UpstreamError,
    "no-reply": UnexpectedFormatError,
    "http-403": RefusedError,
    "cut": TransportError,
    "stall": RequestTimeout,
}
MWAI = {
    # One shape for all of them: nobody can tell whether the model was asked.
    "quota": RefusedError,
    "no-environment": RefusedError,
    "moderation": RefusedError,
    "unknown-bot": RefusedError,
    "too-long": RefusedError,
    "model-401": RefusedError,
    "model-429": RefusedError,
    "model-500": RefusedError,
    "model-quotes": RefusedError,
    "model-drop-start": RefusedError,
    "no-nonce": RefusedError,
    "members-only": RefusedError,
    "message-empty": RefusedError,
    "no-route": UnexpectedStatusError,
    "invalid-json": UnexpectedStatusError,
    "fatal": UnexpectedStatusError,
    "http-403": RefusedError,
    "model-html": EmptyReplyError,
    "model-json": EmptyReplyError,
    "actions": EmptyReplyError,
    "no-end": Interrupted,
    "model-error-mid": Reply,  # It looks like one.
    "end-longer": Reply,
    "end-other": Reply,
    "status-events": Reply,
    "unknown-events": Reply,
    "notice": Reply,
    "json-type": Reply,
    "whole": Reply,
}
STEP_ONE = {f"cache-{name}": error for name, error in COMMON.items()}
STEP_ONE["cache-empty"] = UnexpectedFormatError

EXPECTED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "aipkit": {**COMMON, **BEFORE, **MODEL, **STREAM, **STEP_ONE, **AIPKIT},
    "classic": {
        **COMMON,
        **BEFORE,
        **MODEL,
        **STREAM,
        **WPAICG,
        "assistant": Reply,
        "assistant-error": UpstreamError,
        "model-drop-start": EmptyReplyError,
        "model-no-end": Interrupted,
    },
    "plain": {
        **COMMON,
        **BEFORE,
        **MODEL,
        **WPAICG,
        "model-html": EmptyReplyError,
        "notice": Reply,
        "cut": TransportError,
        "stall": RequestTimeout,
    },
    "rest": {**COMMON, **MODEL, **REST},
    "mwai": {**COMMON, **BEFORE, **MODEL, **STREAM, **MWAI},
}
PAGES = {
    "aipkit": "front",
    "classic": "classic",
    "plain": "classic-plain",
    "rest": "front",
    "mwai": "engine",
}
QUICK = Timeout(connect=5, read=0.3, total=20)
SMALL = Limits(stream=1 << 20, event=1 << 18)


def test_every_fault_has_its_row() -> None:
    known = {where: set(faults) for where, faults in FAULTS.items()}
    assert {where: set(rows) for where, rows in EXPECTED.items()} == known


@pytest.fixture(scope="module")
def playing() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture(scope="module")
def clients(playing: Site) -> Iterator[dict[tuple[str, str], Client]]:
    """A client for each transport and kind of bot, which knows its page already."""
    made = {}
    for transport in TRANSPORTS:
        for where, page in PAGES.items():
            key = {"api_key": playing.api_key, "bot": playing.rest_bot} if where == "rest" else {}
            client = Client(
                playing.page(page),
                transport=transport,
                timeout=QUICK,
                limits=SMALL,
                retries=0,
                trust_env=False,
                **key,
            )
            client.chat("Hello")
            made[transport, where] = client
    yield made
    for client in made.values():
        client.close()


def outcome(client: Client) -> tuple[Reply | ChatGptEsError, str]:
    """How a turn ended, and the text that was seen on the way."""
    seen = []
    try:
        with client.stream("What is the answer?") as stream:
            seen.extend(stream)
            return stream.reply, "".join(seen)
    except ChatGptEsError as error:
        return error, "".join(seen)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("where", "fault"), [(where, fault) for where in EXPECTED for fault in EXPECTED[where]]
)
def test_fault(
    playing: Site,
    clients: dict[tuple[str, str], Client],
    transport: str,
    where: str,
    fault: str,
) -> None:
    expected = EXPECTED[where][fault]
    if (transport, where, fault) == ("curl_cffi", "aipkit", "cache-cut-start"):
        # libcurl itself repeats a request that may be repeated when a kept connection turns out
        # to be dead; the first step is one.
        expected = Reply
    client = clients[transport, where]
    playing.next(fault)
    try:
        result, seen = outcome(client)
    finally:
        playing.release()
    assert type(result) in (expected if isinstance(expected, tuple) else (expected,)), result
    if isinstance(result, Reply):
        assert result.text == seen != ""
        # A model that fails in mid-answer looks like one that has finished (`mwai`).
        assert ("**I am the" if fault == "model-error-mid" else "sandbox") in result.text
    elif isinstance(result, StreamInterruptedError):
        assert result.partial == seen != ""
        assert isinstance(result.__cause__, ChatGptEsError)
    else:
        assert seen == ""
        assert len(str(result)) < 700
    assert client.chat("And now?").text  # Whatever it was, the next turn works.


@pytest.mark.parametrize("where", ["classic", "plain", "aipkit"])
def test_words_of_the_site_are_in_the_error(
    playing: Site, clients: dict[tuple[str, str], Client], where: str
) -> None:
    playing.next("model-quotes")
    with pytest.raises(UpstreamError) as caught:
        clients["requests", where].chat("Hello")
    # They come HTML-escaped in one shape, and as broken JSON in another.
    assert '"blue"' in str(caught.value)
    assert "<green>" in str(caught.value)
    assert "&" not in str(caught.value).replace(" & ", "")


def test_private_greeting_never_shows(
    playing: Site, clients: dict[tuple[str, str], Client]
) -> None:
    playing.next("model-500")
    with pytest.raises(UpstreamError) as caught:
        clients["requests", "plain"].chat("Hello")
    assert "PRIVATE" not in str(caught.value) + str(caught.value.excerpt)


def test_limits_name_themselves(playing: Site, clients: dict[tuple[str, str], Client]) -> None:
    for fault, word in (("endless", "Limits.stream"), ("flood", "Limits.event")):
        playing.next(fault)
        with pytest.raises(StreamInterruptedError) as caught:
            clients["requests", "classic"].chat("Hello")
        assert isinstance(caught.value.__cause__, ResponseTooLargeError)
        assert word in str(caught.value)


def test_catching_by_standard_classes(
    playing: Site, clients: dict[tuple[str, str], Client]
) -> None:
    client = clients["requests", "classic"]
    for fault, standard in (
        ("quota", ValueError),
        ("cut-start", OSError),
        ("stall-headers", TimeoutError),
    ):
        playing.next(fault)
        with pytest.raises(standard):
            client.chat("Hello")
        playing.release()
    assert issubclass(chatgptes.MissingRequirementsError, ImportError)


def test_the_sites_own_codes(site: Site) -> None:
    """Only what is said in WordPress's form has one."""
    for page, code in (
        ("fault-cache-cors", "cors_denied"),
        ("fault-cache-nonce", "nonce_failure_cache_sse"),  # Refused twice, the second time plainly.
        ("fault-cache-http-403", None),
        ("fault-classic-nonce", None),
        ("fault-quota", None),
    ):
        with Client(site.page(page)) as client, pytest.raises(ChatGptEsError) as caught:
            client.chat("Hello")
        assert caught.value.code == code
        assert pickle.loads(pickle.dumps(caught.value)).code == code
    bot = site.rest_bots["fault-access-off"]
    with (
        Client(site.url, api_key=site.api_key, bot=bot) as client,
        pytest.raises(AuthenticationError) as denied,
    ):
        client.chat("Hello")
    assert denied.value.code == "rest_aipkit_api_access_disabled"
