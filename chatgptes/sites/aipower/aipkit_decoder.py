"""What an `aipkit` site (plugin 2.3 and later) answers: its own event stream."""

from __future__ import annotations

import re
from typing import Any

from ...errors import ChatGptEsError, QuotaError, RefusedError, UnexpectedFormatError, UpstreamError
from ...values.reply import Citation
from ..challenge import gate, gated
from ..decoder import RaisingDecoder as BodyDecoder
from ..dialect import NonceRefused
from ..text import excerpt, quoted, read_event, read_json, text_of, told, words

__all__ = ["AipkitDecoder"]

_MOST_CITATIONS = 1000
_INCOMPLETE = re.compile(r"\(?\s*Incomplete:\s*(.+?)\s*\)?")


def _same(one: Citation, other: Citation) -> bool:
    return (one.url, one.title) == (other.url, other.title)


class AipkitDecoder(BodyDecoder):
    """The answer of one turn.  See `Decoder`."""

    _started = False  # `message_start`: from here on it is the model that fails.

    def _event(self, name: str, value: str) -> str:
        data = read_event(value)
        if name == "citations":
            self._cite(data)
            return ""
        if name == "error":
            raise self._failed(data if isinstance(data, dict) else {"error": value})
        if name == "done":
            self._done(data)
            return ""
        if not isinstance(data, dict):
            return ""
        if name in ("", "message"):
            if data.get("error"):
                raise self._failed(data)
            return text_of(data.get("delta"))
        self._note(name, data)
        return ""

    def _note(self, name: str, data: dict[Any, Any]) -> None:
        if name == "message_start":
            self._started = True
            self.heard.message_id = words(data.get("message_id"), 200) or None
        elif name == "openai_response_id":
            if response := words(data.get("id"), 500):
                self.heard.state["openai_response_id"] = response
        elif name == "warning":
            self._warn(data)

    def _done(self, data: Any) -> None:
        if isinstance(data, dict):
            self._cite(data.get("citations"))
        self.complete = True

    def _warn(self, data: dict[Any, Any]) -> None:
        """Why the answer is cut short: " (Incomplete: max_output_tokens)"; else the words."""
        said = words(data.get("error") or data.get("message"))
        reason = _INCOMPLETE.fullmatch(said)
        if reason is not None or self.heard.finish_reason is None:
            self.heard.finish_reason = (reason[1] if reason else said) or None

    def _cite(self, data: Any) -> None:
        """Note citations; the same list comes again in `done`."""
        if isinstance(data, dict):
            data = data.get("citations")
        if not isinstance(data, list):
            return
        cited = self.heard.citations
        for item in data:
            if not isinstance(item, dict) or len(cited) >= _MOST_CITATIONS:
                continue
            url = words(item.get("url"), 2000)
            if not url.startswith(("http://", "https://")):
                continue
            title = words(item.get("title"), 500) or words(item.get("source_title"), 500)
            citation = Citation(url, title, words(item.get("cited_text"), 2000))
            bare = Citation(url, title)
            if citation in cited or (citation == bare and any(_same(citation, c) for c in cited)):
                continue
            if bare in cited:
                cited[cited.index(bare)] = citation  # It came again, with the words it stands for.
            else:
                cited.append(citation)

    def _failed(self, data: dict[Any, Any]) -> ChatGptEsError:
        """What an `error` event stands for: by its keys, then by where in the stream it is."""
        if gate(data):
            return gated(data, self._url, self._status)
        error = data.get("error")
        inner = error if isinstance(error, dict) else {}
        if gate(inner):
            return gated(inner, self._url, self._status)
        said = words(error) or words(inner.get("message")) or words(data.get("message"))
        notice = data.get("quota_notice") or inner.get("quota_notice")
        if notice:
            if isinstance(notice, dict):
                said = words(notice.get("message")) or said
            message = f"The bot's limit for its visitors is used up.{told(said)}"
            return self._error(QuotaError, message, said)
        code = words(data.get("code"), 100) or words(inner.get("code"), 100)
        if code in ("embed_not_available", "cors_denied"):
            message = f"The site refused the message{quoted(said)}"
            return self._error(RefusedError, message, said, code)
        if self._started or self._said:
            return self._error(UpstreamError, f"The site's model failed.{told(said)}", said)
        # A dead nonce has no mark of its own here.
        return self._error(NonceRefused, f"The site refused the message{quoted(said)}", said)

    def _ended(self) -> str:
        if not self.complete:
            when = "" if self._said else " before its first word"
            raise self._error(
                UpstreamError, f"The answer broke off{when}: its end mark never came."
            )
        if not self._said:
            raise self._empty()
        return ""

    def _whole(self, body: bytes) -> str:
        text = body.strip()
        if not text:
            raise self._empty()
        data = read_json(body)
        if isinstance(data, dict):
            inner = data.get("data")
            if isinstance(inner, dict) and (data.get("success") is False or inner.get("error")):
                inner = {"error": inner.get("message"), **inner}
                if words(inner.get("code")).startswith("nonce_failure"):
                    said = words(inner.get("message"))
                    message = f"The site refused the message{quoted(said)}"
                    raise self._error(NonceRefused, message, said, words(inner.get("code"), 100))
                raise self._failed(inner)
            if data.get("error") or gate(data):
                raise self._failed(data)
        if blocked := self._challenge(body):
            raise blocked
        said = excerpt(body)
        if text in (b"0", b"-1"):
            message = (
                "WordPress does not know what was asked for (it answered "
                f"{text.decode()!r}): the chat plugin is not active, or of another generation."
            )
        else:
            message = f"The site answered no event stream.{told(said)}"
        raise self._error(UnexpectedFormatError, message, said)
