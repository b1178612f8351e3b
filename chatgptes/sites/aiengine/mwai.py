"""The dialect of AI Engine's chat window (measured on 1.9.99, 2.2.95, 2.6.9, 2.8.4 and 3.6.2).

A turn is one JSON POST that brings the conversation along.  What changed between versions is how
the nonce is got and some keys; all of that shows in the answers, so no version is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from ...errors import InvalidMessageError, RefusedError, ResponseError
from ...values.http import Limits, Request
from ..challenge import challenge_error
from ..dialect import (
    BufferedResponse,
    Decoder,
    Dialect,
    Endpoint,
    FoundBot,
    Question,
    ReadBot,
)
from ..errors import error_for_answer, unexpected_error
from ..forms import encode_form
from ..response import make_error
from ..text import clean_text, json_object, object_or_empty, role_and_content, without_surrogates
from .decoder import NO_ROUTE, MwaiDecoder, chat_id, error_for_object, rank
from .page import NONCE_IN_PAGE, SHORTCUTS, header_nonce, reader, with_custom_ids

__all__ = ["Mwai"]

_UPLOAD_ROUTE = "/mwai-ui/v1/files/upload"
_SESSION_ROUTE = "/mwai/v1/start_session"
_TRIMMED = " \t\n\r\0\x0b"  # PHP's trim(), which the site calls before it counts.


class Mwai(Dialect):
    """AI Engine's chat window."""

    name = "mwai"
    plugin = "AI Engine"
    slug = "ai-engine"
    traces = (b"mwai-", b"mwai_", b"plugins/ai-engine")
    containers = (b"mwai-chatbot-container",)
    # png and jpeg were measured; the other two are the site's to refuse, before any message.
    image_kinds = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
    cookie_is_visitor = True

    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        if endpoint.extra.get(NONCE_IN_PAGE):
            return "2.0.1 to 2.4.3"
        # Before the key came, only versions without nonces, and 2.4.4 to 2.4.7, show such pages.
        if b"&quot;blocks&quot;" in page.body or b'"blocks"' in page.body:
            return "2.4.8 or later"
        return "up to 2.0.0, or 2.4.4 to 2.4.7"

    def find(self, page: BufferedResponse) -> list[FoundBot]:
        return with_custom_ids(super().find(page))

    def reader(self, page: BufferedResponse) -> ReadBot:
        return reader(page)

    def most_images(self, endpoint: Endpoint) -> int:
        return int(endpoint.extra.get("maxUploads", "1"))

    def check(self, question: Question) -> None:
        super().check(question)
        _, message = _split(question)
        endpoint = question.endpoint
        most, length = int(endpoint.extra.get("maxLength", "0")), len(message.strip(_TRIMMED))
        if most and length > most:
            raise InvalidMessageError(
                f"The bot {endpoint.bot.id} of this site takes messages of at most {most:,} "
                f"characters; this one has {length:,}, with the system text if there is any."
            )

    def requests(self, question: Question) -> Generator[Request, BufferedResponse, None]:
        """Yield the requests: an upload for each image that the site does not have, the message.

        `previousResponseId` is never sent: the model would then be given its own memory in place
        of the history.  Nor is anything that overrides what the owner has set, which the site
        would take (`model`, `temperature`, `instructions`, messages of the role `system`).
        """
        self.check(question)
        endpoint, extra = question.endpoint, question.endpoint.extra
        history, message = _split(question)
        if (
            question.images
            and not message.strip()
            and (extra.get(NONCE_IN_PAGE) or not endpoint.nonce)
        ):
            raise InvalidMessageError("This site takes no image without a word with it.")
        for place, image in enumerate(question.images):
            if place not in question.uploaded:
                kind, form = encode_form({"purpose": "vision"}, ("file", image))
                # Not repeatable: each copy stays on the site, in public.
                response = yield _post(endpoint, extra["root"] + _UPLOAD_ROUTE, kind, form)
                question.uploaded[place] = _file_id(response)
        files = [question.uploaded[place] for place in range(len(question.images))]
        shortcuts = {} if files else json_object(extra.get(SHORTCUTS, "")) or {}
        shortcut = shortcuts.get(message.strip())
        body: dict[str, Any] = {
            "botId": extra.get("botId"),
            "customId": extra.get("customId"),
            "chatId": chat_id(question),
            "contextId": int(endpoint.post_id) if endpoint.post_id else None,
            "messages": role_and_content(history),
            "newMessage": "" if shortcut else message,
            "stream": True,
        }
        if shortcut:
            # As the window's button does: the site knows the message that belongs to it.
            body |= {"shortcutId": shortcut, "shortcutName": message.strip()}
        if len(files) == 1:
            # The name changed at 2.1.5, and the other one is ignored without a word.
            body |= dict.fromkeys(("newFileId", "newImageId"), files[0])
        elif files:
            body["newFileIds"] = files
        text = json.dumps(body, ensure_ascii=False).encode()
        yield _post(endpoint, endpoint.url, "application/json", text, final=True)

    def decoder(self, question: Question, head: BufferedResponse, limits: Limits) -> Decoder:
        return MwaiDecoder(question, head, limits)

    def error_for(self, response: BufferedResponse) -> ResponseError:
        return error_for_answer(response, rank, error_for_object)

    def nonce_request(self, endpoint: Endpoint) -> Request | None:
        """Return the request that starts a session; None where the page itself has the nonce.

        It carries no nonce: WordPress refuses a dead one here, too.
        """
        if endpoint.extra.get(NONCE_IN_PAGE):
            return None  # These versions have no such route: only a fresh page helps.
        return Request(
            "POST",
            endpoint.extra["root"] + _SESSION_ROUTE,
            headers={"Accept": "application/json"},
            body=b"",
            referrer=endpoint.bot.page,
        )

    def nonce_from(self, response: BufferedResponse) -> str | None:
        """Return the session's nonce; "" to go without one, None where there is none.

        Up to 1.9.99 there is no such route, and no nonce is asked for.  Behind a gate that keeps
        visitors from the whole API the turn goes without, too, and says what stands in its way.
        """
        data = json_object(response.body, rank)
        if data is None or challenge_error(response):
            return None
        if 200 <= response.status < 300:
            return header_nonce(data.get("restNonce")) or None
        code = clean_text(data.get("code"))
        return "" if code == NO_ROUTE or (code and response.status in (401, 403)) else None


