"""The sandbox's pages in a real browser: `tox run -e browser`."""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatgptes.sandbox import Site

pytest.importorskip("playwright.sync_api", reason="tox's `browser` has playwright")
if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
    pytest.skip("there is no Chromium", allow_module_level=True)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PICTURE = {"name": "dot.png", "mimeType": "image/png", "buffer": PNG}

Show = Callable[..., Any]


def ask(page: Any, text: str, number: int = 0) -> Any:
    """Ask the page's window `number` something; gives its log when the answer has ended."""
    window = page.locator(".cw-window").nth(number)
    window.get_by_role("textbox").fill(text)
    window.get_by_role("textbox").press("Enter")
    window.locator(".cw-log[aria-busy=false]").wait_for()
    return window.get_by_role("log")


@pytest.mark.parametrize(
    "name",
    ["front", "aipkit-old", "aipkit-state", "cookie", "classic", "classic-plain", "classic-lies",
     "classic-glued", "classic-old", "classic-old-plain", "engine", "engine-old", "engine-tailored",
     "engine-custom", "engine-query", "odd-order", "odd-case", "odd-entities-classic", "long"],
)  # fmt: skip
def test_a_conversation(show: Show, name: str) -> None:
    page = show(name)
    ask(page, "My name is Ada")
    log = ask(page, "What is it?")
    said = log.locator(".cw-bot").last
    assert said.locator("strong").inner_text() == "I am the sandbox"
    assert said.locator("blockquote").inner_text() == "What is it?"
    assert said.locator("ol > li").all_inner_texts()[:1] == ["My name is Ada"]
    assert log.locator(".cw-user").all_inner_texts()[0].split("\n") == ["You:", "My name is Ada"]
    assert page.console == []


def test_no_nonces(show: Show) -> None:
    page = show("engine-ancient")
    assert "sandbox" in ask(page, "Hi").inner_text()
    assert "message 2 of our" in ask(page, "Again").inner_text()
    # A browser itself complains about the 404 of the route that this version does not have.
    assert len(page.console) == 1


