"""The aipkit dialect's server, as plugin versions 2.3.20 and 2.4.71 behave."""

from __future__ import annotations

import json
import secrets
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import aipkit_memory as memory
from .aipkit_events import AnswerEvents, event
from .aipkit_memory import AipkitMemory, StoredMessage, fail, succeed
from .bot import ModelError
from .faults import http_fault
from .php import clean, version
from .pictures import Picture, from_json

if TYPE_CHECKING:
    from .exchange import Exchange
    from .request import Received
    from .spec import BotSpec
    from .wordpress import WordPress

NONCE = "aipkit"
CACHE, STREAM = "aipkit_cache_sse_message", "aipkit_frontend_chat_stream"
REFRESH, PLAIN = "aipkit_get_frontend_chat_nonce", "aipkit_frontend_chat_message"
ACTIONS = frozenset({CACHE, STREAM, REFRESH, PLAIN}) | memory.ACTIONS

KEY_LIFETIME = 60.0
_SSE = "text/event-stream; charset=utf-8"
_NO_CACHE = (("Cache-Control", "no-cache, must-revalidate, max-age=0"),)
_NO_STORE = (
    ("Cache-Control", "no-cache, no-store, must-revalidate, max-age=0, no-transform"),
    ("X-Accel-Buffering", "no"),
)

# Why step 2 says no, in an `error` event and a `done`.
_REFUSALS = {
    "nonce": "This page has been open for too long. Load it again.",
    "origin": "Only pages of this site may talk to its bot.",
    "key-missing": "There is no message to answer.",
    "key-used": "That message is not here any more.",
    "key-expired": "That message has waited for too long.",
    "unknown-bot": "There is no such bot.",
    "stream-context": "That kind of message is for other places.",
    "session": "Who is asking?",
    "conversation": "Which conversation is this?",
    "quota": 'You have reached "the limit" for today.',
    "quota-old": "You have reached the limit for today.",
    "guests": "Please log in to chat.",
    "banned-word": "Please say that without the forbidden word.",
    "banned-ip": "Visitors from your address can't chat here.",
    "moderation": "A moderator that never sleeps did not like this message.",
    "no-api-key": "This site has no key for its model yet.",
    "ts-required": "Please show first that you are a person.",
}


