"""Decode recorded exchanges of AI Engine sites and compare with what they should give.

    python benchmarks/decode_mwai.py FOLDER

FOLDER holds mwai-*.jsonl files, in the form that `decode_recordings.py` describes.  What a name
should give stands in `RULES`, written by hand; the text of an answer is read from the recording by
`naive_text`, which shares no code with the library.  Exits with 1 when anything is wrong.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from chatgptes.errors import ChatGptEsError
from chatgptes.sites import key_dialect_for, namespaces_from
from chatgptes.sites.aiengine.mwai import Mwai
from chatgptes.sites.aiengine.owner import MwaiRest
from chatgptes.sites.dialect import BufferedResponse, Endpoint, NonceRefused, Question
from chatgptes.values.http import Headers, Limits
from chatgptes.values.images import Image

Exchange = dict[str, Any]


class Rule(NamedTuple):
    """What the exchanges whose name and version match should give.

    `want` is "answer" (the recording's own text), "page", "nonce" (of the page's session), "none"
    (go without a nonce), "no nonce", "file" (an upload's id), "plugin" (the namespaces), "skip:
    why", or the name of an error class; "Error+" wants text before the error.
    """

    name: str  # A regular expression for the whole name, without its number.
    want: str
    version: str = ".*"


class Tally(NamedTuple):
    """How many exchanges were checked and skipped, by kind, and what is wrong with which."""

    checked: Counter[str]
    wrong: list[str]
    skipped: Counter[str]


_NO_TURN = "skip: no turn of a chat"
_OLD, _NEW = r"2\..*", r"3\..*"

RULES = [
    Rule(r"page-.*|plain-permalinks-page|subfolder-page", "page"),
    Rule(r"start_session-GET", "none"),
    Rule(r"start_session-bad-nonce", "none"),  # Such a request is never sent: see `nonce_request`.
    Rule(r"start_session.*|noise-session|.*-session", "none", _OLD),
    Rule(r"rest-for-members-only-session", "none"),  # The turn then says what is in its way.
    Rule(r"start_session.*|noise-session|(plain-permalinks|subfolder)-session", "nonce", _NEW),
    Rule(r"rest-index-namespaces", "plugin"),
    Rule(r"admin-ajax-rest-nonce|discussions-list.*|cross-site-.*", _NO_TURN),
    # -- uploads
    Rule(r"upload-no-nonce|upload-bad-nonce", "NonceRefused"),
    Rule(r"upload-(no-purpose|no-file|php)", "RefusedError"),
    Rule(r"upload-.*", "file"),
    # -- the owner's API
    Rule(r"api-(auth-check|list|text)", _NO_TURN),
    Rule(r"api-(wrong-token|no-token.*)", "AuthenticationError"),
    Rule(r"api-off", "UnexpectedStatusError"),
    Rule(r"api-chatbot-(429|no-message)", "RefusedError"),
    Rule(r"api-chatbot-unknown-bot", "RefusedError", _OLD),
    Rule(r"api-(chatbot|disc).*", "answer"),
    # -- refusals before the plugin answers
    Rule(
        r"nonce-(missing|bad|empty|tick-2-expired|as-query|bad-with-.*)(-stream)?", "NonceRefused"
    ),
    Rule(r"rest-for-members-only", "RefusedError"),
    Rule(r"method-GET|route-unknown|body-broken-json", "UnexpectedStatusError"),
    # -- refusals by the plugin
    Rule(r"botId-missing|message-(empty|missing|spaces)(-stream)?", "RefusedError"),
    Rule(r"body-(not-json|empty)|no-content-type", "RefusedError"),
    Rule(r"message-zero|botId-(unknown|number)(-stream)?|customId-unknown", "RefusedError", _OLD),
    Rule(r"message-(too-long-for-bot(-stream)?|100k|513)", "RefusedError"),
    Rule(r"message-512-nonascii", "RefusedError", _OLD),
    Rule(r"message-array|turn-messages-not-a-list", "UnexpectedStatusError"),
    Rule(r"turn-messages-bad-shape", "RefusedError"),
    Rule(r"limit(-stream)?|banned-(word|word-upper|ip)(-stream)?", "RefusedError"),
    Rule(r"moderation-flagged.*|api-key-missing.*|no-environment.*", "RefusedError"),
    Rule(r"image-no-message", "RefusedError", _OLD),
    Rule(r"image-(unknown-id|unknown-id-stream|bare-data)", "UnexpectedStatusError", _OLD),
    # -- the model's failures
    Rule(r"(model|event-logs|painter)-(401|429|400q|500|drop0)(-stream)?", "RefusedError"),
    Rule(r"model-(503html|drop)", "RefusedError"),
    Rule(r"model-(503html|json200|empty)-stream|model-empty", "EmptyReplyError"),
    Rule(r"model-drop-stream", "UpstreamError+"),
    Rule(r"model-err_event-stream", "UpstreamError+", _OLD),
    Rule(r"chatcomp-.*", "RefusedError", _NEW),
    Rule(r"chatcomp-model-429-stream", "RefusedError"),
    Rule(r"chatcomp-model-(drop|err_event)-stream", "UpstreamError+"),
    Rule(r"chatcomp-model-empty-stream", "EmptyReplyError"),
    Rule(r"custom-.*", "RefusedError", _OLD),
    Rule(r"custom-429-stream", "RefusedError"),
    Rule(r"custom-drop-stream", "UpstreamError+"),
    Rule(r"custom-empty-stream", "EmptyReplyError"),
    Rule(r"client-abort", "UpstreamError+"),
    # -- answers
    Rule(r"turn.*|need-least.*|stream-.*|accept-stream-.*|.*-turn(-stream)?|disc-\d.*", "answer"),
    Rule(r"botId-.*|customId-.*|message-.*|nonce-tick-1.*|nonce-with-.*|origin-.*", "answer"),
    Rule(r"user-agent-.*|client-model|banned-word-inside|moderation-ok|gdpr-.*", "answer"),
    Rule(r"owner-streaming-off-.*|model-.*|chatcomp-.*|custom-.*|image-.*|painter.*", "answer"),
    Rule(r"event-logs-.*|debug-mode.*|history-.*|noise-before.*", "answer"),
    Rule(r"plain-permalinks-wp-json|rest_route-on-pretty-site", "answer"),
]


def rule_for(version: str, name: str) -> str:
    """What the exchange `name` should give."""
    bare = re.sub(r"^\d+-", "", name)
    for rule in RULES:
        if re.fullmatch(rule.name, bare) and re.fullmatch(rule.version, version):
            return rule.want
    return "skip: no rule for this name"


# -- An independent reading of the recordings ------------------------------------------------


def naive_text(body: str) -> str:
    """The answer's text, read as plainly as can be: the pieces, or else the whole reply."""
    pieces, reply = [], None
    for line in body.split("\n"):
        if line.startswith("data: "):
            event = json.loads(line[6:])
            if event["type"] == "live" and event.get("subtype", "content") == "content":
                pieces.append(event["data"])
            elif event["type"] == "end":
                reply = json.loads(event["data"])["reply"]
        elif line.startswith('{"success":true'):
            answer = json.loads(line)
            reply = answer["reply"] if "reply" in answer else answer["data"]
    text = "".join(pieces)
    assert not text or reply is None or text == reply
    return text or reply or ""


def naive_bots(body: str) -> list[tuple[str, str]]:
    """(id, kind) of the bots of a page, by patterns that fit these recordings only."""
    bots = []
    for tag in re.findall(r"<div class='mwai-chatbot-container' [^>]*>", body):
        system = html.unescape(re.search(r"data-system='(.*?)'", tag)[1])  # type: ignore[index]
        bot_id = re.search(r'"botId":"(.*?)"', system) or re.search(r'"customId":"(.*?)"', system)
        assert bot_id
        window = "&quot;window&quot;:true" in tag
        bots.append((bot_id[1], "popup" if window else "inline"))
    return bots


# -- What the library makes of them ----------------------------------------------------------


def response_of(exchange: Exchange) -> BufferedResponse:
    """The exchange's response."""
    request, response = exchange["request"], exchange["response"]
    host = request["headers"].get("host", "127.0.0.1")
    return BufferedResponse(
        url=f"http://{host}{request['target']}",
        status=response["status"],
        headers=Headers(response["headers"]),
        body=(response["body"] or "").encode("utf-8", "surrogateescape"),
    )


def question_for(url: str, *, images: tuple[Image, ...] = ()) -> Question:
    """A question to a bot of a made-up page at `url`."""
    system = html.escape(json.dumps({"botId": "plain", "restUrl": "/wp-json", "restNonce": "n0"}))
    params = html.escape(json.dumps({"imageUpload": True}))
    element = (
        f"<div class='mwai-chatbot-container' data-system='{system}' data-params='{params}'></div>"
    )
    page = BufferedResponse(url, 200, Headers(), element.encode())
    return Question(Mwai().find(page)[0].endpoint, "hi", images=images)


def decode(exchange: Exchange) -> tuple[str, ChatGptEsError | None]:
    """The text that the library reads in a final response, and the error that it ends in."""
    response = response_of(exchange)
    its_dialect = MwaiRest() if "/simple" in exchange["request"]["target"] else Mwai()
    if not 200 <= response.status < 300:
        return "", its_dialect.error_for(response)
    question = question_for(response.url)
    if isinstance(its_dialect, MwaiRest):
        endpoint: Endpoint = its_dialect.endpoint(response.url, "/wp-json/", "plain", "key")
        question = Question(endpoint, "hi")
    decoder: Any = its_dialect.decoder(question, response, Limits())
    text = ""
    for start in range(0, len(response.body), 1000):
        text += "".join(decoder.feed(response.body[start : start + 1000]))
    text += "".join(decoder.end())
    return text, decoder.error


def upload(exchange: Exchange) -> tuple[str, ChatGptEsError | None]:
    """The id that the library finds in the response to an upload, or its error."""
    response = response_of(exchange)
    if not 200 <= response.status < 300:
        return "", Mwai().error_for(response)
    steps = Mwai().requests(question_for(response.url, images=(Image("image/png", b"x"),)))
    next(steps)
    try:
        request = steps.send(response)
    except ChatGptEsError as error:
        return "", error
    return str(json.loads(request.body or b"")["newFileId"]), None


def compare(exchange: Exchange, want: str) -> str:
    """What is wrong with an exchange; "" for nothing."""
    response = response_of(exchange)
    body = exchange["response"]["body"] or ""
    if want == "page":
        found = [(f.endpoint.bot.id, f.endpoint.bot.kind) for f in Mwai().find(response)]
        return "" if found == naive_bots(body) else f"bots {found}, not {naive_bots(body)}"
    if want in ("nonce", "none"):
        nonce = Mwai().nonce_from(response)
        good = nonce == "" if want == "none" else nonce and f'"restNonce":"{nonce}"' in body
        return "" if good else f"nonce {nonce!r}"
    if want == "plugin":
        found_dialect = key_dialect_for(namespaces_from(response), "default")
        name = found_dialect.name if found_dialect else None
        return "" if name == "mwai-rest" else f"dialect {name!r}"
    text, error = (
        upload(exchange) if "/files/" in exchange["request"]["target"] else decode(exchange)
    )
    if want == "file":
        return "" if not error and f'"id":"{text}"' in body else f"id {text!r}, {error}"
    return judge(want, text, error, body)


def judge(want: str, text: str, error: ChatGptEsError | None, body: str) -> str:
    """What is wrong with `text` and `error`; "" for nothing."""
    got = type(error).__name__ if error else "no error"
    if (
        error
        and re.search(r"/srv/|#0|<p>|nonce", f"{error} {error.excerpt}")
        and not isinstance(error, NonceRefused)
    ):
        return f"an error quotes what it should not: {error}"
    if want == "answer":
        if error:
            return f"{got}: {error}"
        return "" if text == naive_text(body) else f"text {text[:60]!r}"
    if bool(text) != want.endswith("+"):
        return f"text {text[:60]!r} before {got}"
    if text and text != naive_text(body):
        return f"partial text {text[-60:]!r}"
    return "" if got == want.rstrip("+") else f"{got}: {error}"


def check_file(path: Path) -> Tally:
    """Check every exchange of a file of recordings."""
    tally = Tally(Counter(), [], Counter())
    for line in path.read_text("utf-8").split("\n"):
        if not line.strip():
            continue
        exchange = json.loads(line)
        version, name = path.stem.removeprefix("mwai-"), exchange["name"]
        want = rule_for(version, name)
        if want.startswith("skip: "):
            tally.skipped[f"{version}: {want.removeprefix('skip: ')}"] += 1
            continue
        tally.checked[f"{version} {want}"] += 1
        if problem := compare(exchange, want):
            tally.wrong.append(f"{version} {name}: want {want}, got {problem}")
    return tally


def check_folder(folder: str) -> list[Tally]:
    """Check the mwai-* files of a folder."""
    return [check_file(path) for path in sorted(Path(folder).glob("mwai-*.jsonl"))]


def report(tallies: Iterable[Tally]) -> int:
    """Print what was found; 0 when all is right."""
    checked, wrong, skipped = Counter[str](), [], Counter[str]()
    for tally in tallies:
        checked += tally.checked
        wrong += tally.wrong
        skipped += tally.skipped
    for problem in wrong:
        print(f"WRONG {problem}")
    for kind, count in sorted(checked.items()):
        print(f"{count:4} {kind}")
    for reason, count in sorted(skipped.items()):
        print(f"{count:4} skipped, {reason}")
    print(f"{checked.total()} checked, {skipped.total()} skipped, {len(wrong)} wrong")
    return 1 if wrong or not checked else 0


def main(arguments: list[str]) -> int:
    """Check the mwai recordings in the folder; 0 when all is right."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    return report(check_folder(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