@pytest.mark.parametrize("name", ["front", "classic", "classic-plain", "engine", "engine-old"])
def test_an_old_nonce(show: Show, site: Site, name: str) -> None:
    page = show(name)
    ask(page, "Hi")
    site.expire_nonces()
    assert "message 2 of our" in ask(page, "Again").inner_text()


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """Holds answers up until it is set."""
    held = threading.Event()
    yield held
    held.set()


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site; where a test wants `held`, its answers wait for that after their first word."""
    if "held" not in request.fixturenames:
        with Site() as site:
            yield site
        return
    held = request.getfixturevalue("held")

    def answer(messages: object) -> Iterator[str]:
        yield "First"
        assert held.wait(60)
        yield " and last."

    with Site(answer=answer) as site:
        yield site


@pytest.mark.parametrize("name", ["front", "classic", "engine"])
def test_it_is_drawn_while_it_arrives(show: Show, held: threading.Event, name: str) -> None:
    page = show(name)
    page.get_by_role("textbox").fill("Hi")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("First", exact=True).wait_for()
    assert page.get_by_role("log").get_attribute("aria-busy") == "true"
    held.set()
    page.get_by_text("First and last.", exact=True).wait_for()
    page.locator(".cw-log[aria-busy=false]").wait_for()


def test_stop(show: Show, held: threading.Event) -> None:
    page = show("front")
    page.get_by_role("textbox").fill("Hi")
    page.get_by_role("textbox").press("Enter")
    page.get_by_text("First", exact=True).wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    assert "First" in page.get_by_role("log").inner_text()
    page.get_by_role("button", name="Send").wait_for()
    held.set()


@pytest.mark.parametrize(
    ("name", "fault", "said"),
    [
        ("front", "quota", 'You have reached "the limit" for today.'),
        ("front", "model-drop", "Connection Error: the model hung up"),
        ("front", "cut", "The site cannot be reached, or the connection broke off."),
        ("front", "rate-limit", "Too many requests. Try again in 1 s."),
        ("front", "redirect-foreign", "The site sends the message on to another address. "
         "That was not followed."),
        ("classic", "quota", "That was enough for today."),
        ("classic", "banned-word", "Please say that without the forbidden word."),
        ("classic", "model-500", "The model met a problem of its own. Sorry about that!"),
        ("classic-plain", "model-quotes", "No \"blue\" here. Try 'red' & <green> instead."),
        ("classic-plain", "http-404", "The site answered with status 404."),
        ("engine", "banned-word", "Please say that without the forbidden word."),
        ("engine", "moderation", "A moderator that never sleeps did not like this message."),
        ("engine", "fatal", "This site has broken down. What to do"),
        ("engine", "no-end", "The answer broke off."),
    ],
)  # fmt: skip
def test_failures(show: Show, site: Site, name: str, fault: str, said: str) -> None:
    page = show(name)
    site.next(fault)
    log = ask(page, "Hi")
    assert log.locator(".cw-failed").inner_text() == said
    if fault in ("model-drop", "no-end"):  # What had arrived stays; a cut loses some.
        assert "I am" in log.locator(".cw-bot").last.inner_text()
    assert "PRIVATE" not in page.content()
    ask(page, "And now?")
    assert log.locator("blockquote").last.inner_text() == "And now?"


@pytest.mark.parametrize("name", ["front", "classic", "engine"])
def test_redirects_are_not_followed(show: Show, site: Site, name: str) -> None:
    page = show(name)
    site.next("redirect")
    assert "was not followed" in ask(page, "Hi").inner_text()
    assert site.requests[-1].path != "/"


def test_a_quota(show: Show, site: Site) -> None:
    site.quota = 1
    page = show("engine")
    ask(page, "One")
    assert ask(page, "Two").locator(".cw-failed").inner_text() == "That was enough for today."


@pytest.mark.parametrize("name", ["aipkit-two", "classic-two", "engine-two", "plugins", "mixed"])
def test_two_bots(show: Show, site: Site, name: str) -> None:
    page = show(name)
    ask(page, "To the first")
    second = ask(page, "To the second", 1)
    assert "To the first" not in second.inner_text()
    assert [messages[-1]["content"] for messages in site.messages] == [
        "To the first",
        "To the second",
    ]
    assert all(len(messages) == 1 for messages in site.messages)
    labels = [each.get_attribute("aria-label") for each in page.locator(".cw-window").all()]
    assert len(set(labels)) == 2
    assert page.console == []


@pytest.mark.parametrize("name", ["aipkit-popup", "classic-widget", "engine-window"])
def test_a_floating_window(show: Show, name: str) -> None:
    page = show(name, 390, 700)
    box, toggle = page.get_by_role("textbox"), page.locator(".cw-float > button")
    assert not box.is_visible()
    toggle.click()
    assert toggle.get_attribute("aria-expanded") == "true"
    assert box.evaluate("element => element === document.activeElement")
    assert "sandbox" in ask(page, "Hi").inner_text()
    page.keyboard.press("Escape")
    assert not box.is_visible()
    assert toggle.evaluate("element => element === document.activeElement")


@pytest.mark.parametrize(
    "name", ["aipkit-images", "classic", "classic-plain", "engine-images", "engine-old"]
)
def test_images(show: Show, site: Site, name: str) -> None:
    page = show(name)
    page.get_by_label("Add an image").or_(page.get_by_label("Add images")).set_input_files(
        [PICTURE]
    )
    page.get_by_role("button", name="Remove dot.png").wait_for()
    assert "With it came 1 image" in ask(page, "What is it?").inner_text()
    assert site.messages[0][-1]["images"] == [("image/png", PNG)]
    assert page.get_by_alt_text("dot.png").evaluate("image => image.naturalWidth") == 1


def test_images_where_the_bot_takes_none(show: Show) -> None:
    assert show("front").locator("input[type=file]").count() == 0


def test_consent(show: Show) -> None:
    for name in ("consent", "engine-consent"):
        page = show(name)
        assert not page.get_by_role("textbox").is_visible()
        page.get_by_role("button", name="I agree").click()
        assert "sandbox" in ask(page, "Hi").inner_text()


def test_web_search_and_sources(show: Show, site: Site) -> None:
    page = show("aipkit-state")
    page.get_by_label("Search the web").check()
    log = ask(page, "Hi")
    assert (
        log.get_by_role("link", name="Example A").get_attribute("href") == "https://example.com/a"
    )
    ask(page, "Again")
    asked = [each.query for each in site.requests if "cache_key" in each.query]
    assert asked[0]["frontend_web_search_active"] == "true"
    assert asked[1]["previous_openai_response_id"]


def test_greetings_starters_and_a_new_chat(show: Show, site: Site) -> None:
    page = show("engine")
    greeting = page.locator(".cw-bot").inner_text()
    assert 'no "model" · ünïcödé' in greeting
    ask(page, "My name is Ada")
    page.get_by_role("button", name="New chat").click()
    assert page.locator(".cw-message").all_inner_texts() == [greeting]
    ask(page, "Who am I?")
    assert len(site.messages[-1]) == 1

    def add(route: Any) -> None:
        body = route.fetch().text()
        none = "&quot;enableStarters&quot;:false,&quot;starters&quot;:[]"
        some = "&quot;enableStarters&quot;:true,&quot;starters&quot;:[&quot;What can you do?&quot;]"
        assert none in body
        route.fulfill(body=body.replace(none, some).replace("Hello!", "Welcome!"))

    page.route(f"{site.page('consent')}", add)
    page.goto(site.page("consent"))
    assert "Welcome" in page.get_by_role("log").inner_text()
    page.get_by_role("button", name="I agree").click()
    page.get_by_role("button", name="What can you do?").click()
    page.locator(".cw-log[aria-busy=false]").wait_for()
    assert site.messages[-1][-1]["content"] == "What can you do?"


@pytest.mark.parametrize("name", ["front", "aipkit-two", "classic-widget", "engine-images"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(show: Show, site: Site, name: str, scheme: str) -> None:
    site.lists_faults = True
    page = show(name, 390, 844, color_scheme=scheme)
    if name == "classic-widget":
        page.locator(".cw-float > button").click()
    ask(page, "```\n" + "long " * 60 + "\n```\n" + "x" * 120)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(background[4:].split(",")[0]) < 80) is (scheme == "dark")


MARKDOWN = """\
# A heading

