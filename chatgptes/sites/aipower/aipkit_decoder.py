"""An `aipkit` site's event stream (plugin 2.3 and later)."""

from __future__ import annotations

import re
from typing import Any

from ...errors import ChatGptEsError, QuotaError, RefusedError, UnexpectedFormatError, UpstreamError
from ...values.reply import Citation
from ..addresses import join_url
from ..challenge import gate_error, is_gate, wants_token
from ..decoder import BodyDecoder
from ..dialect import NonceRefused
from ..text import (
    NOT_AS_EXPECTED,
    clean_text,
    excerpt,
    parse_json,
    quote_suffix,
    scan_json,
    site_said,
    string_or_empty,
)  # fmt: skip

__all__ = ["AipkitDecoder"]

_OF_MODEL = frozenset(
    {"message_start", "status", "openai_response_id", "google_interaction_id", "warning"}
)
_MOST_CITATIONS = 1000
_MOST_ACTIONS, _MOST_FIELDS = 20, 100
_FIELD_KEYS = ("name", "label", "type")
_INCOMPLETE = re.compile(r"\(?\s*Incomplete:\s*(.+?)\s*\)?")


def _same(one: Citation, other: Citation) -> bool:
    return (one.url, one.title) == (other.url, other.title)


def _grounding_citations(data: dict[Any, Any]) -> list[dict[str, Any]]:
    """The sources in the grounding metadata of Google's models, in the form of citations."""

    def entries(camel: str, snake: str) -> list[Any]:
        found = data.get(camel, data.get(snake))
        return found[:_MOST_CITATIONS] if isinstance(found, list) else []

    texts: dict[int, str] = {}
    for support in entries("groundingSupports", "grounding_supports"):
        if not isinstance(support, dict):
            continue
        segment = support.get("segment")
        numbers = support.get("groundingChunkIndices", support.get("grounding_chunk_indices"))
        for number in numbers if isinstance(numbers, list) else ():
            if type(number) is int and isinstance(segment, dict):
                texts.setdefault(number, string_or_empty(segment.get("text")))
    citations = []
    for number, chunk in enumerate(entries("groundingChunks", "grounding_chunks")):
        web = chunk.get("web") if isinstance(chunk, dict) else None
        if isinstance(web, dict):
            citations.append(
                {"url": web.get("uri"), "title": web.get("title"), "cited_text": texts.get(number)}
            )
    return citations


def _form(data: dict[Any, Any]) -> dict[str, Any]:
    """A form as data: texts only, whatever the site sends."""
    elements = data.get("elements")
    fields = [
        {key: clean_text(element.get(key), 200) for key in _FIELD_KEYS}
        for element in (elements[:_MOST_FIELDS] if isinstance(elements, list) else ())
        if isinstance(element, dict)
    ]
    title = clean_text(data.get("title"), 100) or clean_text(data.get("form_id"), 100) or "?"
    return {"title": title, "fields": fields}


def _actions(notice: Any, base: str) -> tuple[tuple[str, str], ...]:
    """The buttons of a notice: their texts and addresses.

    The keys `label` and `url` (and `variant`, a colour) are those of the plugin's source, 2.4.5 to
    2.4.71; the notices that were recorded have no buttons.
    """
    given = notice.get("actions") if isinstance(notice, dict) else None
    found = []
    for action in given[:_MOST_ACTIONS] if isinstance(given, list) else ():
        if not isinstance(action, dict):
            continue
        text = clean_text(action.get("label"), 200)
        address = string_or_empty(action.get("url")).strip()[:2000]
        url = join_url(base, address) if address else ""
        if text and url.startswith(("http://", "https://")):
            found.append((text, url))
    return tuple(found)


