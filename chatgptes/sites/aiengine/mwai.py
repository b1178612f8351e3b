"""The dialect of AI Engine's chat window (measured on 1.9.99, 2.2.95, 2.6.9, 2.8.4 and 3.6.2).

A turn is one JSON POST that brings the conversation along.  What changed between versions is how
the nonce is got and some keys; all of that shows in the answers, so no version is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from ...errors import ChatGptEsError, InvalidMessageError, RefusedError, UnexpectedFormatError
from ...values.http import Headers, Limits, Request
from ...values.images import Image
from ..challenge import challenge_error
from ..dialect import (
    BufferedResponse,
    Decoder,
    Endpoint,
    FoundBot,
    Question,
)
from ..errors import make_error
from ..forms import check_images, check_web_search, encode_form
from ..text import clean_text, excerpt, parse_json, quote_suffix, site_said, without_surrogates
from .decoder import MwaiDecoder
from .memory import chat_id
from .page import CONTAINER, NONCE_IN_PAGE, SHORTCUTS, find_bots, header_nonce, is_saved_copy
from .refusals import NO_ROUTE, error_for_object, error_for_response, json_object

__all__ = ["Mwai"]

_UPLOAD_ROUTE = "/mwai-ui/v1/files/upload"
_SESSION_ROUTE = "/mwai/v1/start_session"
# png and jpeg were measured; the other two are the site's to refuse, before any message is sent.
_IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_TRIMMED = " \t\n\r\0\x0b"  # PHP's trim(), which the site calls before it counts.


class Mwai:
    """See the module; an implementation of `Dialect`."""

    name = "mwai"
    plugin = "AI Engine"
    slug = "ai-engine"
    remembers = False
    cookie_is_visitor = True
    streams: bool | None = True
    forms = False
    quota_buttons = False
    traces: tuple[bytes, ...] = (b"mwai-", b"mwai_", b"plugins/ai-engine")
    containers: tuple[bytes, ...] = (CONTAINER,)

    def why_missing(self, page: BufferedResponse) -> str:
        """See `Dialect.why_missing`."""
        if not is_saved_copy(page.body):
            return ""
        return (
            "The page looks like a copy saved from a browser: AI Engine's script has taken the"
            " bot's settings out of it. Give the address of the page itself."
        )

    def age(self, page: BufferedResponse, endpoint: Endpoint) -> str:
        """See `Dialect.age`."""
        if endpoint.extra.get(NONCE_IN_PAGE):
            return "2.0.1 to 2.4.3"
        # Before the key came, only versions without nonces, and 2.4.4 to 2.4.7, show such pages.
        if b"&quot;blocks&quot;" in page.body or b'"blocks"' in page.body:
            return "2.4.8 or later"
        return "up to 2.0.0, or 2.4.4 to 2.4.7"

    def find(self, page: BufferedResponse) -> list[FoundBot]:
        """Return the bots that a page shows, in the page's order.

        Raises:
            UnexpectedFormatError: every bot's address is one that messages may not be sent to.
        """
        return find_bots(page)

    def check(self, question: Question) -> None:
        """See `Dialect.check`."""
        check_web_search(question)
        check_images(question, _most_images(question.endpoint), _IMAGES)
        _, message = _split(question)
        endpoint = question.endpoint
        most, length = int(endpoint.extra.get("maxLength", "0")), len(message.strip(_TRIMMED))
        if most and length > most:
            raise InvalidMessageError(
                f"The bot {endpoint.bot.id} of this site takes messages of at most {most:,} "
                f"characters; this one has {length:,}, with the system text if there is any."
            )

    def requests(self, question: Question) -> Generator[Request, BufferedResponse, None]:
        """Yield the uploads of a turn, then the message."""
        self.check(question)
        history, message = _split(question)
        if (
            question.images
            and not message.strip()
            and (question.endpoint.extra.get(NONCE_IN_PAGE) or not question.endpoint.nonce)
        ):
            raise InvalidMessageError("This site takes no image without a word with it.")
        for place, image in enumerate(question.images):
            if place not in question.uploaded:
                response = yield _upload(question.endpoint, image)
                question.uploaded[place] = _file_id(response)
        files = [question.uploaded[place] for place in range(len(question.images))]
        yield _submit(question, history, message, files)

    def decoder(
        self, question: Question, url: str, status: int, headers: Headers, limits: Limits
    ) -> Decoder:
        """Return a decoder for the answer."""
        return MwaiDecoder(question, url, status, headers, limits)

    def error_for(self, response: BufferedResponse) -> ChatGptEsError:
        """Return the error for a response with a status other than 2xx."""
        return error_for_response(response)

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
        if challenge_error(response.status, response.headers, response.body, response.url):
            return None
        data = json_object(response.body)
        if data is None:
            return None
        if 200 <= response.status < 300:
            return header_nonce(data.get("restNonce")) or None
        code = clean_text(data.get("code"), 100)
        return "" if code == NO_ROUTE or (code and response.status in (401, 403)) else None


def _most_images(endpoint: Endpoint) -> int:
    return int(endpoint.extra.get("maxUploads", "1"))


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


def _headers(endpoint: Endpoint, **more: str) -> dict[str, str]:
    # Where no nonce is asked for (up to 1.9.99), a bad one is refused all the same.
    nonce = {"X-WP-Nonce": endpoint.nonce} if endpoint.nonce else {}
    return {**endpoint.headers, **nonce, **more}


def _upload(endpoint: Endpoint, image: Image) -> Request:
    kind, body = encode_form({"purpose": "vision"}, ("file", image))
    return Request(
        "POST",
        endpoint.extra["root"] + _UPLOAD_ROUTE,
        headers=_headers(endpoint, **{"Content-Type": kind, "Accept": "application/json"}),
        body=body,
        referrer=endpoint.bot.page,
        # Each copy stays on the site, in public.
        repeatable=False,
    )


def _file_id(response: BufferedResponse) -> str:
    """The id of an uploaded file."""
    data = json_object(response.body) or {}
    inner = data.get("data")
    found = clean_text(inner.get("id"), 200) if isinstance(inner, dict) else ""
    if found and data.get("success"):
        return found
    url, status = response.url, response.status
    if data.get("success") is False:
        said = clean_text(data.get("message"))
        message = f"The site refused the image{quote_suffix(said)}"
        raise make_error(RefusedError, message, url, status, said)
    if error := error_for_object(data, url, status) or challenge_error(
        status, response.headers, response.body, url
    ):
        raise error
    said = excerpt(response.body)
    message = f"The site took the image, but not in the way of any known version.{site_said(said)}"
    raise make_error(UnexpectedFormatError, message, url, status, said)


def _shortcut(endpoint: Endpoint, message: str) -> str:
    """The id of the starter that a message is; "" for any other message."""
    ids = parse_json(endpoint.extra.get(SHORTCUTS, ""))
    return str(ids.get(message.strip(), "")) if isinstance(ids, dict) else ""


def _submit(
    question: Question, history: list[tuple[str, str]], message: str, files: list[str]
) -> Request:
    """The message.

    `previousResponseId` is never sent: the model would then be given its own memory in place of
    the history.  Nor is anything that overrides what the owner has set, which the site would take
    (`model`, `temperature`, `instructions`, messages of the role `system`).
    """
    endpoint = question.endpoint
    shortcut = "" if files else _shortcut(endpoint, message)
    body: dict[str, Any] = {
        "botId": endpoint.extra.get("botId"),
        "customId": endpoint.extra.get("customId"),
        "chatId": chat_id(question),
        "contextId": int(endpoint.post_id) if endpoint.post_id else None,
        "messages": [
            {"role": "user" if role == "user" else "assistant", "content": without_surrogates(text)}
            for role, text in history
        ],
        "newMessage": "" if shortcut else message,
        "stream": True,
    }
    if shortcut:
        # As the window's button does: the site knows the message that belongs to it.
        body |= {"shortcutId": shortcut, "shortcutName": message.strip()}
    if len(files) == 1:
        # The name changed at 2.1.5, and the other one is ignored without a word.
        body |= {"newFileId": files[0], "newImageId": files[0]}
    elif files:
        body["newFileIds"] = files
    return Request(
        "POST",
        endpoint.url,
        headers=_headers(
            endpoint, **{"Content-Type": "application/json", "Accept": "text/event-stream"}
        ),
        body=json.dumps(body, ensure_ascii=False).encode(),
        referrer=endpoint.bot.page,
        repeatable=False,
        final=True,
    )
