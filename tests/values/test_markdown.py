"""`Reply` in a notebook: two programs that make HTML of Markdown agree that nothing in it acts.

Both are set to let through all that they are given, so what stops it is ours.
"""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

mistune = pytest.importorskip("mistune")
markdown = pytest.importorskip("markdown")
from markdown_it import MarkdownIt  # noqa: E402 - rich brings it.

from chatgptes import Reply  # noqa: E402
from chatgptes.values.markdown import harmless_markdown  # noqa: E402

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img",
    "li", "ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"href", "src", "alt", "title", "class", "start", "style"}


def _commonmark(text: str) -> str:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return str(parser.render(text))


def _mistune(text: str) -> str:
    renderer = mistune.HTMLRenderer(escape=False, allow_harmful_protocols=True)
    plugins = ["strikethrough", "table", "url"]
    return str(mistune.create_markdown(renderer=renderer, plugins=plugins)(text))


def _python_markdown(text: str) -> str:
    return str(markdown.markdown(text, extensions=["fenced_code", "tables", "sane_lists"]))


PROGRAMS = [_commonmark, _mistune]
LINKING = [*PROGRAMS, _python_markdown]
"""Programs that make links; Python-Markdown reads code in lists and quotes in its own way."""


class Page(HTMLParser):
    """What a browser would see: every tag, checked, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        self.tags.append(tag)
        for name, value in attrs:
            assert name in ATTRIBUTES, (tag, name)
            assert name != "style" or re.fullmatch(r"text-align: ?\w+;?", value or "")
            if name in ("href", "src"):
                self.links.append(value or "")
                address = re.sub(r"[\x00-\x20]", "", unquote(value or ""))
                scheme = re.match(r"([A-Za-z][A-Za-z0-9+.\-]*):", address)
                assert not scheme or scheme[1].lower() in ("http", "https", "mailto"), value

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def shown(text: str) -> list[Page]:
    return [Page(program(harmless_markdown(text))) for program in PROGRAMS]


PIECES = [
    "<img src=x onerror=alert(1)>", "<script>", "</script>", "<!-- ", "-->", "<?x?>", "<![CDATA[",
    "[a](", "![a](", "[a]: ", "[a]", ")", "<", ">", "javascript:alert(1)", "JaVaScRiPt:x",
    "&#106;avascript:x", "java&Tab;script:x", "javascript&colon;x", "data:text/html,x",
    "vbscript:x", "<javascript:x>", "https://example.org/", "`", "``", "```", "~~~", "```html",
    "    ", "  ",
    "\n", "\n\n", "\r", "- ", "1. ", "> ", "\\", "|", "| - |\n", "|---|---|\n", "$", "$$", "\t",
    "*", "_", "#", "x", " ", '"', "'", "(", "&lt;", "\x00", "\x0b", "\u2028", "\x85", "\x9b",
    "- ```\n", "> ```\n",
    "---\n", "<b>", "\ue0000\ue001", "<https://a/onclick=x>", "===\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
@example("- ```\n  ```\n  <img src=x onerror=alert(1)>\n")
@example("a `\n` <img src=x onerror=alert(1)> `")
@example("| a | b |\n|---|---|\n| `a | <img src=x onerror=alert(1)> ` |")
@example("[a](b`c) <img src=x onerror=alert(1)> `d`")
@example('[a](b\n"ti`tle") <img src=x onerror=alert(1)> `x`')
@example("- a\n  ```\n<img src=x onerror=alert(1)>")
@example("\\`<img src=x onerror=alert(1)>`")
@example("> [a]:\n> javascript:alert(1)\n\n[a]")
@example("[a](<\tjavascript:alert(1)>)")
@example("[a](" + "&Tab;" * 40 + "javascript:alert(1))")
@example("[a](&amp;#106;avascript:alert(1))")
@example("![a](java\\\nscript:x)")
@example("<\x00script>alert(1)</script>")
@example("> ```\n<img src=x onerror=alert(1)>\n> ```\n<b>")
@example("- > ```\n  > x\n  <b>\n> ```\n<b>\n```")
@example("~~~\n```\n~~~\n<b>\n```")
@example("<https://x/onmouseover=alert(1)>")
def test_nothing_acts(text: str) -> None:
    shown(text)


ADDRESSES = [
    "java\nscript:alert(1)", "java\r\nscript:alert(1)", "java\n> script:alert(1)",
    "java\tscript:alert(1)", " javascript:alert(1)", "\njavascript:alert(1)",
    "java&NewLine;script:alert(1)", "java&#10;script&colon;alert(1)", "java&Tab;script:x",
    "javascript%3Aalert(1)", "java%0Ascript:alert(1)", "%6a%61vascript:alert(1)",
    "&amp;#106;avascript:x", "%256aavascript:x", "<java\nscript:alert(1)>",
    "da\nta:text/html,<b>x", "data:image/svg+xml;base64,PHN2Zz4=", "vb\nscript:x", "file:///etc",
    "blob:https://a/b", "java\\\nscript:alert(1)", "JAVA\x00SCRIPT:x", "java\u200bscript:x",
    "javascript\n:alert(1)", "ftp://a/b", "intent://a/b", "java\n\tscript:x \"title\"",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "form",
    ["[x]({})", "![x]({})", "a [x][r] b\n\n[r]: {}\n", "> [x]({})", "[![x]({})](https://a/)"],
)
def test_an_address_is_judged_as_a_browser_sees_it(form: str, address: str) -> None:
    for program in LINKING:
        links = Page(program(harmless_markdown(form.format(address)))).links
        for link in links:
            scheme = re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:", re.sub(r"\s", "", unquote(link)))
            assert scheme is None or scheme[0] == "https:"


@given(st.lists(st.sampled_from([*ADDRESSES, "[a](", "![a](", "[a]: ", ")", "<", ">", "\n", "\\",
                                 "java", "script:", ":", '"', "'", "(", " ", "&#x3a;", "%3a", "> ",
                                 "{", "}", "$", "=", "@", ";", ",", "^", "%20",
                                 "[a]", "*", "_", "https://a/", "#", "/"]),
                max_size=14).map("".join))  # fmt: skip
def test_no_link_of_any_program_acts(text: str) -> None:
    for program in LINKING:
        Page(program(harmless_markdown(text)))


def test_links_with_titles_stay() -> None:
    text = '[a](page "see: that") [b](page \'x: y\') [c](https://a/ "z: z") [d](a%20b "x")'
    for page in shown(text):
        assert page.links == ["page", "page", "https://a/", "a%20b"]


@pytest.mark.parametrize(
    "text",
    [
        'Use `<div class="x">` and ``a`b``.',
        "```html\n<script>a && b</script>\n```",
        "1. Do this:\n\n   ```sh\n   ls <here>\n   ```\n2. Then that.",
        "- ```\n  x <y> z\n  ```",
        "| a | b |\n|---|---|\n| `<i>` | c |",
        "~~~\n```\n<b>\n~~~",
        "> So:\n>\n> ```html\n> <b>\n> ```\n> and `<i>`",
        "| a |\n|---|\n| `x\\|y <i>` |",
        "Half of it:\n\n```python\nif a < b:",
    ],
)
def test_code_stays_readable(text: str) -> None:
    wanted = re.findall(
        r'<div class="x">|<script>a && b</script>|ls <here>|x <y> z|y <i>|<i>|<b>|a < b', text
    )
    for page in shown(text):
        assert "code" in page.tags
        assert wanted
        for code in wanted:
            assert code in page.text
        assert "\\|" not in page.text
        assert "&lt;" not in page.text
        assert "&#" not in page.text


def test_code_in_a_list_is_as_far_left_as_elsewhere() -> None:
    for page in shown("1. Do:\n\n   ```py\n   if a:\n       b\n   ```\n"):
        assert "\nif a:\n    b\n" in "\n" + page.text.split("Do:")[1].lstrip("\n")


def test_lone_backticks_are_no_code() -> None:
    for page in shown("A ` here\nand <b> there ` too."):
        assert "code" not in page.tags
        assert "and <b> there ` too." in page.text


def test_text_looks_the_same() -> None:
    text = "Is 1 < 2, a<b, AT&T & \\<x\\> and `\\`? **Yes**, _so_ ~~not~~ <me@example.org>."
    for page in shown(text):
        assert (
            page.text.strip() == "Is 1 < 2, a<b, AT&T & <x> and \\? Yes, so not <me@example.org>."
        )
        assert {"strong", "em", "code"} <= set(page.tags)


def test_good_links_stay() -> None:
    text = (
        "[a](https://example.org/a_(b)) ![p](http://example.org/p.png 'a title') [m](mailto:a@b.c)"
        " [r][1] [here](#part) [there](../x?a=b:c)\n\n[1]: https://example.org/r 'x'\n"
    )
    for page in shown(text):
        assert page.links == [
            "https://example.org/a_(b)", "http://example.org/p.png", "mailto:a@b.c",
            "https://example.org/r", "#part", "../x?a=b:c",
        ]  # fmt: skip


def test_no_control_character_is_left() -> None:
    """Neither for a browser nor for a terminal, where U+009B begins what U+001B [ does."""
    controls = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
    for text in ("a{}b", "`a{}b`", "```\na{}b\n```", "[a](https://example.org/{})", "$a{}b$"):
        for control in controls:
            shown = harmless_markdown(text.format(control))
            assert not set(shown) & (set(controls) - {"\t", "\n"}), repr(control)
            if control in "\r\x85" and text == "a{}b":  # U+0085 is NEXT LINE: words stay apart.
                assert shown == "a\nb"


def test_formulas() -> None:
    assert harmless_markdown("$a<b$") == "$a< b$"  # `&lt;` would be an error of TeX.
    assert "\\href" not in harmless_markdown("$\\href{javascript:alert(1)}{x}$")
    for formula in (r"$$\nf[1](\theta)\n$$", r"$[a]:\R$", r"f[1](\mathbf{x}: y)"):
        assert harmless_markdown(formula) == formula
    assert harmless_markdown("$f[1](x:y)$") == "$f[1] (x:y)$"  # Blanks mean nothing in one.


@pytest.mark.parametrize(
    "text",
    ["](" * 50_000, "\\" * 200_000, "<" * 200_000, "`\\" * 50_000, "a`" * 50_000, "```\n" * 30_000,
     " ".join("`" * size for size in range(500)), "- " * 50_000 + "```", "$<a" * 50_000,
     *(unit * 50_000 for unit in ("]:", "](a ", "]( > ", "[x](%6a", "](&#106;", "[a](http://x/",
                                  "](\n", "]:\t\u200b", "](%20", "]: a"))],
)  # fmt: skip
def test_it_takes_no_time(text: str) -> None:
    start = time.monotonic()
    harmless_markdown(text)
    assert time.monotonic() - start < 10  # Where a square of the length would be minutes.


@pytest.mark.parametrize(
    "text", ["[x](a](javascript:alert(1))", "[x]: b]javascript:alert(1)", "[x](\\](javascript:a)"]
)
def test_an_address_behind_half_a_link_is_judged_too(text: str) -> None:
    for program in LINKING:
        shown = program(harmless_markdown(text))
        assert not re.findall(r"(?:href|src)=\"\s*javascript", shown)


def test_a_reply_shows_itself_so() -> None:
    reply = Reply("<script>alert(1)</script> **bold**")
    assert reply._repr_markdown_() == "&lt;script>alert(1)&lt;/script> **bold**"
    assert str(reply) == reply.text


@pytest.mark.parametrize(
    "text",
    [
        "[x](" + "&#10;" * 45 + "javascript:alert(1))",
        "[x](java" + "&#10;" * 45 + "script:alert(1))",
        "[x](&#x" + "0" * 210 + "6a;avascript:alert(1))",
        "[x][r]\n\n[r]: " + "&#10;" * 45 + "javascript:alert(1)",
    ],
)
def test_no_padding_gets_a_scheme_past_the_check(text: str) -> None:
    assert harmless_markdown(text) != text


def _with_attributes(text: str) -> str:
    return str(markdown.markdown(text, extensions=["extra", "nl2br"]))


@pytest.mark.parametrize(
    "text",
    [
        "[x](http://a.test){: onclick=alert(1)}", "_x_{onmouseover='f()'}", "x\n{: ONCLICK=1 }",
        "# x {: style=position:fixed }", "- x\n{: onfocus=1 onclick=2}",
        "![x](http://a.test/b.png){srcset=http://c.test}", "|a|\n|-|\n|`b`{:onclick=1}|",
        "[x](http://a.test){: #i href=javascript:f() }", "{ {: onclick=1 }\n{: onclick=1 }",
    ],
)  # fmt: skip
def test_no_element_gets_attributes_that_act(text: str) -> None:
    acting = re.compile(r"<[^<>]*(?:\s(?:on\w+|style|srcset)=|=.javascript)", re.IGNORECASE)
    assert acting.search(_with_attributes(text))
    made = _with_attributes(harmless_markdown(text))
    assert not acting.search(made), made


@pytest.mark.parametrize("text", [r"$\frac{a}{b} = 1$", "{a: 1, b = 2}", "{{ x }}", "f(x) = {1}"])
def test_other_braces_stay(text: str) -> None:
    assert harmless_markdown(text) == text


@pytest.mark.parametrize("address", ["< javascript:x>", "<\tjavascript:x>", "<\njavascript:x>"])
def test_a_blank_before_the_address_of_a_definition(address: str) -> None:
    for program in LINKING:
        made = program(harmless_markdown(f"[1]\n\n[1]: {address}"))
        assert "href" not in made.lower(), made
