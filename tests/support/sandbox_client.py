"""A plain HTTP client for the sandbox: nothing of the library's own reading is used here."""

from __future__ import annotations

import html
import http.client
import json
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from chatgptes.sandbox import Site

AJAX = "wp-admin/admin-ajax.php"


@dataclass
class Seen:
    """A response, or what there is of one."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def fetch(
    url: str,
    form: dict[str, str] | None = None,
    *,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    tls: ssl.SSLContext | None = None,
    limit: int | None = None,
) -> Seen:
    """GET `url`, or POST `form` or `body` there; reads at most `limit` bytes."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    sent = dict(headers or {})
    if form is not None:
        body = urlencode(form).encode()
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    assert parts.hostname
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=20, context=tls
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", target, body, sent)
        return _read(connection, limit)
    except (http.client.BadStatusLine, ConnectionError):
        return Seen(0, {}, b"", whole=False)
    finally:
        connection.close()


def _read(connection: http.client.HTTPConnection, limit: int | None) -> Seen:
    response = connection.getresponse()
    seen = Seen(response.status, {}, b"")
    for name, value in response.getheaders():
        known = seen.headers.get(name.lower())
        seen.headers[name.lower()] = value if known is None else f"{known}, {value}"
    try:
        seen.body = response.read(limit)
    except http.client.IncompleteRead as error:
        seen.body, seen.whole = error.partial, False
    except ConnectionError:
        seen.whole = False
    finally:
        response.close()
    return seen


def config(page: str) -> dict[str, Any]:
    """The first aipkit bot's configuration on a page."""
    match = re.search(r"data-config='([^']*)'", page)
    assert match
    found: dict[str, Any] = json.loads(html.unescape(match[1]))
    return found


def classic_bot(page: str) -> dict[str, str]:
    """The first classic bot's attributes on a page, `ajax_url` with them."""
    tag = re.search(r'<div class="wpaicg-chat[^"]*"(?:[^>"]|"[^"]*")*>', page)
    params = re.search(r"var wpaicgParams = (\{.*?\});", page)
    assert tag
    assert params
    found = dict(re.findall(r'data-([\w-]+)="([^"]*)"', tag[0]))
    return {**json.loads(params[1]), **found}


def cache(site: Site, page: str, message: str, **more: str) -> Seen:
    """Step 1 of a turn with the aipkit bot of a page."""
    bot = config(fetch(site.page(page)).text)
    form = {
        "action": "aipkit_cache_sse_message",
        "message": message,
        "_ajax_nonce": bot["nonce"],
        "bot_id": str(bot["botId"]),
        **more,
    }
    return fetch(bot["ajaxUrl"], {k: v for k, v in form.items() if v != "(none)"})


def stream(site: Site, page: str, key: str, *, limit: int | None = None, **more: str) -> Seen:
    """Step 2 of a turn with the aipkit bot of a page; "(none)" leaves a parameter out."""
    bot = config(fetch(site.page(page)).text)
    query = {
        "action": "aipkit_frontend_chat_stream",
        "cache_key": key,
        "bot_id": str(bot["botId"]),
        "session_id": "visitor",
        "conversation_uuid": "talk",
        "post_id": "13",
        "_ajax_nonce": bot["nonce"],
        **more,
    }
    query = {k: v for k, v in query.items() if v != "(none)"}
    return fetch(f"{bot['ajaxUrl']}?{urlencode(query)}", limit=limit)


def ask_aipkit(site: Site, page: str, message: str, **more: Any) -> Seen:
    first = cache(site, page, message)
    if first.status != 200 or not first.body.startswith(b'{"success":true,"data":{"cache_key"'):
        return first
    return stream(site, page, first.json["data"]["cache_key"], **more)


