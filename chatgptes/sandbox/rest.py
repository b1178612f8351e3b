"""The owner's REST API, as plugin version 2.4.71 answers it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .bot import Message, ModelDropped, ModelError, ModelSpoke
from .faults import http_fault
from .php import php_json
from .wordpress import JSON, fail, fatal

if TYPE_CHECKING:
    from .exchange import Exchange
    from .spec import BotSpec
    from .wordpress import WordPress

NAMES = ("aipkit/v1",)

_PREFIX = "aipkit/v1/chat/"
_REFUSALS = {
    "access-off": (403, "rest_aipkit_api_access_disabled", "The owner has not opened this door."),
    "wrong-key": (401, "rest_aipkit_invalid_api_key", "This key fits nowhere here."),
    "no-key-set": (403, "rest_aipkit_no_api_key_configured", "The owner has made no key yet."),
    "no-route": (404, "rest_no_route", "There is nothing at this address."),
}


class Rest:
    """Answers the REST routes of one site."""

    def __init__(self, site: WordPress) -> None:
        self._site = site

    def handle(self, exchange: Exchange, route: str) -> None:
        """Answer a request for `route`, the part behind the API's root."""
        request, site = exchange.request, self._site
        bot_id = route.removeprefix(_PREFIX).removesuffix("/message")
        if route != f"{_PREFIX}{bot_id}/message" or not bot_id.isdecimal():
            fail(exchange, *_REFUSALS["no-route"])
            return
        if request.method != "POST":
            fail(exchange, *_REFUSALS["no-route"])
            return
        if request.headers.get("authorization", "") != f"Bearer {site.api_key}":
            fail(exchange, *_REFUSALS["wrong-key"])
            return
        bot = site.bot(bot_id, "aipkit")
        fault = site.take_fault(bot, "rest") if bot else ""
        if http_fault(exchange, fault, site.home):
            return
        if fault in _REFUSALS:
            fail(exchange, *_REFUSALS[fault])
        elif bot is None or fault == "unknown-bot":
            fatal(exchange)
        else:
            self._answer(exchange, bot, fault)

    def _answer(self, exchange: Exchange, bot: BotSpec, fault: str) -> None:
        messages = _messages(exchange.request.body)
        if messages is None:
            fail(exchange, 400, "rest_invalid_param", "The messages are not what they should be.")
            return
        try:
            reply = self._reply(messages, fault)
        except ModelError as error:
            status = 500 if fault.endswith("-old") else error.status
            fail(exchange, status, "api_error", f"The model said no ({error.status}): {error}")
            return
        except ModelDropped:
            fail(exchange, 500, "api_error", "The model hung up.")
            return
        spent = [sum(len(m["content"].split()) for m in messages), len(reply.split())]
        body: dict[str, Any] = {
            "reply": reply,
            "usage": {
                "input_tokens": spent[0], "output_tokens": spent[1], "total_tokens": sum(spent),
            },
            "bot_id": int(bot.id),
            "model": self._site.model.name,
        }  # fmt: skip
        if fault == "no-reply":
            del body["reply"]
        text = php_json(body)
        if fault in ("cut", "stall"):
            exchange.start(200, JSON)
            exchange.write(text[: len(text) // 2])
            exchange.cut() if fault == "cut" else exchange.stall()
            exchange.write(text[len(text) // 2 :])
            return
        exchange.respond(200, text, JSON)

    def _reply(self, messages: list[Message], fault: str) -> str:
        answer = self._site.model.ask(messages, fault.removesuffix("-old"))
        try:
            return "".join(answer)
        except ModelSpoke as spoke:
            if spoke.kind == "html":
                raise ModelError(spoke.body, 502) from None
            return spoke.body


def _messages(body: bytes) -> list[Message] | None:
    try:
        messages = json.loads(body)["messages"]
        pairs = [(message["role"], message["content"]) for message in messages]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    known = all(role in ("user", "assistant") and isinstance(text, str) for role, text in pairs)
    if not known or not pairs or pairs[-1][0] != "user":
        return None
    return [{"role": role, "content": text} for role, text in pairs]
