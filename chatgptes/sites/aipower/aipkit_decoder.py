"""The objects and the event stream that an `aipkit` site answers (plugin 2.3 and later)."""

from __future__ import annotations

import re
from typing import Any

from ...errors import ChatGptEsError, QuotaError, RefusedError, ResponseError, UnexpectedFormatError
from ...values.reply import Citation
from ..addresses import join_url
from ..challenge import gate_error, is_gate
from ..decoder import Decoder
from ..dialect import BufferedResponse, NonceRefused
from ..response import make_error
from ..text import NOT_AS_EXPECTED, clean_text, listed, object_or_empty, scan_json, string_or_empty

__all__ = ["AipkitDecoder", "rank", "refusal"]

_FOREIGN_CODES = ("embed_not_available", "cors_denied")  # The message is of another site's page.
_MOST_CITATIONS = 1000
_INCOMPLETE = re.compile(r"\(?\s*Incomplete:\s*(.+?)\s*\)?")


def rank(data: dict[Any, Any]) -> int:
    """Tell how well an object fits (see `Rank`): the plugin's, or a gate's before it."""
    if data.get("success") and isinstance(data.get("data"), dict):
        return 2
    return "success" in data or bool(data.get("error")) or is_gate(data)


def refusal(data: dict[Any, Any], response: BufferedResponse) -> ResponseError | None:
    """Return the error in WordPress's `{"success": false, "data": {…}}`, or None."""
    status = response.status
    if gate := gate_error(data, response):
        return gate
    if data.get("success") is not False or status in (401, 429) or status >= 500:
        return None
    inner = data.get("data")
    inner = inner if isinstance(inner, dict) else {"message": inner}
    code, said = clean_text(inner.get("code")), clean_text(inner.get("message"))
    advice = ""
    cls: type[RefusedError] = RefusedError
    if code in _FOREIGN_CODES:
        advice = "It takes messages from its own pages only."
    elif code.startswith("nonce_failure") or status == 403:
        cls = NonceRefused
    message = "The site refused the request:"
    return make_error(cls, message, response, said or code, code, advice=advice)


def _grounding_citations(data: dict[Any, Any]) -> list[dict[str, Any]]:
    """The sources in the grounding metadata of Google's models, in the form of citations."""
    webs = [chunk.get("web") for chunk in listed(data.get("groundingChunks"), _MOST_CITATIONS)]
    return [
        {"url": web.get("uri"), "title": web.get("title")} for web in webs if isinstance(web, dict)
    ]


def _form(data: Any) -> dict[str, Any]:
    """A form as data: texts only, whatever the site sends."""
    data = object_or_empty(data)
    fields = [
        {key: clean_text(element.get(key), 200) for key in ("name", "label", "type")}
        for element in listed(data.get("elements"))
    ]
    title = clean_text(data.get("title")) or clean_text(data.get("form_id")) or "?"
    return {"title": title, "fields": fields}


def _actions(notice: dict[Any, Any], base: str) -> tuple[tuple[str, str], ...]:
    """The buttons of a notice: their texts and addresses.

    The keys `label` and `url` (and `variant`, a colour) are those of the plugin's source, 2.4.5 to
    2.4.71; the notices that were recorded have no buttons.
    """
    found = []
    for action in listed(notice.get("actions")):
        text = clean_text(action.get("label"), 200)
        address = string_or_empty(action.get("url")).strip()[:2000]
        url = join_url(base, address) if address else ""
        if text and url.startswith(("http://", "https://")):
            found.append((text, url))
    return tuple(found)


