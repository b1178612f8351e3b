"""`ChatGptEsChat` as an object: its fields, secrets, copies and clients."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import subprocess
import sys
import threading
import weakref
from http.cookiejar import CookieJar
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

import chatgptes
from chatgptes import shared
from chatgptes.sandbox import Site

pytest.importorskip("langchain_core")

from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumpd, dumps
from langchain_core.runnables import ConfigurableField
from langchain_core.tracers import BaseTracer
from pydantic import SecretStr

from chatgptes.integrations.langchain.model import ChatGptEsChat
from chatgptes.integrations.pytest_plugin.site import default_is
from chatgptes.turn.config import ClientArguments

SECRETS = {
    "site": "https://user:site-password@staging.example.org/chat/",
    "proxy": "http://me:proxy-password@proxy.example.net:3128",
    "headers": {"X-Api-Token": "header-token"},
    "cookies": {"session": "cookie-value"},
}
WORDS = ("site-password", "proxy-password", "header-token", "cookie-value", "owner-key")


def secretive() -> list[ChatGptEsChat]:
    """Models with secrets, that came by them in every way there is."""
    rest: dict[str, Any] = {
        **SECRETS, "site": "https://example.org/", "api_key": "owner-key", "bot": 5,
    }  # fmt: skip
    plain = ChatGptEsChat(site="https://example.org/")
    models = [plain.model_copy()]
    for arguments in (SECRETS, rest):
        for name, value in arguments.items():
            setattr(models[-1], name, value)
        made = [
            ChatGptEsChat(**arguments),
            ChatGptEsChat.model_construct(**arguments),
            plain.model_copy(update=arguments),
            copy.deepcopy(ChatGptEsChat(**arguments)),
            plain.model_copy(),
        ]
        models += made
    return models[:-1]


class Locked:
    """A transport that can't be copied."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def send(self, request: Any, deadline: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None: ...


