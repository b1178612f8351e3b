"""Finding tags: `sites/html.py`, and the addresses that pages name."""

from __future__ import annotations

import base64
import random
import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgptes.errors import UnexpectedFormatError
from chatgptes.sites import html
from chatgptes.sites.addresses import ajax_urls, require_same_site, rest_root
from chatgptes.sites.dialect import BufferedResponse
from chatgptes.values.http import Headers

BOT = b"bot-box"
CLASSES = (BOT, b"bot-popup")


def found(page: bytes) -> list[dict[str, str]]:
    quick, exact = html._quick(page, CLASSES), html._tokenise(page, CLASSES)
    assert quick is None or quick == exact
    return [html.attributes(tag) for tag in html.tags(page, CLASSES)]


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (b'<div class="bot-box" data-n="1">', "1"),
        (b"<div data-n='1' class='x bot-box\ty'>", "1"),
        (b"<DIV CLASS=bot-box DATA-N=1>", "1"),
        (b'<div class = "bot-box"\n\n data-n\n=\n"1"\n>', "1"),
        (b'<div data-n="a > b" class="bot-box">', "a > b"),
        (b'<div data-n="<15" class="bot-box">', "<15"),
        (b'<div data-n=\'{"a":"</div>"}\' class=bot-box>', '{"a":"</div>"}'),
        (b'<div data-n="1" data-n="2" class="bot-box" class="other">', "1"),
        (b'<div class="bot-box"data-n="1">', "1"),
        (b'<div/class="bot-box"/data-n=1>', "1"),
        (b'<div disabled class="bot-box" data-n>', ""),
        (b'<div class="bot-box" data-n=>', ""),
        (b'<div class="bot-box" data-n=a"b>', 'a"b'),
        (b'<div class="bot-box" data-n="l1\r\nl2">', "l1\nl2"),
        ('<div class="bot-box" data-n="é中🙂">'.encode(), "é中🙂"),
        (b'<p title="<b>" <div class=bot-box data-n=1>', "1"),  # All of it is one tag, a <p>.
    ],
)
def test_a_tag_is_read_however_it_is_written(tag: bytes, value: str) -> None:
    for before in (b"", b'<!doctype html><p>It\'s "text"</p>', b"<script>a<b</script>"):
        assert [read["data-n"] for read in found(before + tag + b"</div>")] == [value]


@pytest.mark.parametrize(
    "page",
    [
        b'<!-- <div class="bot-box"> -->',
        b'<!-- > <div class="bot-box">',
        b"<script>var a = '<div class=\"bot-box\">';</script>",
        b'<SCRIPT>x</SCRIP><div class="bot-box"></script>',
        b'<style>/* <div class="bot-box"> */</style>',
        b'<textarea><div class="bot-box"></textarea>',
        b'<title><div class="bot-box"></title>',
        b"<p title='<div class=\"bot-box\">'>",
        b"<p title=\"<div class='bot-box'>\">",
        b'<p title="<b><i><div class=bot-box>">',
        b"<? <div class='bot-box'>",
        b'<div class="bot-box-content">',
        b'<div class="my-bot-box">',
        b'<div id="bot-box">',
        b'</div class="bot-box">',
        b'<div class="bot-box"',
        b'<div class="bot-box>',
        b"< div class='bot-box'>",
        b".bot-box { color: red } bot-box",
        b"<!-- x --!><!--> --><p class='a' title=\"bot-box\">",
    ],
)
def test_what_is_no_tag_or_not_that_class_is_not_found(page: bytes) -> None:
    assert found(page) == []


