"""The marks of bot checks and firewalls."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["HEADER_MARKS", "MARKS", "Mark"]


class Mark(NamedTuple):
    """Bytes that tell a gate's page.

    Attributes:
        product: whose they are.
        text: the bytes, in lower case.
        firewall: the gate refuses an address; else it is a bot check.
        always: with every status (with one that refuses nothing in a page's title, scripts and
            tags only, because pages write about these products); else with those that refuse.
        plain: also in a short body that is neither markup nor JSON.
    """

    product: str
    text: bytes
    firewall: bool = False
    always: bool = False
    plain: bool = False


def _challenge_marks(product: str, *texts: bytes, always: bool = True) -> list[Mark]:
    return [Mark(product, text, always=always) for text in texts]


def _firewall_marks(product: str, *texts: bytes) -> list[Mark]:
    return [Mark(product, text, firewall=True, plain=True) for text in texts]


# To add a product, add a line, and say where it was seen.  The first that fits counts.
MARKS = (
    # Refusals whose pages hold marks of the same product's checks, too: the title is one for both
    # (public-apis/public-apis#4262), and so is the script (Froren/realtorca#23).
    *_firewall_marks(
        "Cloudflare", b"sorry, you have been blocked", b"used cloudflare to restrict access"
    ),
    *_firewall_marks("Imperva", b"incapsula incident id"),
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
    *_challenge_marks(
        "SiteGround", b"/.well-known/sgcaptcha/", b"/.well-known/captcha/",
        b"our system thinks you might be a robot!",
    ),
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
    # By a script's address or its cookie, with any status (Hostinger 403, Qrator 401, Akamai 428,
    # the others mostly 200), as many public programs that meet them name them.
    *_challenge_marks("Hostinger", b"/hcdn-cgi/jschallenge"),
    *_challenge_marks("Fastly", b"/_fs-ch-", b"<title>client challenge</title>"),
    *_challenge_marks("EdgeOne", b"__tst_status=", b"eo_bot_ssid"),
    *_challenge_marks("Alibaba Cloud", b"acw_sc__v2"),
    *_challenge_marks("Qrator", b"/__qrator/"),
    *_challenge_marks("F5", b'["bobcmn"]', b"/tspd/?type"),
    *_challenge_marks("Akamai", b"sec-if-cpt-container", b"/_sec/cp_challenge/", b"bm-verify="),
    *_challenge_marks("BasedFlare", b"/.basedflare/"),
    *_challenge_marks("SafeLine", b"/.safeline/"),
    *_challenge_marks("Reblaze", b"window.rbzns"),
    *_challenge_marks("go-away", b"/.well-known/.git.gammaspectra.live/git/go-away/"),
    *_challenge_marks("vDDoS", b"vddos="),
    *_challenge_marks("BitNinja", b"security check by bitninja", b"visitor anti-robot validation"),
    *_challenge_marks("LiteSpeed", b"/.lsrecap/recaptcha"),
    *_challenge_marks("Vercel", b"<title>vercel security checkpoint</title>"),
    *_challenge_marks("AWS WAF", b"awswafintegration", b"gokuprops"),
    *_challenge_marks("Imperva", b"_incapsula_resource", always=False),
    # ziplokk1/incapsula-cracker-py3#32
    *_challenge_marks("Imperva", b"<title>pardon our interruption"),
    *_challenge_marks("DataDome", b"captcha-delivery.com", always=False),
    *_challenge_marks("Sucuri", b"sucuri_cloudproxy_js"),
    *_challenge_marks("Kasada", b"window.kpsdk", always=False),
    *_challenge_marks("PerimeterX", b"px-captcha", b"_pxappid", always=False),
    *_challenge_marks("SmartCaptcha", b"smartcaptcha.yandexcloud.net", always=False),
    *_challenge_marks("CleanTalk", b"spamfirewall is ", always=False),
    # Block pages; most as wafw00f and WhatWaf know them.
    # All its sentences are in its documentation (docs.wordfence.com).
    *_firewall_marks(
        "Wordfence", b"generated by wordfence", b"wordfence.com/help/?query=locked",
        b"your access to this site has been limited", b"was blocked by wordfence",
        b"your access to this service has been limited", b"potentially unsafe operation has been",
    ),
    *_firewall_marks(
        "Sucuri", b"sucuri website firewall", b"cloudproxy@sucuri.net", b"sucuri-firewall-block",
        b"sucuri_firewall_block",
    ),
    *_firewall_marks(
        "ModSecurity", b"generated by mod_security", b"generated by mod security",
        b"generated by modsecurity", b"mod_security rules triggered", b"rules of the mod_security",
        b"/modsecurity-errorpage/", b"/modsecurity_errorpage/",
        # Its page at most hosts, with 406.
        b"an appropriate representation of the requested resource could not be found on this",
    ),
    *_firewall_marks("Imunify360", b"protected by imunify360", b"powered by imunify360"),
    # The second half of its sentence is of all versions (wafw00f).
    *_firewall_marks("NinjaFirewall", b"ninjafirewall", b"it was blocked and logged"),
    *_firewall_marks("SecuPress", b"<title>secupress", b"<h1>secupress"),
    *_firewall_marks("Shield Security", b"you were blocked by the shield"),
    *_firewall_marks(
        "WP Cerber", b"your request looks suspicious or similar to automated",
        b"you are not allowed to proceed",
    ),
    *_firewall_marks("BulletProof Security", b"bpsmessage"),
    *_firewall_marks("Solid Security", b"you have been locked out"),
    *_firewall_marks("MalCare", b"blocked because of malicious activities"),
    *_firewall_marks("Virusdie", b"virusdie.ru/splash/"),
    *_firewall_marks("Patchstack", b"patchstack.com/firewall", b"webarxsecurity.com"),
    *_firewall_marks("SiteGround", b"access is restricted due to a security rule"),
    *_firewall_marks("GoDaddy", b"godaddy website firewall", b"godaddy security"),
    *_firewall_marks("Astra", b"our website protection system has detected an issue"),
    *_firewall_marks("Alibaba Cloud", b"errors.aliyun.com"),
    *_firewall_marks("CrowdSec", b"crowdsec ban", b"crowdsec access forbidden"),
    *_firewall_marks("BitNinja", b"blocked by bitninja", b"bitninja.io", b"bitninja.net"),
    *_firewall_marks("WPMU DEV", b"whoops, this request has been blocked!"),
    *_firewall_marks("SiteLock", b"sitelock incident id"),
    *_firewall_marks("StackPath", b"protected by stackpath"),
    *_firewall_marks("Akamai", b"errors.edgesuite.net", b"reference #"),
    *_firewall_marks("CloudFront", b"generated by cloudfront"),
    *_firewall_marks("F5", b"the requested url was rejected. please consult"),
    *_firewall_marks("FortiWeb", b"web page blocked!"),
    *_firewall_marks("WebKnight", b"webknight application firewall"),
    *_firewall_marks("Comodo", b"protected by comodo waf"),
    *_firewall_marks("Azure", b"azure application gateway", b"x-azure-ref"),
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