def ask_classic(
    site: Site, page: str, message: str, *, limit: int | None = None, **more: str
) -> Seen:
    bot = classic_bot(fetch(site.page(page)).text)
    kind = "chatbox" if bot["type"] == "widget" else "chat_shortcode"
    form = {
        "_wpnonce": bot["nonce"],
        "post_id": bot["post-id"],
        "action": f"wpaicg_{kind}_message",
        "message": message,
        "bot_id": bot["bot-id"],
        "wpaicg_chat_client_id": "visitor123",
        **more,
    }
    return fetch(bot["ajax_url"], {k: v for k, v in form.items() if v != "(none)"}, limit=limit)


def ask_rest(site: Site, content: str, *, bot: str = "", **headers: str) -> Seen:
    sent = {"Authorization": f"Bearer {site.api_key}", "Content-Type": "application/json"}
    body = json.dumps({"messages": [{"role": "user", "content": content}]}).encode()
    url = f"{site.api_root}aipkit/v1/chat/{bot or site.rest_bot}/message"
    return fetch(url, body=body, headers=sent | headers)


def engine_bot(page: str, attribute: str = "system") -> dict[str, Any]:
    """The first AI Engine bot's `data-system` on a page, or another of its attributes."""
    match = re.search(rf"<div class='mwai-chatbot-container' [^>]*?data-{attribute}='(.*?)'", page)
    assert match
    found: dict[str, Any] = json.loads(html.unescape(match[1]))
    return found


def engine_nonce(bot: dict[str, Any]) -> dict[str, str]:
    """The header with such a bot's nonce; none where the site has no sessions."""
    nonce = bot["restNonce"]
    if nonce is None:
        session = fetch(f"{bot['restUrl']}/mwai/v1/start_session", body=b"")
        nonce = session.json.get("restNonce")
    return {"X-WP-Nonce": nonce} if nonce else {}


def ask_engine(
    site: Site,
    page: str,
    message: str,
    *,
    headers: dict[str, str] | None = None,
    limit: int | None = None,
    **more: Any,
) -> Seen:
    """A turn with the AI Engine bot of a page, streamed; `None` leaves a key out."""
    bot = engine_bot(fetch(site.page(page)).text)
    sent = {"Content-Type": "application/json", **engine_nonce(bot)} if headers is None else headers
    body = {
        "botId": bot["botId"],
        "customId": bot["customId"],
        "messages": [],
        "newMessage": message,
        "stream": True,
        **more,
    }
    kept = {key: value for key, value in body.items() if value is not None}
    url = f"{bot['restUrl']}/mwai-ui/v1/chats/submit"
    return fetch(url, body=json.dumps(kept).encode(), headers=sent, limit=limit)


def engine_said(seen: Seen) -> str:
    """The text of such a streamed answer."""
    return "".join(
        data["data"]
        for _, data in events(seen.body)
        if data["type"] == "live" and data.get("subtype", "content") == "content"
    )


def ask_fault(site: Site, where: str, name: str) -> Seen:
    """A turn with the bot that always meets the fault."""
    limit = 100_000 if name in ("endless", "flood") else None
    if where == "rest":
        return ask_rest(site, "Hi", bot=site.rest_bots[f"fault-{name}"])
    if where == "aipkit":
        return ask_aipkit(site, f"fault-{name}", "Hi", limit=limit)
    if where == "mwai":
        return ask_engine(site, f"fault-mwai-{name}", "Hi", limit=limit)
    return ask_classic(site, f"fault-{where}-{name}", "Hi", limit=limit)


def events(body: bytes) -> list[tuple[str, Any]]:
    """(event, data) pairs of a stream whose data is JSON."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = block.split("\n")
        names = [line[7:] for line in lines if line.startswith("event: ")]
        found += [
            (names[0] if names else "", json.loads(line[6:]))
            for line in lines
            if line.startswith("data: {")
        ]
    return found


def said(seen: Seen) -> str:
    """The text of a streamed answer of either dialect."""
    text = ""
    for _, data in events(seen.body):
        text += data.get("delta", "")
        for choice in data.get("choices", ()):
            text += choice.get("delta", {}).get("content", "")
    return text


def wait_for(true: Callable[[], object]) -> None:
    """Wait until `true()`; fails after ten seconds."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)