@pytest.mark.parametrize(
    "page",
    [
        b'<!-- a --><div class="bot-box">',
        b'<!--><div class="bot-box">',
        b'<!-- a --!><div class="bot-box"> -->',
        b'<script>"<!--"</script><div class="bot-box">',
        b'<p title="<!--"><div class="bot-box">',
        b'<p title="<script>"><div class="bot-box">',
        b"<textarea>'\"<script></textarea><div class='bot-box'>",
        b'<scripty><div class="bot-box">',
        b'</script><div class="bot-box">',
        b"It's <div class='bot-box'>",
        b"a=\"<div class='bot-box'>",  # Text, though it looks like an attribute.
    ],
)
def test_what_only_looks_hidden_is_found(page: bytes) -> None:
    assert len(found(page)) == 1


PIECES = [
    b'<div class="bot-box" data-n="1">',
    b"<div class='bot-box'>",
    b"<i class=bot-popup>",
    b"bot-box",
    b"<!--",
    b"-->",
    b"<script>",
    b"</script>",
    b"<STYLE>",
    b"</style>",
    b"<title>",
    b"</title>",
    b"<textarea>",
    b"</textarea>",
    b"<p ",
    b">",
    b'"',
    b"'",
    b"=",
    b"class=",
    b' class="',
    b"/",
    b"<",
    b"<!",
    b"</",
    b" ",
    b"\n",
    b"text",
    b"<a href='x'>",
    b"--!>",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))
@settings(max_examples=600, deadline=None)
def test_the_short_way_and_the_whole_tokeniser_agree(page: bytes) -> None:
    found(page)


@given(st.binary(max_size=300), st.sampled_from(PIECES), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise(before: bytes, piece: bytes, after: bytes) -> None:
    found(before + piece + after)
    page = BufferedResponse(
        "https://a.test/", 200, Headers(), before + piece + b"wpaicgParams api.w.org" + after
    )
    ajax_urls(page)
    rest_root(page)


def test_what_a_found_element_holds_as_text_is_no_tag() -> None:
    page = b'<textarea class="bot-box" data-n="1"><div class="bot-box" data-n="2"></textarea>'
    page += b'<div class="bot-box" data-n="3">'
    assert [read["data-n"] for read in found(page)] == ["1", "3"]


def test_an_ordinary_page_takes_the_short_way() -> None:
    page = (
        b"<html><head><title>t</title><style>.bot-box{}</style><script>if(a<b)c('d')</script>" * 3
    )
    page += b"<p>It's</p>" * 50 + b"<!-- c --><div class=\"bot-box\" data-n='1'></div>"
    quick = html._quick(page, CLASSES)
    assert quick is not None
    assert len(quick) == 1


@pytest.mark.parametrize(
    "flood",
    [
        b"bot-box ",
        b'<a b="',
        b"<",
        b'<p class="bot-box-x">',
        b"<!-- ",
        b"<a class=bot-box ",
        b"<script>",
        b"<a =",
        b"api.w.org <",
        b"wpaicgParams ",
        b'"admin-ajax.php',
        b"<link rel=https://api.w.org/ ",
    ],
)
def test_time_is_linear_whatever_the_bytes(flood: bytes) -> None:
    page = flood * (2_000_000 // len(flood)) + b'<div class="bot-box">'
    started = time.process_time()
    html.tags(page, CLASSES)
    whole = BufferedResponse("https://a.test/", 200, Headers(), page)
    ajax_urls(whole)
    rest_root(whole)
    assert time.process_time() - started < 10  # A quadratic way takes many minutes.


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a&quot;b&#39;&#x27;&amp;amp;", "a\"b''&amp;"),
        ("?a=1&copy=2&reg=3", "?a=1&copy=2&reg=3"),
        ("&copyright &copy &copy;", "&copyright © ©"),
        ("&notit; &notin;", "&notit; ∉"),
        ("&nosuch; & &; &#; &#x;", "&nosuch; & &; &#; &#x;"),
        ("&#128;&#0;&#xD800;&#" + "9" * 50 + ";", "€\ufffd\ufffd\ufffd"),
        ("&lt;&LT;&ltx&lt", "<<&ltx<"),
        ("&#65&#x42", "AB"),
        ("&#" + "9" * 5000 + ";", "\ufffd"),
    ],
)
def test_entities_are_decoded_as_in_attributes(written: str, meant: str) -> None:
    assert html.unescape(written) == meant
    assert found(f'<div class="bot-box" data-n="{written}">'.encode())[0]["data-n"] == meant


