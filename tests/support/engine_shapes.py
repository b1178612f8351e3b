"""The forms of what AI Engine sites answered, versions 3.6.2 and 2.2.95."""

from __future__ import annotations

from typing import Any

from shapes import Answer, Event, Json

_JSON = r"application/json; charset=UTF-8"
_SSE = r"text/event-stream;charset=UTF-8"
_NONCE = r"[0-9a-f]{10}"
_SESSION = r"mwai_session_id=[0-9a-f]{13}; path=/; HttpOnly"
_VISIT = r"PHPSESSID=\w+; path=/"
_BOTH = rf"{_VISIT}(\n|, ){_SESSION}"
_REST = {"x-robots-tag": "noindex", "x-content-type-options": "nosniff"}

NEW_JSON = {**_REST, "content-type": _JSON, "x-wp-nonce": _NONCE, "set-cookie": _SESSION}
NEW_STREAM = {**NEW_JSON, "content-type": _SSE, "cache-control": "no-cache"}
NEW_EARLY = {**_REST, "content-type": _JSON, "x-wp-nonce": _NONCE, "set-cookie": None,
             "cache-control": None}  # fmt: skip
NEW_EARLY_STREAM = {**NEW_JSON, "cache-control": None}
OLD_JSON = {**_REST, "content-type": _JSON, "x-wp-nonce": _NONCE, "set-cookie": None}
OLD_STREAM = {**OLD_JSON, "content-type": _SSE, "cache-control": "no-cache"}
OLD_EARLY = {**OLD_JSON, "cache-control": None}
NO_NONCE = {**_REST, "content-type": _JSON, "x-wp-nonce": None, "set-cookie": None}
DEAD = {**NO_NONCE, "cache-control": "no-cache, must-revalidate, max-age=0"}
FATAL = {"content-type": _JSON, "x-wp-nonce": _NONCE, "set-cookie": None,
         "cache-control": "no-cache, must-revalidate, max-age=0"}  # fmt: skip

TOKENS = {"prompt_tokens": int, "completion_tokens": int, "total_tokens": int}
NEW_REPLY: dict[str, Any] = {
    "success": True, "reply": str, "images": None, "actions": [dict], "shortcuts": [dict],
    "blocks": [dict],
    "usage": {**TOKENS, "price": None, "queries": int, "accuracy": ("tokens", "estimated")},
    "responseId": str,
}  # fmt: skip
OLD_REPLY = {"success": True, "reply": str, "images": None, "usage": TOKENS}
PICTURE = {
    "success": True, "reply": str, "images": [str], "actions": [dict], "shortcuts": [dict],
    "blocks": [dict],
    "usage": {"input_tokens": int, "output_tokens": int, "total_tokens": int, "queries": int,
              "accuracy": str},
}  # fmt: skip
NO = {"success": False, "message": str}
STATUS = {"type": "live", "data": str, "timestamp": float, "subtype": "status", "visibility": str}


def coded(code: str, status: int, **data: Any) -> dict[str, Any]:
    """WordPress's own way to say no."""
    return {"code": code, "message": str, "data": {"status": status, **data}}


def _answer(reply: Any) -> list[Event]:
    return [LIVE, Event({"type": "end", "data": Json(reply)})]


LIVE = Event({"type": "live", "data": str}, often="+")
ERROR = Event({"type": "error", "data": str})
_NO_ID = {key: form for key, form in NEW_REPLY.items() if key != "responseId"}
EMPTY = [Event({"type": "end", "data": Json({**_NO_ID, "reply": ""})})]
_WARNING = r"<br />\n<b>\w+</b>:[^\n]*<br />\n"
_ESTIMATED = {**NEW_REPLY, "usage": {**NEW_REPLY["usage"], "accuracy": "estimated"}}

