"""LangChain's own standard suite for chat models: run by the tox environment `langchain`."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from chatgptes.sandbox import Site

pytest.importorskip("langchain_core")
pytest.importorskip("langchain_tests")

import httpx
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from chatgptes.integrations.langchain.model import ChatGptEsChat

pytestmark = [
    pytest.mark.anyio,
    # The suite gives every model a temperature and a number of tokens.
    pytest.mark.filterwarnings("ignore:The owner of the site decides:UserWarning"),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # LangChain knows no other.


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"


class Declared:
    """What sites have, and what they don't."""

    @property
    def chat_model_class(self) -> type[ChatGptEsChat]:
        return ChatGptEsChat

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_tool_choice(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def supports_model_override(self) -> bool:
        return False  # The site's owner chooses the model.


class TestUnit(Declared, ChatModelUnitTests):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"site": "https://example.org/chat/", "bot": 5}


class OnTheSandbox(Declared, ChatModelIntegrationTests):
    """The integration suite, against a page of the sandbox."""

    page: ClassVar[str] = ""
    site: ClassVar[Site]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def running(cls) -> Iterator[None]:
        with Site() as cls.site:
            yield

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"site": self.site.page(self.page)}

    @property
    def returns_usage_metadata(self) -> bool:
        return False


class TestAipkit(OnTheSandbox):
    page = "front"


class Seeing(OnTheSandbox):
    @property
    def supports_image_inputs(self) -> bool:
        return True

    @pytest.fixture(autouse=True)
    def picture(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The suite fetches its picture from the web; here it gets one without."""
        answer = httpx.Response(200, content=base64.b64decode(PNG))
        monkeypatch.setattr(httpx, "get", lambda *_, **__: answer)


class TestClassic(Seeing):
    page = "classic"


class TestAipkitImages(Seeing):
    page = "aipkit-images"


class TestClassicPlain(OnTheSandbox):
    page = "classic-plain"


class TestRest(OnTheSandbox):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"site": self.site.home, "api_key": self.site.api_key, "bot": self.site.rest_bot}

    @property
    def returns_usage_metadata(self) -> bool:
        return True


del OnTheSandbox, Seeing  # Nothing to collect by itself.
