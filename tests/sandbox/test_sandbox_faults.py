"""Every fault of the sandbox, on the wire."""

from __future__ import annotations

import json
import threading

import pytest
from sandbox_client import (
    Seen,
    ask_aipkit,
    ask_classic,
    ask_fault,
    cache,
    said,
    wait_for,
)

from chatgptes.sandbox import FAULTS, Site

PLAIN_ERROR = '{"status":"error","msg":"'
# (where, fault) -> what the response is known by: status, and a text in its body or headers.
MODEL_PLAIN = {"model-401", "model-429", "model-500", "model-quotes", "model-drop",
               "model-drop-start", "model-error-mid"}  # fmt: skip
COMMON: dict[str, tuple[int, str]] = {
    "rate-limit": (429, "retry-after: 1\n"),
    "rate-limit-long": (429, "retry-after: 3600\n"),
    "rate-limit-date": (429, "GMT\n"),
    "rate-limit-bare": (429, "Slow down"),
    "challenge": (403, "cf-mitigated: challenge"),
    "challenge-bare": (503, "_cf_chl_opt"),
    "challenge-ok": (200, "Just a moment..."),
    "http-403": (403, "firewall"),
    "http-404": (404, "Nothing here"),
    "http-500": (500, "Broken"),
    "http-502": (502, ""),
    "maintenance": (503, "retry-after: 60"),
    "redirect": (302, "location: http://127.0.0.1"),
    "redirect-foreign": (302, "location: http://elsewhere.invalid/"),
    "html": (200, "Another page"),
    "empty": (200, "content-length: 0"),
    "cut-start": (0, ""),
    "cut-headers": (200, "text/ev"),
}
STREAMED: dict[str, tuple[int, str]] = {
    "garbage": (200, "data: [1, 2\n\n"),
    "html-after": (200, "come to an end.</p>"),
    "endless": (200, "and on "),
    "flood": (200, "x" * 70_000),
    "cut": (200, "**I"),
    "reset": (200, ""),
    "crlf": (200, "sandbox"),
    "no-blank": (200, "conversation."),
}
CLASSIC_ALL: dict[str, tuple[int, str]] = COMMON | {
    "nonce": (403, "too old"),
    "unknown-action": (400, "\n\n0"),
    "message-empty": (200, PLAIN_ERROR),
    "no-api-key": (200, PLAIN_ERROR),
    "box": (200, '{"success":false,"data":"'),
    "box-known": (200, "anklicken"),
}
EXPECTED: dict[str, dict[str, tuple[int, str]]] = {
    "classic": CLASSIC_ALL
    | STREAMED
    | {
        "quota": (200, 'data: {"msg":"That was enough for today.","tokenLimitReached":true}\n\n'),
        "banned-word": (200, '"messageFlagged":true}\n\n: the model'),
        "banned-ip": (200, '"ipBanned":true}\n\n: the model'),
        "pinecone": (200, '"pineconeError":true}'),
        "moderation": (200, '"modflag":true}'),
        "model-401": (200, 'event: message\ndata: {"choices":[{"delta":{"content":"The"}}]}'),
        "model-429": (200, '{"content":" credit"}'),
        "model-500": (200, 'data: {"choices":[{"finish_reason":"stop"}]}\n\n'),
        "model-quotes": (200, '{"content":" here.\nTry"}'),
        "model-html": (200, "\n\n<html>"),
        "model-drop": (200, '"finish_reason":null}]}\n\n'),
        "model-drop-start": (200, "event-stream"),
        "model-error-mid": (200, 'data: {"error":{"message":"The model gave up'),
        "model-empty": (200, "\n\ndata: [DONE]\n\n"),
        "model-json": (200, '"object": "chat.completion"'),
        "model-length": (200, '"finish_reason":"length"'),
        "model-no-end": (200, "conversation."),
        "assistant": (200, "event: thread.message.completed"),
        "assistant-error": (200, "event: assistant_error"),
    },
    "plain": CLASSIC_ALL
    | dict.fromkeys(MODEL_PLAIN, (200, PLAIN_ERROR))
    | {
        "quota": (200, '{"msg":"That was enough for today.","tokenLimitReached":true}'),
        "banned-word": (200, PLAIN_ERROR),
        "banned-ip": (200, PLAIN_ERROR),
        "pinecone": (200, PLAIN_ERROR),
        "moderation": (200, PLAIN_ERROR),
        "model-quotes": (200, "No &quot;blue&quot; here.\\nTry &#039;red&#039; &amp; &lt;green"),
        "model-drop": (200, "cURL error 52"),
        "model-html": (200, '"data":""'),
        "model-empty": (200, '"data":""'),
        "model-json": (200, "sandbox"),
        "model-length": (200, "sandbox"),
        "model-no-end": (200, "sandbox"),
        "notice": (200, "<b>Notice</b>"),
        "cut": (200, "greeting"),
    },
    "aipkit": COMMON
    | STREAMED
    | {f"cache-{name}": what for name, what in COMMON.items()}
    | dict.fromkeys(
        ["nonce", "origin", "unknown-bot", "key-missing", "key-used", "key-expired", "guests",
         "banned-word", "banned-ip", "moderation", "no-api-key"],
        (200, '"}\n\nevent: done\ndata: {"finished":true}\n\n'),
    )
    | {
        "cache-nonce": (403, '"code":"nonce_failure_cache_sse"'),
        "cache-no-message": (400, '"code":"empty_data_to_cache"'),
        "cache-embed": (403, '"code":"embed_not_available"'),
        "cache-cors": (403, '"code":"cors_denied"'),
        "cache-no-key": (200, '{"success":true,"data":{}}'),
        "unknown-action": (400, "\n\n0"),
        "quota": (200, '"quota_notice":{"type":'),
        "quota-old": (200, 'for today."}\n\nevent: done'),
        "ts-required": (200, '"ts_required":true}\n\nevent: done'),
        "no-done": (200, 'data: {"id":"resp_sandbox_1"}'),
        "unknown-events": (200, "event: whisper"),
        "form": (200, 'event: display_form_event\ndata: {"form_definition":{"form_id"'),
        "model-401": (200, '"API Error: The key'),
        "model-429": (200, '"API Error: The site'),
        "model-500": (200, '"API Error: The model'),
        "model-quotes": (200, 'API Error: No \\"blue\\" here.\\nTry'),
        "model-html": (200, '"API Error: <html>'),
        "model-drop": (200, '"Connection Error: '),
        "model-drop-start": (200, '"Connection Error: '),
        "model-error-mid": (200, '"The model gave up'),
        "model-empty": (200, '"The model sent nothing."'),
        "model-json": (200, '"The model sent nothing."'),
        "model-length": (200, 'data: {"error":" (Incomplete: max_output_tokens)"}'),
        "model-no-end": (200, "event: done"),
    },
    "rest": COMMON
    | {
        "access-off": (403, '"rest_aipkit_api_access_disabled"'),
        "wrong-key": (401, '"rest_aipkit_invalid_api_key"'),
        "no-key-set": (403, '"rest_aipkit_no_api_key_configured"'),
        "no-route": (404, '"rest_no_route"'),
        "unknown-bot": (500, "Stack trace"),
        "model-401": (401, '"api_error"'),
        "model-429": (429, '"api_error"'),
        "model-429-old": (500, '"api_error"'),
        "model-500": (500, '"api_error"'),
        "model-quotes": (400, '"api_error"'),
        "model-html": (502, '"api_error"'),
        "model-drop": (500, '"api_error"'),
        "model-drop-start": (500, '"api_error"'),
        "model-error-mid": (500, '"api_error"'),
        "model-empty": (200, '"reply":""'),
        "model-json": (200, "sandbox"),
        "model-length": (200, "sandbox"),
        "model-no-end": (200, "sandbox"),
        "no-reply": (200, '{"usage":'),
        "cut": (200, '{"reply":'),
    },
    "mwai": COMMON
    | STREAMED
    | {
        "nonce": (403, '{"code":"rest_cookie_invalid_nonce","message":"'),
        "no-nonce": (401, '{"code":"rest_forbidden","message":"'),
        "members-only": (401, '"data":{"status":401}}'),
        "no-route": (404, '{"code":"rest_no_route","message":"'),
        "invalid-json": (400, '{"code":"rest_invalid_json","message":"'),
        "fatal": (500, "secret\\/path"),
        "message-empty": (403, '{"success":false,"message":"'),
        "quota": (200, 'data: {"type":"error","data":"That was enough for today."}\n\n'),
        "banned-word": (200, 'data: {"type":"error","data":"Please'),
        "banned-ip": (200, 'data: {"type":"error","data":"Visitors'),
        "no-api-key": (200, 'data: {"type":"error","data":"This site has no key'),
        "no-environment": (200, 'data: {"type":"error","data":"This site has no service'),
        "unknown-bot": (200, 'json; charset=UTF-8\n'),
        "too-long": (200, 'json; charset=UTF-8\n'),
        "moderation": (200, 'json; charset=UTF-8\n'),
        "no-end": (200, 'data: {"type":"live","data":" conversation."}\n\n'),
        "end-longer": (200, "a word of the owner's"),
        "end-other": (200, "placeholder"),
        "status-events": (200, '"subtype":"status","visibility":"collapsed"}\n\n'),
        "unknown-events": (200, 'data: {"type":"whisper","data":"not for you"}'),
        "actions": (200, '\\"actions\\":[{\\"type\\":\\"function\\"'),
        "notice": (200, '7</b><br />\ndata: {"type":"live"'),
        "json-type": (200, 'json; charset=UTF-8\n'),
        "whole": (200, '{"success":true,"reply":"**I am the sandbox'),
        "model-401": (200, 'data: {"type":"error","data":"From the sandbox: Error: The key'),
        "model-429": (200, 'data: {"type":"error","data":"From the sandbox: Error: The site'),
        "model-500": (200, 'data: {"type":"error","data":"From the sandbox: Error: The model'),
        "model-quotes": (200, 'No \\"blue\\" here.\\nTry'),
        "model-html": (200, '"{\\"success\\":true,\\"reply\\":\\"\\"'),
        "model-drop": (200, '\n\ndata: {"type":"error","data":"From the sandbox: the line'),
        "model-drop-start": (200, 'data: {"type":"error","data":"From the sandbox: the line'),
        "model-error-mid": (200, '\\"accuracy\\":\\"estimated\\"'),
        "model-empty": (200, '\\"reply\\":\\"\\"'),
        "model-json": (200, '\\"reply\\":\\"\\"'),
        "model-length": (200, "sandbox"),
        "model-no-end": (200, "sandbox"),
    },
}  # fmt: skip
STALLS = {"stall", "stall-headers", "stall-end", "cache-stall-headers"}
CASES = [(where, name) for where, names in FAULTS.items() for name in names]


