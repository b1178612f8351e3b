"""What the impersonating transport is for: its connections look like a browser's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import curl_cffi
import pytest
from handshake import Handshakes, Look
from servers import CURL, get, limits, make, post

from chatgptes._version import __version__
from chatgptes.values.http import Request

TARGETS = pytest.mark.parametrize("target", ["chrome", "firefox", "safari"])
OF_A_BROWSER = re.compile("mozilla|chrome|firefox|safari|applewebkit|edg|gecko", re.IGNORECASE)


def look_of(transport: Any, request: Request, listener: Handshakes) -> Look:
    """The look of a connection made for `request`."""
    assert b"".join(transport.send(request, limits())) == b"ok"
    transport.close()
    return listener.looks[-1]


def look_of_session(
    method: str, target: str, ca_file: str, listener: Handshakes, **options: Any
) -> Look:
    with curl_cffi.Session(impersonate=target, verify=ca_file, trust_env=False) as session:  # type: ignore[arg-type]
        session.request(method, listener.url, **options)  # type: ignore[arg-type]
    return listener.looks[-1]


def without_encodings(look: Look) -> list[tuple[str, str]]:
    # curl_cffi's own Session asks for fewer encodings than the browser that it looks like.
    return [pair for pair in look.headers if pair[0] != "accept-encoding"]


@CURL
@TARGETS
def test_a_page_is_asked_for_as_a_browser_does(
    kind: str, target: str, server_pem: Path, ca_file: str
) -> None:
    with Handshakes(server_pem) as listener:
        transport = make(kind, impersonate=target, verify=ca_file)
        ours = look_of(transport, get(listener.url, mode="navigate"), listener)
        theirs = look_of_session("GET", target, ca_file, listener)
    assert len(listener.looks) == 2
    assert ours.connection == theirs.connection
    assert without_encodings(ours) == without_encodings(theirs)
    assert [name for name, _ in ours.headers] == [name for name, _ in theirs.headers]
    assert ours.ja4.startswith("t13d")
    assert ours.grease == (target != "firefox")


@CURL
@TARGETS
def test_a_message_is_sent_as_a_browsers_fetch(
    kind: str, target: str, server_pem: Path, ca_file: str
) -> None:
    with Handshakes(server_pem) as listener:
        page = listener.url + "chat/?x=1"
        transport = make(kind, impersonate=target, verify=ca_file)
        ours = look_of(transport, post(listener.url, referrer=page), listener)
        theirs = look_of_session("POST", target, ca_file, listener, data=b"hello")
    assert ours.connection == theirs.connection
    pseudo = [[name for name, _ in look.headers if name[0] == ":"] for look in (ours, theirs)]
    assert pseudo[0] == pseudo[1]
    for name in ("user-agent", "sec-ch-ua", "sec-ch-ua-platform", "accept-language"):
        assert ours.header(name) == theirs.header(name)
    assert ours.header("origin") == listener.url.rstrip("/")
    assert ours.header("referer") == page
    assert ours.header("accept") == "*/*"
    assert ours.header("content-type") == "text/plain"
    assert ours.header("sec-fetch-user") is ours.header("upgrade-insecure-requests") is None
    if theirs.header("sec-fetch-mode") is not None:
        fetch = [ours.header(f"sec-fetch-{name}") for name in ("site", "mode", "dest")]
        assert fetch == ["same-origin", "cors", "empty"]


@CURL
def test_one_browser_and_one_version(kind: str, server_pem: Path, ca_file: str) -> None:
    with Handshakes(server_pem) as listener:
        for request in (get(listener.url, mode="navigate"), post(listener.url)):
            look = look_of(make(kind, verify=ca_file), request, listener)
            found = re.search(r"Chrome/(\d+)\.", look.header("user-agent") or "")
            assert found
            hints = look.header("sec-ch-ua") or ""
            assert f'"Chromium";v="{found[1]}"' in hints
            assert f'"Google Chrome";v="{found[1]}"' in hints


@CURL
@pytest.mark.parametrize("mode", ["navigate", "fetch"])
def test_the_honest_mode_shows_no_browser(
    kind: str, mode: Any, server_pem: Path, ca_file: str
) -> None:
    with Handshakes(server_pem) as listener:
        transport = make(kind, impersonate=None, verify=ca_file)
        request = post(listener.url, mode=mode, referrer=listener.url)
        look = look_of(transport, request, listener)
    assert not look.grease
    assert look.header("user-agent") == f"chatgptes/{__version__}"
    assert look.header("accept") == "*/*"
    assert look.header("accept-encoding") == "gzip, deflate, br, zstd"
    names = {name for name, _ in look.headers if name[0] != ":"}
    assert names == {"user-agent", "accept", "accept-encoding", "content-type", "content-length"}
    assert not OF_A_BROWSER.search(str(look.headers))