class Aipkit:
    """Answers the aipkit actions of one site; keeps its conversations and cached messages.

    Attributes:
        memory: its conversations.
    """

    def __init__(self, site: WordPress) -> None:
        self.memory = AipkitMemory(site, NONCE)
        self._site = site
        self._cached: dict[str, tuple[float, str, list[Picture]]] = {}
        self._lock = threading.Lock()

    def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        request, site = exchange.request, self._site
        bot = site.bot(request.param("bot_id"), "aipkit")
        modern = bot is None or version(bot.plugin) >= (2, 3, 41)
        action = request.param("action")
        if action == CACHE:
            self._cache(exchange, bot)
        elif action == STREAM:
            self._stream(exchange, bot)
        elif action == PLAIN and bot and version(bot.plugin) <= (2, 4, 0):
            self._plain(exchange, bot)
        elif action in memory.ACTIONS and bot:
            self.memory.handle(exchange, bot)
        elif action == REFRESH and modern:
            if self._from_elsewhere(request, bot):
                fail(exchange, 403, "cors_denied", _REFUSALS["origin"])
            else:
                succeed(exchange, {"nonce": site.nonces.current(NONCE)})
        else:
            exchange.respond(400, "0", headers=_NO_CACHE)

    # Step 1: the message is left at the site, for a key.

    def _cache(self, exchange: Exchange, bot: BotSpec | None) -> None:
        request, site = exchange.request, self._site
        if not site.nonces.holds(request.form.get("_ajax_nonce", ""), NONCE):
            fail(exchange, 403, "nonce_failure_cache_sse", _REFUSALS["nonce"])
            return
        fault = site.take_fault(bot, "aipkit", step=1) if bot else ""
        if http_fault(exchange, fault.removeprefix("cache-"), site.home):
            return
        message = request.form.get("message", "")
        written = request.form.get("image_inputs", "")
        images, problem = from_json(written) if written else ([], "")
        if fault == "unknown-action":
            exchange.respond(400, "0", headers=_NO_CACHE)
        elif fault == "cache-nonce":
            fail(exchange, 403, "nonce_failure_cache_sse", _REFUSALS["nonce"])
        elif fault == "cache-embed" or self._from_elsewhere(request, bot):
            fail(exchange, 403, "embed_not_available", "This site's bot can't be taken along.")
        elif fault == "cache-cors":
            fail(exchange, 403, "cors_denied", _REFUSALS["origin"])
        elif problem:
            fail(exchange, 400, problem, "That is no picture this bot can look at.")
        elif fault == "cache-no-message" or (message in ("", "0") and not images):
            fail(exchange, 400, "empty_data_to_cache", "There is nothing in this message.")
        elif fault == "cache-no-key":
            succeed(exchange, {})
        else:
            key = f"aipkit_sse_{secrets.token_hex(16)}"
            with self._lock:
                self._cached[key] = (site.clock(), message, images)
            site.expects_second_step(key)
            succeed(exchange, {"cache_key": key})

    # Step 2: the answer, 200 whatever happens.

    def _stream(self, exchange: Exchange, bot: BotSpec | None) -> None:
        request, site = exchange.request, self._site
        nonce = request.query.get("_ajax_nonce") or request.query.get("_wpnonce", "")
        fault = ""
        if site.nonces.holds(nonce, NONCE):
            fault = site.take_fault(bot, "aipkit") if bot else ""
            if http_fault(exchange, fault, site.home):
                return
            message, images, refusal = self._taken(request, bot, fault)
        else:
            message, images, refusal = "", [], "nonce"
        session = request.query.get("session_id", "")
        if not refusal and not site.within_quota(session):
            refusal = "quota"
        exchange.start(200, _SSE, _NO_STORE)
        if bot is None or version(bot.plugin) >= (2, 3, 93):
            exchange.write(":" + " " * 4096 + "\n\n")
        if refusal or bot is None:
            self._refuse(exchange, bot, refusal)
            return
        if version(bot.plugin) < (2, 3, 26):
            message = clean(message)
        key = (session, bot.id, request.query["conversation_uuid"])
        messages = self.memory.add(
            key, StoredMessage("user", message, request.form.get("user_client_message_id", ""))
        )
        if images and bot.images:  # A bot that takes none passes them over.
            messages[-1] = {**messages[-1], "images": images}
        answer = site.model.ask(messages, fault)
        events = AnswerEvents(exchange, site, bot, fault)
        try:
            events.tell(answer)
        finally:
            # What was said before a failure stays in the site's memory too.
            if answer.text:
                self.memory.add(key, StoredMessage("assistant", answer.text, events.message_id))

    def _taken(
        self, request: Received, bot: BotSpec | None, fault: str
    ) -> tuple[str, list[Picture], str]:
        """The cached message, its images, and ""; or nothing and why there is none."""
        query, site = request.query, self._site
        if self._from_elsewhere(request, bot):
            return "", [], "origin"
        if fault in _REFUSALS:
            return "", [], fault
        if not query.get("cache_key"):
            return "", [], "key-missing"
        with self._lock:
            since, message, images = self._cached.pop(query["cache_key"], (None, "", []))
        if since is None:
            return "", [], "key-used"
        if site.clock() - since > KEY_LIFETIME:
            return "", [], "key-expired"
        for missing, name in (
            (bot is None, "unknown-bot"),
            (_has_context(message), "stream-context"),
            (not query.get("session_id"), "session"),
            (not query.get("conversation_uuid"), "conversation"),
        ):
            if missing:
                return "", [], name
        return message, images, ""

    def _refuse(self, exchange: Exchange, bot: BotSpec | None, refusal: str) -> None:
        refusal = refusal or "unknown-bot"
        data: dict[str, object] = {"error": _REFUSALS[refusal]}
        if refusal == "quota" and (bot is None or version(bot.plugin) >= (2, 4, 5)):
            data["quota_notice"] = {
                "type": "limit",
                "message": data["error"],
                "actions": [{"label": "Buy more", "url": f"{self._site.home}shop/"}],
            }
        if refusal == "ts-required":
            data["ts_required"] = True
        exchange.write(event(data, "error", id="err-sandbox"))
        exchange.write(event({"finished": True}, "done"))

    def _from_elsewhere(self, request: Received, bot: BotSpec | None) -> bool:
        """The request says that it comes from another host, and the version minds."""
        origin = request.headers.get("origin", "")
        if not origin or (bot and version(bot.plugin) < (2, 3, 31)):
            return False
        said, own = urlsplit(origin), urlsplit(self._site.home)
        return (said.scheme, said.hostname) != (own.scheme, own.hostname)

    # The turn in one step that versions up to 2.4.0 have besides.

    def _plain(self, exchange: Exchange, bot: BotSpec) -> None:
        form, site = exchange.request.form, self._site
        if not site.nonces.holds(form.get("_ajax_nonce", ""), NONCE):
            fail(exchange, 403, "nonce_failure", _REFUSALS["nonce"])
            return
        key = (form.get("session_id", ""), bot.id, form.get("conversation_uuid", ""))
        messages = self.memory.add(key, StoredMessage("user", form.get("message", "")))
        try:
            reply = "".join(site.model.ask(messages))
        except ModelError as error:
            fail(exchange, error.status, "api_error", str(error))
            return
        message_id = f"aipkit-msg-{site.model.number()}"
        self.memory.add(key, StoredMessage("assistant", reply, message_id))
        succeed(exchange, {"reply": reply, "message_id": message_id})


def _has_context(message: str) -> bool:
    try:
        data = json.loads(message)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and "stream_context" in data
