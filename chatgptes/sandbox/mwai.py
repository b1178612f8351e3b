"""AI Engine's server, as plugin versions 1.9.99, 2.2.95 and 3.6.2 behave."""

from __future__ import annotations

import secrets
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .bot import Message
from .faults import http_fault
from .mwai_answer import AnswerParts
from .mwai_page import NONCE, shortcut_message
from .mwai_request import (
    HEADERS,
    Visit,
    bad_nonce,
    file_ids,
    forbidden,
    invalid_json,
    is_empty,
    json_body,
    members_only,
    no_route,
    refuse,
    refused,
    too_long,
)
from .php import php_json, version
from .pictures import Picture, kind_of
from .spec import BotSpec
from .wordpress import JSON, fatal

if TYPE_CHECKING:
    from .exchange import Exchange, Header
    from .wordpress import WordPress

NEWEST = "3.6.2"
NAMES = ("mwai-ui/v1", "mwai/v1")

SESSION, SUBMIT, UPLOAD = (
    "mwai/v1/start_session",
    "mwai-ui/v1/chats/submit",
    "mwai-ui/v1/files/upload",
)
QUERY, DISCUSSIONS = "mwai/v1/simpleChatbotQuery", "mwai-ui/v1/discussions/list"

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
_BEFORE_SESSION = frozenset({"unknown-bot", "too-long"})  # No cookie is set yet, either.
_EARLY = _BEFORE_SESSION | {"moderation"}  # Before the stream's type is set.


