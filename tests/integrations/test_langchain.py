"""`ChatGptEsChat` in LangChain: turns, chains, errors.  Run by the tox environment `langchain`."""

from __future__ import annotations

import asyncio
import base64
import itertools
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import given
from hypothesis import strategies as st

import chatgptes
from chatgptes.sandbox import Site

pytest.importorskip("langchain_core")

from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableParallel
from langchain_core.runnables.history import RunnableWithMessageHistory

from chatgptes.integrations.langchain.model import ChatGptEsChat
from chatgptes.integrations.langchain.stop import StopFilter, stop_words

Answer = Callable[[list[dict[str, str]]], Any]


def model(site: Site, **fields: Any) -> ChatGptEsChat:
    return ChatGptEsChat(site=site.url, **fields)


def with_key(site: Site, **fields: Any) -> ChatGptEsChat:
    return ChatGptEsChat(site=site.home, api_key=site.api_key, bot=site.rest_bot, **fields)


def run(main: Any) -> Any:
    """`main` on an event loop that must not be blocked."""

    async def guarded() -> Any:
        with blockbuster_ctx():
            return await main

    return asyncio.run(guarded())


async def collected(stream: Any) -> list[Any]:
    return [each async for each in stream]


def whole(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    return sum(chunks[1:], start=chunks[0])


class Endless:
    """A bot that goes on until nobody listens; `.gone` is set then."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    def __call__(self, _: list[dict[str, str]]) -> Iterator[str]:
        try:
            for number in itertools.count():
                yield f"word{number} "
                self.gone.wait(0.002)
        finally:
            self.gone.set()


class Heard(BaseCallbackHandler):
    """What callbacks are told."""

    raise_error = True

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.errors: list[BaseException] = []
        self.responses: list[Any] = []
        self.now = self.most = 0
        self._lock = threading.Lock()

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def on_llm_new_token(self, token: Any, **_: Any) -> None:
        self.tokens.append(token)

    def on_llm_end(self, *_: Any, **__: Any) -> None:
        with self._lock:
            self.now -= 1

    def on_llm_error(self, error: BaseException, *, response: Any = None, **_: Any) -> None:
        self.errors.append(error)
        self.responses.append(response)


class TestMessages:
    HISTORY = (
        SystemMessage("Be brief."),
        HumanMessage("My name is Ada.", name="ada"),
        AIMessage("Hello Ada."),
        HumanMessage("What is my name?"),
    )

    def test_system_and_history_arrive(self, site: Site) -> None:
        with_key(site).invoke(list(self.HISTORY))
        (asked,) = site.messages
        assert [message["role"] for message in asked][-3:] == ["user", "assistant", "user"]
        assert asked[-3]["content"] == "Be brief.\n\nMy name is Ada."
        assert asked[-1]["content"] == "What is my name?"

    def test_dialects(self, site: Site) -> None:
        for page in ("front", "classic", "classic-plain"):
            ChatGptEsChat(site=site.page(page)).invoke(list(self.HISTORY))
        assert all("What is my name?" in asked[-1]["content"] for asked in site.messages)
        assert all("Hello Ada." in str(asked) for asked in site.messages)

    def test_shapes_of_text(self, site: Site) -> None:
        thought = AIMessage(
            [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "A"}]
        )
        parts = ["One ", {"type": "text", "text": "two ", "index": 0, "annotations": []}, "three"]
        with_key(site).invoke(
            [ChatMessage("Q", role="human"), thought, ChatMessage("Sys", role="developer"),
             HumanMessage(parts)]
        )  # fmt: skip
        contents = [message["content"] for message in site.messages[0]]
        assert contents[-3:] == ["Sys\n\nQ", "A", "One two three"]

    @pytest.mark.parametrize(
        "messages",
        [
            [],
            [SystemMessage("Only this.")],
            [HumanMessage("Hi"), AIMessage("And so on")],
            [HumanMessage("Hi"), ToolMessage("42", tool_call_id="1"), HumanMessage("So?")],
            [
                AIMessage("Let me see.", tool_calls=[{"name": "add", "args": {}, "id": "1"}]),
                HumanMessage("So?"),
            ],
            [ChatMessage("Hi", role="robot"), HumanMessage("So?")],
            [HumanMessage([{"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}])],
            [HumanMessage([{"type": "whatever"}, "Hi"])],
            [HumanMessage([{"type": "image", "base64": "no base64", "mime_type": "image/png"}])],
            [HumanMessage([{"type": "image", "file_id": "file-1"}])],
            [HumanMessage([{"type": "text"}])],
            [HumanMessage([{"type": "text", "text": 5}])],
            [HumanMessage([{"type": "non_standard"}])],
            [HumanMessage([{"type": "non_standard", "value": "text"}])],
            [HumanMessage([{"type": "image", "url": 5}])],
            [HumanMessage([{"type": "image", "base64": b"AAAA", "mime_type": "image/png"}])],
            [HumanMessage([{"type": "image", "url": "https://example.org/cat.png"}, "What?"])],
            [HumanMessage([{"type": "image_url",
                            "image_url": {"url": "https://example.org/cat.png"}}, "What?"])],
            [HumanMessage("")],
        ],
    )  # fmt: skip
    def test_refused_before_anything_is_sent(self, site: Site, messages: list[BaseMessage]) -> None:
        bot = model(site)
        with pytest.raises(chatgptes.InvalidMessageError):
            bot.invoke(messages)
        with pytest.raises(chatgptes.InvalidMessageError):
            list(bot.stream(messages))
        with pytest.raises(chatgptes.InvalidMessageError):
            run(bot.ainvoke(messages))
        assert not site.requests

    def test_refusal_does_not_repeat_the_data(self, site: Site) -> None:
        sound = base64.b64encode(b"secret" * 50).decode()
        with pytest.raises(chatgptes.InvalidMessageError, match="audio") as caught:
            model(site).invoke([HumanMessage([{"type": "audio", "base64": sound}])])
        assert sound[:40] not in str(caught.value)


class TestImages:
    PNG = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
    )
    DATA = base64.b64encode(PNG).decode()
    SHAPES = (
        {"type": "image", "base64": DATA, "mime_type": "image/png"},
        {"type": "image", "source_type": "base64", "data": DATA, "mime_type": "image/png"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
        {"type": "image", "url": f"data:image/png;base64,{DATA}"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": DATA},
        },
    )

    @pytest.mark.parametrize("block", SHAPES)
    @pytest.mark.parametrize("page", ["classic", "aipkit-images"])
    def test_every_shape_arrives(self, site: Site, page: str, block: dict[str, Any]) -> None:
        bot = ChatGptEsChat(site=site.page(page))
        message = HumanMessage([{"type": "text", "text": "What is it?"}, block])
        bot.invoke([message])
        list(bot.stream([message]))
        run(bot.ainvoke([message]))
        run(collected(bot.astream([message])))
        assert len(site.messages) == 4
        for asked in site.messages:
            assert asked[-1]["content"] == "What is it?"
            assert asked[-1]["images"] == [("image/png", self.PNG)]

    def test_no_file_is_read(self, site: Site, tmp_path: Path) -> None:
        """A message may come from anybody: an address in it is no path."""
        picture = tmp_path / "picture.png"
        picture.write_bytes(self.PNG)
        for url in (str(picture), picture.as_uri(), "https://example.org/cat.png"):
            for block in (
                {"type": "image", "url": url},
                {"type": "image_url", "image_url": {"url": url}},
                {"type": "image", "image": url},
                {"type": "image", "base64": url, "mime_type": "image/png"},
            ):
                with pytest.raises(chatgptes.InvalidMessageError):
                    ChatGptEsChat(site=site.page("classic")).invoke([HumanMessage([block, "?"])])
        assert not site.messages

    def test_where_none_is_taken(self, site: Site) -> None:
        message = HumanMessage(["What is it?", self.SHAPES[0]])
        for bot in (with_key(site), model(site)):
            with pytest.raises(chatgptes.InvalidMessageError):
                bot.invoke([message])
        assert not site.messages


class TestWebSearch:
    def test_citations(self, site: Site) -> None:
        bot = ChatGptEsChat(site=site.page("aipkit-state"))
        for message in (
            bot.invoke("What is new?", web_search=True),
            bot.bind(web_search=True).invoke("What is new?"),
            whole(list(bot.stream("What is new?", web_search=True))),
        ):
            cited = message.response_metadata["citations"]
            assert cited[0]["url"] == "https://example.com/a"
            *_, block = message.content_blocks
            assert block["type"] == "text"
            assert block["annotations"][0]["type"] == "citation"
            assert block["annotations"][0]["url"] == "https://example.com/a"
            assert "sandbox" in message.text
            # As a part of a history it is text like any other.
            history = [HumanMessage("What is new?"), message, HumanMessage("And?")]
            assert bot.invoke(history).text

    def test_where_none_is_offered(self, site: Site) -> None:
        with pytest.raises(chatgptes.InvalidConfigError):
            with_key(site).invoke("What is new?", web_search=True)


class TestAnswers:
    def test_metadata(self, site: Site) -> None:
        with get_usage_metadata_callback() as counted:
            message = with_key(site).invoke("Hello")
        assert "sandbox" in message.text
        known = message.response_metadata
        assert known["model_provider"] == "chatgptes"
        assert known["model_name"] == "sandbox-1"
        assert known["dialect"] == "rest"
        assert known["bot"] == site.rest_bot
        assert known["site"] == site.home
        assert message.usage_metadata is not None
        assert message.usage_metadata["input_tokens"] > 0
        assert counted.usage_metadata["sandbox-1"] == message.usage_metadata

    def test_streamed_is_the_same(self, site: Site) -> None:
        once = with_key(site).invoke("Hello")
        again = whole(list(with_key(site).stream("Hello")))
        assert again.text == once.text
        assert again.usage_metadata == once.usage_metadata
        different = {"conversation_id", "message_id"}
        assert {k: v for k, v in again.response_metadata.items() if k not in different} == {
            k: v for k, v in once.response_metadata.items() if k not in different
        }

    def test_finish_reason(self, site: Site) -> None:
        site.next("model-length")
        message = ChatGptEsChat(site=site.page("classic")).invoke("Hello")
        assert message.response_metadata["finish_reason"] == "length"

    def test_chunks_have_one_id_and_an_end(self, site: Site) -> None:
        chunks = list(model(site).stream("Hello"))
        assert len(chunks) > 5
        assert len({chunk.id for chunk in chunks}) == 1
        assert [chunk.chunk_position for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1].chunk_position == "last"
        assert chunks[-1].response_metadata["dialect"] == "aipkit"

    @pytest.mark.parametrize("how", ["stream", "astream"])
    def test_chunks_come_as_they_are_made(self, how: str) -> None:
        heard = threading.Event()

        def answer(_: list[dict[str, str]]) -> Iterator[str]:
            yield "first "
            assert heard.wait(60)  # Never, if nothing comes before all has.
            yield "second"

        with Site(answer=answer) as site:
            texts = []
            if how == "stream":
                for chunk in model(site).stream("Go"):
                    texts.append(chunk.text)
                    heard.set()
            else:

                async def main() -> None:
                    async for chunk in model(site).astream("Go"):
                        texts.append(chunk.text)
                        heard.set()

                run(main())
        assert texts[0] == "first "
        assert "".join(texts) == "first second"

    def test_every_chunk_is_called_back(self, site: Site) -> None:
        heard = Heard()
        text = model(site).invoke("Hello", config={"callbacks": [heard]}).text
        assert heard.tokens == []  # Nobody asked for a stream.
        model(site, streaming=True).invoke("Hello", config={"callbacks": [heard]})
        assert len(heard.tokens) > 5
        assert "".join(heard.tokens) == text
        heard.tokens.clear()
        run(model(site, streaming=True).ainvoke("Hello", config={"callbacks": [heard]}))
        assert "".join(heard.tokens) == text
        heard.tokens.clear()
        chunks = list(model(site).stream("Hello", config={"callbacks": [heard]}))
        assert heard.tokens == [chunk.text for chunk in chunks]
        heard.tokens.clear()
        chunks = run(collected(model(site).astream("Hello", config={"callbacks": [heard]})))
        assert heard.tokens == [chunk.text for chunk in chunks]

    def test_so_it_is_where_langchain_leaves_that_to_the_model(self, site: Site) -> None:
        """As in `stream_events(version="v3")`, which newer versions of it have."""
        told: list[Any] = []

        class Manager:
            def on_llm_new_token(self, token: str, *, chunk: Any) -> None:
                told.append(chunk)

        class AsyncManager:
            async def on_llm_new_token(self, token: str, *, chunk: Any) -> None:
                told.append(chunk)

        managers: list[Any] = [Manager(), AsyncManager()]
        once = model(site)._stream([HumanMessage("Hi")], run_manager=managers[0])
        assert list(once) == told
        assert told[-1].message.chunk_position == "last"
        told.clear()
        again = model(site)._astream([HumanMessage("Hi")], run_manager=managers[1])
        assert run(collected(again)) == told
        assert told[-1].message.chunk_position == "last"

    def test_events(self, site: Site) -> None:
        async def main() -> list[str]:
            return [
                event["data"]["chunk"].text
                async for event in model(site).astream_events("Hello", version="v2")
                if event["event"] == "on_chat_model_stream"
            ]

        assert "sandbox" in "".join(run(main()))

    def test_a_call_has_its_own_limits(self, site: Site) -> None:
        site.next("stall-headers", 3)
        with pytest.raises(chatgptes.RequestTimeout):
            model(site).invoke("Hello", timeout=0.3)
        with pytest.raises(chatgptes.RequestTimeout):
            model(site).bind(timeout=0.3).invoke("Hello")
        with pytest.raises(chatgptes.RequestTimeout):
            model(site, timeout=0.3).invoke("Hello")

    def test_its_limits_win_over_the_models(self, site: Site) -> None:
        with pytest.raises(chatgptes.RequestTimeout) as caught:
            site.next("stall-headers", 1)
            model(site, timeout=60).invoke("Hello", timeout=0.3)
        assert "0.3" in str(caught.value)
        assert "sandbox" in model(site, timeout=1e-3).invoke("Hello", timeout=60).text

    @pytest.mark.parametrize("how", ["invoke", "ainvoke"])
    def test_and_with_a_stop_sequence(self, site: Site, how: str) -> None:
        bot = ChatGptEsChat(site=site.page("aipkit-state"), timeout=1e-3)
        options: dict[str, Any] = {"timeout": 60, "web_search": True, "stop": ["nowhere"]}
        if how == "invoke":
            message = bot.invoke("Hello", **options)
        else:
            message = run(bot.ainvoke("Hello", **options))
        assert message.response_metadata["citations"]

    def test_unknown_arguments_of_a_call(self, site: Site) -> None:
        with pytest.raises(TypeError, match="top_p"):
            model(site).invoke("Hello", top_p=1)

    def test_each_model_warns_of_what_no_site_hears(self, site: Site) -> None:
        bots = [model(site), ChatGptEsChat(site=site.page("classic-two"), bot=31)]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            for bot in bots * 2:
                bot.invoke("Hello", temperature=0, model="gpt-4o")
                run(bot.ainvoke("Hello", temperature=0))
        assert len(caught) == 4
        texts = [str(each.message) for each in caught]
        assert [text for text in texts if "temperature" in text and "bot 31 of 127.0.0.1" in text]
        assert [text for text in texts if "decides model" in text and "for 127.0.0.1" in text]


class TestLeaving:
    def test_break(self) -> None:
        endless = Endless()
        with Site(answer=endless) as site:
            for chunk in model(site).stream("Go"):
                if "word3" in chunk.text:
                    break
            assert endless.gone.wait(10)

    def test_break_on_a_loop(self) -> None:
        endless = Endless()

        async def main(site: Site) -> None:
            async for chunk in model(site).astream("Go"):
                if "word3" in chunk.text:
                    break
            while not endless.gone.is_set():
                await asyncio.sleep(0.01)

        with Site(answer=endless) as site:
            run(asyncio.wait_for(main(site), 30))

    @pytest.mark.parametrize("how", ["ainvoke", "astream"])
    def test_cancel(self, how: str) -> None:
        endless = Endless()

        async def main(site: Site) -> None:
            bot = model(site)
            call = bot.ainvoke("Go") if how == "ainvoke" else collected(bot.astream("Go"))
            task = asyncio.create_task(call)
            while not site.messages:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while not endless.gone.is_set():
                await asyncio.sleep(0.01)

        with Site(answer=endless) as site:
            run(asyncio.wait_for(main(site), 30))

    def test_time_limit_of_the_loop(self, site: Site) -> None:
        async def main() -> None:
            async with asyncio.timeout(0.3):
                await model(site).ainvoke("Hello")

        site.next("stall")
        with pytest.raises(TimeoutError):
            run(main())


class TestErrors:
    def test_unchanged(self, site: Site) -> None:
        bot = model(site)
        for use in (
            bot.invoke,
            lambda text: list(bot.stream(text)),
            lambda text: run(bot.ainvoke(text)),
            lambda text: run(collected(bot.astream(text))),
            (ChatPromptTemplate.from_template("{x}") | bot | StrOutputParser()).invoke,
        ):
            site.next("quota")
            with pytest.raises(chatgptes.QuotaError) as caught:
                use("Hello")
            assert type(caught.value) is chatgptes.QuotaError

    @pytest.mark.parametrize("how", ["invoke", "stream", "ainvoke", "astream"])
    def test_partial_text(self, site: Site, how: str) -> None:
        bot, heard = model(site), Heard()
        config: Any = {"callbacks": [heard]}
        site.next("cut")
        chunks: list[AIMessageChunk] = []
        with pytest.raises(chatgptes.StreamInterruptedError) as caught:
            if how == "stream":
                chunks.extend(bot.stream("Hello", config))
            elif how == "invoke":
                bot.invoke("Hello", config)
            elif how == "ainvoke":
                run(bot.ainvoke("Hello", config))
            else:
                run(collected(bot.astream("Hello", config)))
        assert caught.value.partial
        assert "".join(chunk.text for chunk in chunks) in ("", caught.value.partial)
        assert heard.errors == [caught.value]
        if "stream" in how:
            assert heard.responses[0].generations[0][0].text == caught.value.partial

    def test_retry_and_fallback(self, site: Site) -> None:
        site.next("quota")
        again = model(site).with_retry(
            retry_if_exception_type=(chatgptes.QuotaError,), wait_exponential_jitter=False
        )
        assert "sandbox" in again.invoke("Hello").text
        site.next("quota")
        other = ChatGptEsChat(site=site.page("classic"))
        instead = model(site).with_fallbacks([other], exceptions_to_handle=(chatgptes.QuotaError,))
        assert instead.invoke("Hello").response_metadata["dialect"] == "wpaicg"

    def test_no_tools(self, site: Site) -> None:
        bot = model(site)
        with pytest.raises(NotImplementedError):
            bot.bind_tools([])
        with pytest.raises(NotImplementedError, match="structured_output"):
            bot.with_structured_output({"title": "A"})
        with pytest.raises(TypeError, match="tools"):
            bot.invoke("Hello", tools=[{"type": "function"}])
        assert not site.requests


class TestStop:
    @given(
        st.text("abc", max_size=12),
        st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
        st.data(),
    )
    def test_any_text_in_any_pieces(self, text: str, words: list[str], data: st.DataObject) -> None:
        stopping, passed, at = StopFilter(words), "", 0
        while at < len(text) and stopping.found is None:
            step = data.draw(st.integers(1, 5))
            passed += stopping.take(text[at : at + step])
            at += step
        passed += stopping.rest()
        if stopping.found is None:
            assert passed == text
            assert not any(word in text for word in words)
        else:
            assert text.startswith(passed + stopping.found)
            assert not any(word in passed for word in words)

    def test_no_more_is_held_back_than_may_begin_a_word(self) -> None:
        stopping = StopFilter(["END"])
        assert stopping.take("some text E") == "some text"
        assert stopping.take("xact EN") == " Exact "
        assert stopping.take("D and more") == ""
        assert (stopping.found, stopping.rest()) == ("END", "")

    @pytest.mark.parametrize("stop", ["", [""], [1], 5, b"x", {"a"}])
    def test_bad_ones(self, stop: Any) -> None:
        with pytest.raises(chatgptes.InvalidConfigError):
            stop_words(stop)
        with pytest.raises(chatgptes.InvalidConfigError):
            ChatGptEsChat(site="https://example.org/", stop=stop)

    @pytest.mark.parametrize("how", ["invoke", "stream", "ainvoke", "astream"])
    def test_the_turn_ends_there(self, how: str) -> None:
        endless = Endless()
        with Site(answer=endless) as site:
            bot = model(site)
            if how == "invoke":
                message: Any = bot.invoke("Go", stop=["word12"])
            elif how == "stream":
                message = whole(list(bot.stream("Go", stop=["word12"])))
            elif how == "ainvoke":
                message = run(bot.ainvoke("Go", stop=["word12"]))
            else:
                message = whole(run(collected(bot.astream("Go", stop=["word12"]))))
            assert endless.gone.wait(10)
        assert message.text.endswith("word10 word11 ")
        known = dict(message.response_metadata)
        assert known.pop("message_id")
        assert known.pop("conversation_id")
        assert known == {
            "model_provider": "chatgptes",
            "site": bot.site,
            "bot": "5",
            "dialect": "aipkit",
            "streamed": True,
            "finish_reason": "stop",
            "stop_sequence": "word12",
        }
        assert message.usage_metadata is None

    def test_in_an_answer_in_one_piece(self, site: Site) -> None:
        known = with_key(site).invoke("Hello", stop=["sandbox"]).response_metadata
        assert (known["dialect"], known["bot"]) == ("rest", site.rest_bot)
        assert known["streamed"] is False

    def test_the_models_own_and_the_calls(self, site: Site) -> None:
        bot = model(site, stop="asked")
        assert bot.invoke("Hello").text.endswith("You ")
        assert bot.invoke("Hello", stop=["You"]).text.endswith("\n\n")
        assert "Hello" in bot.invoke("Hello", stop=[]).text
        assert "Hello" in model(site).bind(stop=["asked:"]).invoke("Hello", stop=["nowhere"]).text

    def test_text_that_was_held_back_is_not_lost(self) -> None:
        with Site(answer=lambda _: "The EN") as site:
            chunks = list(model(site).stream("Go", stop=["END"]))
        assert "".join(chunk.text for chunk in chunks) == "The EN"
        assert chunks[-1].chunk_position == "last"
        assert chunks[-1].response_metadata["dialect"] == "aipkit"

    def test_a_stop_at_the_very_beginning(self) -> None:
        with Site(answer=lambda _: "END of it") as site:
            assert model(site).invoke("Go", stop=["END"]).text == ""


class TestBatch:
    @pytest.mark.parametrize("how", ["batch", "abatch", "completed", "acompleted"])
    def test_no_more_at_once_than_its_config_says(self, site: Site, how: str) -> None:
        heard = Heard()
        config: Any = {"callbacks": [heard], "max_concurrency": 2}
        bot = model(site)
        prompts: list[Any] = [f"Number {number}" for number in range(8)]
        if how == "batch":
            texts = {message.text for message in bot.batch(prompts, config)}
        elif how == "abatch":
            texts = {message.text for message in run(bot.abatch(prompts, config))}
        elif how == "completed":
            texts = {message.text for _, message in bot.batch_as_completed(prompts, config)}
        else:
            found = run(collected(bot.abatch_as_completed(prompts, config)))
            texts = {message.text for _, message in found}
        assert len(texts) == 8
        assert 1 <= heard.most <= 2

    def test_errors_beside_answers(self, site: Site) -> None:
        site.next("quota")
        outcomes = model(site, max_concurrency=1).batch(["a", "b"], return_exceptions=True)
        kinds = [type(each) for each in outcomes]
        assert kinds == [chatgptes.QuotaError, AIMessage]

    def test_one_config_for_each(self, site: Site) -> None:
        configs: Any = [{"tags": ["a"]}, {"tags": ["b"], "max_concurrency": 2}]
        assert len(model(site).batch(["a", "b"], configs)) == 2
        assert model(site).batch([]) == []


class TestChains:
    def test_streaming(self, site: Site) -> None:
        prompt = ChatPromptTemplate.from_messages([("system", "Be {how}."), ("user", "{question}")])
        chain = prompt | model(site) | StrOutputParser()
        question = {"how": "brief", "question": "What is a nonce?"}
        chunks = list(chain.stream(question))
        assert len(chunks) > 5
        assert "Be brief." in "".join(chunks)
        assert len(run(collected(chain.astream(question)))) > 5
        assert "nonce" in run(chain.ainvoke(question))

    # Deprecated in favour of LangGraph's memory, and in many programs.
    @pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainDeprecationWarning")
    def test_history(self, site: Site) -> None:
        histories: dict[str, InMemoryChatMessageHistory] = {}
        prompt = ChatPromptTemplate.from_messages(
            [MessagesPlaceholder("history"), ("user", "{question}")]
        )
        chain = RunnableWithMessageHistory(
            prompt | ChatGptEsChat(site=site.page("classic")),
            lambda session_id: histories.setdefault(session_id, InMemoryChatMessageHistory()),
            input_messages_key="question",
            history_messages_key="history",
        )
        config: Any = {"configurable": {"session_id": "ada"}}
        chain.invoke({"question": "My name is Ada."}, config)
        answer = "".join(
            chunk.text for chunk in chain.stream({"question": "What is my name?"}, config)
        )
        assert "message 2 of our conversation" in answer
        assert len(histories["ada"].messages) == 4

    def test_side_by_side_in_threads(self, site: Site) -> None:
        both = RunnableParallel(new=model(site), old=ChatGptEsChat(site=site.page("classic")))
        found = both.invoke("Hello")
        assert found["new"].response_metadata["dialect"] == "aipkit"
        assert found["old"].response_metadata["dialect"] == "wpaicg"

    def test_one_model_on_one_loop_after_another(self, site: Site) -> None:
        bot = model(site)
        for _ in range(3):
            assert "sandbox" in run(bot.ainvoke("Hello")).text
        assert "sandbox" in bot.invoke("Hello").text
        assert [request.path for request in site.requests].count("/") == 1
