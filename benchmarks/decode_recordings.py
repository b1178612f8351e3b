"""Decode recorded exchanges with the library and compare with what they should give.

    python benchmarks/decode_recordings.py FOLDER

FOLDER holds *.jsonl files, one exchange a line: {"version", "name", "request": {"method",
"target", "headers", "body"}, "response": {"status", "headers", "body"}, "curl_exit"}.  Those of
AI Engine sites, named mwai-*, are checked by `decode_mwai.py`.  What a name should give stands in
`RULES`, written by hand; the text of an answer is read from the recording by `naive_text`, which
shares no code with the library.  Exits with 1 when anything is wrong.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import decode_mwai
from decode_mwai import Exchange, Tally, response_of

from chatgptes.errors import ChatGptEsError
from chatgptes.sites import dialect_named, find_bots
from chatgptes.sites.dialect import Bot, Endpoint, NonceRefused, Question
from chatgptes.values.http import Limits


class Rule(NamedTuple):
    """What the exchanges of a generation whose name matches should give.

    `want` is "answer" (the recording's own text), "page", "nonce", "key" (of a turn's first
    step), "skip: why", or the name of an error class; "Error+" wants text before the error.
    """

    generation: str  # "wpaicg" or "aipkit"
    name: str  # A regular expression for the whole name, without its number.
    want: str


_NO_TURN = "skip: no turn of a chat"

RULES = [
    # -- wpaicg ------------------------------------------------------------------------------
    Rule("wpaicg", r"page-404", "UnexpectedStatusError"),
    Rule("wpaicg", r"page-.*", "page"),
    Rule("wpaicg", r"turn-(stream|plain)-GET", "NonceRefused"),  # The bare refusal.
    Rule("wpaicg", r"turn-.*", "answer"),
    Rule("wpaicg", r"fail-(plain|stream)-nonce-.*", "NonceRefused"),
    Rule("wpaicg", r"fail-(plain|stream)-message-(empty|missing|zero)", "NonceRefused"),
    Rule("wpaicg", r"fail-(plain|stream)-.*", "answer"),  # What the server does without.
    Rule("wpaicg", r"nonce-(plain|stream)-tick-minus-2", "NonceRefused"),
    Rule("wpaicg", r"nonce-.*", "answer"),
    Rule("wpaicg", r"upstream-plain-(401|429|400q|500|drop0?)", "UpstreamError"),
    Rule("wpaicg", r"upstream-plain-(503html|empty)", "EmptyReplyError"),
    Rule("wpaicg", r"upstream-plain-.*", "answer"),
    Rule("wpaicg", r"upstream-stream-(401|429|400q|500|503html)", "UpstreamError"),
    Rule("wpaicg", r"upstream-stream-(drop|noend|err_event)", "UpstreamError+"),
    Rule("wpaicg", r"upstream-stream-(drop0|empty)", "EmptyReplyError"),
    Rule("wpaicg", r"upstream-stream-.*", "answer"),
    Rule("wpaicg", r"fail-(unknown-action|no-action|admin-ajax-GET-bare)", "UnexpectedStatusError"),
    Rule("wpaicg", r"quota-no-client_id", "answer"),
    Rule("wpaicg", r"quota-.*", "QuotaError"),
    Rule("wpaicg", r"banned-word-attached-.*", "answer"),
    Rule("wpaicg", r"banned-ip-xff-.*", "answer"),
    Rule("wpaicg", r"banned-(word|ip)-plain", "NonceRefused"),
    Rule("wpaicg", r"banned-(word|ip)-stream", "RefusedError"),
    Rule("wpaicg", r"no-api-key-.*", "NonceRefused"),
    Rule("wpaicg", r"(image|audio)-bad", "RefusedError|UnexpectedFormatError"),
    Rule("wpaicg", r"client-model-.*|bot-with-.*|history-.*|image-(plain|stream)", "answer"),
    Rule("wpaicg", r"referer-.*|junk-cookie|stream-timing", "answer"),
    # -- aipkit ------------------------------------------------------------------------------
    # A site in maintenance (503), with its database down, and one that shows no bot at all.
    Rule("aipkit", r"page-maintenance|page-db-down", "UnexpectedStatusError"),
    Rule("aipkit", r"page-assets-ver", "page"),
    Rule("aipkit", r"ajax-db-down", "UnexpectedFormatError"),
    Rule("aipkit", r"page-.*", "page"),
    Rule("aipkit", r"trigger-blocked-2stream|rate-limit-2stream", "NonceRefused"),
    Rule("aipkit", r"trigger-display-form-2stream", "RefusedError"),
    Rule("aipkit", r"nonce-other-origin", "RefusedError"),
    Rule("aipkit", r"nonce(-.*)?", "nonce"),
    Rule("aipkit", r"plain-.*|unknown-action|old-wpaicg-action", "UnexpectedStatusError"),
    Rule("aipkit", r"cache-(nonce-(missing|bad|tick-2-expired|as-_wpnonce)|GET)", "NonceRefused"),
    Rule("aipkit", r"cache-message-(empty|missing|zero)|cache-image-(bad|too)-.*", "RefusedError"),
    Rule("aipkit", r"cache-origin-(other-scheme|other-host|null)", "RefusedError"),
    Rule("aipkit", r"cache-.*|.*-1cache", "key"),
    Rule("aipkit", r"stream-nonce-(missing|bad|expired)", "NonceRefused"),
    Rule("aipkit", r"stream-cache_key-(missing|unknown|reused|expired)", "NonceRefused"),
    Rule("aipkit", r"stream-bot_id-(missing|unknown|page)|stream-bot-draft", "NonceRefused"),
    Rule("aipkit", r"stream-session_id-(missing|empty)", "NonceRefused"),
    Rule("aipkit", r"stream-conversation_uuid-missing", "NonceRefused"),
    Rule("aipkit", r"stream-(origin-other|POST|message-json-stream_context)", "NonceRefused"),
    Rule(
        "aipkit", r"(stream-upstream|ccmode)-(401|429|400q|500|503html)(-2stream)?", "UpstreamError"
    ),
    Rule("aipkit", r"(stream-upstream|ccmode)-(drop0|empty|json200)(-2stream)?", "UpstreamError"),
    Rule("aipkit", r"(stream-upstream|ccmode)-(drop|err_event)(-2stream)?", "UpstreamError+"),
    Rule("aipkit", r"quota-1-2stream", "QuotaError"),
    Rule("aipkit", r"quota-guests-disabled-2stream", "NonceRefused"),
    Rule("aipkit", r"stream-banned-word-say_badwords_now|stream-banned-word-foo__bar", "answer"),
    Rule("aipkit", r"stream-banned-.*|stream-moderation-flagged", "NonceRefused"),
    Rule("aipkit", r"stream-api-key-missing", "NonceRefused"),
    Rule("aipkit", r"stream-client-abort", "UpstreamError+"),
    Rule("aipkit", r"rest-chat-(anon|nokey)", "AuthenticationError"),
    Rule("aipkit", r"rest-chat-key", "answer"),
    Rule("aipkit", r"rest-chat-key-429", "UpstreamError"),
    Rule("aipkit", r"rest-chat-unknown-bot|rest-embed-config", "UnexpectedStatusError"),
    Rule("aipkit", r"aipkit_.*|history-other-session|probe-.*", _NO_TURN),
    Rule("aipkit", r"stream-.*|.*-2stream|hist-turn", "answer"),
]


def rule_for(generation: str, name: str) -> str:
    """What the exchange `name` should give."""
    bare = re.sub(r"^\d+-", "", name)
    for rule in RULES:
        if rule.generation == generation and re.fullmatch(rule.name, bare):
            return rule.want
    return "skip: no rule for this name"


# -- An independent reading of the recordings ------------------------------------------------


def naive_text(body: str) -> str:
    """The answer's text, read as plainly as can be."""
    if body.lstrip().startswith("{"):
        data = json.JSONDecoder().raw_decode(body.lstrip())[0]
        if "choices" in data:
            return str(data["choices"][0]["message"]["content"])
        return str(data["data"] if "data" in data else data["reply"])
    text = ""
    for line in body.split("\n"):
        try:
            data = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else None
        except ValueError:
            continue
        if isinstance(data, dict) and "message_id" in data and text:
            text += "\n\n"  # A further message.
        if isinstance(data, dict) and isinstance(data.get("delta"), str):
            text += data["delta"]
        elif isinstance(data, dict) and data.get("choices") and data.get("id"):
            text += data["choices"][0].get("delta", {}).get("content") or ""
    return text


