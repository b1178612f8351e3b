"""Help for the tests of AI Engine's dialects: pages, questions, and a decoder fed in pieces."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from chatgptes.errors import ChatGptEsError
from chatgptes.sites.aiengine import MWAI
from chatgptes.sites.dialect import BufferedResponse, Endpoint, Question, ReplyDetails
from chatgptes.values.http import Headers, Limits, Request

PAGE = "https://a.test/chat/"
ROOT = "https://a.test/wp-json"
SUBMIT = f"{ROOT}/mwai-ui/v1/chats/submit"


def element(params: object = None, *, css: str = "mwai-chatbot-container", **system: object) -> str:
    """A bot's element; keys of `system` that are None are null."""
    known = {
        "botId": "default", "customId": None, "restUrl": ROOT, "restNonce": None, "contextId": 6,
    }  # fmt: skip
    data = {"params": {"aiName": "AI: "} if params is None else params, "system": known | system}
    written = " ".join(
        f"data-{name}='{html.escape(json.dumps(value))}'" for name, value in data.items()
    )
    return f"<div class='{css}' {written} data-theme='{{}}'></div>"


def response(
    body: bytes | str | dict[str, Any],
    status: int = 200,
    url: str = PAGE,
    headers: Iterable[tuple[str, str]] = (),
) -> BufferedResponse:
    """A response that was read whole; a dict goes as JSON."""
    text = json.dumps(body) if isinstance(body, dict) else body
    data = text.encode() if isinstance(text, str) else text
    return BufferedResponse(url, status, Headers(headers), data)


def endpoints(*elements: str, url: str = PAGE) -> list[Endpoint]:
    """The bots of a page with these elements."""
    return [found.endpoint for found in MWAI.find(response("\n".join(elements), url=url))]


def endpoint(params: object = None, nonce: str = "n0nce", **system: object) -> Endpoint:
    """The bot of a page with one, whose nonce has been fetched."""
    found = endpoints(element(params, **system))[0]
    return replace(found, nonce=found.nonce or nonce)


def question(prompt: str = "Hi", **more: Any) -> Question:
    """A question to such a bot."""
    return Question(more.pop("endpoint", None) or endpoint(), prompt, **more)


def sent(asked: Question) -> dict[str, Any]:
    """The body of a question's only request."""
    body: dict[str, Any] = json.loads(final_request(asked).body or b"")
    return body


def final_request(asked: Question) -> Request:
    """A question's only request."""
    requests = list(MWAI.requests(asked))
    assert [request.final for request in requests] == [True]
    return requests[0]


def event(kind: str, data: object, **more: object) -> str:
    """One event, as the site writes it."""
    return f"data: {json.dumps({'type': kind, 'data': data, **more})}\n\n"


def ending(reply: str, **more: object) -> str:
    """The last event of a good answer."""
    return event("end", json.dumps({"success": True, "reply": reply, "images": None, **more}))


@dataclass
class Outcome:
    """What a decoder gave."""

    text: str = ""
    chunks: list[str] = field(default_factory=list)
    error: ChatGptEsError | None = None
    details: ReplyDetails = field(default_factory=ReplyDetails)
    streamed: bool = False
    complete: bool = False

    @property
    def kind(self) -> str:
        return type(self.error).__name__ if self.error else ""


def decode(
    body: bytes | str,
    cuts: Iterable[int] = (),
    *,
    asked: Question | None = None,
    kind: str = "text/event-stream;charset=UTF-8",
    speaks: Any = MWAI,
    limits: Limits | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Outcome:
    """The outcome of a body that comes in pieces."""
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    head = BufferedResponse(SUBMIT, 200, Headers([("Content-Type", kind), *headers]), b"")
    decoder = speaks.decoder(asked or question(), head, limits or Limits())
    out = Outcome(details=decoder.details)
    ends = [*sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for start, end in zip([0, *ends], ends, strict=False):
        out.chunks += decoder.feed(data[start:end])
        if decoder.complete or decoder.error:
            break
    out.chunks += decoder.end()
    assert all(out.chunks)
    out.text, out.error = "".join(out.chunks), decoder.error
    out.streamed, out.complete = decoder.streamed, decoder.complete
    out.text.encode()  # Whatever came, it can be written to a file.
    str(out.error).encode()
    return out
