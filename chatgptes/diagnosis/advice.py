"""The words of `doctor`: the meaning of an error for a person, and who can do what about it.

The same error means different things in different places: a format that is not known is a wrong
address in the page, and instead of an answer it is something before the plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from .. import errors
from ..errors import ChatGptEsError
from .values import StepName

__all__ = ["Place", "advice", "advice_on_status"]

Place = Literal["page", "ajax", "rest", "api"]
"""The part that was spoken to: the page, the plugin behind admin-ajax.php, the plugin behind the
REST API (as visitors do), or its API for the owner's key."""

# `{door}` in the texts is one of these.
_DOORS: Mapping[Place, str] = {
    "page": "the page",
    "ajax": "admin-ajax.php",
    "rest": "the REST API (/wp-json/)",
    "api": "the REST API (/wp-json/)",
}
_SETTINGS = "the addresses in WordPress's settings (General) must be those that visitors use"
# Status 0 stands for those that are not named, 300 and 500 for similar ones.
_STATUSES = {
    300: "The address of {door} sends visitors elsewhere, where neither messages nor a key may "
    "follow. You: give the address as a browser shows it in the end (www, https). Owner: no login "
    "page, security plugin or rule of the web server may redirect it, least of all in circles; "
    f"{_SETTINGS}.",
    400: "The plugin does not take the message in this form. Owner: switch the plugin on; if it "
    "was updated, empty the cache of pages. It may also be newer than this library.",
    401: "A password is wanted for {door}. You: put the name and password into the address, "
    "https://user:password@host/, if you were given them. Owner: let visitors reach {door} (a "
    "password on wp-admin must leave admin-ajax.php out).",
    403: "A firewall or security plugin stands before {door}. You: ask the owner. Owner: its log "
    "says which rule; let {door} be reached by programs.",
    404: "The address of {door} leads nowhere. You: give the address of a chat window as a browser "
    "shows it (www, https); with a key, any address of the right site. Owner: switch the plugin on "
    "(for a key AI Power 2.3 or later, or AI Engine with its public API), empty the cache of "
    "pages, and see that no security plugin or rule of the web server closes {door}; "
    f"{_SETTINGS}.",
    500: "The site is broken just now. You: try later; with a key, check the bot's id first, since "
    "the plugin answers an unknown one in this way. Owner: PHP's error log says more.",
    503: "The site is in maintenance or overloaded: try again later.",
    0: "Something refuses the request; its own words are the best hint. You: ask the owner. Owner: "
    "look into the logs of the web server and of the firewall.",
}


def advice_on_status(status: int, place: Place) -> str:
    """Return what an HTTP status means there, and who can do what about it."""
    if status == 410:
        status = 404
    elif 300 <= status < 400:
        status = 300
    elif status > 500 and status != 503:
        status = 500
    return _STATUSES.get(status, _STATUSES[0]).format(door=_DOORS[place])


def _of_format(error: ChatGptEsError, place: Place) -> str:
    if place == "page":  # An address that it names.
        return (
            f"Messages would go to another site, so none is sent. Owner: {_SETTINGS}; a copy of "
            "the site (staging, CDN) still names the original. Others: if you trust that host, "
            "give its page instead."
        )
    plugin = "the chat plugin" if place == "ajax" else "the plugin's REST API"
    return (
        f"What answered is not {plugin}: a page of a firewall, of a maintenance mode or of another "
        "plugin, a version that is not known yet, or, where there is no text at all, PHP that "
        "broke off. Owner: look at the answer in a browser's network tools and into PHP's error "
        "log, and switch other plugins off one by one."
    )


def _of_refusal(error: ChatGptEsError, place: Place) -> str:
    if error.code in ("embed_not_available", "cors_denied"):
        return (
            "The plugin itself refuses it, since it takes the request for one from another site. "
            "You: give the address of the bot's own site, as the browser shows it (www, https), "
            "not of one that embeds the bot, and give no Origin among the headers. Owner: "
            f"{_SETTINGS}. If another site is to show the bot, the plugin must be set to allow it."
        )
    blocked = isinstance(error, errors.RefusedError) and error.blocked
    if blocked or (place in ("page", "ajax") and error.status == 403 and error.code is None):
        return advice_on_status(403, place)
    if place in ("rest", "api"):
        return (
            "The site does not tell the cause; its own words are the best hint. Members only, a "
            "limit of the owner's, a banned word or address, a missing key of the model's service, "
            "a bot that was deleted, or the model itself."
        )
    return (
        "The plugin answered and said no before the model was asked: its own words are the best "
        "hint. Members only, a limit, a banned word or address, a missing key of the model's "
        "service, a bot that was deleted or is a draft, more than 60 messages a minute from your "
        "address (what the newest plugin takes); where it misses the message, a firewall that "
        "takes it out, or a cache of the site's that forgets between two requests."
    )


