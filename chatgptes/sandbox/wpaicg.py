"""The classic dialect's server, as plugin versions 1.8.79 to 1.9.18 behave."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from .bot import Answer, Message, ModelDropped, ModelError, ModelSpoke
from .faults import http_fault
from .php import clean, escaped, php_json, strip_tags, version
from .pictures import WPAICG_TYPES, is_animated, kind_of
from .telling import Telling
from .wpaicg_feedback import FEEDBACK, WpaicgFeedback

if TYPE_CHECKING:
    from .exchange import Exchange
    from .request import Received
    from .spec import BotSpec
    from .wordpress import WordPress

ACTIONS = frozenset({"wpaicg_chat_shortcode_message", "wpaicg_chatbox_message", FEEDBACK})
NONCE = "wpaicg"

_JSON = "application/json; charset=UTF-8"
_SSE = "text/event-stream;charset=UTF-8"
_NO_CACHE = (("Cache-Control", "no-cache, must-revalidate, max-age=0"),)

# What only the site's owner should see: a client that shows it has a fault.
GREETING = "PRIVATE: the owner's instructions to the bot. No visitor should ever read this."

_FLAGGED = {
    "banned-word": ("messageFlagged", "Please say that without the forbidden word."),
    "banned-ip": ("ipBanned", "Visitors from your address can't chat here."),
    "pinecone": ("pineconeError", "The knowledge base of this bot can't be reached."),
    "moderation": ("modflag", "A moderator that never sleeps did not like this message."),
}


def arrived(message: str, plugin: str) -> str:
    """The message as the model gets it from a site with version `plugin`."""
    if version(plugin) <= (1, 8, 90):
        return re.sub(r"(['\"\\])", r"\\\1", clean(message))
    return message.strip()


def history(raw: str, plugin: str) -> list[Message]:
    """The turns that the server makes of `wpaicg_chat_history`: none, if anything is wrong."""
    old = version(plugin) <= (1, 8, 79)
    raw = raw.replace("\\", "")
    if old:
        raw = "".join(c if c.isascii() else json.dumps(c)[1:-1].replace("\\", "") for c in raw)
        raw = re.sub(r"[\r\n\t ]+", " ", raw)
    raw = re.sub(r"%[0-9a-fA-F]{2}", "", strip_tags(raw))
    try:
        items = json.loads(raw)
    except (ValueError, RecursionError):
        return []
    return [_turn(item) for item in items if _text(item)] if isinstance(items, list) else []


def _text(item: object) -> str:
    text = item.get("text") if isinstance(item, dict) else item
    return text.strip() if isinstance(text, str) else ""


def _turn(item: object) -> Message:
    text = _text(item)
    if text.startswith("Human: "):
        return {"role": "user", "content": text.removeprefix("Human: ").strip()}
    return {"role": "assistant", "content": text.removeprefix("AI: ").strip()}


class Wpaicg:
    """Answers the classic actions of one site.

    Attributes:
        feedback: the thumbs that its answers got.
    """

    def __init__(self, site: WordPress) -> None:
        self.feedback = WpaicgFeedback(site, NONCE)
        self._site = site

    def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        if exchange.request.param("action") == FEEDBACK:
            self.feedback.handle(exchange)
        else:
            self._turn(exchange)

    def _turn(self, exchange: Exchange) -> None:
        request, site = exchange.request, self._site
        bot = site.bot(request.param("bot_id"), "wpaicg") or site.default_bot
        if not site.nonces.holds(request.param("_wpnonce"), NONCE):
            self._refuse_nonce(exchange, bot)
            return
        fault = site.take_fault(bot, "classic" if bot.streams else "plain")
        if http_fault(exchange, fault, site.home):
            return
        if fault == "unknown-action":
            exchange.respond(400, "0", headers=_NO_CACHE)
        elif fault == "nonce":
            self._refuse_nonce(exchange, bot)
        elif fault in ("box", "box-known"):
            self._box(exchange, fault)
        elif fault == "message-empty" or _is_empty(request, bot):
            _error(exchange, "You have not written anything.")
        elif fault == "no-api-key":
            _error(exchange, "This site has no key for its model yet.")
        elif fault == "quota" or not site.within_quota(request.param("wpaicg_chat_client_id")):
            self._quota(exchange, bot)
        elif fault in _FLAGGED and not bot.streams:
            _error(exchange, _FLAGGED[fault][1])
        else:
            self._answer(exchange, bot, fault)

    def _refuse_nonce(self, exchange: Exchange, bot: BotSpec) -> None:
        if version(bot.plugin) <= (1, 8, 79):
            _error(exchange, "Please load the page again.")
        else:
            exchange.respond(403, "This link is too old.", headers=_NO_CACHE)

    def _box(self, exchange: Exchange, fault: str) -> None:
        body: dict[str, object] = {"success": False, "data": "Tick the box first, then ask again."}
        if fault == "box-known":
            body = {"status": "success", "data": "Du musst das Kästchen anklicken!"}
        exchange.respond(200, php_json(body), _JSON, _NO_CACHE)

    def _quota(self, exchange: Exchange, bot: BotSpec) -> None:
        body = php_json({"msg": "That was enough for today.", "tokenLimitReached": True})
        if bot.streams:
            exchange.respond(200, f"data: {body}\n\n", _SSE, [("Cache-Control", "no-cache")])
        else:
            exchange.respond(200, body, _JSON, _NO_CACHE)

    def _answer(self, exchange: Exchange, bot: BotSpec, fault: str) -> None:
        request = exchange.request
        messages = history(request.param("wpaicg_chat_history"), bot.plugin)
        prompt = arrived(request.param("message"), bot.plugin)
        asked: Message = {"role": "user", "content": prompt}
        if "image" in request.files:
            data = request.files["image"][1]
            if not _is_picture(data):
                exchange.respond(200, "That is no picture this bot can look at.", headers=_NO_CACHE)
                return
            if bot.images:  # A bot that takes none passes it over.
                asked["images"] = [(kind_of(data), data)]
        self.feedback.keep(request.param("chat_id"))
        answer = self._site.model.ask([*messages, asked], fault)
        if bot.streams:
            _Stream(exchange, self._site, bot, fault).tell(answer)
        else:
            self._tell_whole(exchange, answer, fault)

    def _tell_whole(self, exchange: Exchange, answer: Answer, fault: str) -> None:
        body: dict[str, object] = _envelope("")
        try:
            body["data"] = "".join(answer)
        except ModelSpoke as spoke:
            body["data"] = spoke.body if spoke.kind == "json" else ""
        except ModelDropped:
            body = _failed("cURL error 52: nothing came back from the model")
        except ModelError as error:
            body = _failed(escaped(str(error)))
        text = php_json(body)
        if fault == "notice":
            text = "<br />\n<b>Notice</b>: something is out of date on line <b>7</b><br />\n" + text
        elif fault in ("cut", "stall"):
            exchange.start(200, _JSON, _NO_CACHE)
            exchange.write(text[: len(text) // 2])
            exchange.cut() if fault == "cut" else exchange.stall()
            exchange.write(text[len(text) // 2 :])
            return
        exchange.respond(200, text, _JSON, _NO_CACHE)


class _Stream:
    """One streamed answer: the model's own frames, passed through."""

    def __init__(self, exchange: Exchange, site: WordPress, bot: BotSpec, fault: str) -> None:
        self._exchange = exchange
        self._fault = fault
        # 1.8.79 to 1.8.85 glue the envelope of a plain answer behind the stream.
        self._glues = version(bot.plugin) <= (1, 8, 85)
        self._old = version(bot.plugin) <= (1, 8, 79)
        self._frame: dict[str, Any] = {
            "id": f"chatcmpl-sandbox-{site.model.number()}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": site.model.name,
        }
        self._telling = Telling(exchange, fault, site.chunk_delay, self._text("and on "))

    def tell(self, answer: Answer) -> None:
        if self._fault in _FLAGGED:
            self._start()
            flag, message = _FLAGGED[self._fault]
            self._telling.frame(f"data: {php_json({'msg': message, flag: True})}\n\n")
        try:
            self._tell(answer)
        except ModelSpoke as spoke:
            self._pass_through(spoke)
        except ModelDropped:
            self._dropped(answer.text)
        except ModelError as error:
            self._failed(str(error), midway=bool(answer.text))

    def _tell(self, answer: Answer) -> None:
        if self._fault.startswith("assistant"):
            self._tell_assistant(answer)
            return
        opening = ": the model is thinking\n\n" + self._text("")
        for chunk in answer:
            # Not before the first chunk: a model that fails has a say in how the answer begins.
            self._start()
            self._telling.chunk(opening + self._text(chunk))
            opening = ""
        self._start()
        self._telling.finish_text()
        if answer.finish:
            choice = {"index": 0, "delta": {}, "finish_reason": answer.finish}
            self._telling.frame(self._data({**self._frame, "choices": [choice]}))
            self._telling.last("data: [DONE]\n\n")
        if self._glues:
            self._telling.frame(php_json(_envelope(answer.text)))
        self._telling.close()

    def _tell_assistant(self, answer: Answer) -> None:
        self._start()
        self._telling.frame(f"event: thread_id\n{self._data({'thread_id': 'thread_sandbox'})}")
        if self._fault == "assistant-error":
            error = {"error": {"message": "The assistant has left."}}
            self._telling.frame(f"event: assistant_error\n{self._data(error)}")
            return
        for chunk in answer:
            self._telling.chunk("event: thread.message.delta\n" + self._assistant(chunk, "delta"))
        done = self._assistant(answer.text, "completed")
        self._telling.frame(f"event: thread.message.completed\n{done}")
        self._telling.last("event: done\ndata: [DONE]\n\n")

    def _assistant(self, text: str, step: str) -> str:
        content = [{"index": 0, "type": "text", "text": {"value": text, "annotations": []}}]
        body: dict[str, Any] = {"id": "msg_sandbox", "object": "thread.message"}
        if step == "delta":
            body |= {"object": "thread.message.delta", "delta": {"content": content}}
        else:
            body |= {"role": "assistant", "status": "completed", "content": content}
        return self._data(body)

    def _pass_through(self, spoke: ModelSpoke) -> None:
        self._start()
        if spoke.kind == "empty":
            self._telling.frame("data: [DONE]\n\n")
        elif spoke.kind == "html":
            self._telling.frame(spoke.body)
        else:
            message = {"role": "assistant", "content": spoke.body}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = {**self._frame, "object": "chat.completion", "choices": [choice]}
            self._telling.frame(json.dumps(body))
            if self._old:
                self._telling.frame(php_json(_envelope(spoke.body)))

    def _dropped(self, said: str) -> None:
        if self._old and not said:
            self._exchange.respond(200, php_json(_envelope("")), _JSON, _NO_CACHE)
            return
        self._start()
        if self._old:
            self._telling.frame(php_json(_envelope(said)))

    def _failed(self, message: str, *, midway: bool) -> None:
        self._start()
        if midway:
            error = {"message": message, "type": "server_error", "code": None}
            self._telling.frame(self._data({"error": error}))
            return
        # The plugin pastes each word into its frame as it is: a quote or a line break in the text
        # makes frames that are no JSON.  It says all of it twice.
        words = enumerate(message.split(" "))
        texts = [word if number == 0 else f" {word}" for number, word in words]
        for _ in range(2):
            for text in texts:
                choices = f'{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}'
                self._telling.frame(f"event: message\ndata: {choices}\n\n")
            self._telling.frame('data: {"choices":[{"finish_reason":"stop"}]}\n\n')

    def _start(self) -> None:
        if not self._exchange.started:
            self._exchange.start(200, _SSE, [("Cache-Control", "no-cache")])

    def _text(self, text: str) -> str:
        delta = {"content": text} if text else {"role": "assistant", "content": ""}
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return self._data({**self._frame, "choices": [choice]})

    def _data(self, body: object) -> str:
        return f"data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _is_empty(request: Received, bot: BotSpec) -> bool:
    if version(bot.plugin) <= (1, 8, 79):
        return request.param("message").strip() in ("", "0")
    # From 1.8.91 on, only what was posted counts.
    return request.form.get("message", "") in ("", "0")


def _is_picture(data: bytes) -> bool:
    return kind_of(data) in WPAICG_TYPES and not is_animated(data)


def _error(exchange: Exchange, message: str) -> None:
    exchange.respond(200, php_json({"status": "error", "msg": message}), _JSON, _NO_CACHE)


def _envelope(text: str) -> dict[str, object]:
    # `msg` reads like a failure on a success, on real sites too.
    return {
        "status": "success",
        "msg": "This went wrong, or so it says",
        "greeting_message": GREETING,
        "data": text,
        "log": 1,
    }


def _failed(message: str) -> dict[str, object]:
    return {"status": "error", "msg": message, "greeting_message": GREETING, "log": 1}