class AipkitDecoder(Decoder):
    """The answer of one turn."""

    event_names = (
        "message_start", "message", "status", "openai_response_id", "google_interaction_id",
        "citations", "grounding_metadata", "display_form_event", "warning", "error", "done",
    )  # fmt: skip

    rank = staticmethod(rank)

    _started = False  # The model was asked: from here on it is the model that fails.
    _break_due = False  # A further message has begun, and none of its text has come.
    _form: dict[str, Any] | None = None  # The form that the site wants filled in.

    def _event(self, name: str, value: str) -> str:
        if not name and not self._break_due:
            # Nearly every event.
            try:
                data, _ = scan_json(value, 0)
                text = data["delta"]
                if type(text) is str and len(data) == 1:
                    self._started = True
                    return text
            except NOT_AS_EXPECTED:
                pass
        return self._any_event(name, value)

    def _any_event(self, name: str, value: str) -> str:
        data = self._parse(value)
        fields = object_or_empty(data)
        text = fields.get("delta")
        if type(text) is str:
            name = ""  # Text, whatever the words of a notice made of its event's name.
        failed = bool(fields.get("error"))
        if (not name and not failed) or (name in self.event_names and name != "error"):
            # From here on it is the model that fails, and the message is not to be sent again.
            self._started = True
        if name == "error" or (failed and name in ("", "message")):
            raise self._failed(data if isinstance(data, dict) else {"error": value})
        if name:
            self._note(name, data)
        elif text and type(text) is str:
            gap, self._break_due = "\n\n" if self._break_due else "", False
            return gap + text  # An empty line between two messages of one answer.
        return ""

    def _note(self, name: str, data: Any) -> None:
        """Note what an event without text says."""
        fields = object_or_empty(data)
        if name in ("citations", "grounding_metadata"):
            self._cite(data)
        elif name == "done":
            self._cite(fields.get("citations"))
            self._cite(fields.get("grounding_metadata"))
            self.complete = True
        elif name == "display_form_event":
            self._form = _form(fields.get("form_definition"))
        elif name == "message_start" and isinstance(data, dict):
            self._break_due = self._has_text
            self.details.message_id = clean_text(data.get("message_id"), 200) or None
        elif name in ("openai_response_id", "google_interaction_id"):
            if given := clean_text(fields.get("id"), 500):
                self.details.state[name] = given
        elif name == "warning":
            # The reason for a short answer: " (Incomplete: max_output_tokens)", or the words.
            said = clean_text(fields.get("error"))
            reason = _INCOMPLETE.fullmatch(said)
            if reason is not None or self.details.finish_reason is None:
                self.details.finish_reason = (reason[1] if reason else said) or None

    def _cite(self, data: Any) -> None:
        """Note citations; the same list comes again in `done`."""
        if isinstance(data, dict):
            inner = data.get("citations", data.get("grounding_metadata"))
            data = inner if inner is not None else _grounding_citations(data)
            if isinstance(data, dict):
                data = _grounding_citations(data)
        cited = self.details.citations
        for item in listed(data, _MOST_CITATIONS):
            url = clean_text(item.get("url"), 2000)
            if not url.startswith(("http://", "https://")):
                continue
            title = clean_text(item.get("title"), 500) or clean_text(item.get("source_title"), 500)
            citation = Citation(url, title, clean_text(item.get("cited_text"), 2000))
            bare = Citation(url, title)
            if bare in cited and citation != bare:
                cited[cited.index(bare)] = citation  # It came again, with the words it stands for.
            elif len(cited) < _MOST_CITATIONS and not any(
                (each.url, each.title) == (url, title) and citation.text in ("", each.text)
                for each in cited
            ):
                cited.append(citation)

    def _failed(self, data: dict[Any, Any]) -> ChatGptEsError:
        """The error for an `error` event: by its keys, then by its place in the stream."""
        error = data.get("error")
        inner = object_or_empty(error)
        if gate := gate_error(data, self._response):
            return gate
        words = (error, inner.get("message"), data.get("message"))
        said = next(filter(None, map(clean_text, words)), "")
        notice = data.get("quota_notice") or inner.get("quota_notice")
        if notice:
            notice = object_or_empty(notice)
            said = clean_text(notice.get("message")) or said
            message = "The bot's limit for its visitors is used up."
            used_up = self._make_error(QuotaError, message, said)
            used_up.actions = _actions(notice, self._response.url)
            return used_up
        code = clean_text(data.get("code")) or clean_text(inner.get("code"))
        if code not in _FOREIGN_CODES and (self._started or self._has_text):
            return self._upstream(said)
        # A dead nonce has no mark here.
        cls = RefusedError if code in _FOREIGN_CODES else NonceRefused
        return self._make_error(cls, "The site refused the message:", said, code or None)

    def _ended(self) -> str:
        if not self.complete:
            raise self._broke_off()
        if self._has_text:
            return ""
        if self._form:
            message = (
                "The site wants a form filled in first. The library fills in none: do that on the "
                "site's page. The form:"
            )
            refused = self._make_error(RefusedError, message, self._form["title"])
            refused.form = self._form
            raise refused
        raise self._empty_error()

    def _object(self, data: dict[Any, Any]) -> str | None:
        inner = data.get("data")
        if isinstance(inner, dict) and (data.get("success") is False or inner.get("error")):
            # With an `error` it is the plugin's object, whose words may name a firewall.
            raise self._failed({"error": inner.get("message"), **inner})
        if data.get("error"):
            raise self._failed(data)
        if gate := gate_error(data, self._response):
            raise gate
        return None

    def _no_answer(self, body: bytes) -> ChatGptEsError:
        text = body.strip()
        if text not in (b"0", b"-1"):
            return super()._no_answer(body)
        message = (
            "WordPress does not know what was asked for: the chat plugin is not active, or of "
            "another generation."
        )
        return self._make_error(UnexpectedFormatError, message, text)
