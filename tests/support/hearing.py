"""Help for the tests of dialects: a decoder fed in pieces, and its outcome as a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from chatgptes.errors import ChatGptEsError
from chatgptes.sites.dialect import (
    Bot,
    BufferedResponse,
    Dialect,
    Endpoint,
    FoundBot,
    Question,
    ReplyDetails,
)
from chatgptes.values.http import Headers, Limits

URL = "https://a.test/wp-admin/admin-ajax.php"
PAGE = "https://a.test/chat/"


@dataclass
class Outcome:
    """The text that a decoder gave, the error that it set, and the rest of its state."""

    text: str = ""
    error: ChatGptEsError | None = None
    details: ReplyDetails = field(default_factory=ReplyDetails)
    streamed: bool = False
    complete: bool = False

    @property
    def kind(self) -> str:
        return type(self.error).__name__ if self.error else ""

    @property
    def said(self) -> str:
        return str(self.error)


def question_for(dialect: Dialect, **changes: object) -> Question:
    """A question to a bot of the dialect; `changes` are fields of Question, Endpoint or Bot."""
    kind = {"wpaicg": "shortcode", "aipkit": "inline", "rest": "rest"}[dialect.name]
    fields = {"id": "5", "name": "", "dialect": dialect.name, "kind": kind, "page": PAGE}
    bot = Bot(**{**fields, **_of(Bot, changes)})  # type: ignore[arg-type]
    where = {"bot": bot, "url": URL, "nonce": "n0nce", "post_id": "7", "page_url": PAGE}
    endpoint = Endpoint(**{**where, **_of(Endpoint, changes)})  # type: ignore[arg-type]
    asked = {
        "endpoint": endpoint,
        "prompt": "hi",
        "visitor": "0a1b2c3d-4e5f",
        "conversation": "c-1",
    }
    return Question(**{**asked, **_of(Question, changes)})  # type: ignore[arg-type]


def _of(cls: type, changes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in changes.items() if name in cls.__dataclass_fields__}


def endpoints(found: list[FoundBot]) -> list[Endpoint]:
    """The endpoints of what a dialect found."""
    return [each.endpoint for each in found]


def decode(
    dialect: Dialect,
    body: bytes | str,
    cuts: Iterable[int] = (),
    *,
    kind: str = "text/event-stream",
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
    limits: Limits | None = None,
    asked_as: str = "",
    **changes: object,
) -> Outcome:
    """The outcome of a body that comes in pieces; `asked_as` is the question's id."""
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    sent = Headers([*headers, *([("Content-Type", kind)] if kind else [])])
    question = question_for(dialect, **changes)
    if asked_as:
        question = replace(question, id=asked_as)
    decoder = dialect.decoder(
        question, BufferedResponse(URL, status, sent, b""), limits or Limits()
    )
    out = Outcome(details=decoder.details)
    ends = [*sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for start, end in zip([0, *ends], ends, strict=False):
        out.text += _joined(decoder.feed(data[start:end]))
        if decoder.complete or decoder.error:
            break
    out.text += _joined(decoder.end())
    assert decoder.error is None or decoder.feed(b"data: more\n\n") == []
    out.error = decoder.error
    out.streamed, out.complete = decoder.streamed, decoder.complete
    out.text.encode()  # Whatever came, it can be written to a file.
    str(out.error).encode()
    assert len(str(out.error)) < 1500
    return out


def _joined(chunks: list[str]) -> str:
    assert all(chunks), "an empty chunk"
    return "".join(chunks)


def page_of(
    body: bytes | str, status: int = 200, url: str = URL, headers: Iterable[tuple[str, str]] = ()
) -> BufferedResponse:
    data = body.encode() if isinstance(body, str) else body
    return BufferedResponse(url, status, Headers(headers), data)