# -- Addresses -------------------------------------------------------------------------------


def page_of(body: str, url: str = "https://a.test/sub/chat/", **headers: str) -> BufferedResponse:
    return BufferedResponse(url, 200, Headers(headers), body.encode())


@pytest.mark.parametrize(
    ("body", "url"),
    [
        (
            'wpaicgParams={"x":1,"ajax_url":"https:\\/\\/a.test\\/wp\\/wp-admin\\/admin-ajax.php"}',
            "https://a.test/wp/wp-admin/admin-ajax.php",
        ),
        (
            'wpaicgParams={"ajax_url":"/wp/wp-admin/admin-ajax.php"}',
            "https://a.test/wp/wp-admin/admin-ajax.php",
        ),
        (
            'wpaicgParams={"ajax_url":"//www.a.test/wp-admin/admin-ajax.php"}',
            "https://www.a.test/wp-admin/admin-ajax.php",
        ),
        (
            '<script>var o = {"u":"https:\\/\\/a.test\\/b\\/wp-admin\\/admin-ajax.php"}</script>',
            "https://a.test/b/wp-admin/admin-ajax.php",
        ),
        (
            "<script>f('https://other.test/wp-admin/admin-ajax.php')</script>",
            "https://a.test/wp-admin/admin-ajax.php",
        ),
        (
            "<link rel='https://api.w.org/' href='https://a.test/blog/wp-json/' />",
            "https://a.test/blog/wp-admin/admin-ajax.php",
        ),
        (
            "<link rel='https://api.w.org/' href='https://a.test/blog/index.php?rest_route=/'>",
            "https://a.test/blog/wp-admin/admin-ajax.php",
        ),
        ("", "https://a.test/wp-admin/admin-ajax.php"),
    ],
)
def test_the_ajax_address(body: str, url: str) -> None:
    assert ajax_urls(page_of(body))[0] == url


def deferred(script: str) -> str:
    """A script as "speed" plugins write it to be loaded later."""
    return f"data:text/javascript;base64,{base64.b64encode(script.encode()).decode()}"


PARAMS = 'var wpaicgParams = {"ajax_url":"https:\\/\\/a.test\\/wp\\/wp-admin\\/admin-ajax.php"};'


@pytest.mark.parametrize(
    "body",
    [
        f'<script src="{deferred(PARAMS)}" defer></script>',
        f"<script data-src='{deferred('x();')}'></script><script data-src='{deferred(PARAMS)}'>",
        f'<script src="data:text/javascript,{quote(PARAMS)}"></script>',
        f'<script src="{deferred(PARAMS).replace("base64", "charset=utf-8;base64")}"></script>',
        f'<script src="{deferred(PARAMS).replace("=", "%3D")}"></script>',
        f'<script src="{deferred(PARAMS).replace("data:text/java", "Data:Text/Java")}"></script>',
        f'<script src="{deferred(PARAMS).replace("base64", "charset=x;v=1;base64")}"></script>',
        f'<script src="{deferred(PARAMS).replace("java", "ecma")}"></script>',
    ],
)
def test_the_ajax_address_in_a_deferred_script(body: str) -> None:
    page = "<link href='/other/wp-content/x.css'>" + body
    assert ajax_urls(page_of(page)) == ("https://a.test/wp/wp-admin/admin-ajax.php",)


