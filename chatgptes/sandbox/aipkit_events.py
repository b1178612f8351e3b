"""The events of an aipkit stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .bot import Answer, ModelDropped, ModelError, ModelSpoke
from .php import php_json, version
from .telling import Telling

if TYPE_CHECKING:
    from .exchange import Exchange
    from .spec import BotSpec
    from .wordpress import WordPress


def event(data: object, name: str = "", **fields: str) -> str:
    """One event of the stream; `fields` are further lines of it, such as `id`."""
    lines = [f"event: {name}"] if name else []
    lines += [f"{key}: {value}" for key, value in fields.items()]
    return "\n".join([*lines, f"data: {php_json(data, ascii_only=False)}"]) + "\n\n"


def _citation(name: str) -> dict[str, Any]:
    title = f"Example {name.upper()}"
    where = {"start_char_index": 0, "end_char_index": 0, "cited_text": ""}
    source = {"url": f"https://example.com/{name}", "title": title, "source_title": title}
    return {"type": "url_citation", **source, **where}


FORM = {
    "form_id": "f1",
    "title": "Who are you?",
    "elements": [
        {"type": "text_input", "label": "Name", "name": "name"},
        {"type": "text_input", "label": "E-mail", "name": "email"},
    ],
}


class AnswerEvents:
    """One answer's events.

    Attributes:
        message_id: the answer's id.
    """

    def __init__(self, exchange: Exchange, site: WordPress, bot: BotSpec, fault: str) -> None:
        self._bot = bot
        self._fault = fault
        self._number = site.model.number()
        self.message_id = f"aipkit-msg-{self._number}"
        self._id = f"resp_sandbox_{self._number}"
        self._searches = (
            bot.state and exchange.request.query.get("frontend_web_search_active") == "true"
        )
        self._telling = Telling(exchange, fault, site.chunk_delay, event({"delta": "and on "}))

    def tell(self, answer: Answer) -> None:
        telling = self._telling
        if self._fault == "form":
            telling.frame(event({"form_definition": FORM}, "display_form_event"))
            telling.last(event({"finished": True}, "done"))
            return
        telling.frame(event({"message_id": self.message_id}, "message_start"))
        try:
            self._tell(answer)
        except ModelSpoke as spoke:
            told = "The model sent nothing." if spoke.kind != "html" else f"API Error: {spoke.body}"
            telling.frame(event({"error": told}, "error", id="err-sandbox"))
        except ModelDropped:
            told = "Connection Error: the model hung up"
            telling.frame(event({"error": told}, "error", id="err-sandbox"))
        except ModelError as error:
            told = str(error) if answer.text else f"API Error: {error}"
            telling.frame(event({"error": told}, "error", id="err-sandbox"))

    def _tell(self, answer: Answer) -> None:
        telling, odd = self._telling, self._fault == "unknown-events"
        chunks = iter(answer)
        first = next(chunks, "")
        if odd:
            telling.frame("retry: 10\nid: 7\n: a remark\nnonsense\n\n")
            telling.frame(event({"delta": "not for you"}, "whisper"))
        if version(self._bot.plugin) >= (2, 3, 69):
            status = {"type": "response.created", "status": "in_progress", "response_id": self._id}
            telling.frame(event(status, "status"))
        if self._searches:
            step = {"type": "response.web_search_call.searching", "item_id": "ws_sandbox"}
            telling.frame(event({**step, "output_index": 0}, "status"))
        telling.chunk(event({"delta": ""}))
        telling.chunk(event({"delta": first}))
        for chunk in chunks:
            telling.chunk(event({"delta": chunk, "mood": None} if odd else {"delta": chunk}))
        telling.finish_text()
        self._end(answer)

    def _end(self, answer: Answer) -> None:
        telling = self._telling
        citations = [_citation("a"), _citation("b")] if self._bot.state else []
        if citations:
            telling.frame(event(citations[:1], "citations"))
        if answer.finish:
            telling.frame(event({"id": self._id}, "openai_response_id"))
        if answer.finish == "length":
            told = " (Incomplete: max_output_tokens)"
            telling.frame(event({"error": told}, "warning", id="warn-sandbox"))
        done: dict[str, Any] = {"finished": True}
        if citations:
            done["citations"] = citations
            telling.frame(event(citations, "citations"))
        if self._fault != "no-done":
            telling.last(event(done, "done"))
        telling.close()
