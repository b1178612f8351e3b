"""The forms of what AI Power sites answered, versions 1.9.18 and 2.4.71."""

from __future__ import annotations

from typing import Any

from shapes import Answer, Event

_JSON = r"application/json; charset=UTF-8"
_HTML = r"text/html; charset=UTF-8"
_AJAX = "no-cache, must-revalidate, max-age=0"

# -- 1.9.18

PLAIN = {"content-type": _JSON, "cache-control": _AJAX}
BARE = {"content-type": _HTML, "cache-control": _AJAX}
STREAM = {"content-type": r"text/event-stream;charset=UTF-8", "cache-control": "no-cache"}

_REPLY = {"status": "success", "msg": str, "greeting_message": str, "data": str, "log": (int, str)}
_FAILED = {"status": "error", "msg": str, "greeting_message": str, "log": (int, str)}
_ERROR = {"status": "error", "msg": str}


def _chunk(delta: Any, finish: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs?": None}
    return {"id": str, "object": "chat.completion.chunk", "created": int, "model": str,
            "choices": [choice], "system_fingerprint?": str}  # fmt: skip


_COMMENT = Event("", fields=(":",), often="?")
_FIRST = Event(_chunk({"role": "assistant", "content": "", "refusal?": None}, None))
_TEXT = Event(_chunk({"content": str}, None), often="+")
_BEGUN = [_COMMENT, _FIRST, _TEXT]
_STOPPED = [*_BEGUN, Event(_chunk({}, "stop")), Event("[DONE]")]
_WORD = Event({"choices": [{"delta": {"content": str}}]}, "message", often="+")
_WORDS_END = Event({"choices": [{"finish_reason": "stop"}]})
_COMPLETION = {
    "id": str, "object": "chat.completion", "created": int, "model": str,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": str},
                 "finish_reason": "stop"}],
    "usage?": dict,
}  # fmt: skip

# -- 2.4.71

KEYED = {"content-type": _JSON, "cache-control": _AJAX}
SSE = {"content-type": r"text/event-stream; charset=utf-8",
       "cache-control": "no-cache, no-store, must-revalidate, max-age=0, no-transform"}  # fmt: skip
REST = {"content-type": _JSON}

_REFUSED = {"success": False, "data": {"message": str, "code": str}}
_PADDING = Event("", fields=(":",))
_START = Event({"message_id": str}, "message_start")
_STATUS = Event({"type": str, "status": str, "response_id": str}, "status", often="+")
_SEARCH = Event({"type": str, "item_id": str, "output_index": int}, "status", often="+")
_DELTA = Event({"delta": str}, often="+")
_ID = Event({"id": str}, "openai_response_id")
_DONE = Event({"finished": True}, "done")
_FAILURE = Event({"error": str}, "error", fields=("id",))
_CITATION = {"type": str, "url": str, "title": str, "source_title": str, "start_char_index": int,
             "end_char_index": int, "cited_text": str}  # fmt: skip
_CITATIONS = Event([_CITATION], "citations")
_CODED = {"code": str, "message": str}
_NOTICE = {"type": str, "message": str, "actions": [dict]}

