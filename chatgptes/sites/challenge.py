"""Is this response the site's, or that of a bot check or a firewall in front of it?

Nothing here gets past one: it ends the turn, and the message says what a user may do.

`MARKS` and `HEADER_MARKS` are the whole knowledge: to add a product, add a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ..errors import ChallengeError, RefusedError
from ..values.http import Headers
from ..values.urls import redact
from .text import clean_text, excerpt, site_said

__all__ = ["challenge_error", "gate_error", "has_challenge_header", "is_gate"]

_ADVICE = (
    "The library does not try to get past it. Ask the site's owner for access, use the owner's "
    "REST key (api_key=), or talk to another site."
)
_BLOCKED_ADVICE = (
    "It may take your network, a proxy, or the program for an attacker. Ask the site's owner to "
    "let your address through, or try another network."
)
_START = 65_536  # Bytes of a body that are looked at.
_SHORT = 4096  # Bytes of a body at most that is a gate's sentence or object, not markup.

# With these, a mark that a normal page may carry as well tells a gate.
_REFUSING = frozenset({202, 403, 405, 406, 409, 415, 418, 429, 444, 503})

CHALLENGE: Literal["challenge"] = "challenge"
FIREWALL: Literal["firewall"] = "firewall"


class Mark(NamedTuple):
    """Bytes that tell a gate's page.

    Attributes:
        product: whose they are.
        text: the bytes, in lower case.
        kind: "challenge": visitors can pass it in a browser; "firewall": a block page.
        always: on every status; else only with one that refuses, because normal pages of sites
            with this product hold them too.
        plain: also in a short body that is no markup.
    """

    product: str
    text: bytes
    kind: Literal["challenge", "firewall"]
    always: bool = False
    plain: bool = False


MARKS = (
    # Cloudflare.  A normal page behind it carries /cdn-cgi/challenge-platform/scripts, and a form
    # may carry a Turnstile box.
    Mark("Cloudflare", b"_cf_chl_opt", CHALLENGE, always=True),
    Mark("Cloudflare", b"<title>just a moment...</title>", CHALLENGE, always=True),
    Mark("Cloudflare", b"/orchestrate/chl_page", CHALLENGE, always=True),
    Mark("Cloudflare", b"/orchestrate/jsch", CHALLENGE, always=True),
    Mark("Cloudflare", b"/orchestrate/managed", CHALLENGE, always=True),
    Mark("Cloudflare", b"just a moment", CHALLENGE),
    Mark("Cloudflare", b"attention required! | cloudflare", CHALLENGE),
    Mark("Cloudflare", b"cf-chl", CHALLENGE),
    Mark("Cloudflare", b"challenge-platform", CHALLENGE),
    Mark("Cloudflare", b"challenges.cloudflare.com", CHALLENGE),
    Mark("Cloudflare", b"cf-turnstile", CHALLENGE),
    Mark("reCAPTCHA", b"g-recaptcha", CHALLENGE),
    Mark("hCaptcha", b"h-captcha", CHALLENGE),
    Mark("Imperva", b"_incapsula_resource", CHALLENGE),
    Mark("DataDome", b"captcha-delivery.com", CHALLENGE),
    Mark("Sucuri", b"sucuri_cloudproxy_js", CHALLENGE, always=True),
)


def has_challenge_header(headers: Headers) -> bool:
    """Tell whether the headers alone say that this is a bot check."""
    return "challenge" in headers.get("cf-mitigated").lower() or headers.get(
        "x-amzn-waf-action"
    ).lower() in ("challenge", "captcha")


def challenge_error(
    status: int, headers: Headers, body_start: bytes, url: str = "", *, markup: bool = False
) -> ChallengeError | RefusedError | None:
    """Return the error for a gate in front of the site, or None if this is none.

    Args:
        status: the response's HTTP status.
        headers: its headers.
        body_start: the beginning of its body (64 KiB are enough).
        url: its address, for the error.
        markup: look for marks whatever its `Content-Type`.
    """
    if has_challenge_header(headers):
        return _challenge(status, body_start, url)
    mark = _find_mark(status, headers, body_start[:_START].lower(), markup=markup)
    if mark is None:
        return None
    if mark.kind == "challenge":
        return _challenge(status, body_start, url)
    error = RefusedError(
        f"A firewall in front of the site ({mark.product}) refused the request (status {status})."
        f"{site_said(excerpt(body_start))} {_BLOCKED_ADVICE}",
        url=redact(url) if url else None,
        status=status,
        excerpt=excerpt(body_start) or None,
    )
    error.blocked = True
    return error


def _challenge(status: int, body_start: bytes, url: str) -> ChallengeError:
    return ChallengeError(
        f"A bot check stands before the site (status {status}). {_ADVICE}",
        url=redact(url) if url else None,
        status=status,
        excerpt=excerpt(body_start) or None,
    )


def _find_mark(status: int, headers: Headers, start: bytes, *, markup: bool) -> Mark | None:
    markup = (
        markup
        or "html" in headers.get("content-type").lower()
        or start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<!doctype html", b"<html"))
    )
    refusing = status in _REFUSING
    for mark in MARKS:
        if (
            (mark.always or refusing)
            and (markup or (mark.plain and len(start) <= _SHORT))
            and mark.text in start
        ):
            return mark
    return None


# Seen on chatgpt.es (plugin of the `wpaicg` generation) as the `data` of an answer.
_BOX_TO_TICK = frozenset({"Du musst das Kästchen anklicken!"})


def is_gate(data: Mapping[Any, Any], *, plain: bool = False) -> bool:
    """Tell whether a JSON object is the answer of a bot check (an add-on's, 200 all the same).

    Args:
        data: the object.
        plain: it is a whole answer of a `wpaicg` bot: there `{"success": false, "data": "…"}`
            is the shape of WordPress's own refusal, which only an add-on before the bot gives.
    """
    if data.get("ts_required"):
        return True
    said = data.get("data")
    if not isinstance(said, str):
        return False
    return said.strip() in _BOX_TO_TICK or (plain and data.get("success") is False)


def gate_error(data: Mapping[Any, Any], url: str, status: int) -> ChallengeError:
    """Return the error for an object that `is_gate` recognised, with the site's own words."""
    said = (
        clean_text(data.get("data"))
        or clean_text(data.get("error"))
        or clean_text(data.get("message"))
    )
    return ChallengeError(
        f"The site wants its visitors to pass a bot check first.{site_said(said)} {_ADVICE}",
        url=redact(url),
        status=status,
        excerpt=said or None,
    )