class Traced(BaseTracer):
    """Keeps what a tracing service would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Any] = []

    def _persist_run(self, run: Any) -> None:
        self.runs.append(run)


class TestFields:
    def test_those_of_a_client(self) -> None:
        assert set(ClientArguments.__annotations__) <= set(ChatGptEsChat.model_fields)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"site": "example.org"},
            {"site": None},
            {"bot": ""},
            {"api_key": "key"},
            {"api_key": 5, "bot": 5},
            {"timeout": -1},
            {"timeout": "10"},
            {"retries": "2"},
            {"max_retries": -1},
            {"max_concurrency": 0},
            {"max_concurrency": 4.0},
            {"limits": 5},
            {"headers": {"Host": "x"}},
            {"stop": [""]},
            {"transport": "bogus"},
            {"transport": object()},
            {"impersonate": 5},
            {"proxy": "foo://x"},
            {"verify": 5},
            {"cookies": {"a": 5}},
        ],
    )
    def test_bad_ones(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(chatgptes.InvalidConfigError):
            ChatGptEsChat(**arguments)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"verify": "/no/such/file.pem"}, "verify"),
            ({"transport": "curl_cffi", "impersonate": "netscape"}, "netscape"),
        ],
    )
    def test_what_only_a_transport_can_tell(
        self, site: Site, arguments: dict[str, Any], words: str
    ) -> None:
        bot = ChatGptEsChat(site=site.url, **arguments)
        with pytest.raises(chatgptes.InvalidConfigError, match=words):
            bot.invoke("Hello")
        with pytest.raises(chatgptes.InvalidConfigError, match=words):
            asyncio.run(bot.ainvoke("Hello"))
        assert not site.requests

    def test_made_on_an_event_loop(self) -> None:
        async def main() -> None:
            with blockbuster_ctx():
                ChatGptEsChat("https://example.org/", verify="/x.pem", proxy="http://localhost:1")

        asyncio.run(main())

    def test_bad_ones_set_later(self, site: Site) -> None:
        bot = ChatGptEsChat(site=site.url)
        bot.site = "no url"
        assert "no url" not in repr(bot)
        with pytest.raises(chatgptes.InvalidConfigError):
            bot.invoke("Hello")
        bot = ChatGptEsChat(site=site.url)
        bot.max_concurrency = 0
        with pytest.raises(chatgptes.InvalidConfigError):
            bot.batch(["Hello", "Hey"])
        assert not site.requests

    def test_unknown_ones(self) -> None:
        """A typo must not send a message to another site."""
        with pytest.raises(TypeError, match="stie"):
            ChatGptEsChat(stie="https://example.org/")

    def test_langchains_own(self) -> None:
        bot = ChatGptEsChat(
            site="https://example.org/", max_retries=5, tags=["a"], name="bot", temperature=None
        )
        assert (bot.retries, bot.tags, bot.name) == (5, ["a"], "bot")
        with pytest.warns(UserWarning, match="has no effect") as caught:
            ChatGptEsChat(site="https://example.org/", temperature=0, max_tokens=10)
        assert [each.filename for each in caught] == [__file__] * 2
        for each, name in zip(caught, ("temperature", "max_tokens"), strict=True):
            assert f"decides {name}:" in str(each.message)
            assert "example.org" in str(each.message)

    def test_the_first_may_go_without_its_name(self) -> None:
        assert ChatGptEsChat("https://example.org/").site == "https://example.org/"

    def test_what_traces_call_it(self) -> None:
        bot = ChatGptEsChat(site="https://example.org/chat/", bot=5, stop="END")
        params = bot._get_ls_params()
        assert params["ls_provider"] == "chatgptes"
        assert params["ls_model_name"] == "bot 5 of example.org"
        assert params["ls_stop"] == ["END"]
        assert bot._get_ls_params(stop=["x"])["ls_stop"] == ["x"]
        assert ChatGptEsChat()._get_ls_params()["ls_model_name"] == "chatgpt.es"
        # It did not answer, but LangChain wants it named.
        assert bot._get_ls_params(model="gpt-4o")["ls_model_name"] == "gpt-4o"


class TestSecrets:
    def test_nowhere(self) -> None:
        for bot in secretive():
            shown = [
                repr(bot), str(bot), dumps(bot), json.dumps(dumpd(bot | (lambda x: x))),
                bot.model_dump_json(exclude={"transport"}), repr(bot.model_dump()),
                repr(bot._get_invocation_params()), repr(bot._get_ls_params()), repr(bot.to_json()),
                repr(bot.bind(stop=["x"])), repr(bot._get_llm_string()),
            ]  # fmt: skip
            for text in shown:
                assert "example.org" in text
                assert not [word for word in WORDS if word in text], text

    def test_key_is_a_secret_string(self) -> None:
        for key in ("owner-key", SecretStr("owner-key")):
            bot = ChatGptEsChat(site="https://example.org/", bot=5, api_key=key)
            assert isinstance(bot.api_key, SecretStr)
            assert bot.api_key.get_secret_value() == "owner-key"

    def test_not_in_errors(self) -> None:
        for wrong in (
            {"timeout": -1}, {"bot": ""}, {"stop": ""}, {"nonsense": 1}, {"tags": 5},
            {"proxy": ["http://me:proxy-password@x"]},
        ):  # fmt: skip
            with pytest.raises((TypeError, ValueError)) as caught:
                ChatGptEsChat(**{**SECRETS, **wrong}).invoke("Hello", timeout=1)
            text = f"{caught.value!r} {caught.value}"
            assert not [word for word in WORDS if word in text], text

    def test_not_in_traces(self, site: Site) -> None:
        traced = Traced()
        bot = ChatGptEsChat(
            site=site.home, bot=site.rest_bot, api_key=site.api_key, headers=SECRETS["headers"]
        )
        bot.invoke("Hello", config={"callbacks": [traced]})
        list(bot.stream("Hello", config={"callbacks": [traced]}))
        bot.api_key = SecretStr("wrong-owner-key")
        with pytest.raises(chatgptes.AuthenticationError):
            bot.invoke("Hello", config={"callbacks": [traced]})
        assert len(traced.runs) == 3
        assert traced.runs[2].error
        for run in traced.runs:
            text = run.model_dump_json() if hasattr(run, "model_dump_json") else run.json()
            assert site.home in text
            assert not [word for word in (*WORDS, site.api_key) if word in text]


class TestCopies:
    @pytest.mark.parametrize(
        "copied", [copy.copy, copy.deepcopy, lambda bot: pickle.loads(pickle.dumps(bot))]
    )
    def test_alike(self, site: Site, copied: Any) -> None:
        bot = ChatGptEsChat(
            site=site.home, api_key=site.api_key, bot=site.rest_bot, stop=["nowhere"]
        )
        again = copied(bot)
        assert again.stop == ["nowhere"]
        assert "sandbox" in again.invoke("Hello").text
        # The owner's limits hang on the visitor, so copies are the same one.
        assert again._shared_client() is bot._shared_client()

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda bot: bot.model_copy(deep=True)])
    def test_deep_ones_share_what_a_client_is_made_of(self, site: Site, copied: Any) -> None:
        jar, transport = CookieJar(), Locked()
        bot = ChatGptEsChat(site.url, cookies=jar, transport=transport, metadata={"a": [1]})
        for bots in (bot, copied(bot)):  # Before the first turn, and after it.
            bots._shared_client()
            again = copied(bots)
            assert again.metadata is not bots.metadata
            assert again._shared_client() is bot._shared_client()

    def test_unpickled_elsewhere_it_is_the_same_visitor(self, site: Site) -> None:
        bot = ChatGptEsChat(site=site.url)
        visitor = bot._shared_client().visitor
        program = (
            "import pickle, sys\n"
            "bot = pickle.load(sys.stdin.buffer)\n"
            "print(bot._shared_client().visitor, bot.model_copy()._shared_client().visitor)\n"
            "bot.retries = 7\n"
            "print(bot._shared_client().visitor)\n"
        )
        found = subprocess.run(
            [sys.executable, "-c", program],
            input=pickle.dumps(bot),
            capture_output=True,
            check=True,
        )
        same, copied, other = found.stdout.decode().split()
        assert same == copied == visitor != other

    def test_with_changes(self, site: Site) -> None:
        bot = ChatGptEsChat(site=site.url)
        other = bot.model_copy(update={"site": site.page("classic")})
        assert other.invoke("Hello").response_metadata["dialect"] == "wpaicg"
        assert bot.invoke("Hello").response_metadata["dialect"] == "aipkit"
        bot.site = site.page("classic")
        assert bot.invoke("Hello").response_metadata["dialect"] == "wpaicg"

    def test_configurable(self, site: Site) -> None:
        bot = ChatGptEsChat(
            site=site.home, api_key=site.api_key, bot=site.rest_bot
        ).configurable_fields(bot=ConfigurableField(id="bot"))
        assert "sandbox" in str(bot.invoke("Hello"))
        faulty = bot.with_config(configurable={"bot": site.rest_bots["fault-model-500"]})
        with pytest.raises(chatgptes.UpstreamError):
            faulty.invoke("Hello")

    def test_validated_from_a_dict(self) -> None:
        bot = ChatGptEsChat.model_validate({"site": "https://example.org/", "retries": 1})
        assert bot.retries == 1


class TestClients:
    def test_one_for_equal_arguments(self, site: Site) -> None:
        first, second = ChatGptEsChat(site=site.url), ChatGptEsChat(site=site.url, timeout=9)
        assert first._shared_client() is second._shared_client()
        first.invoke("Hello")
        second.invoke("Hello")
        assert [request.path for request in site.requests].count("/") == 1
        assert ChatGptEsChat(site=site.url, retries=0)._shared_client() is not second._client

    def test_many_sets_do_not_push_out_one_that_is_used(self, site: Site) -> None:
        bot = ChatGptEsChat(site=site.url)
        bot.invoke("Hello")
        for number in range(20):
            ChatGptEsChat(site=site.url, retries=number)
        bot.invoke("Hello")
        assert [request.path for request in site.requests].count("/") == 1

    def test_a_live_one_is_found_again(self, site: Site) -> None:
        bot = ChatGptEsChat(site=site.url)
        client = bot._shared_client()
        for number in range(20):
            ChatGptEsChat(site=site.url, retries=number + 3)._shared_client()
        assert ChatGptEsChat(site=site.url)._shared_client() is client
        assert bot._shared_client() is client

    def test_one_that_nobody_holds_goes(self, site: Site) -> None:
        client = weakref.ref(ChatGptEsChat(site=site.url)._shared_client())
        for number in range(8):
            ChatGptEsChat(site=site.url, retries=number + 3)._shared_client()
        gc.collect()
        assert client() is None

    def test_a_new_one_for_one_that_was_closed(self, site: Site) -> None:
        bot = ChatGptEsChat(site=site.url)
        bot.invoke("Hello")
        bot._shared_client().close()
        assert "sandbox" in bot.invoke("Hello").text

    @pytest.mark.parametrize("used", [False, True])
    def test_a_model_outlives_tests(self, used: bool) -> None:
        """As in a program's module: the pytest plugin gives each test a site, and ends clients."""
        bot = ChatGptEsChat()
        outside = bot._shared_client() if used else None
        for _ in range(2):
            with Site() as site, default_is({"site": site.url}, shared.ClientCache()):
                assert "sandbox" in bot.invoke("Hello").text
                assert len(site.messages) == 1
        if outside is not None:
            assert bot._shared_client() is outside
            assert not outside.core.closed

    def test_none_is_made_before_it_is_used(self) -> None:
        before = set(shared._cache.recent)
        bot = ChatGptEsChat(site="https://example.org/", headers={"X-Test": "not used"})
        assert set(shared._cache.recent) == before
        bot._shared_client()
        assert set(shared._cache.recent) != before

    @pytest.mark.parametrize(("name", "header"), [("headers", "x-mine"), ("cookies", "cookie")])
    def test_what_was_given_may_be_changed(self, site: Site, name: str, header: str) -> None:
        given = {"X-Mine": "one"}
        bot = ChatGptEsChat(site=site.url, **{name: given})
        bot.invoke("Hello")
        for each in (given, getattr(bot, name)):
            each["X-Mine"] = "two"
        bot.invoke("Hello")
        assert "two" in site.requests[-1].headers[header]

    def test_from_many_threads(self, site: Site) -> None:
        bot = ChatGptEsChat(site=site.url)
        texts: list[str] = []
        threads = [
            threading.Thread(target=lambda: texts.append(bot.invoke("Hello").text))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(texts) == 12
        assert [request.path for request in site.requests].count("/") == 1

    def test_cookie_jars_are_told_apart(self) -> None:
        one, other = CookieJar(), CookieJar()
        models = [ChatGptEsChat(site="https://example.org/", cookies=jar) for jar in (one, other)]
        assert models[0]._shared_client() is not models[1]._shared_client()


def test_cache(site: Site) -> None:
    cache = InMemoryCache()
    bot = ChatGptEsChat(site=site.url, cache=cache)
    assert bot.invoke("Hello").text == bot.invoke("Hello").text
    assert len(site.messages) == 1
    ChatGptEsChat(site=site.page("classic"), cache=cache).invoke("Hello")
    bot.invoke("Hello", stop=["You"])
    ChatGptEsChat(site=site.url, cache=cache, system="Be brief.").invoke("Hello")
    ChatGptEsChat(site=site.url, cache=cache, stop="You").invoke("Hello")
    assert len(site.messages) == 5
    for bot_id in ("31", "32"):
        ChatGptEsChat(site=site.page("classic-two"), bot=bot_id, cache=cache).invoke("Hello")
    assert len(site.messages) == 7


@pytest.mark.parametrize(
    "arguments",
    [{"cookies": {"logged_in": "ada"}}, {"headers": {"X-User": "ada"}}, {"login": "ada:password"}],
)
def test_answers_to_one_visitor_are_not_cached_for_others(
    site: Site, arguments: dict[str, Any]
) -> None:
    """A cache does not know who asks, so it is used only if the model names it."""
    login = arguments.pop("login", None)
    url = site.url.replace("://", f"://{login}@") if login else site.url
    cache = InMemoryCache()
    set_llm_cache(cache)
    try:
        for _ in range(2):
            ChatGptEsChat(url, **arguments).invoke("My orders?")
        assert len(site.messages) == 2
        for _ in range(2):
            ChatGptEsChat(url, **arguments, cache=True).invoke("My orders?")
            ChatGptEsChat(site.url).invoke("My orders?")
        assert len(site.messages) == 3
    finally:
        set_llm_cache(None)


def test_without_langchain() -> None:
    program = (
        "import sys\n"
        "import chatgptes, chatgptes.integrations\n"
        "assert not any(name.startswith(('langchain', 'pydantic')) for name in sys.modules)\n"
        "sys.modules['langchain_core'] = None\n"
        "try:\n"
        "    import chatgptes.integrations.langchain\n"
        "except chatgptes.MissingRequirementsError as error:\n"
        "    print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8")
    assert "pip install 'langchain-core>=1.0'" in found.stdout, found.stderr