def test_every_fault_is_expected_here() -> None:
    for where, names in FAULTS.items():
        assert set(names) - STALLS == set(EXPECTED[where]), where


@pytest.mark.parametrize(("where", "name"), [case for case in CASES if case[1] not in STALLS])
def test_fault(site: Site, where: str, name: str) -> None:
    seen = ask_fault(site, where, name)
    status, text = EXPECTED[where][name]
    head = "".join(f"{key}: {value}\n" for key, value in seen.headers.items())
    assert seen.status == status
    assert text in f"{head}\n\n{seen.text}"
    assert seen.whole is (name not in ("cut", "reset", "cut-start", "cache-cut-start"))
    ends = any(mark in seen.body for mark in (b"[DONE]", b"event: done", b'"type":"end"'))
    if name in ("no-done", "cut", "model-drop", "model-drop-start", "model-error-mid", "model-500"):
        assert ends is (where == "mwai" and name == "model-error-mid")  # As from 2.6.9 on.
    if name in ("cut", "model-drop", "model-error-mid") and where in ("aipkit", "classic"):
        assert "**I am" in said(seen)
        assert "conversation." not in seen.text
    if name == "no-blank":
        assert ends
        assert not seen.body.endswith(b"\n")
    assert (b"}\r\n\r\n" in seen.body) is (name == "crlf")
    if where == "classic" and name in ("banned-word", "banned-ip", "pinecone", "moderation"):
        assert ends
        assert "sandbox" in said(seen)


