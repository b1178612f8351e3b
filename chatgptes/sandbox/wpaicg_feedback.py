"""The thumbs of a classic site, as 1.9.18 takes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .faults import http_fault
from .php import php_json
from .wordpress import JSON, NO_CACHE

if TYPE_CHECKING:
    from .exchange import Exchange
    from .wordpress import WordPress

FEEDBACK = "wpaicg_submit_feedback"


class WpaicgFeedback:
    """The questions of one site, and the thumbs for their answers.

    Attributes:
        given: (type, comment) pairs by the question's `chat_id`.
    """

    def __init__(self, site: WordPress, nonce: str) -> None:
        self.given: dict[str, list[tuple[str, str]]] = {}
        self._site = site
        self._nonce = nonce

    def keep(self, chat_id: str) -> None:
        """Note a question, so that its answer can get a thumb."""
        if number := re.sub(r"\D", "", chat_id):
            self.given.setdefault(number, [])

    def handle(self, exchange: Exchange) -> None:
        """Answer a thumb."""
        form = exchange.request.form
        fault = self._site.meet_aside("classic", step=3).removeprefix("feedback-")
        if fault == "nonce" or not self._site.nonces.holds(form.get("_wpnonce", ""), self._nonce):
            exchange.respond(403, "This link is too old.", headers=[NO_CACHE])
            return
        if http_fault(exchange, fault, self._site.home):
            return
        thumb = (form.get("feedbackType", ""), form.get("feedbackDetails", ""))
        kept = self.given.get(form.get("chatId", ""))
        if not form.get("chatId") or not thumb[0]:
            body = {"success": False, "data": "That says too little."}
        elif kept is None or fault == "refused":
            body = {"success": False, "data": "No such answer is kept here."}
        else:
            kept.append(thumb)
            body = {"success": True, "data": "Noted."}
        exchange.respond(200, php_json(body), JSON, [NO_CACHE])
