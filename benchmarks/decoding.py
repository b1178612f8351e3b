"""Reading alone, without a network: events out of bytes, and a bot out of a page.

python benchmarks/decoding.py [ROUNDS]
"""

from __future__ import annotations

import html.parser
import sys
from collections.abc import Iterator

import lxml.html
from fast_server import END, START, delta
from fast_server import page as page_of
from httpx_sse._decoders import SSEDecoder
from measuring import Row, interleaved
from selectolax.lexbor import LexborHTMLParser

from chatgptes.sites import dialect_named, find_bots
from chatgptes.sites.dialect import Bot, BufferedResponse, Endpoint, Question
from chatgptes.sites.html import attributes, tags
from chatgptes.sites.sse import EventDecoder
from chatgptes.values.http import Headers, Limits

EVENTS = 2000
PIECE = 4096
PAGE = 200_000
CLASSES = (b"wpaicg-chat-shortcode", b"wpaicg-chatbox")
_HEAD = BufferedResponse(
    "http://localhost/", 200, Headers({"content-type": "text/event-stream"}), b""
)


def stream(dialect: str, events: int = EVENTS) -> list[bytes]:
    """An answer of many events, cut as a socket might cut it."""
    data = START[dialect] + b"".join(delta(n % 100, dialect) for n in range(events)) + END[dialect]
    return [data[at : at + PIECE] for at in range(0, len(data), PIECE)]


def decode(dialect: str, pieces: list[bytes]) -> None:
    """Read an answer in these pieces to text, and throw it away."""
    bot = Bot(id="5", name="", dialect=dialect, kind="", page=_HEAD.url)
    question = Question(Endpoint(bot=bot, url=_HEAD.url, page_url=_HEAD.url), "Hello")
    decoder = dialect_named(dialect).decoder(question, _HEAD, Limits())
    for piece in pieces:
        for _ in decoder.feed(piece):
            pass


def events(rounds: int) -> Row:
    pieces = stream("aipkit")

    def ours() -> None:
        decoder = EventDecoder()
        assert sum(len(list(decoder.feed(piece))) for piece in pieces) >= EVENTS

    def httpx_sse() -> None:
        # Its decoder takes lines; cutting them is its own part of the work.
        decoder = SSEDecoder()
        found = 0
        rest = ""
        for piece in pieces:
            *lines, rest = (rest + piece.decode()).split("\n")
            found += sum(decoder.decode(line) is not None for line in lines)
        assert found >= EVENTS

    cut = {"aipkit": pieces, "wpaicg": stream("wpaicg")}
    times = interleaved(
        {
            "ours": ours,
            "httpx-sse": httpx_sse,
            "to text, aipkit": lambda: decode("aipkit", cut["aipkit"]),
            "to text, wpaicg": lambda: decode("wpaicg", cut["wpaicg"]),
        },
        rounds,
    )
    ratio = times["ours"] / times["httpx-sse"]
    return Row(
        "event decoding",
        "httpx-sse",
        f"{ratio:.2f}× ({1e6 * times['ours'] / EVENTS:.2f} µs per event)",
        "faster",
        ratio < 1,
        "; ".join(f"{name}: {1e6 * each / EVENTS:.2f} µs" for name, each in times.items()),
    )


class _Finder(html.parser.HTMLParser):
    found = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if "wpaicg-chat-shortcode" in (known.get("class") or ""):
            self.found = known.get("data-nonce") or ""


def attribute(rounds: int) -> Row:
    body = page_of(PAGE, "wpaicg", "http://localhost")
    page = BufferedResponse(
        "http://localhost/chat/", 200, Headers({"content-type": "text/html"}), body
    )
    nonce = "0123456789"

    def ours() -> None:
        assert attributes(tags(body, CLASSES)[0])["data-nonce"] == nonce

    def bots() -> None:
        assert find_bots(page)[0].nonce == nonce

    def python() -> None:
        parser = _Finder()
        parser.feed(body.decode())
        assert parser.found == nonce

    def lexbor() -> None:
        node = LexborHTMLParser(body).css_first(".wpaicg-chat-shortcode")
        assert node is not None
        assert node.attributes["data-nonce"] == nonce

    def libxml() -> None:
        found = lxml.html.fromstring(body).find_class("wpaicg-chat-shortcode")
        assert found[0].get("data-nonce") == nonce

    times = interleaved(
        {
            "ours": ours, "ours, whole bots of both dialects": bots, "selectolax (lexbor)": lexbor,
            "lxml": libxml, "html.parser": python,
        },
        rounds,
    )  # fmt: skip
    fastest = min(times["selectolax (lexbor)"], times["lxml"], times["html.parser"])
    ratio = times["ours"] / fastest
    return Row(
        "attribute from a 200 KB page",
        "a full HTML parse",
        f"{ratio:.2f}× of the fastest ({1e6 * times['ours']:.0f} µs)",
        "faster",
        ratio < 1,
        "; ".join(f"{name}: {1e6 * each:,.0f} µs" for name, each in times.items()),
    )


def rows(rounds: int = 30) -> Iterator[Row]:
    yield events(rounds)
    yield attribute(rounds)


if __name__ == "__main__":
    for row in rows(*(int(each) for each in sys.argv[1:2])):
        print(row)
