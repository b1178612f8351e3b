"""Is this response an answer, or a gate?

Nothing here gets past one: a challenge ends the turn, and the message says what a user may do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ChallengeError
from ..values.http import Headers
from ..values.urls import redact
from .text import excerpt, told, words

__all__ = ["challenge", "gate", "gated", "marked"]

_ADVICE = (
    "The library does not try to get past it. Ask the site's owner for access, use the owner's "
    "REST key (api_key=), or talk to another site."
)
_GATE_STATUSES = frozenset({403, 429, 503})
_START = 65_536  # Bytes of a body that are looked at.

# On a status that refuses, these are enough.
_MARKERS = (
    b"just a moment", b"attention required! | cloudflare", b"cf-chl", b"_cf_chl_opt",
    b"challenge-platform", b"challenges.cloudflare.com", b"cf-turnstile", b"g-recaptcha",
    b"h-captcha", b"_incapsula_resource", b"sucuri_cloudproxy_js", b"captcha-delivery.com",
)  # fmt: skip
# A normal page behind Cloudflare carries /cdn-cgi/challenge-platform/scripts, and a form may
# carry a Turnstile box; so with status 200 only what a challenge page alone has counts.
_SURE_MARKERS = (
    b"_cf_chl_opt", b"<title>just a moment...</title>", b"/orchestrate/chl_page",
    b"/orchestrate/jsch", b"/orchestrate/managed", b"sucuri_cloudproxy_js",
)  # fmt: skip

# Seen on chatgpt.es (plugin of the `wpaicg` generation) as the `data` of an answer.
_BOX_TO_TICK = frozenset({"Du musst das Kästchen anklicken!"})


def challenge(
    status: int, headers: Headers, body_start: bytes, url: str = ""
) -> ChallengeError | None:
    """The error for a bot check that stands before the site, or None if this is none.

    Args:
        status: the response's HTTP status.
        headers: its headers.
        body_start: the beginning of its body (64 KiB are enough).
        url: where it came from, for the error.
    """
    if not _is_challenge(status, headers, body_start):
        return None
    return ChallengeError(
        f"A bot check stands before the site (status {status}). {_ADVICE}",
        url=redact(url) if url else None,
        status=status,
        excerpt=excerpt(body_start) or None,
    )


def marked(headers: Headers) -> bool:
    """Do the headers alone say that this is a bot check?"""
    return "challenge" in headers.get("cf-mitigated").lower() or headers.get(
        "x-amzn-waf-action"
    ).lower() in ("challenge", "captcha")


def _is_challenge(status: int, headers: Headers, body_start: bytes) -> bool:
    if marked(headers):
        return True
    kind = headers.get("content-type").lower()
    start = body_start[:_START].lower()
    if "html" not in kind and not start.lstrip().startswith((b"<!doctype html", b"<html")):
        return False
    markers = _MARKERS if status in _GATE_STATUSES else _SURE_MARKERS
    return any(marker in start for marker in markers)


def gate(data: Mapping[Any, Any], *, plain: bool = False) -> bool:
    """Is this JSON object the answer of a bot check (an add-on's, 200 all the same)?

    Args:
        data: what the site answered.
        plain: it is a whole answer of a `wpaicg` bot: there `{"success": false, "data": "…"}`
            is the shape of WordPress's own refusal, which only an add-on before the bot gives.
    """
    if data.get("ts_required"):
        return True
    said = data.get("data")
    if not isinstance(said, str):
        return False
    return said.strip() in _BOX_TO_TICK or (plain and data.get("success") is False)


def gated(data: Mapping[Any, Any], url: str, status: int) -> ChallengeError:
    """The error for what `gate` recognised, with the site's own words."""
    said = words(data.get("data")) or words(data.get("error")) or words(data.get("message"))
    return ChallengeError(
        f"The site wants its visitors to pass a bot check first.{told(said)} {_ADVICE}",
        url=redact(url),
        status=status,
        excerpt=said or None,
    )


challenge_error, is_gate, gate_error = challenge, gate, gated
