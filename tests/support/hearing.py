"""Help for the tests of what dialects hear: a decoder fed in pieces, and its outcome as a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chatgptes.errors import ChatGptEsError
from chatgptes.sites.dialect import Bot, Dialect, Endpoint, Heard, Page, Turn
from chatgptes.values.http import Headers, Limits

URL = "https://a.test/wp-admin/admin-ajax.php"
PAGE = "https://a.test/chat/"


@dataclass
class Outcome:
    """What a decoder gave, and what it raised."""

    text: str = ""
    error: ChatGptEsError | None = None
    heard: Heard = field(default_factory=Heard)
    streamed: bool = False
    complete: bool = False

    @property
    def kind(self) -> str:
        return type(self.error).__name__ if self.error else ""

    @property
    def said(self) -> str:
        return str(self.error)


def turn_for(speaks: Dialect, **changes: object) -> Turn:
    """A turn with a bot of the dialect; `changes` are fields of Turn, Endpoint or Bot."""
    kind = {"wpaicg": "shortcode", "aipkit": "inline", "rest": "rest"}[speaks.name]
    fields = {"id": "5", "name": "", "dialect": speaks.name, "kind": kind, "page": PAGE}
    bot = Bot(**{**fields, **_of(Bot, changes)})  # type: ignore[arg-type]
    where = {"bot": bot, "url": URL, "nonce": "n0nce", "post_id": "7", "page_url": PAGE}
    endpoint = Endpoint(**{**where, **_of(Endpoint, changes)})  # type: ignore[arg-type]
    said = {"endpoint": endpoint, "prompt": "hi", "visitor": "0a1b2c3d-4e5f", "conversation": "c-1"}
    return Turn(**{**said, **_of(Turn, changes)})  # type: ignore[arg-type]


def _of(cls: type, changes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in changes.items() if name in cls.__dataclass_fields__}


def hear(
    speaks: Dialect,
    body: bytes | str,
    cuts: Iterable[int] = (),
    *,
    kind: str = "text/event-stream",
    limits: Limits | None = None,
) -> Outcome:
    """The outcome of a body that comes in pieces."""
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    headers = Headers({"Content-Type": kind} if kind else {})
    decoder = speaks.hear(turn_for(speaks), URL, 200, headers, limits or Limits())
    out = Outcome(heard=decoder.heard)
    ends = [*sorted(cut for cut in cuts if cut < len(data)), len(data)]
    try:
        for start, end in zip([0, *ends], ends, strict=False):
            for chunk in decoder.feed(data[start:end]):
                assert chunk
                out.text += chunk
            if decoder.complete:
                break
        for chunk in decoder.end():
            assert chunk
            out.text += chunk
    except ChatGptEsError as error:
        out.error = error
    out.streamed, out.complete = decoder.streamed, decoder.complete
    out.text.encode()  # Whatever came, it can be written to a file.
    str(out.error).encode()
    return out


def page_of(
    body: bytes | str, status: int = 200, url: str = URL, headers: Iterable[tuple[str, str]] = ()
) -> Page:
    return Page(url, status, Headers(headers), body.encode() if isinstance(body, str) else body)