ENGINE: dict[str, Answer] = {
    # -- 3.6.2
    "session": Answer("3.6.2 start_session", 200,
                      {**_REST, "content-type": _JSON, "set-cookie": _BOTH, "allow": "POST",
                       "cache-control": "no-store, no-cache, must-revalidate"},
                      {"success": True, "sessionId": str, "restNonce": str}),
    "session-dead-nonce": Answer("3.6.2 start_session-bad-nonce", 403,
                                 {"content-type": _JSON, "x-wp-nonce": None},
                                 coded("rest_cookie_invalid_nonce", 403)),
    "session-get": Answer("3.6.2 start_session-GET", 404,
                          {"content-type": _JSON, "set-cookie": _VISIT},
                          coded("rest_no_route", 404)),
    "whole": Answer("3.6.2 turn1", 200, {**NEW_JSON, "cache-control": None}, NEW_REPLY),
    "stream": Answer("3.6.2 turn1-stream", 200, NEW_STREAM, _answer(NEW_REPLY)),
    "known-visitor": Answer("3.6.2 nonce-with-session-cookie", 200,
                            {**NEW_JSON, "set-cookie": None}, NEW_REPLY),
    "older-tick": Answer("3.6.2 nonce-tick-1-stream", 200, NEW_STREAM,
                         _answer({**NEW_REPLY, "new_token": str})),
    "no-nonce": Answer("3.6.2 nonce-missing-stream", 401, NO_NONCE, coded("rest_forbidden", 401)),
    "dead-nonce": Answer("3.6.2 nonce-bad-stream", 403, DEAD,
                         coded("rest_cookie_invalid_nonce", 403)),
    "members-only": Answer("3.6.2 rest-for-members-only", 401, NEW_EARLY,
                           coded("rest_not_logged_in", 401)),
    "no-route": Answer("3.6.2 route-unknown", 404, NEW_EARLY, coded("rest_no_route", 404)),
    "broken-json": Answer("3.6.2 body-broken-json", 400, NEW_EARLY,
                          coded("rest_invalid_json", 400, json_error_code=int,
                                json_error_message=str)),
    "fatal": Answer("3.6.2 message-array", 500, FATAL,
                    {**coded("internal_server_error", 500,
                             error={"type": int, "message": str, "file": str, "line": int}),
                     "additional_errors": [dict]}),
    "empty-message": Answer("3.6.2 message-empty-stream", 403, NEW_EARLY, NO),
    "bad-history": Answer("3.6.2 turn-messages-bad-shape", 500, NEW_JSON, NO),
    "too-long": Answer("3.6.2 message-too-long-for-bot", 500, NEW_EARLY, NO),
    "too-long-stream": Answer("3.6.2 message-too-long-for-bot-stream", 200, NEW_EARLY, [ERROR]),
    "moderation-stream": Answer("3.6.2 moderation-flagged-stream", 200, NEW_EARLY_STREAM, [ERROR]),
    "quota": Answer("3.6.2 limit", 500, NEW_JSON, NO),
    "quota-stream": Answer("3.6.2 limit-stream", 200, NEW_STREAM, [ERROR]),
    "banned-word-stream": Answer("3.6.2 banned-word-stream", 200, NEW_STREAM, [ERROR]),
    "no-api-key-stream": Answer("3.6.2 api-key-missing-stream", 200, NEW_STREAM, [ERROR]),
    "model-429": Answer("3.6.2 model-429", 500, NEW_JSON, NO),
    "model-429-stream": Answer("3.6.2 model-429-stream", 200, NEW_STREAM, [ERROR]),
    "model-html": Answer("3.6.2 model-503html", 500, NEW_JSON, NO),
    "model-html-stream": Answer("3.6.2 model-503html-stream", 200, NEW_STREAM, EMPTY),
    "model-drop-stream": Answer("3.6.2 model-drop-stream", 200, NEW_STREAM, [LIVE, ERROR]),
    "model-drop-start-stream": Answer("3.6.2 model-drop0-stream", 200, NEW_STREAM, [ERROR]),
    "model-empty": Answer("3.6.2 model-empty", 200, NEW_JSON, {**NEW_REPLY, "reply": ""}),
    "model-empty-stream": Answer("3.6.2 model-empty-stream", 200, NEW_STREAM, EMPTY),
    "model-json-stream": Answer("3.6.2 model-json200-stream", 200, NEW_STREAM, EMPTY),
    "model-error-mid-stream": Answer("3.6.2 model-err_event-stream", 200, NEW_STREAM,
                                     _answer(_ESTIMATED)),
    "model-length-stream": Answer("3.6.2 model-len-stream", 200, NEW_STREAM, _answer(NEW_REPLY)),
    "status-events": Answer("3.6.2 event-logs-stream", 200, NEW_STREAM,
                            [Event(STATUS, often="+"), *_answer(NEW_REPLY)]),
    "notice": Answer("3.6.2 noise-before", 200, NEW_JSON, NEW_REPLY, before=_WARNING),
    "notice-stream": Answer("3.6.2 noise-before-stream", 200, NEW_STREAM, _answer(NEW_REPLY),
                            before=_WARNING),
    "painter": Answer("3.6.2 painter", 200, {**NEW_JSON, "set-cookie": rf"({_SESSION}\n?)+"},
                      PICTURE),
    "painter-stream": Answer("3.6.2 painter-stream", 200,
                             {**NEW_EARLY_STREAM, "set-cookie": rf"({_SESSION}\n?)+"},
                             [Event({"type": "end", "data": Json(PICTURE)})]),
    "upload": Answer("3.6.2 upload-png", 200, NEW_JSON,
                     {"success": True, "data": {"id": str, "url": str}}),
    "upload-refused": Answer("3.6.2 upload-php", 400, NEW_EARLY, NO),
    "upload-no-nonce": Answer("3.6.2 upload-no-nonce", 401, NO_NONCE, coded("rest_forbidden", 401)),
    "owner": Answer("3.6.2 api-chatbot-message", 200,
                    {"content-type": _JSON, "set-cookie": _BOTH, "allow": "POST"},
                    {"success": True, "data": str, "extra": {"actions": [dict], "chatId": str}}),
    "owner-429": Answer("3.6.2 api-chatbot-429", 500,
                        {"content-type": _JSON, "set-cookie": _BOTH, "allow": "POST"}, NO),
    "owner-wrong-key": Answer("3.6.2 api-wrong-token", 401,
                              {"content-type": _JSON, "set-cookie": _VISIT},
                              coded("rest_forbidden", 401)),
    "owner-off": Answer("3.6.2 api-off", 404, {"content-type": _JSON, "set-cookie": _VISIT},
                        coded("rest_no_route", 404)),
    "namespaces": Answer("3.6.2 rest-index-namespaces", 200, {"content-type": _JSON},
                         {"namespaces": [str]}),
    # -- 2.2.95
    "old-no-session": Answer("2.2.95 start_session", 404, NO_NONCE, coded("rest_no_route", 404)),
    "old-whole": Answer("2.2.95 turn1", 200, OLD_JSON, OLD_REPLY),
    "old-stream": Answer("2.2.95 turn1-stream", 200, OLD_STREAM, _answer(OLD_REPLY)),
    "old-unknown-bot": Answer("2.2.95 botId-unknown", 500, OLD_JSON, NO),
    "old-unknown-bot-stream": Answer("2.2.95 botId-unknown-stream", 200, OLD_EARLY, [ERROR]),
    "old-empty-message": Answer("2.2.95 message-empty-stream", 403, OLD_EARLY, NO),
    "old-error-mid-stream": Answer("2.2.95 model-err_event-stream", 200, OLD_STREAM, [LIVE, ERROR]),
    "old-model-html-stream": Answer("2.2.95 model-503html-stream", 200, OLD_STREAM,
                                    [Event({"type": "end",
                                            "data": Json({**OLD_REPLY, "reply": ""})})]),
    "old-lost-file": Answer("2.2.95 image-unknown-id-stream", 500, FATAL,
                            {**coded("internal_server_error", 500,
                                     error={"type": int, "message": str, "file": str,
                                            "line": int}),
                             "additional_errors": [dict]}),
    "old-upload": Answer("2.2.95 upload-png", 200, OLD_JSON,
                         {"success": True, "data": {"id": str, "url": str}}),
    "old-owner": Answer("2.2.95 api-chatbot-message", 200,
                        {"content-type": _JSON, "set-cookie": None, "allow": "POST"},
                        {"success": True, "data": str}),
    "old-owner-unknown-bot": Answer("2.2.95 api-chatbot-unknown-bot", 500,
                                    {"content-type": _JSON, "allow": "POST"}, NO),
}  # fmt: skip

