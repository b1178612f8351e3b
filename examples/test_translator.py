"""A program and its tests: each test has a site whose bot gives the answers that the test sets.

pytest examples/test_translator.py
pytest examples/test_translator.py --chatgptes-site https://example.org/   # with a real bot
"""

import pytest

import chatgptes
from chatgptes.integrations.pytest_plugin import SiteUnderTest


def translate(text: str, site: str) -> str:
    """The program: a translation, or the text itself with a remark where there is none."""
    try:
        reply = chatgptes.chat(f"Translate into French: {text}", site=site, timeout=30)
    except chatgptes.StreamInterruptedError as error:
        return f"{error.partial} […]"
    except chatgptes.QuotaError:
        return f"{text} (no more translations today)"
    return reply.text


def test_what_is_asked_and_what_comes_back(chatgptes_site: SiteUnderTest) -> None:
    chatgptes_site.answers("Bonjour", "Au revoir")
    assert translate("Good morning", chatgptes_site.url) == "Bonjour"
    assert translate("Good bye", chatgptes_site.url) == "Au revoir"
    assert chatgptes_site.prompts[1] == "Translate into French: Good bye"


def test_failures(chatgptes_site: SiteUnderTest) -> None:
    chatgptes_site.fails("quota")
    chatgptes_site.fails("cut", saying="Il était une")
    assert translate("Hello", chatgptes_site.url) == "Hello (no more translations today)"
    assert translate("Once upon a time", chatgptes_site.url) == "Il était une […]"


@pytest.mark.chatgptes(dialect=["aipkit", "classic", "plain"])
def test_on_every_kind_of_site(chatgptes_site: SiteUnderTest) -> None:
    chatgptes_site.always(lambda prompt: prompt.removeprefix("Translate into French: ").upper())
    assert translate("Good morning", chatgptes_site.url) == "GOOD MORNING"


def test_there_is_an_answer(chatgptes_site: SiteUnderTest) -> None:
    """Gives no orders to the bot, so it runs with a real one, too."""
    assert translate("Good morning", chatgptes_site.url)
