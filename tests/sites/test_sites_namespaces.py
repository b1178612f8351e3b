"""The request for a site's namespaces, and what they say: `sites/__init__.py`."""

from __future__ import annotations

import pytest
from hearing import page_of

from chatgptes.errors import UnexpectedFormatError
from chatgptes.sites import key_dialect_for, namespaces_from, namespaces_request
from chatgptes.sites.aiengine import MWAI_REST
from chatgptes.sites.aipower import REST
from chatgptes.sites.owner import KeyDialect

SITE = "https://a.test/blog/"


@pytest.mark.parametrize(
    ("root", "asked"),
    [
        ("https://a.test/wp-json/", "https://a.test/wp-json/?_fields=namespaces"),
        ("https://a.test/wp-json", "https://a.test/wp-json/?_fields=namespaces"),
        ("https://a.test/box", "https://a.test/box/?_fields=namespaces"),
        ("https://a.test/?rest_route=/", "https://a.test/?rest_route=/&_fields=namespaces"),
    ],
)
def test_the_request_carries_no_key(root: str, asked: str) -> None:
    request = namespaces_request(SITE, root)
    assert (request.method, request.url) == ("GET", asked)
    assert dict(request.headers) == {"Accept": "application/json"}
    with pytest.raises(UnexpectedFormatError):
        namespaces_request("https://b.test/", root)


def test_the_root_is_one_of_the_site() -> None:
    request = namespaces_request(SITE, "/blog/wp-json")
    assert request.url == "https://a.test/blog/wp-json/?_fields=namespaces"
    with pytest.raises(UnexpectedFormatError):
        namespaces_request(SITE, "https://b.test/wp-json/")


@pytest.mark.parametrize(
    ("body", "status", "names"),
    [
        ('{"namespaces": ["wp/v2", 5, null, "mwai/v1"]}', 200, ["wp/v2", "mwai/v1"]),
        ('{"namespaces": ["wp/v2"]}', 299, ["wp/v2"]),
        ('{"namespaces": ["wp/v2"]}', 300, []),
        ('{"namespaces": ["wp/v2"]}', 401, []),
        ('{"namespaces": {"a": "wp/v2"}}', 200, []),
        ('["namespaces"]', 200, []),
        ("", 200, []),
    ],
)
def test_the_namespaces_of_a_response(body: str, status: int, names: list[str]) -> None:
    assert namespaces_from(page_of(body, status)) == names


def test_the_dialect_that_takes_a_key() -> None:
    both = ["wp/v2", REST.namespace, MWAI_REST.namespace]
    for bot_id in ("5", "default"):
        assert key_dialect_for([REST.namespace], bot_id) is REST
        assert key_dialect_for([MWAI_REST.namespace], bot_id) is MWAI_REST
    for names in (both, [], ["wp/v2"]):
        assert key_dialect_for(names, "5") is REST
        assert key_dialect_for(names, "default") is MWAI_REST


@pytest.mark.parametrize("dialect", [REST, MWAI_REST])
@pytest.mark.parametrize("root", ["https://a.test/box", "https://a.test/box/"])
def test_a_bot_that_takes_a_key_is_below_the_root(dialect: KeyDialect, root: str) -> None:
    url = dialect.endpoint(SITE, root, "5", "key").url
    assert url.startswith(f"https://a.test/box/{dialect.namespace}/")
    url = dialect.endpoint(SITE, "https://a.test/?lang=&rest_route=/", "5", "key").url
    assert url.startswith(f"https://a.test/?lang=&rest_route=/{dialect.namespace}/")
