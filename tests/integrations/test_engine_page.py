"""AI Engine's pages through LangChain and llm, and what both know of a chat window."""

from __future__ import annotations

import pytest

from chatgptes.sandbox import Site


class TestLangChain:
    @pytest.fixture(autouse=True)
    def needs_it(self) -> None:
        pytest.importorskip("langchain_core")

    @pytest.mark.parametrize("page", ["engine", "engine-old", "engine-ancient", "engine-starters"])
    def test_a_turn_with_its_history(self, site: Site, page: str) -> None:
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

        from chatgptes.integrations.langchain.model import ChatGptEsChat

        bot = ChatGptEsChat(site=site.page(page))
        history = [
            SystemMessage("Be brief."), HumanMessage("My name is Ada."), AIMessage("Hello, Ada."),
            HumanMessage("Who am I?"),
        ]  # fmt: skip
        answer = bot.invoke(history)
        assert "message 2 of our" in str(answer.content)
        assert answer.response_metadata["dialect"] == "mwai"
        assert answer.usage_metadata is not None
        first, second = site.messages[-1][:2]
        assert first["content"] == "Be brief.\n\nMy name is Ada."
        assert second["content"] == "Hello, Ada."
        streamed = "".join(str(chunk.content) for chunk in bot.stream(history))
        assert streamed == answer.content

    def test_consent(self, site: Site) -> None:
        from chatgptes import ConsentRequiredError
        from chatgptes.integrations.langchain.model import ChatGptEsChat

        page = site.page("engine-consent")
        with pytest.raises(ConsentRequiredError):
            ChatGptEsChat(site=page).invoke("Hello")
        assert "Hello" in str(ChatGptEsChat(site=page, consent=True).invoke("Hello").content)

    def test_a_reply_can_get_its_thumb(self, site: Site) -> None:
        from chatgptes import Client, Reply
        from chatgptes.integrations.langchain.model import ChatGptEsChat

        visitor = "8f14e45f-ceea-467f-9f6b-2d5b8a7c1e90"
        answer = ChatGptEsChat(site=site.url, visitor=visitor).invoke("Hello")
        known = answer.response_metadata
        with Client(site.url, visitor=visitor) as client:
            client.feedback(
                Reply(
                    str(answer.content), client.site, known["bot"], known["dialect"],
                    message_id=known["message_id"], conversation_id=known["conversation_id"],
                ),
                "up",
            )  # fmt: skip
        assert site.requests[-1].form["feedback_type"] == "up"


class TestLlm:
    @pytest.fixture(autouse=True)
    def needs_it(self, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("llm")
        monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))

    @pytest.mark.parametrize("page", ["engine", "engine-old", "engine-ancient"])
    def test_a_conversation(self, site: Site, page: str) -> None:
        import llm

        talk = llm.get_model("chatgptes").conversation()
        assert "message 1 of" in talk.prompt("My name is Ada.", site=site.page(page)).text()
        assert "message 2 of" in talk.prompt("Who am I?", site=site.page(page)).text()
        assert [each["content"] for each in site.messages[-1] if each["role"] == "user"] == [
            "My name is Ada.", "Who am I?",
        ]  # fmt: skip

    def test_consent_holds_for_its_conversation(self, site: Site) -> None:
        import llm

        model = llm.get_model("chatgptes")
        page = site.page("engine-consent")
        with pytest.raises(Exception, match="Agree"):
            model.prompt("Hello", site=page).text()
        assert site.messages == []
        talk = model.conversation()
        assert "message 1 of" in talk.prompt("Hello", site=page, consent=True).text()
        assert "message 2 of" in talk.prompt("And now?").text()
        with pytest.raises(Exception, match="answered by a program"):
            talk.prompt("Elsewhere", site=site.page("consent")).text()