class Mwai:
    """Answers the plugin's routes for one site; keeps the files that visitors have sent."""

    def __init__(self, site: WordPress) -> None:
        self._site = site
        self._files: dict[str, Picture] = {}
        self._lock = threading.Lock()

    def handle(self, exchange: Exchange, route: str, plugin: str) -> None:
        """Answer a request for `route`, as version `plugin`."""
        request = exchange.request
        known = {
            SUBMIT: self._submit,
            UPLOAD: self._upload,
            QUERY: self._query,
            DISCUSSIONS: self._discussions,
        }
        if version(plugin) >= (2, 4, 4):
            known[SESSION] = self._start_session
        visit = self._visit(exchange, route, plugin)
        sent = request.headers.get("x-wp-nonce", "")
        if sent and not self._site.nonces.holds(sent, NONCE):
            # WordPress itself minds, before any plugin is asked.
            bad_nonce(visit)
        elif route not in known or request.method != "POST":
            no_route(visit)
        elif route in (SUBMIT, UPLOAD, DISCUSSIONS) and not sent and version(plugin) >= (2,):
            forbidden(visit)
        else:
            known[route](visit)

    def _visit(self, exchange: Exchange, route: str, plugin: str) -> Visit:
        request, headers = exchange.request, list(HEADERS)
        cookies: list[Header] = []
        sent = request.headers.get("x-wp-nonce", "")
        if self._site.nonces.holds(sent, NONCE):
            headers.append(("X-WP-Nonce", self._site.nonces.current(NONCE)))
        if version(plugin) < (3,):
            return Visit(exchange, plugin, "address", headers, cookies)
        if route.startswith("mwai/"):
            headers.append(("Set-Cookie", f"PHPSESSID={secrets.token_hex(13)}; path=/"))
            headers.append(("Cache-Control", "no-store, no-cache, must-revalidate"))
        pairs = request.headers.get("cookie", "").split(";")
        session = dict(pair.strip().partition("=")[::2] for pair in pairs).get(_COOKIE, "")
        if not session:
            session = secrets.token_hex(7)[:13]
            cookies.append(("Set-Cookie", f"{_COOKIE}={session}; path=/; HttpOnly"))
        return Visit(exchange, plugin, session, headers, cookies)

    def _start_session(self, visit: Visit) -> None:
        fault = self._site.meet_aside("mwai", 0)
        if http_fault(visit.exchange, fault.removeprefix("session-"), self._site.home):
            return
        if fault == "session-members-only":
            members_only(visit)
            return
        nonce = None if fault == "session-no-nonce" else self._site.nonces.current(NONCE)
        body = {"success": True, "sessionId": visit.session, "restNonce": nonce}
        headers = [*visit.headers, *visit.cookies, ("Allow", "POST")]
        visit.exchange.respond(200, php_json(body), JSON, headers)

    def _discussions(self, visit: Visit) -> None:
        """Refuse the list of old chats, as to every visitor who is not logged in."""
        refuse(visit, 200, "Log in first.")

    def _upload(self, visit: Visit) -> None:
        request, fault = visit.exchange.request, self._site.meet_aside("mwai", 1)
        kind, data = request.files.get("file", ("", b""))
        problem = ""
        if fault == "upload-nonce":
            bad_nonce(visit)
            return
        if fault == "upload-fatal":
            fatal(visit.exchange, visit.headers)
            return
        if "purpose" not in request.form and version(visit.plugin) >= (2,):
            problem = "What is it for?"
        elif not data:
            problem = "There is no file."
        elif fault == "upload-refused" or not (
            kind_of(data) or kind in ("application/pdf", "text/plain")
        ):
            problem = "Such files are not taken."
        if problem:
            refuse(visit, 400, problem)
            return
        key = secrets.token_hex(16)
        with self._lock:
            self._files[key] = (kind_of(data) or kind, data)
        ending = kind.rpartition("/")[2]
        body = {"id": key, "url": f"{self._site.home}wp-content/uploads/{key}.{ending}"}
        if fault == "upload-no-id":
            del body["id"]
        answer = php_json({"success": True, "data": body})
        visit.exchange.respond(200, answer, JSON, [*visit.headers, *visit.cookies])

    # A turn.

    def _submit(self, visit: Visit) -> None:
        request, plugin = visit.exchange.request, visit.plugin
        asked = self._asked(visit)
        if asked is None:
            return
        body, bot, fault = asked
        message = body.get("newMessage")
        if bot and not message and (shortcut := body.get("shortcutId")):
            message = shortcut_message(bot, str(shortcut))
            if not message:
                refuse(visit, 400, "That starter is not here any more.")
                return
        files = file_ids(body, plugin)
        if message is not None and not isinstance(message, str):
            fatal(visit.exchange, visit.headers)
            return
        text = (message or "").strip(" \t\n\r\0\x0b") if version(plugin) >= (2,) else message or ""
        named = body.get("botId") or body.get("customId")
        if not named or fault == "message-empty" or is_empty(text, files, plugin):
            refuse(visit, 403, _REJECTED)
            return
        current, token = self._site.nonces.current(NONCE), ""
        if version(plugin) >= (3,) and request.headers["x-wp-nonce"] != current:
            token = current
        streams = bool(body.get("stream"))
        headers = [*visit.headers, *visit.cookies]
        told = AnswerParts(
            visit.exchange, self._site, bot or _NOBODY, fault, headers, streams, token
        )
        if refusal := self._refusal(bot, fault, text, visit.session):
            if refusal in _BEFORE_SESSION:
                told = replace(told, headers=visit.headers)
            told.refuse(_REFUSALS[refusal], early=refusal in _EARLY)
            return
        self._answer(told, body, text, files)

    def _asked(self, visit: Visit) -> tuple[dict[str, Any], BotSpec | None, str] | None:
        """A request's fields, its bot and the fault it meets; None where it has been answered."""
        try:
            body = json_body(visit.exchange.request)
        except ValueError:
            invalid_json(visit)
            return None
        bot = self._bot(body, visit.plugin)
        fault = self._site.take_fault(bot, "mwai") if bot else ""
        if http_fault(visit.exchange, fault, self._site.home) or refused(visit, fault):
            return None
        return body, bot, fault

    def _refusal(self, bot: BotSpec | None, fault: str, text: str, session: str) -> str:
        """Why the plugin does not ask the model; "" where it does."""
        if bot is None:
            return "unknown-bot"
        if fault in _REFUSALS:
            return fault
        if too_long(text, bot):
            return "too-long"
        return "" if self._site.within_quota(session) else "quota"

    def _bot(self, body: dict[str, Any], plugin: str) -> BotSpec | None:
        """The bot that a request names; from version 3 on the default one for one unknown."""
        bot_id, custom = body.get("botId"), body.get("customId")
        bot = self._site.custom_bot(str(custom)) if custom else None
        bot = bot or (self._site.bot(str(bot_id), "mwai") if bot_id else None)
        if bot is None and version(plugin) >= (3,):
            bot = self._site.bot("default", "mwai")
        return bot

    def _answer(self, told: AnswerParts, body: dict[str, Any], text: str, files: list[str]) -> None:
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

    def _query(self, visit: Visit) -> None:
        site = self._site
        if visit.exchange.request.headers.get("authorization", "") != f"Bearer {site.api_key}":
            forbidden(visit)
            return
        asked = self._asked(visit)
        if asked is None:
            return
        body, bot, fault = asked
        headers = [*visit.headers, *visit.cookies, ("Allow", "POST")]
        told = AnswerParts(visit.exchange, site, bot or _NOBODY, fault, headers, streams=False)
        message = body.get("message") or body.get("prompt")
        if not body.get("botId") or not isinstance(message, str) or not message:
            told.refuse("Which bot, and what?")
        elif bot is None or fault in _REFUSALS:
            told.refuse(_REFUSALS.get(fault, _REJECTED))
        else:
            told.query(site.model.ask([{"role": "user", "content": message}], fault))