POWER: dict[str, Answer] = {
    "plain": Answer("1.9.18 turn-plain-urlencoded", 200, PLAIN, _REPLY),
    "stream": Answer("1.9.18 turn-stream-POST-urlencoded", 200, STREAM, _STOPPED),
    "plain-dead-nonce": Answer("1.9.18 fail-plain-nonce-bad", 403, BARE, r"[^<>{}]+"),
    "stream-dead-nonce": Answer("1.9.18 fail-stream-nonce-bad", 403, BARE, r"[^<>{}]+"),
    "plain-empty": Answer("1.9.18 fail-plain-message-empty", 200, PLAIN, _ERROR),
    "plain-no-api-key": Answer("1.9.18 no-api-key-plain", 200, PLAIN, _ERROR),
    "stream-no-api-key": Answer("1.9.18 no-api-key-stream", 200, PLAIN, _ERROR),
    "plain-banned-word": Answer("1.9.18 banned-word-plain", 200, PLAIN, _ERROR),
    "stream-banned-word": Answer("1.9.18 banned-word-stream", 200, STREAM,
                                 [Event({"msg": str, "messageFlagged": True}), *_STOPPED]),
    "plain-quota": Answer("1.9.18 quota-plain-0", 200, PLAIN,
                          {"msg": str, "tokenLimitReached": True}),
    "stream-quota": Answer("1.9.18 quota-stream-0", 200, STREAM,
                           [Event({"msg": str, "tokenLimitReached": True})]),
    "plain-429": Answer("1.9.18 upstream-plain-429", 200, PLAIN, _FAILED),
    "plain-drop": Answer("1.9.18 upstream-plain-drop", 200, PLAIN, _FAILED),
    "plain-html": Answer("1.9.18 upstream-plain-503html", 200, PLAIN, {**_REPLY, "data": ""}),
    "stream-429": Answer("1.9.18 upstream-stream-500", 200, STREAM,
                         [_WORD, _WORDS_END, _WORD, _WORDS_END]),
    "stream-drop": Answer("1.9.18 upstream-stream-drop", 200, STREAM, _BEGUN),
    "stream-drop-start": Answer("1.9.18 upstream-stream-drop0", 200, STREAM, ""),
    "stream-empty": Answer("1.9.18 upstream-stream-empty", 200, STREAM, [Event("[DONE]")]),
    "stream-error-mid": Answer("1.9.18 upstream-stream-err_event", 200, STREAM,
                               [*_BEGUN, Event({"error": {"message": str, "type": str,
                                                          "code": None}})]),
    "stream-no-end": Answer("1.9.18 upstream-stream-noend", 200, STREAM, _BEGUN),
    "stream-length": Answer("1.9.18 upstream-stream-len", 200, STREAM,
                            [*_BEGUN, Event(_chunk({}, "length")), Event("[DONE]")]),
    "stream-html": Answer("1.9.18 upstream-stream-503html", 200, STREAM, r"<html>.*</html>\n?"),
    "stream-json": Answer("1.9.18 upstream-stream-json200", 200, STREAM, _COMPLETION),
    "unknown-action": Answer("1.9.18 fail-unknown-action", 400, BARE, "0"),
    "image-refused": Answer("1.9.18 image-bad", 200, BARE, r"[^<>{}]+"),
    # -- 2.4.71
    "nonce": Answer("2.4.71 nonce", 200, KEYED, {"success": True, "data": {"nonce": str}}),
    "cache": Answer("2.4.71 turn1-1cache", 200, KEYED,
                    {"success": True, "data": {"cache_key": str}}),
    "cache-dead-nonce": Answer("2.4.71 cache-nonce-bad", 403, KEYED, _REFUSED),
    "cache-empty": Answer("2.4.71 cache-message-empty", 400, KEYED, _REFUSED),
    "cache-origin": Answer("2.4.71 cache-origin-other-host", 403, KEYED, _REFUSED),
    "cache-unknown-action": Answer("2.4.71 unknown-action", 400, BARE, "0"),
    "aipkit": Answer("2.4.71 turn1-2stream", 200, SSE,
                     [_PADDING, _START, _STATUS, _DELTA, _ID, _DONE]),
    "aipkit-search": Answer("2.4.71 state-turn1-2stream", 200, SSE,
                            [_PADDING, _START, _STATUS, _SEARCH, _DELTA, _CITATIONS, _ID,
                             _CITATIONS,
                             Event({"finished": True, "citations": [_CITATION]}, "done")]),
    "aipkit-dead-nonce": Answer("2.4.71 stream-nonce-bad", 200, SSE, [_PADDING, _FAILURE, _DONE]),
    "aipkit-key-used": Answer("2.4.71 stream-cache_key-reused", 200, SSE,
                              [_PADDING, _FAILURE, _DONE]),
    "aipkit-moderation": Answer("2.4.71 stream-moderation-flagged", 200, SSE,
                                [_PADDING, _FAILURE, _DONE]),
    "aipkit-quota": Answer("2.4.71 quota-1-2stream", 200, SSE,
                           [_PADDING, Event({"error": str, "quota_notice": _NOTICE}, "error",
                                            fields=("id",)), _DONE]),
    "aipkit-429": Answer("2.4.71 stream-upstream-429", 200, SSE, [_PADDING, _START, _FAILURE]),
    "aipkit-html": Answer("2.4.71 stream-upstream-503html", 200, SSE, [_PADDING, _START, _FAILURE]),
    "aipkit-empty": Answer("2.4.71 stream-upstream-empty", 200, SSE, [_PADDING, _START, _FAILURE]),
    "aipkit-drop": Answer("2.4.71 stream-upstream-drop", 200, SSE,
                          [_PADDING, _START, _STATUS, _DELTA, _FAILURE]),
    "aipkit-drop-start": Answer("2.4.71 stream-upstream-drop0", 200, SSE,
                                [_PADDING, _START, _FAILURE]),
    "aipkit-error-mid": Answer("2.4.71 stream-upstream-err_event", 200, SSE,
                               [_PADDING, _START, _STATUS, _DELTA, _FAILURE]),
    "aipkit-length": Answer("2.4.71 stream-upstream-len", 200, SSE,
                            [_PADDING, _START, _STATUS, _DELTA, _ID,
                             Event({"error": str}, "warning", fields=("id",)), _DONE]),
    "aipkit-no-end": Answer("2.4.71 stream-upstream-noend", 200, SSE,
                            [_PADDING, _START, _STATUS, _DELTA, _DONE]),
    "rest": Answer("2.4.71 rest-chat-key", 200, REST,
                   {"reply": str, "bot_id": int, "model": str,
                    "usage": {"input_tokens": int, "output_tokens": int, "total_tokens": int,
                              "provider_raw?": dict}}),
    "rest-wrong-key": Answer("2.4.71 rest-chat-nokey", 401, REST,
                             {**_CODED, "data": {"status": 401}}),
    "rest-access-off": Answer("2.4.71 rest-chat-anon", 403, REST,
                              {**_CODED, "data": {"status": 403}}),
    "rest-429": Answer("2.4.71 rest-chat-key-429", 429, REST, {**_CODED, "data": {"status": 429}}),
    "rest-unknown-bot": Answer("2.4.71 rest-chat-unknown-bot", 500,
                               {**REST, "cache-control": _AJAX},
                               {**_CODED, "additional_errors": [dict],
                                "data": {"status": 500, "error": {"type": int, "message": str,
                                                                  "file": str, "line": int}}}),
}  # fmt: skip
