"""The answer of an `mwai` bot: the plugin's own event stream, or one JSON object.

The type says nothing: a streamed turn that ends before its model is called has its events under
`application/json`, and PHP warnings can stand in front of either.

What a failure means is decided by its shape, never by its words: all sentences are translated,
written by the owner or come from the model's service.  There are two shapes: WordPress's `{"code",
"message", "data": {"status"}}`, and the plugin's `{"success": false, "message"}` (in a stream: an
event of type `error`).  The second stands for a used-up limit, a banned word, a missing key and a
failing model alike (measured on five versions).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ...errors import (
    ChatGptEsError,
    EmptyReplyError,
    RefusedError,
    ResponseError,
    UnexpectedStatusError,
)
from ...values.http import Limits
from ..challenge import gate_error
from ..decoder import Decoder
from ..details import usage_from
from ..dialect import BufferedResponse, NonceRefused, Question
from ..response import make_error
from ..text import (
    clean_text,
    is_blank,
    object_or_empty,
    parse_event,
    string_or_empty,
    without_surrogates,
)
from .page import header_nonce

__all__ = ["NO_ROUTE", "MwaiDecoder", "chat_id", "error_for_object", "rank"]

NO_ROUTE = "rest_no_route"
_FATAL = "internal_server_error"

# Of a request with a dead nonce, and of one without any (2.0 on).
_NONCE_CODES = frozenset({"rest_cookie_invalid_nonce", "rest_forbidden"})

_MOST_IMAGES = 100
_CHAT, _LEFT = "mwai_chat", "mwai_left"
_NOT_IN_MARKDOWN = frozenset(" ()<>")


def rank(data: dict[Any, Any]) -> int:
    """Tell how well an object fits (see `Rank`): the plugin's, or WordPress's."""
    return 2 if data.get("success") else "success" in data or "code" in data


def _plugin_refusal(message: object, response: BufferedResponse) -> RefusedError:
    """Return the error for the plugin's own way to say no.

    It claims nothing about the cause, because the site says nothing: neither that the model was
    asked, nor that it was not.  Only a status of 4xx says that it did not come so far.
    """
    if 400 <= response.status < 500:
        text = f"The site refused the request (status {response.status}):"
        return make_error(RefusedError, text, response, message)
    advice = (
        "Sites of this plugin do not tell whether a limit, a rule, their settings or the model is "
        "the cause."
    )
    return make_error(RefusedError, "The bot gave no answer:", response, message, advice=advice)


def error_for_object(data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
    """Return the error that an answer's known keys stand for, or None."""
    status = response.status
    if gate := gate_error(data, response):
        return gate
    if status == 429 or 300 <= status < 400:
        return None
    code = clean_text(data.get("code"))
    if not code:
        refused = data.get("success") is False
        return _plugin_refusal(data.get("message"), response) if refused else None
    said: object = data.get("message")
    cls: type[ResponseError] = UnexpectedStatusError
    message = f"The site refused the request (status {status}, {code})."
    if code == _FATAL:
        # Its message is a page's HTML, its data the server's paths and a stack trace.
        said = None
        message = f"The site's own software failed (status {status}). Try again later."
    elif code == NO_ROUTE:
        message = (
            f"The site has no such route (status {status}): the AI Engine plugin is switched off "
            "there, or older than 1.6.76."
        )
    elif code in _NONCE_CODES and status in (401, 403):
        cls = NonceRefused
        message = f"The site refused the nonce (status {status})."
    elif status in (401, 403):
        cls = RefusedError
        message = (
            f"The site takes no messages from its visitors (status {status}, {code}), as where "
            "only members may use it."
        )
    return make_error(cls, message, response, said, code)


def chat_id(question: Question) -> str:
    """Return the `chatId` of a turn: the same for a question, whenever it is asked for.

    The memory is the client's: every turn brings its history.  But where the owner keeps
    discussions, 2.8.4 continues from what it has stored under the `chatId`, and drops the history
    that was sent.  So the id stays only as long as the history is exactly what the turn before
    left, and is new otherwise: after a failed turn, for a list of messages, for another bot.
    """
    known = question.state.get(_CHAT)
    if known and question.state.get(_LEFT) == _digest(question, question.history):
        return known
    return question.id


