"""AI Engine's server, as plugin versions 1.9.99, 2.2.95 and 3.6.2 behave."""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING, Any

from .bot import Message
from .faults import http_fault
from .mwai_answer import Told
from .mwai_page import NONCE
from .mwai_request import (
    HEADERS,
    bad_nonce,
    file_ids,
    invalid_json,
    is_empty,
    json_body,
    members_only,
    no_route,
    too_long,
)  # fmt: skip
from .php import php_json, version
from .pictures import Picture, kind_of
from .spec import BotSpec
from .wordpress import JSON, fail, fatal

if TYPE_CHECKING:
    from .exchange import Exchange, Header
    from .request import Received
    from .site import Site

NEWEST = "3.6.2"
NAMES = ("mwai-ui/v1", "mwai/v1")

SESSION, SUBMIT, UPLOAD = (
    "mwai/v1/start_session",
    "mwai-ui/v1/chats/submit",
    "mwai-ui/v1/files/upload",
)
QUERY = "mwai/v1/simpleChatbotQuery"

_COOKIE = "mwai_session_id"
_REJECTED = "That question can't be taken."
_KEPT = 15  # Messages of a history besides its first one.

# What the plugin answers before the model is asked: all of it in one shape.
_REFUSALS = {
    "quota": "That was enough for today.",
    "banned-word": "Please say that without the forbidden word.",
    "banned-ip": "Visitors from your address can't chat here.",
    "moderation": "A moderator that never sleeps did not like this message.",
    "no-api-key": "This site has no key for its model yet.",
    "no-environment": "This site has no service for its model yet.",
    "unknown-bot": _REJECTED,
    "too-long": _REJECTED,
}
_NOBODY = BotSpec("", "", "mwai", "2.2.95")
_EARLY = frozenset({"unknown-bot", "too-long", "moderation"})