# What pages show: the forms of two attributes.
_TEXTS = ("aiName", "userName", "guestName", "textSend", "textClear", "textInputPlaceholder",
          "textCompliance", "startSentence")  # fmt: skip
_MORE = ("fileUploads", "themeId", "icon", "iconText", "iconTextDelay", "iconAlt", "iconPosition",
         "centerOpen", "width", "openDelay", "iconBubble", "windowAnimation", "fullscreen",
         "copyButton", "pdfButton", "headerSubtitle", "containerType", "headerType",
         "messagesType", "inputType", "footerType")  # fmt: skip
PARAMS: dict[str, Any] = {
    **dict.fromkeys(_TEXTS, str), "textInputMaxLength": int, "localMemory": bool, "window": bool,
    **{f"{name}?": object for name in _MORE},
}  # fmt: skip
NEW_PARAMS = {**PARAMS, "imageUpload": bool, "fileUpload": bool, "multiUpload": bool,
              "maxUploads": int, "mode": str}  # fmt: skip
_SYSTEM: dict[str, Any] = {
    "botId": str, "customId": None, "userData": None, "contextId": int, "pluginUrl": str,
    "restUrl": str, "stream": bool, "debugMode": bool, "typewriter?": bool,
    "speech_recognition?": bool, "speech_synthesis?": bool,
}  # fmt: skip
NEW_SYSTEM = {**_SYSTEM, "sessionId": None, "restNonce": None, "actions": [dict], "blocks": [dict],
              "shortcuts": [dict], "eventLogs?": bool, "crossSite?": bool}  # fmt: skip
OLD_SYSTEM = {**_SYSTEM, "sessionId": "N/A", "restNonce": str}