def _state_after(question: Question, text: str) -> dict[str, str]:
    """The state for the next turn, if this one's answer is `text`."""
    history = (*question.history, ("user", question.prompt), ("assistant", text))
    return {_CHAT: chat_id(question), _LEFT: _digest(question, history)}


def _digest(question: Question, history: Sequence[tuple[str, str]]) -> str:
    where = [question.endpoint.url, question.endpoint.bot.id]
    written = json.dumps([where, [list(pair) for pair in history]])
    return hashlib.sha256(written.encode()).hexdigest()


class MwaiDecoder(Decoder):
    """The answer of one turn.

    The `reply` in the `end` event is the whole text, and decides.  Text that was handed on can't be
    taken back, so where the owner's filters have changed more than the end of it, the answer stays
    as it was streamed.

    A model that fails in mid-answer can't be told from one that has finished: all versions but
    2.2.95 then send a good `end` with the part as `reply`.
    """

    rank = staticmethod(rank)

    def __init__(self, question: Question, head: BufferedResponse, limits: Limits) -> None:
        super().__init__(head, limits)
        self._question = question
        self._live: list[str] = []
        # The current nonce: all versions send it with the answer to a good one.
        self.details.nonce = header_nonce(head.headers.get("x-wp-nonce")) or None

    def _event(self, name: str, value: str) -> str:
        data = object_or_empty(self._parse(value))
        kind = data.get("type")
        text = ""
        if kind == "live":
            # Another subtype is a status, a tool's call, the model's thinking: no text.
            if data.get("subtype") in (None, "content"):
                text = string_or_empty(data.get("data"))
                self._live.append(text)
        elif kind == "end":
            text = self._finish(data.get("data"))
            self.complete = True
        elif kind == "error":
            raise self._failed(data.get("data"))
        return text

    def _failed(self, message: object) -> ChatGptEsError:
        if self._has_text:
            return self._upstream(message)
        return _plugin_refusal(message, self._response)

    def _finish(self, written: object) -> str:
        """The text that is missing yet at the `end` event."""
        answer = parse_event(written) if isinstance(written, str) else written
        live = without_surrogates("".join(self._live))
        if not isinstance(answer, dict):
            # A mark without its answer: what was streamed is all there is.
            return self._completed(live, "", {})
        if answer.get("success") is False:
            raise self._failed(answer.get("message"))
        reply = without_surrogates(string_or_empty(answer.get("reply")))
        missing = reply[len(live) :] if reply.startswith(live) else ""
        if is_blank(live) and not missing:
            # Blanks alone are no answer that the whole one could contradict.
            missing = reply
        return self._completed(live, missing, answer)

    def _completed(self, before: str, missing: str, answer: dict[Any, Any]) -> str:
        """Note what an answer says besides its text, and return the text that is missing yet."""
        details = self.details
        details.usage = usage_from(answer.get("usage"))
        details.message_id = clean_text(answer.get("responseId"), 200) or None
        details.nonce = header_nonce(answer.get("new_token")) or details.nonce
        images = answer.get("images")
        for item in images[:_MOST_IMAGES] if isinstance(images, list) else ():
            address = clean_text(item, 2000)
            if not address.startswith(("http://", "https://")):
                continue
            details.images.append(address)
            if address not in before + missing and not _NOT_IN_MARKDOWN & set(address):
                gap = "\n\n" if not is_blank(before + missing) else ""
                missing += f"{gap}![Image]({address})"
        text = before + missing
        if is_blank(text):
            if answer.get("actions"):
                message = "The bot answered with an action for its page's script, and with no text."
                raise self._make_error(EmptyReplyError, message)
            raise self._empty_error()
        details.state = _state_after(self._question, text)
        return missing

    def _ended(self) -> str:
        if self.complete:
            return ""
        raise self._broke_off()

    def _object(self, data: dict[Any, Any]) -> str | None:
        if error := error_for_object(data, self._response):
            raise error
        if data.get("success") and isinstance(data.get("reply"), str):
            return self._completed("", without_surrogates(data["reply"]), data)
        return None