@pytest.mark.parametrize(
    ("body", "folders"),
    [
        ("<link href='https://a.test/wp/wp-content/x.css'>", ["/wp", ""]),
        ("<img src=/b/wp-content/uploads/x.png>", ["/b", ""]),
        ('<script>{"u":"https:\\/\\/a.test\\/c\\/wp-content\\/x"}</script>', ["/c", ""]),
        (
            "<a href='/x/wp-content/y'></a><script src='https://www.a.test/wp/wp-includes/j.js'>",
            ["/x", "www./wp", ""],
        ),
        ("<style>a{background:url(/s/wp-content/i.png)}</style>", ["/s", ""]),
        ("<img src='https://cdn.test/q/wp-content/x.png'>", [""]),
        ("<img srcset='/1/wp-content/a.png 1x, /2/wp-content/a.png 2x'>", ["/1", "/2", ""]),
        ("<p>our wp-content folder</p>", [""]),
        ("<link rel='https://api.w.org/' href='https://a.test/de/wp-json/'>", ["/de", ""]),
        ("<link rel='https://api.w.org/' href='/b/pt-br/wp-json/'>", ["/b/pt-br", "/b", ""]),
        ("<img src='http://a.test/h/wp-content/x.png'>", ["/h", ""]),
    ],
)
def test_where_the_ajax_address_may_be(body: str, folders: list[str]) -> None:
    urls = []
    for folder in folders:
        www, _, path = folder.rpartition("./")
        path = f"/{path}" if www else folder
        urls.append(f"https://{'www.' if www else ''}a.test{path}/wp-admin/admin-ajax.php")
    assert list(ajax_urls(page_of(body))) == urls


def test_the_pages_own_address_is_the_third_hint() -> None:
    body = "<link rel='https://api.w.org/' href='/de/wp-json/'><i style='x:url(/c/wp-content/i)'>"
    found = ajax_urls(page_of(body), "https://a.test/blog/chat/")
    assert [url.removesuffix("/wp-admin/admin-ajax.php") for url in found] == [
        "https://a.test/c", "https://a.test/blog/chat", "https://a.test/blog", "https://a.test/de",
        "https://a.test",
    ]  # fmt: skip
    assert ajax_urls(page_of(""), "https://a.test/blog/chat")[0].startswith(
        "https://a.test/blog/wp"
    )


def test_guesses_are_few() -> None:
    body = "".join(f"<img src=/{number}/wp-content/x>" for number in range(100))
    assert len(ajax_urls(page_of(body))) <= 8


@pytest.mark.parametrize(
    ("page", "written", "used"),
    [
        ("https://a.test/", "http://a.test/x", "https://a.test/x"),
        ("https://a.test/", "http://www.a.test/x", "https://www.a.test/x"),
        ("https://www.a.test/", "http://a.test:80/x", "https://a.test/x"),
        ("https://a.test/", "http://a.test:80", "https://a.test"),
        (
            "https://a.test/",
            "http://a.test:80?p=http://b.test:80/",
            "https://a.test?p=http://b.test:80/",
        ),
        ("https://a.test/", "http://a.test:8080/x", None),
        ("https://a.test/", "http://a.test/x:80/", "https://a.test/x:80/"),
        ("http://a.test/", "http://a.test/x", "http://a.test/x"),
        ("http://a.test/", "https://a.test/x", "https://a.test/x"),
        ("https://a.test/", "http://b.test/x", None),
        ("https://a.test:8443/", "http://a.test/x", None),
    ],
)
def test_an_http_address_of_an_https_page(page: str, written: str, used: str | None) -> None:
    if used is None:
        with pytest.raises(UnexpectedFormatError):
            require_same_site(page, written)
    else:
        assert require_same_site(page, written) == used