@pytest.mark.parametrize(("where", "name"), [case for case in CASES if case[1] in STALLS])
def test_stalls_end_when_released(site: Site, where: str, name: str) -> None:
    answers: list[Seen] = []
    thread = threading.Thread(target=lambda: answers.append(ask_fault(site, where, name)))
    thread.start()
    wait_for(lambda: site.stalled == 1)
    assert not answers
    site.release()
    thread.join(10)
    assert "sandbox" in answers[0].text
    assert site.stalled == 0


def test_old_versions_fail_in_their_own_way(site: Site) -> None:
    def old(name: str) -> Seen:
        return ask_classic(site, f"fault-old-{name}", "Hi")

    assert set(old("nonce").json) == {"status", "msg"}
    part = old("model-drop").body
    assert b"[DONE]" not in part
    assert json.loads(part.rpartition(b"\n\n")[2])["status"] == "success"
    assert old("model-drop-start").json["data"] == ""
    assert old("model-json").text.count('"status":"success"') == 1


def test_next_is_met_once_by_the_first_turn_that_can(site: Site) -> None:
    site.next("model-429")
    site.next("cache-nonce", times=2)
    assert ask_classic(site, "classic-plain", "Hi").json["status"] == "error"
    assert ask_classic(site, "classic-plain", "Hi").json["status"] == "success"
    assert cache(site, "front", "Hi").status == 403
    assert cache(site, "front", "Hi").status == 403
    assert "sandbox" in said(ask_aipkit(site, "front", "Hi"))
    with pytest.raises(ValueError, match="No fault"):
        site.next("gremlins")