def _of_interruption(error: ChatGptEsError, place: Place) -> str:
    cause = error.__cause__
    if isinstance(cause, (errors.RequestTimeout, errors.ResponseTooLargeError)) or (
        isinstance(cause, errors.UpstreamError) and cause.excerpt
    ):
        return _words(cause, place)
    return (
        "The answer began and broke off. You: try again. Owner: look for time limits of PHP, of "
        "the web server and of a proxy in front, and at the log of the model's service."
    )


def _of_timeout(error: ChatGptEsError, place: Place) -> str:
    if isinstance(error, errors.RequestTimeout) and error.phase == "connect":
        return _OF_CONNECTION
    return (
        "You: try again, and allow more time. Owner: the server is overloaded, or PHP, or what it "
        "waits for, hangs."
    )


_OF_CONNECTION = (
    "Check the address, its port, and your network: a VPN, a firewall, or a proxy that is missing. "
    "If they are right, the owner's server is down or overloaded, or the domain has run out."
)
# The first that an error is an instance of.
_BY_CLASS: dict[type[ChatGptEsError], str | Callable[[ChatGptEsError, Place], str]] = {
    errors.RequestTimeout: _of_timeout,
    errors.UnexpectedStatusError: lambda error, place: advice_on_status(error.status or 0, place),
    errors.UnexpectedFormatError: _of_format,
    errors.ChallengeError: "The site lets browsers in and programs not. You: ask the owner for "
    "access, or use another site. Owner: let the address of your program, or {door}, past the "
    "check; or use the REST API with the owner's key.",
    errors.AuthenticationError: "Owner: the plugin's settings have the switch for REST access, and "
    "the key. You: check that this is the same key. If it is, a server may drop the Authorization "
    "header before WordPress sees it; or, where the words are not the plugin's, a firewall, a "
    "security plugin or a password stands before {door}: the owner must let such requests pass.",
    errors.RefusedError: _of_refusal,
    errors.EmptyReplyError: "PHP has broken off, or the model, if it was asked, said nothing. You: "
    "try again later. Owner: PHP's error log says more; check the bot's model, its limit of tokens "
    "and its service's credit.",
    errors.StreamInterruptedError: _of_interruption,
    errors.ResponseTooLargeError: "This is no page of a chat, or an answer that has no end. Owner: "
    "look at what the bot answers in a browser. In a program, limits= allows more.",
    errors.RateLimitError: "You: wait, then ask less often and fewer at once. Owner: the limit is "
    "set in the web server, the firewall or a security plugin.",
    errors.QuotaError: "You: wait until the owner's period is over. Owner: the bot's token limits "
    "are in its settings; visitors and members can have different ones.",
    errors.UpstreamError: "The site works, the service of its model does not. Owner: check that "
    "service's key, credit and status page. You: try again later.",
    errors.BotNotFoundError: "Give one of the bots that the page shows, or none.",
    errors.ProxyError: "Check the proxy's address, name and password (also HTTP_PROXY and "
    "HTTPS_PROXY in the environment), and that it may reach the site.",
    errors.TLSError: "Check the address (www, https or http) and this computer's clock. Owner: get "
    "a certificate for this name (they are free), renew it in time, and send the intermediate "
    "ones. You: for an authority of your own, put its file into the variable REQUESTS_CA_BUNDLE "
    "(in a program: verify=). Don't switch the check off: anybody between could read along.",
    errors.ConnectError: _OF_CONNECTION,
    errors.ConsentRequiredError: "Read what the page asks. If you agree, give consent=True (on the "
    "command line --consent); nothing was sent.",
    errors.InvalidConfigError: "Change that argument.",
    ChatGptEsError: "The connection broke off before an answer was there. You: try again. Owner: "
    "look at the web server's log; PHP may have crashed, or a proxy in front has cut it off.",
}


def advice(error: ChatGptEsError, step: StepName, door: Place) -> str:
    """Return what `error` means and who can do what about it.

    Args:
        error: what the library raised.
        step: where it was raised.
        door: where the site takes messages.
    """
    place: Place = "page"
    if step in ("nonce", "turn") or (door == "api" and step in ("gate", "dialect")):
        place = door
    return _words(error, place)


def _words(error: ChatGptEsError, place: Place) -> str:
    words = next(words for cls, words in _BY_CLASS.items() if isinstance(error, cls))
    if isinstance(words, str):
        return words.format(door=_DOORS[place])
    return words(error, place)