def naive_bots(body: str) -> list[tuple[str, str]]:
    """(id, kind) of the bots of a page, by patterns that fit these recordings only."""
    bots = []
    kinds = {"aipkit_chat_container": "inline", "aipkit_popup_wrapper": "popup"}
    for tag in re.findall(
        r"<div class=\"[^>]*?data-(?:config='.*?'|type=\".*?\")", body, re.DOTALL
    ):
        if config := re.search(r"data-config='(.*?)'", tag):
            bot_id = re.search(r'"botId":(\d+)', html.unescape(config[1]))
            name = re.search(r'class="(\w+)', tag)
            assert bot_id
            assert name
            bots.append((bot_id[1], kinds[name[1]]))
        else:
            bot_id = re.search(r'data-bot-id="(\d+)"', tag)
            kind = re.search(r'data-type="(\w+)"', tag)
            if bot_id and kind:
                bots.append((bot_id[1], kind[1]))
    return bots


# -- What the library makes of them ----------------------------------------------------------


def ask(dialect_name: str, url: str) -> Question:
    """A question to a bot of the dialect."""
    return Question(Endpoint(Bot("5", "", dialect_name, "inline", url), url), "hi")


def decode(exchange: Exchange, dialect_name: str) -> tuple[str, ChatGptEsError | None]:
    """The text that the library decodes from a final response, and the error that it ends in."""
    response = response_of(exchange)
    if not 200 <= response.status < 300:
        return "", dialect_named(dialect_name).error_for(response)
    question = ask(dialect_name, response.url)
    decoder = dialect_named(dialect_name).decoder(question, response, Limits())
    text = ""
    for start in range(0, len(response.body), 1000):
        text += "".join(decoder.feed(response.body[start : start + 1000]))
        if decoder.error:
            return text, decoder.error
    text += "".join(decoder.end())
    return text, decoder.error