@pytest.mark.parametrize(
    "written",
    [
        "https://evil.test/wp-admin/admin-ajax.php",
        "http://a.test:81/x",
        "https://a.test:8443/x",
        "javascript:x",
        "https://[",
        "https://a.test@evil.test/x",
    ],
)
def test_an_ajax_address_elsewhere_is_refused_and_named(written: str) -> None:
    with pytest.raises(UnexpectedFormatError) as caught:
        (named,) = ajax_urls(page_of(f'wpaicgParams={{"ajax_url":"{written}"}}'))
        require_same_site("https://a.test/", named)
    assert "https://a.test" in str(caught.value)
    if "evil" in written:
        assert "evil.test" in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "body", "root"),
    [
        (
            [("Link", '<https://a.test/wp-json/>; rel="https://api.w.org/"')],
            "",
            "https://a.test/wp-json/",
        ),
        (
            [
                (
                    "Link",
                    '<https://a.test/x>; rel=shortlink, </r/>; title="a,b;c"; rel="x https://api.w.org/"',
                )
            ],
            "",
            "https://a.test/r/",
        ),
        (
            [("Link", "<a>; rel=b"), ("link", "<?rest_route=/>;rel=https://api.w.org/")],
            "",
            "https://a.test/sub/chat/?rest_route=/",
        ),
        (
            [],
            '<link href="https://a.test/?rest_route=&#x2F;" rel="https://api.w.org/">',
            "https://a.test/?rest_route=/",
        ),
        ([], "<link rel=https://api.w.org/ href=/wp-json/ >", "https://a.test/wp-json/"),
        ([("Link", "<https://a.test/x>; rel=shortlink")], "https://api.w.org/", None),
        ([("Link", '<https://[>; rel="https://api.w.org/"')], "", None),
    ],
)
def test_the_rest_root(headers: list[tuple[str, str]], body: str, root: str | None) -> None:
    page = BufferedResponse("https://a.test/sub/chat/", 200, Headers(headers), body.encode())
    assert rest_root(page) == root


def test_many_bots_in_a_random_page_keep_their_order() -> None:
    rng = random.Random(4)
    page, numbers = b"", []
    for number in range(150):
        page += rng.choice(
            [b"<p>It's</p>", b"<!-- bot-box -->", b"<script>'bot-box'</script>", b" x "]
        )
        page += b'<div data-n="%d" class="bot-box">' % number
        numbers.append(str(number))
    assert [read["data-n"] for read in found(page)] == numbers


def test_an_end_tag_in_an_attribute_ends_nothing() -> None:
    for name in ("script", "textarea", "style", "title"):
        page = f"<p><{name} a='</{name}> '>x <div class=bot-one a=b></div></{name}>".encode()
        assert html.tags(page, (b"bot-one",)) == []
        page += b"<div class=bot-one>"
        assert len(html.tags(page, (b"bot-one",))) == 1


def test_line_ends_in_an_attribute_are_line_feeds() -> None:
    (tag,) = html.tags(b'<p class="x" data-a="1\r\n2\r3\n4">', [b"x"])
    assert html.attributes(tag)["data-a"] == "1\n2\n3\n4"


def test_a_tag_is_found_behind_what_only_begins_as_one() -> None:
    """The class is no help here: a "=" in its value hides where that begins."""
    (tag,) = found(b"""<p title="<b id=' " class="a=b bot-box" data-n=1>""")
    assert tag["data-n"] == "1"


@pytest.mark.parametrize(
    "text", ['"https://a.test/z/wp-admin/admin-ajax.php"', "/z/wp-content/x.css", "/z/wp-includes/"]
)
@pytest.mark.parametrize("before", ["", " ", "x" * 600 + " "])
def test_the_ajax_address_at_the_very_beginning(before: str, text: str) -> None:
    assert ajax_urls(page_of(before + text))[0] == "https://a.test/z/wp-admin/admin-ajax.php"


def test_addresses_among_bytes_that_are_no_utf_8() -> None:
    def page(body: bytes) -> BufferedResponse:
        return BufferedResponse("https://a.test/", 200, Headers(), body)

    link = b"<link title='\xff' rel='https://api.w.org/' href='/z/wp-json/'>"
    assert rest_root(page(link)) == "https://a.test/z/wp-json/"
    ajax = "https://a.test/wp-admin/admin-ajax.php"
    for body in (b"'/\xff/wp-content/x'", b"'/\xff/wp-admin/admin-ajax.php'"):
        assert ajax_urls(page(body))[-1] == ajax
