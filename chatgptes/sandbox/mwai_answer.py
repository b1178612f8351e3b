"""One answer of an AI Engine bot: its event stream, or one JSON object."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .bot import Answer, ModelDropped, ModelError, ModelSpoke
from .php import php_json, version
from .telling import Telling
from .wordpress import JSON

if TYPE_CHECKING:
    from .exchange import Exchange, Header
    from .spec import BotSpec
    from .wordpress import WordPress

SSE = "text/event-stream;charset=UTF-8"

_NOTICE = "<br />\n<b>Warning</b>: something is out of date on line <b>7</b><br />\n"
# A real service's name stands in front of what it says, unless the owner has changed that.
_SERVICE = "From the sandbox"
_STATUS_TEXT = "Thinking it over"


def event(kind: str, data: object, **more: object) -> str:
    """One event of the stream."""
    return f"data: {php_json({'type': kind, 'data': data, **more})}\n\n"


@dataclass(frozen=True)
class AnswerParts:
    """The parts that every kind of answer is written from.

    Attributes:
        headers: of the response, for both forms.
        streams: the request asked for a stream.
        token: a fresh nonce for the answer to bring, or "".
    """

    exchange: Exchange
    site: WordPress
    bot: BotSpec
    fault: str
    headers: list[Header]
    streams: bool
    token: str = ""

    def refuse(self, message: str, *, early: bool = False) -> None:
        """Say no as the plugin does: 500, or an `error` event.

        `early`: before the stream's type is set, so the event comes under the type of JSON.
        """
        if not self.streams:
            body = php_json({"success": False, "message": message})
            self.exchange.respond(500, body, JSON, self.headers)
            return
        self._start(early=early)
        self.exchange.write(event("error", message))

    def tell(self, answer: Answer) -> None:
        """Tell an answer of the model, or its failure."""
        if self.bot.paints:
            self._paint(answer)
        elif self.streams and self.fault != "whole":
            self._stream(answer)
        else:
            self._tell_whole(answer)

    def _start(self, *, early: bool = False) -> None:
        kind = JSON if early or self.fault == "json-type" else SSE
        headers = self.headers if early else [*self.headers, ("Cache-Control", "no-cache")]
        self.exchange.start(200, kind, headers)
        if self.fault == "notice":
            self.exchange.write(_NOTICE)

    # The one JSON object, which a stream's last event holds, too.

    def _envelope(self, reply: str, *, estimated: bool = False) -> dict[str, Any]:
        plugin = version(self.bot.plugin)
        body: dict[str, Any] = {"success": True, "reply": reply, "images": None}
        if plugin >= (2, 4, 8):
            body |= {"actions": [], "shortcuts": [], "blocks": []}
        if self.fault == "actions":
            body["actions"] = [{"type": "function", "data": {"name": "wave", "args": []}}]
        spent = [4, len(reply.split())]
        body["usage"] = {
            "prompt_tokens": spent[0], "completion_tokens": spent[1], "total_tokens": sum(spent),
        }  # fmt: skip
        if plugin >= (3,):
            how = "estimated" if estimated else "tokens"
            body["usage"] |= {"price": None, "queries": 1, "accuracy": how}
        if plugin >= (2, 8, 4) and (reply or not self.streams):
            body["responseId"] = f"resp_sandbox_{self.site.model.number()}"
        return self._with_token(body)

    def _with_token(self, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"new_token": self.token} if self.token else body

    def _tell_whole(self, answer: Answer) -> None:
        reply = self._whole_reply(answer)
        if reply is not None:
            self._respond(self._envelope("" if self.fault == "actions" else reply))

    def query(self, answer: Answer) -> None:
        """Tell an answer of the model over the owner's API."""
        reply = self._whole_reply(answer)
        if reply is None:
            return
        body: dict[str, Any] = {"success": True, "data": reply}
        if version(self.bot.plugin) >= (2, 6, 9):
            body["extra"] = {"actions": [], "chatId": secrets.token_hex(7)[:13]}
        self._respond(body)

    def _whole_reply(self, answer: Answer) -> str | None:
        """The whole text; None where there is none, which the visitor has been told then."""
        message = f"{_SERVICE}: the line went dead."
        try:
            return "".join(answer)
        except ModelSpoke as spoke:
            if spoke.kind != "html":
                return spoke.body
            message = f"{_SERVICE}: there was nothing in it."
        except ModelDropped:
            pass
        except ModelError as error:
            message = f"{_SERVICE}: {error}"
        self.refuse(message)
        return None

    def _respond(self, body: dict[str, Any]) -> None:
        text = php_json(body)
        if self.fault == "notice":
            text = _NOTICE + text
        if self.fault in ("cut", "stall"):
            self.exchange.start(200, JSON, self.headers)
            self.exchange.write(text[: len(text) // 2])
            self.exchange.cut() if self.fault == "cut" else self.exchange.stall()
            self.exchange.write(text[len(text) // 2 :])
            return
        self.exchange.respond(200, text, JSON, self.headers)

    def _paint(self, answer: Answer) -> None:
        try:
            spent = len("".join(answer).split())
        except (ModelError, ModelDropped, ModelSpoke) as error:
            self.refuse(str(error), early=True)
            return
        picture = f"{self.site.home}wp-content/uploads/made-up-{self.site.model.number()}.png"
        body: dict[str, Any] = {
            "success": True,
            "reply": f"![Image]({picture})\n",
            "images": [picture],
            "actions": [],
            "shortcuts": [],
            "blocks": [],
            "usage": {
                "input_tokens": 5, "output_tokens": spent, "total_tokens": 5 + spent,
                "queries": 1, "accuracy": "tokens",
            },
        }  # fmt: skip
        body = self._with_token(body)
        if self.streams:
            self._start(early=True)
            self.exchange.write(event("end", php_json(body)))
        else:
            self._respond(body)

    # The stream.

    def _stream(self, answer: Answer) -> None:
        self._start()
        telling = Telling(
            self.exchange, self.fault, self.site.chunk_delay, event("live", "and on ")
        )
        try:
            self._lives(answer, telling)
        except ModelSpoke:
            self._end(telling, "")
            return
        except ModelDropped:
            telling.frame(event("error", f"{_SERVICE}: the line went dead."))
            return
        except ModelError as error:
            if answer.text and version(self.bot.plugin) >= (2, 4):
                # Such a failure looks like an answer.
                self._end(telling, answer.text, estimated=True)
            else:
                telling.frame(event("error", f"{_SERVICE}: Error: {error}"))
            return
        telling.finish_text()
        reply = answer.text
        if self.fault == "end-longer":
            reply += " And a word of the owner's."
        elif self.fault == "end-other":
            reply = reply.replace("sandbox", "placeholder")
        elif self.fault == "actions":
            reply = ""
        self._end(telling, reply)
        telling.close()

    def _lives(self, answer: Answer, telling: Telling) -> None:
        for number, chunk in enumerate(answer):
            if self.fault == "status-events" and not number:
                status = {"timestamp": 1.5, "subtype": "status", "visibility": "collapsed"}
                telling.frame(event("live", _STATUS_TEXT, **status) * 2)
            if self.fault == "unknown-events" and number in (0, 3):
                telling.frame("retry: 10\nid: 7\n: a remark\nnonsense\n\n")
                telling.frame(event("whisper", "not for you"))
                telling.frame(event("live", "nor this", subtype="thinking"))
            if self.fault != "actions":
                telling.chunk(event("live", chunk))

    def _end(self, telling: Telling, reply: str, *, estimated: bool = False) -> None:
        if self.fault != "no-end":
            telling.last(event("end", php_json(self._envelope(reply, estimated=estimated))))