def first_step(exchange: Exchange) -> ChatGptEsError | None:
    """The error that aipkit's first step ends in, or None if it got a key."""
    response = response_of(exchange)
    aipkit = dialect_named("aipkit")
    if not 200 <= response.status < 300:
        return aipkit.error_for(response)
    steps = aipkit.requests(ask("aipkit", response.url))
    next(steps)
    try:
        request = steps.send(response)
    except ChatGptEsError as error:
        return error
    key = json.loads(response.body)["data"]["cache_key"]
    assert f"cache_key={key}" in request.url
    return None


def compare(exchange: Exchange, generation: str, want: str) -> str:
    """What is wrong with an exchange; "" for nothing."""
    body = exchange["response"]["body"] or ""
    if want == "page":
        found = [(e.bot.id, e.bot.kind) for e in find_bots(response_of(exchange))]
        return "" if found == naive_bots(body) else f"bots {found}, not {naive_bots(body)}"
    if want == "nonce":
        found_nonce = dialect_named("aipkit").nonce_from(response_of(exchange))
        return "" if found_nonce and found_nonce in body else f"nonce {found_nonce!r}"
    if want == "key" or re.search(r"cache_sse|cache-|1cache|ajax-db", body + exchange["name"]):
        error, text = first_step(exchange), ""
    else:
        name = "rest" if "/wp-json/" in exchange["request"]["target"] else generation
        text, error = decode(exchange, name)
    return judge(want, text, error, body)


def judge(want: str, text: str, error: ChatGptEsError | None, body: str) -> str:
    """What is wrong with `text` and `error`; "" for nothing."""
    got = type(error).__name__ if error else "no error"
    if error and "greeting_message" in body:
        private = re.search(r'"greeting_message":"((?:[^"\\]|\\.){20})', body)
        if private and private[1] in f"{error} {error.excerpt}":
            return "an error shows the bot's private text"
    if want in ("key", "answer"):
        if error:
            return f"{got}: {error}"
        return "" if want == "key" or text == naive_text(body) else f"text {text[:60]!r}"
    if bool(text) != want.endswith("+"):
        return f"text {text[:60]!r} before {got}"
    if text and text != naive_text(body):
        return f"partial text {text[-60:]!r}"
    # What may hide a dead nonce is a refusal to users; the core tries it once more.
    names = want.rstrip("+").split("|")
    known = {got, "RefusedError"} if isinstance(error, NonceRefused) else {got}
    if "NonceRefused" in names and got != "NonceRefused":
        return f"{got}: {error}"
    return "" if known & set(names) else f"{got}: {error}"


def check_file(path: Path) -> Tally:
    """Check every exchange of a file of recordings."""
    tally = Tally(Counter(), [], Counter())
    for line in path.read_text("utf-8").split("\n"):
        if not line.strip():
            continue
        exchange = json.loads(line)
        version, name = exchange["version"], exchange["name"]
        generation = "wpaicg" if version < "2.3" else "aipkit"
        want = rule_for(generation, name)
        if want.startswith("skip: "):
            tally.skipped[f"{version}: {want.removeprefix('skip: ')}"] += 1
            continue
        tally.checked[f"{version} {want}"] += 1
        if problem := compare(exchange, generation, want):
            tally.wrong.append(f"{version} {name}: want {want}, got {problem}")
    return tally


def main(arguments: list[str]) -> int:
    """Check every recording in the folder; 0 when all is right."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    paths = sorted(Path(arguments[0]).glob("*.jsonl"))
    tallies = [check_file(path) for path in paths if not path.name.startswith("mwai-")]
    return decode_mwai.report(tallies + decode_mwai.check_folder(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
