"""Bot checks and firewalls in front of a site, told from its own answers.

Nothing here gets past one: it ends the turn, and the message says what a user may do.

`MARKS` and `HEADER_MARKS` list what tells one: to add a product, add a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from ..errors import ChallengeError, Hint, RefusedError
from ..values.http import Headers
from ..values.urls import redact
from .dialect import BufferedResponse
from .text import clean_text, excerpt, site_said, string_or_empty

__all__ = [
    "block_page_error", "challenge_error", "gate_error", "has_challenge_header", "is_gate",
]  # fmt: skip

_ADVICE = (
    "The library does not try to get past it. Ask the site's owner for access, or talk to another "
    "site."
)
_OWNERS_API = Hint("api_key", purpose="to go by the owner's REST API")
_BLOCKED_ADVICE = (
    "It may take your network, your proxy or this program for an attacker: ask the site's owner to "
    "let you through, or try another network."
)
_START = 65_536  # Bytes of a body that are looked at.
_SHORT = 4096  # Bytes at most of a body that is a gate's sentence or object, not markup.

# With these, a mark that a normal page may carry as well tells a gate.
_REFUSING = frozenset({202, 403, 405, 406, 409, 415, 418, 429, 444, 503})


class Kind(Enum):
    """The two ways of a gate."""

    CHALLENGE = "challenge"
    """It has visitors prove that they are people, or wait, or keep a cookie."""
    FIREWALL = "firewall"
    """It refuses an address."""


class Mark(NamedTuple):
    """Bytes that tell a gate's page.

    Attributes:
        product: whose they are.
        text: the bytes, in lower case.
        kind: its way.
        always: on every status; else only with one that refuses, because normal pages of sites
            with this product hold them too.
        plain: also in a short body that is no markup.
    """

    product: str
    text: bytes
    kind: Kind = Kind.CHALLENGE
    always: bool = False
    plain: bool = False


def _challenge_marks(product: str, *texts: bytes, always: bool = True) -> list[Mark]:
    return [Mark(product, text, always=always) for text in texts]


def _firewall_marks(product: str, *texts: bytes) -> list[Mark]:
    return [Mark(product, text, Kind.FIREWALL, plain=True) for text in texts]


# To add a product, add a line, and say where it was seen.
MARKS = (
    # A site behind Cloudflare has /cdn-cgi/challenge-platform/scripts in its normal pages, and its
    # forms may have a Turnstile box: those are marks on refusing statuses only.
    *_challenge_marks(
        "Cloudflare", b"_cf_chl_opt", b"<title>just a moment...</title>", b"/orchestrate/chl_page",
        b"/orchestrate/jsch", b"/orchestrate/managed",
    ),
    *_challenge_marks(
        "Cloudflare", b"just a moment", b"attention required! | cloudflare", b"cf-chl",
        b"challenge-platform", b"challenges.cloudflare.com", b"cf-turnstile", always=False,
    ),
    *_challenge_marks("reCAPTCHA", b"g-recaptcha", always=False),
    *_challenge_marks("hCaptcha", b"h-captcha", always=False),
    # SiteGround: status 202, a meta refresh (woocommerce/woocommerce#52896).
    *_challenge_marks("SiteGround", b"/.well-known/sgcaptcha/", b"/.well-known/captcha/"),
    # Imunify360: JSON {"message": …} with 200 or 415, a page with a "preloader" (wafw00f), its
    # WebShield's page with a form of that name.
    Mark("Imunify360", b"access denied by imunify360", always=True, plain=True),
    *_challenge_marks("Imunify360", b"imunify360_preloader", b"imunify360-preloader", b"wsidchk"),
    # Free hosts (InfinityFree, ByetHost, …) and nginx's testcookie: a cookie made by AES
    # (kyprizel/testcookie-nginx-module, qsniyg/maxurl#146).
    *_challenge_marks(
        "testcookie", b"slowaes", b'src="/aes.js"', b"src='/aes.js'", b'="__test=', b"src=/aes.js"
    ),
    *_challenge_marks("testcookie", b"/aes.js", b"/aes.min.js", always=False),
    *_challenge_marks("DDoS-Guard", b"/.well-known/ddos-guard/", b"<title>ddos-guard</title>"),
    # Proof of work: Anubis (TecharoHQ/anubis), and those that copy it.
    *_challenge_marks(
        "Anubis", b"anubis_challenge", b"/.within.website/x/cmd/anubis/", b"anubis_version"
    ),
    *_challenge_marks("go-away", b"/.well-known/.git.gammaspectra.live/git/go-away/"),
    *_challenge_marks("vDDoS", b"vddos="),
    *_challenge_marks("BitNinja", b"security check by bitninja", b"visitor anti-robot validation"),
    *_challenge_marks("LiteSpeed", b"/.lsrecap/recaptcha"),
    *_challenge_marks("Vercel", b"<title>vercel security checkpoint</title>"),
    *_challenge_marks("AWS WAF", b"awswafintegration", b"gokuprops"),
    *_challenge_marks("SiteGround", b"our system thinks you might be a robot!"),
    *_challenge_marks("Imperva", b"_incapsula_resource", always=False),
    *_challenge_marks("DataDome", b"captcha-delivery.com", always=False),
    *_challenge_marks("Sucuri", b"sucuri_cloudproxy_js"),
    # Block pages; most as wafw00f and WhatWaf know them.
    *_firewall_marks("Wordfence", b"generated by wordfence", b"wordfence.com/help/?query=locked"),
    *_firewall_marks("Wordfence", b"your access to this site has been limited"),
    *_firewall_marks("Sucuri", b"sucuri website firewall", b"cloudproxy@sucuri.net"),
    *_firewall_marks("Sucuri", b"sucuri-firewall-block", b"sucuri_firewall_block"),
    *_firewall_marks(
        "ModSecurity", b"generated by mod_security", b"generated by mod security",
        b"generated by modsecurity", b"mod_security rules triggered", b"rules of the mod_security",
        b"/modsecurity-errorpage/", b"/modsecurity_errorpage/",
        # Its page at most hosts, with 406.
        b"an appropriate representation of the requested resource could not be found on this",
    ),
    *_firewall_marks("Imunify360", b"protected by imunify360", b"powered by imunify360"),
    *_firewall_marks("NinjaFirewall", b"ninjafirewall"),
    *_firewall_marks("SecuPress", b"<title>secupress", b"<h1>secupress"),
    *_firewall_marks("Shield Security", b"you were blocked by the shield"),
    *_firewall_marks("WP Cerber", b"your request looks suspicious or similar to automated"),
    *_firewall_marks("BulletProof Security", b"bpsmessage"),
    *_firewall_marks("Solid Security", b"you have been locked out"),
    *_firewall_marks("MalCare", b"blocked because of malicious activities"),
    *_firewall_marks("Virusdie", b"virusdie.ru/splash/"),
    *_firewall_marks("Patchstack", b"patchstack.com/firewall", b"webarxsecurity.com"),
    *_firewall_marks("SiteGround", b"access is restricted due to a security rule"),
    *_firewall_marks("GoDaddy", b"godaddy website firewall", b"godaddy security"),
    *_firewall_marks("CrowdSec", b"crowdsec ban", b"crowdsec access forbidden"),
    *_firewall_marks("BitNinja", b"blocked by bitninja"),
    *_firewall_marks("WPMU DEV", b"whoops, this request has been blocked!"),
    *_firewall_marks("Imperva", b"incapsula incident id"),
    *_firewall_marks("SiteLock", b"sitelock incident id"),
    *_firewall_marks("StackPath", b"protected by stackpath"),
    *_firewall_marks("Akamai", b"errors.edgesuite.net"),
    # Its rules by address, country or browser; in words alone where no page is wanted.
    *_firewall_marks(
        "Cloudflare", b"error code: 1005", b"error code: 1006", b"error code: 1007",
        b"error code: 1008", b"error code: 1009", b"error code: 1010", b"error code: 1012",
        b"error code: 1020",
    ),
)  # fmt: skip

# Headers of challenges: name, and the values that say so.
HEADER_MARKS = (
    ("cf-mitigated", ("challenge",)),  # Cloudflare
    ("x-amzn-waf-action", ("challenge", "captcha")),  # AWS WAF
    ("sg-captcha", ("challenge",)),  # SiteGround (woocommerce/woocommerce#52896)
    ("x-vercel-mitigated", ("challenge",)),  # Vercel
)


def has_challenge_header(headers: Headers) -> bool:
    """Tell whether the headers alone say that this is a bot check."""
    return any(headers.get(name).strip().lower() in values for name, values in HEADER_MARKS)


def challenge_error(
    status: int, headers: Headers, body_start: bytes, url: str = "", *, markup: bool = False
) -> ChallengeError | RefusedError | None:
    """Return the error for a gate in front of the site, or None if this is none.

    A bot check gives a `ChallengeError`, a firewall's block page a `RefusedError` that says so.

    Args:
        status: the response's HTTP status.
        headers: its headers.
        body_start: the beginning of its body (64 KiB are enough).
        url: its address, for the error.
        markup: look for marks whatever its `Content-Type`.
    """
    mark = None
    if not has_challenge_header(headers):
        mark = _find_mark(status, headers, body_start[:_START].lower(), markup=markup)
        if mark is None:
            return None
    said = excerpt(body_start)
    if mark is None or mark.kind is Kind.CHALLENGE:
        product = f" ({mark.product})" if mark else ""
        return ChallengeError(
            f"A bot check{product} stands before the site (status {status}). {_ADVICE}",
            url=redact(url) if url else None,
            status=status,
            excerpt=said or None,
            hint=_OWNERS_API,
        )
    return _blocked(
        f"A firewall before the site ({mark.product}) refused the request", status, said, url
    )


def block_page_error(response: BufferedResponse) -> RefusedError | None:
    """Return the error for a whole web page with status 403, whose sender has left no mark.

    The plugins refuse with JSON or a sentence, and nothing else: only something before them
    sends a page.
    """
    if response.status != 403 or not _is_page(response.body[:_SHORT].lower()):
        return None
    return _blocked(
        "Something before the plugin refused the request, as firewalls do",
        response.status,
        excerpt(response.body),
        response.url,
    )


def _blocked(message: str, status: int, said: str, url: str) -> RefusedError:
    error = RefusedError(
        f"{message} (status {status}).{site_said(said)} {_BLOCKED_ADVICE}",
        url=redact(url) if url else None,
        status=status,
        excerpt=said or None,
    )
    error.blocked = True
    return error


def _is_page(start: bytes) -> bool:
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<!doctype html", b"<html"))


def _find_mark(status: int, headers: Headers, start: bytes, *, markup: bool) -> Mark | None:
    markup = markup or "html" in headers.get("content-type").lower() or _is_page(start)
    short = len(start) <= _SHORT
    refusing = status in _REFUSING
    for mark in MARKS:
        if (mark.always or refusing) and (markup or (mark.plain and short)) and mark.text in start:
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
    inner = data.get("data")
    for code in (data.get("code"), inner.get("code") if isinstance(inner, dict) else None):
        if isinstance(code, str) and code.endswith("_ts_required"):
            return True
    if not ("data" in data or "reply" in data):
        return "imunify360" in string_or_empty(data.get("message"))[:1000].lower()
    said = data.get("data")
    if not isinstance(said, str):
        return False
    return said.strip() in _BOX_TO_TICK or (plain and data.get("success") is False)


def gate_error(data: Mapping[Any, Any], url: str, status: int) -> ChallengeError:
    """Return the error for an object that `is_gate` recognised, with the site's own words."""
    inner = data.get("data")
    said = (
        clean_text(data.get("data"))
        or clean_text(data.get("error"))
        or clean_text(data.get("message"))
        or (clean_text(inner.get("message")) if isinstance(inner, dict) else "")
    )
    return ChallengeError(
        f"The site wants its visitors to pass a bot check first.{site_said(said)} {_ADVICE}",
        url=redact(url),
        status=status,
        excerpt=said or None,
        hint=_OWNERS_API,
    )