class Mwai:
    """Answers the plugin's routes for one site; keeps the files that visitors have sent."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._files: dict[str, Picture] = {}
        self._lock = threading.Lock()

    def handle(self, exchange: Exchange, route: str, plugin: str) -> None:
        """Answer a request for `route`, as version `plugin`."""
        request = exchange.request
        known = {SUBMIT: self._submit, UPLOAD: self._upload, QUERY: self._query}
        if version(plugin) >= (2, 4, 4):
            known[SESSION] = self._start_session
        if route not in known or request.method != "POST":
            no_route(exchange)
        elif (sent := request.headers.get("x-wp-nonce", "")) and not self._holds(sent):
            # WordPress itself minds, before any plugin is asked.
            bad_nonce(exchange)
        elif route in (SUBMIT, UPLOAD) and not sent and version(plugin) >= (2,):
            fail(exchange, 401, "rest_forbidden", "That is not for you.", HEADERS)
        else:
            known[route](exchange, plugin)

    def _holds(self, nonce: str) -> bool:
        return self._site.nonces.holds(nonce, NONCE)

    def _session(self, request: Received, plugin: str) -> tuple[str, list[Header]]:
        """The visitor's session and the headers of the answer, which may set its cookie."""
        current, headers = self._site.nonces.current(NONCE), list(HEADERS)
        if request.headers.get("x-wp-nonce"):
            headers.append(("X-WP-Nonce", current))
        if version(plugin) < (3,):
            return "address", headers
        cookies = dict(
            pair.strip().partition("=")[::2]
            for pair in request.headers.get("cookie", "").split(";")
        )
        session = cookies.get(_COOKIE, "")
        if not session:
            session = secrets.token_hex(7)[:13]
            headers.append(("Set-Cookie", f"{_COOKIE}={session}; path=/; HttpOnly"))
        return session, headers

    def _start_session(self, exchange: Exchange, plugin: str) -> None:
        fault = self._site.meet_aside("mwai", 0)
        if http_fault(exchange, fault.removeprefix("session-"), self._site.home):
            return
        if fault == "session-members-only":
            members_only(exchange)
            return
        session, headers = self._session(exchange.request, plugin)
        headers += [("Set-Cookie", f"PHPSESSID={secrets.token_hex(13)}; path=/"), ("Allow", "POST")]
        headers += [
            ("Cache-Control", "no-store, no-cache, must-revalidate"),
            ("Pragma", "no-cache"),
        ]
        nonce = None if fault == "session-no-nonce" else self._site.nonces.current(NONCE)
        body = {"success": True, "sessionId": session, "restNonce": nonce}
        exchange.respond(200, php_json(body), JSON, headers)

    def _upload(self, exchange: Exchange, plugin: str) -> None:
        request, fault = exchange.request, self._site.meet_aside("mwai", 1)
        _, headers = self._session(request, plugin)
        kind, data = request.files.get("file", ("", b""))
        problem = ""
        if fault == "upload-nonce":
            bad_nonce(exchange)
            return
        if fault == "upload-fatal":
            fatal(exchange, headers)
            return
        if "purpose" not in request.form and version(plugin) >= (2,):
            problem = "What is it for?"
        elif not data:
            problem = "There is no file."
        elif fault == "upload-refused" or not (
            kind_of(data) or kind in ("application/pdf", "text/plain")
        ):
            problem = "Such files are not taken."
        if problem:
            body: dict[str, Any] = {"success": False, "message": problem}
            exchange.respond(400, php_json(body), JSON, headers)
            return
        key = secrets.token_hex(16)
        with self._lock:
            self._files[key] = (kind_of(data) or kind, data)
        ending = kind.rpartition("/")[2]
        body = {"id": key, "url": f"{self._site.home}wp-content/uploads/{key}.{ending}"}
        if fault == "upload-no-id":
            del body["id"]
        exchange.respond(200, php_json({"success": True, "data": body}), JSON, headers)

    # A turn.

    def _submit(self, exchange: Exchange, plugin: str) -> None:
        request, site = exchange.request, self._site
        session, headers = self._session(request, plugin)
        try:
            body = json_body(request)
        except ValueError:
            invalid_json(exchange, headers)
            return
        bot, named = self._bot(body, plugin)
        fault = site.meet(bot, "mwai") if bot else ""
        if http_fault(exchange, fault, site.home):
            return
        if self._refused_by_wordpress(exchange, fault, headers):
            return
        message = body.get("newMessage")
        files = file_ids(body, plugin)
        if message is not None and not isinstance(message, str):
            fatal(exchange, headers)
            return
        text = (message or "").strip(" \t\n\r\0\x0b") if version(plugin) >= (2,) else message or ""
        if not named or fault == "message-empty" or is_empty(text, files, plugin):
            no = php_json({"success": False, "message": _REJECTED})
            exchange.respond(403, no, JSON, headers)
            return
        token = ""
        if version(plugin) >= (3,) and request.headers["x-wp-nonce"] != site.nonces.current(NONCE):
            token = site.nonces.current(NONCE)
        streams = bool(body.get("stream"))
        told = Told(exchange, site, bot or _NOBODY, fault, headers, streams, token)
        if refusal := self._refusal(bot, fault, text, session):
            told.refuse(_REFUSALS[refusal], early=refusal in _EARLY)
            return
        self._answer(told, body, text, files)

    def _refusal(self, bot: BotSpec | None, fault: str, text: str, session: str) -> str:
        """Why the plugin does not ask the model; "" where it does."""
        if bot is None:
            return "unknown-bot"
        if fault in _REFUSALS:
            return fault
        if too_long(text, bot):
            return "too-long"
        return "" if self._site.within_quota(session) else "quota"

    def _refused_by_wordpress(self, exchange: Exchange, fault: str, headers: list[Header]) -> bool:
        if fault == "nonce":
            bad_nonce(exchange)
        elif fault == "no-nonce":
            fail(exchange, 401, "rest_forbidden", "That is not for you.", HEADERS)
        elif fault == "members-only":
            members_only(exchange)
        elif fault == "no-route":
            no_route(exchange)
        elif fault == "invalid-json":
            invalid_json(exchange, headers)
        elif fault == "fatal":
            fatal(exchange, headers)
        else:
            return False
        return True

    def _bot(self, body: dict[str, Any], plugin: str) -> tuple[BotSpec | None, bool]:
        """The bot that a request names, and whether it names one; one that is not there is the
        default one from version 3 on."""
        bot_id, custom = body.get("botId"), body.get("customId")
        bot = self._site.custom_bot(str(custom)) if custom else None
        bot = bot or (self._site.bot(str(bot_id), "mwai") if bot_id else None)
        if bot is None and version(plugin) >= (3,):
            bot = self._site.bot("default", "mwai")
        return bot, bool(bot_id or custom)

    def _answer(self, told: Told, body: dict[str, Any], text: str, files: list[str]) -> None:
        plugin = told.bot.plugin
        messages = body.get("messages") or []
        with self._lock:
            images = [self._files[each] for each in files if each in self._files]
        lost = len(images) < len(files) and (2,) <= version(plugin) < (3,)
        if not isinstance(messages, list) or lost:
            fatal(told.exchange, told.headers)
            return
        history: list[Message] = []
        for item in messages:
            if not (isinstance(item, dict) and isinstance(item.get("content"), str)):
                told.refuse("Such messages are not known.")
                return
            history.append({"role": item.get("role", "user"), "content": item["content"]})
        if version(plugin) < (2,):
            history = history[-_KEPT + 1 :]
            if history and history[-1]["role"] == "user":
                history.pop()  # It takes the last one for the new message.
        elif len(history) > _KEPT + 1:
            history = [history[0], *history[-_KEPT:]]
        asked: Message = {"role": "user", "content": text}
        if images:
            asked["images"] = images
        told.tell(self._site.model.ask([*history, asked], told.fault))

    # The owner's API.

    def _query(self, exchange: Exchange, plugin: str) -> None:
        request, site = exchange.request, self._site
        _, headers = self._session(request, plugin)
        headers.append(("Allow", "POST"))
        if request.headers.get("authorization", "") != f"Bearer {site.api_key}":
            fail(exchange, 401, "rest_forbidden", "That is not for you.", headers)
            return
        try:
            body = json_body(request)
        except ValueError:
            invalid_json(exchange, headers)
            return
        bot, named = self._bot(body, plugin)
        fault = site.meet(bot, "mwai") if bot else ""
        if http_fault(exchange, fault, site.home):
            return
        if self._refused_by_wordpress(exchange, fault, headers):
            return
        told = Told(exchange, site, bot or _NOBODY, fault, headers, streams=False)
        message = body.get("message") or body.get("prompt")
        if not named or not isinstance(message, str) or not message:
            told.refuse("Which bot, and what?")
        elif bot is None or fault in _REFUSALS:
            told.refuse(_REFUSALS.get(fault, _REJECTED))
        else:
            told.query(site.model.ask([{"role": "user", "content": message}], fault))
