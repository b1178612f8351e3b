"""What the `chatgptes` logger says: enough to see what happened, and nothing that is private."""

from __future__ import annotations

import logging
import re
import subprocess
import sys

import pytest
from servers import Connection, body
from wire import NONCE, PAGE, site, turn

from chatgptes.turn import sending

KINDS = pytest.mark.parametrize("kind", ["requests", "curl_cffi"])
SECONDS = r"after \d+\.\d{3} s"


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "chatgptes"]


@KINDS
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_each_request_and_what_came_of_it(
    mode: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with site() as server, caplog.at_level(logging.DEBUG, "chatgptes"):
        turn(mode, f"{server.url}?p=7&secret=x", transport=kind)
    page, message = said(caplog)
    assert re.fullmatch(rf"<Request GET {server.url}\?p=7&…>: 200 {SECONDS}", page)
    where = f"{server.url}wp-admin/admin-ajax.php"
    assert re.fullmatch(rf"<Request POST {where}>: 200 {SECONDS}", message)
    assert {record.levelno for record in caplog.records if record.name == "chatgptes"} == {10}
    for word in (NONCE, "Hello", "Hi", "secret"):
        assert word not in page + message


@KINDS
def test_repetitions(
    kind: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FIRST_DELAY", 0.01)
    answers = [body(b"", status="503 Not Now"), body(PAGE)]

    def page(connection: Connection) -> None:
        connection.send(answers.pop(0))

    with site(page=page) as server, caplog.at_level(logging.DEBUG, "chatgptes"):
        turn("sync", server.url, transport=kind)
    first, again, second, _ = said(caplog)
    assert re.search(rf"503 {SECONDS}$", first)
    assert re.search(r": UnexpectedStatusError; again in 0\.\d\d s$", again)
    assert re.search(rf"200 {SECONDS}$", second)


@KINDS
def test_failures(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with site(lambda connection: connection.reset()) as server:
        with caplog.at_level(logging.DEBUG, "chatgptes"):
            turn("sync", server.url, transport=kind)
    assert re.search(rf": TransportError {SECONDS}$", said(caplog)[-1])


def test_it_is_silent_unless_asked() -> None:
    # As a library should be: a handler of its own that does nothing, and no level set.
    logger = logging.getLogger("chatgptes")
    assert any(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    assert logger.propagate
    with site(lambda connection: connection.reset()) as server:
        done = subprocess.run(
            [sys.executable, "-c",
             "import sys, chatgptes\ntry: chatgptes.chat('Hi', site=sys.argv[1], trust_env=False)\n"
             "except chatgptes.TransportError: pass", server.url],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