class AipkitDecoder(BodyDecoder):
    """The answer of one turn.  See `Decoder`."""

    event_names = (
        "message_start", "message", "status", "openai_response_id", "google_interaction_id",
        "citations", "grounding_metadata", "display_form_event", "warning", "error", "done",
    )  # fmt: skip

    @staticmethod
    def is_known(data: Any) -> bool:
        """See `BodyDecoder.is_known`."""
        return isinstance(data, dict) and (
            "success" in data or bool(data.get("error")) or is_gate(data)
        )

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
        if isinstance(data, dict) and type(data.get("delta")) is str and "error" not in data:
            name = ""  # Text, whatever the words of a notice made of its event's name.
        # From here on it is the model that fails, and the message is not to be sent again.
        speaks = name in self.event_names and name not in ("error", "done")
        self._started = self._started or speaks or self._is_of_model(name, data)
        if name in ("citations", "grounding_metadata"):
            self._cite(data)
            return ""
        if name == "error":
            raise self._failed(data if isinstance(data, dict) else {"error": value})
        if name == "done":
            self._done(data)
            return ""
        if name == "display_form_event":
            self._form = self._form or _form({})
        if not isinstance(data, dict):
            return ""
        if name in ("", "message"):
            if data.get("error"):
                raise self._failed(data)
            return self._separate(string_or_empty(data.get("delta")))
        self._note(name, data)
        return ""

    @staticmethod
    def _is_of_model(name: str, data: object) -> bool:
        """Tell whether an event without a name is the model's: all but an error."""
        if name not in ("", "message"):
            return False
        return not isinstance(data, dict) or not data.get("error")

    def _separate(self, text: str) -> str:
        """Put an empty line between two messages of one answer."""
        if not text or not self._break_due:
            return text
        self._break_due = False
        return f"\n\n{text}"

    def _note(self, name: str, data: dict[Any, Any]) -> None:
        self._started = self._started or name in _OF_MODEL
        if name == "message_start":
            self._break_due = self._has_text
            self.details.message_id = clean_text(data.get("message_id"), 200) or None
        elif name in ("openai_response_id", "google_interaction_id"):
            if given := clean_text(data.get("id"), 500):
                self.details.state[name] = given
        elif name == "warning":
            self._warn(data)
        elif name == "display_form_event":
            form = data.get("form_definition")
            self._form = _form(form if isinstance(form, dict) else {})

    def _done(self, data: Any) -> None:
        if isinstance(data, dict):
            self._cite(data.get("citations"))
            self._cite(data.get("grounding_metadata"))
        self.complete = True

    def _warn(self, data: dict[Any, Any]) -> None:
        """Note the reason for a short answer: " (Incomplete: max_output_tokens)", or the words."""
        said = clean_text(data.get("error") or data.get("message"))
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
        if not isinstance(data, list):
            return
        cited = self.details.citations
        for item in data:
            if not isinstance(item, dict) or len(cited) >= _MOST_CITATIONS:
                continue
            url = clean_text(item.get("url"), 2000)
            if not url.startswith(("http://", "https://")):
                continue
            title = clean_text(item.get("title"), 500) or clean_text(item.get("source_title"), 500)
            citation = Citation(url, title, clean_text(item.get("cited_text"), 2000))
            bare = Citation(url, title)
            if citation in cited or (citation == bare and any(_same(citation, c) for c in cited)):
                continue
            if bare in cited:
                cited[cited.index(bare)] = citation  # It came again, with the words it stands for.
            else:
                cited.append(citation)

    def _failed(self, data: dict[Any, Any]) -> ChatGptEsError:
        """The error for an `error` event: by its keys, then by its place in the stream."""
        if is_gate(data):
            return gate_error(data, self._url, self._status)
        error = data.get("error")
        inner = error if isinstance(error, dict) else {}
        if wants_token(inner):
            return gate_error(inner, self._url, self._status)
        said = (
            clean_text(error) or clean_text(inner.get("message")) or clean_text(data.get("message"))
        )
        notice = data.get("quota_notice") or inner.get("quota_notice")
        if notice:
            if isinstance(notice, dict):
                said = clean_text(notice.get("message")) or said
            message = f"The bot's limit for its visitors is used up.{site_said(said)}"
            used_up = self._make_error(QuotaError, message, said)
            used_up.actions = _actions(notice, self._url)
            return used_up
        code = clean_text(data.get("code"), 100) or clean_text(inner.get("code"), 100)
        if code in ("embed_not_available", "cors_denied"):
            message = f"The site refused the message{quote_suffix(said)}"
            return self._make_error(RefusedError, message, said, code)
        if self._started or self._has_text:
            return self._make_error(
                UpstreamError, f"The site's model failed.{site_said(said)}", said
            )
        # A dead nonce has no mark here.
        return self._make_error(
            NonceRefused, f"The site refused the message{quote_suffix(said)}", said
        )

    def _ended(self) -> str:
        if not self.complete:
            when = "" if self._has_text else " before its first word"
            raise self._make_error(
                UpstreamError, f"The answer broke off{when}: its end mark never came."
            )
        if self._has_text:
            return ""
        if self._form:
            title = self._form["title"]
            refused = self._make_error(
                RefusedError,
                f"The site wants a form filled in first: “{title}”. The library fills in none: do "
                "that on the site's page.",
                title,
            )
            refused.form = self._form
            raise refused
        raise self._empty_error()

    def _whole(self, body: bytes) -> str:
        if not body.strip():
            raise self._empty_error()
        data = parse_json(body, self.is_known)
        if isinstance(data, dict):
            inner = data.get("data")
            if isinstance(inner, dict) and (data.get("success") is False or inner.get("error")):
                inner = {"error": inner.get("message"), **inner}
                if clean_text(inner.get("code")).startswith("nonce_failure"):
                    said = clean_text(inner.get("message"))
                    message = f"The site refused the message{quote_suffix(said)}"
                    code = clean_text(inner.get("code"), 100)
                    raise self._make_error(NonceRefused, message, said, code)
                raise self._failed(inner)
            if data.get("error") or is_gate(data):
                raise self._failed(data)
        if blocked := self._gate_error(body):
            raise blocked
        said = excerpt(body)
        text = body.strip()
        if text in (b"0", b"-1"):
            message = (
                "WordPress does not know what was asked for (it answered "
                f"{text.decode()!r}): the chat plugin is not active, or of another generation."
            )
        else:
            message = f"The site answered no event stream.{site_said(said)}"
        raise self._make_error(UnexpectedFormatError, message, said)