One *two* **three `four`**, [a link](https://example.com/a_b) and [none](javascript:alert(1)).
Second line, <img src="https://elsewhere.invalid/x.png"> and ![picture](https://example.com/p.png).

1. first
   - inner
2. second

```js
let <b> = "# no heading";
```
> quoted
"""


def test_markdown(show: Show, site: Site) -> None:
    page = show("front")
    ask(page, "Hi")
    nodes = page.evaluate(
        """async (text) => {
            const { markdown } = await import("/sandbox/markdown.js");
            const box = document.createElement("div");
            box.append(...markdown(text));
            return box.innerHTML;
        }""",
        MARKDOWN,
    )
    link = '<a href="{0}" target="_blank" rel="noopener noreferrer nofollow">{1}</a>'.format
    assert nodes == (
        "<h3>A heading</h3><p>One <em>two</em> <strong>three <code>four</code></strong>, "
        f"{link('https://example.com/a_b', 'a link')} and [none](javascript:alert(1)).\n"
        'Second line, &lt;img src="'
        f"{link('https://elsewhere.invalid/x.png', 'https://elsewhere.invalid/x.png')}"
        f'"&gt; and {link("https://example.com/p.png", "picture")}.</p>'
        '<ol start="1"><li><p>first</p><ul><li><p>inner</p></li></ul></li>'
        "<li><p>second</p></li></ol>"
        '<pre tabindex="0"><code>let &lt;b&gt; = "# no heading";</code></pre>'
        "<blockquote><p>quoted</p></blockquote>"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("foreign", "This page says that its bot is at https://elsewhere.invalid"),
        ("foreign-classic", "This page says that its bot is at https://elsewhere.invalid"),
        ("foreign-engine", "This page says that its bot is at https://elsewhere.invalid"),
        ("broken-json", "This bot's element cannot be read."),
        ("broken-nonce", "This bot's element has no nonce."),
        ("engine-saved", "This bot's element cannot be read."),
        ("nobot", "This page shows no bot."),
        ("engine-nobot", "This page shows no bot."),
    ],
)
def test_pages_without_a_bot_to_ask(show: Show, name: str, said: str) -> None:
    page = show(name)
    if page.get_by_role("textbox").count():
        ask(page, "Hi")
    assert said in page.locator("main").inner_text()
    assert page.console == []


def test_the_index(show: Show, site: Site) -> None:
    page = show("front")
    links = page.locator(".cw-index a")
    names = set(links.all_inner_texts())
    assert names == {name for name in site.pages if not name.startswith("fault-")}
    page.get_by_role("link", name="classic-two", exact=True).click()
    assert page.url == site.page("classic-two")
    page.get_by_role("link", name="All pages").click()
    assert page.url == site.url
    site.lists_faults = True
    page.reload()
    assert set(links.all_inner_texts()) == set(site.pages)
