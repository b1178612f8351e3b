"""Where a prompt may go, and what of an address may show."""

from __future__ import annotations

import pytest

from chatgptes.values.urls import _read_place, ascii_url, may_send, origin, redact


@pytest.mark.parametrize(
    ("url", "to", "allowed"),
    [
        ("https://a.org/x", "https://a.org/y", True),
        ("https://a.org/x", "https://www.a.org/y", True),
        ("https://www.a.org/x", "https://A.ORG./y", True),
        ("http://a.org/x", "https://a.org/y", True),
        ("http://a.org:8080/x", "https://a.org/y", True),
        ("https://a.org/x", "http://a.org/y", False),
        ("https://a.org/x", "http://a.org:443/y", False),
        ("https://a.org/x", "https://a.org:8443/y", False),
        ("http://a.org:80/x", "http://a.org/y", True),
        ("http://a.org/x", "http://a.org:8080/y", False),
        ("https://a.org/x", "https://b.org/y", False),
        ("https://a.org/x", "https://a.org.evil.net/y", False),
        ("https://a.org/x", "https://evil.net/a.org", False),
        ("https://a.org/x", "https://a.org@evil.net/y", False),
        ("https://a.org/x", "https://sub.a.org/y", False),
        ("https://a.org/x", "ftp://a.org/y", False),
        ("https://a.org/x", "javascript:alert(1)", False),
        ("https://a.org/x", "/y", False),
        ("https://a.org/x", "https://a.org:bad/y", False),
        ("https://a.org/x", "https://[::1/y", False),
        ("http://[::1]:80/x", "http://[::1]/y", True),
        # Two standards read these as two hosts.
        ("https://strasse.example/x", "https://straße.example/y", False),
        ("https://straße.example/x", "https://straße.example/y", False),
        ("https://xn--strae-oqa.example/x", "https://straße.example/y", False),
        ("https://xn--mnchen-3ya.example/x", "https://münchen.example/y", True),
        ("https://muenchen.example/x", "https://münchen.example/y", False),
    ],
)
def test_may_send(url: str, to: str, allowed: bool) -> None:
    assert may_send(url, to) is allowed


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://u:p@a.org/x?y=1#z", "https://a.org/x?y=1"),
        ("https://A.org:8080", "https://a.org:8080"),
        ("http://münchen.example/чат/?q=ä b", "http://xn--mnchen-3ya.example/%D1%87%D0%B0%D1%82/?q=%C3%A4%20b"),
        ("http://a.org/%41%zz?a=%20&b[]=c", "http://a.org/%41%zz?a=%20&b[]=c"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
    ],
)  # fmt: skip
def test_ascii_url(url: str, sent: str) -> None:
    assert ascii_url(url) == sent
    assert ascii_url(sent) == sent


@pytest.mark.parametrize(
    "url", ["http://straße.example/", "http://a..b/", f"http://{'a' * 64}.org/", "http://a:b/"]
)
def test_addresses_without_a_certain_form(url: str) -> None:
    with pytest.raises(ValueError):
        ascii_url(url)


def test_redact() -> None:
    url = "https://user:hunter2@a.org:8443/x?page_id=5&nonce=abc&token=t&foo=bar#frag"
    assert redact(url) == "https://a.org:8443/x?page_id=5&…"
    assert redact("https://a.org/?p=3") == "https://a.org/?p=3"
    assert redact("https://[bad/") == "(an unreadable URL)"


def test_origin() -> None:
    assert origin("https://A.org:443/x") == "https://a.org"
    assert origin("http://a.org:8080/x") == "http://a.org:8080"
    assert origin("http://[::1]:8080/x") == "http://[::1]:8080"


def test_no_password_is_remembered_with_a_host() -> None:
    _read_place.cache_clear()
    assert ascii_url("https://user:s3cret@remembered.example/") == "https://remembered.example/"
    _read_place("remembered.example")
    assert (_read_place.cache_info().currsize, _read_place.cache_info().hits) == (1, 1)