def _split(question: Question) -> tuple[list[tuple[str, str]], str]:
    """The history and the new message.

    User messages right before the new one join it: 1.9.99 drops a history's last message if it is
    not the assistant's.
    """
    history = list(question.history)
    parts = [question.prompt]
    while history and history[-1][0] == "user":
        parts.insert(0, history.pop()[1])
    return history, without_surrogates("\n\n".join(filter(None, parts)))


def _post(endpoint: Endpoint, url: str, kind: str, body: bytes, *, final: bool = False) -> Request:
    accept = "text/event-stream" if final else "application/json"
    headers = {"Content-Type": kind, "Accept": accept}
    if endpoint.nonce:
        # Where no nonce is asked for (up to 1.9.99), a bad one is refused all the same.
        headers = {"X-WP-Nonce": endpoint.nonce, **headers}
    return Request(
        "POST",
        url,
        headers=headers,
        body=body,
        referrer=endpoint.bot.page,
        repeatable=False,
        final=final,
    )


def _file_id(response: BufferedResponse) -> str:
    """The id of an uploaded file."""
    data = json_object(response.body, rank) or {}
    found = clean_text(object_or_empty(data.get("data")).get("id"), 200)
    if found and data.get("success"):
        return found
    if data.get("success") is False:
        message = "The site refused the image:"
        raise make_error(RefusedError, message, response, data.get("message"))
    message = "The site took the image, but not in the way of any known version."
    raise error_for_object(data, response) or unexpected_error(response, message)
